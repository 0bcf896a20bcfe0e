"""``Fleet``: agents as primaries and real secondaries that follow them, and what both say, to be compared.

Strategy: a zone is compared in three ways. What each secondary holds is fetched from it, and from the agent with the
same tool; both must be the same set of records. Then each name of it is asked of the agent itself, as any
client would, and has the very records that the secondary holds. And some questions, missing names among
them, are asked of both: code and answer must agree.

Programs are real and so is time. Agents have their usual ports on addresses of their own.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

from nodedns.observe.metrics import DNS_NOTIFIES, DNS_TRANSFERS
from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.processes import DEADLINE_S, Stopwatch, poll
from nodedns.testing.secondaries import KINDS, SAMPLE_SECRET, Followed, Secondary, fetched, free_place, record_line

__all__ = ["KEY_NAME", "SECRET", "Fleet", "Told", "ask", "fleet", "register", "said", "transfer_config"]

KEY_NAME = "nodedns-transfer"
ASKED_AT_ONCE = 64
SECRET = SAMPLE_SECRET


def transfer_config(told: Iterable[Secondary], *, key_name: str = KEY_NAME, secret: str = SECRET) -> str:
    """Return the configuration, in HCL, of an agent that these secondaries may follow.

    Args:
        told: Who gets NOTIFY; from this machine everybody with the key may have the zones.
        key_name: The key of all.
        secret: In base64.
    """
    notify = [f'{{ address = "{each.place.host}:{each.place.port}", key = "{key_name}" }}' for each in told]
    return f"""
dns_config {{
  reverse_zones = ["10.0.0.0/8"]
  transfer {{
    keys   = [{{ name = "{key_name}", algorithm = "hmac-sha256", secret = "{secret}" }}]
    allow  = [{{ address = "127.0.0.0/8", key = "{key_name}" }}]
    notify = [{", ".join(notify)}]
  }}
}}
"""


class Fleet:
    """Agents and secondaries, all of which run.

    Args:
        agents: The first is the one that is compared with.
        secondaries: Each follows all of ``agents``.
        flags: The agents are started with.

    Attributes:
        fetches: How often the first agent's zones were fetched for a comparison.
    """

    def __init__(self, agents: Sequence[LoneAgent], secondaries: Sequence[Secondary], flags: Sequence[str]) -> None:
        self.agents = tuple(agents)
        self.secondaries = tuple(secondaries)
        self._flags = tuple(flags)
        self.fetches = 0

    zones = ("consul", "10.in-addr.arpa")

    @property
    def agent(self) -> LoneAgent:
        """The first agent."""
        return self.agents[0]

    def start(self, agent: LoneAgent, *more: str) -> None:
        """Start an agent as its configuration says; it finds its directory again."""
        agent.start(*self._flags, *more)

    # --- serials ----------------------------------------------------------------------

    def serial(self, zone: str, agent: LoneAgent | None = None) -> int:
        """Return the serial with which an agent, the first by default, answers for a zone."""
        (record,) = ask(agent or self.agent, zone, "SOA").answer
        return int(record[0].serial)

    def wait_changed(self, zone: str, serial: int) -> int:
        """Return the first agent's serial of a zone once it is not this one."""
        poll(lambda: self.serial(zone) != serial, f"a serial of {zone} after {serial}")
        return self.serial(zone)

    def wait_followed(self, agent: LoneAgent | None = None) -> None:
        """Return once each secondary has the serials of an agent, the first by default, or later ones of another."""
        for each in self.secondaries:
            poll(partial(self._is_followed, each, agent or self.agent), f"{each.kind} to have the serials of now")

    def _is_followed(self, each: Secondary, agent: LoneAgent) -> bool:
        return all((each.serial(zone) or 0) >= self.serial(zone, agent) for zone in self.zones)

    def wait_known(self, name: str, *, is_there: bool = True) -> None:
        """Return once each secondary has an address for a name, or none any more."""
        for each in self.secondaries:
            what = f"{each.kind} to have {name}" if is_there else f"{each.kind} to have no {name}"
            poll(partial(_is_so, each, name, is_there), what)

    # --- what is counted --------------------------------------------------------------

    def counts(self, agent: LoneAgent | None = None) -> Mapping[str, float]:
        """Return an agent's metrics, by name and labels as they are exposed."""
        _, text = (agent or self.agent).http("GET", "/v1/agent/metrics?format=prometheus")
        samples = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in samples}

    # --- comparing --------------------------------------------------------------------

    def differences(self, agent: LoneAgent | None = None) -> str:
        """Return where what a secondary has is not what an agent has, even after a while, a line each."""
        return _lasting(lambda: self._differences(agent))

    def _differences(self, agent: LoneAgent | None) -> str:
        found = []
        for zone in self.zones:
            ours = self.transferred(zone, agent)
            for each in self.secondaries:
                found += [f"{each.kind}: {line}" for line in sorted(ours ^ each.dump(zone))]
        return "\n".join(found)

    def untrue(self, agent: LoneAgent | None = None, *, every: int = 1) -> str:
        """Return where what is in an agent's zones is not what it answers, even after a while, a line each.

        Args:
            agent: The first by default.
            every: Of the names in order, one in so many is asked.
        """
        asked = agent or self.agent

        def wrong() -> str:
            found = (self._wrong_live(self.transferred(zone, asked), asked, every) for zone in self.zones)
            return "\n".join(chain.from_iterable(found))

        return _lasting(wrong)

    def transferred(self, zone: str, agent: LoneAgent | None = None) -> frozenset[str]:
        """Return every record that an agent has of a zone, by AXFR with the key."""
        self.fetches += agent in {None, self.agent}
        key = f"hmac-sha256:{KEY_NAME}:{SECRET}"
        return fetched((agent or self.agent).host, DNS_PORT, zone, "-y", key)

    def _wrong_live(self, records: frozenset[str], agent: LoneAgent, every: int) -> Iterator[str]:
        """Yield the records, or those in their place, that an agent does not give to who asks for them."""
        by_name: dict[str, dict[str, set[str]]] = {}
        for line in records:
            name, _, kind, _ = line.split(" ", 3)
            by_name.setdefault(name, {}).setdefault(kind, set()).add(line)
        names = sorted(by_name)[::every]
        asked = [(name, kind) for name in names for kind in by_name[name]]
        # What an alias leads to is told with it.
        asked += [(name, "ANY") for name in names if "CNAME" not in by_name[name]]
        for (name, kind), told in zip(asked, _told(agent, asked), strict=True):
            known = by_name[name]
            yield from sorted(told - set().union(*known.values()) if kind == "ANY" else told ^ known[kind])

    def disagreements(self, names: Iterable[str], kinds: Iterable[str]) -> str:
        """Return the questions that a secondary answers otherwise than the first agent, even after a while."""
        asked = [(name, kind) for name in names for kind in kinds]
        return _lasting(lambda: self._disagreements(asked))

    def _disagreements(self, asked: Sequence[tuple[str, str]]) -> str:
        found = []
        for name, kind in asked:
            ours = said(ask(self.agent, name, kind))
            for each in self.secondaries:
                reply = each.ask(name, kind)
                theirs = said(reply) if reply is not None else "nothing"
                if ours != theirs:
                    found.append(f"{name} {kind}: {ours}, but {each.kind}: {theirs}")
        return "\n".join(found)


def _lasting(found: Callable[[], str]) -> str:
    """Return what is found after a while: nothing, if at some time nothing is. Zones are published one by one."""
    watch = Stopwatch()
    while True:
        is_last = watch.elapsed_s > DEADLINE_S
        text = found()
        if is_last or not text:
            return text


class Told:
    """What an agent and secondaries counted from now on.

    Args:
        fleet: With its first agent.
        since_start: Whether what the agent counted before is in it, since its start.
    """

    def __init__(self, fleet: Fleet, *, since_start: bool = False) -> None:
        self._fleet = fleet
        self._before = {} if since_start else fleet.counts()
        self._fetches = fleet.fetches
        self._printed = {each.kind: len(each.process.lines()) for each in fleet.secondaries}

    def transfers(self, kind: str) -> int:
        """Return how many transfers of a kind the agent has made, to others than the test itself."""
        own = self._fleet.fetches - self._fetches if kind == "axfr" else 0
        return self._of(DNS_TRANSFERS.name, f'kind="{kind}"') - own

    def notifies(self, event: str) -> int:
        """Return how often an event of NOTIFY took place."""
        return self._of(DNS_NOTIFIES.name, f'event="{event}"')

    def lines(self, kind: str, pattern: str) -> int:
        """Return how many lines a secondary printed in which a regular expression is found."""
        (each,) = [each for each in self._fleet.secondaries if each.kind == kind]
        return sum(re.search(pattern, line) is not None for line in each.process.lines()[self._printed[kind] :])

    def _of(self, name: str, label: str) -> int:
        now = self._fleet.counts()
        samples = [sample for sample in now if sample.startswith(f"{name}{{") and label in sample]
        return int(sum(now[sample] - self._before.get(sample, 0) for sample in samples))


def register(agent: LoneAgent, name: str, address: str, *, service: str = "") -> None:
    """Register a node over HTTP, perhaps with an instance of a service.

    Raises:
        AssertionError: The agent refuses it.
    """
    body: dict[str, object] = {"Node": name, "Address": address, "NodeMeta": {"made": f"for {name}"}}
    if service:
        body["Service"] = {"Service": service, "Port": 8000, "Tags": ["v1"]}
    status, text = agent.http("PUT", "/v1/catalog/register", body)
    if status != 200:
        raise AssertionError(f"{name}: {status} {text}")


def _is_so(each: Secondary, name: str, is_there: bool) -> bool:
    reply = each.ask(name, "A")
    return reply is not None and bool(reply.answer) is is_there


def _told(agent: LoneAgent, asked: Sequence[tuple[str, str]]) -> Iterator[set[str]]:
    """Yield the records of each answer, of questions that are asked some at a time over one connection."""
    with (
        socket.create_connection((agent.host, DNS_PORT), DEADLINE_S) as connection,
        connection.makefile("rb") as replies,
    ):
        for first in range(0, len(asked), ASKED_AT_ONCE):
            some = asked[first : first + ASKED_AT_ONCE]
            wires = [
                dns.message.make_query(name, kind, use_edns=0, payload=65_535, id=position).to_wire()
                for position, (name, kind) in enumerate(some)
            ]
            connection.sendall(b"".join(len(wire).to_bytes(2, "big") + wire for wire in wires))
            wires = [replies.read(int.from_bytes(replies.read(2), "big")) for _ in some]
            messages = {message.id: message for message in map(dns.message.from_wire, wires)}
            yield from (set(_lines(messages[position])) for position in range(len(some)))


def _lines(reply: dns.message.Message) -> list[str]:
    return sorted(
        record_line(str(rrset.name), rrset.ttl, dns.rdatatype.to_text(rrset.rdtype), rdata.to_text())
        for rrset in reply.answer
        for rdata in rrset
    )


def ask(agent: LoneAgent, name: str, kind: str) -> dns.message.Message:
    """Return what an agent says over UDP, or TCP if that is too much."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    reply, _ = dns.query.udp_with_fallback(query, agent.host, timeout=DEADLINE_S, port=DNS_PORT)
    return reply


def said(reply: dns.message.Message) -> str:
    """Return what a reply says that every server of a zone should say: code, whether it is authoritative, answer."""
    flags = "aa" if reply.flags & dns.flags.AA else "no aa"
    return f"{dns.rcode.to_text(reply.rcode())} {flags} {_lines(reply)}"


@contextmanager
def fleet(
    folder: Path, recipes: Mapping[str, str], *, agents: int = 1, kinds: Sequence[str] = KINDS
) -> Iterator[Fleet]:
    """Run agents that have joined, and secondaries that follow all of them; yield once every zone is followed.

    Args:
        folder: For everybody's files.
        recipes: Of the docs, by caption.
        agents: 1 or 2.
        kinds: Of the secondaries.
    """
    hosts = free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT)
    names = ("one", "two")[:agents]
    primaries = [LoneAgent(name, next(hosts), folder / name) for name in names]
    followed = Followed(tuple(agent.host for agent in primaries))
    with ExitStack() as undo:
        secondaries = [Secondary(kind, free_place(kind), folder / kind, recipes, followed) for kind in kinds]
        config = folder / "transfer.hcl"
        config.write_text(transfer_config(secondaries), encoding="utf-8")
        made = Fleet(primaries, secondaries, [f"-config-file={config}"])
        for agent in primaries:
            undo.callback(agent.close)
            made.start(agent, *(f"-retry-join={primaries[0].host}" for _ in primaries if agent is not primaries[0]))
        for each in secondaries:
            undo.callback(each.stop)
            each.start()
        made.wait_followed()
        yield made

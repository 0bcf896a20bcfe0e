"""``Fleet``: agents as primaries and real secondaries that follow them, and what both say, to be compared.

Strategy: a zone is compared in three ways. What each secondary holds is fetched from it, and from the agent with the
same tool; both must be the same set of records. Then each name of it is asked of the agent itself, as any
client would, and has the very records that the secondary holds. And some questions, missing names among
them, are asked of both: code and answer must agree.

Programs are real and so is time. Agents have their usual ports on addresses of their own.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import dns.xfr
import dns.zone

from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.processes import DEADLINE_S, poll
from nodedns.testing.secondaries import KINDS, SAMPLE_SECRET, Followed, Secondary, free_place, record_line, records_of

__all__ = ["KEY_NAME", "SECRET", "Fleet", "ask", "fleet", "said", "transfer_config"]

KEY_NAME = "nodedns-transfer"
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
    """

    def __init__(self, agents: Sequence[LoneAgent], secondaries: Sequence[Secondary], flags: Sequence[str]) -> None:
        self.agents = tuple(agents)
        self.secondaries = tuple(secondaries)
        self._flags = tuple(flags)

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
        """Return once each secondary has the serials of an agent, the first by default."""
        for each in self.secondaries:
            poll(partial(self._is_followed, each, agent or self.agent), f"{each.kind} to have the serials of now")

    def _is_followed(self, each: Secondary, agent: LoneAgent) -> bool:
        return all(each.serial(zone) == self.serial(zone, agent) for zone in self.zones)

    # --- what is counted --------------------------------------------------------------

    def counts(self, agent: LoneAgent | None = None) -> Mapping[str, float]:
        """Return an agent's metrics, by name and labels as they are exposed."""
        _, text = (agent or self.agent).http("GET", "/v1/agent/metrics?format=prometheus")
        samples = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in samples}

    # --- comparing --------------------------------------------------------------------

    def differences(self, agent: LoneAgent | None = None) -> list[str]:
        """Return where what a secondary has is not what an agent has, or says of a name; none if all is well."""
        found = []
        for zone in self.zones:
            ours = self.transferred(zone, agent)
            found += [f"{agent or self.agent.name} of {text}" for text in self._wrong_live(ours, agent or self.agent)]
            for each in self.secondaries:
                found += [f"{each.kind}: {line}" for line in sorted(ours ^ each.dump(zone))]
        return found

    def transferred(self, zone: str, agent: LoneAgent | None = None) -> frozenset[str]:
        """Return every record that an agent has of a zone, by AXFR with the key."""
        copy = dns.zone.Zone(zone, relativize=False)
        query, _ = dns.xfr.make_query(copy, keyring=dns.tsigkeyring.from_text({KEY_NAME: SECRET}))
        dns.query.inbound_xfr((agent or self.agent).host, copy, query, port=DNS_PORT, lifetime=DEADLINE_S)
        return records_of(copy)

    def _wrong_live(self, records: frozenset[str], agent: LoneAgent) -> Iterator[str]:
        """Yield the records, or those in their place, that an agent does not give to who asks for all of a name."""
        by_name: dict[str, set[str]] = {}
        for line in records:
            by_name.setdefault(line.split(" ", 1)[0], set()).add(line)
        with socket.create_connection((agent.host, DNS_PORT), DEADLINE_S) as connection:
            for name, lines in by_name.items():
                query = dns.message.make_query(name, "ANY", use_edns=0, payload=65_535)
                reply = dns.query.tcp(query, agent.host, sock=connection, timeout=DEADLINE_S)
                said = {
                    record_line(rrset.name, rrset.ttl, rrset.rdtype, rdata.to_text())
                    for rrset in reply.answer
                    for rdata in rrset
                }
                yield from sorted(said ^ lines)

    def disagreements(self, names: Iterable[str], kinds: Iterable[str]) -> list[str]:
        """Return the questions that a secondary answers otherwise than the first agent; none if all is well."""
        found = []
        for name in names:
            for kind in kinds:
                ours = said(ask(self.agent, name, kind))
                for each in self.secondaries:
                    reply = each.ask(name, kind)
                    theirs = said(reply) if reply is not None else "nothing"
                    if ours != theirs:
                        found.append(f"{name} {kind}: {ours}, but {each.kind}: {theirs}")
        return found


def ask(agent: LoneAgent, name: str, kind: str) -> dns.message.Message:
    """Return what an agent says over UDP, or TCP if that is too much."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    reply, _ = dns.query.udp_with_fallback(query, agent.host, timeout=DEADLINE_S, port=DNS_PORT)
    return reply


def said(reply: dns.message.Message) -> str:
    """Return what a reply says that every server of a zone should say: code, whether it is authoritative, answer."""
    records = [
        record_line(rrset.name, rrset.ttl, rrset.rdtype, rdata.to_text()) for rrset in reply.answer for rdata in rrset
    ]
    flags = "aa" if reply.flags & dns.flags.AA else "no aa"
    return f"{dns.rcode.to_text(reply.rcode())} {flags} {sorted(records)}"


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

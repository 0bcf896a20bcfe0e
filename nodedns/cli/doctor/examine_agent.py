"""``examine_agent``: what the agent says of itself and its peers over HTTP, and how its own DNS answers.

What is asked of the agent is what its other commands ask; nothing is changed by it. Peers get a TCP connection
to their gossip port, closed at once, and one question for the time over HTTP, without any token.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

import attrs

from nodedns.cli.client import AgentClient, ClientError
from nodedns.cli.client_settings import ClientSettings
from nodedns.cli.doctor.facts import AgentFacts, Clock, Dial, PeerFacts
from nodedns.cli.doctor.listening import Listeners, is_own_address
from nodedns.cli.doctor.patience import Patience, at_once
from nodedns.cli.endpoint import Endpoint
from nodedns.cli.tables import join_host_port
from nodedns.model.address import parse_port, split_port

__all__ = ["ANY_HOST", "AgentSays", "ask_agent", "examine_peers"]

SELF_PATH = "/v1/agent/self"
MEMBERS_PATH = "/v1/agent/members"
METRICS_PATH = "/v1/agent/metrics"
WHY_PATH = "/v1/agent/why/"
TIME_PATH = "/v1/status/leader"
"""Needs no token, and its answer is short."""
DEFAULT_DNS = ("127.0.0.1", 8600)
GOSSIP_PORT = 8301
NO_AGENT = "what answers there is no agent of nodedns"
ANSWER_S = 5.0
DIAL_S = 3.0
PEERS_S = 10.0
MAX_PEERS = 8
"""Members that are looked at one by one: the subject, then those in trouble."""
MAX_JOINS = 8
MAX_DNS_ADDRESSES = 4
STATUSES = {1: "alive", 2: "leaving", 4: "failed"}
ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound
"""Where to ask what listens everywhere."""
_DROPPED = re.compile(r'^nodedns_gossip_dropped_total\{reason="(wrong-key|no-key|not-encrypted|other-label)"\} (\S+)')
_FUTURE = re.compile(r'^nodedns_replica_refused\{reason="future"\} (\S+)')


@attrs.frozen(kw_only=True)
class AgentSays:
    """What the agent says, as far as it goes without asking anybody else.

    Attributes:
        facts: For the judges; without DNS and peers.
        domains: That its DNS answers for, the first one first.
        dns: Where its DNS can be asked from here.
        members: Those that have not left, by name: status, address and gossip port.
        joins: What its configuration has it join.
        is_here: Whether it runs on this host.
    """

    facts: AgentFacts
    domains: tuple[str, ...] = ()
    dns: tuple[tuple[str, int], ...] = (DEFAULT_DNS,)
    members: Mapping[str, tuple[str, str, int]] = attrs.field(factory=dict)
    joins: tuple[str, ...] = ()
    is_here: bool = True


def ask_agent(
    client: AgentClient, listeners: Listeners, patience: Patience, wall_clock: Callable[[], float]
) -> AgentSays:
    """Ask the agent about itself."""
    where = client.endpoint.unix_path or client.endpoint.authority
    try:
        said, date = _get(client, SELF_PATH, patience)
        clock = _clock("the agent", date, wall_clock())
        says = _read_self(where, said)
        members = _members(_get(client, MEMBERS_PATH, patience)[0], says.facts.node)
        undeciphered, future = _counted(client, patience)
    except ClientError as error:
        text = str(error).splitlines()[0]
        return AgentSays(
            facts=AgentFacts(where=where, error=text, status=error.status, holder=_holder(client.endpoint, listeners))
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        holder = _holder(client.endpoint, listeners)
        return AgentSays(facts=AgentFacts(where=where, error=NO_AGENT, holder=holder))
    facts = attrs.evolve(
        says.facts,
        names=tuple(sorted([says.facts.node, *members])),
        undeciphered=undeciphered,
        from_future=future,
        clocks=() if clock is None or says.is_here else (clock,),
    )
    return attrs.evolve(says, facts=facts, members=members)


def _get(client: AgentClient, path: str, patience: Patience) -> tuple[Any, str]:
    body, headers = client.get_raw(path, answer_s=patience.at_most(ANSWER_S))
    return json.loads(body), headers.get("date", "")


def _holder(endpoint: Endpoint, listeners: Listeners) -> str:
    if endpoint.unix_path or not is_own_address(endpoint.host):
        return ""
    listener = listeners.at(endpoint.host, endpoint.port, "tcp")
    return listeners.program(listener) if listener is not None else ""


def _read_self(where: str, said: Mapping[str, Any]) -> AgentSays:
    config, debug = said["Config"], said["DebugConfig"]
    # Clients wait for nobody, and say nothing of it.
    cluster = said["Stats"].get("consul", {})
    address = str(said["Member"]["Addr"])
    is_here = is_own_address(address)
    return AgentSays(
        facts=AgentFacts(
            where=where,
            node=str(config["NodeName"]),
            version=str(config["Version"]),
            is_known=cluster.get("cluster_known", "true") == "true",
            has_recursors=bool(debug["recursion"]["recursors"]),
            wanted_servers=int(cluster.get("bootstrap_expect", "0")),
        ),
        domains=(str(debug["domain"]), *map(str, debug["alt_domains"])),
        dns=_dns_of(list(map(str, debug["dns_addrs"])), int(debug["dns_port"]), "" if is_here else address),
        joins=tuple(map(str, debug["retry_join"])),
        is_here=is_here,
    )


def _dns_of(hosts: Sequence[str], port: int, elsewhere: str) -> tuple[tuple[str, int], ...]:
    """Return where to ask the agent's DNS, whose host has the address ``elsewhere`` if it is not this one."""
    asked = [(elsewhere if elsewhere and host in ANY_HOST else ANY_HOST.get(host, host)) for host in hosts]
    if elsewhere:
        asked = [host for host in asked if not ip_address(host).is_loopback]
    return tuple((host, port) for host in asked[:MAX_DNS_ADDRESSES] if port > 0)


def _members(rows: Sequence[Mapping[str, Any]], own: str) -> dict[str, tuple[str, str, int]]:
    found = {str(row["Name"]): (int(row["Status"]), str(row["Addr"]), int(row["Port"])) for row in rows}
    return {
        name: (STATUSES[status], host, port)
        for name, (status, host, port) in sorted(found.items())
        if status in STATUSES and name != own
    }


def _counted(client: AgentClient, patience: Patience) -> tuple[dict[str, int], int]:
    body, _ = client.get_raw(METRICS_PATH, [("format", "prometheus")], answer_s=patience.at_most(ANSWER_S))
    undeciphered: dict[str, int] = {}
    future = 0
    for line in body.decode("utf-8", "replace").splitlines():
        if dropped := _DROPPED.match(line):
            undeciphered[dropped[1]] = int(float(dropped[2]))
        elif refused := _FUTURE.match(line):
            future = int(float(refused[1]))
    return undeciphered, future


def _clock(who: str, date: str, wall_s: float) -> Clock | None:
    try:
        # A header's time is cut to the second.
        return Clock(who=who, ahead_s=parsedate_to_datetime(date).timestamp() + 0.5 - wall_s)
    except (TypeError, ValueError, OverflowError):
        return None


# --- peers -------------------------------------------------------------------------------


def examine_peers(
    client: AgentClient, says: AgentSays, wanted: str, patience: Patience, wall_clock: Callable[[], float]
) -> AgentFacts:
    """Return the agent's facts with its peers in them, and with what it is to join where it has none."""
    chosen = _chosen(says.members, wanted)
    jobs = {name: partial(_examine_peer, client, says, name, patience, wall_clock) for name in chosen}
    found = at_once(jobs, patience, PEERS_S)
    joins = at_once(
        {address: partial(_dial_join, address, patience) for address in says.joins[:MAX_JOINS]} if not chosen else {},
        patience,
        PEERS_S,
    )
    clocks = [clock for _, clock in found.values() if clock is not None]
    return attrs.evolve(
        says.facts,
        peers=tuple(peer for peer, _ in found.values()),
        joins=tuple(joins.values()),
        clocks=(*says.facts.clocks, *clocks),
    )


def _chosen(members: Mapping[str, tuple[str, str, int]], wanted: str) -> list[str]:
    """Return whom to look at: the subject, then the failed, then the others."""
    rank = {"failed": 1, "leaving": 2, "alive": 2}
    order = sorted(members, key=lambda name: (0 if name.lower() == wanted.lower() else rank[members[name][0]], name))
    return order[:MAX_PEERS]


def _examine_peer(
    client: AgentClient, says: AgentSays, name: str, patience: Patience, wall_clock: Callable[[], float]
) -> tuple[PeerFacts, Clock | None]:
    status, host, port = says.members[name]
    peer = PeerFacts(name=name, status=status)
    try:
        story, _ = _get(client, f"{WHY_PATH}{quote(name, safe='')}", patience)
        acked = story["Probe"]["LastAckSecondsAgo"]
        peer = attrs.evolve(
            peer,
            acked_s=None if acked is None else float(acked),
            misses=int(story["Probe"]["MissesInARow"]),
            hints=tuple(map(str, story["Hints"])),
        )
    except (ClientError, KeyError, TypeError, ValueError):
        pass  # the agent has forgotten it meanwhile
    if not says.is_here:
        return peer, None
    peer = attrs.evolve(peer, dial=_dial(host, port, patience))
    return peer, _peer_clock(name, Endpoint(host, _http_port(client)), patience, wall_clock)


def _http_port(client: AgentClient) -> int:
    endpoint = client.endpoint
    return 8500 if endpoint.is_tls or endpoint.unix_path else endpoint.port


def _peer_clock(name: str, endpoint: Endpoint, patience: Patience, wall_clock: Callable[[], float]) -> Clock | None:
    # Peers mostly serve HTTP to themselves alone; and our token is none of their business.
    stranger = AgentClient(endpoint, ClientSettings(environment={}), connect_s=patience.at_most(DIAL_S))
    try:
        _, headers = stranger.get_raw(TIME_PATH, answer_s=patience.at_most(DIAL_S))
    except ClientError:
        return None
    return _clock(name, headers.get("date", ""), wall_clock())


def _dial_join(address: str, patience: Patience) -> Dial:
    host, port = split_port(address)
    return _dial(host, parse_port(port) or GOSSIP_PORT, patience)


def _dial(host: str, port: int, patience: Patience) -> Dial:
    where = join_host_port(host, port)
    try:
        socket.create_connection((host, port), patience.at_most(DIAL_S)).close()
    except TimeoutError:
        return Dial(where=where, error="no answer")
    except OSError as error:
        return Dial(where=where, error=(error.strerror or str(error)).lower())
    return Dial(where=where)

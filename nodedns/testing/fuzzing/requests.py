"""Any request to the HTTP API: a first line with method and target, and behind it the body.

Whatever is asked, the answer is one that HTTP can carry and its JSON is JSON. What is registered is the
same when it is read back from the disk, does not keep the lists from being read, and leaves a zone
of which dnspython reads every message.
"""

from __future__ import annotations

import json
from collections import deque

import dns.message

from nodedns.api.actions import Perform, Register
from nodedns.api.local_actions import RegisterCheck, RegisterService
from nodedns.api.request import Request, Response
from nodedns.api.router import handle
from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.decode_service import decode_service_untrusted
from nodedns.checks.encode import encode_check, encode_service
from nodedns.dns.decode import HEADER
from nodedns.dns.name import packed_name
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.publications import Publications
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.errors import ApiError, NodednsError, TooBig
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.net.http_machine import AnswerHead
from nodedns.replica.entry import NODE_ID_BYTES, Registration
from nodedns.replica.params import ReplicaParams
from nodedns.replica.replicator import Replicator
from nodedns.table.changes import CheckRegistered, ExternalNode, NodeRegistered, ServiceRegistered
from nodedns.testing.chance import seeded_random
from nodedns.testing.fuzzing.demands import demand
from nodedns.testing.table_agent import TableAgent

__all__ = ["checked_request"]

WALL_MS = 1_800_000_000_000
CLOCK_S = 1_700_000_000
NODE = NodeName("one")
SOME = (
    NodeRegistered(ExternalNode(NODE, "", "10.0.0.1", {"lan_ipv6": "2001:db8::1"}, {"rack": "a"})),
    ServiceRegistered(NODE, Service("web", "web", tags=("v1",), port=80)),
    CheckRegistered(NODE, Check("c", "c", CheckStatus.PASSING, service_id="web", service_tags=("v1",))),
)
LISTS = (b"/v1/catalog/nodes", b"/v1/catalog/services", b"/v1/health/state/any")
ANY_RECORD = b"\0\xfc\0\1"


def checked_request(data: bytes) -> str:
    """Ask what ``data`` says; return the status, or the kind of what is to be done.

    Raises:
        AssertionError: Something does not hold; any other error is one, too.
    """
    line, _, body = data.partition(b"\n")
    method, _, target = line.partition(b" ")
    path, _, query = target.partition(b"?")
    agent = TableAgent(NODE)
    agent.apply(*SOME)
    try:
        request = Request.from_wire_untrusted(method.decode("latin-1"), path, query, {}, body)
        outcome = handle(request, agent.api_context())
    except ApiError as error:
        demand(400 <= error.status < 600, "an error that says all is well")
        return str(error.status)
    if isinstance(outcome, Response):
        _check_answer(outcome)
        return str(outcome.status)
    if isinstance(outcome, Perform):
        _check_action(outcome, agent)
        return type(outcome.action).__name__
    return type(outcome).__name__


def _check_answer(response: Response) -> None:
    AnswerHead.of(response.status, response.headers)
    body = response.body + b"".join(response.rest or ())
    if any(name.lower() == "content-type" and value.startswith("application/json") for name, value in response.headers):
        json.loads(body, parse_constant=_refuse)


def _check_action(perform: Perform, agent: TableAgent) -> None:
    match perform.action:
        case Register(changes=changes):
            _check_registered(changes, agent)
            _check_answer(perform.answer(None))
        case RegisterService(definition=service):
            demand(decode_service_untrusted(_kept(encode_service(service))) == service, "another service on the disk")
        case RegisterCheck(definition=check):
            demand(decode_check_untrusted(_kept(encode_check(check))) == check, "another check on the disk")
        case _:
            pass


def _kept(values: dict[str, object]) -> dict[str, object]:
    """Return a definition as it comes back from a file."""
    found: dict[str, object] = json.loads(json.dumps(values), parse_constant=_refuse)
    return found


def _check_registered(changes: tuple[Registration, ...], agent: TableAgent) -> None:
    replicator = Replicator(ReplicaParams(), b"me".ljust(NODE_ID_BYTES), seeded_random("held"))
    replicator.start(0.0, WALL_MS)
    try:
        replicator.write(changes, 0.0, WALL_MS)
    except (NodednsError, TooBig):
        return
    agent.apply(*replicator.take_changes())
    for path in LISTS:
        answer = handle(Request.from_wire_untrusted("GET", path, b"", {}, b""), agent.api_context())
        demand(isinstance(answer, Response), "a list that has to be waited for")
        if isinstance(answer, Response):
            _check_answer(answer)
    _check_zones(agent)


def _check_zones(agent: TableAgent) -> None:
    zone = Zone.of_domain("consul")
    zones = Zones((zone,), ReverseZones.of_prefixes(None, zone.origin))
    kept = Publications(NODE, "dc1", CLOCK_S)
    deque(kept.publish(zones, agent.table.view, DnsPolicy(), CLOCK_S), maxlen=0)
    for origin in kept.origins:
        published = kept.zone(origin)
        demand(published is not None, "a zone that is not published")
        for record in () if published is None else (published.soa, *published.each_record()):
            head = HEADER.pack(0, 0x8400, 1, 1, 0, 0)
            dns.message.from_wire(head + packed_name(origin) + ANY_RECORD + record)


def _refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is no JSON")

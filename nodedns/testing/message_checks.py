"""``checked_message``: any bytes as a message of replication, a filter and a registration, and what must hold of each.

The first byte says which of them the rest is. Whatever it is, nothing but the errors that are made
for it may come of it, and afterwards every list is still JSON.

Source: the patterns of ``dns_checks``.
"""

from __future__ import annotations

import json

from nodedns.api.filter_fields import CHECK_FIELDS
from nodedns.api.filters import compile_filter, kept
from nodedns.api.request import Request, Response
from nodedns.api.router import handle
from nodedns.api.shapes import check_shape
from nodedns.errors import ApiError
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.replica.entry import NODE_ID_BYTES
from nodedns.replica.params import ReplicaParams
from nodedns.replica.replicator import Replicator
from nodedns.table.changes import CheckRegistered, ExternalNode, NodeRegistered
from nodedns.testing.chance import seeded_random
from nodedns.testing.table_agent import TableAgent

__all__ = ["checked_message"]

WALL_MS = 1_800_000_000_000
PEER = NodeName("peer")
SOME = (
    NodeRegistered(ExternalNode(NodeName("one"), "", "10.0.0.1")),
    CheckRegistered(NodeName("one"), Check("c", "c", CheckStatus.PASSING, service_tags=("a",), definition={"x": 1})),
)
STATUSES = (200, 400, 403, 500)
LISTS = (b"/v1/catalog/nodes", b"/v1/catalog/services", b"/v1/health/state/any")
REGISTRATIONS = (
    b"/v1/catalog/register",
    b"/v1/catalog/deregister",
    b"/v1/agent/service/register",
    b"/v1/agent/check/register",
)


def checked_message(data: bytes) -> str:
    """Take ``data``; return what it was: ``replica``, ``filter`` or ``registration``.

    Raises:
        AssertionError: Something that must hold does not; any other error is one, too.
    """
    if not data:
        return ""
    kind, rest = data[0] % 3, data[1:]
    if kind == 0:
        _take_message(rest)
        return "replica"
    if kind == 1:
        _try_filter(rest.decode("utf-8", "surrogateescape"))
        return "filter"
    for path in REGISTRATIONS:
        _register(path, rest)
    return "registration"


def _take_message(payload: bytes) -> None:
    replicator = Replicator(ReplicaParams(), b"me".ljust(NODE_ID_BYTES), seeded_random("held"))
    replicator.start(0.0, WALL_MS)
    replicator.set_peers([PEER], 0.0)
    replicator.write(SOME, 0.0, WALL_MS)
    replicator.receive(payload, PEER, 1.0, WALL_MS)
    replicator.handle_timer(100.0, WALL_MS)
    agent = TableAgent("one")
    agent.apply(*replicator.take_changes())
    for path in LISTS:
        answer = handle(Request.from_wire_untrusted("GET", path, b"", {}, b""), agent.api_context())
        if isinstance(answer, Response):
            json.loads(answer.body + b"".join(answer.rest or ()), parse_constant=_refuse)
    again = Replicator(ReplicaParams(), b"me".ljust(NODE_ID_BYTES), seeded_random("again"))
    for record in replicator.take_records():
        again.restore(record)
    again.start(100.0, WALL_MS)
    held, kept_on_disk = (
        {one.key: (one.version, one.value) for one in these.entries()} for these in (replicator, again)
    )
    _require(held == kept_on_disk, "what is on the disk is not what is held")


def _try_filter(text: str) -> None:
    agent = TableAgent("one")
    agent.apply(*SOME)
    services = agent.table.view.node_services("one")
    shapes = [] if services is None else [check_shape(services.row, check) for check in services.checks]
    try:
        wanted = compile_filter(text, CHECK_FIELDS)
    except ApiError:
        return
    _require(len(kept(shapes, wanted)) <= len(shapes), "a filter adds")


def _register(path: bytes, body: bytes) -> None:
    outcome = handle(Request.from_wire_untrusted("PUT", path, b"", {}, body), TableAgent("one").api_context())
    if isinstance(outcome, Response):
        _require(outcome.status in STATUSES, f"a registration is answered with {outcome.status}")


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise AssertionError(otherwise)


def _refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is no JSON")

"""Any bytes as a message of replication, from a member.

Whatever it is, what is held afterwards is what the disk says and every list is still JSON, and what is told
to others in turn is a message that they can read.

Source: the patterns of ``dns_checks``.
"""

from __future__ import annotations

import json

from nodedns.api.request import Request, Response
from nodedns.api.router import handle
from nodedns.errors import WireError
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.replica.entry import NODE_ID_BYTES, Entry
from nodedns.replica.params import MAX_MESSAGE_BYTES, ReplicaParams
from nodedns.replica.replicator import Replicator
from nodedns.replica.wire import decode_message_untrusted, decode_ranges_untrusted, join_ranges
from nodedns.table.changes import CheckRegistered, ExternalNode, NodeRegistered
from nodedns.testing.chance import seeded_random
from nodedns.testing.fuzzing.demands import demand
from nodedns.testing.table_agent import TableAgent

__all__ = ["checked_replica"]

WALL_MS = 1_800_000_000_000
PEER = NodeName("peer")
SOME = (
    NodeRegistered(ExternalNode(NodeName("one"), "", "10.0.0.1")),
    CheckRegistered(NodeName("one"), Check("c", "c", CheckStatus.PASSING, service_tags=("a",), definition={"x": 1})),
)
LISTS = (b"/v1/catalog/nodes", b"/v1/catalog/services", b"/v1/health/state/any")


def checked_replica(data: bytes) -> str:
    """Take ``data`` as a message; return the kind of message that it is, or ``malformed``.

    Raises:
        AssertionError: Something that must hold does not; any other error is one, too.
    """
    replicator = Replicator(ReplicaParams(), b"me".ljust(NODE_ID_BYTES), seeded_random("held"))
    replicator.start(0.0, WALL_MS)
    replicator.set_peers([PEER], 0.0)
    replicator.write(SOME, 0.0, WALL_MS)
    kind = _read(data)
    problem = replicator.receive(data, PEER, 1.0, WALL_MS)
    demand((problem is None) or kind == "malformed", "refused, though it can be read")
    replicator.handle_timer(100.0, WALL_MS)
    for outgoing in replicator.messages_to_send():
        demand(len(outgoing.payload) <= MAX_MESSAGE_BYTES, "a message above the limit")
        decode_message_untrusted(outgoing.payload)
    _check_lists(replicator)
    _check_disk(replicator)
    return kind


def _read(data: bytes) -> str:
    try:
        message = decode_message_untrusted(data)
    except WireError:
        return "malformed"
    for told in getattr(message, "ranges", ()):
        if not told.raw:
            continue  # of rumours that are known already, nothing is kept
        (again,) = decode_ranges_untrusted(join_ranges([told.raw]))
        demand(again == told, "a range that is another one when handed on")
        demand(list(map(_said, again.entries)) == list(map(_said, told.entries)), "entries that differ when handed on")
    return type(message).__name__.lower()


def _said(entry: Entry) -> tuple[object, ...]:
    return entry.key, entry.node, entry.version, entry.origin, entry.value


def _check_lists(replicator: Replicator) -> None:
    agent = TableAgent("one")
    agent.apply(*replicator.take_changes())
    for path in LISTS:
        answer = handle(Request.from_wire_untrusted("GET", path, b"", {}, b""), agent.api_context())
        if isinstance(answer, Response):
            json.loads(answer.body + b"".join(answer.rest or ()), parse_constant=_refuse)


def _check_disk(replicator: Replicator) -> None:
    again = Replicator(ReplicaParams(), b"me".ljust(NODE_ID_BYTES), seeded_random("again"))
    for record in replicator.take_records():
        again.restore(record)
    again.start(100.0, WALL_MS)
    held, kept_on_disk = (
        {one.key: (one.version, one.value) for one in these.entries()} for these in (replicator, again)
    )
    demand(held == kept_on_disk, "what is on the disk is not what is held")


def _refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is no JSON")

"""Members that are hostile or broken: what they fill us with, and what it may cost."""

from __future__ import annotations

from random import Random

import pytest

from nodedns.errors import WireError
from nodedns.model.names import NodeName
from nodedns.replica.entry import NODE_ID_BYTES, ORIGIN_BYTES, Origin
from nodedns.replica.params import MAX_STREAMS, ReplicaParams
from nodedns.replica.replicator import Replicator
from nodedns.replica.wire import MAX_PIECE_BYTES, MAX_RANGES, decode_message_untrusted, encode_range, encode_rumours
from nodedns.table.changes import ExternalNode, NodeRegistered

WALL_MS = 1_800_000_000_000
NOW_VERSION = WALL_MS << 16
HOSTILE = NodeName("hostile")
LISTS_IN_LISTS = b"\x94\x00\x00\xc2\xdc\x00\x3c" + (b"\xdc\xff\xff" + b"\x90" * 65_535) * 60


def origins(count: int) -> list[Origin]:
    return [Origin(number.to_bytes(ORIGIN_BYTES, "big")) for number in range(count)]


def test_what_we_write_is_held_however_many_origins_others_made_up() -> None:
    replicator = Replicator(ReplicaParams(), b"me".ljust(NODE_ID_BYTES), Random(0))
    replicator.start(0.0, WALL_MS)
    made_up = [encode_range(origin, 0, NOW_VERSION, []) for origin in origins(MAX_STREAMS)]
    for start in range(0, MAX_STREAMS, 1024):
        assert replicator.receive(encode_rumours(made_up[start : start + 1024]), HOSTILE, 0.0, WALL_MS) is None
    assert MAX_STREAMS == replicator.statistics().streams

    replicator.write([NodeRegistered(ExternalNode(NodeName("mine"), "", "10.0.0.9"))], 0.0, WALL_MS)

    assert [NodeName("mine")] == [entry.node for entry in replicator.entries()]
    assert MAX_STREAMS == replicator.statistics().streams


@pytest.mark.parametrize("kind", [b"\x04", b"\x05", b"\x08"], ids=["rumours", "delta", "census"])
def test_a_message_of_a_million_small_things_is_refused_unread(kind: bytes) -> None:
    # Packed it fits a datagram; read, each of its bytes would become an object.
    assert len(LISTS_IN_LISTS) > MAX_PIECE_BYTES
    with pytest.raises(WireError, match=f"{len(LISTS_IN_LISTS) + 1} bytes"):
        decode_message_untrusted(kind + LISTS_IN_LISTS)


def test_the_longest_message_that_is_sent_can_be_read() -> None:
    some = [encode_range(origin, 0, 1, []) for origin in origins(MAX_RANGES)]
    told = encode_rumours(some[: MAX_PIECE_BYTES // len(some[0]) - 1])

    assert MAX_PIECE_BYTES > len(told) > MAX_PIECE_BYTES - 100
    decode_message_untrusted(told)

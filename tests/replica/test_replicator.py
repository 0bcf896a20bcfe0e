"""Two and three replicators: writing, hearing, healing, restarting."""

from __future__ import annotations

from random import Random

import pytest

from nodedns.errors import LocalProtocolError, TooBig, WireError
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.replica.entry import Registration
from nodedns.replica.messages import ALL_BUCKETS, Delta
from nodedns.replica.params import MAX_VALUE_BYTES, ReplicaParams
from nodedns.replica.replicator import MAX_HELD, Replicator
from nodedns.replica.wire import decode_message_untrusted, encode_behind, encode_digest, encode_fingerprint
from nodedns.table.changes import ExternalNode, NodeDeregistered, NodeRegistered, ServiceDeregistered, ServiceRegistered

WALL_MS = 1_800_000_000_000
DAY_MS = 86_400_000
PRINTER = NodeName("Printer")


def web(port: int, name: str = "web") -> ServiceRegistered:
    return ServiceRegistered(NodeName("n1"), Service(id=name, name=name, port=port))


def node(address: str = "10.0.0.9", name: NodeName = PRINTER) -> NodeRegistered:
    return NodeRegistered(ExternalNode(name, "", address))


class Side:
    """A replicator, its name, and what it has told its table and its disk."""

    def __init__(self, name: str, *, records: list[bytes] | None = None, seed: int = 0, wall_ms: int = WALL_MS) -> None:
        self.name = NodeName(name)
        self.replicator = Replicator(ReplicaParams(), name.encode().ljust(16), Random(f"{name}/{seed}"))
        self.records = list(records or ())
        self.changes: list[Registration] = []
        for record in self.records:
            self.replicator.restore(record)
        self.replicator.start(0.0, wall_ms)
        self.drain()

    def drain(self) -> None:
        self.changes += self.replicator.take_changes()
        self.records += self.replicator.take_records()

    def write(self, *changes: Registration, now: float = 0.0, wall_ms: int = WALL_MS) -> None:
        self.replicator.write(changes, now, wall_ms)
        self.drain()


def settle(*sides: Side, now: float, wall_ms: int = WALL_MS, until: float) -> None:
    """Carry messages between the sides, all of them and at once, until a time."""
    by_name = {side.name: side for side in sides}
    for side in sides:
        side.replicator.set_peers([name for name in by_name if name != side.name], now)
    while now <= until:
        busy = True
        while busy:
            busy = False
            for side in sides:
                for message in side.replicator.messages_to_send():
                    busy = True
                    peer = by_name[message.peer]
                    assert peer.replicator.receive(message.payload, side.name, now, wall_ms) is None
                    peer.drain()
        now += 0.05
        for side in sides:
            deadline = side.replicator.next_deadline()
            if deadline is not None and deadline <= now:
                side.replicator.handle_timer(now, wall_ms)
                side.drain()


def test_what_is_written_comes_out_for_the_table_at_once() -> None:
    side = Side("a")
    side.write(node(), web(80))
    assert [node(), web(80)] == side.changes


def test_a_write_is_told_to_a_peer_as_a_rumour() -> None:
    one, other = Side("a"), Side("b")
    settle(one, other, now=0.0, until=0.5)
    one.write(web(80), now=1.0)
    settle(one, other, now=1.0, until=1.2)
    assert [web(80)] == other.changes


def test_a_fresh_agent_asks_at_once_and_is_told_everything() -> None:
    one = Side("a")
    for port in range(1, 301):
        one.write(web(port, f"web{port}"))
    one.write(node())
    fresh = Side("b")
    settle(one, fresh, now=5.0, until=5.2)
    assert 301 == len(fresh.replicator.entries())
    assert one.replicator.fingerprint == fresh.replicator.fingerprint


def test_what_is_deleted_goes_everywhere_and_stays_gone() -> None:
    one, other = Side("a"), Side("b")
    one.write(node(), web(80))
    settle(one, other, now=0.0, until=2.0)
    other.write(ServiceDeregistered(NodeName("N1"), "web"), NodeDeregistered(PRINTER), now=2.0)
    settle(one, other, now=2.0, until=4.0)
    assert () == one.replicator.entries() == other.replicator.entries()
    assert [ServiceDeregistered(NodeName("n1"), "web"), NodeDeregistered(PRINTER)] == one.changes[2:]


def test_write_that_was_refused_takes_nothing_away_after_a_restart() -> None:
    one, hasty = Side("a"), Side("b")
    one.write(node())
    hasty.write(node("10.9.9.9"), wall_ms=WALL_MS + 10 * DAY_MS)
    hasty.replicator.set_peers([one.name], 0.0)
    hasty.replicator.handle_timer(1.0, WALL_MS + 10 * DAY_MS)
    for message in hasty.replicator.messages_to_send():
        one.replicator.receive(message.payload, hasty.name, 1.0, WALL_MS)
    one.drain()
    assert 0 < one.replicator.statistics().future
    assert [node()] == one.changes == Side("a", records=one.records).changes


def test_records_bring_all_back_after_a_restart() -> None:
    one, other = Side("a"), Side("b")
    one.write(node(), web(80))
    other.write(web(81, "other"))
    settle(one, other, now=0.0, until=2.0)
    again = Side("a", records=one.records, seed=1)
    assert set(map(repr, again.changes)) == {repr(node()), repr(web(80)), repr(web(81, "other"))}
    assert one.replicator.fingerprint == again.replicator.fingerprint


def test_what_cannot_be_replicated_is_refused_and_changes_nothing() -> None:
    side = Side("a")
    big = ServiceRegistered(NodeName("n1"), Service(id="big", name="big", meta={"k": "x" * MAX_VALUE_BYTES}))
    with pytest.raises(TooBig):
        side.write(web(80), big)
    with pytest.raises(LocalProtocolError):
        side.write(web(80, ""))
    assert [] == side.changes
    assert () == side.replicator.entries()


def test_garbage_is_counted_and_told() -> None:
    side = Side("a")
    assert isinstance(side.replicator.receive(b"\x99garbage", NodeName("x"), 0.0, WALL_MS), WireError)
    assert 1 == side.replicator.statistics().malformed


SLICED = 100


class Taker:
    """A replicator that has just heard the last of a census of ``count`` services, and takes it in by slices."""

    def __init__(self, count: int) -> None:
        self.params = ReplicaParams(slice_entries=SLICED)
        self.teller, self.replicator = (Replicator(self.params, name * 16, Random(0)) for name in (b"t", b"r"))
        for each in (self.teller, self.replicator):
            each.start(0.0, WALL_MS)
        self.teller.write([web(80, f"s{number}") for number in range(count)], 0.0, WALL_MS)
        self.teller.take_records()
        self.replicator.take_records()
        for each, peer in ((self.teller, "r"), (self.replicator, "t")):
            each.set_peers([NodeName(peer)], 1.0)
            each.messages_to_send()
        self.replicator.receive(encode_behind(), NodeName("t"), 1.0, WALL_MS)
        while asks := self.replicator.messages_to_send():
            for ask in asks:
                self.teller.receive(ask.payload, NodeName("r"), 1.0, WALL_MS)
            for part in self.teller.messages_to_send():
                self.replicator.receive(part.payload, NodeName("t"), 1.0, WALL_MS)

    def slice(self) -> None:
        self.replicator.handle_timer(1.0, WALL_MS)


def test_a_long_census_is_taken_in_by_slices_and_told_of_when_it_is_whole() -> None:
    taker = Taker(2_000)
    slices = 0
    while taker.replicator.statistics().censuses_taken == 0:
        assert ([], []) == (taker.replicator.take_changes(), taker.replicator.take_records())
        deadline = taker.replicator.next_deadline()
        assert deadline is not None
        assert deadline <= 1.0
        taker.slice()
        slices += 1
    assert slices >= 3
    assert 2_000 == len(taker.replicator.take_changes())
    assert 1 == len(taker.replicator.take_records())
    assert taker.teller.fingerprint == taker.replicator.fingerprint


def test_a_short_census_is_taken_in_at_once() -> None:
    taker = Taker(10)
    assert 10 == len(taker.replicator.take_changes())


def test_what_peers_say_during_a_census_is_answered_after_it() -> None:
    taker = Taker(2_000)
    assert (
        taker.replicator.receive(encode_digest(ALL_BUCKETS, (), wants_answer=False), NodeName("t"), 1.0, WALL_MS)
        is None
    )
    taker.slice()
    assert [] == taker.replicator.messages_to_send()
    while taker.replicator.statistics().censuses_taken == 0:
        taker.slice()
    taker.slice()
    told = [decode_message_untrusted(each.payload) for each in taker.replicator.messages_to_send()]
    assert 100 <= sum(len(each.entries) for message in told if isinstance(message, Delta) for each in message.ranges)


def test_more_messages_than_may_wait_have_the_census_taken_in_at_once() -> None:
    taker = Taker(2_000)
    for _ in range(MAX_HELD + 1):
        assert 0 == taker.replicator.statistics().censuses_taken
        taker.replicator.receive(encode_fingerprint(0, 0), NodeName("t"), 1.0, WALL_MS)
    assert 1 == taker.replicator.statistics().censuses_taken
    assert 1 == len(taker.replicator.messages_to_send())


@pytest.mark.parametrize("is_ensured", [False, True])
def test_what_is_written_during_a_census_finds_it_whole(is_ensured: bool) -> None:
    taker = Taker(2_000)
    write = taker.replicator.ensure if is_ensured else taker.replicator.write
    write([web(80, "s7"), web(81, "s8")], 1.0, WALL_MS)
    assert 1 == taker.replicator.statistics().censuses_taken
    assert (1 if is_ensured else 2) == taker.replicator.statistics().written
    assert 2_000 == len(taker.replicator.take_changes())

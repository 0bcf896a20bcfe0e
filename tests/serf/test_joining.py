from __future__ import annotations

from random import Random

from nodedns.gossip.events import JoinFinished
from nodedns.model.address import Address
from nodedns.model.member import Member, MemberStatus, Versions
from nodedns.model.names import NodeName
from nodedns.serf.events import JoinDone, RejoinTried, SerfEvent
from nodedns.serf.joining import JOINS_AT_ONCE, Joins
from nodedns.serf.members import MemberTable


def address(number: int) -> Address:
    return Address(bytes([10, 0, 0, number]), 7946)


class Bench:
    """Joins with a gossip core that only takes notes."""

    def __init__(self, seed: int = 1) -> None:
        self.tried: list[Address] = []
        self.events: list[SerfEvent] = []
        self.announced: list[float] = []
        self.joins = Joins(Random(seed), self.events.append, self._join, self.announced.append)

    def _join(self, where: Address, _now: float) -> int:
        self.tried.append(where)
        return len(self.tried)

    def finish(self, gossip_id: int, error: str = "") -> None:
        self.joins.finished(JoinFinished(gossip_id, self.tried[gossip_id - 1], error), 5.0)


def test_join_is_done_when_the_last_address_is() -> None:
    bench = Bench()
    join_id = bench.joins.join([address(1), address(2)], 0.0)
    bench.finish(1)
    assert bench.events == []
    bench.finish(2, "refused")
    assert bench.events == [JoinDone(join_id, 1, ((address(2), "refused"),))]


def test_join_is_announced_once_if_anyone_answered() -> None:
    bench = Bench()
    bench.joins.join([address(1), address(2)], 0.0)
    bench.finish(1)
    bench.finish(2)
    assert bench.announced == [5.0]


def test_join_that_nobody_answered_is_not_announced() -> None:
    bench = Bench()
    bench.joins.join([address(1)], 0.0)
    bench.finish(1, "refused")
    assert bench.announced == []


def test_join_of_nobody_is_done_at_once() -> None:
    bench = Bench()
    join_id = bench.joins.join([], 0.0)
    assert bench.events == [JoinDone(join_id, 0, ())]


def test_join_dials_a_bounded_number_at_once() -> None:
    bench = Bench()
    bench.joins.join([address(number) for number in range(20)], 0.0)
    assert len(bench.tried) == JOINS_AT_ONCE
    bench.finish(1)
    assert len(bench.tried) == JOINS_AT_ONCE + 1


def test_rejoin_stops_at_the_first_that_answers_and_is_not_announced() -> None:
    bench = Bench()
    bench.joins.rejoin({"a": "10.0.0.1:7946", "b": "10.0.0.2:7946", "c": "10.0.0.3:7946"}, NodeName("me"), 0.0)
    bench.finish(1, "refused")
    bench.finish(2)
    assert len(bench.tried) == 2
    tried = [str(where) for where in bench.tried]
    assert bench.events == [RejoinTried(tried[0], "refused"), RejoinTried(tried[1], "")]
    assert bench.announced == []


def test_rejoin_never_tries_ourselves() -> None:
    bench = Bench()
    bench.joins.rejoin({"me": "10.0.0.1:7946"}, NodeName("me"), 0.0)
    assert bench.tried == []


def test_rejoin_goes_past_what_is_no_address() -> None:
    bench = Bench()
    bench.joins.rejoin({"a": "nonsense"}, NodeName("me"), 0.0)
    assert bench.events == [RejoinTried("nonsense", "not an address")]


def test_rejoin_order_depends_on_the_seed_only() -> None:
    remembered = {str(number): f"10.0.0.{number}:7946" for number in range(1, 9)}
    first = set()
    for seed in range(20):
        bench = Bench(seed)
        bench.joins.rejoin(remembered, NodeName("me"), 0.0)
        first.add(bench.tried[0])
    assert len(first) > 1


def table_of(failed: int, alive: int) -> MemberTable:
    table = MemberTable(max_members=1000)
    versions = Versions(bytes([1, 5, 2, 2, 5, 5]))
    for number in range(failed + alive):
        status = MemberStatus.FAILED if number < failed else MemberStatus.ALIVE
        table.add(Member(NodeName(str(number)), address(number), b"", versions), {}, status)
    return table


def test_reconnect_tries_nobody_while_nobody_failed() -> None:
    bench = Bench()
    bench.joins.reconnect(table_of(failed=0, alive=3), 0.0)
    assert bench.tried == []


def test_reconnect_is_certain_when_as_many_failed_as_live() -> None:
    bench = Bench()
    for _ in range(20):
        bench.joins.reconnect(table_of(failed=2, alive=2), 0.0)
    assert len(bench.tried) == 20
    assert set(bench.tried) == {address(0), address(1)}


def test_reconnect_is_as_likely_as_the_share_that_failed() -> None:
    bench = Bench()
    table = table_of(failed=1, alive=10)
    for _ in range(2000):
        bench.joins.reconnect(table, 0.0)
    assert 150 < len(bench.tried) < 250

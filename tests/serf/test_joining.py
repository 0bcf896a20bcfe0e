from __future__ import annotations

from nodedns.gossip.events import JoinFinished
from nodedns.model.address import Address
from nodedns.serf.events import JoinDone, SerfEvent
from nodedns.serf.joining import JOINS_AT_ONCE, Joins


def address(number: int) -> Address:
    return Address(bytes([10, 0, 0, number]), 7946)


class Bench:
    """Joins with a gossip core that only takes notes."""

    def __init__(self) -> None:
        self.tried: list[Address] = []
        self.events: list[SerfEvent] = []
        self.announced: list[float] = []
        self.joins = Joins(self.events.append, self._join, self.announced.append)

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

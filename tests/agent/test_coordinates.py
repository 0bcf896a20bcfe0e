"""The index of the coordinates of a running agent."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from nodedns.agent.coordinates import PERIOD_S, LiveCoordinates
from nodedns.model.coordinate import ORIGIN, Coordinate


class Source:
    """Coordinates that a test changes."""

    def __init__(self) -> None:
        self.coordinate: Coordinate | None = ORIGIN
        self.coordinates_version = 0

    def coordinate_of(self, name: str) -> Coordinate | None:
        return self.coordinate if name == "me" else None


def index_of(live: LiveCoordinates, now: float) -> int:
    known = live.known(now)
    assert known is not None
    return known.index


def test_index_moves_at_most_once_in_a_period_and_only_with_a_change() -> None:
    source = Source()
    live = LiveCoordinates(source, lambda: 0, first_index=100)
    assert 100 == index_of(live, 1.0)
    source.coordinates_version = 1
    assert 101 == index_of(live, 2.0)
    source.coordinates_version = 2
    assert 101 == index_of(live, 2.0 + PERIOD_S - 0.1)
    assert 102 == index_of(live, 2.0 + PERIOD_S)
    assert 102 == index_of(live, 1000.0)


def test_index_moves_with_the_nodes() -> None:
    nodes_index = 7
    live = LiveCoordinates(Source(), lambda: nodes_index, first_index=100)
    nodes_index = 8
    assert 101 == index_of(live, 1.0)


def test_what_is_read_is_the_newest() -> None:
    source = Source()
    known = LiveCoordinates(source, lambda: 0, first_index=1).known(0.0)
    assert known is not None
    source.coordinate = Coordinate((1.0,) * 8)
    assert (source.coordinate, None) == (known.of("me"), known.of("other"))


def test_nothing_is_known_where_it_is_turned_off() -> None:
    source = Source()
    source.coordinate = None
    assert None is LiveCoordinates(source, lambda: 0, first_index=1).known(0.0)


@pytest.mark.parametrize("changed_at", [1.0, 12.0])
def test_waiter_returns_within_a_period_of_the_change(changed_at: float) -> None:
    async def scenario() -> float:
        source = Source()
        live = LiveCoordinates(source, lambda: 0, first_index=100)

        async def change() -> None:
            await trio.sleep(changed_at)
            source.coordinates_version += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change)
            await live.wait_changed(100)
        return trio.current_time()

    took_s = trio.run(scenario, clock=MockClock(autojump_threshold=0))
    assert changed_at <= took_s <= changed_at + PERIOD_S

from __future__ import annotations

import attrs
import pytest

from nodedns.gossip.events import StreamWanted
from nodedns.net.gossip_driver import RECEIVE_BATCH_DATAGRAMS
from nodedns.testing.builders import address_number
from nodedns.testing.engine import MAX_ACTIONS_PER_INSTANT, MAX_PAUSED_DATAGRAMS, Engine, EngineNode
from nodedns.testing.network import SimNetwork
from nodedns.testing.scheduler import EventHeap
from nodedns.testing.toy_core import Greeted, Heard, ToyCore

ONE, TWO, NOBODY = (address_number(number) for number in (1, 2, 9))

Event = Heard | Greeted | StreamWanted


@attrs.define
class Pair:
    """Two toy cores on the engine, the first pinging the second."""

    one: ToyCore = attrs.Factory(lambda: ToyCore(b"hello", [TWO]))
    two: ToyCore = attrs.Factory(lambda: ToyCore(b"howdy"))
    engine: Engine = attrs.Factory(Engine)
    events: tuple[list[Event], list[Event]] = attrs.Factory(lambda: ([], []))
    network: SimNetwork = attrs.field(init=False)
    nodes: list[EngineNode[Event]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.network = SimNetwork(self.engine, seed=1)
        self.nodes = [
            EngineNode[Event](self.engine, self.network, address, core, events.append)
            for address, core, events in zip((ONE, TWO), (self.one, self.two), self.events, strict=True)
        ]
        for node in self.nodes:
            node.start()

    def greet(self, peer: int = 0) -> None:
        self.one.greet((TWO, NOBODY)[peer], self.engine.now)
        self.nodes[0].wake()


def test_heap_keeps_the_order_of_planning_within_an_instant() -> None:
    heap = EventHeap()
    for number in range(5):
        heap.push(1.0, print, (number,))
    heap.push(0.5, print, ("first",))
    assert [("first",), (0,), (1,), (2,), (3,), (4,)] == [heap.pop()[2] for _ in range(len(heap))]


def test_engine_stops_at_the_time_asked_for() -> None:
    engine = Engine()
    done: list[float] = []
    for when in (1.0, 2.0, 3.0):
        engine.call_at(when, lambda: done.append(engine.now))
    engine.run_until(2.0)
    assert [1.0, 2.0] == done
    assert 2.0 == engine.now


def test_engine_does_what_is_overdue_without_going_back() -> None:
    engine = Engine()
    engine.run_until(5.0)
    done: list[float] = []
    engine.call_at(1.0, lambda: done.append(engine.now))
    engine.run_until(5.0)
    assert [5.0] == done


def test_engine_notices_that_time_stands_still() -> None:
    engine = Engine()

    def again() -> None:
        engine.call_at(engine.now, again)

    again()
    with pytest.raises(RuntimeError, match="time stands still at 0"):
        engine.run_until(1.0)
    assert MAX_ACTIONS_PER_INSTANT == engine.actions


def test_timer_is_called_at_each_deadline_and_never_early() -> None:
    pair = Pair()
    pair.engine.run_until(3.5)
    assert [1.0, 2.0, 3.0] == pair.one.timer_calls
    assert [Heard(TWO)] * 3 == pair.events[0]


def test_stream_is_dialled_and_answered() -> None:
    pair = Pair()
    pair.greet()
    pair.engine.run_until(0.5)
    assert ([Greeted(b"howdy", "")], [Greeted(b"hello", "")]) == pair.events
    assert (0, 0) == (pair.one.streams, pair.two.streams)


def test_stream_to_nobody_is_refused() -> None:
    pair = Pair()
    pair.greet(1)
    pair.engine.run_until(0.5)
    assert [Greeted(b"", f"dial tcp {NOBODY}: connect: connection refused")] == pair.events[0]


def test_stream_across_a_cut_fails_at_its_deadline() -> None:
    pair = Pair()
    pair.network.cut([ONE], [TWO])
    pair.greet()
    pair.engine.run_until(4.9)
    assert [] == pair.events[0]
    pair.engine.run_until(5.1)
    assert [Greeted(b"", f"dial tcp {TWO}: i/o timeout")] == pair.events[0]


def test_stream_cut_in_the_middle_is_aborted_on_both_sides() -> None:
    pair = Pair()
    pair.greet()
    pair.engine.call_at(0.0005, pair.network.cut, [ONE], [TWO])
    pair.engine.run_until(30)
    assert (0, 0) == (pair.one.streams, pair.two.streams)
    assert [b""] == [event.greeting for event in pair.events[0] if isinstance(event, Greeted)]


def test_stream_of_a_killed_process_is_aborted() -> None:
    pair = Pair()
    pair.nodes[1].pause()
    pair.greet()
    pair.engine.run_until(1)
    pair.nodes[1].kill()
    pair.engine.run_until(2)
    assert [Greeted(b"", "connection lost: reset by peer")] == [e for e in pair.events[0] if isinstance(e, Greeted)]


def test_declined_stream_is_closed() -> None:
    pair = Pair(two=ToyCore(b"howdy", max_streams=0))
    pair.greet()
    pair.engine.run_until(1)
    assert [Greeted(b"", "connection lost: reset by peer")] == pair.events[0]


def test_work_of_a_stream_is_done_though_the_peer_has_closed_it() -> None:
    pair = Pair(two=ToyCore(b"howdy", slices=25))
    pair.greet()
    pair.engine.run_until(1)
    assert 25 == len(pair.two.slices_done)
    assert [Greeted(b"hello", "")] == pair.events[1]


def test_killed_process_does_nothing_more() -> None:
    pair = Pair()
    pair.engine.run_until(1.5)
    pair.nodes[0].kill()
    pair.engine.run_until(5)
    assert [1.0] == pair.one.timer_calls


def test_paused_process_goes_on_where_it_stopped() -> None:
    pair = Pair()
    pair.engine.run_until(1.5)
    pair.nodes[0].pause()
    pair.engine.run_until(4.2)
    assert [1.0] == pair.one.timer_calls
    pair.nodes[0].resume()
    pair.engine.run_until(4.3)
    assert [1.0, 4.2] == pair.one.timer_calls


def test_paused_process_finds_what_arrived_meanwhile_as_far_as_there_was_room() -> None:
    pair = Pair()
    pair.nodes[0].pause()
    for _ in range(MAX_PAUSED_DATAGRAMS + 50):
        pair.nodes[0].receive_datagram(b"pong", TWO)
    assert [] == pair.events[0]
    pair.nodes[0].resume()
    assert MAX_PAUSED_DATAGRAMS == len(pair.events[0])


def test_resumed_process_reads_a_batch_before_its_overdue_timers_and_the_rest_after_them() -> None:
    pair = Pair()
    pair.nodes[0].pause()
    for _ in range(RECEIVE_BATCH_DATAGRAMS + 3):
        pair.nodes[0].receive_datagram(b"pong", TWO)
    heard_before: list[int] = []
    fire = pair.one.handle_timer

    def handle_timer(now: float) -> None:
        heard_before.append(len(pair.events[0]))
        fire(now)

    pair.one.handle_timer = handle_timer  # type: ignore[method-assign]
    pair.engine.run_until(3.0)
    pair.nodes[0].resume()
    assert [RECEIVE_BATCH_DATAGRAMS] == heard_before
    assert RECEIVE_BATCH_DATAGRAMS + 3 == len(pair.events[0])


def test_blocked_process_keeps_time_but_neither_sends_nor_receives() -> None:
    pair = Pair()
    pair.nodes[0].block()
    pair.engine.run_until(2.5)
    assert [1.0, 2.0] == pair.one.timer_calls
    assert 0 == pair.network.statistics().sent
    pair.nodes[0].receive_datagram(b"pong", TWO)
    assert [] == pair.events[0]
    pair.nodes[0].unblock()
    assert [Heard(TWO)] == pair.events[0]
    pair.engine.run_until(2.6)
    assert [Heard(TWO)] * 3 == pair.events[0]

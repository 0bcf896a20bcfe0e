from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from itertools import pairwise

import attrs
import trio
import trio.testing

from nodedns.gossip.events import StreamWanted
from nodedns.model.address import Address
from nodedns.net import gossip_driver
from nodedns.net.gossip_driver import GossipDriver
from nodedns.observe.metrics import (
    GOSSIP_DATAGRAMS_RECEIVED,
    GOSSIP_DATAGRAMS_SENT,
    GOSSIP_OCTETS_RECEIVED,
    GOSSIP_OCTETS_SENT,
    GOSSIP_STREAMS,
    Metrics,
)
from nodedns.testing.network import SimNetwork
from nodedns.testing.toy_core import Greeted, Heard, ToyCore
from nodedns.testing.transports import SimHost, TrioScheduler

ONE = Address.from_text("10.0.0.1", 8301)
TWO = Address.from_text("10.0.0.2", 8301)

Event = Heard | Greeted | StreamWanted
DATAGRAM_COUNTERS = (GOSSIP_DATAGRAMS_SENT, GOSSIP_OCTETS_SENT, GOSSIP_DATAGRAMS_RECEIVED, GOSSIP_OCTETS_RECEIVED)


@attrs.define
class Side:
    core: ToyCore
    host: SimHost
    events: list[Event] = attrs.Factory(list)
    metrics: Metrics = attrs.Factory(Metrics)
    driver: GossipDriver[Event] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.driver = GossipDriver(
            self.core, self.host.transport, self.host.dialer, self.host.listener, self.events.append, self.metrics
        )


Body = Callable[[Side, Side, SimNetwork], Awaitable[None]]


def run(one: ToyCore, two: ToyCore, body: Body) -> None:
    async def main() -> None:
        scheduler = TrioScheduler()
        network = SimNetwork(scheduler, seed=1)
        sides = Side(one, SimHost(network, ONE)), Side(two, SimHost(network, TWO))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.run)
            for side in sides:
                await nursery.start(side.driver.run)
            await body(*sides, network)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_timer_sends_and_the_answer_becomes_an_event() -> None:
    async def body(one: Side, two: Side, _: SimNetwork) -> None:
        await trio.sleep(3.5)
        assert [Heard(TWO)] * 3 == one.events
        assert [] == two.events

    run(ToyCore(b"hello", [TWO]), ToyCore(b"howdy"), body)


def test_datagrams_and_their_bytes_are_counted() -> None:
    async def body(one: Side, two: Side, _: SimNetwork) -> None:
        await trio.sleep(3.5)
        for side in (one, two):
            counted = [side.metrics.value(spec.name) for spec in DATAGRAM_COUNTERS]
            assert [3, 12, 3, 12] == counted

    run(ToyCore(b"hello", [TWO]), ToyCore(b"howdy"), body)


def test_streams_are_counted_by_direction_and_outcome() -> None:
    async def body(one: Side, two: Side, _: SimNetwork) -> None:
        for peer in (TWO, Address.from_text("10.0.0.9", 8301)):
            one.core.greet(peer, trio.current_time())
        one.driver.wake()
        await trio.sleep(1)
        half = await one.host.dialer.dial(TWO)
        await half.send_all(b"hel")
        await trio.sleep(6)
        assert {"out done": 1, "out failed": 1} == one.metrics.counts(GOSSIP_STREAMS)
        assert {"in done": 1, "in failed": 1} == two.metrics.counts(GOSSIP_STREAMS)

    run(ToyCore(b"hello"), ToyCore(b"howdy"), body)


def test_stream_declined_by_the_core_is_counted_as_refused() -> None:
    async def body(one: Side, two: Side, _: SimNetwork) -> None:
        one.core.greet(TWO, trio.current_time())
        one.driver.wake()
        await trio.sleep(1)
        assert {"in refused": 1} == two.metrics.counts(GOSSIP_STREAMS)

    run(ToyCore(b"hello"), ToyCore(b"howdy", max_streams=0), body)


class Turns(trio.abc.Instrument):
    """Notes at each turn of the loop how many slices have been done."""

    def __init__(self, core: ToyCore) -> None:
        self._core = core
        self.done = [0]

    def before_io_wait(self, timeout: float) -> None:
        del timeout
        self.done.append(len(self._core.slices_done))


def test_work_of_many_streams_is_done_one_slice_at_a_time_with_turns_for_others() -> None:
    async def body(one: Side, two: Side, _: SimNetwork) -> None:
        turns = Turns(two.core)
        trio.lowlevel.add_instrument(turns)
        for _number in range(4):
            one.core.greet(TWO, trio.current_time())
        one.driver.wake()
        await trio.sleep(1)
        assert 4 * 25 == turns.done[-1]
        assert 1 == max(later - sooner for sooner, later in pairwise(turns.done))
        assert [Greeted(b"hello", "")] * 4 == two.events

    run(ToyCore(b"hello"), ToyCore(b"howdy", max_streams=4, slices=25), body)


def test_peer_that_closes_while_there_is_work_does_not_end_it() -> None:
    async def body(one: Side, two: Side, _: SimNetwork) -> None:
        stream = await one.host.dialer.dial(TWO)
        await stream.send_all(b"hello")
        await stream.aclose()
        await trio.sleep(1)
        assert [Greeted(b"hello", "")] == two.events

    run(ToyCore(b"hello"), ToyCore(b"howdy", slices=25), body)


def test_timer_is_not_called_before_its_deadline() -> None:
    async def body(one: Side, _: Side, __: SimNetwork) -> None:
        await trio.sleep(3.5)
        assert [1.0, 2.0, 3.0] == one.core.timer_calls

    run(ToyCore(b"hello", [TWO]), ToyCore(b"howdy"), body)


def test_stream_wanted_is_dialled_and_answered() -> None:
    async def body(one: Side, two: Side, _: SimNetwork) -> None:
        one.core.greet(TWO, trio.current_time())
        one.driver.wake()
        await trio.sleep(1)
        assert [Greeted(b"howdy", "")] == one.events
        assert [Greeted(b"hello", "")] == two.events
        assert (0, 0) == (one.core.streams, two.core.streams)

    run(ToyCore(b"hello"), ToyCore(b"howdy"), body)


def test_refused_stream_fails_with_the_reason() -> None:
    async def body(one: Side, _: Side, __: SimNetwork) -> None:
        one.core.greet(Address.from_text("10.0.0.9", 8301), trio.current_time())
        one.driver.wake()
        await trio.sleep(1)
        assert [Greeted(b"", "dial tcp 10.0.0.9:8301: connect: connection refused")] == one.events

    run(ToyCore(b"hello"), ToyCore(b"howdy"), body)


def test_stream_to_an_unreachable_host_fails_at_its_deadline() -> None:
    async def body(one: Side, _: Side, network: SimNetwork) -> None:
        network.cut([ONE], [TWO])
        one.core.greet(TWO, trio.current_time())
        one.driver.wake()
        await trio.sleep(4.9)
        assert [] == one.events
        await trio.sleep(0.2)
        assert [Greeted(b"", f"dial tcp {TWO}: i/o timeout")] == one.events
        assert 0 == one.driver.statistics().outbound_streams

    run(ToyCore(b"hello"), ToyCore(b"howdy"), body)


def test_inbound_stream_that_says_nothing_is_ended_at_the_deadline() -> None:
    async def body(one: Side, two: Side, _: SimNetwork) -> None:
        stream = await one.host.dialer.dial(TWO)
        with trio.fail_after(6):
            assert b"" == await stream.receive_some(10)
        assert [Greeted(b"", "i/o timeout")] == two.events
        assert 0 == two.driver.statistics().inbound_streams

    run(ToyCore(b"hello"), ToyCore(b"howdy"), body)


def test_stream_closed_early_by_the_peer_aborts_the_exchange() -> None:
    async def body(one: Side, two: Side, _: SimNetwork) -> None:
        stream = await one.host.dialer.dial(TWO)
        await stream.send_all(b"hel")
        await stream.aclose()
        await trio.sleep(1)
        assert [Greeted(b"", "closed early")] == two.events

    run(ToyCore(b"hello"), ToyCore(b"howdy"), body)


def test_stream_reset_by_the_peer_aborts_the_exchange() -> None:
    async def body(one: Side, two: Side, _: SimNetwork) -> None:
        stream = await one.host.dialer.dial(TWO)
        await stream.send_all(b"hel")
        await trio.sleep(0.1)
        stream.reset()
        await trio.sleep(1)
        assert [Greeted(b"", "connection lost: reset by peer")] == two.events

    run(ToyCore(b"hello"), ToyCore(b"howdy"), body)


def test_stream_that_the_core_declines_is_closed_unserved() -> None:
    async def body(one: Side, two: Side, network: SimNetwork) -> None:
        held = [await one.host.dialer.dial(TWO) for _ in range(2)]
        await trio.sleep(0.1)
        third = await one.host.dialer.dial(TWO)
        assert b"" == await third.receive_some(10)
        assert 1 == two.driver.statistics().streams_refused
        for stream in held:
            await stream.aclose()

    run(ToyCore(b"hello"), ToyCore(b"howdy", max_streams=2), body)


def test_outbound_streams_are_bounded() -> None:
    async def body(one: Side, two: Side, network: SimNetwork) -> None:
        network.cut([ONE], [TWO])
        for _ in range(gossip_driver.MAX_OUTBOUND_STREAMS + 1):
            one.core.greet(TWO, trio.current_time())
        one.driver.wake()
        assert gossip_driver.MAX_OUTBOUND_STREAMS == one.driver.statistics().outbound_streams
        assert [Greeted(b"", "too many streams")] == one.events

    run(ToyCore(b"hello"), ToyCore(b"howdy"), body)


def test_outbox_is_bounded_and_drops_the_newest() -> None:
    async def body(one: Side, _: Side, __: SimNetwork) -> None:
        await trio.sleep(1.5)
        assert 10 == one.driver.statistics().outbox_dropped
        assert gossip_driver.MAX_OUTBOX_DATAGRAMS == one.host.transport.statistics().sent

    run(ToyCore(b"hello", [TWO] * (gossip_driver.MAX_OUTBOX_DATAGRAMS + 10)), ToyCore(b"howdy"), body)


def test_flood_of_datagrams_leaves_the_timer_its_turn() -> None:
    async def body(one: Side, two: Side, network: SimNetwork) -> None:
        # Put the flood into the inbox at once: the clock cannot move until it has been taken.
        for _number in range(2000):
            two.host.transport.deliver(b"noise", ONE)
        turns = 0
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()
            if two.host.transport.statistics().received == 2000:
                break
        assert turns >= 2000 // gossip_driver.RECEIVE_BATCH_DATAGRAMS
        assert [] == one.events

    run(ToyCore(b"hello"), ToyCore(b"howdy"), body)


def test_costly_datagrams_leave_the_others_their_turn_after_a_few() -> None:
    clock = trio.testing.MockClock()
    taken = 0

    def take_a_while(_event: Event) -> None:
        nonlocal taken
        taken += 1
        clock.jump(0.01)

    async def main() -> None:
        host = SimHost(SimNetwork(TrioScheduler(), seed=1), ONE)
        driver = GossipDriver[Event](ToyCore(b"hello"), host.transport, host.dialer, host.listener, take_a_while)
        async with trio.open_nursery() as nursery:
            await nursery.start(driver.run)
            for _ in range(40):
                host.transport.deliver(b"pong", TWO)
            most = 0
            while taken < 40:
                before = taken
                await trio.lowlevel.checkpoint()
                most = max(most, taken - before)
            assert most < 10  # of 40: two short batches at most between two turns of ours
            nursery.cancel_scope.cancel()

    trio.run(main, clock=clock)


def test_command_given_by_an_event_handler_is_drained_too() -> None:
    async def main() -> None:
        scheduler = TrioScheduler()
        network = SimNetwork(scheduler, seed=1)
        core = ToyCore(b"hello", [TWO])
        host = SimHost(network, ONE)
        other = Side(ToyCore(b"howdy"), SimHost(network, TWO))
        greeted: list[Event] = []

        def on_event(event: Event) -> None:
            if isinstance(event, Heard) and not greeted:
                core.greet(TWO, trio.current_time())
                driver.wake()
            greeted.append(event)

        driver = GossipDriver[Event](core, host.transport, host.dialer, host.listener, on_event)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.run)
            await nursery.start(other.driver.run)
            await nursery.start(driver.run)
            await trio.sleep(1.5)
            assert [Heard(TWO), Greeted(b"howdy", "")] == greeted
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_wake_before_run_does_nothing() -> None:
    async def main() -> None:
        side = Side(ToyCore(b"hello"), SimHost(SimNetwork(TrioScheduler(), seed=1), ONE))
        side.core.greet(TWO, 0.0)
        side.driver.wake()
        assert 0 == side.driver.statistics().outbound_streams

    trio.run(main)


@attrs.define
class LongWork:
    """An exchange whose peer has done its part once the first of three slices is done."""

    deadline: float
    slices: int = 0
    failures: list[str] = attrs.Factory(list)

    @property
    def finished(self) -> bool:
        return self.slices == 3

    @property
    def has_work(self) -> bool:
        return not self.finished

    def work(self, _now: float) -> None:
        self.slices += 1
        self.deadline = math.inf

    def receive_data(self, data: bytes, now: float) -> None:
        raise AssertionError((data, now))

    def data_to_send(self) -> bytes:
        return b""

    def abort(self, reason: str, _now: float) -> None:
        if not self.finished:
            self.failures.append(reason)


def test_work_that_waits_for_nobody_is_not_cut_at_the_deadline() -> None:
    async def body(one: Side, _: Side, __: SimNetwork) -> None:
        exchange = LongWork(deadline=trio.current_time() + 5)
        stream, _far = trio.testing.memory_stream_pair()
        turns = one.driver._slice

        async def keep_others_waiting() -> None:
            async with turns:
                await trio.sleep(10)

        async with trio.open_nursery() as nursery, turns:
            nursery.start_soon(one.driver._converse, stream, exchange, "in")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(keep_others_waiting)
            await trio.testing.wait_all_tasks_blocked()
        assert 3 == exchange.slices
        assert [] == exchange.failures

    run(ToyCore(b"hello"), ToyCore(b"howdy"), body)

"""``GossipDriver``: gives a ``GossipCore`` its sockets and its clock, and nothing else.

Four kinds of tasks around one synchronous core. The receiver stamps ``now``
and hands datagrams over; the timer sleeps until the core's next deadline or a
wake-up; the sender sends; every stream has a task of its own with the
exchange's deadline. Whoever has given the core an input calls ``wake``, which
settles the core without awaiting: datagrams go to the sender's queue, events
to ``on_event``, streams wanted to tasks, and the deadline is read again. So
there is never more than one drain at a time, and no output is iterated over
across an await.

No task keeps the others waiting: the receiver lets go after each batch, and
the sender after each datagram. Streams bring work by the second; they do it in
slices, of which there is one at a time, however many streams there are, with a
turn for everybody else in between. What protocol is spoken, the driver does not
know.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import attrs
import trio

from nodedns.gossip.core import GossipCore, StreamExchange
from nodedns.gossip.events import Datagram, StreamWanted
from nodedns.model.address import Address
from nodedns.net.transport import DatagramTransport, StreamDialer, StreamListener, dial_error_text
from nodedns.net.vitals import Vital
from nodedns.observe.metrics import (
    GOSSIP_DATAGRAMS_RECEIVED,
    GOSSIP_DATAGRAMS_SENT,
    GOSSIP_OCTETS_RECEIVED,
    GOSSIP_OCTETS_SENT,
    GOSSIP_STREAMS,
    Metrics,
)

__all__ = ["DriverStatistics", "GossipDriver"]

EventT = TypeVar("EventT")

RECEIVE_BATCH_DATAGRAMS = 64  # between two checkpoints; a few milliseconds of work as a rule
RECEIVE_BATCH_S = 0.02  # and no more than this: a hostile datagram takes up to 20 ms to decompress
MAX_OUTBOX_DATAGRAMS = 4096  # memberlist leaves the bound to the kernel; a probe queued longer is of no use
MAX_INBOUND_STREAMS = 160  # above the core's own bound of 128, so that its busy answer can still go out
MAX_OUTBOUND_STREAMS = 128
STREAM_READ_BYTES = 65_536

logger = logging.getLogger(__name__)


@attrs.frozen
class DriverStatistics:
    """What the driver itself had to give up.

    Attributes:
        outbox: Datagrams waiting to be sent.
        outbox_dropped: Datagrams dropped because the outbox was full.
        inbound_streams: Streams being answered.
        outbound_streams: Streams we opened.
        streams_refused: Streams closed unserved, or not opened, because there were too many.
    """

    outbox: int
    outbox_dropped: int
    inbound_streams: int
    outbound_streams: int
    streams_refused: int


class GossipDriver(Generic[EventT]):
    """Runs a core on a datagram transport and streams.

    Args:
        core: The protocol; started by ``run``.
        transport: Receives and sends; not closed by the driver.
        dialer: Opens the streams that the core wants.
        listener: Takes in streams of others; not closed by the driver.
        on_event: Called with every event but ``StreamWanted``, in order, synchronously;
            it may give the core commands, whose output is drained with the rest.
        metrics: Where datagrams and streams are counted; None: by the driver alone.
    """

    def __init__(  # noqa: PLR0917  # the order in which they are described, each of another type
        self,
        core: GossipCore[EventT | StreamWanted],
        transport: DatagramTransport,
        dialer: StreamDialer,
        listener: StreamListener,
        on_event: Callable[[EventT], None],
        metrics: Metrics | None = None,
    ) -> None:
        self._core = core
        self._metrics = metrics or Metrics()
        self._slice = trio.Lock()
        self._transport = transport
        self._dialer = dialer
        self._listener = listener
        self._on_event = on_event
        self._nursery: trio.Nursery | None = None
        self._outbox: deque[Datagram] = deque()
        self._outbox_filled = trio.Event()
        self._deadline_moved = trio.Event()
        self._timer_wakes_at = math.inf
        self._is_settling = False
        self._timer_turns = 0
        self._send_turns = 0
        self._outbox_dropped = 0
        self._inbound_streams = 0
        self._outbound_streams = 0
        self._streams_refused = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the core and serve it until cancelled; raises only when a socket is broken."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._core.start(trio.current_time())
            self.wake()
            nursery.start_soon(self._send_loop)
            nursery.start_soon(self._timer_loop)
            nursery.start_soon(self._receive_loop)
            nursery.start_soon(self._accept_loop)
            task_status.started()

    def wake(self) -> None:
        """Drain the core; call it after every command given to the core from outside.

        Before ``run`` it does nothing: what the core has to say is then drained at the start.
        """
        if self._nursery is None or self._is_settling:
            # A command given by on_event: the drain under way takes its output too.
            return
        self._is_settling = True
        try:
            self._drain(self._nursery)
        finally:
            self._is_settling = False
        deadline = self._core.next_deadline()
        if deadline is not None and deadline < self._timer_wakes_at:
            self._deadline_moved.set()

    def statistics(self) -> DriverStatistics:
        """Return a snapshot of the driver's own counters."""
        return DriverStatistics(
            len(self._outbox),
            self._outbox_dropped,
            self._inbound_streams,
            self._outbound_streams,
            self._streams_refused,
        )

    def vitals(self) -> tuple[Vital, ...]:
        """Return the signs by which to tell whether the core's timers and the sender turn."""
        return (
            Vital("gossip timers", lambda: self._timer_turns, self._is_timer_due),
            Vital("gossip sender", lambda: self._send_turns, lambda: bool(self._outbox)),
        )

    def _is_timer_due(self) -> bool:
        deadline = self._core.next_deadline()
        return deadline is not None and deadline <= trio.current_time()

    def _drain(self, nursery: trio.Nursery) -> None:
        core = self._core
        while True:
            self._post(core.datagrams_to_send(trio.current_time()))
            event = core.next_event()
            if event is None:
                return
            if isinstance(event, StreamWanted):
                self._start_dialing(event, nursery)
            else:
                self._on_event(event)

    def _post(self, datagrams: list[Datagram]) -> None:
        if not datagrams:
            return
        room = MAX_OUTBOX_DATAGRAMS - len(self._outbox)
        self._outbox.extend(datagrams[:room])
        self._outbox_dropped += max(0, len(datagrams) - room)
        self._outbox_filled.set()

    async def _send_loop(self) -> None:
        while True:
            while self._outbox:
                datagram = self._outbox.popleft()
                await self._transport.send(datagram.payload, datagram.destination)
                self._send_turns += 1
                self._metrics.count(GOSSIP_DATAGRAMS_SENT)
                self._metrics.count(GOSSIP_OCTETS_SENT, len(datagram.payload))
            self._outbox_filled = trio.Event()
            await self._outbox_filled.wait()

    async def _receive_loop(self) -> None:
        while True:
            data, source = await self._transport.receive()
            ends_at = trio.current_time() + RECEIVE_BATCH_S
            self._take_datagram(data, source)
            # Bounded, so that a flood of packets leaves the timers their turn.
            for _ in range(RECEIVE_BATCH_DATAGRAMS - 1):
                if trio.current_time() >= ends_at:
                    break
                try:
                    data, source = self._transport.receive_nowait()
                except trio.WouldBlock:
                    break
                self._take_datagram(data, source)

    def _take_datagram(self, data: bytes, source: Address) -> None:
        self._metrics.count(GOSSIP_DATAGRAMS_RECEIVED)
        self._metrics.count(GOSSIP_OCTETS_RECEIVED, len(data))
        self._core.receive_datagram(data, source, trio.current_time())
        self.wake()

    async def _timer_loop(self) -> None:
        while True:
            deadline = self._core.next_deadline()
            self._timer_wakes_at = math.inf if deadline is None else deadline
            self._deadline_moved = trio.Event()
            with trio.move_on_at(self._timer_wakes_at):
                await self._deadline_moved.wait()
            # A deadline already past leaves the wait above without a turn for the others.
            await trio.lowlevel.checkpoint()
            self._timer_turns += 1
            now = trio.current_time()
            deadline = self._core.next_deadline()
            if deadline is not None and deadline <= now:
                self._core.handle_timer(now)
                self.wake()

    async def _accept_loop(self) -> None:
        while True:
            stream, source = await self._listener.accept()
            if self._nursery is None or self._inbound_streams >= MAX_INBOUND_STREAMS:
                self._refuse("in")
                await trio.aclose_forcefully(stream)
                continue
            self._inbound_streams += 1
            self._nursery.start_soon(self._answer, stream, source)

    async def _answer(self, stream: trio.abc.Stream, source: Address) -> None:
        try:
            exchange = self._core.accept_stream(source, trio.current_time())
            self.wake()
            if exchange is None:
                self._refuse("in")
                await trio.aclose_forcefully(stream)
            else:
                await self._converse(stream, exchange, "in")
        finally:
            self._inbound_streams -= 1

    def _start_dialing(self, wanted: StreamWanted, nursery: trio.Nursery) -> None:
        if self._outbound_streams >= MAX_OUTBOUND_STREAMS:
            self._refuse("out")
            self._core.stream_failed(wanted, "too many streams", trio.current_time())
            return
        self._outbound_streams += 1
        nursery.start_soon(self._dial, wanted)

    async def _dial(self, wanted: StreamWanted) -> None:
        try:
            stream: trio.abc.Stream | None = None
            reason = dial_error_text(wanted.address, None)
            with trio.move_on_at(wanted.deadline):
                try:
                    stream = await self._dialer.dial(wanted.address)
                except OSError as error:
                    reason = dial_error_text(wanted.address, error)
            if stream is None:
                logger.debug(
                    "stream not opened address=%s purpose=%s reason=%s", wanted.address, wanted.purpose, reason
                )
                self._metrics.count(GOSSIP_STREAMS, direction="out", outcome="failed")
                self._core.stream_failed(wanted, reason, trio.current_time())
                self.wake()
            else:
                await self._ask(stream, wanted)
        finally:
            self._outbound_streams -= 1

    async def _ask(self, stream: trio.abc.Stream, wanted: StreamWanted) -> None:
        async with self._slice:
            exchange = self._core.open_stream(wanted, trio.current_time())
            self.wake()
        await self._converse(stream, exchange, "out")

    def _refuse(self, direction: str) -> None:
        self._streams_refused += 1
        self._metrics.count(GOSSIP_STREAMS, direction=direction, outcome="refused")

    async def _converse(self, stream: trio.abc.Stream, exchange: StreamExchange, direction: str) -> None:
        """Carry bytes between ``stream`` and ``exchange`` until either ends, then close the stream."""
        reason = "i/o timeout"
        try:
            with trio.move_on_at(exchange.deadline) as scope:
                try:
                    await self._carry(stream, exchange, scope)
                    reason = "connection closed by the peer"
                except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    reason = f"connection lost: {error.__cause__ or error}"
        finally:
            outcome = "done" if exchange.finished and not scope.cancelled_caught else "failed"
            self._metrics.count(GOSSIP_STREAMS, direction=direction, outcome=outcome)
            exchange.abort(reason, trio.current_time())
            self.wake()
            # Forcefully: a polite close may wait, and nobody is interested in it.
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    # Returns once the exchange is finished, or once the peer has closed and nothing is left to say or do.
    async def _carry(self, stream: trio.abc.Stream, exchange: StreamExchange, scope: trio.CancelScope) -> None:
        is_closed = False
        while True:
            data = exchange.data_to_send()
            if data:
                await stream.send_all(data)
            # An exchange has no deadline any more once the peer has done its part, of which taking what we send is one.
            scope.deadline = exchange.deadline
            if exchange.finished or (is_closed and not exchange.has_work):
                return
            received = b"" if exchange.has_work else bytes(await stream.receive_some(STREAM_READ_BYTES))
            async with self._slice:
                if exchange.has_work:
                    exchange.work(trio.current_time())
                else:
                    is_closed = not received
                    exchange.receive_data(received, trio.current_time())
                self.wake()

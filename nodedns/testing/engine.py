"""``Engine``: runs cores in virtual time without trio; this is where volume goes.

A heap of (time, sequence, action) and nothing else: no tasks, no sockets, no
sleeping. ``EngineNode`` is what ``net.gossip_driver.GossipDriver`` is on trio:
it hands datagrams, timers and streams to one core and drains it after each.
Both are kept to the same behaviour by playing the same scenarios on both.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from nodedns.gossip.core import GossipCore, StreamExchange
from nodedns.gossip.events import Datagram, StreamWanted
from nodedns.model.address import Address
from nodedns.net.gossip_driver import MAX_OUTBOX_DATAGRAMS, RECEIVE_BATCH_DATAGRAMS
from nodedns.net.transport import dial_error_text
from nodedns.testing.network import Port, SimNetwork
from nodedns.testing.scheduler import EventHeap
from nodedns.testing.streams import StreamEnd

__all__ = ["Engine", "EngineNode"]

REFUSED = OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

EventT = TypeVar("EventT")

MAX_ACTIONS_PER_INSTANT = 1_000_000  # more than that at one time is a core that re-arms a timer in the past
MAX_PAUSED_DATAGRAMS = 256  # about what Linux keeps in a default receive buffer
NEVER = float("inf")


class Engine:
    """A clock that jumps from one planned action to the next."""

    def __init__(self) -> None:
        self.now = 0.0
        self.actions = 0
        self._heap = EventHeap()

    def call_at(self, when: float, action: Callable[..., None], *args: Any) -> None:  # noqa: ANN401
        """Plan ``action(*args)`` for ``when``."""
        self._heap.push(when, action, args)

    def run_until(self, when: float) -> None:
        """Do everything planned up to and including ``when``, which is the time then."""
        heap = self._heap
        at_this_instant = 0
        while True:
            planned = heap.next_time()
            if planned is None or planned > when:
                break
            _, action, args = heap.pop()
            if planned > self.now:
                self.now = planned
                at_this_instant = 0
            at_this_instant += 1
            if at_this_instant > MAX_ACTIONS_PER_INSTANT:
                raise RuntimeError(f"time stands still at {self.now}: {action}")
            self.actions += 1
            action(*args)
        self.now = max(self.now, when)


class EngineNode(Generic[EventT]):
    """One running core on the simulated network.

    Args:
        engine: Time.
        network: Where ``address`` is bound, until ``kill``.
        address: The gossip address.
        core: Started by ``start``.
        on_event: Called with every event but ``StreamWanted``.
    """

    def __init__(
        self,
        engine: Engine,
        network: SimNetwork,
        address: Address,
        core: GossipCore[EventT | StreamWanted],
        on_event: Callable[[EventT], None],
    ) -> None:
        self._engine = engine
        self._core = core
        self._on_event = on_event
        self._port: Port = network.attach(address, self)
        self._timer_at = NEVER
        self._is_running = True
        self._is_settling = False
        self._is_stopped = False
        self._waiting: deque[Callable[[], None]] | None = None
        self._unsent: deque[Datagram] | None = None

    def start(self) -> None:
        """Start the core."""
        self._core.start(self._engine.now)
        self.wake()

    def kill(self) -> None:
        """Stop at once and for good, as by ``kill -9``."""
        self._is_running = False
        self._port.close()

    def pause(self) -> None:
        """Do nothing until ``resume``, as by SIGSTOP: what arrives waits, as far as there is room."""
        self._is_stopped = True
        if self._waiting is None:
            self._waiting = deque()

    def resume(self) -> None:
        """Go on as the driver does: a batch of what is waiting, the timers that are overdue, then the rest."""
        self._is_stopped = False
        waiting, self._waiting = self._waiting or deque(), None
        for _ in range(min(len(waiting), RECEIVE_BATCH_DATAGRAMS)):
            waiting.popleft()()
        if waiting:
            self._core.handle_timer(self._engine.now)
        for action in waiting:
            action()
        self.wake()

    def block(self) -> None:
        """Send and receive nothing until ``unblock``, while time goes on: timers fire, and messages pile up."""
        if self._waiting is None:
            self._waiting = deque()
        self._unsent = deque(maxlen=MAX_OUTBOX_DATAGRAMS)

    def unblock(self) -> None:
        """Send what was kept back, and handle what is waiting."""
        unsent, self._unsent = self._unsent, None
        waiting, self._waiting = self._waiting, None
        for datagram in unsent or ():
            self._port.send(datagram.payload, datagram.destination)
        for action in waiting or ():
            action()
        self.wake()

    def wake(self) -> None:
        """Drain the core; call it after every command given to the core from outside."""
        if self._is_settling or not self._is_running:
            return
        self._is_settling = True
        core, port, now = self._core, self._port, self._engine.now
        while True:
            if self._unsent is not None:
                self._unsent.extend(core.datagrams_to_send(now))
            else:
                for datagram in core.datagrams_to_send(now):
                    port.send(datagram.payload, datagram.destination)
            event = core.next_event()
            if event is None:
                break
            if isinstance(event, StreamWanted):
                self._dial(event)
            else:
                self._on_event(event)
        self._is_settling = False
        deadline = core.next_deadline()
        if deadline is not None and deadline < self._timer_at:
            self._timer_at = deadline
            self._engine.call_at(deadline, self._timer_due, deadline)

    def receive_datagram(self, payload: bytes, source: Address) -> None:
        """Take a datagram from the network."""
        if not self._is_running:
            return
        if self._waiting is not None:
            if len(self._waiting) < MAX_PAUSED_DATAGRAMS:
                self._waiting.append(lambda: self.receive_datagram(payload, source))
            return
        self._core.receive_datagram(payload, source, self._engine.now)
        self.wake()

    def receive_stream(self, end: StreamEnd) -> None:
        """Take a stream from the network."""
        # Bytes may come before a paused process looks at the stream, so there is a holder from the first.
        _EngineStream(self, end).accept()

    def when_running(self, action: Callable[[], None]) -> None:
        """Do ``action`` now, or on ``resume``; not at all once killed."""
        if not self._is_running:
            return
        if self._waiting is not None:
            self._waiting.append(action)
        else:
            action()

    def _timer_due(self, deadline: float) -> None:
        if deadline != self._timer_at or not self._is_running:
            return  # an earlier deadline came up after this one was planned
        self._timer_at = NEVER
        if not self._is_stopped:
            self._core.handle_timer(self._engine.now)
            self.wake()

    def _dial(self, wanted: StreamWanted) -> None:
        stream = _EngineStream(self, None)
        stream.dial(wanted)

    # --- for _EngineStream ----------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """Time."""
        return self._engine

    @property
    def core(self) -> GossipCore[EventT | StreamWanted]:
        """The protocol."""
        return self._core

    @property
    def port(self) -> Port:
        """The hold on the network."""
        return self._port


class _EngineStream:
    """Carries bytes between a stream end and an exchange, as the driver's ``_converse`` does.

    While the exchange has work, what arrives is left waiting, and each slice of it is an action of its own.
    """

    def __init__(self, node: EngineNode[Any], end: StreamEnd | None) -> None:
        self._node = node
        self._end = end
        self._exchange: StreamExchange | None = None
        self._is_over = False
        self._is_working = False
        self._arrived: deque[Callable[[], None]] = deque()
        if end is not None:
            end.owner = self

    def accept(self) -> None:
        self._node.when_running(self._accept)

    def _accept(self) -> None:
        node = self._node
        assert self._end is not None  # noqa: S101 - given at construction on this side
        exchange = node.core.accept_stream(self._end.remote, node.engine.now)
        node.wake()
        if exchange is None:
            self._is_over = True
            self._end.reset()
        else:
            self._begin(exchange)

    def dial(self, wanted: StreamWanted) -> None:
        node = self._node

        def connected(end: StreamEnd) -> None:
            end.owner = self
            self._end = end
            node.when_running(opened)

        def opened() -> None:
            if self._is_over:
                assert self._end is not None  # noqa: S101 - set by connected
                self._end.reset()
                return
            exchange = node.core.open_stream(wanted, node.engine.now)
            node.wake()
            self._begin(exchange)

        def failed(error: OSError | None) -> None:
            if not self._is_over and self._exchange is None:
                self._is_over = True
                node.core.stream_failed(wanted, dial_error_text(wanted.address, error), node.engine.now)
                node.wake()

        node.port.connect(wanted.address, connected, lambda: node.when_running(lambda: failed(REFUSED)))
        node.engine.call_at(wanted.deadline, node.when_running, lambda: failed(None))

    def stream_received(self, data: bytes) -> None:
        self._node.when_running(lambda: self._arrive(lambda: self._received(data)))

    def stream_reset(self) -> None:
        self._node.when_running(lambda: self._arrive(lambda: self._end_with("connection lost: reset by peer")))

    def stream_drained(self) -> None:
        """Nothing to do: exchanges hand over everything at once."""

    def _begin(self, exchange: StreamExchange) -> None:
        self._exchange = exchange
        self._watch_deadline()
        self._go_on()

    def _arrive(self, take: Callable[[], None]) -> None:
        if self._is_working:
            self._arrived.append(take)
        else:
            take()

    def _received(self, data: bytes) -> None:
        if self._is_over or self._exchange is None or self._end is None:
            return
        self._end.consumed(len(data))
        self._exchange.receive_data(data, self._node.engine.now)
        self._node.wake()
        self._go_on()
        if not data and not self._is_working:
            self._end_with("connection closed by the peer")

    def _work(self) -> None:
        self._is_working = False
        if self._is_over or self._exchange is None:
            return
        self._exchange.work(self._node.engine.now)
        self._node.wake()
        self._go_on()
        while self._arrived and not self._is_working:
            self._arrived.popleft()()

    def _go_on(self) -> None:
        """Send what is to be sent; then there is work, or the end, or more to be received."""
        if self._is_over or self._exchange is None or self._end is None:
            return
        self._end.send(self._exchange.data_to_send())
        if self._exchange.finished:
            self._end_with("")
        elif self._exchange.has_work:
            self._is_working = True
            self._node.engine.call_at(self._node.engine.now, self._node.when_running, self._work)

    def _watch_deadline(self) -> None:
        if self._exchange is None or self._is_over:
            return
        if self._exchange.deadline <= self._node.engine.now:
            self._end_with("i/o timeout")
        elif self._exchange.deadline < NEVER:
            again = self._watch_deadline
            self._node.engine.call_at(self._exchange.deadline, self._node.when_running, again)

    def _end_with(self, reason: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._exchange is not None:
            self._exchange.abort(reason, self._node.engine.now)
            self._node.wake()
        if self._end is not None:
            self._end.close()

"""``SimHost``: the simulated network behind the same protocols as real sockets, for shells under trio.

``TrioScheduler`` carries the network's deliveries on trio's clock, which in
tests is a ``MockClock``. A host has one datagram transport, one listener and a
dialler on one address; ``pause`` holds back what arrives, and ``kill`` resets
what is open. The suite in ``tests/net/test_transport.py`` runs on these and on
loopback sockets alike.
"""

from __future__ import annotations

import errno
import os
from collections import deque

import trio

from nodedns.model.address import Address
from nodedns.net.transport import DatagramStatistics
from nodedns.testing.network import Port, SimNetwork
from nodedns.testing.scheduler import Action, EventHeap
from nodedns.testing.streams import StreamEnd

__all__ = ["SimDatagramTransport", "SimDialer", "SimHost", "SimListener", "SimStream", "TrioScheduler"]

MAX_INBOX_DATAGRAMS = 2048  # about what the 2 MiB receive buffer of a real agent holds
MAX_WAITING_STREAMS = 128  # the listen backlog


class TrioScheduler:
    """A ``Scheduler`` on trio's clock; ``run`` must be running for anything to happen."""

    def __init__(self) -> None:
        self._heap = EventHeap()
        self._moved = trio.Event()
        self._wakes_at = float("inf")

    @property
    def now(self) -> float:
        """Trio's time."""
        return trio.current_time()

    def call_at(self, when: float, action: Action, *args: object) -> None:
        """Call ``action(*args)`` from the scheduler's task at ``when``."""
        self._heap.push(when, action, args)
        if when < self._wakes_at:
            self._moved.set()

    async def run(self) -> None:
        """Carry out what is planned, until cancelled."""
        while True:
            planned = self._heap.next_time()
            self._wakes_at = float("inf") if planned is None else planned
            self._moved = trio.Event()
            with trio.move_on_at(self._wakes_at):
                await self._moved.wait()
            await trio.lowlevel.checkpoint()
            now = trio.current_time()
            while (planned := self._heap.next_time()) is not None and planned <= now:
                _, action, args = self._heap.pop()
                action(*args)


class SimHost:
    """A process on the simulated network: attach, use its transports, ``kill`` it."""

    def __init__(self, network: SimNetwork, address: Address) -> None:
        self._port = network.attach(address, self)
        self._is_paused = False
        self.transport = SimDatagramTransport(self._port)
        self.listener = SimListener(self._port)
        self.dialer = SimDialer(self._port)

    def pause(self) -> None:
        """Let nothing more arrive until ``resume``."""
        self._is_paused = True
        self.transport.hold(is_held=True)
        self.listener.hold(is_held=True)

    def resume(self) -> None:
        """Hand over what arrived meanwhile, as far as there was room."""
        self._is_paused = False
        self.transport.hold(is_held=False)
        self.listener.hold(is_held=False)

    def kill(self) -> None:
        """Leave the network at once; streams are reset."""
        self._port.close()
        self.transport.close()
        self.listener.close()

    def receive_datagram(self, payload: bytes, source: Address) -> None:
        """Take a datagram from the network."""
        self.transport.deliver(payload, source)

    def receive_stream(self, end: StreamEnd) -> None:
        """Take a stream from the network."""
        self.listener.deliver(SimStream(end))


class SimDatagramTransport:
    """``DatagramTransport`` on the simulated network."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._inbox: deque[tuple[bytes, Address]] = deque()
        self._arrived = trio.Event()
        self._is_held = False
        self._is_closed = False
        self._sent = 0
        self._received = 0
        self._send_errors = 0

    @property
    def local_address(self) -> Address:
        """The address it is bound to."""
        return self._port.address

    async def send(self, payload: bytes, destination: Address) -> None:
        """Send one datagram."""
        await trio.lowlevel.checkpoint()
        if self._is_closed:
            raise trio.ClosedResourceError
        if not destination.is_valid or destination.port == 0:
            self._send_errors += 1
            return
        self._sent += 1
        self._port.send(payload, destination)

    async def receive(self) -> tuple[bytes, Address]:
        """Wait for a datagram."""
        await trio.lowlevel.checkpoint()
        while True:
            try:
                return self.receive_nowait()
            except trio.WouldBlock:
                self._arrived = trio.Event()
                await self._arrived.wait()

    def receive_nowait(self) -> tuple[bytes, Address]:
        """Return a datagram that is already there, or raise ``trio.WouldBlock``."""
        if self._is_closed:
            raise trio.ClosedResourceError
        if self._is_held or not self._inbox:
            raise trio.WouldBlock
        self._received += 1
        return self._inbox.popleft()

    def close(self) -> None:
        """Close it; a waiting receiver gets ``ClosedResourceError``."""
        self._is_closed = True
        self._arrived.set()

    def statistics(self) -> DatagramStatistics:
        """Return a snapshot of the counters."""
        return DatagramStatistics(self._sent, self._received, self._send_errors, 0)

    def deliver(self, payload: bytes, source: Address) -> None:
        """Put a datagram into the inbox; a full one drops it."""
        if len(self._inbox) < MAX_INBOX_DATAGRAMS:
            self._inbox.append((payload, source))
            self._arrived.set()

    def hold(self, *, is_held: bool) -> None:
        """Hold back what arrives, or let it through again."""
        self._is_held = is_held
        self._arrived.set()


class SimListener:
    """``StreamListener`` on the simulated network."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._waiting: deque[SimStream] = deque()
        self._arrived = trio.Event()
        self._is_held = False
        self._is_closed = False

    @property
    def local_address(self) -> Address:
        """The address it listens on."""
        return self._port.address

    async def accept(self) -> tuple[SimStream, Address]:
        """Wait for a stream."""
        await trio.lowlevel.checkpoint()
        while True:
            if self._is_closed:
                raise trio.ClosedResourceError
            if self._waiting and not self._is_held:
                stream = self._waiting.popleft()
                return stream, stream.peer
            self._arrived = trio.Event()
            await self._arrived.wait()

    def close(self) -> None:
        """Stop listening; streams nobody took are reset."""
        self._is_closed = True
        self._port.is_listening = False
        self._arrived.set()
        while self._waiting:
            self._waiting.popleft().reset()

    def deliver(self, stream: SimStream) -> None:
        """Queue a stream; a full backlog resets it."""
        if self._is_closed or len(self._waiting) >= MAX_WAITING_STREAMS:
            stream.reset()
            return
        self._waiting.append(stream)
        self._arrived.set()

    def hold(self, *, is_held: bool) -> None:
        """Hold back new streams, or let them through again."""
        self._is_held = is_held
        self._arrived.set()


class SimDialer:
    """``StreamDialer`` on the simulated network."""

    def __init__(self, port: Port) -> None:
        self._port = port

    async def dial(self, destination: Address) -> SimStream:
        """Connect; waits for ever while the hosts cannot reach each other."""
        await trio.lowlevel.checkpoint()
        answered = trio.Event()
        streams: list[SimStream] = []
        is_abandoned = False

        def connected(end: StreamEnd) -> None:
            stream = SimStream(end)
            if is_abandoned:
                stream.reset()
            streams.append(stream)
            answered.set()

        self._port.connect(destination, connected, answered.set)
        try:
            await answered.wait()
        except trio.Cancelled:
            is_abandoned = True
            for stream in streams:
                stream.reset()
            raise
        if not streams:
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return streams[0]


class SimStream(trio.abc.HalfCloseableStream):
    """trio's view of a ``StreamEnd``."""

    def __init__(self, end: StreamEnd) -> None:
        self._end = end
        self._received = bytearray()
        self._has_eof = False
        self._is_reset = False
        self._is_closed = False
        self._changed = trio.Event()
        end.owner = self

    @property
    def peer(self) -> Address:
        """Who is at the other end."""
        return self._end.remote

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything, waiting while the peer's window is full."""
        await trio.lowlevel.checkpoint()
        self._check_sending()
        unsent = bytes(data)
        while unsent:
            room = self._end.window_bytes
            if room > 0:
                self._end.send(unsent[:room])
                unsent = unsent[room:]
            else:
                await self._wait_changed()
            self._check_sending()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room in the window."""
        await trio.lowlevel.checkpoint()
        self._check_sending()
        while self._end.window_bytes <= 0:
            await self._wait_changed()
            self._check_sending()

    async def send_eof(self) -> None:
        """Tell the peer that nothing more will come."""
        await trio.lowlevel.checkpoint()
        self._check_sending()
        self._end.finish()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for bytes; ``b""`` once the peer has finished."""
        await trio.lowlevel.checkpoint()
        if max_bytes is not None and max_bytes < 1:
            raise ValueError("max_bytes must be >= 1")
        while True:
            if self._is_closed:
                raise trio.ClosedResourceError
            if self._received:
                size = min(len(self._received), max_bytes or len(self._received))
                data = bytes(self._received[:size])
                del self._received[:size]
                self._end.consumed(size)
                return data
            if self._is_reset:
                raise trio.BrokenResourceError("reset by peer")
            if self._has_eof:
                return b""
            await self._wait_changed()

    async def aclose(self) -> None:
        """Close both directions."""
        if not self._is_closed:
            self._is_closed = True
            self._end.close()
            self._changed.set()
        await trio.lowlevel.checkpoint()

    def reset(self) -> None:
        """Throw the stream away."""
        self._is_closed = True
        self._end.reset()
        self._changed.set()

    def stream_received(self, data: bytes) -> None:
        """Take bytes from the end."""
        if data:
            self._received += data
        else:
            self._has_eof = True
        self._changed.set()

    def stream_reset(self) -> None:
        """The peer is gone."""
        self._is_reset = True
        self._changed.set()

    def stream_drained(self) -> None:
        """There is room again."""
        self._changed.set()

    async def _wait_changed(self) -> None:
        if self._changed.is_set():
            self._changed = trio.Event()
        await self._changed.wait()

    def _check_sending(self) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError
        if self._is_reset:
            raise trio.BrokenResourceError("reset by peer")

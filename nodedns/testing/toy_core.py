"""``ToyCore``: the smallest thing that satisfies ``GossipCore``, to test drivers and runners without a protocol.

It pings its peers once a second and counts the answers, and on request swaps
greetings with a peer over a stream. It is honest about deadlines and drains,
and takes note of how it was driven.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import attrs

from nodedns.gossip.events import Datagram, StreamPurpose, StreamWanted
from nodedns.model.address import Address

__all__ = ["Greeted", "Heard", "ToyCore", "ToyExchange"]

PING_INTERVAL_S = 1.0
EXCHANGE_TIMEOUT_S = 5.0
GREETING_BYTES = 5


@attrs.frozen
class Heard:
    """A ping was answered."""

    source: Address


@attrs.frozen
class Greeted:
    """A stream exchange is over.

    Attributes:
        greeting: What the peer said; empty if the exchange failed.
        reason: Why it failed, else empty.
    """

    greeting: bytes
    reason: str


ToyEvent = Heard | Greeted | StreamWanted


class ToyCore:
    """Pings ``peers`` every second.

    Args:
        greeting: Five bytes, said on streams.
        peers: Whom to ping.
        max_streams: Streams answered at once.
        slices: Slices of work that a greeting gives.
    """

    def __init__(self, greeting: bytes, peers: Sequence[Address] = (), max_streams: int = 2, slices: int = 0) -> None:
        self.greeting = greeting
        self.slices = slices
        self.timer_calls: list[float] = []
        self.slices_done: list[float] = []
        self.streams = 0
        self._peers = list(peers)
        self._max_streams = max_streams
        self._deadline: float | None = None
        self._datagrams: list[Datagram] = []
        self._events: deque[ToyEvent] = deque()
        self._next_stream = 0

    def start(self, now: float) -> None:
        """Plan the first ping."""
        if self._peers:
            self._deadline = now + PING_INTERVAL_S

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        """Answer ``ping``, note ``pong``."""
        if data == b"ping":
            self._datagrams.append(Datagram(b"pong", source))
        elif data == b"pong":
            self._events.append(Heard(source))

    def handle_timer(self, now: float) -> None:
        """Ping everybody."""
        self.timer_calls.append(now)
        if self._deadline is not None and self._deadline <= now:
            self._deadline = now + PING_INTERVAL_S
            self._datagrams.extend(Datagram(b"ping", peer) for peer in self._peers)

    def next_deadline(self) -> float | None:
        """Return when the next ping is due."""
        return self._deadline

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        """Return what is to be sent."""
        datagrams, self._datagrams = self._datagrams, []
        return datagrams

    def next_event(self) -> ToyEvent | None:
        """Return the oldest event."""
        return self._events.popleft() if self._events else None

    def greet(self, peer: Address, now: float) -> None:
        """Ask for a stream to ``peer``. Drain after calling."""
        self._next_stream += 1
        wanted = StreamWanted(self._next_stream, peer, StreamPurpose.USER, now + EXCHANGE_TIMEOUT_S)
        self._events.append(wanted)

    def open_stream(self, wanted: StreamWanted, now: float) -> ToyExchange:
        """Begin as the one who dialled."""
        self.streams += 1
        return ToyExchange(self, wanted.deadline, is_dialler=True)

    def stream_failed(self, wanted: StreamWanted, reason: str, now: float) -> None:
        """Note the failure."""
        self._events.append(Greeted(b"", reason))

    def accept_stream(self, source: Address, now: float) -> ToyExchange | None:
        """Begin as the one who was dialled."""
        if self.streams >= self._max_streams:
            return None
        self.streams += 1
        return ToyExchange(self, now + EXCHANGE_TIMEOUT_S, is_dialler=False)

    def exchange_over(self, greeting: bytes, reason: str) -> None:
        """Take the result of an exchange."""
        self.streams -= 1
        self._events.append(Greeted(greeting, reason))


class ToyExchange:
    """Both say five bytes; the dialler first."""

    def __init__(self, core: ToyCore, deadline: float, *, is_dialler: bool) -> None:
        self._core = core
        self._deadline = deadline
        self._outgoing = core.greeting if is_dialler else b""
        self._is_dialler = is_dialler
        self._received = b""
        self._slices_left = 0
        self._finished = False

    @property
    def deadline(self) -> float:
        """When to give up."""
        return self._deadline

    @property
    def finished(self) -> bool:
        """Whether the peer's greeting is complete."""
        return self._finished

    @property
    def has_work(self) -> bool:
        """Whether a slice of ``work`` is left."""
        return self._slices_left > 0

    def work(self, now: float) -> None:
        """Do one slice."""
        self._slices_left -= 1
        self._core.slices_done.append(now)
        if not self._slices_left:
            self._finish()

    def receive_data(self, data: bytes, now: float) -> None:
        """Take a part of the greeting."""
        self._received += data
        if self.has_work or self._finished:
            return
        if not data:
            self.abort("closed early", now)
        elif len(self._received) >= GREETING_BYTES:
            if not self._is_dialler:
                self._outgoing += self._core.greeting
            self._slices_left = self._core.slices
            if not self._slices_left:
                self._finish()

    def _finish(self) -> None:
        self._finished = True
        self._core.exchange_over(self._received, "")

    def data_to_send(self) -> bytes:
        """Return our greeting, once."""
        outgoing, self._outgoing = self._outgoing, b""
        return outgoing

    def abort(self, reason: str, now: float) -> None:
        """Fail, unless finished."""
        if not self._finished:
            self._finished = True
            self._core.exchange_over(b"", reason)

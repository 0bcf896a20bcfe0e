"""``StreamEnd``: one end of a simulated TCP connection, in virtual time.

Bytes arrive whole and in order, in segments; a lost or cut-off segment is sent
again at growing distances and holds up what follows. A window bounds what is
under way and unread, so that a slow reader is felt by the sender. Both runners
use it: the engine directly, the trio runner behind ``trio.abc.Stream``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from nodedns.model.address import Address
from nodedns.testing.scheduler import Scheduler

__all__ = ["STREAM_WINDOW_BYTES", "SegmentPath", "StreamEnd", "StreamOwner"]

SEGMENT_BYTES = 16_384
STREAM_WINDOW_BYTES = 262_144  # about what Linux grants a fresh connection
FIRST_RETRY_S = 0.2  # Linux's least retransmission time-out
LAST_RETRY_S = 3.2


class SegmentPath(Protocol):
    """What a stream needs of the network below it."""

    scheduler: Scheduler

    def segment_delay(self, source: Address, destination: Address) -> float | None:
        """Draw the delay of one segment in seconds; None when it is lost."""
        ...


class StreamOwner(Protocol):
    """Whoever holds a stream end and is told what happens to it."""

    def stream_received(self, data: bytes) -> None:
        """Take bytes; ``b""`` when the peer will send no more."""
        ...

    def stream_reset(self) -> None:
        """The peer, or its kernel, has thrown the stream away."""
        ...

    def stream_drained(self) -> None:
        """There is room in the window again."""
        ...


class StreamEnd:
    """One end; the owner sets ``owner`` before anything can arrive (in the call that hands it over).

    Args:
        path: Decides how long each segment takes.
        local: Our address.
        remote: The peer's.
        on_closed: Called once with this end when it is closed or reset.
    """

    def __init__(
        self, path: SegmentPath, local: Address, remote: Address, on_closed: Callable[[StreamEnd], None]
    ) -> None:
        self.local = local
        self.remote = remote
        self.owner: StreamOwner | None = None
        self._path = path
        self._on_closed = on_closed
        self._other: StreamEnd | None = None
        self._segments: deque[bytes] = deque()
        self._is_stalled = False
        self._retry_s = FIRST_RETRY_S
        self._last_arrival = 0.0
        self._unread_bytes = 0
        self._has_finished = False
        self._is_closed = False

    def join(self, other: StreamEnd) -> None:
        """Make the two ends one stream."""
        self._other = other
        other._other = self

    @property
    def is_closed(self) -> bool:
        """Whether this end was closed or reset."""
        return self._is_closed

    @property
    def window_bytes(self) -> int:
        """How much may be sent now; 0 or less: wait for ``stream_drained``."""
        return STREAM_WINDOW_BYTES - self._unread_bytes

    def send(self, data: bytes) -> None:
        """Send bytes; more than the window is taken too, the owner is asked not to."""
        if self._is_closed or self._has_finished or not data:
            return
        self._unread_bytes += len(data)
        self._segments.extend(data[at : at + SEGMENT_BYTES] for at in range(0, len(data), SEGMENT_BYTES))
        self._transmit()

    def finish(self) -> None:
        """Send no more; the peer gets ``b""`` after all that was sent."""
        if not self._is_closed and not self._has_finished:
            self._has_finished = True
            self._segments.append(b"")
            self._transmit()

    def close(self) -> None:
        """Finish, and take nothing more: bytes that still come reset the stream."""
        self.finish()
        self._release()

    def reset(self) -> None:
        """Throw the stream away; the peer hears of it, if it can be reached."""
        if self._is_closed and not self._segments:
            return
        self._segments.clear()
        self._release()
        other = self._other
        delay_s = self._path.segment_delay(self.local, self.remote)
        if other is not None and delay_s is not None:
            self._path.scheduler.call_at(self._path.scheduler.now + delay_s, other.take_reset)

    def consumed(self, size_bytes: int) -> None:
        """Tell that our owner has read this much, which opens the peer's window."""
        if self._other is not None:
            self._other.take_window(size_bytes)

    # --- called by the other end, later ------------------------------------------------------------

    def take_window(self, size_bytes: int) -> None:
        """The peer has read ``size_bytes`` of what we sent."""
        was_full = self.window_bytes <= 0
        self._unread_bytes -= size_bytes
        if was_full and self.window_bytes > 0 and self.owner is not None and not self._is_closed:
            self.owner.stream_drained()

    def take_segment(self, data: bytes) -> None:
        """A segment arrives."""
        if self._is_closed:
            if data and self._other is not None:
                self._other.take_reset()
            return
        if self.owner is not None:
            self.owner.stream_received(data)

    def take_reset(self) -> None:
        """The peer threw the stream away."""
        if self._is_closed:
            return
        self._segments.clear()
        self._release()
        if self.owner is not None:
            self.owner.stream_reset()

    def _release(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._on_closed(self)

    def _transmit(self) -> None:
        if self._is_stalled or self._other is None:
            return
        scheduler = self._path.scheduler
        while self._segments:
            delay_s = self._path.segment_delay(self.local, self.remote)
            if delay_s is None:
                self._is_stalled = True
                scheduler.call_at(scheduler.now + self._retry_s, self._retransmit)
                self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)
                return
            self._retry_s = FIRST_RETRY_S
            # Never before an earlier segment: that is what makes it a stream.
            self._last_arrival = max(self._last_arrival, scheduler.now + delay_s)
            scheduler.call_at(self._last_arrival, self._other.take_segment, self._segments.popleft())

    def _retransmit(self) -> None:
        self._is_stalled = False
        self._transmit()

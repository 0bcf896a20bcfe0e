"""``Exchange``: one conversation over a stream, whichever side dialled.

Strategy: what is said when is the ``Side``'s, written as steps; the exchange
holds the bytes that come and go between them, and takes steps a slice at a time:
one with each piece of data, further ones when its owner calls ``work``. Once the
other's message is whole and ours is sent, the deadline no longer counts: what is
left is our own work, which its bounds end.

What it does not do: sockets; knowing what is said (``streams.py``).
Source: memberlist's handleConn, sendAndReceiveState.
"""

from __future__ import annotations

import math
from typing import Protocol

from nodedns.gossip.slices import SLICE_US, STARVED, Steps
from nodedns.gossip.stream_reader import StreamReader

__all__ = ["CLOSED_EARLY", "TOO_LARGE", "Exchange", "Side"]

CLOSED_EARLY = "closed-early"
TOO_LARGE = "too-large"


class Side(Protocol):
    """Our part in an exchange."""

    def converse(self, exchange: Exchange) -> Steps[None]:
        """Say and hear what there is; the exchange is over when the steps are."""
        ...

    def cut(self, reason: str, now: float) -> None:
        """Take note that the exchange failed before it was over: ``CLOSED_EARLY``, ``TOO_LARGE``, or the owner's."""
        ...

    def may_hold(self, size_bytes: int) -> bool:
        """Whether the exchange may keep this much memory; called after each slice."""
        ...

    def end(self) -> None:
        """Take note that the exchange is over, however it ended."""
        ...


class Exchange:
    """A ``StreamExchange``.

    Args:
        side: Our part in it.
        reader: Reads what the peer says.
        deadline: Monotonic seconds by which the peer must have done its part.
    """

    __slots__ = (
        "_is_closed",
        "_is_started",
        "_is_starved",
        "_script",
        "_side",
        "_to_send",
        "deadline",
        "finished",
        "now",
        "reader",
    )

    def __init__(self, side: Side, reader: StreamReader, deadline: float) -> None:
        self._side = side
        self._script = side.converse(self)
        self._to_send = b""
        self._is_started = False
        self._is_starved = False
        self._is_closed = False
        self.reader = reader
        self.deadline = deadline
        self.finished = False
        self.now = 0.0
        """When the present slice began."""

    @property
    def has_work(self) -> bool:
        """Whether there is something to do that waits for nobody."""
        return not self.finished and not self._is_starved

    def data_to_send(self) -> bytes:
        """Return what is to be sent now, once."""
        data, self._to_send = self._to_send, b""
        return data

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the peer, or that it closed, and do the first slice of what follows."""
        if self.finished:
            return
        if data:
            self.reader.feed(data)
        else:
            self._is_closed = True
        self.work(now)

    def work(self, now: float) -> None:
        """Do one slice of the work."""
        if self.finished:
            return
        self.now = now
        try:
            self._take_steps(now)
        except StopIteration:
            self._end()
            return
        if not self._side.may_hold(self.reader.held_bytes):
            self._fail(TOO_LARGE, now)
        elif self._is_starved and self._is_closed:
            self._fail(CLOSED_EARLY, now)

    def _take_steps(self, now: float) -> None:
        left_us = SLICE_US
        if not self._is_started:
            self._is_started = True
            left_us -= next(self._script)
        while left_us > 0:
            left_us -= self._script.send(now)
        self._is_starved = left_us == -STARVED

    def abort(self, reason: str, now: float) -> None:
        """End the exchange as failed, in whatever state it is."""
        if not self.finished:
            self._fail(reason, now)

    # --- for the side ------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Have ``data`` sent."""
        self._to_send += data

    def wait_for_nobody(self) -> None:
        """Take note that the peer has done its part."""
        self.deadline = math.inf

    def _fail(self, reason: str, now: float) -> None:
        self._end()
        self._side.cut(reason, now)

    def _end(self) -> None:
        self.finished = True
        self._script.close()
        self._side.end()

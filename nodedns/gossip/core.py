"""``GossipCore`` and ``StreamExchange``: what a driver sees of the gossip below it.

``Swim`` satisfies ``GossipCore``, and so does ``Serf``, which wraps it; the
trio driver and the event engine cannot tell them apart. A core does no I/O and
reads no clock: bytes, values and ``now`` (monotonic seconds) go in, datagrams,
events and deadlines come out.

The rule of use, from aioquic: after any input or command, drain
``datagrams_to_send``, then ``next_event`` until None, then read
``next_deadline`` again. A core never raises for what a peer sent.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from nodedns.gossip.events import Datagram, StreamWanted
from nodedns.model.address import Address

__all__ = ["GossipCore", "StreamExchange"]

EventT_co = TypeVar("EventT_co", covariant=True)


class StreamExchange(Protocol):
    """One byte-stream conversation (push/pull, stream ping, user message), driven by its owner.

    The owner sends ``data_to_send()``, then, until ``finished``: while ``has_work``
    calls ``work``, else receives and calls ``receive_data``; after either it drains
    the core, sends ``data_to_send()``, and lets others have their turn. It closes
    the stream once ``finished`` holds and everything is sent.
    """

    @property
    def deadline(self) -> float:
        """Monotonic seconds at which the owner must ``abort`` an unfinished exchange."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing more will be received; what is left to send still goes out."""
        ...

    @property
    def has_work(self) -> bool:
        """Whether ``work`` is wanted; receiving is put off meanwhile, and a closed stream does not matter."""
        ...

    def work(self, now: float) -> None:
        """Do one slice, some milliseconds, of what there is to do. Drain the core after calling."""
        ...

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the peer, ``b""`` says that it closed its side, and do the first slice of what follows.

        Never raises for what the peer sent. Drain the core after calling.
        """
        ...

    def data_to_send(self) -> bytes:
        """Return the bytes to send now, each once; empty when there are none."""
        ...

    def abort(self, reason: str, now: float) -> None:
        """End the exchange as failed; does nothing once ``finished``. Drain the core after calling."""
        ...


class GossipCore(Protocol, Generic[EventT_co]):
    """A gossip member without its sockets and clock."""

    def start(self, now: float) -> None:
        """Set the first timers; called once, before anything else. Drain after calling."""
        ...

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram from ``source``. Never raises for what it holds. Drain after calling."""
        ...

    def handle_timer(self, now: float) -> None:
        """Do everything that is due at ``now``; early calls do nothing. Drain after calling."""
        ...

    def next_deadline(self) -> float | None:
        """Return when ``handle_timer`` is wanted next, or None for never."""
        ...

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        """Return the datagrams to send, each once, oldest first."""
        ...

    def next_event(self) -> EventT_co | None:
        """Return the oldest event not yet taken, or None."""
        ...

    def open_stream(self, wanted: StreamWanted, now: float) -> StreamExchange:
        """Return the dialling side of the exchange that a ``StreamWanted`` event asked for.

        Called once the stream is connected. Drain after calling.
        """
        ...

    def stream_failed(self, wanted: StreamWanted, reason: str, now: float) -> None:
        """Tell that the stream could not be connected. Drain after calling."""
        ...

    def accept_stream(self, source: Address, now: float) -> StreamExchange | None:
        """Return the answering side for a stream that ``source`` opened; None: too many, close it."""
        ...

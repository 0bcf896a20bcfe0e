"""``SettlingExchange``: a gossip stream that tells Serf after each piece of data.

Data on a stream goes straight to the gossip core's exchange; without this the
core's events would wait for the next datagram or timer before Serf saw them.
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.gossip.core import StreamExchange

__all__ = ["SettlingExchange"]


class SettlingExchange:
    """A ``StreamExchange`` around another.

    Args:
        inner: The gossip core's exchange.
        settle: Called with ``now`` after each input.
    """

    __slots__ = ("_inner", "_settle")

    def __init__(self, inner: StreamExchange, settle: Callable[[float], None]) -> None:
        self._inner = inner
        self._settle = settle

    @property
    def deadline(self) -> float:
        """Monotonic seconds at which an unfinished exchange must be aborted."""
        return self._inner.deadline

    @property
    def finished(self) -> bool:
        """Whether nothing more will be received."""
        return self._inner.finished

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the peer. Drain the core after calling."""
        self._inner.receive_data(data, now)
        self._settle(now)

    @property
    def has_work(self) -> bool:
        """Whether ``work`` is wanted."""
        return self._inner.has_work

    def work(self, now: float) -> None:
        """Do one slice of the work. Drain the core after calling."""
        self._inner.work(now)
        self._settle(now)

    def data_to_send(self) -> bytes:
        """Return the bytes to send now."""
        return self._inner.data_to_send()

    def abort(self, reason: str, now: float) -> None:
        """End the exchange as failed. Drain the core after calling."""
        self._inner.abort(reason, now)
        self._settle(now)

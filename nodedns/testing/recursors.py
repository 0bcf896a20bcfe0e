"""``MemoryLinks``: recursors in memory, each a function from a query to the messages that come back.

It satisfies ``Links`` without a socket, so that silence and time-outs can be
played in virtual time. What it was asked is noted in ``queries``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import attrs
import trio

from nodedns.dns.question import Transport
from nodedns.dns.recursion import Recursor

__all__ = ["Behaviour", "MemoryLinks", "SentQuery"]

Behaviour = Callable[[bytes, Transport], Sequence[bytes]]
"""What a recursor sends for one query; nothing for silence. May raise ``OSError``."""


@attrs.frozen
class SentQuery:
    """One query that was sent to a recursor."""

    recursor: Recursor
    transport: Transport
    wire: bytes


class _MemoryLink:
    def __init__(self, owner: MemoryLinks, recursor: Recursor, transport: Transport) -> None:
        self._owner = owner
        self._recursor = recursor
        self._transport = transport
        self._coming: list[bytes] = []

    async def send(self, message: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._owner.queries.append(SentQuery(self._recursor, self._transport, message))
        self._coming += self._owner.behaviours[self._recursor](message, self._transport)

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._coming:
            await trio.sleep_forever()
        return self._coming.pop(0)

    def __enter__(self) -> Self:
        self._owner.links_open += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner.links_open -= 1


class MemoryLinks:
    """``Links`` to recursors in memory.

    Args:
        behaviours: What each recursor does.
    """

    def __init__(self, behaviours: Mapping[Recursor, Behaviour]) -> None:
        self.behaviours = behaviours
        self.queries: list[SentQuery] = []
        self.links_open = 0

    async def open_udp(self, recursor: Recursor) -> _MemoryLink:
        """Return a new link."""
        await trio.lowlevel.checkpoint()
        return _MemoryLink(self, recursor, Transport.UDP)

    async def open_tcp(self, recursor: Recursor) -> _MemoryLink:
        """Return a new link."""
        await trio.lowlevel.checkpoint()
        return _MemoryLink(self, recursor, Transport.TCP)

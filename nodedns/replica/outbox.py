"""``Outbox``: messages on their way to the owner, who sends them; bounded, the newest are dropped."""

from __future__ import annotations

from nodedns.model.names import NodeName
from nodedns.replica.messages import Outgoing
from nodedns.replica.params import DATAGRAM_BYTES, MAX_OUTGOING

__all__ = ["Outbox"]


class Outbox:
    """Collects messages between two drains."""

    def __init__(self) -> None:
        self._waiting: list[Outgoing] = []
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many there was no room for."""
        return self._dropped

    def send(self, peer: NodeName, payload: bytes, *, is_lossy: bool = True) -> None:
        """Add a message; short ones may go as datagrams, if one that is lost does no harm."""
        if len(self._waiting) >= MAX_OUTGOING:
            self._dropped += 1
            return
        self._waiting.append(Outgoing(peer, payload, is_lossy and len(payload) <= DATAGRAM_BYTES))

    def take(self) -> list[Outgoing]:
        """Return what is waiting, in order."""
        waiting, self._waiting = self._waiting, []
        return waiting

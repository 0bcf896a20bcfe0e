"""``Delegate``: what the gossip core asks of the layer above it (Serf), all synchronous and pure.

memberlist's Delegate, AliveDelegate and MergeDelegate in one Protocol;
notifications go the other way, as events.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from nodedns.gossip.slices import Steps
from nodedns.model.member import Member, NodeState

__all__ = ["Delegate", "NullDelegate"]


class Delegate(Protocol):
    """The layer above gossip."""

    def ack_payload(self) -> bytes:
        """Return what an ack carries (Serf: our coordinate); empty for nothing."""
        ...

    def broadcasts(self, overhead: int, limit: int) -> list[bytes]:
        """Return user messages to piggyback, each counting ``overhead + len`` bytes toward ``limit``.

        The messages start with Serf's type byte; the caller adds memberlist's.
        """
        ...

    def local_state(self, *, is_join: bool) -> bytes:
        """Return the user state of a push/pull."""
        ...

    def refuse_alive(self, member: Member) -> str | None:
        """Return why an alive message about ``member`` must be ignored, or None."""
        ...

    def refuse_merge(self, members: Iterable[tuple[Member, NodeState]]) -> Steps[str | None]:
        """Find out why a joining push/pull with these members must be abandoned; None: it need not be."""
        ...

    def merge_remote_state(self, state: bytes, now: float, *, is_join: bool) -> Steps[None]:
        """Merge the user state of a push/pull, never empty; its members were applied before."""
        ...


class NullDelegate:
    """A ``Delegate`` that adds nothing and refuses nothing: memberlist without Serf."""

    def ack_payload(self) -> bytes:
        """Return no payload."""
        return b""

    def broadcasts(self, overhead: int, limit: int) -> list[bytes]:
        """Return no messages."""
        return []

    def local_state(self, *, is_join: bool) -> bytes:
        """Return no state."""
        return b""

    def refuse_alive(self, member: Member) -> str | None:
        """Refuse nothing."""
        return None

    def refuse_merge(self, members: Iterable[tuple[Member, NodeState]]) -> Steps[str | None]:
        """Refuse nothing."""
        yield from ()
        return None

    def merge_remote_state(self, state: bytes, now: float, *, is_join: bool) -> Steps[None]:
        """Merge nothing."""
        yield from ()

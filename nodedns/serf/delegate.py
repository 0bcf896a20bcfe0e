"""``SerfDelegate``: what Serf answers when the gossip core asks.

It satisfies ``gossip.delegate.Delegate``: the coordinate for acks, messages to
piggyback, Serf's part of a push/pull, and the refusal of members that do not
belong here. Without a merge policy only malformed members are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nodedns.model.member import Member, NodeState
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.members import MemberTable
from nodedns.serf.merge import Candidate, MergePolicy
from nodedns.serf.tags import MAX_META_BYTES, decode_tags_untrusted

__all__ = ["SerfDelegate"]

MEMBER_VERSIONS_BYTES = 6


class SerfDelegate:
    """Serf's side of the gossip core's questions.

    Args:
        table: For the number of members.
        broadcasts: What is waiting to be gossiped.
        policy: Whom to refuse, or None.
        ack_payload: Returns our coordinate, encoded.
        local_state: Returns our push/pull state, encoded.
    """

    def __init__(
        self,
        *,
        table: MemberTable,
        broadcasts: Broadcasts,
        policy: MergePolicy | None,
        ack_payload: Callable[[], bytes],
        local_state: Callable[[], bytes],
    ) -> None:
        self._table = table
        self._broadcasts = broadcasts
        self._policy = policy
        self._ack_payload = ack_payload
        self._local_state = local_state

    def ack_payload(self) -> bytes:
        """Return our coordinate, encoded."""
        return self._ack_payload()

    def broadcasts(self, overhead: int, limit: int) -> list[bytes]:
        """Return intents, queries and events to piggyback."""
        return self._broadcasts.take(overhead, limit, len(self._table))

    def local_state(self, *, is_join: bool) -> bytes:  # Serf's state is the same for both
        """Return our push/pull state, encoded."""
        return self._local_state()

    def refuse_alive(self, member: Member) -> str | None:
        """Return why ``member`` does not belong here, or None."""
        if not member.name:
            return "a member without a name"
        if not member.address.is_valid or len(member.meta) > MAX_META_BYTES:
            return f"Member '{member.name}' has a malformed address or metadata"
        if self._policy is None:
            return None
        # With a merge delegate set, Serf wants all six version bytes.
        if len(member.versions.packed) < MEMBER_VERSIONS_BYTES:
            return f"Member '{member.name}' announces no versions"
        return self._policy.refusal([Candidate(member.name, decode_tags_untrusted(member.meta))])

    def refuse_merge(self, members: Sequence[tuple[Member, NodeState]]) -> str | None:
        """Return why these members must not be merged, or None."""
        if self._policy is None:
            return None
        return self._policy.refusal(
            [
                Candidate(member.name, decode_tags_untrusted(member.meta), has_left=state is NodeState.LEFT)
                for member, state in members
            ]
        )

"""``SerfDelegate``: what Serf answers when the gossip core asks.

It satisfies ``gossip.delegate.Delegate``: the coordinate for acks, messages to
piggyback, Serf's part of a push/pull, and the refusal of members that do not
belong here. Without a merge policy only malformed members are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nodedns.gossip.slices import Steps
from nodedns.model.member import Member, NodeState
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.members import MemberTable
from nodedns.serf.merge import Candidate, MergePolicy
from nodedns.serf.tags import MAX_META_BYTES, decode_tags_untrusted

__all__ = ["SerfDelegate"]

MEMBER_VERSIONS_BYTES = 6
JUDGE_MEMBER_US = 15.0


class SerfDelegate:
    """Serf's side of the gossip core's questions.

    Args:
        table: For the number of members.
        broadcasts: What is waiting to be gossiped.
        policy: Whom to refuse, or None.
        ack_payload: Returns our coordinate, encoded.
        local_state: Returns our push/pull state, encoded.
        merge_state: Merges another's push/pull state.
    """

    def __init__(
        self,
        *,
        table: MemberTable,
        broadcasts: Broadcasts,
        policy: MergePolicy | None,
        ack_payload: Callable[[], bytes],
        local_state: Callable[[], bytes],
        merge_state: Callable[[bytes, float, bool], Steps[None]],
    ) -> None:
        self._table = table
        self._broadcasts = broadcasts
        self._policy = policy
        self._ack_payload = ack_payload
        self._local_state = local_state
        self._merge_state = merge_state

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

    def refuse_merge(self, members: Iterable[tuple[Member, NodeState]]) -> Steps[str | None]:
        """Find out why these members must not be merged; None: they may be."""
        if self._policy is None:
            return None
        judge = self._policy.judge()
        for member, state in members:
            tags = decode_tags_untrusted(member.meta)
            refusal = judge.refusal(Candidate(member.name, tags, has_left=state is NodeState.LEFT))
            if refusal is not None:
                return refusal
            yield JUDGE_MEMBER_US
        return None

    def merge_remote_state(self, state: bytes, now: float, *, is_join: bool) -> Steps[None]:
        """Merge another's push/pull state."""
        return self._merge_state(state, now, is_join)

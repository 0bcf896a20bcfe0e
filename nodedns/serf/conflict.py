"""``ConflictVote``: the others' verdict on who owns our name.

Someone claims our name from another address. We ask everyone (``_serf_conflict``)
whom they know under it; unless more than half of those who answer name our
address and port, the name is the other's and this agent must stop. No answer at
all counts as lost, as in Serf. Only members known
here have a vote: in Serf whoever hears the question may answer it under as many invented names as it takes.

Source: Serf's resolveNodeConflict (gossip-protocol 4.9).
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.errors import GossipWireError
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.messages import ConflictResponse, decode_message_untrusted

__all__ = ["ConflictVote"]


class ConflictVote:
    """Counts answers; a sink for an outgoing query.

    Args:
        local_address: Our own address, whose owner the name should be.
        may_vote: Whether an answer in that name counts.
    """

    __slots__ = ("_local_address", "_may_vote", "matching", "responses")

    def __init__(self, local_address: Address, may_vote: Callable[[NodeName], bool]) -> None:
        self._local_address = local_address
        self._may_vote = may_vote
        self.matching = 0
        self.responses = 0

    @property
    def is_won(self) -> bool:
        """Whether a majority of the answers, and at least one, named our address."""
        return self.matching >= self.responses // 2 + 1

    def acked(self, node: NodeName) -> None:
        """Ignore an ack; none is asked for."""

    def answered(self, node: NodeName, payload: bytes) -> None:
        """Count one answer; a stranger's, or one that is no answer to this question, is not counted."""
        if not self._may_vote(node):
            return
        try:
            response = decode_message_untrusted(payload)
        except GossipWireError:
            return
        if not isinstance(response, ConflictResponse):
            return
        self.responses += 1
        known = response.member
        if known is None or len(known.addr) not in (4, 16):
            return
        # 4- and 16-byte forms of one address are one here, unlike in gossip.
        if Address(known.addr, known.port).same_endpoint(self._local_address):
            self.matching += 1

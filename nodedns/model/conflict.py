"""``Conflict``: two agents that claim one name, both shown.

Either one name at two addresses, or two names that differ only in case, which
DNS cannot tell apart.
"""

from __future__ import annotations

import attrs

from nodedns.model.address import Address
from nodedns.model.names import NodeName

__all__ = ["Claimant", "Conflict"]


@attrs.frozen
class Claimant:
    """One of two agents that claim one name.

    Attributes:
        name: As it spells it.
        address: Where it is.
        node_id: What its tag ``id`` says; empty where it announces none.
        incarnation: Of its claim; 0 where unknown.
    """

    name: NodeName
    address: Address
    node_id: str
    incarnation: int


@attrs.frozen
class Conflict:
    """Two agents claim one name.

    Attributes:
        holder: Who has the name, here.
        rival: Who claims it besides.
        told_by: The address that sent us the rival's claim; None where unknown.
        told_by_name: The member known to be there; empty where none is.
        since: Monotonic seconds at which we first saw it.
        seen_at: Likewise, at which both were last known to be there.
        is_local: Whether one of the two is us.
    """

    holder: Claimant
    rival: Claimant
    told_by: Address | None
    told_by_name: str
    since: float
    seen_at: float
    is_local: bool

    @property
    def is_of_case(self) -> bool:
        """Whether the two spell the name differently, and so are two members to gossip."""
        return self.holder.name != self.rival.name

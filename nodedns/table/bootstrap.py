"""``Expectation``: when a server may say that a name does not exist.

A server told ``-bootstrap-expect=N`` knows nothing of the cluster until it has
seen N alive servers that expect the same. Before that an NXDOMAIN would be a
guess, and resolvers would cache it. There is no Raft here: nothing is elected,
only this one question is answered. Once met it stays met; the table's
``ClusterKnown`` and the data directory remember it.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from nodedns.model.member import MemberStatus, SerfMember
from nodedns.model.names import fold
from nodedns.table.member_facts import facts_of

__all__ = ["Expectation"]


@attrs.frozen
class Expectation:
    """How many servers an agent waits for.

    Attributes:
        expect: ``-bootstrap-expect``; 0 for agents that wait for nobody.
    """

    expect: int

    def is_met(self, members: Iterable[SerfMember], datacenter: str) -> bool:
        """Whether ``members`` (our own included) make the cluster known.

        True where nothing is expected, where ``expect`` alive servers of the
        datacenter expect the same number, and where an alive server was told to bootstrap alone.
        """
        if self.expect <= 0:
            return True
        like_minded = 0
        for member in members:
            facts = facts_of(member, datacenter)
            if member.status is not MemberStatus.ALIVE or fold(facts.datacenter) != fold(datacenter):
                continue
            if facts.bootstrap:
                return True
            like_minded += facts.is_server and facts.expect == self.expect
        return like_minded >= self.expect

"""``with_targets``: the addresses of host names that SRV records lead to, as far as our zones know them.

An instance may have a host name for an address, and that may be a name of ours: a
node's, or another service's. Whoever asks for SRV is told its addresses too (RFC 2782),
as additional records. What lies outside our zones the client looks up itself.
"""

from __future__ import annotations

from random import Random
from typing import Final

import attrs

from nodedns.dns.alias import follow
from nodedns.dns.name import Labels, fold_labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, RRClass, RRType
from nodedns.dns.rrset import Answer, RRset
from nodedns.dns.zones import Zones
from nodedns.table.view import TableView

__all__ = ["MAX_LOOKED_UP", "with_targets"]

MAX_LOOKED_UP: Final = 32
"""Targets looked up for one answer; ours: as many addresses as fit a reply of 1,232 bytes beside their SRV records."""


def with_targets(answer: Answer, zones: Zones, view: TableView, policy: DnsPolicy, *, rng: Random) -> Answer:
    """Return ``answer`` with the addresses, and the aliases on the way, of SRV targets that have none in it yet."""
    if not answer.leads:
        return answer
    found: dict[tuple[Labels, int], RRset] = {}
    keys = answer.keys
    for target in answer.leads[:MAX_LOOKED_UP]:
        for rtype in (RRType.A, RRType.AAAA):
            looked_up = _looked_up(
                Question(target, fold_labels(target), rtype, RRClass.IN), zones, view, policy, rng=rng
            )
            if looked_up is None:
                continue
            keys = None if keys is None or looked_up.keys is None else (*keys, *looked_up.keys)
            found |= {(fold_labels(rrset.owner), rrset.rtype): rrset for rrset in looked_up.answer}
    keys = None if keys is None else tuple(dict.fromkeys(keys))
    return attrs.evolve(answer, extra=(*found.values(), *answer.extra), keys=keys)


def _looked_up(question: Question, zones: Zones, view: TableView, policy: DnsPolicy, *, rng: Random) -> Answer | None:
    zone = zones.covering(question.folded, view)
    if zone is None:
        return None
    return follow(zone.answer(question, view, policy), question, zones, view, policy, rng=rng).answer

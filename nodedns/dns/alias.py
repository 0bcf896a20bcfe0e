"""``follow``: from a CNAME of ours to what it stands for, through our own zones, loop-proof.

A node may have a host name for an address. A client that asks for the node's
addresses is told the alias and, as far as we know it, what is at its end (RFC
1034 section 4.3.2, step 3a); the response code is that of the last name (RFC
6604). An alias that leads out of our zones is left for a recursor.

A chain ends at a name it has been to, and after ``MAX_ALIASES``: whoever
registers nodes can make chains of any shape. Where several names stand for one, as those of a service's instances
may, one of them is drawn.

Asked for ANY, RFC 1034 would stop at the CNAME; Consul follows, and so do we.
"""

from __future__ import annotations

from random import Random
from typing import Final

import attrs

from nodedns.dns.name import Labels, fold_labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, RRType
from nodedns.dns.rrset import Answer
from nodedns.dns.zones import Zones
from nodedns.table.view import TableView

__all__ = ["MAX_ALIASES", "Followed", "follow"]

MAX_ALIASES: Final = 11  # unbound's MAX_RESTART_COUNT; Consul stops after 3


@attrs.frozen
class Followed:
    """Where an answer led.

    Attributes:
        answer: Every record on the way.
        outside: Name outside our zones at which it left off; None if there is nothing more to say.
    """

    answer: Answer
    outside: Labels | None = None


def follow(
    answer: Answer, question: Question, zones: Zones, view: TableView, policy: DnsPolicy, *, rng: Random
) -> Followed:
    """Follow the alias that ``answer`` ends with, if it does, as far as our zones go."""
    seen = [question.folded]
    answer = _with_one_alias(answer, rng)
    while (target := _alias_at_end(answer, question)) is not None:
        folded = fold_labels(target)
        if folded in seen or len(seen) > MAX_ALIASES:
            return Followed(answer)
        zone = zones.covering(folded, view)
        if zone is None:
            return Followed(answer, target)
        seen.append(folded)
        then = zone.answer(attrs.evolve(question, labels=target, folded=folded), view, policy)
        answer = _joined(answer, _with_one_alias(then, rng))
    return Followed(answer)


def _with_one_alias(answer: Answer, rng: Random) -> Answer:
    """Return ``answer`` with one of the aliases that it ends with; whichever is drawn, the next client gets another."""
    last = answer.answer[-1] if answer.answer else None
    if last is None or last.rtype != RRType.CNAME or not last.is_spread:
        return answer
    drawn = attrs.evolve(last, rdatas=(rng.choice(last.rdatas),), is_spread=False)
    return attrs.evolve(answer, answer=(*answer.answer[:-1], drawn), keys=None)


def _alias_at_end(answer: Answer, question: Question) -> Labels | None:
    if not answer.answer or question.rtype == RRType.CNAME:
        return None
    last = answer.answer[-1]
    if last.rtype != RRType.CNAME:
        return None
    target = last.rdatas[-1]
    assert isinstance(target, tuple)  # noqa: S101 - for the type checker; RRset's contract says so
    return target


def _joined(first: Answer, then: Answer) -> Answer:
    keys = None if first.keys is None or then.keys is None else tuple(dict.fromkeys((*first.keys, *then.keys)))
    # What else stood beside the first alias is of no use without it; the last name's code counts (RFC 6604).
    return attrs.evolve(
        then,
        authoritative=first.authoritative,
        answer=first.answer + then.answer,
        extra=first.extra + then.extra,
        keys=keys,
    )

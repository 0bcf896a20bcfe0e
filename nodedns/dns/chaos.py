"""Class CH: what the server says of itself, by the names that BIND and NSD have for it.

``version.bind`` and ``version.server`` tell the version, ``hostname.bind`` and
``id.server`` which server of several this one is (RFC 4892). What is configured
empty is not told. There are no other names in this class, and no other types.
"""

from __future__ import annotations

from nodedns.dns.name import Labels, text_bytes
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRClass, RRType
from nodedns.dns.rrset import EDE_NOT_AUTHORITATIVE, Answer, RRset

__all__ = ["chaos_answer"]

_VERSION_NAMES: frozenset[Labels] = frozenset({(b"version", b"bind"), (b"version", b"server")})
_IDENTITY_NAMES: frozenset[Labels] = frozenset({(b"hostname", b"bind"), (b"id", b"server")})


def chaos_answer(question: Question, policy: DnsPolicy) -> Answer:
    """Answer ``question``, whose class is CH."""
    text = _text(question.folded, policy)
    if not text or question.rtype not in (RRType.TXT, RRType.ANY):
        return Answer(rcode=Rcode.REFUSED, ede=EDE_NOT_AUTHORITATIVE, keys=())
    # TTL 0: it is of this server and this moment, nothing for a cache.
    rrset = RRset(question.labels, RRType.TXT, 0, ((text_bytes(text),),), RRClass.CH)
    return Answer(rcode=Rcode.NOERROR, authoritative=True, answer=(rrset,), keys=())


def _text(folded: Labels, policy: DnsPolicy) -> str:
    if folded in _VERSION_NAMES:
        return policy.version
    return policy.nsid if folded in _IDENTITY_NAMES else ""

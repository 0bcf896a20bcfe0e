"""``RRset`` and ``Answer``: what is to be said, before anyone asks whether it fits.

An answer names its records by what losing them means, because only the
encoder knows the size limit: losing ``answer``, ``authority`` or ``glue`` sets
TC, losing ``extra`` does not (RFC 2181 section 9, RFC 9471).
"""

from __future__ import annotations

import struct
from functools import cached_property

import attrs

from nodedns.dns.name import Labels, fold_labels, packed_name
from nodedns.dns.question import Rcode, RRClass

__all__ = [
    "EDE_NETWORK_ERROR",
    "EDE_NOT_AUTHORITATIVE",
    "EDE_NOT_READY",
    "EDE_NO_REACHABLE_AUTHORITY",
    "EDE_PROHIBITED",
    "Answer",
    "RRset",
    "Rdata",
    "SoaData",
    "SrvData",
]

# RFC 8914 section 4
EDE_NOT_READY = 14
EDE_PROHIBITED = 18
EDE_NOT_AUTHORITATIVE = 20
EDE_NO_REACHABLE_AUTHORITY = 22
EDE_NETWORK_ERROR = 23

_SRV = struct.Struct("!3H")


@attrs.frozen
class SoaData:
    """RDATA of a SOA record (RFC 1035 section 3.3.13); times in seconds."""

    mname: Labels
    rname: Labels
    serial: int
    refresh_s: int
    retry_s: int
    expire_s: int
    minimum_s: int


@attrs.frozen
class SrvData:
    """RDATA of a SRV record (RFC 2782); each number 0 to 65535."""

    priority: int
    weight: int
    port: int
    target: Labels

    @cached_property
    def packed(self) -> bytes:
        """It as on the wire; RFC 2782: no name compression for the target."""
        return _SRV.pack(self.priority, self.weight, self.port) + packed_name(self.target)

    @cached_property
    def place(self) -> tuple[Labels, int]:
        """Where it leads, folded: two records with the same one are of no more use than one."""
        return fold_labels(self.target), self.port


Rdata = bytes | Labels | SoaData | SrvData
"""NS, CNAME and PTR: a name. TXT: its strings, each at most 255 bytes. SRV: ours, or as packed.
A, AAAA and others: the data as packed."""


@attrs.frozen
class RRset:
    """All records of one name and type; one TTL for all (RFC 2181 section 5.2), never empty.

    Attributes:
        owner: Their name.
        rtype: Their type.
        ttl_s: Their TTL in seconds.
        rdatas: What they say.
        rclass: Their class.
        is_spread: Whether they are alike, so that each client is to get them in another order, or others of them.
            A, AAAA and SRV only. Of a CNAME it means that one is to be picked, for a name has one.
        ranks: Of each of the ``rdatas`` of a spread set, how far to the front it stands in every order, 0 for the
            first; those of one rank are alike. Empty: all are.
    """

    owner: Labels
    rtype: int
    ttl_s: int
    rdatas: tuple[Rdata, ...]
    rclass: RRClass = RRClass.IN
    is_spread: bool = False
    ranks: tuple[int, ...] = ()


@attrs.frozen(kw_only=True)
class Answer:
    """A reply without its envelope.

    Attributes:
        rcode: Response code.
        authoritative: The AA bit.
        answer: Answer section.
        authority: Authority section.
        glue: Additional section: addresses that the answer is of little use without.
        extra: Additional section: what may be left out silently.
        leads: Names that ``answer`` leads to whose addresses are not in ``extra``, and belong there if any zone of ours
            has them.
        ede: Extended DNS error code, said to clients that speak EDNS.
        keys: What it depends on besides question and policy (``dependency``); None if it must not be kept.
        most_spread: How many of the spread records are said at most, whoever asks; 0 for all.
        most_plain: How many of them a client over UDP without room for more than 512 bytes is told; 0 for all. The
            others are to be had over TCP, and TC says so.
    """

    rcode: Rcode
    authoritative: bool = False
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    glue: tuple[RRset, ...] = ()
    extra: tuple[RRset, ...] = ()
    leads: tuple[Labels, ...] = ()
    ede: int | None = None
    keys: tuple[str, ...] | None = None
    most_spread: int = 0
    most_plain: int = 0

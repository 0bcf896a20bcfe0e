"""``Question`` and ``Query``: what a client asked, in our own types.

Numbers that a client may choose freely (type, class) stay plain integers;
the enums name those that mean something here (RFC 3597: unknown types are
asked for like any other).
"""

from __future__ import annotations

import enum

import attrs

from nodedns.dns.name import Labels

__all__ = ["ClientSoa", "Edns", "Query", "Question", "RRClass", "RRType", "Rcode", "Transport", "Tsig"]


class RRType(enum.IntEnum):
    """Types that are treated specially (IANA's numbers)."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    TXT = 16
    AAAA = 28
    SRV = 33
    OPT = 41
    DS = 43
    SSHFP = 44
    TSIG = 250
    IXFR = 251
    AXFR = 252
    ANY = 255


class RRClass(enum.IntEnum):
    """Classes that are treated specially."""

    IN = 1
    CH = 3
    ANY = 255


class Rcode(enum.IntEnum):
    """Response codes we send; those above 15 need an OPT record (RFC 6891 section 6.1.3)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    NOTAUTH = 9
    BADVERS = 16
    BADCOOKIE = 23


class Transport(enum.Enum):
    """How the query came."""

    UDP = "udp"
    TCP = "tcp"


@attrs.frozen
class Question:
    """The one question of a query.

    Attributes:
        labels: Name in the letter case it was asked in.
        folded: Name with ASCII letters lower-cased.
        rtype: Type asked for.
        rclass: Class asked for.
    """

    labels: Labels
    folded: Labels
    rtype: int
    rclass: int


@attrs.frozen
class Edns:
    """The OPT record of a query (RFC 6891).

    Attributes:
        version: EDNS version.
        payload_bytes: UDP size the client says it can take.
        wants_dnssec: The DO bit.
        options: Code and content of each option, as they came; none where the version is above 0.
    """

    version: int
    payload_bytes: int
    wants_dnssec: bool
    options: tuple[tuple[int, bytes], ...] = ()

    def option(self, code: int) -> bytes | None:
        """Return the content of the first option with this code; None if there is none."""
        return next((content for known, content in self.options if known == code), None)


@attrs.frozen
class Tsig:
    """The TSIG record of a query (RFC 8945).

    Attributes:
        key_name: Name of the key that the client signed with.
        algorithm: Name of the algorithm.
        time_signed: Six bytes of seconds since 1970.
        fudge_s: How far clocks may be apart.
        original_id: ID of the query when it was signed.
        mac: What the key made of the message.
        error: An error code; none has a meaning in a query.
        other: Other data, likewise.
        start: Where in the message the record begins.
    """

    key_name: Labels
    algorithm: Labels
    time_signed: bytes
    fudge_s: int
    original_id: int
    mac: bytes
    error: int
    other: bytes
    start: int


@attrs.frozen
class ClientSoa:
    """The SOA record of an IXFR query: the state of the zone that the client has (RFC 1995 section 3).

    Attributes:
        mname: The primary that it names, folded.
        serial: Its serial.
    """

    mname: Labels
    serial: int


@attrs.frozen
class Query:
    """A query that parsed.

    Attributes:
        query_id: Echoed in the reply.
        flags: The 16 flag bits as received.
        question: What is asked.
        question_wire: The question section, echoed byte for byte.
        edns: The OPT record, if one came.
        tsig: The TSIG record, if one came.
        client_soa: What the client has of the zone; an IXFR query may say so, and no other.
    """

    query_id: int
    flags: int
    question: Question
    question_wire: bytes
    edns: Edns | None
    tsig: Tsig | None = None
    client_soa: ClientSoa | None = None

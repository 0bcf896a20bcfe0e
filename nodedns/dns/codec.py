"""DNS wire format: ``Answer`` to bytes. The only importer of dnslib.

Strategy: replies echo the question section byte for byte, and dnslib packs the
records, but for those that are spread, which are packed one by one and may stand in
any order. A name that was written before becomes a pointer to it, an owner that is
the asked name one to the question, in whatever letters.

``encode_answer`` is the one place where size matters: whole RRsets go in until
one does not fit. A record set is taken back by cutting the buffer, so nothing
is measured twice. Over TCP there is nowhere to retry, so there an RRset is cut
between records instead.

This decides no response code and no content. Source: RFC 1035 section 4, RFC
2181 section 9, RFC 6891, RFC 8914, RFC 9471.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

import attrs
import dnslib

from nodedns.dns.decode import HEADER, HEADER_BYTES, Header
from nodedns.dns.name import Labels, fold_labels, packed_name, wire_bytes
from nodedns.dns.question import Edns, Query, Rcode, RRType, Transport
from nodedns.dns.rrset import Answer, Rdata, RRset, SoaData, SrvData
from nodedns.dns.spread import Spread

__all__ = ["Encoded", "encode_answer", "encode_header_only", "encode_opt", "encode_opt_alone", "reply_limit"]

#   root name, type 41, payload size, extended rcode + version + flags, RDLENGTH
_OPT = struct.Struct("!BHHIH")
#   after a record's name: type, class, TTL, RDLENGTH
_RECORD_TAIL = struct.Struct("!HHIH")

FLAG_QR: Final = 0x8000
FLAG_AA: Final = 0x0400
FLAG_TC: Final = 0x0200
FLAG_RD: Final = 0x0100
FLAG_CD: Final = 0x0010
_OPCODE_MASK: Final = 0x7800
_EDNS_DO: Final = 0x8000
_OPTION_EDE: Final = 15  # RFC 8914 section 2

_PLAIN_UDP_BYTES: Final = 512  # RFC 1035 section 2.3.4; also the least an EDNS size counts as
_TCP_BYTES: Final = 65_535
_SOA_NUMBERS_BYTES: Final = 20  # RFC 1035 section 3.3.13: serial and four times end the record
_POINTER: Final = 0xC000
_POINTER_REACH: Final = 0x4000  # RFC 1035 section 4.1.4: a pointer has 14 bits


@attrs.frozen
class Encoded:
    """A packed reply, and what became of it.

    Attributes:
        wire: The reply.
        is_truncated: Whether something that matters had to be left out.
        serial_at: Where in it a SOA has its serial; None if it has none.
        is_bounded: Whether anything was left out, and ``most_bytes`` was the least of all bounds.
        spread: Its records that may stand in any order; None if there are none.
        serial_of: The zone whose SOA that is, its name folded; empty if it has none.
    """

    wire: bytes
    is_truncated: bool
    serial_at: int | None = None
    is_bounded: bool = False
    spread: Spread | None = None
    serial_of: Labels = ()


def encode_header_only(header: Header, rcode: Rcode) -> bytes:
    """Return a refusal of twelve bytes; opcode echoed, RD and CD echoed where they have a meaning."""
    flags = FLAG_QR | header.flags & _OPCODE_MASK | rcode
    if header.opcode == 0:
        flags |= header.flags & (FLAG_RD | FLAG_CD)
    return HEADER.pack(header.query_id, flags, 0, 0, 0, 0)


def encode_opt_alone(header: Header, edns: Edns, rcode: Rcode, payload_bytes: int, options: bytes) -> bytes:
    """Return the reply to a message without a question: no record but OPT, which has ``options``."""
    flags = FLAG_QR | header.flags & (FLAG_RD | FLAG_CD) | rcode & 0xF
    opt = _opt_of(edns, rcode, payload_bytes, options)
    return HEADER.pack(header.query_id, flags, 0, 0, 0, 1) + opt


def encode_answer(
    query: Query,
    answer: Answer,
    transport: Transport,
    payload_bytes: int,
    options: bytes = b"",
    *,
    most_bytes: int | None = None,
    reserved_bytes: int = 0,
) -> Encoded:
    """Pack the reply to ``query``, no larger than the client and we allow.

    Args:
        query: What is answered; its question is echoed.
        answer: What to say.
        transport: UDP replies keep to the sizes of both sides, TCP replies to 65,535 bytes.
        payload_bytes: Our own largest UDP reply, also offered in the OPT record.
        options: EDNS options to say, packed; of no effect where the query has no OPT record.
        most_bytes: A further bound; None for none. Header, question and OPT are sent whatever it is.
        reserved_bytes: Of all bounds, what is left for a signature.
    """
    opt = encode_opt(query.edns, answer, payload_bytes, options)
    limit_bytes = reply_limit(query.edns, transport, payload_bytes)
    bound_bytes = limit_bytes if most_bytes is None else min(limit_bytes, most_bytes)
    writer = _Writer(query, bound_bytes - len(opt) - reserved_bytes, transport is Transport.TCP)
    # RFC 1035 section 2.3.4: what a client without EDNS takes.
    most_plain = answer.most_plain if limit_bytes == _PLAIN_UDP_BYTES else 0
    counts = [
        writer.add_answer(answer.answer, answer.most_spread, most_plain),
        writer.add_section(answer.authority),
        writer.add_section(answer.glue),
    ]
    is_truncated = writer.is_truncated
    if not is_truncated and not writer.is_selection:
        counts[2] += writer.add_whole(answer.extra)
    flags = FLAG_QR | query.flags & (FLAG_RD | FLAG_CD) | answer.rcode & 0xF
    flags |= FLAG_AA if answer.authoritative else 0
    flags |= FLAG_TC if is_truncated else 0
    counts[2] += 1 if opt else 0
    wire = HEADER.pack(query.query_id, flags, 1, *counts) + writer.body() + opt
    is_bounded = bound_bytes < limit_bytes and writer.is_truncated
    return Encoded(wire, is_truncated, writer.serial_at, is_bounded, writer.spread_of(wire), writer.serial_of)


def reply_limit(edns: Edns | None, transport: Transport, payload_bytes: int) -> int:
    """Return how many bytes a reply may have; ``payload_bytes`` is the most that we send over UDP."""
    if transport is Transport.TCP:
        return _TCP_BYTES
    if edns is None:
        return _PLAIN_UDP_BYTES
    # RFC 6891 section 6.2.3: sizes below 512 count as 512.
    return max(_PLAIN_UDP_BYTES, min(edns.payload_bytes, payload_bytes))


def encode_opt(edns: Edns | None, answer: Answer, payload_bytes: int, options: bytes = b"") -> bytes:
    """Return the OPT record of a reply that says ``answer``; nothing for a client that sent none.

    Args:
        edns: The client's.
        answer: Its code and its extended error count here.
        payload_bytes: The size that we offer.
        options: Further EDNS options, packed.
    """
    if edns is None:
        return b""
    ede = b"" if answer.ede is None else struct.pack("!HHH", _OPTION_EDE, 2, answer.ede)
    return _opt_of(edns, answer.rcode, payload_bytes, options + ede)


def _opt_of(edns: Edns, rcode: Rcode, payload_bytes: int, options: bytes) -> bytes:
    # RFC 3225 section 3: DO is copied. Version 0 and clear Z bits whatever the client sent.
    extended = rcode >> 4 << 24 | (_EDNS_DO if edns.wants_dnssec else 0)
    return _OPT.pack(0, RRType.OPT, payload_bytes, extended, len(options)) + options


class _Buffer(dnslib.DNSBuffer):  # type: ignore[misc] # dnslib has no type hints
    """dnslib's buffer, whose pointers go by folded names and stay within their reach.

    So the reply to a question does not depend on the letters it was asked in, but for the
    question itself (RFC 4343 section 4.1 allows for it).
    """

    names: dict[Labels, int]

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.pointers: list[tuple[int, int]] = []

    def note_name(self, labels: Labels, offset: int) -> None:
        """Have pointers go to a name that was written without any."""
        folded = fold_labels(labels)
        for position, label in enumerate(folded):
            if offset < _POINTER_REACH:
                self.names.setdefault(folded[position:], offset)
            offset += 1 + len(label)

    def encode_name(self, name: dnslib.DNSLabel) -> None:
        labels: Labels = tuple(name.label)
        folded = fold_labels(labels)
        for position, label in enumerate(labels):
            known = self.names.get(folded[position:])
            if known is not None:
                self.pointers.append((self.offset, known))
                self.pack("!H", _POINTER | known)
                return
            if self.offset < _POINTER_REACH:
                self.names[folded[position:]] = self.offset
            self.pack("!B", len(label))
            self.append(label)
        self.append(b"\0")


class _Writer:
    """Fills the sections after the question until the limit."""

    def __init__(self, query: Query, limit_bytes: int, is_cut_between_records: bool) -> None:
        self._buffer = _Buffer(bytes(HEADER_BYTES) + query.question_wire)
        self._buffer.offset = len(self._buffer.data)
        self._limit_bytes = limit_bytes
        self._is_cut_between_records = is_cut_between_records
        self.is_truncated = False
        self.serial_at: int | None = None
        self.serial_of: Labels = ()
        self._spread: tuple[int, int, tuple[bytes, ...], int, tuple[int, ...]] | None = None
        labels, offset = query.question.folded, HEADER_BYTES
        for position, label in enumerate(labels):
            self._buffer.names[labels[position:]] = offset
            offset += 1 + len(label)

    def body(self) -> bytes:
        return bytes(self._buffer.data[HEADER_BYTES:])

    @property
    def is_selection(self) -> bool:
        """Whether the answer section has some of its spread records, so that others may stand there another time."""
        return self._spread is not None and self._spread[3] < len(self._spread[2])

    def spread_of(self, wire: bytes) -> Spread | None:
        """Return the spread records of ``wire``, which was made of this; None if they have one order."""
        if self._spread is None or len(self._spread[2]) < 2:
            return None
        start, end, pieces, most, ranks = self._spread
        if len(set(ranks)) == len(pieces):
            return None
        written = len(self._buffer.data)  # what was cut off had pointers as well
        pointers = tuple((at, to) for at, to in self._buffer.pointers if end <= at < written and start <= to < end)
        return Spread(wire, start, end, pieces, most, pointers, ranks if len(set(ranks)) > 1 else ())

    def add_answer(self, rrsets: tuple[RRset, ...], most: int, most_plain: int) -> int:
        """Append the answer section, its spread records last, and return the number of records.

        Args:
            rrsets: What to say.
            most: How many spread records there may be; 0 for all.
            most_plain: The same, where leaving out more than that is to be told by TC.
        """
        spread = tuple(rrset for rrset in rrsets if rrset.is_spread)
        if not spread:
            return self.add_section(rrsets)
        count = self.add_section(tuple(rrset for rrset in rrsets if not rrset.is_spread))
        return count if self.is_truncated else count + self._add_spread(spread, most, most_plain)

    def _add_spread(self, rrsets: tuple[RRset, ...], most: int, most_plain: int) -> int:
        total = sum(len(rrset.rdatas) for rrset in rrsets)
        wanted = min(most or total, total)
        said = min(most_plain or wanted, wanted)
        start = len(self._buffer.data)
        room = max(self._limit_bytes - start, 0)
        pieces = self._pieces(rrsets, room if said == total and not self._is_cut_between_records else None)
        ranks = [rank for rrset in rrsets for rank in rrset.ranks or (0,) * len(rrset.rdatas)][: len(pieces)]
        rising = sorted(range(len(pieces)), key=ranks.__getitem__)
        pieces = [pieces[number] for number in rising]
        # Whichever are said, they are to fit: the longest of them count.
        sizes = sorted(map(len, pieces), reverse=True)
        fitting = bisect_right(list(accumulate(sizes)), room)
        if fitting < said:
            said = fitting if self._is_cut_between_records else 0
        self.is_truncated = said < wanted
        for piece in pieces[:said]:
            self._buffer.append(piece)
        end = len(self._buffer.data)
        if said == total:
            rdatas = [rdata for rrset in rrsets for rdata in rrset.rdatas]
            self._note_targets([rdatas[number] for number in rising], pieces, start)
        if said:
            self._spread = (start, end, tuple(pieces), said, tuple(sorted(ranks)))
        return said

    def _pieces(self, rrsets: tuple[RRset, ...], room: int | None) -> list[bytes]:
        """Return each record as packed; none of those behind the one with which they are longer than ``room``."""
        pieces: list[bytes] = []
        used = 0
        for rrset in rrsets:
            known = self._buffer.names.get(fold_labels(rrset.owner))
            owner = packed_name(rrset.owner) if known is None else (_POINTER | known).to_bytes(2, "big")
            for rdata in rrset.rdatas:
                packed = rdata.packed if isinstance(rdata, SrvData) else rdata
                assert isinstance(packed, bytes)  # noqa: S101 - for the type checker; RRset's contract says so
                pieces.append(owner + _RECORD_TAIL.pack(rrset.rtype, rrset.rclass, rrset.ttl_s, len(packed)) + packed)
                used += len(pieces[-1])
                if room is not None and used > room:
                    return pieces
        return pieces

    def _note_targets(self, rdatas: Sequence[Rdata], pieces: Sequence[bytes], offset: int) -> None:
        for rdata, piece in zip(rdatas, pieces, strict=True):
            offset += len(piece)
            if isinstance(rdata, SrvData):
                self._buffer.note_name(rdata.target, offset - wire_bytes(rdata.target))

    def add_section(self, rrsets: tuple[RRset, ...]) -> int:
        """Append what fits and return the number of records; the first set that does not fit ends it all."""
        count = 0
        for rrset in rrsets:
            if self.is_truncated:
                break
            count += self._add_rrset(rrset)
        return count

    def add_whole(self, rrsets: tuple[RRset, ...]) -> int:
        """Append what fits, whole sets on every transport: nobody would ask again for the rest."""
        self._is_cut_between_records = False
        return self.add_section(rrsets)

    def _add_rrset(self, rrset: RRset) -> int:
        start = len(self._buffer.data)
        owner = dnslib.DNSLabel(rrset.owner)
        pack_rdata = _RDATA.get(rrset.rtype, _raw)
        for added, rdata in enumerate(rrset.rdatas):
            record_start = len(self._buffer.data)
            record = dnslib.RR(owner, rrset.rtype, rrset.rclass, rrset.ttl_s, pack_rdata(rdata))
            record.pack(self._buffer)
            if len(self._buffer.data) > self._limit_bytes:
                self.is_truncated = True
                # Names in what is cut off stay known to the buffer; nothing is added after this.
                del self._buffer.data[record_start if self._is_cut_between_records else start :]
                return added if self._is_cut_between_records else 0
            if isinstance(rdata, SrvData):
                self._buffer.note_name(rdata.target, len(self._buffer.data) - wire_bytes(rdata.target))
            if rrset.rtype == RRType.SOA:
                self.serial_at = len(self._buffer.data) - _SOA_NUMBERS_BYTES
                self.serial_of = fold_labels(rrset.owner)
        return len(rrset.rdatas)


def _raw(rdata: Rdata) -> dnslib.RD:
    return dnslib.RD(rdata)


def _strings(rdata: Rdata) -> dnslib.RD:
    return dnslib.TXT(rdata)


def _name(rdata: Rdata) -> dnslib.RD:
    return dnslib.CNAME(dnslib.DNSLabel(rdata))  # NS and PTR have the same form


def _soa(rdata: Rdata) -> dnslib.RD:
    assert isinstance(rdata, SoaData)  # noqa: S101 - for the type checker; RRset's contract says so
    times = (rdata.serial, rdata.refresh_s, rdata.retry_s, rdata.expire_s, rdata.minimum_s)
    return dnslib.SOA(dnslib.DNSLabel(rdata.mname), dnslib.DNSLabel(rdata.rname), times)


def _srv(rdata: Rdata) -> dnslib.RD:
    return _raw(rdata.packed if isinstance(rdata, SrvData) else rdata)


_RDATA: dict[int, Callable[[Rdata], dnslib.RD]] = {
    RRType.A: _raw,
    RRType.AAAA: _raw,
    RRType.TXT: _strings,
    RRType.NS: _name,
    RRType.CNAME: _name,
    RRType.PTR: _name,
    RRType.SOA: _soa,
    RRType.SRV: _srv,
}

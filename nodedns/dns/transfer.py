"""Zone transfer: what an AXFR or IXFR query is told, and the messages that tell it.

Strategy: a published zone keeps its records packed, so that each of them may stand in any message
whose question is the zone's name; a message is a join of bytes, and a transfer a walk over them that holds
one message at a time (``TransferStream``). The question is repeated in each message, OPT stands in the first,
and each is signed if the query was. They are as long as TCP can tell, some 1,000 records.

What a client gets, by the SOA record that it sends:

- that of this state, or of a later one: the SOA record alone
- that of an earlier state of the same publisher, of which the changes are still known: the changes
- any other: the whole zone, as for AXFR. Two publishers may have given one serial to two states, so a
  difference from somebody else's state is never told.

Over UDP, changes that do not fit are the SOA record alone, which sends the client to TCP. AXFR has no
meaning there, and gets NOTIMP, as NSD and Knot have it.

This knows no limits on how many transfers there are at once; the shell has those.
Source: RFC 5936, RFC 1995, RFC 1982, RFC 6891 section 7.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, Protocol

import attrs

from nodedns.dns.decode import HEADER, HEADER_BYTES
from nodedns.dns.name import Labels
from nodedns.dns.question import ClientSoa, Query, Rcode, RRClass, RRType, Transport
from nodedns.dns.rrset import EDE_NOT_AUTHORITATIVE, EDE_NOT_READY, Answer
from nodedns.dns.transfer_params import NO_TRANSFER, TransferParams, TsigKey
from nodedns.dns.tsig import Keyring, Signature

__all__ = [
    "MAX_MESSAGE_BYTES",
    "NO_TRANSFERS",
    "ZONE_TYPES",
    "Change",
    "Envelope",
    "Published",
    "Transfer",
    "TransferKind",
    "TransferStream",
    "TransferZone",
    "Transfers",
    "answer_transfer",
    "nothing_published",
]

ZONE_TYPES: Final = frozenset({RRType.AXFR, RRType.IXFR})
MAX_MESSAGE_BYTES: Final = 65_535  # what TCP's two bytes of length can say; RFC 5936 section 2.2 wants messages filled

_FLAG_QR: Final = 0x8000
_FLAG_AA: Final = 0x0400
_FLAGS_ECHOED: Final = 0x0110  # RD and CD
_HALF: Final = 0x8000_0000  # RFC 1982 section 3.2: of 32 bits of serial


class Change(Protocol):
    """What leads from one state of a zone to a later one; records are packed as ``TransferZone`` has them."""

    @property
    def before_soa(self) -> bytes:
        """The SOA record of the earlier state."""
        ...

    @property
    def removed(self) -> Sequence[bytes]:
        """Records that are no longer there, SOA not counted."""
        ...

    @property
    def after_soa(self) -> bytes:
        """The SOA record of the later state."""
        ...

    @property
    def added(self) -> Sequence[bytes]:
        """Records that are there now."""
        ...


class TransferZone(Protocol):
    """One state of a zone, which never changes.

    Each record is packed, and names in it are compressed at most to the zone's name at the message's offset 12.
    """

    @property
    def origin(self) -> Labels:
        """The zone's name, folded."""
        ...

    @property
    def serial(self) -> int:
        """The state's serial."""
        ...

    @property
    def soa(self) -> bytes:
        """The SOA record."""
        ...

    def each_record(self) -> Iterator[bytes]:
        """Return every other record, one after the other."""
        ...

    def since(self, serial: int, mname: Labels) -> Sequence[Change] | None:
        """Return what leads here from a state, the oldest first; none if it is this one, None if it is not known."""
        ...


Published = Callable[[Labels], TransferZone | None]
"""Gives the state of the moment of a zone, by its folded name; None for what is not published."""


def nothing_published(_: Labels) -> None:
    """Return None: a ``Published`` of no zone."""
    return


def _no_time() -> float:
    return 0.0


@attrs.frozen
class Transfers:
    """All that signatures and transfers depend on besides the query.

    Attributes:
        params: Who may have a zone, and the keys.
        published: Gives the zones.
        wall_clock: Seconds since 1970, for signatures.
        keyring: The keys, ready to be used.
    """

    params: TransferParams = NO_TRANSFER
    published: Published = nothing_published
    wall_clock: Callable[[], float] = _no_time
    keyring: Keyring = attrs.field(
        init=False, default=attrs.Factory(lambda self: Keyring(self.params.keys), takes_self=True)
    )


NO_TRANSFERS: Final = Transfers()
"""Nobody may have a zone, and no key is known."""


class TransferKind(enum.Enum):
    """What a client gets; the words are metric labels."""

    AXFR = "axfr"
    IXFR = "ixfr"
    WHOLE = "ixfr-whole"
    """It asked for changes, and gets the zone."""
    CURRENT = "ixfr-current"
    """It asked for changes, and gets the SOA record of now."""


@attrs.frozen
class Transfer:
    """What a client is to get.

    Attributes:
        kind: In which form.
        origin: The zone.
        from_serial: What the client has; None if it did not say.
        serial: What it will have.
        parts: The records, in their order; gone through once.
    """

    kind: TransferKind
    origin: Labels
    from_serial: int | None
    serial: int
    parts: tuple[Iterable[bytes], ...] = attrs.field(repr=False)

    def within(self, room_bytes: int) -> Transfer:
        """Return what is told where there is one message: this, or if it is longer, the SOA record alone."""
        is_short = self.kind is not TransferKind.WHOLE and _is_within(chain.from_iterable(self.parts), room_bytes)
        # RFC 1995 section 2: so the client is sent to TCP. Each form begins with the SOA record of now.
        return self if is_short else attrs.evolve(self, kind=TransferKind.CURRENT, parts=(self.parts[0],))


@attrs.frozen
class Envelope:
    """What the messages of a transfer consist of besides records.

    Attributes:
        query: What they answer.
        opt: The OPT record of the first one; empty for none.
        limit_bytes: How long each may be, signature included.
        signature: That of the query; None if it was not signed.
    """

    query: Query
    opt: bytes = b""
    limit_bytes: int = MAX_MESSAGE_BYTES
    signature: Signature | None = None

    @property
    def room_bytes(self) -> int:
        """How many bytes of records the first message can hold; the others may hold a few more."""
        signed = 0 if self.signature is None else self.signature.record_bytes
        return self.limit_bytes - HEADER_BYTES - len(self.query.question_wire) - len(self.opt) - signed


class TransferStream:
    """The messages of one transfer, made as they are asked for.

    Args:
        transfer: What is told.
        envelope: Around it.
        wall_clock: Seconds since 1970, for the signatures.

    Attributes:
        transfer: As given.
        key: What the messages are signed with; None for nothing.
        records: How many records were told so far.
        messages: And in how many messages.
        wire_bytes: And how long those are.
    """

    __slots__ = (
        "_envelope",
        "_following",
        "_records",
        "_signer",
        "key",
        "messages",
        "records",
        "transfer",
        "wire_bytes",
    )  # fmt: skip

    def __init__(self, transfer: Transfer, envelope: Envelope, wall_clock: Callable[[], float]) -> None:
        signature = envelope.signature
        self.transfer = transfer
        self.key: TsigKey | None = None if signature is None else signature.key
        self.records = self.messages = self.wire_bytes = 0
        self._envelope = envelope
        self._signer = None if signature is None else signature.signer(wall_clock)
        self._records = chain.from_iterable(transfer.parts)
        self._following = next(self._records, None)

    @property
    def is_finished(self) -> bool:
        """Whether every record is told."""
        return self._following is None

    def next_message(self) -> bytes | None:
        """Return the next message; None if there is none."""
        if self.is_finished:
            return None
        envelope, opt = self._envelope, b"" if self.messages else self._envelope.opt
        taken = self._take(envelope.room_bytes)
        query = envelope.query
        flags = _FLAG_QR | _FLAG_AA | query.flags & _FLAGS_ECHOED
        header = HEADER.pack(query.query_id, flags, 1, len(taken), 0, 1 if opt else 0)
        wire = b"".join((header, query.question_wire, *taken, opt))
        if self._signer is not None:
            wire = self._signer.signed(wire)
        self.messages += 1
        self.records += len(taken)
        self.wire_bytes += len(wire)
        return wire

    def refusal(self) -> bytes:
        """Return what says, instead of all messages, that they cannot be had now: SERVFAIL."""
        query, opt, signature = self._envelope.query, self._envelope.opt, self._envelope.signature
        flags = _FLAG_QR | query.flags & _FLAGS_ECHOED | Rcode.SERVFAIL
        wire = HEADER.pack(query.query_id, flags, 1, 0, 0, 1 if opt else 0) + query.question_wire + opt
        return wire if signature is None else signature.signed(wire)

    def _take(self, room_bytes: int) -> list[bytes]:
        """Return as many records as have room, and one at least."""
        taken: list[bytes] = []
        record = self._following
        while record is not None:
            room_bytes -= len(record)
            if room_bytes < 0 and taken:
                break
            taken.append(record)
            record = next(self._records, None)
        self._following = record
        return taken


def answer_transfer(
    query: Query, transfers: Transfers, transport: Transport, *, is_apex: bool, is_known: bool
) -> Transfer | Answer:
    """Say what an AXFR or IXFR query gets, of a client that may have zones.

    Args:
        query: Asks for any name.
        transfers: What there is.
        transport: How it came.
        is_apex: Whether the name is that of a zone of ours.
        is_known: Whether the cluster is known yet.
    """
    is_axfr = query.question.rtype == RRType.AXFR
    if is_axfr and transport is Transport.UDP:
        return Answer(rcode=Rcode.NOTIMP)
    if not is_axfr and query.client_soa is None:
        # RFC 1995 section 3: the client's SOA belongs into the query.
        return Answer(rcode=Rcode.FORMERR)
    if not is_apex or query.question.rclass != RRClass.IN:
        # RFC 5936 section 2.2.1: so says who is not the authority for such a zone.
        return Answer(rcode=Rcode.NOTAUTH, ede=EDE_NOT_AUTHORITATIVE)
    zone = transfers.published(query.question.folded) if is_known else None
    if zone is None:
        return Answer(rcode=Rcode.SERVFAIL, ede=EDE_NOT_READY)
    if is_axfr or query.client_soa is None:
        return _whole(zone, TransferKind.AXFR, None)
    return _changes(zone, query.client_soa)


def _whole(zone: TransferZone, kind: TransferKind, from_serial: int | None) -> Transfer:
    soa = (zone.soa,)
    return Transfer(kind, zone.origin, from_serial, zone.serial, (soa, zone.each_record(), soa))


def _changes(zone: TransferZone, client: ClientSoa) -> Transfer:
    if _is_same_or_later(client.serial, zone.serial):
        return Transfer(TransferKind.CURRENT, zone.origin, client.serial, zone.serial, ((zone.soa,),))
    changes = zone.since(client.serial, client.mname)
    if not changes:
        return _whole(zone, TransferKind.WHOLE, client.serial)
    # RFC 1995 section 4: the new SOA; of each change the old SOA, what went, the new SOA, what came; the new SOA.
    parts: list[Iterable[bytes]] = [(zone.soa,)]
    for change in changes:
        parts += ((change.before_soa,), change.removed, (change.after_soa,), change.added)
    return Transfer(TransferKind.IXFR, zone.origin, client.serial, zone.serial, (*parts, (zone.soa,)))


def _is_within(records: Iterable[bytes], room_bytes: int) -> bool:
    return all((room_bytes := room_bytes - len(record)) >= 0 for record in records)


def _is_same_or_later(serial: int, than: int) -> bool:
    """Whether ``serial`` is ``than`` or comes after it (RFC 1982 section 3.2)."""
    return (serial - than) % (2 * _HALF) < _HALF

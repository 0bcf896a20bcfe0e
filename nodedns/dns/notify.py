"""``NotifyDesk``: tells secondaries that a zone has changed, until they say that they have heard.

Strategy: for each secondary and zone there is one errand, and it knows the newest
serial only. A new serial goes out at once, but never within a second of the
datagram before, so changes in quick succession become one NOTIFY. What is not
acknowledged is sent again, after a second, then after twice as long each time,
up to a minute; and so on for as long as the secondary is listed, so that one which was
down hears of the zone within a minute of its return.

The first notice that a secondary acknowledges is sent to it once more, two seconds later. Before an agent has
published a zone it has none to give, and a BIND whose attempt just failed says of a NOTIFY that it is queued, and
forgets it.

Any response that fits the request acknowledges it, one with an error code too: it
says that the secondary heard and that saying it again will not help. Where the secondary has a key, the
response must be signed with it. The SOA record is in the answer section, for servers that
look at the serial before they ask.

No sockets, no clock: ``now`` is in seconds of any steady clock, ``wall_s`` in seconds since 1970, for signatures.
It does not know zones, and nothing is kept over a restart; then every zone is told anew, as the first serial
that the desk hears of. Source: RFC 1996 sections 3 and 4, RFC 8945 section 5.3.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import attrs

from nodedns.dns.decode import HEADER, HEADER_BYTES
from nodedns.dns.name import Labels, packed_name
from nodedns.dns.question import Rcode, RRClass, RRType
from nodedns.model.address import Address

__all__ = [
    "MAX_BATCH",
    "MIN_SPACING_S",
    "Heard",
    "Notification",
    "NotifyDesk",
    "NotifyStatistics",
    "Recipient",
    "Signer",
    "Verdict",
]

MIN_SPACING_S: Final = 1.0
"""Between two datagrams to one secondary about one zone: what secondaries themselves leave between two copies (NSD's
``xfrd-reload-timeout``). BIND's ``notify-delay`` is 5 s."""
FIRST_RETRY_S: Final = 1.0  # NSD and Knot wait 3 s each time
MAX_RETRY_S: Final = 60.0  # RFC 1996 section 3.6 has a minute each time, and five times; NSD and BIND then give up
SURE_AFTER_S: Final = 2.0  # BIND forgets what it hears within half a second after an attempt (``serial-query-rate``)
MAX_BATCH: Final = 128  # NSD's XFRD_MAX_UDP_NOTIFY: sockets that it notifies through at once
MAX_REMEMBERED_MACS: Final = 4  # ours: a response may belong to an earlier datagram of the same errand
SILENT_AFTER: Final = 5  # datagrams without an answer until a human is told; RFC 1996 section 3.6

_FLAG_QR: Final = 0x8000
_FLAG_AA: Final = 0x0400
_OPCODE_NOTIFY: Final = 4 << 11
_OPCODE_MASK: Final = 0x7800
_RCODE_MASK: Final = 0x000F
_QUESTION_TAIL: Final = bytes((0, RRType.SOA, 0, RRClass.IN))


class Signer(Protocol):
    """A TSIG key that signs requests and checks what comes back; equal to another with the same key."""

    def sign(self, message: bytes, wall_s: int) -> tuple[bytes, bytes]:
        """Return a request with a TSIG record at its end, and the MAC in it."""
        ...

    def proves(self, reply: bytes, request_mac: bytes, wall_s: int) -> bool:
        """Whether a response is signed, now, for the request that had this MAC; False for any bytes else."""
        ...


@attrs.frozen
class Recipient:
    """Who is told.

    Attributes:
        address: Where it listens; the host as the system writes addresses.
        signer: None where it takes NOTIFY without a signature.
    """

    address: Address
    signer: Signer | None = None


@attrs.frozen
class Notification:
    """A datagram to be sent."""

    address: Address
    data: bytes
    is_repeated: bool


class Verdict(enum.Enum):
    """What came of a datagram."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """Acknowledged with an error code."""
    UNSIGNED = "unsigned"
    """It fits, but nothing shows that the secondary sent it: no acknowledgement."""
    STRAY = "stray"
    """It fits nothing that is under way."""


@attrs.frozen
class Heard:
    """What came of a datagram.

    Attributes:
        verdict: What it was.
        origin: The zone; none for a stray.
        serial: The secondary was told; 0 for a stray.
        rcode: What it says.
        is_news: Whether the secondary said something else of this zone before, or nothing yet.
    """

    verdict: Verdict
    origin: Labels = ()
    serial: int = 0
    rcode: int = 0
    is_news: bool = False


@attrs.frozen
class NotifyStatistics:
    """How things stand.

    Attributes:
        waiting: Errands that are not acknowledged.
        silent: Addresses of secondaries that have not answered ``SILENT_AFTER`` datagrams in a row about some zone.
    """

    waiting: int
    silent: tuple[Address, ...]


@attrs.define(eq=False)
class _Errand:
    """One secondary, one zone.

    Attributes:
        due_at: When to send next; None once all is said.
        last_at: When it was sent last; None if never.
        attempts: Datagrams sent with this serial.
        unanswered: Datagrams sent since the last response.
        awaits_response: Whether what was sent last is not acknowledged.
        is_sure: Whether some notice of this zone was acknowledged, and another one sent since or still to be sent.
        told: Verdict and code of the last response.
    """

    recipient: Recipient
    origin: Labels
    query_id: int = 0
    message: bytes = b""
    serial: int = 0
    due_at: float | None = None
    last_at: float | None = None
    attempts: int = 0
    unanswered: int = 0
    awaits_response: bool = False
    is_sure: bool = False
    told: tuple[Verdict, int] | None = None
    macs: deque[bytes] = attrs.field(factory=lambda: deque(maxlen=MAX_REMEMBERED_MACS))


class NotifyDesk:
    """All errands of an agent.

    After any call that may add something to send, the caller drains ``datagrams_to_send`` and asks ``next_deadline``.

    Args:
        draw_id: Returns 0..65535, which nobody can foresee.
    """

    def __init__(self, draw_id: Callable[[], int]) -> None:
        self._draw_id = draw_id
        self._recipients: tuple[Recipient, ...] = ()
        self._zones: dict[Labels, tuple[int, bytes]] = {}
        self._errands: dict[tuple[Recipient, Labels], _Errand] = {}
        self._by_query: dict[tuple[Address, int], _Errand] = {}

    def update_recipients(self, recipients: Sequence[Recipient], now: float) -> None:
        """Tell these from now on; those that are new, of all zones. For others all goes on. Drain after calling."""
        self._recipients = tuple(dict.fromkeys(recipients))
        for key in [key for key in self._errands if key[0] not in self._recipients]:
            self._drop(key)
        for recipient in self._recipients:
            for origin in self._zones:
                if (recipient, origin) not in self._errands:
                    self._begin(recipient, origin, now)

    def publish(self, origin: Labels, serial: int, soa: bytes, now: float) -> None:
        """Tell everybody that a zone has a new serial. Drain after calling.

        Args:
            origin: Of the zone.
            serial: Its serial, 0..2**32-1.
            soa: Its SOA record as on the wire, with names compressed to the origin at offset 12 at most.
            now: The time.
        """
        self._zones[origin] = serial, soa
        for recipient in self._recipients:
            self._begin(recipient, origin, now)

    def withdraw(self, origin: Labels) -> None:
        """Tell nobody of a zone any more."""
        self._zones.pop(origin, None)
        for key in [key for key in self._errands if key[1] == origin]:
            self._drop(key)

    def _begin(self, recipient: Recipient, origin: Labels, now: float) -> None:
        errand = self._errands.setdefault((recipient, origin), _Errand(recipient, origin))
        self._forget_query(errand)
        errand.query_id = self._fresh_id(recipient.address)
        self._by_query[recipient.address, errand.query_id] = errand
        errand.serial, soa = self._zones[origin]
        head = HEADER.pack(errand.query_id, _OPCODE_NOTIFY | _FLAG_AA, 1, 1, 0, 0)
        errand.message = head + packed_name(origin) + _QUESTION_TAIL + soa
        errand.due_at = now if errand.last_at is None else max(now, errand.last_at + MIN_SPACING_S)
        errand.attempts = 0
        errand.awaits_response = False
        errand.macs.clear()

    def _fresh_id(self, address: Address) -> int:
        # There are as many under way at one address as there are zones, far fewer than IDs.
        while (address, query_id := self._draw_id()) in self._by_query:
            pass
        return query_id

    def _drop(self, key: tuple[Recipient, Labels]) -> None:
        self._forget_query(self._errands.pop(key))

    def _forget_query(self, errand: _Errand) -> None:
        query = errand.recipient.address, errand.query_id
        if self._by_query.get(query) is errand:
            del self._by_query[query]

    # --- time -------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Return when there is something to send; None if nothing is under way."""
        return min([errand.due_at for errand in self._errands.values() if errand.due_at is not None], default=None)

    def datagrams_to_send(self, now: float, wall_s: int) -> list[Notification]:
        """Return what is due, ``MAX_BATCH`` datagrams at most, each to be sent once.

        Args:
            now: The time.
            wall_s: The time in signatures.
        """
        due = [errand for errand in self._errands.values() if errand.due_at is not None and errand.due_at <= now]
        return [self._sent(errand, now, wall_s) for errand in due[:MAX_BATCH]]

    def _sent(self, errand: _Errand, now: float, wall_s: int) -> Notification:
        data = errand.message
        if errand.recipient.signer is not None:
            data, mac = errand.recipient.signer.sign(data, wall_s)
            errand.macs.append(mac)
        errand.attempts += 1
        errand.unanswered += 1
        errand.awaits_response = True
        errand.last_at = now
        errand.due_at = now + min(FIRST_RETRY_S * 2.0 ** min(errand.attempts - 1, 30), MAX_RETRY_S)
        return Notification(errand.recipient.address, data, is_repeated=errand.attempts > 1)

    # --- what comes back --------------------------------------------------------------

    def receive_untrusted(self, data: bytes, source: Address, wall_s: int) -> Heard:
        """Take a datagram that came to the socket from which notifications go out.

        Args:
            data: Any bytes.
            source: Who seems to have sent it.
            wall_s: The time, for signatures.
        """
        if len(data) < HEADER_BYTES:
            return Heard(Verdict.STRAY)
        query_id, flags, *_ = HEADER.unpack_from(data)
        errand = self._by_query.get((source, query_id))
        is_response = flags & _FLAG_QR and flags & _OPCODE_MASK == _OPCODE_NOTIFY
        if errand is None or not errand.awaits_response or not is_response:
            return Heard(Verdict.STRAY)
        return self._heard(errand, data, flags & _RCODE_MASK, wall_s)

    def _heard(self, errand: _Errand, data: bytes, rcode: int, wall_s: int) -> Heard:
        signer = errand.recipient.signer
        if signer is not None and not any(signer.proves(data, mac, wall_s) for mac in reversed(errand.macs)):
            verdict = Verdict.UNSIGNED
        else:
            verdict = Verdict.ACKNOWLEDGED if rcode == Rcode.NOERROR else Verdict.REFUSED
            self._acknowledge(errand, is_once_more=verdict is Verdict.ACKNOWLEDGED and not errand.is_sure)
        is_news = errand.told != (verdict, rcode)
        errand.told = verdict, rcode
        return Heard(verdict, errand.origin, errand.serial, rcode, is_news)

    def _acknowledge(self, errand: _Errand, *, is_once_more: bool) -> None:
        errand.awaits_response = False
        errand.unanswered = 0
        errand.due_at = errand.last_at + SURE_AFTER_S if is_once_more and errand.last_at is not None else None
        errand.is_sure = errand.is_sure or is_once_more

    def statistics(self) -> NotifyStatistics:
        """Return how things stand."""
        errands = self._errands.values()
        silent = [errand.recipient.address for errand in errands if errand.unanswered >= SILENT_AFTER]
        waiting = sum(errand.awaits_response or not errand.attempts for errand in errands)
        return NotifyStatistics(waiting, tuple(dict.fromkeys(silent)))

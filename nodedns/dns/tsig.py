"""TSIG: signed queries are verified, and what answers them is signed; dnspython makes the MACs.

Strategy: a record is read and written here, byte for byte, and only the digest over it
is dnspython's (``tsig_mac``). To verify a query, the MAC that it should have is made and compared, so that
a truncated one can be told from a false one. What a key is shared for is not asked: who has
any of ours may have any query answered signed.

- BADKEY: we share no key of this name and algorithm. The answer is not signed: there is nothing to sign with.
- BADSIG: the MAC is not the key's. Not signed either: who asks may be anybody.
- BADTIME: the MAC is right, and clocks are further apart than the client allows. Signed, with our time.
- BADTRUNC: the MAC is right, and shorter than we take, which is all of it. Signed.

A reply of several messages has each of them signed, each digest going on from the MAC before (``Signer``).

What is done for a query has fixed bounds: one digest over at most 64 KiB, whoever sent it. This
reads no clock. Source: RFC 8945.
"""

from __future__ import annotations

import enum
import hmac
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import attrs

from nodedns.dns.additional import decode_tsig_untrusted
from nodedns.dns.name import Labels, fold_labels, packed_name
from nodedns.dns.question import RRClass, RRType, Tsig
from nodedns.dns.transfer_params import TsigKey
from nodedns.errors import DnsWireError

if TYPE_CHECKING:
    from nodedns.dns.tsig_mac import MacContext, MacKey

__all__ = [
    "FUDGE_S",
    "NO_KEYS",
    "Keyring",
    "RequestSigner",
    "Signature",
    "Signer",
    "TsigError",
    "Unverified",
    "with_error",
]

FUDGE_S: Final = 300
"""How far clocks may be apart, in what we sign (RFC 8945 section 10 recommends it)."""
MIN_MAC_BYTES: Final = 10
"""The shortest MAC that a message may have, or half of the hash if that is more (RFC 8945 section 5.2.2.1)."""
MAX_ERROR: Final = 4_095
"""An error is an RCODE (RFC 8945 section 4.2), which has twelve bits (RFC 6891 section 6.1.3)."""

_ARCOUNT_AT: Final = 10
_COUNT = struct.Struct("!H")
_TIME_BYTES: Final = 6
#   after the name: type, class, TTL, RDLENGTH
_RECORD_TAIL = struct.Struct("!HHIH")
#   after the algorithm's name: 48 bits of time, fudge, MAC length
_HEAD = struct.Struct("!6sHH")
#   after the MAC: original ID, error, length of other data
_TAIL = struct.Struct("!HHH")


class TsigError(enum.IntEnum):
    """What may be wrong with a signature (RFC 8945 section 3)."""

    NONE = 0
    BADSIG = 16
    BADKEY = 17
    BADTIME = 18
    BADTRUNC = 22


@attrs.frozen
class _Known:
    """A key with the library's own, which shows its secret and so is not shown."""

    key: TsigKey
    algorithm: Labels
    mac_bytes: int
    made: MacKey = attrs.field(repr=False)

    @classmethod
    def of(cls, key: TsigKey) -> _Known:
        # Imported here: few agents share a key, and the library takes as long to load as a room of the house.
        from nodedns.dns.tsig_mac import MacKey  # noqa: PLC0415

        made = MacKey(key)
        return cls(key, made.algorithm, made.mac_bytes, made)

    def signed(
        self, message: bytes, tsig: Tsig, request_mac: bytes = b"", context: MacContext | None = None
    ) -> tuple[bytes, MacContext]:
        return self.made.signed(message, tsig, request_mac, context)


@attrs.frozen
class Signature:
    """A query was signed with a key of ours, and what answers it is to be.

    Attributes:
        tsig: The record of the query.
        now_s: What time it was, in seconds since 1970.
        error: What the answer says of the signature.
    """

    _known: _Known
    tsig: Tsig
    now_s: float
    error: TsigError = TsigError.NONE

    @property
    def key(self) -> TsigKey:
        """The key."""
        return self._known.key

    @property
    def record_bytes(self) -> int:
        """How much longer a message becomes when it is signed."""
        return len(_record(attrs.evolve(self._said(self.now_s), mac=bytes(self._known.mac_bytes))))

    def signed(self, reply: bytes) -> bytes:
        """Return a reply of one message, signed."""
        return self.signer(lambda: self.now_s).signed(reply)

    def signer(self, wall_clock: Callable[[], float]) -> Signer:
        """Return what signs the messages of the reply, asking ``wall_clock`` for the seconds since 1970."""
        return Signer(self, wall_clock)

    def next_signed(self, message: bytes, now_s: float, context: MacContext | None) -> tuple[bytes, MacContext]:
        """Return the next message of the reply with its record, and the context for the one after.

        Args:
            message: Without its record.
            now_s: Seconds since 1970.
            context: From the message before; None for the first.
        """
        said = self._said(now_s)
        mac, following = self._known.signed(message, said, self.tsig.mac, context)
        return _with_record(message, attrs.evolve(said, mac=mac)), following

    def _said(self, now_s: float) -> Tsig:
        """Return the record of a message of the reply, its MAC still missing."""
        now = _time_bytes(now_s)
        if self.error is TsigError.BADTIME:
            # RFC 8945 section 5.2.3: the time is the client's, so that it can verify it; ours is the other data.
            return attrs.evolve(self.tsig, mac=b"", error=self.error, other=now)
        return attrs.evolve(self.tsig, time_signed=now, fudge_s=FUDGE_S, mac=b"", error=self.error, other=b"")


@attrs.frozen
class Unverified:
    """A query whose signature is not what it should be.

    Attributes:
        error: What is wrong with it.
        signature: What the answer is to be signed with all the same; None for none.
    """

    error: TsigError
    signature: Signature | None = None


class Signer:
    """Signs the messages of one reply, in their order.

    Args:
        signature: Of the query.
        wall_clock: Seconds since 1970.
    """

    __slots__ = ("_context", "_signature", "_wall_clock")

    def __init__(self, signature: Signature, wall_clock: Callable[[], float]) -> None:
        self._signature = signature
        self._wall_clock = wall_clock
        self._context: MacContext | None = None

    def signed(self, message: bytes) -> bytes:
        """Return the next message with its record; it counts as sent."""
        wire, self._context = self._signature.next_signed(message, self._wall_clock(), self._context)
        return wire


class Keyring:
    """The keys that we share with others, ready to be used.

    Args:
        keys: No two of one name.
    """

    __slots__ = ("_known",)

    def __init__(self, keys: Iterable[TsigKey]) -> None:
        self._known = {key.labels: _Known.of(key) for key in keys}

    def verified_untrusted(self, wire: bytes, tsig: Tsig, now_s: float) -> Signature | Unverified:
        """Look whether a query is signed as it says.

        Args:
            wire: The whole query, whose last record is ``tsig``.
            tsig: That record.
            now_s: Seconds since 1970.

        Raises:
            DnsWireError: The MAC has a length that the key's algorithm cannot give, or the error is no RCODE.
        """
        known = self._known.get(fold_labels(tsig.key_name))
        # RFC 8945 section 5.2.1: a key is known by its name and its algorithm.
        if known is None or fold_labels(tsig.algorithm) != known.algorithm:
            return Unverified(TsigError.BADKEY)
        if not max(MIN_MAC_BYTES, known.mac_bytes // 2) <= len(tsig.mac) <= known.mac_bytes:
            raise DnsWireError("DNS query", tsig.start, "MAC of a length that its algorithm cannot have")
        if tsig.error > MAX_ERROR:
            raise DnsWireError("DNS query", tsig.start, "error that no RCODE is")
        mac, _ = known.signed(_without_record(wire, tsig.start), tsig)
        if not hmac.compare_digest(mac[: len(tsig.mac)], tsig.mac):
            return Unverified(TsigError.BADSIG)
        signature = Signature(known, tsig, now_s)
        if abs(now_s - int.from_bytes(tsig.time_signed, "big")) > tsig.fudge_s:
            error = TsigError.BADTIME
        elif len(tsig.mac) < known.mac_bytes:
            error = TsigError.BADTRUNC
        else:
            return signature
        return Unverified(error, attrs.evolve(signature, error=error))


NO_KEYS: Final = Keyring(())


@attrs.frozen
class RequestSigner:
    """Signs requests of ours, and checks what comes back. Two of equal keys are equal.

    Attributes:
        key: Shared with whom we ask.
    """

    key: TsigKey
    _known: _Known = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(lambda self: _Known.of(self.key), takes_self=True)
    )

    def sign(self, message: bytes, wall_s: float) -> tuple[bytes, bytes]:
        """Return a request with a TSIG record at its end, and the MAC in it.

        Args:
            message: A whole message without such a record.
            wall_s: Seconds since 1970.
        """
        (query_id,) = _COUNT.unpack_from(message)
        known, time_signed = self._known, _time_bytes(wall_s)
        tsig = Tsig(known.key.labels, known.algorithm, time_signed, FUDGE_S, query_id, b"", 0, b"", len(message))
        mac, _ = known.signed(message, tsig)
        return _with_record(message, attrs.evolve(tsig, mac=mac)), mac

    def proves(self, reply: bytes, request_mac: bytes, wall_s: float) -> bool:
        """Whether a response is signed, now and in full, for the request that had this MAC; False for any bytes else.

        Args:
            reply: Any bytes.
            request_mac: As ``sign`` returned it.
            wall_s: Seconds since 1970.
        """
        known = self._known
        try:
            tsig = decode_tsig_untrusted(reply)
        except DnsWireError:
            return False
        if tsig is None or tsig.error or fold_labels(tsig.key_name) != known.key.labels:
            return False
        mac, _ = known.signed(_without_record(reply, tsig.start), tsig, request_mac)
        is_now = abs(wall_s - int.from_bytes(tsig.time_signed, "big")) <= tsig.fudge_s
        return is_now and fold_labels(tsig.algorithm) == known.algorithm and hmac.compare_digest(mac, tsig.mac)


def with_error(reply: bytes, tsig: Tsig, error: TsigError, limit_bytes: int) -> bytes:
    """Return ``reply`` with an unsigned record at its end that says ``error``; as it is if that would not fit."""
    told = _with_record(reply, attrs.evolve(tsig, mac=b"", error=error, other=b""))
    return told if len(told) <= limit_bytes else reply


def _time_bytes(now_s: float) -> bytes:
    return int(now_s).to_bytes(_TIME_BYTES, "big")


def _record(tsig: Tsig) -> bytes:
    head = _HEAD.pack(tsig.time_signed, tsig.fudge_s, len(tsig.mac))
    tail = _TAIL.pack(tsig.original_id, tsig.error, len(tsig.other))
    rdata = b"".join((packed_name(tsig.algorithm), head, tsig.mac, tail, tsig.other))
    return packed_name(tsig.key_name) + _RECORD_TAIL.pack(RRType.TSIG, RRClass.ANY, 0, len(rdata)) + rdata


def _with_record(message: bytes, tsig: Tsig) -> bytes:
    (additionals,) = _COUNT.unpack_from(message, _ARCOUNT_AT)
    return message[:_ARCOUNT_AT] + _COUNT.pack(additionals + 1) + message[_ARCOUNT_AT + _COUNT.size :] + _record(tsig)


def _without_record(message: bytes, start: int) -> bytes:
    (additionals,) = _COUNT.unpack_from(message, _ARCOUNT_AT)
    return message[:_ARCOUNT_AT] + _COUNT.pack(additionals - 1) + message[_ARCOUNT_AT + _COUNT.size : start]

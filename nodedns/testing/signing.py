"""Keys that both sides of a test share, and queries signed by dnspython at a time of the test's own."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

import attrs
import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.tsig

from nodedns.dns.transfer_params import TsigAlgorithm, TsigKey
from nodedns.model.secret import Secret

__all__ = [
    "KEYS",
    "TSIG_256",
    "TSIG_512",
    "SignedQuery",
    "key_text",
    "peer_key",
    "signed_query",
    "signed_response",
    "verified",
]

TSIG_256: Final = TsigKey(name="sec.example", secret=Secret(bytes(range(32))))
TSIG_512: Final = TsigKey(name="sec512", algorithm=TsigAlgorithm.HMAC_SHA512, secret=Secret(bytes(range(64))))
KEYS: Final = (TSIG_256, TSIG_512)
RECORD_TAIL_BYTES: Final = 10  # after a record's name: type, class, TTL, RDLENGTH


@attrs.frozen
class SignedQuery:
    """A query, and what is needed to verify the answer.

    Attributes:
        wire: As sent.
        mac: Its MAC.
        key: As dnspython has it.
        now_s: When it was signed, in seconds since 1970.
    """

    wire: bytes
    mac: bytes
    key: dns.tsig.Key
    now_s: float

    def read(self, reply: bytes) -> dns.message.Message:
        """Return the reply, verified. Raises what dnspython does where it is not signed as it ought to be."""
        message, _ = self.read_next(reply, None)
        return message

    def read_next(
        self, reply: bytes, context: dns.tsig.HMACTSig | None
    ) -> tuple[dns.message.Message, dns.tsig.HMACTSig | None]:
        """Return one message of several, verified, and the context for the next one.

        Args:
            reply: The message.
            context: From the message before; None for the first.
        """
        return verified(reply, self.key, self.now_s, request_mac=self.mac, context=context)


def verified(
    wire: bytes, key: dns.tsig.Key, now_s: float, *, request_mac: bytes = b"", context: dns.tsig.HMACTSig | None = None
) -> tuple[dns.message.Message, dns.tsig.HMACTSig | None]:
    """Return a message that is signed with ``key``, as dnspython finds it. Raises what dnspython does if it is not.

    Args:
        wire: Its TSIG record is not compressed.
        key: The key.
        now_s: Seconds since 1970.
        request_mac: Of the query that it answers.
        context: From the message before; None for the first.
    """
    message = dns.message.from_wire(wire, keyring=False)
    record = message.tsig
    if record is None:
        raise dns.exception.FormError("not signed")  # type: ignore[no-untyped-call]
    start = len(wire) - len(record.name.to_wire() or b"") - RECORD_TAIL_BYTES - len(record[0].to_wire() or b"")
    following = dns.tsig.validate(  # type: ignore[no-untyped-call]
        wire, key, record.name, record[0], int(now_s), request_mac, start, context, multi=True
    )
    return message, following


def peer_key(key: TsigKey) -> dns.tsig.Key:
    """Return ``key`` as dnspython has it."""
    return dns.tsig.Key(dns.name.from_text(key.name), key.secret.reveal(), key.algorithm.value)


def key_text(key: TsigKey) -> str:
    """Return ``key`` as ``dig -y`` takes it."""
    return f"{key.algorithm.value}:{key.name}:{b64encode(key.secret.reveal()).decode()}"


def signed_query(
    message: dns.message.Message, key: dns.tsig.Key, now_s: float, *, fudge_s: int = 300, mac_bytes: int | None = None
) -> SignedQuery:
    """Sign ``message``, which is not changed.

    Args:
        message: Any query.
        key: What to sign it with.
        now_s: Seconds since 1970 that the record says.
        fudge_s: How far clocks may be apart.
        mac_bytes: How much of the MAC to send; None for all.
    """
    bare = message.to_wire()
    time_signed = int(now_s)
    empty = dns.message.Message()
    empty.use_tsig(key, fudge=fudge_s, original_id=message.id)
    assert empty.tsig is not None  # noqa: S101 - use_tsig made it
    rdata, _ = dns.tsig.sign(bare, key, empty.tsig[0], time_signed)  # type: ignore[no-untyped-call]
    mac: bytes = rdata.mac[:mac_bytes]
    rdata = rdata.replace(mac=mac)
    return SignedQuery(_with_record(bare, key, rdata.to_wire()), mac, key, now_s)


def signed_response(wire: bytes, key: TsigKey, now_s: int, *, request_mac: bytes) -> bytes:
    """Return any message with a TSIG record at its end, signed for the request that had this MAC.

    Args:
        wire: 12 bytes at least; what stands behind them is not read. It counts fewer than 65,535 additional records.
        key: What to sign it with.
        now_s: Seconds since 1970 that the record says.
        request_mac: Of the request.
    """
    made = peer_key(key)
    empty = dns.message.Message()
    empty.use_tsig(made, original_id=int.from_bytes(wire[:2], "big"))
    assert empty.tsig is not None  # noqa: S101 - use_tsig made it
    rdata, _ = dns.tsig.sign(wire, made, empty.tsig[0], now_s, request_mac)  # type: ignore[no-untyped-call]
    return _with_record(wire, made, rdata.to_wire())


def _with_record(wire: bytes, key: dns.tsig.Key, content: bytes) -> bytes:
    count = int.from_bytes(wire[10:12], "big") + 1
    record = (key.name.to_wire() or b"") + b"\0\xfa\0\xff\0\0\0\0" + len(content).to_bytes(2, "big") + content
    return wire[:10] + count.to_bytes(2, "big") + wire[12:] + record

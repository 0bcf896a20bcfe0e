"""The wire form of gossip: type bytes, compound, CRC, packets, push/pull.

Strategy: a packet is taken apart from the outside in, within a budget of
messages, of nesting and of inflated bytes; a bad part is reported and the rest
goes on. The fixed layouts are ``struct`` constants. Every ``*_untrusted``
function takes any bytes and gives a value or raises ``GossipWireError``, nothing
else; each bound says where its number comes from. Encoders take valid values,
and refuse to build the three things that crash memberlist 0.2.2.

Bodies, compression and streams live in ``bodies.py``, ``compression.py`` and
``stream.py``; their names are offered here too, so that users of the wire need
only one import.

What it doesn't do: encryption and labels (``gossip/envelope.py``), sockets, or
deciding what a message means. Source: memberlist 0.2.2 and 0.5.4 as observed.
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence

from nodedns.errors import GossipWireError, LocalProtocolError, TooBig
from nodedns.gossip.bodies import (
    decode_body_untrusted,
    decode_large_body_untrusted,
    decode_prefix_untrusted,
    encode_body,
    value_decoder,
    value_encoder,
)
from nodedns.gossip.compression import (
    MAX_INFLATED_STREAM_BYTES,
    compress,
    compress_in_steps,
    decompress_untrusted,
)
from nodedns.gossip.messages import (
    CLASS_BY_TYPE,
    Message,
    MessageType,
    PushPullHeader,
    PushPullNode,
    UserData,
    UserHeader,
)
from nodedns.gossip.stream import MAX_STREAM_BYTES, StreamDecoder

__all__ = [
    "MAX_INFLATED_PACKET_BYTES",
    "MAX_INFLATED_STREAM_BYTES",
    "MAX_MESSAGES_PER_PACKET",
    "MAX_NESTING",
    "MAX_STREAM_BYTES",
    "StreamDecoder",
    "add_crc",
    "compress",
    "compress_in_steps",
    "decode_body_untrusted",
    "decode_large_body_untrusted",
    "decode_message_untrusted",
    "decode_packet_untrusted",
    "decode_prefix_untrusted",
    "decompress_untrusted",
    "encode_body",
    "encode_compound",
    "encode_message",
    "encode_push_pull",
    "encode_user_stream",
    "join_push_pull",
    "split_compound_untrusted",
    "strip_crc_untrusted",
    "value_decoder",
    "value_encoder",
]

MAX_COMPOUND_PARTS = 255  # the count is one byte
MAX_PART_BYTES = 0xFFFF  # a length is two bytes
MAX_NESTING = 4  # real senders need 2 (a compound inside a compress); twice that
MAX_MESSAGES_PER_PACKET = 1024  # memberlist queues that many inbound messages and drops the rest
MAX_INFLATED_PACKET_BYTES = 65_536  # memberlist's receive buffer: more could not have come uncompressed

MAX_CACHED_MESSAGES = 4096  # claims in flight at once: Serf's own floor for a queue
MAX_CACHED_BYTES = 1400  # memberlist's packet; a claim has under 700

# * 0x0c | crc32 u32be | message
_CRC = struct.Struct(">BI")
# * 0x07 | count u8 | length u16be * count | parts
_COMPOUND = struct.Struct(">BB")
_LENGTH = struct.Struct(">H")

_TYPE_BY_CLASS = {cls: bytes([number]) for number, cls in CLASS_BY_TYPE.items()}
_DECODABLE = {
    int(number): (cls, f"{MessageType(number).name.lower().replace('_', ' ')} message")
    for number, cls in CLASS_BY_TYPE.items()
}
_REPEATED = frozenset((MessageType.ALIVE, MessageType.SUSPECT, MessageType.DEAD))


# One message


def encode_message(message: Message) -> bytes:
    """Return type byte and body."""
    if type(message) is UserData:
        return b"\x08" + message.payload
    return _TYPE_BY_CLASS[type(message)] + encode_body(message)


def decode_message_untrusted(data: bytes) -> Message:
    """Return the one message in ``data``, type byte first; wrappings are not looked for.

    Raises:
        GossipWireError: Empty, an unknown type, a type that has no place here, or a bad body.
    """
    if not data:
        raise GossipWireError("message", 0, "empty")
    number = data[0]
    if number == MessageType.USER:
        return UserData(data[1:])
    if number in _REPEATED and len(data) <= MAX_CACHED_BYTES:
        return _decode_repeated(data)
    return _decode_known(data)


def _decode_known(data: bytes) -> Message:
    known = _DECODABLE.get(data[0])
    if known is None:
        raise GossipWireError("message", 0, f"unsupported type {data[0]}")
    message: Message = decode_body_untrusted(known[0], data[1:], known[1])
    return message


# Gossip hears each claim many times over, byte for byte; messages are frozen, so one value serves for all.
_decode_repeated = functools.lru_cache(maxsize=MAX_CACHED_MESSAGES)(_decode_known)


# Wrappings


def encode_compound(parts: Sequence[bytes]) -> bytes:
    """Return one packet of several messages.

    Raises:
        LocalProtocolError: No parts, or an empty one: memberlist 0.2.2 crashes on it.
        TooBig: More than 255 parts, or one longer than 65,535 bytes.
    """
    if not parts or not all(parts):
        raise LocalProtocolError("a compound has at least one part, and no empty ones")
    if len(parts) > MAX_COMPOUND_PARTS:
        raise TooBig("compound part count", len(parts), MAX_COMPOUND_PARTS)
    longest = max(map(len, parts))
    if longest > MAX_PART_BYTES:
        raise TooBig("compound part", longest, MAX_PART_BYTES)
    lengths = [_LENGTH.pack(len(part)) for part in parts]
    return b"".join((_COMPOUND.pack(MessageType.COMPOUND, len(parts)), *lengths, *parts))


def split_compound_untrusted(data: bytes) -> list[bytes]:
    """Return the whole parts of a compound, type byte included in ``data``; empty parts are returned as such.

    Parts cut off at the end are left out, as memberlist does;
    ``decode_packet_untrusted`` reports them.

    Raises:
        GossipWireError: The table of lengths is incomplete, or it is no compound.
    """
    return _split(data)[0]


def _split(data: bytes) -> tuple[list[bytes], int]:
    """Return the whole parts and how many are missing."""
    if len(data) < _COMPOUND.size or data[0] != MessageType.COMPOUND:
        raise GossipWireError("compound", 0, "no count")
    count = data[1]
    start = _COMPOUND.size + count * _LENGTH.size
    if len(data) < start:
        raise GossipWireError("compound", len(data), f"the table of {count} lengths is cut off")
    parts = []
    for (length,) in _LENGTH.iter_unpack(data[_COMPOUND.size : start]):
        if start + length > len(data):
            break
        parts.append(data[start : start + length])
        start += length
    return parts, count - len(parts)


def add_crc(data: bytes) -> bytes:
    """Return ``data`` behind its checksum.

    Raises:
        LocalProtocolError: ``data`` is empty: memberlist 0.2.2 crashes on it.
    """
    if not data:
        raise LocalProtocolError("a checksum is over at least one byte")
    return _CRC.pack(MessageType.HAS_CRC, zlib.crc32(data)) + data


def strip_crc_untrusted(data: bytes) -> bytes:
    """Return what follows the checksum, or ``data`` itself where there is none.

    Raises:
        GossipWireError: The checksum is wrong, cut off, or over nothing.
    """
    if not data or data[0] != MessageType.HAS_CRC:
        return data
    if len(data) <= _CRC.size:
        raise GossipWireError("checksum", len(data), "nothing after it")
    said = _CRC.unpack_from(data)[1]
    found = zlib.crc32(memoryview(data)[_CRC.size :])
    if said != found:
        raise GossipWireError("checksum", 1, f"says {said:08x}, found {found:08x}")
    return data[_CRC.size :]


# Packets


class _PacketReader:
    """Takes one packet apart within a budget of messages and of inflated bytes."""

    __slots__ = ("_inflatable", "_on_bad", "messages")

    def __init__(self, on_bad: Callable[[GossipWireError], None]) -> None:
        self._on_bad = on_bad
        self._inflatable = MAX_INFLATED_PACKET_BYTES
        self.messages: list[Message] = []

    def read(self, data: bytes, depth: int) -> None:
        """Add the messages in ``data``; a part that is bad is reported and the rest goes on."""
        try:
            number = data[0] if data else None
            if number == MessageType.COMPOUND:
                self._read_compound(data, depth)
            elif number == MessageType.COMPRESS:
                self._check_depth(depth)
                plain = decompress_untrusted(data[1:], self._inflatable)
                self._inflatable -= len(plain)
                self.read(plain, depth + 1)
            else:
                self.messages.append(decode_message_untrusted(data))
        except GossipWireError as problem:
            self._on_bad(problem)

    def _read_compound(self, data: bytes, depth: int) -> None:
        self._check_depth(depth)
        parts, missing = _split(data)
        for part in parts:
            if len(self.messages) >= MAX_MESSAGES_PER_PACKET:
                raise GossipWireError("compound", 0, f"more than {MAX_MESSAGES_PER_PACKET} messages")
            self.read(part, depth + 1)
        if missing:
            raise GossipWireError("compound", len(data), f"{missing} parts are cut off")

    @staticmethod
    def _check_depth(depth: int) -> None:
        if depth >= MAX_NESTING:
            raise GossipWireError("packet", 0, f"nested deeper than {MAX_NESTING}")


def decode_packet_untrusted(data: bytes, on_bad: Callable[[GossipWireError], None]) -> list[Message]:
    """Return the messages of a datagram, in order, once its label and encryption are off.

    A checksum is looked for outermost only; compound and compress may nest.

    Args:
        data: Any bytes.
        on_bad: Called with each part that could not be decoded; the others are returned.
    """
    reader = _PacketReader(on_bad)
    try:
        plain = strip_crc_untrusted(data)
    except GossipWireError as problem:
        on_bad(problem)
        return []
    reader.read(plain, 0)
    return reader.messages


# Streams


def encode_push_pull(header_join: bool, nodes: Iterable[PushPullNode], user_state: bytes) -> bytes:
    """Return a whole push/pull message: type byte, header, nodes, user state."""
    return join_push_pull(header_join, [encode_body(node) for node in nodes], user_state)


def join_push_pull(header_join: bool, bodies: Sequence[bytes], user_state: bytes) -> bytes:
    """As ``encode_push_pull``, of nodes that are encoded already."""
    header = encode_body(PushPullHeader(len(bodies), len(user_state), header_join))
    return b"".join((b"\x06", header, *bodies, user_state))


def encode_user_stream(payload: bytes) -> bytes:
    """Return a user message as a stream carries it: type byte, header, payload."""
    return b"".join((b"\x08", encode_body(UserHeader(len(payload))), payload))

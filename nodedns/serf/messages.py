"""One frozen class for each Serf message, and their codec: type byte, then a MessagePack map.

Strategy: fields name their keys and kinds as memberlist's messages do, and the
codecs are ``gossip/wire.py``'s. ``decode_message_untrusted`` takes what came as
a user message or as a query's payload; push/pull state, which may be megabytes,
has a pair of functions of its own.

Two messages crash real agents when they arrive: a query with a filter of no
bytes, and a key query without a payload. They do not decode, so they are never
passed on, and they do not encode. A relay is only decoded around a query
response, which is all that Serf relays: nodedns does not lend its address to
whatever somebody wraps.

What it doesn't do: sizes (``SerfParams``), or deciding what a message means.
Source: Serf 0.9.4 and 0.10.2 as seen on the wire.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip.kinds import BOOL, BYTES, I64, STR, U8, U16, U32, U64, Integer, ListOf, MapOf, Nested, wire
from nodedns.gossip.wire import (
    decode_body_untrusted,
    decode_large_body_untrusted,
    decode_prefix_untrusted,
    encode_body,
    value_decoder,
    value_encoder,
)

__all__ = [
    "KEY_QUERIES_WITH_PAYLOAD",
    "ConflictMember",
    "ConflictResponse",
    "EventSlot",
    "JoinIntent",
    "KeyRequest",
    "KeyResponse",
    "LeaveIntent",
    "PeerData",
    "Query",
    "QueryFlag",
    "QueryResponse",
    "Relay",
    "SerfMessage",
    "SerfMessageType",
    "SerfState",
    "SlotEvent",
    "UserEvent",
    "decode_message_untrusted",
    "decode_state_untrusted",
    "encode_message",
    "encode_state",
]

MAX_STATE_NAMES = 131_072  # as many members as are kept; a million would take seconds to merge
MAX_EVENT_SLOTS = 65_536  # real agents send 512; they take any number
MAX_SLOT_EVENTS = 1024  # at one Lamport time; a real cluster has a few
MAX_FILTERS = 1024  # Serf's limit on an encoded query, in bytes
MAX_TAGS = 255  # a tag takes two bytes at least, and metadata is limited to 512
MAX_KEYS = 1024  # Serf cuts the list to fit a response of 1024 bytes

# A real agent dies of these queries when they carry no payload.
KEY_QUERIES_WITH_PAYLOAD = ("_serf_install-key", "_serf_use-key", "_serf_remove-key")


class SerfMessageType(enum.IntEnum):
    """The first byte of a Serf message. Numbers are the protocol's: append only, never reuse."""

    LEAVE = 0
    JOIN = 1
    PUSH_PULL = 2
    USER_EVENT = 3
    QUERY = 4
    QUERY_RESPONSE = 5
    CONFLICT_RESPONSE = 6
    KEY_REQUEST = 7
    KEY_RESPONSE = 8
    RELAY = 9
    PEER_DATA = 0x6E
    """Ours, sent to nodedns members only: far from Serf's numbers, which it gives out from 0 upwards."""


class QueryFlag(enum.IntFlag):
    """``flags`` of a query; the first also marks a response that is only an ack."""

    ACK = 1
    NO_BROADCAST = 2


@attrs.frozen
class LeaveIntent:
    """``node`` is about to leave, or is said to have left; ``prune`` erases it at once."""

    ltime: int = attrs.field(metadata=wire("LTime", U64))
    node: str = attrs.field(metadata=wire("Node", STR))
    prune: bool = attrs.field(default=False, metadata=wire("Prune", BOOL))


@attrs.frozen
class JoinIntent:
    """``node`` is here as of ``ltime``."""

    ltime: int = attrs.field(metadata=wire("LTime", U64))
    node: str = attrs.field(metadata=wire("Node", STR))


@attrs.frozen
class UserEvent:
    """An event of the application; ``coalesce`` allows dropping all but the last of a name."""

    ltime: int = attrs.field(metadata=wire("LTime", U64))
    name: str = attrs.field(metadata=wire("Name", STR))
    payload: bytes = attrs.field(default=b"", metadata=wire("Payload", BYTES, nil=True))
    coalesce: bool = attrs.field(default=False, metadata=wire("CC", BOOL))


@attrs.frozen
class Query:
    """A question to the cluster; answers go straight to ``addr`` and ``port``.

    Attributes:
        ltime: Lamport time of the query clock.
        query_id: Random; with ``ltime`` it names the query.
        addr: The asker's IP in wire form.
        port: The asker's gossip port.
        source_node: The asker's name; empty from old agents.
        filters: Encoded filters (``serf/filters.py``); all must pass.
        flags: ``QueryFlag`` bits.
        relay_factor: Through how many others each answer is sent as well.
        timeout_ns: How long answers are taken, in nanoseconds.
        name: What is asked; ``_serf_`` names are answered by the library.
        payload: The question's argument.
    """

    ltime: int = attrs.field(metadata=wire("LTime", U64))
    query_id: int = attrs.field(metadata=wire("ID", U32))
    addr: bytes = attrs.field(metadata=wire("Addr", BYTES))
    port: int = attrs.field(metadata=wire("Port", U16))
    source_node: str = attrs.field(metadata=wire("SourceNode", STR))
    filters: tuple[bytes, ...] = attrs.field(metadata=wire("Filters", ListOf(BYTES, MAX_FILTERS), nil=True))
    flags: int = attrs.field(metadata=wire("Flags", U32))
    relay_factor: int = attrs.field(metadata=wire("RelayFactor", U8))
    timeout_ns: int = attrs.field(metadata=wire("Timeout", I64))
    name: str = attrs.field(metadata=wire("Name", STR))
    payload: bytes = attrs.field(default=b"", metadata=wire("Payload", BYTES, nil=True))

    @property
    def wants_ack(self) -> bool:
        """Whether the asker wants to know who got the query."""
        return bool(self.flags & QueryFlag.ACK)

    @property
    def is_broadcast(self) -> bool:
        """Whether receivers pass the query on."""
        return not self.flags & QueryFlag.NO_BROADCAST


@attrs.frozen
class QueryResponse:
    """An answer to a query, or only an ack of it."""

    ltime: int = attrs.field(metadata=wire("LTime", U64))
    query_id: int = attrs.field(metadata=wire("ID", U32))
    responder: str = attrs.field(metadata=wire("From", STR))
    flags: int = attrs.field(default=0, metadata=wire("Flags", U32))
    payload: bytes = attrs.field(default=b"", metadata=wire("Payload", BYTES, nil=True))

    @property
    def is_ack(self) -> bool:
        """Whether this only says that the query arrived."""
        return bool(self.flags & QueryFlag.ACK)


@attrs.frozen
class ConflictMember:
    """A member as its neighbour knows it, to settle who owns a name."""

    name: str = attrs.field(metadata=wire("Name", STR))
    addr: bytes = attrs.field(metadata=wire("Addr", BYTES))
    port: int = attrs.field(metadata=wire("Port", U16))
    tags: Mapping[str, str] = attrs.field(metadata=wire("Tags", MapOf(STR, MAX_TAGS)))
    status: int = attrs.field(metadata=wire("Status", I64))
    protocol_min: int = attrs.field(metadata=wire("ProtocolMin", U8))
    protocol_max: int = attrs.field(metadata=wire("ProtocolMax", U8))
    protocol_current: int = attrs.field(metadata=wire("ProtocolCur", U8))
    delegate_min: int = attrs.field(metadata=wire("DelegateMin", U8))
    delegate_max: int = attrs.field(metadata=wire("DelegateMax", U8))
    delegate_current: int = attrs.field(metadata=wire("DelegateCur", U8))


@attrs.frozen
class ConflictResponse:
    """The answer to ``_serf_conflict``: the member of that name, or None where it is unknown."""

    member: ConflictMember | None


@attrs.frozen
class KeyRequest:
    """Argument of a key query: the raw key; empty to list keys."""

    key: bytes = attrs.field(metadata=wire("Key", BYTES))


@attrs.frozen
class KeyResponse:
    """Answer to a key query; keys are base64 text."""

    result: bool = attrs.field(metadata=wire("Result", BOOL))
    message: str = attrs.field(default="", metadata=wire("Message", STR))
    keys: tuple[str, ...] = attrs.field(default=(), metadata=wire("Keys", ListOf(STR, MAX_KEYS), nil=True))
    primary_key: str = attrs.field(default="", metadata=wire("PrimaryKey", STR))


@attrs.frozen
class _RelayAddress:
    ip: bytes = attrs.field(metadata=wire("IP", BYTES))
    port: int = attrs.field(metadata=wire("Port", Integer(0, 0xFFFF)))
    zone: str = attrs.field(default="", metadata=wire("Zone", STR))


@attrs.frozen
class _RelayHeader:
    destination: _RelayAddress = attrs.field(metadata=wire("DestAddr", Nested(_RelayAddress)))
    name: str = attrs.field(metadata=wire("DestName", STR))


@attrs.frozen
class Relay:
    """Asks the receiver to pass ``inner`` on to a third member.

    Attributes:
        addr: The destination's IP in wire form.
        port: Its port.
        node: Its name; may be empty.
        inner: A whole Serf message, type byte included.
    """

    addr: bytes
    port: int
    node: str
    inner: bytes


@attrs.frozen
class PeerData:
    """What one nodedns member tells another; no Serf or Consul agent is ever sent one.

    Attributes:
        sender: The sender's node name; addresses may be translated on the way.
        payload: The application's bytes.
        size_bytes: How many those are unpacked, where they are packed; else 0.
    """

    sender: str = attrs.field(metadata=wire("From", STR))
    payload: bytes = attrs.field(metadata=wire("Payload", BYTES))
    size_bytes: int = attrs.field(default=0, metadata=wire("Size", U32))


@attrs.frozen
class SlotEvent:
    """A user event as push/pull state carries it."""

    name: str = attrs.field(metadata=wire("Name", STR))
    payload: bytes = attrs.field(default=b"", metadata=wire("Payload", BYTES, nil=True))


@attrs.frozen
class EventSlot:
    """The user events of one Lamport time."""

    ltime: int = attrs.field(metadata=wire("LTime", U64))
    events: tuple[SlotEvent, ...] = attrs.field(
        metadata=wire("Events", ListOf(Nested(SlotEvent), MAX_SLOT_EVENTS)),
    )


@attrs.frozen
class SerfState:
    """Serf's part of a push/pull.

    Attributes:
        ltime: The member clock.
        status_ltimes: Per member, the Lamport time of its last intent.
        left_members: Who has left.
        event_ltime: The event clock.
        events: The event buffer; None for an empty slot.
        query_ltime: The query clock.
    """

    ltime: int = attrs.field(metadata=wire("LTime", U64))
    status_ltimes: Mapping[str, int] = attrs.field(metadata=wire("StatusLTimes", MapOf(U64, MAX_STATE_NAMES)))
    left_members: tuple[str, ...] = attrs.field(metadata=wire("LeftMembers", ListOf(STR, MAX_STATE_NAMES)))
    event_ltime: int = attrs.field(metadata=wire("EventLTime", U64))
    events: tuple[EventSlot | None, ...] = attrs.field(
        metadata=wire("Events", ListOf(Nested(EventSlot, keep_nil=True), MAX_EVENT_SLOTS)),
    )
    query_ltime: int = attrs.field(metadata=wire("QueryLTime", U64))


SerfMessage = (
    LeaveIntent
    | JoinIntent
    | UserEvent
    | Query
    | QueryResponse
    | ConflictResponse
    | KeyRequest
    | KeyResponse
    | Relay
    | PeerData
)

# Append only: a number once given to a class is that class's for ever.
_CLASS_BY_TYPE: Mapping[int, type] = MappingProxyType(
    {
        SerfMessageType.LEAVE: LeaveIntent,
        SerfMessageType.JOIN: JoinIntent,
        SerfMessageType.USER_EVENT: UserEvent,
        SerfMessageType.QUERY: Query,
        SerfMessageType.QUERY_RESPONSE: QueryResponse,
        SerfMessageType.KEY_REQUEST: KeyRequest,
        SerfMessageType.KEY_RESPONSE: KeyResponse,
        SerfMessageType.PEER_DATA: PeerData,
    }
)
_TYPE_BY_CLASS = {cls: bytes([number]) for number, cls in _CLASS_BY_TYPE.items()}
_DECODABLE = {
    int(number): (cls, f"Serf {SerfMessageType(number).name.lower().replace('_', ' ')} message")
    for number, cls in _CLASS_BY_TYPE.items()
}

_CONFLICT_MEMBER = Nested(ConflictMember, keep_nil=True)
_encode_conflict_member = value_encoder(_CONFLICT_MEMBER)
_decode_conflict_member_untrusted = value_decoder(_CONFLICT_MEMBER, "Serf conflict response")


def encode_message(message: SerfMessage) -> bytes:
    """Return type byte and body.

    Raises:
        LocalProtocolError: A query that would crash the agents receiving it, or a relay of nothing.
    """
    match message:
        case Relay():
            return _encode_relay(message)
        case ConflictResponse():
            return b"\x06" + _encode_conflict_member(message.member)
        case Query():
            harm = _harm_of(message)
            if harm:
                raise LocalProtocolError(f"query {message.name!r}: {harm}")
    return _TYPE_BY_CLASS[type(message)] + encode_body(message)


def _encode_relay(relay: Relay) -> bytes:
    if not relay.inner:
        raise LocalProtocolError("a relay carries a message")
    header = _RelayHeader(_RelayAddress(relay.addr, relay.port), relay.node)
    return b"\x09" + encode_body(header) + relay.inner


def _harm_of(query: Query) -> str:
    """Return why receiving ``query`` would crash a real agent (Serf 0.9.4 and 0.10.2), or nothing."""
    if not all(query.filters):
        return "a filter of no bytes"
    if not query.payload and query.name in KEY_QUERIES_WITH_PAYLOAD:
        return "a key query without a payload"
    return ""


def decode_message_untrusted(data: bytes) -> SerfMessage:
    """Return the Serf message in ``data``, type byte first; push/pull state is not looked for.

    Raises:
        GossipWireError: Empty, an unknown type, a bad body, or a message that would harm real agents.
    """
    if not data:
        raise GossipWireError("Serf message", 0, "empty")
    number = data[0]
    known = _DECODABLE.get(number)
    if known is not None:
        message: SerfMessage = decode_body_untrusted(known[0], data[1:], known[1])
        if isinstance(message, Query):
            harm = _harm_of(message)
            if harm:
                raise GossipWireError(known[1], 1, harm)
        return message
    if number == SerfMessageType.RELAY:
        return _decode_relay_untrusted(data[1:])
    if number == SerfMessageType.CONFLICT_RESPONSE:
        return ConflictResponse(_decode_conflict_member_untrusted(data[1:]))
    raise GossipWireError("Serf message", 0, f"unsupported type {number}")


def _decode_relay_untrusted(data: bytes) -> Relay:
    header, start = decode_prefix_untrusted(_RelayHeader, data, "Serf relay message")
    inner = data[start:]
    if not inner or inner[0] != SerfMessageType.QUERY_RESPONSE:
        raise GossipWireError("Serf relay message", start, "holds no query response")
    return Relay(header.destination.ip, header.destination.port, header.name, inner)


def encode_state(state: SerfState) -> bytes:
    """Return the user state of a push/pull, type byte included."""
    return b"\x02" + encode_body(state)


def decode_state_untrusted(data: bytes) -> SerfState:
    """Return the Serf state in a push/pull's user state.

    Raises:
        GossipWireError: Empty, another type, or a bad body.
    """
    if not data or data[0] != SerfMessageType.PUSH_PULL:
        raise GossipWireError("Serf state", 0, f"starts with {data[:1].hex() or 'nothing'}, not with 02")
    return decode_large_body_untrusted(SerfState, data[1:], "Serf state")

"""One frozen class for each memberlist message, each field naming its key on the wire once.

Strategy: a message is a value and nothing more. Each field's metadata names its
key on the wire and its kind, from which ``gossip/kinds.py`` builds a strict
codec. The Serf layer declares its own messages in the same way.

What it doesn't do: validate values built by our own code, encode, or know what
a message means. Source: memberlist's ``net.go`` message structs as seen on the
wire (memberlist 0.2.2 and 0.5.4).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from nodedns.gossip.kinds import BOOL, BYTES, I64, STR, U8, U16, U32, Integer, wire

__all__ = [
    "CLASS_BY_TYPE",
    "MAX_PUSH_PULL_NODES",
    "MAX_USER_STATE_BYTES",
    "Ack",
    "Alive",
    "Compressed",
    "Dead",
    "ErrorReply",
    "IndirectPing",
    "Message",
    "MessageType",
    "Nack",
    "Ping",
    "PushPullHeader",
    "PushPullNode",
    "Suspect",
    "UserData",
    "UserHeader",
]

MAX_PUSH_PULL_NODES = 1_048_576  # memberlist's bound on the header's Nodes
MAX_USER_STATE_BYTES = 20 * 1024 * 1024  # memberlist's bound on UserStateLen and UserMsgLen


class MessageType(enum.IntEnum):
    """The first byte of a message. Numbers are the protocol's: append only, never reuse."""

    PING = 0
    INDIRECT_PING = 1
    ACK = 2
    SUSPECT = 3
    ALIVE = 4
    DEAD = 5
    PUSH_PULL = 6
    COMPOUND = 7
    USER = 8
    COMPRESS = 9
    ENCRYPT = 10
    NACK = 11
    HAS_CRC = 12
    ERROR = 13
    LABEL = 244


@attrs.frozen
class Ping:
    """Asks ``node`` for an ack; the source fields say where the ack goes.

    Attributes:
        seq_no: Copied into the ack.
        node: Whom the ping is meant for; empty means whoever gets it.
        source_addr: The sender's IP in wire form; empty from very old agents.
        source_port: The sender's port; 0 where unknown.
        source_node: The sender's name; empty where unknown.
    """

    seq_no: int = attrs.field(metadata=wire("SeqNo", U32))
    node: str = attrs.field(metadata=wire("Node", STR))
    source_addr: bytes = attrs.field(default=b"", metadata=wire("SourceAddr", BYTES, optional=True))
    source_port: int = attrs.field(default=0, metadata=wire("SourcePort", U16, optional=True))
    source_node: str = attrs.field(default="", metadata=wire("SourceNode", STR, optional=True))


@attrs.frozen
class IndirectPing:
    """Asks a third member to ping ``node`` at ``target`` and to pass the ack on.

    Attributes:
        seq_no: Copied into the ack or nack that comes back.
        target: IP of the member to ping, in wire form.
        port: Its port.
        node: Its name.
        nack: Whether a nack is wanted when the target stays silent.
        source_addr: The asker's IP; may be empty.
        source_port: The asker's port.
        source_node: The asker's name.
    """

    seq_no: int = attrs.field(metadata=wire("SeqNo", U32))
    target: bytes = attrs.field(metadata=wire("Target", BYTES))
    port: int = attrs.field(metadata=wire("Port", U16))
    node: str = attrs.field(metadata=wire("Node", STR))
    nack: bool = attrs.field(default=False, metadata=wire("Nack", BOOL))
    source_addr: bytes = attrs.field(default=b"", metadata=wire("SourceAddr", BYTES, optional=True))
    source_port: int = attrs.field(default=0, metadata=wire("SourcePort", U16, optional=True))
    source_node: str = attrs.field(default="", metadata=wire("SourceNode", STR, optional=True))


@attrs.frozen
class Ack:
    """Answers a ping; Serf's coordinate rides in ``payload``."""

    seq_no: int = attrs.field(metadata=wire("SeqNo", U32))
    payload: bytes = attrs.field(default=b"", metadata=wire("Payload", BYTES, nil=True))


@attrs.frozen
class Nack:
    """Answers an indirect ping whose target stayed silent."""

    seq_no: int = attrs.field(metadata=wire("SeqNo", U32))


@attrs.frozen
class Suspect:
    """``accuser`` got no ack from ``node`` at ``incarnation``."""

    incarnation: int = attrs.field(metadata=wire("Incarnation", U32))
    node: str = attrs.field(metadata=wire("Node", STR))
    accuser: str = attrs.field(metadata=wire("From", STR))


@attrs.frozen
class Alive:
    """A node's own announcement, passed on by others byte for byte.

    Attributes:
        incarnation: Only the node itself raises it.
        node: Its name.
        addr: 4 or 16 bytes; kept exactly as received.
        port: 0 means the receiver's own port.
        meta: Serf's encoded tags.
        vsn: Six version bytes.
    """

    incarnation: int = attrs.field(metadata=wire("Incarnation", U32))
    node: str = attrs.field(metadata=wire("Node", STR))
    addr: bytes = attrs.field(metadata=wire("Addr", BYTES))
    port: int = attrs.field(metadata=wire("Port", U16))
    meta: bytes = attrs.field(metadata=wire("Meta", BYTES, nil=True))
    vsn: bytes = attrs.field(metadata=wire("Vsn", BYTES))


@attrs.frozen
class Dead:
    """``node`` is dead, or, when it is itself the accuser, has left."""

    incarnation: int = attrs.field(metadata=wire("Incarnation", U32))
    node: str = attrs.field(metadata=wire("Node", STR))
    accuser: str = attrs.field(metadata=wire("From", STR))

    @property
    def is_departure(self) -> bool:
        """Whether the node announced its own end."""
        return self.node == self.accuser


@attrs.frozen
class ErrorReply:
    """Answers a stream that could not be served; the text is for people."""

    error: str = attrs.field(metadata=wire("Error", STR))


@attrs.frozen
class PushPullHeader:
    """Opens a push/pull: how many nodes and how many bytes of user state follow."""

    nodes: int = attrs.field(metadata=wire("Nodes", Integer(0, MAX_PUSH_PULL_NODES)))
    user_state_len: int = attrs.field(metadata=wire("UserStateLen", Integer(0, MAX_USER_STATE_BYTES)))
    join: bool = attrs.field(metadata=wire("Join", BOOL))


@attrs.frozen
class PushPullNode:
    """One node as the sender of a push/pull sees it; ``state`` has ``NodeState``'s numbers."""

    name: str = attrs.field(metadata=wire("Name", STR))
    addr: bytes = attrs.field(metadata=wire("Addr", BYTES))
    port: int = attrs.field(metadata=wire("Port", U16))
    meta: bytes = attrs.field(metadata=wire("Meta", BYTES, nil=True))
    incarnation: int = attrs.field(metadata=wire("Incarnation", U32))
    state: int = attrs.field(metadata=wire("State", I64))
    vsn: bytes = attrs.field(metadata=wire("Vsn", BYTES))


@attrs.frozen
class UserHeader:
    """Opens a user message on a stream."""

    user_msg_len: int = attrs.field(metadata=wire("UserMsgLen", Integer(0, MAX_USER_STATE_BYTES)))


@attrs.frozen
class Compressed:
    """A compressed message; ``algo`` 0 is LZW, and there is no other."""

    algo: int = attrs.field(metadata=wire("Algo", U8))
    buf: bytes = attrs.field(metadata=wire("Buf", BYTES))


@attrs.frozen
class UserData:
    """A Serf message in a datagram: all that follows the type byte, unframed."""

    payload: bytes


Message = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | UserData | ErrorReply

# Append only: a number once given to a class is that class's for ever.
CLASS_BY_TYPE: Mapping[int, type] = MappingProxyType(
    {
        MessageType.PING: Ping,
        MessageType.INDIRECT_PING: IndirectPing,
        MessageType.ACK: Ack,
        MessageType.SUSPECT: Suspect,
        MessageType.ALIVE: Alive,
        MessageType.DEAD: Dead,
        MessageType.NACK: Nack,
        MessageType.ERROR: ErrorReply,
    }
)

"""``PeerMail``: messages that only nodedns members get, beside Serf's on the gossip port.

Strategy: each is a user message of a type that no Serf has (``SerfMessageType.PEER_DATA``), straight
to one member, by datagram or by stream, sealed as everything else is. It goes only
to a member that is alive and carries the nodedns tag, because Serf and Consul
agents log a type that they do not know. The sender's name travels inside: an
address may be translated on the way, and a stream has a port of its own.

The payload is packed by DEFLATE where that makes it shorter, which takes a
twentieth of the time of memberlist's compression and saves more; unpacking stops
at the size told, which is bounded.

What it does not do: know what the payload means, or send anything twice.
Source: memberlist's SendBestEffort and SendReliable, which put user messages straight to one member.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol

from nodedns.errors import TooBig, shorten
from nodedns.gossip.events import Dropped
from nodedns.model.address import Address
from nodedns.model.member import NODEDNS_TAG, MemberStatus
from nodedns.model.names import NodeName
from nodedns.serf.events import PeerMessage
from nodedns.serf.members import MemberRecord, MemberTable
from nodedns.serf.messages import PeerData, encode_message

__all__ = ["MAX_PEER_STREAM_BYTES", "PeerMail", "PeerSender"]

MAX_PEER_STREAM_BYTES = 4 * 1024 * 1024
"""Largest payload of one stream, unpacked; ours: a fifth of what memberlist takes from a stream."""
MAX_PEER_STREAMS = 16
"""Streams of ours that wait for a connection at once; ours: an eighth of all that may be open."""
HEADER_BYTES = 40
"""What a message takes beside the name and the payload, at most: type, map, keys, lengths."""
PACK_FROM_BYTES = 256
"""Ours; below, packing seldom saves anything."""
PACK_LEVEL = 1
"""The fastest: 1 MiB of registrations in 10 ms, to a seventh of its length."""


class PeerSender(Protocol):
    """What is needed of the gossip core."""

    def send_user(self, payload: bytes, destination: Address, *, may_compress: bool = True) -> None:
        """Send one user message over UDP."""
        ...

    def send_user_stream(
        self,
        payload: bytes,
        destination: Address,
        deadline: float,
        *,
        on_over: Callable[[str], None] = ...,
        may_compress: bool = True,
    ) -> None:
        """Send one user message over TCP."""
        ...


class PeerMail:
    """Sends to nodedns members, and passes on what comes from them.

    Args:
        local_name: Our node name.
        table: The members.
        sender: The gossip core.
        emit: Takes ``PeerMessage`` and ``Dropped``.
        stream_timeout_s: How long a stream may take, the connection included.
        max_message_bytes: Longest Serf message that fits into a datagram.
    """

    def __init__(
        self,
        *,
        local_name: NodeName,
        table: MemberTable,
        sender: PeerSender,
        emit: Callable[[PeerMessage | Dropped], None],
        stream_timeout_s: float,
        max_message_bytes: int,
    ) -> None:
        self._local_name = local_name
        self._table = table
        self._sender = sender
        self._emit = emit
        self._stream_timeout_s = stream_timeout_s
        name_bytes = len(local_name.encode("utf-8", "surrogateescape"))
        self.max_datagram_bytes = max(0, max_message_bytes - HEADER_BYTES - name_bytes)
        self._max_message_bytes = max_message_bytes
        self._dialling = 0

    def send(self, name: NodeName, payload: bytes, now: float, *, by_stream: bool) -> bool:
        """Send ``payload`` to a member; see ``Serf.send_peer_message``.

        Returns:
            False where the member is not alive or not nodedns, or too many streams wait.

        Raises:
            TooBig: The payload is over the limit.
        """
        if len(payload) > MAX_PEER_STREAM_BYTES:
            raise TooBig("peer message", len(payload), MAX_PEER_STREAM_BYTES)
        record = self._peer(name)
        if record is None:
            return False
        address = record.member.address
        data = self._encode(payload)
        if not by_stream:
            if len(data) > self._max_message_bytes:
                raise TooBig("packed peer message", len(data), self._max_message_bytes)
            self._sender.send_user(data, address, may_compress=False)
            return True
        if self._dialling >= MAX_PEER_STREAMS:
            return False
        self._dialling += 1
        self._sender.send_user_stream(
            data, address, now + self._stream_timeout_s, on_over=self._dialled, may_compress=False
        )
        return True

    def receive(self, message: PeerData, source: Address) -> None:
        """Pass on a message, if a nodedns member of the pool sent it; never raises for what it holds."""
        sender = NodeName(message.sender)
        if self._peer(sender) is None:
            self._emit(Dropped("peer-message-of-stranger", source, shorten(message.sender)))
            return
        payload = _unpack(message)
        if payload is None:
            self._emit(Dropped("bad-peer-message", source, shorten(message.sender)))
            return
        self._emit(PeerMessage(sender, payload, source))

    def _peer(self, name: NodeName) -> MemberRecord | None:
        record = self._table.get(name)
        if record is None or name == self._local_name or record.status is not MemberStatus.ALIVE:
            return None
        return record if NODEDNS_TAG in record.shown.tags else None

    def _encode(self, payload: bytes) -> bytes:
        size_bytes = 0
        if len(payload) >= PACK_FROM_BYTES:
            packed = zlib.compress(payload, PACK_LEVEL)
            if len(packed) < len(payload):
                payload, size_bytes = packed, len(payload)
        return encode_message(PeerData(self._local_name, payload, size_bytes))

    def _dialled(self, _error: str) -> None:
        # What comes of it is not told: whoever sent it asks again for what did not arrive.
        self._dialling -= 1


def _unpack(message: PeerData) -> bytes | None:
    """Return the application's bytes; None where they are too many or not what they are said to be."""
    if not message.size_bytes:
        return message.payload if len(message.payload) <= MAX_PEER_STREAM_BYTES else None
    if message.size_bytes > MAX_PEER_STREAM_BYTES:
        return None
    unpacker = zlib.decompressobj()
    try:
        payload = unpacker.decompress(message.payload, message.size_bytes)
    except zlib.error:
        return None
    return payload if len(payload) == message.size_bytes else None

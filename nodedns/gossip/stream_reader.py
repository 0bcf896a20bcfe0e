"""``StreamReader``: the one message that a peer sends over a stream, read as its bytes arrive.

A stream carries a single message each way: label and encryption (the envelope's
business), perhaps compression, then a type byte and what belongs to it. The
reader is fed bytes and tells when the message is whole; every size is bounded.

Source: memberlist's readStream and handleConn.
"""

from __future__ import annotations

import attrs

from nodedns.errors import GossipWireError
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.messages import (
    Ack,
    ErrorReply,
    MessageType,
    Ping,
    PushPullHeader,
    PushPullNode,
    UserData,
    UserHeader,
)
from nodedns.gossip.params import GossipParams
from nodedns.gossip.wire import StreamDecoder

__all__ = ["PushPullState", "StreamMessage", "StreamReader"]


NODE_BYTES = 512  # what a decoded node takes at least, though it may come as a single byte


@attrs.frozen
class PushPullState:
    """A whole push/pull as received."""

    header: PushPullHeader
    nodes: tuple[PushPullNode, ...]
    user_state: bytes


StreamMessage = Ping | Ack | ErrorReply | PushPullState | UserData

_SINGLE_MAPS: dict[int, type[Ping] | type[Ack] | type[ErrorReply]] = {
    MessageType.PING: Ping,
    MessageType.ACK: Ack,
    MessageType.ERROR: ErrorReply,
}


class StreamReader:
    """Reads one message from a stream.

    Args:
        params: Limits.
        envelope: Strips the label and decrypts.
        is_reply: Whether we dialled, so that no label header is expected.
    """

    def __init__(self, params: GossipParams, envelope: Envelope, *, is_reply: bool) -> None:
        self._params = params
        self._opener = envelope.stream_opener(is_reply=is_reply)
        self._decoder = StreamDecoder(params.max_stream_bytes)
        self._type: int | None = None
        self._header: PushPullHeader | UserHeader | None = None
        self._nodes: list[PushPullNode] = []
        self._fed_bytes = 0

    @property
    def was_encrypted(self) -> bool:
        """Whether the peer sent an encrypted block."""
        return self._opener.was_encrypted

    @property
    def held_bytes(self) -> int:
        """About how much memory the unfinished message takes."""
        return self._fed_bytes + self._decoder.buffered + len(self._nodes) * NODE_BYTES

    def feed(self, data: bytes) -> StreamMessage | None:
        """Take bytes; return the message once it is whole.

        Raises:
            GossipWireError: The stream is malformed or over a limit; it is of no more use.
        """
        self._fed_bytes += len(data)
        self._decoder.feed(self._opener.feed(data))
        return self._read()

    def _read(self) -> StreamMessage | None:
        if self._type is None:
            self._type = self._decoder.next_type()
        if self._type is None:
            return None
        single = _SINGLE_MAPS.get(self._type)
        if single is not None:
            return self._decoder.next_map(single, f"{single.__name__} on a stream")
        if self._type == MessageType.PUSH_PULL:
            return self._read_push_pull()
        if self._type == MessageType.USER:
            return self._read_user()
        raise GossipWireError("stream", 0, f"unknown message type {self._type}")

    def _read_push_pull(self) -> StreamMessage | None:
        if self._header is None:
            self._header = self._decoder.next_map(PushPullHeader, "push/pull header")
        header = self._header
        if not isinstance(header, PushPullHeader):
            return None
        if header.nodes > self._params.max_push_pull_nodes:
            raise GossipWireError("push/pull", 0, f"{header.nodes} nodes")
        while len(self._nodes) < header.nodes:
            node = self._decoder.next_map(PushPullNode, "push/pull node")
            if node is None:
                return None
            self._nodes.append(node)
        user_state = self._decoder.take(header.user_state_len)
        if user_state is None:
            return None
        return PushPullState(header, tuple(self._nodes), user_state)

    def _read_user(self) -> StreamMessage | None:
        if self._header is None:
            self._header = self._decoder.next_map(UserHeader, "user message header")
        header = self._header
        if not isinstance(header, UserHeader):
            return None
        payload = self._decoder.take(header.user_msg_len)
        return None if payload is None else UserData(payload)

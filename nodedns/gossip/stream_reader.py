"""``StreamReader``: the one message that a peer sends over a stream, read as its bytes arrive.

A stream carries a single message each way: label and encryption (the envelope's
business), perhaps compression, then a type byte and what belongs to it. The
reader is fed bytes as they come and reads them in steps, because a state of
thousands of members takes a while; every size is bounded.

Source: memberlist's readStream and handleConn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from nodedns.errors import GossipWireError
from nodedns.gossip.compression import INFLATE_PIECE_US
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
from nodedns.gossip.slices import STARVED, Steps
from nodedns.gossip.wire import StreamDecoder

__all__ = ["PushPullState", "StreamMessage", "StreamReader"]

T = TypeVar("T")

READ_NODE_US = 6.0
TAKE_BYTE_US = 0.002  # to decrypt and to copy it
NODE_BYTES = 512  # what a decoded node takes at least, though it may come as a single byte


@attrs.frozen
class PushPullState:
    """A whole push/pull as received."""

    header: PushPullHeader
    nodes: tuple[PushPullNode, ...]
    user_state: bytes


StreamMessage = Ping | Ack | ErrorReply | PushPullState | UserData

_SINGLE_MAPS: dict[int, type[StreamMessage]] = {
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
        self._nodes: list[PushPullNode] = []
        self._fed = bytearray()
        self._fed_bytes = 0

    @property
    def held_bytes(self) -> int:
        """About how much memory the message takes."""
        return self._fed_bytes + self._decoder.buffered + len(self._nodes) * NODE_BYTES

    def feed(self, data: bytes) -> None:
        """Add bytes from the peer; ``read`` will come to them."""
        self._fed_bytes += len(data)
        self._fed += data

    def read(self) -> Steps[StreamMessage]:
        """Read the message; starved while more bytes are needed.

        Raises:
            GossipWireError: The stream is malformed or over a limit; it is of no more use.
        """
        message = yield from self._read()
        # What follows the message is ignored; that it is no sound LZW is not.
        while self._decoder.inflate() is not None:
            yield INFLATE_PIECE_US
        return message

    def _read(self) -> Steps[StreamMessage]:
        kind = yield from self._ask(self._decoder.next_type)
        if kind in _SINGLE_MAPS:
            steps: Steps[StreamMessage] = self._ask(lambda: self._single(_SINGLE_MAPS[kind]))
            return (yield from steps)
        if kind == MessageType.PUSH_PULL:
            return (yield from self._read_push_pull())
        if kind == MessageType.USER:
            header = yield from self._ask(lambda: self._decoder.next_map(UserHeader, "user message header"))
            return UserData((yield from self._ask(lambda: self._decoder.take(header.user_msg_len))))
        raise GossipWireError("stream", 0, f"unknown message type {kind}")

    def _single(self, cls: type[StreamMessage]) -> StreamMessage | None:
        return self._decoder.next_map(cls, f"{cls.__name__} on a stream")

    def _read_push_pull(self) -> Steps[StreamMessage]:
        decoder = self._decoder
        header = yield from self._ask(lambda: decoder.next_map(PushPullHeader, "push/pull header"))
        if header.nodes > self._params.max_push_pull_nodes:
            raise GossipWireError("push/pull", 0, f"{header.nodes} nodes")
        for _ in range(header.nodes):
            node = yield from self._ask(lambda: decoder.next_map(PushPullNode, "push/pull node"))
            self._nodes.append(node)
            yield READ_NODE_US
        user_state = yield from self._ask(lambda: decoder.take(header.user_state_len))
        return PushPullState(header, tuple(self._nodes), user_state)

    def _ask(self, question: Callable[[], T | None]) -> Steps[T]:
        """Ask the decoder until it has an answer."""
        while (answer := question()) is None:
            if self._decoder.inflate() is not None:
                yield INFLATE_PIECE_US
                continue
            while not self._fed:
                yield STARVED
            data = bytes(self._fed)
            self._fed.clear()
            self._decoder.feed(self._opener.feed(data))
            yield TAKE_BYTE_US * len(data)
        return answer

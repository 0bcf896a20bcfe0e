"""The exchanges over TCP: ours (push/pull, ping) and those that others open to us.

Each is one request and at most one answer. An exchange is fed bytes and gives
bytes; when it is complete it tells the core, and failure of any kind ends in
the same call with a reason. The answering side of a push/pull sends its state
before it merges the other's, as real agents do, so a refused joiner still
learns who is there.

Source: memberlist's handleConn, sendAndReceiveState, sendPingAndWaitForAck.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip.core import StreamExchange
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.events import Dropped, GossipEvent, StreamPurpose, StreamWanted, UserMessage
from nodedns.gossip.messages import Ack, ErrorReply, Message, Ping, UserData
from nodedns.gossip.params import GossipParams
from nodedns.gossip.stream_reader import PushPullState, StreamMessage, StreamReader
from nodedns.gossip.wire import encode_message
from nodedns.model.address import Address
from nodedns.model.names import NodeName

__all__ = ["StreamHost", "Streams"]


class StreamHost(Protocol):
    """What the exchanges need of the core around them."""

    def emit(self, event: GossipEvent) -> None:
        """Queue an event for the owner."""
        ...

    def encode_local_state(self, *, is_join: bool) -> bytes:
        """Return our push/pull message."""
        ...

    def merge_remote_state(self, state: PushPullState, now: float) -> str | None:
        """Merge the other side's state; return why it was refused, or None."""
        ...


OnReply = Callable[[StreamMessage, float], str | None]
"""Takes the reply; returns why it is no good, or None."""
OnOver = Callable[[str, float], None]
"""Called once, with the reason of failure or an empty string."""


@attrs.define
class _Wanted:
    encode_request: Callable[[], bytes]
    on_reply: OnReply
    on_over: OnOver


class _Outbound:
    """Our side of an exchange that we dialled."""

    def __init__(self, wanted: _Wanted, reader: StreamReader, request: bytes, deadline: float) -> None:
        self._wanted = wanted
        self._reader = reader
        self._to_send = request
        self._finished = False
        self.deadline = deadline

    @property
    def finished(self) -> bool:
        """Whether the exchange is over."""
        return self._finished

    def data_to_send(self) -> bytes:
        """Return the request, once."""
        data, self._to_send = self._to_send, b""
        return data

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes of the reply."""
        if self._finished:
            return
        if not data:
            self.abort("the peer closed the stream before it had answered", now)
            return
        try:
            reply = self._reader.feed(data)
        except GossipWireError as problem:
            self.abort(str(problem), now)
            return
        if reply is not None:
            self._finished = True
            if isinstance(reply, ErrorReply):
                self._wanted.on_over(f"remote error: {reply.error}", now)
            else:
                self._wanted.on_over(self._wanted.on_reply(reply, now) or "", now)

    def abort(self, reason: str, now: float) -> None:
        """End the exchange as failed."""
        if not self._finished:
            self._finished = True
            self._wanted.on_over(reason, now)


class _Inbound:
    """Our side of an exchange that a peer opened."""

    def __init__(self, streams: Streams, source: Address, deadline: float) -> None:
        self._streams = streams
        self._reader = streams.reader(is_reply=False)
        self._source = source
        self._to_send = b""
        self._finished = False
        self._held_bytes = 0
        self.deadline = deadline

    @property
    def finished(self) -> bool:
        """Whether the request was taken, or the exchange has failed."""
        return self._finished

    def data_to_send(self) -> bytes:
        """Return the answer, once."""
        data, self._to_send = self._to_send, b""
        return data

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes of the request; answer when it is whole."""
        if self._finished:
            return
        if not data:
            self.abort("closed-early", now)
            return
        try:
            message = self._reader.feed(data)
        except GossipWireError as problem:
            self._to_send = self._streams.refusal(problem, was_encrypted=self._reader.was_encrypted)
            self._fail("bad-stream", str(problem))
            return
        if message is not None:
            self._to_send = self._streams.answer(message, self._source, now)
            self._end()
        elif not self._hold(self._reader.held_bytes):
            self._fail("streams-too-large", "")

    def abort(self, reason: str, now: float) -> None:  # the same contract on both sides
        """End the exchange as failed."""
        if not self._finished:
            self._fail("stream-cut", reason)

    def _fail(self, reason: str, detail: str) -> None:
        self._streams.host.emit(Dropped(reason, self._source, detail))
        self._end()

    def _hold(self, size: int) -> bool:
        """Account for what is kept of an unfinished request; return whether it may be."""
        grown = size - self._held_bytes
        self._held_bytes = size
        return self._streams.inbound_grew(grown)

    def _end(self) -> None:
        self._finished = True
        self._hold(0)
        self._streams.inbound_over()


class Streams:
    """Hands out exchanges and keeps count of them.

    Args:
        params: Limits and time-outs.
        envelope: Label and encryption.
        local_name: A stream ping for anybody else is not answered.
        host: The core around.
    """

    def __init__(self, params: GossipParams, envelope: Envelope, local_name: NodeName, host: StreamHost) -> None:
        self._params = params
        self._envelope = envelope
        self._local_name = local_name
        self.host = host
        self._next_id = 0
        self._wanted: dict[int, _Wanted] = {}
        self._inbound = 0
        self._inbound_bytes = 0

    @property
    def inbound(self) -> int:
        """How many streams of others are being served."""
        return self._inbound

    def reader(self, *, is_reply: bool) -> StreamReader:
        """Return a reader for the peer's side of a stream."""
        return StreamReader(self._params, self._envelope, is_reply=is_reply)

    # --- ours ------------------------------------------------------------------

    def want(
        self,
        purpose: StreamPurpose,
        address: Address,
        deadline: float,
        *,
        encode_request: Callable[[], bytes],
        on_reply: OnReply,
        on_over: OnOver,
    ) -> None:
        """Ask the owner to dial ``address``; ``on_over`` is called whatever comes of it."""
        self._next_id += 1
        self._wanted[self._next_id] = _Wanted(encode_request, on_reply, on_over)
        self.host.emit(StreamWanted(self._next_id, address, purpose, deadline))

    def open(self, wanted: StreamWanted, now: float) -> StreamExchange:
        """Return the exchange of a stream that has been connected."""
        pending = self._wanted.pop(wanted.stream_id)
        try:
            request = self._envelope.stream_header() + self._envelope.seal_stream(pending.encode_request())
        except LocalProtocolError as problem:
            exchange = _Outbound(pending, self.reader(is_reply=True), b"", wanted.deadline)
            exchange.abort(str(problem), now)
            return exchange
        return _Outbound(pending, self.reader(is_reply=True), request, wanted.deadline)

    def fail(self, wanted: StreamWanted, reason: str, now: float) -> None:
        """Take note that a stream could not be connected."""
        self._wanted.pop(wanted.stream_id).on_over(reason, now)

    # --- others' -----------------------------------------------------------------

    def accept(self, source: Address, now: float) -> StreamExchange | None:
        """Return the answering side for a new stream; None where too many are served."""
        if self._inbound >= self._params.max_streams:
            self.host.emit(Dropped("too-many-streams", source))
            return None
        self._inbound += 1
        return _Inbound(self, source, now + self._params.tcp_timeout_s)

    def inbound_grew(self, size: int) -> bool:
        """Take note that inbound exchanges hold ``size`` bytes more; return whether that is still within the limit."""
        self._inbound_bytes += size
        return self._inbound_bytes <= self._params.max_inbound_bytes

    def inbound_over(self) -> None:
        """Take note that an inbound exchange has ended."""
        self._inbound -= 1

    def answer(self, message: StreamMessage, source: Address, now: float) -> bytes:
        """Return the bytes that answer a request; empty for none."""
        match message:
            case Ping():
                return self._answer_ping(message, source)
            case PushPullState():
                answer = self._answer_state(message, source)
                refusal = self.host.merge_remote_state(message, now)
                if refusal is not None:
                    self.host.emit(Dropped("push-pull-refused", source, refusal))
                return answer
            case UserData():
                self.host.emit(UserMessage(message.payload, source))
            case Ack() | ErrorReply():
                self.host.emit(Dropped("unexpected-stream-message", source, type(message).__name__))
        return b""

    def _answer_state(self, request: PushPullState, source: Address) -> bytes:
        try:
            return self._envelope.seal_stream(self.host.encode_local_state(is_join=request.header.join))
        except LocalProtocolError as problem:
            # A very large pool, encrypted: memberlist has the same limit and would not take it.
            self.host.emit(Dropped("state-too-large", source, str(problem)))
            return b""

    def _answer_ping(self, ping: Ping, source: Address) -> bytes:
        if ping.node not in ("", self._local_name):
            self.host.emit(Dropped("ping-for-other-node", source, ping.node[:64]))
            return b""
        return self._seal(Ack(ping.seq_no))

    def refusal(self, problem: GossipWireError, *, was_encrypted: bool) -> bytes:
        """Return the error message for a request that could not be read; unknown types get none."""
        if problem.reason.startswith("unknown message type"):
            return b""
        if was_encrypted and not self._envelope.is_encrypted:
            return encode_message(ErrorReply("remote state is encrypted and encryption is not configured"))
        return self._seal(ErrorReply(str(problem)))

    def _seal(self, message: Message) -> bytes:
        return self._envelope.seal_stream(encode_message(message))

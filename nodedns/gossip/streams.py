"""The exchanges over TCP: ours (push/pull, ping) and those that others open to us.

Each is one request and at most one answer. When it is complete it tells the
core, and failure of any kind ends in the same call with a reason. The answering
side of a push/pull sends its state before it merges the other's, as real agents
do, so a refused joiner still learns who is there.

What is said is compressed, where that is on, then encrypted; only an ack is not
compressed, for somebody is timing it.

What it does not do: bytes and slices (``exchange.py``), reading (``stream_reader.py``).
Source: memberlist's handleConn, sendAndReceiveState, sendPingAndWaitForAck.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from nodedns.errors import ForeignGossip, GossipWireError, LocalProtocolError
from nodedns.gossip.core import StreamExchange
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.events import Dropped, GossipEvent, StreamPurpose, StreamWanted, UserMessage
from nodedns.gossip.exchange import CLOSED_EARLY, TOO_LARGE, Exchange
from nodedns.gossip.messages import Ack, ErrorReply, Ping, UserData
from nodedns.gossip.params import GossipParams
from nodedns.gossip.pushpull import PushPull
from nodedns.gossip.slices import Steps
from nodedns.gossip.stream_reader import PushPullState, StreamMessage, StreamReader
from nodedns.gossip.wire import compress_in_steps, encode_message
from nodedns.model.address import Address
from nodedns.model.names import NodeName

__all__ = ["Streams"]


_TOLD = {
    "no-key": "remote state is encrypted and encryption is not configured",
    "not-encrypted": "encryption is configured but remote state is not encrypted",
    "wrong-key": "no installed keys could decrypt the message",
}
"""What a peer is told, in memberlist's words, by kind of ``ForeignGossip``; one of another label is told nothing."""

OnReply = Callable[[StreamMessage, float], Steps[str | None]]
"""Takes the reply; returns why it is no good, or None."""
OnOver = Callable[[str, float], None]
"""Called once, with the reason of failure or an empty string."""


@attrs.define
class _Asking:
    """The dialling side: asks, and hears the answer."""

    streams: Streams
    encode_request: Callable[[], Steps[bytes]]
    on_reply: OnReply | None
    on_over: OnOver
    may_compress: bool = True

    def converse(self, exchange: Exchange) -> Steps[None]:
        """Send the request, and take the reply."""
        try:
            request = yield from self.encode_request()
            wrapped = yield from self.streams.wrap(request, is_dialling=True, is_urgent=not self.may_compress)
            exchange.send(wrapped)
            if self.on_reply is None:
                self.on_over("", exchange.now)
                return
            reply = yield from exchange.reader.read()
        except (GossipWireError, LocalProtocolError) as problem:
            self.on_over(str(problem), exchange.now)
            return
        exchange.wait_for_nobody()
        if isinstance(reply, ErrorReply):
            self.on_over(f"remote error: {reply.error}", exchange.now)
            return
        refusal = yield from self.on_reply(reply, exchange.now)
        self.on_over(refusal or "", exchange.now)

    def cut(self, reason: str, now: float) -> None:
        """Tell that it failed."""
        self.on_over("the peer closed the stream before it had answered" if reason == CLOSED_EARLY else reason, now)

    def may_hold(self, size_bytes: int) -> bool:
        """Hold anything: there are few of them, and each is bounded."""
        del size_bytes
        return True

    def end(self) -> None:
        """Nothing is to be given back."""


class _Answering:
    """The side that was dialled: hears what is asked, and answers."""

    def __init__(self, streams: Streams, source: Address) -> None:
        self._streams = streams
        self._source = source
        self._held_bytes = 0

    def converse(self, exchange: Exchange) -> Steps[None]:
        """Read the request, and do what it asks."""
        try:
            request = yield from exchange.reader.read()
        except GossipWireError as problem:
            exchange.send((yield from self._streams.refusal(problem)))
            self._drop(problem.kind if isinstance(problem, ForeignGossip) else "bad-stream", str(problem))
            return
        match request:
            case Ping():
                yield from self._answer_ping(request, exchange)
            case PushPullState():
                yield from self._answer_state(request, exchange)
            case UserData():
                self._streams.emit(UserMessage(request.payload, self._source))
            case Ack() | ErrorReply():
                self._drop("unexpected-stream-message", type(request).__name__)

    def _answer_ping(self, ping: Ping, exchange: Exchange) -> Steps[None]:
        if ping.node in ("", self._streams.local_name):
            exchange.send((yield from self._streams.wrap(encode_message(Ack(ping.seq_no)), is_urgent=True)))
        else:
            self._drop("ping-for-other-node", ping.node[:64])

    def _answer_state(self, request: PushPullState, exchange: Exchange) -> Steps[None]:
        push_pull = self._streams.push_pull
        try:
            answer = yield from push_pull.encode(is_join=request.header.join)
            exchange.send((yield from self._streams.wrap(answer)))
        except LocalProtocolError as problem:
            # A very large pool, encrypted: memberlist has the same limit and would not take it.
            self._drop("state-too-large", str(problem))
        exchange.wait_for_nobody()
        refusal = yield from push_pull.merge(request, self._source, exchange.now)
        if refusal is not None:
            self._drop("push-pull-refused", refusal)

    def cut(self, reason: str, now: float) -> None:
        """Tell that it failed."""
        del now  # the event has no time
        if reason == TOO_LARGE:
            self._drop("streams-too-large", "")
        else:
            self._drop("stream-cut", reason)

    def may_hold(self, size_bytes: int) -> bool:
        """Account for what is kept of the request."""
        grown = size_bytes - self._held_bytes
        self._held_bytes = size_bytes
        return self._streams.inbound_grew(grown)

    def end(self) -> None:
        """Give back the place and the memory."""
        self.may_hold(0)
        self._streams.inbound_over()

    def _drop(self, reason: str, detail: str) -> None:
        self._streams.emit(Dropped(reason, self._source, detail))


class Streams:
    """Hands out exchanges and keeps count of them.

    Args:
        params: Limits and time-outs.
        envelope: Label and encryption.
        local_name: A stream ping for anybody else is not answered.
        push_pull: Our state for others, and theirs for us.
        emit: Takes the events.
    """

    def __init__(
        self,
        params: GossipParams,
        envelope: Envelope,
        local_name: NodeName,
        push_pull: PushPull,
        emit: Callable[[GossipEvent], None],
    ) -> None:
        self._params = params
        self._envelope = envelope
        self.local_name = local_name
        self.push_pull = push_pull
        self.emit = emit
        self._next_id = 0
        self._wanted: dict[int, _Asking] = {}
        self._inbound = 0
        self._inbound_bytes = 0

    @property
    def inbound(self) -> int:
        """How many streams of others are being served."""
        return self._inbound

    # --- ours ------------------------------------------------------------------

    def want(
        self,
        purpose: StreamPurpose,
        address: Address,
        deadline: float,
        *,
        encode_request: Callable[[], Steps[bytes]],
        on_reply: OnReply | None,
        on_over: OnOver,
        may_compress: bool = True,
    ) -> None:
        """Ask the owner to dial ``address``; ``on_over`` is called whatever comes of it.

        Without an ``on_reply`` none is waited for, and it is over once there is a connection.
        """
        self._next_id += 1
        self._wanted[self._next_id] = _Asking(self, encode_request, on_reply, on_over, may_compress)
        self.emit(StreamWanted(self._next_id, address, purpose, deadline))

    def open(self, wanted: StreamWanted, now: float) -> StreamExchange:
        """Return the exchange of a stream that has been connected, its first slice done."""
        exchange = Exchange(self._wanted.pop(wanted.stream_id), self._reader(is_reply=True), wanted.deadline)
        exchange.work(now)
        return exchange

    def fail(self, wanted: StreamWanted, reason: str, now: float) -> None:
        """Take note that a stream could not be connected."""
        self._wanted.pop(wanted.stream_id).on_over(reason, now)

    # --- others' -----------------------------------------------------------------

    def accept(self, source: Address, now: float) -> StreamExchange | None:
        """Return the answering side for a new stream; None where too many are served."""
        if self._inbound >= self._params.max_streams:
            self.emit(Dropped("too-many-streams", source))
            return None
        self._inbound += 1
        exchange = Exchange(_Answering(self, source), self._reader(is_reply=False), now + self._params.tcp_timeout_s)
        exchange.work(now)  # which is to wait for the request
        return exchange

    def inbound_grew(self, size: int) -> bool:
        """Take note that inbound exchanges hold ``size`` bytes more; return whether that is still within the limit."""
        self._inbound_bytes += size
        return self._inbound_bytes <= self._params.max_inbound_bytes

    def inbound_over(self) -> None:
        """Take note that an inbound exchange has ended."""
        self._inbound -= 1

    def _reader(self, *, is_reply: bool) -> StreamReader:
        return StreamReader(self._params, self._envelope, is_reply=is_reply)

    # --- what leaves -------------------------------------------------------------

    def wrap(self, message: bytes, *, is_dialling: bool = False, is_urgent: bool = False) -> Steps[bytes]:
        """Return ``message`` as it goes over a stream.

        Args:
            message: Encoded.
            is_dialling: Whether we dialled: then the label goes ahead.
            is_urgent: Whether it is not compressed: somebody is timing it, or it is packed already.

        Raises:
            LocalProtocolError: It is longer than an encrypted block may be.
        """
        # On a stream memberlist compresses always, even what grows by it.
        if self._params.compression and not is_urgent:
            message = yield from compress_in_steps(message)
        sealed = self._envelope.seal_stream(message)
        return self._envelope.stream_header() + sealed if is_dialling else sealed

    def refusal(self, problem: GossipWireError) -> Steps[bytes]:
        """Return the error message for a request that could not be read; unknown types and other labels get none."""
        told = _TOLD.get(problem.kind, "") if isinstance(problem, ForeignGossip) else str(problem)
        if not told or problem.reason.startswith("unknown message type"):
            return b""
        return (yield from self.wrap(encode_message(ErrorReply(told))))

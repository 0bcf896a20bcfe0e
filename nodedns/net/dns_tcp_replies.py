"""``TcpReplies``: one message to one reply, over TCP: from the packed answers, or else by asking ``respond``.

The one point at which a message becomes a reply, whatever its connection. A round
is what one client is answered without awaiting: packed answers that are true at its
start are true to its end.
"""

from __future__ import annotations

import trio

from nodedns.dns.decode import HEADER_BYTES
from nodedns.dns.packed import PackedAnswers
from nodedns.dns.recursion import with_ra
from nodedns.model.address import Address
from nodedns.net.dns_guard import GuardedResponder, Later, Respond
from nodedns.net.dns_stream import ReplyStream
from nodedns.net.dns_udp import FastPath
from nodedns.observe.metrics import Metrics

__all__ = ["TcpReplies"]


class TcpReplies:
    """Answers messages, between ``begin`` and ``finish``.

    Args:
        respond: Decides each reply that is not packed.
        metrics: Counts faults.
        fast_path: Where packed answers come from; None to ask for each.
    """

    def __init__(self, respond: Respond, metrics: Metrics, fast_path: FastPath | None) -> None:
        self._responder = GuardedResponder(respond, metrics)
        self._fast_path = fast_path
        self._packed: PackedAnswers | None = None
        self._has_recursion = False
        self._hits = 0
        self._misses = 0
        self._began = 0.0

    def begin(self, client: Address) -> None:
        """Begin a round for ``client``, which ends before anything is awaited."""
        self._client = client
        if self._fast_path is not None:
            self._began = trio.current_time()
            self._packed = self._fast_path.packed_now()
            may_recurse = self._fast_path.offers_recursion()
            self._has_recursion = may_recurse is not None and may_recurse(client.packed)
            self._hits = self._misses = 0

    def finish(self) -> None:
        """End the round, and note what it came to."""
        if self._fast_path is not None and self._packed is not None:
            self._fast_path.note_packed(((trio.current_time() - self._began, self._hits),), self._misses)

    def next_of(self, stream: ReplyStream, client: Address) -> bytes | None:
        """Return the next message of a stream to ``client``; None at its end, or where making it failed."""
        return self._responder.next_of(stream, client)

    def reply_to(self, message: bytes) -> bytes | Later | ReplyStream | None:
        """Return the reply to one message, None for silence, or what to await or to stream."""
        found = None if self._packed is None else self._packed.find(message)
        if found is None:
            self._misses += 1
            return self._responder.reply_to(message, self._client, is_tcp=True)
        self._hits += 1
        head, question_end, tail, _, tally, _, _ = found
        tally.count += 1
        reply = b"".join((message[:2], head, message[HEADER_BYTES:question_end], tail))
        return with_ra(reply) if self._has_recursion else reply

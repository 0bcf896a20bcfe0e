"""``GuardedResponder``: an answer whatever happens; a bug costs one SERVFAIL, not the server.

The DNS room never raises for what a query holds. Should it do so all the same,
the client gets SERVFAIL, a counter rises, and the traceback is logged at a
limited rate, since whoever has found the query can send it again. Only
``Exception`` is caught, so cancellation passes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal, overload

import trio

from nodedns.dns.framing import MAX_MESSAGE_BYTES
from nodedns.errors import LocalProtocolError, TooBig, shorten
from nodedns.model.address import Address
from nodedns.net.dns_stream import ReplyStream
from nodedns.observe.logs import logger
from nodedns.observe.metrics import DNS_ERRORS, Metrics

__all__ = ["GuardedResponder", "Later", "Respond", "servfail"]

Later = Callable[[], Awaitable[bytes | None]]
"""A reply that somebody else must be asked for first; awaiting it gives the reply, or None for silence."""

Respond = Callable[[bytes, Address, bool], bytes | Later | ReplyStream | None]
"""``respond(wire, client, is_tcp)``: the reply, None for silence, or a reply that takes waiting; over TCP, one of many
messages too. Synchronous."""

TRACEBACK_INTERVAL_S = 10.0  # at most one traceback in this time
HEADER_BYTES = 12
SERVFAIL = 2

_DNS = logger("dns")


def servfail(query: bytes) -> bytes | None:
    """Return a header that says SERVFAIL to ``query``; None for what cannot be answered.

    Id, opcode and RD are the query's (RFC 1035 section 4.1.1). The question is not
    repeated: it may be what could not be dealt with.
    """
    if len(query) < HEADER_BYTES or query[2] & 0x80:
        return None
    flags = 0x80 | (query[2] & 0x79)
    return query[:2] + bytes((flags, SERVFAIL)) + bytes(8)


def _checked(reply: bytes) -> bytes:
    """Return a reply that its length field over TCP can tell of. Raises ``TooBig``."""
    if len(reply) > MAX_MESSAGE_BYTES:
        raise TooBig("DNS message", len(reply), MAX_MESSAGE_BYTES)
    return reply


def _streamed(stream: ReplyStream, *, is_tcp: bool) -> ReplyStream:
    """Return a stream that can be sent. Raises ``LocalProtocolError`` over UDP."""
    if not is_tcp:
        stream.close()
        raise LocalProtocolError("a reply of many messages over UDP")
    return stream


class GuardedResponder:
    """Calls ``respond`` and turns an unforeseen exception into SERVFAIL."""

    def __init__(self, respond: Respond, metrics: Metrics) -> None:
        self._respond = respond
        # Both there from the start: whoever waits for a counter to rise does not see one appear at 1.
        self._errors = {is_tcp: metrics.tally(DNS_ERRORS, transport="tcp" if is_tcp else "udp") for is_tcp in (0, 1)}
        self._quiet_until = float("-inf")
        self._suppressed = 0

    @overload
    def reply_to(self, wire: bytes, client: Address, *, is_tcp: Literal[False]) -> bytes | Later | None: ...
    @overload
    def reply_to(
        self, wire: bytes, client: Address, *, is_tcp: Literal[True]
    ) -> bytes | Later | ReplyStream | None: ...
    def reply_to(self, wire: bytes, client: Address, *, is_tcp: bool) -> bytes | Later | ReplyStream | None:
        """Return the reply to one message, None for silence, or what to await or stream. Never raises ``Exception``."""
        try:
            reply = self._respond(wire, client, is_tcp)
            if isinstance(reply, bytes):
                return _checked(reply) if is_tcp else reply
            if isinstance(reply, ReplyStream):
                return _streamed(reply, is_tcp=is_tcp)
        except Exception as error:
            return self._failed(error, wire, client, is_tcp=is_tcp)
        if reply is None:
            return None
        return partial(self._later, reply, wire, client, is_tcp=is_tcp)

    def next_of(self, stream: ReplyStream, client: Address) -> bytes | None:
        """Return the next message of a stream, None at its end. Never raises an ``Exception``; such a stream is closed.

        Whether it came to its end or was closed, ``ended`` was told.
        """
        try:
            message = stream.next_message()
            return None if message is None else _checked(message)
        except Exception as error:
            stream.close()
            self._errors[True].add()
            self._tell(error, b"", client)
            return None

    async def _later(self, later: Later, wire: bytes, client: Address, *, is_tcp: bool) -> bytes | None:
        try:
            reply = await later()
            return _checked(reply) if is_tcp and reply is not None else reply
        except Exception as error:
            return self._failed(error, wire, client, is_tcp=is_tcp)

    def _failed(self, error: Exception, wire: bytes, client: Address, *, is_tcp: bool) -> bytes | None:
        self._errors[is_tcp].add()
        self._tell(error, wire, client)
        return servfail(wire)

    def _tell(self, error: Exception, wire: bytes, client: Address) -> None:
        now = trio.current_time()
        if now < self._quiet_until:
            self._suppressed += 1
            return
        self._quiet_until = now + TRACEBACK_INTERVAL_S
        _DNS.exception("answering failed", error, client=client, query=shorten(wire), suppressed=self._suppressed)
        self._suppressed = 0

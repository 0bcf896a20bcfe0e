"""``HttpConnection``: one client's stream with the HTTP machine on it, both bounded.

Every wait for the client has its time: for a request's head, for its body, for each piece that it
is to take. Whatever goes wrong with the stream is ``ClientGone``; there is nobody left to be told then.

``secure`` puts TLS on the stream before it is used. Does not know what is asked or answered.

Source: nginx's lingering_close, for why a client that was refused is read from once more.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from contextlib import suppress

import trio

from nodedns.errors import ApiError
from nodedns.net.http_machine import AnswerHead, HttpMachine, RequestHead, Sign

__all__ = ["ClientGone", "HttpConnection"]

READ_BYTES = 65_536
PIECE_BYTES = 65_536
"""Of an answer that are sent at once."""
PARTS_AT_ONCE = 64
"""Of a body between two turns of others; ours: half a millisecond of work where each is one byte."""
DISCARDED_BODIES = 8
"""How many times the body limit is read and thrown away, so that the client gets to read the 413."""
LINGER_S = 0.5
"""How long a refused client is read from: closing with bytes unread takes its answer away (as long as Go's server)."""
LINGER_READS = 16

_BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError)


class ClientGone(Exception):
    """The client closed the connection, or does not read; there is nobody to answer."""


class HttpConnection:
    """One connection; owns its stream.

    Args:
        stream: Of a socket.
        host: IP text of the client; empty over a Unix socket.
        send_stall_s: Time in which the client must take ``PIECE_BYTES``.
    """

    def __init__(self, stream: trio.SocketStream, host: str, send_stall_s: float) -> None:
        self._host = host
        self._plain = stream
        self._stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = stream
        self._send_stall_s = send_stall_s
        self._machine = HttpMachine()
        self._declared_bytes = 0
        self._idle = trio.CancelScope()
        self._is_ending = False

    @property
    def host(self) -> str:
        """IP text of the client; empty over a Unix socket."""
        return self._host

    async def secure(self, context: ssl.SSLContext, handshake_s: float) -> None:
        """Have everything from now on encrypted.

        Args:
            context: Of a server.
            handshake_s: Time in which the client must have finished its handshake.

        Raises:
            trio.TooSlowError: It had not.
            trio.BrokenResourceError: It is gone, speaks no TLS, or has no certificate that counts; the cause tells.
            trio.ClosedResourceError: ``cut`` was called.
        """
        stream = trio.SSLStream(self._plain, context, server_side=True)
        with trio.fail_after(handshake_s):
            await stream.do_handshake()
        self._stream = stream

    # --- what comes ------------------------------------------------------------------

    async def next_request(self, idle_s: float) -> RequestHead | None:
        """Wait for the head of a request; None where none comes in time, or any more.

        Raises:
            ApiError: What came is no request; ``refuse`` it with that.
            ClientGone: The connection broke.
        """
        if self._is_ending:
            return None
        event = self._machine.next()
        if event is not Sign.MORE:
            # It came together with the one before; others have a turn between the two.
            await trio.lowlevel.checkpoint()
        with trio.move_on_after(idle_s) as self._idle:
            while event is Sign.MORE:
                await self._receive()
                event = self._machine.next()
        if not isinstance(event, RequestHead):
            return None
        self._declared_bytes = event.length
        return event

    async def read_body(self, limit_bytes: int, timeout_s: float) -> bytes:
        """Return the body of the request, empty where it has none.

        Raises:
            ApiError: 413, it is longer than ``limit_bytes``; 408, it was not here after ``timeout_s``; 400, it is
                no body.
            ClientGone: The connection broke amid it.
        """
        event = self._machine.next()
        if event is Sign.END:
            return b""
        with trio.move_on_after(timeout_s):
            return await self._whole_body(event, limit_bytes)
        raise ApiError(408, f"Request body was not received within {timeout_s:g} s")

    async def _whole_body(self, event: RequestHead | bytes | Sign, limit_bytes: int) -> bytes:
        too_long = ApiError(413, f"Request body is too large, max size: {limit_bytes} bytes")
        if self._machine.is_asked_to_go_on:
            if self._declared_bytes > limit_bytes:
                raise too_long
            await self._send([self._machine.go_on()])
        parts: list[bytes] = []
        size = count = read = 0
        bound = DISCARDED_BODIES * limit_bytes
        # What is read besides the body itself, of chunks' sizes and extensions, counts as well.
        while event is not Sign.END and size <= bound and read <= bound + READ_BYTES:
            if isinstance(event, bytes):
                size, count = size + len(event), count + 1
                if size <= limit_bytes:
                    parts.append(event)
                if not count % PARTS_AT_ONCE:
                    await trio.lowlevel.checkpoint()
            elif event is Sign.MORE:
                read += await self._receive()
            else:
                raise ClientGone
            event = self._machine.next()
        if event is not Sign.END or size > limit_bytes:
            raise too_long
        return b"".join(parts)

    async def wait_gone(self) -> None:
        """Return once the client is gone; for while its request is being answered.

        What it sends meanwhile is kept for later, so far as one read takes; of a client that sends more
        nobody learns that it is gone until it is answered.
        """
        read = 0
        while read < READ_BYTES:
            try:
                data = await self._receive()
            except ClientGone:
                return
            if not data:
                return
            read += data
        await trio.sleep_forever()

    async def _receive(self) -> int:
        try:
            data = await (self._read_plain() if self._stream is self._plain else self._stream.receive_some(READ_BYTES))
        except (OSError, *_BROKEN):
            raise ClientGone from None
        self._machine.receive(bytes(data))
        return len(data)

    async def _read_plain(self) -> bytes:
        while True:
            # Most of the time nothing is there yet; to look first, as trio's streams do, costs an exception.
            await trio.lowlevel.wait_readable(self._plain.socket)
            with suppress(BlockingIOError):
                return os.read(self._plain.socket.fileno(), READ_BYTES)

    # --- what goes -------------------------------------------------------------------

    async def send(self, head: AnswerHead, body: bytes) -> None:
        """Send a whole answer, whose length its head tells. Raises ``ClientGone``."""
        await self._send(self._machine.answer(head, body, is_last=self._is_last))

    async def begin(self, head: AnswerHead) -> None:
        """Send the head of an answer that comes in parts. Raises ``ClientGone``."""
        await self._send([self._machine.begin(head, is_last=self._is_last)])

    async def tell(self, part: bytes) -> None:
        """Send a part of such an answer. Raises ``ClientGone``."""
        await self._send(self._machine.part(part))

    async def end(self) -> None:
        """Send its end. Raises ``ClientGone``."""
        await self._send([self._machine.end()])

    async def refuse(self, error: ApiError) -> None:
        """Answer what is no request; the connection ends with that. Raises ``ClientGone``."""
        self._is_ending = True
        text = error.message.encode()
        kind = ("Content-Type", "text/plain; charset=utf-8")
        await self.send(AnswerHead.of(error.status, [kind, ("Content-Length", str(len(text)))]), text)
        await self._linger()

    @property
    def _is_last(self) -> bool:
        return self._is_ending or not self._machine.is_fully_read

    async def _send(self, pieces: Sequence[bytes]) -> None:
        if sum(map(len, pieces)) <= PIECE_BYTES:
            data = b"".join(pieces)
            # What the kernel takes at once costs no turn: one follows when the next request is waited for.
            sent = self._write_plain(data) if self._stream is self._plain else 0
            await self._send_piece(data[sent:])
            return
        for piece in pieces:
            view = memoryview(piece)
            for start in range(0, len(view), PIECE_BYTES):
                await self._send_piece(view[start : start + PIECE_BYTES])

    def _write_plain(self, data: bytes) -> int:
        try:
            return os.write(self._plain.socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError:
            raise ClientGone from None

    async def _send_piece(self, piece: bytes | memoryview) -> None:
        if not piece:
            return
        try:
            with trio.fail_after(self._send_stall_s):
                await self._stream.send_all(piece)
        except (trio.TooSlowError, *_BROKEN):
            raise ClientGone from None

    # --- life ------------------------------------------------------------------------

    def start_next(self) -> bool:
        """Go on to the next request once one is answered; False where there can be none."""
        return self._machine.start_next()

    def end_when_idle(self) -> None:
        """Have no further request come; one that has come is still answered."""
        self._is_ending = True
        self._idle.cancel()

    async def aclose(self) -> None:
        """Close the connection so that the client gets what was sent; closing twice does nothing."""
        with trio.move_on_after(self._send_stall_s), suppress(ssl.SSLError, *_BROKEN):
            if not self._machine.is_fully_read:
                await self._linger()
            await self._stream.aclose()

    async def _linger(self) -> None:
        with trio.move_on_after(LINGER_S), suppress(*_BROKEN):
            if self._stream is self._plain:
                await self._plain.send_eof()
            for _ in range(LINGER_READS):
                if not await self._stream.receive_some(READ_BYTES):
                    break

    def cut(self) -> None:
        """Close the connection at once, whoever is using it; cutting twice does nothing."""
        self._plain.socket.close()

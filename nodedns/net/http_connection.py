"""``HttpConnection``: one client's TCP stream, as Hypercorn's connection worker uses it, but bounded.

Hypercorn sends shielded from cancellation and without a limit of time, goes on
reading when a send has failed, and sits out its idle time when the client has
closed already. Here every piece must be taken in time, a failed send ends the
connection, ``cut`` ends a send at once, and the end of the stream ends the idle time.

``secure`` puts TLS on the stream before it is used.

Does not know HTTP.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

__all__ = ["HttpConnection"]

PIECE_BYTES = 65_536


class HttpConnection:
    """A stream of which every send makes progress or fails.

    Args:
        stream: Owned from now on.
        send_stall_s: Time in which the client must take ``PIECE_BYTES``.
        end_when_idle: Has Hypercorn close the connection once no request is under way.
    """

    def __init__(
        self, stream: trio.SocketStream, send_stall_s: float, end_when_idle: Callable[[], Awaitable[None]]
    ) -> None:
        self._socket = stream.socket
        self._plain = stream
        self._stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = stream
        self._send_stall_s = send_stall_s
        self._end_when_idle = end_when_idle
        self._head = b""

    @property
    def socket(self) -> trio.socket.SocketType:
        """The socket, for its addresses."""
        return self._socket

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

    async def send_all(self, data: bytes) -> None:
        """Send ``data``; the head of a response goes with what follows it.

        Raises:
            trio.BrokenResourceError: The client is gone or does not read.
            trio.ClosedResourceError: ``cut`` or ``aclose`` was called.
        """
        if not self._head and _is_response_head(data):
            self._head = data
            return
        data, self._head = self._head + data, b""
        for start in range(0, len(data), PIECE_BYTES):
            try:
                with trio.fail_after(self._send_stall_s):
                    await self._stream.send_all(data[start : start + PIECE_BYTES])
            except trio.TooSlowError as error:
                self.cut()
                raise trio.BrokenResourceError("the client does not read") from error

    async def receive_some(self, max_bytes: int) -> bytes:
        """Wait for data; empty at the end of the stream. Raises as ``send_all``."""
        data = b""
        try:
            data = bytes(await self._stream.receive_some(max_bytes))
        finally:
            if not data:
                await self._end_when_idle()
        return data

    async def send_eof(self) -> None:
        """Tell the client that nothing more comes, which over TLS ``aclose`` does. Raises as ``send_all``."""
        if self._head:
            await self.send_all(b"")
        if isinstance(self._stream, trio.SocketStream):
            await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the stream; closing twice does nothing."""
        with trio.move_on_after(self._send_stall_s), suppress(ssl.SSLError):
            await self._stream.aclose()

    def cut(self) -> None:
        """Close the stream at once, whoever is using it; cutting twice does nothing."""
        self._socket.close()


def _is_response_head(data: bytes) -> bool:
    """Whether ``data`` is the whole head of a response whose length is known, so that the rest follows at once."""
    is_final = data.startswith(b"HTTP/1.1 ") and data[9:10] != b"1"
    return is_final and data.endswith(b"\r\n\r\n") and b"\r\ncontent-length: " in data

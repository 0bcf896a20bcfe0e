"""``LineStream``: an HTTP answer that is sent line by line, while there is something to say.

Strategy: the head goes out with the first line, so that what fails before it can still be answered with an
error. The lines are never compressed: a compressor would hold them back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

__all__ = ["LINES_OF_JSON", "LINES_OF_TEXT", "LineStream"]

LINES_OF_JSON = "application/x-ndjson"
LINES_OF_TEXT = "text/plain; charset=utf-8"


class LineStream:
    """One answer.

    Args:
        send: Of ASGI.
        headers: Besides those that every such answer has.
    """

    def __init__(
        self, send: Callable[[MutableMapping[str, Any]], Awaitable[None]], headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._send = send
        self._headers = [
            (b"content-encoding", b"identity"),
            *((name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in headers),
        ]
        self.is_begun = False
        """Whether the head is out, with status 200."""

    async def begin(self, kind: str) -> None:
        """Send the head, if it is not out, though there is no line yet; ``kind`` is the content's type."""
        if not self.is_begun:
            self.is_begun = True
            headers = [(b"content-type", kind.encode("ascii")), *self._headers]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def tell(self, line: bytes) -> None:
        """Send one line or several, newlines included; waits while the client does not read."""
        await self.begin(LINES_OF_JSON)
        await self._send({"type": "http.response.body", "body": line, "more_body": True})

    async def end(self) -> None:
        """Say that no further line comes; nothing before the first one."""
        if self.is_begun:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

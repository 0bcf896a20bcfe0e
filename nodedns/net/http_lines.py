"""``LineStream``: an HTTP answer that is sent line by line, while there is something to say.

Strategy: the head goes out with the first line, so that what fails before it can still be answered with an
error. The lines are never compressed: a compressor would hold them back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from nodedns.net.http_machine import AnswerHead

__all__ = ["LINES_OF_JSON", "LINES_OF_TEXT", "LineSink", "LineStream"]

LINES_OF_JSON = "application/x-ndjson"
LINES_OF_TEXT = "text/plain; charset=utf-8"


class LineSink(Protocol):
    """Where an answer in parts goes."""

    async def begin(self, head: AnswerHead) -> None:
        """Send the head."""
        ...

    async def tell(self, part: bytes) -> None:
        """Send a part, or wait until it can be sent."""
        ...

    async def end(self) -> None:
        """Say that no further part comes."""
        ...


class LineStream:
    """One answer.

    Args:
        sink: Sends it.
        headers: Returns those that every answer has.
    """

    def __init__(self, sink: LineSink, headers: Callable[[], Sequence[tuple[str, str]]]) -> None:
        self._sink = sink
        self._headers = headers
        self.is_begun = False
        """Whether the head is out, with status 200."""

    async def begin(self, kind: str) -> None:
        """Send the head, if it is not out, though there is no line yet; ``kind`` is the content's type."""
        if not self.is_begun:
            self.is_begun = True
            told = [pair for pair in self._headers() if pair[0].lower() != "content-type"]
            await self._sink.begin(AnswerHead.of(200, [("Content-Type", kind), *told]))

    async def tell(self, line: bytes) -> None:
        """Send one line or several, newlines included; waits while the client does not read."""
        await self.begin(LINES_OF_JSON)
        await self._sink.tell(line)

    async def end(self) -> None:
        """Say that no further line comes; nothing before the first one."""
        if self.is_begun:
            await self._sink.end()

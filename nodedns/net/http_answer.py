"""``Answer``: a response on its way out, made whole and compressed once, for however many asked the same.

Strategy: what takes long is done piece by piece, each in a turn for which all long answers
wait in one line, so that between two turns of everybody else one piece of one answer is made. Whoever comes while
another makes it waits for that one's work.

Does not send.

Source: Consul's gziphandler for what is compressed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

import attrs
import trio

from nodedns.api.request import Response
from nodedns.net.http_machine import AnswerHead

__all__ = ["GZIP_BYTES", "Answer", "Form", "takes_gzip"]

GZIP_BYTES = 1_400
"""Shorter answers fit one packet and are not compressed (Consul's gziphandler)."""
GZIP_LEVEL = 1
"""Compressing a long list must not keep gossip waiting."""
COMPRESSED_AT_ONCE_BYTES = 65_536
"""In one turn; ours: a millisecond of work."""

_GZIP_WBITS = 31  # zlib's word for a gzip header and trailer around the window of 32 KiB
_CODING = re.compile(r"\s*([^\s;]+)\s*(?:;\s*q=([0-9.]+)\s*)?", re.IGNORECASE)


@attrs.frozen
class Form:
    """An answer as one client takes it.

    Attributes:
        head: With the body's length.
        body: Whole.
    """

    head: AnswerHead
    body: bytes


def takes_gzip(headers: Mapping[str, str]) -> bool:
    """Whether who sent a request with these headers, by lower-case name, takes a compressed answer."""
    text = headers.get("accept-encoding")
    if text is None:
        return False
    for coding in text.split(","):
        found = _CODING.fullmatch(coding)
        if found is not None and found[1].lower() == "gzip":
            return found[2] is None or found[2].strip("0.") != ""
    return False


class Answer:
    """One answer.

    Args:
        response: What is answered.
        common: Headers of every answer, for those that the response has not.
    """

    def __init__(self, response: Response, common: Sequence[tuple[str, str]] = ()) -> None:
        self.status = response.status
        """HTTP status code."""
        present = {name.lower() for name, _ in response.headers}
        self._headers = [*response.headers, *(pair for pair in common if pair[0].lower() not in present)]
        self._parts = [response.body]
        self._rest = response.rest
        self._forms: dict[bool, Form] = {}
        self._lock = trio.Lock()

    async def form(self, *, packs: bool, turns: trio.Lock) -> Form:
        """Return the answer for a client, the same one to all who take it so.

        Args:
            packs: Whether the client takes it compressed.
            turns: Held for each piece of work of some length.
        """
        if self._rest is None and (len(self._parts[0]) < GZIP_BYTES or not packs):
            return self._plain()
        async with self._lock:
            await self._make_whole(turns)
            if not packs or len(self._parts[0]) < GZIP_BYTES:
                return self._plain()
            if True not in self._forms:
                body = await self._packed(turns)
                self._forms[True] = self._with_length(body, ("Content-Encoding", "gzip"))
            return self._forms[True]

    def _plain(self) -> Form:
        if False not in self._forms:
            self._forms[False] = self._with_length(self._parts[0])
        return self._forms[False]

    def _with_length(self, body: bytes, *headers: tuple[str, str]) -> Form:
        told = [*self._headers, *headers, ("Content-Length", str(len(body)))]
        if len(self._parts[0]) >= GZIP_BYTES:
            told.append(("Vary", "Accept-Encoding"))
        return Form(AnswerHead.of(self.status, told), body)

    async def _make_whole(self, turns: trio.Lock) -> None:
        while self._rest is not None:
            async with turns:
                piece = next(self._rest, None)
            if piece is None:
                self._parts, self._rest = [b"".join(self._parts)], None
            else:
                self._parts.append(piece)

    async def _packed(self, turns: trio.Lock) -> bytes:
        body = memoryview(self._parts[0])
        compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WBITS)
        packed = []
        for start in range(0, len(body), COMPRESSED_AT_ONCE_BYTES):
            async with turns:
                packed.append(compressor.compress(body[start : start + COMPRESSED_AT_ONCE_BYTES]))
        packed.append(compressor.flush())
        return b"".join(packed)

"""``Request``, ``Parameters`` and ``Response``: HTTP without a socket.

Strategy: the shell hands over raw bytes of path and query and gets back bytes
to send. A path is decoded once, as a whole, because a node's name may hold
any character, a slash included. A parameter counts as true when it is there,
whatever its value, as Consul's clients expect (``stale``, ``stale=1``).

Does not know any endpoint.

Source: Consul agent/http.go; Go's net/url for what a malformed query is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import unquote_to_bytes

import attrs

from nodedns.errors import ApiError

__all__ = ["Parameters", "Request", "Response", "clean_text"]

MAX_PARAMETERS = 256
"""Pairs in one query string; far above the 64 pairs of node meta that a query may ask for."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SURROGATE = re.compile("[\udc80-\udcff]")


def clean_text(text: str) -> str:
    """Return ``text`` with bytes that are no UTF-8 as U+FFFD, for what is kept and shown."""
    return _SURROGATE.sub("\ufffd", text)


@attrs.frozen
class Parameters:
    """The query string, in the order it was sent."""

    _pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_query_untrusted(cls, query: bytes) -> Parameters:
        """Decode a query string.

        Raises:
            ApiError: Malformed (bad escape, semicolon) or too many pairs; status 500
                without text, as Consul answers.
        """
        text = query.decode("latin-1")
        parts = [part for part in text.split("&") if part] if text else []
        if len(parts) > MAX_PARAMETERS or ";" in text or _BAD_ESCAPE.search(text):
            raise ApiError(500, "")
        return cls(
            tuple((_unescape(key), _unescape(value)) for key, _, value in (part.partition("=") for part in parts))
        )

    def has(self, key: str) -> bool:
        """Whether the key is there, with or without a value."""
        return any(key == present for present, _ in self._pairs)

    def first(self, key: str) -> str:
        """Return the first value of ``key``; empty where it is absent."""
        return next((value for present, value in self._pairs if present == key), "")

    def without(self, keys: Collection[str]) -> tuple[tuple[str, str], ...]:
        """Return the pairs of all other keys, in order."""
        return tuple(pair for pair in self._pairs if pair[0] not in keys)

    def every(self, key: str) -> tuple[str, ...]:
        """Return each value of ``key``, in order."""
        return tuple(value for present, value in self._pairs if present == key)


@attrs.frozen
class Request:
    """One HTTP request, its body read whole.

    Attributes:
        method: In upper case.
        path: Decoded; bytes that are no UTF-8 are escaped surrogates.
        parameters: The query string.
        headers: By lower-case name.
        body: As sent.
        client: IP text of who sent it; empty over a Unix socket.
    """

    method: str
    path: str
    parameters: Parameters = attrs.field(factory=Parameters)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    client: str = ""

    @classmethod
    def from_wire_untrusted(
        cls,
        method: str,
        raw_path: bytes,
        raw_query: bytes,
        headers: Mapping[str, str],
        body: bytes,
        *,
        client: str = "",
    ) -> Request:
        """Build from what the HTTP server read.

        Raises:
            ApiError: The query is malformed, or the path holds characters that cannot be printed.
        """
        path = unquote_to_bytes(raw_path).decode("utf-8", "surrogateescape")
        if not _SURROGATE.sub("", path).isprintable():
            raise ApiError(400, "Invalid URL path: it holds characters that cannot be printed")
        return cls(method, path, Parameters.from_query_untrusted(raw_query), headers, body, client)


@attrs.frozen
class Response:
    """What to send back.

    Attributes:
        status: HTTP status code.
        body: May be empty.
        headers: Name and value, without the length.
        rest: What comes behind ``body``, in pieces that each take a moment to be made, and may be empty; None for
            nothing. Others are to have a turn between them.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    rest: Iterator[bytes] | None = attrs.field(default=None, eq=False)

    def with_headers(self, *headers: tuple[str, str]) -> Response:
        """Return the same response with ``headers`` added."""
        return attrs.evolve(self, headers=self.headers + headers)


def _unescape(text: str) -> str:
    raw = unquote_to_bytes(text.replace("+", " ").encode("latin-1"))
    return raw.decode("utf-8", "surrogateescape")

"""``HttpMachine``: HTTP/1.1 of one connection without the connection; bytes in, requests out, and back.

Strategy: h11 reads and writes, and decides how long a body is and whether the connection may go on. What it
lets pass and a server had better not is refused here: a request with two lengths of its body, by which a proxy before
us could be made to see another request than we do; versions other than 1.x; targets that are no path. After a
refusal nothing more is read.

Offers no HTTP/2, no WebSocket and no tunnel: an ``Upgrade`` is passed over, as RFC 9110 section 7.8 allows.

Source: RFC 9112; Go's net/http for the texts of refusals.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import attrs
import h11

from nodedns.errors import ApiError, shorten

__all__ = ["MAX_HEAD_BYTES", "AnswerHead", "HttpMachine", "RequestHead", "Sign"]

MAX_HEAD_BYTES = 65_536
"""Of a request's head, and of anything else that comes in one line; ours: a token and cookies fit many times."""

_ABSOLUTE = re.compile(rb"https?://[^/?]*", re.IGNORECASE)
_OTHER_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\r(?!\n)")
_QUOTED = re.compile(r":? (?:b['\"]|bytearray\()")
_PUNCTUATION_BYTES = len(": \r\n")
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class Sign(enum.Enum):
    """What there is instead of a part of a request."""

    MORE = "more bytes are needed"
    END = "the request is whole"
    GONE = "the client has closed"


@attrs.frozen
class RequestHead:
    """A request as far as it came before its body.

    Attributes:
        method: As sent.
        path: Raw, from the slash on, or ``*``.
        query: Raw, what stands behind the question mark.
        headers: By lower-case name; of several of one name the first, as Consul takes them.
        length: Bytes of the body, as far as they are told beforehand.
    """

    method: str
    path: bytes
    query: bytes
    headers: Mapping[str, str]
    length: int = 0


@attrs.frozen(eq=False)
class AnswerHead:
    """Status and headers of an answer, checked once, for any number of connections.

    Attributes:
        status: HTTP status code.
        written: The head as bytes, on a connection that goes on.
    """

    status: int
    written: bytes
    _pairs: Sequence[tuple[bytes, bytes]]

    @classmethod
    def of(cls, status: int, headers: Sequence[tuple[str, str]]) -> AnswerHead:
        """Build from names and values.

        Without ``Content-Length`` the answer comes in parts, to the connection's end where the client
        understands nothing else.

        Raises:
            ValueError: One would end its line, or is not Latin-1.
        """
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        lines = [b"HTTP/1.1 %d %b" % (status, _REASONS.get(status, b"")), *map(b"%b: %b".__mod__, pairs), b"", b""]
        written = b"\r\n".join(lines)
        if _OTHER_CONTROLS.search(written) or written.count(b"\n") != len(lines) - 1:
            raise ValueError(f"no headers: {shorten(headers)}")
        return cls(status, written, pairs)

    def event(self, *, is_last: bool) -> h11.Response:
        """Return it for h11, with the word that the connection ends where it does."""
        closing = [(b"Connection", b"close")] if is_last else []
        reason = _REASONS.get(self.status, b"")
        return h11.Response(status_code=self.status, headers=[*self._pairs, *closing], reason=reason)


class HttpMachine:
    """One connection, from the first byte to the last."""

    def __init__(self) -> None:
        self._h11 = _fresh()
        self._is_between = True
        self._is_ended = False
        self._is_head_asked = False
        self._is_answered = False
        self._refusal: ApiError | None = None

    def receive(self, data: bytes) -> None:
        """Take bytes of the client; empty at the end of what it sends. Nothing comes after that."""
        if not self._is_ended:
            self._is_ended = not data
            self._take(data)

    def _take(self, data: bytes) -> None:
        if self._is_between and data:
            # RFC 9112 section 2.2: clients of old send a line more behind a body. Go's server lets it pass, too.
            data = data.lstrip(b"\r\n")
            if not data:
                return
            self._is_between = False
        self._h11.receive_data(data)

    def next(self) -> RequestHead | bytes | Sign:
        """Return the head of a request, then the parts of its body, then ``END``, until ``start_next``.

        Raises:
            ApiError: The client breaks the rules; this is to be its answer, and the last one.
        """
        if self._refusal is not None:
            raise self._refusal
        try:
            return self._next()
        except ApiError as error:
            self._refusal = error
            raise

    def _next(self) -> RequestHead | bytes | Sign:
        try:
            event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            if self._is_ended:
                return Sign.GONE
            # What h11 quotes of the client is as long as the client likes.
            raise _refusal(error.error_status_hint, _QUOTED.split(str(error))[0]) from None
        if event is h11.NEED_DATA:
            return Sign.MORE
        if isinstance(event, h11.Data):
            return bytes(event.data)
        if isinstance(event, h11.Request):
            self._is_head_asked = event.method == b"HEAD"
            return _head(event)
        return Sign.GONE if isinstance(event, h11.ConnectionClosed) else Sign.END

    @property
    def is_fully_read(self) -> bool:
        """Whether the request came to its end, so that nothing of it can come any more."""
        return self._refusal is None and self._h11.their_state not in {h11.SEND_BODY, h11.ERROR}

    @property
    def is_asked_to_go_on(self) -> bool:
        """Whether the client waits to be told so before it sends its body."""
        return self._h11.they_are_waiting_for_100_continue

    def go_on(self) -> bytes:
        """Return what tells the client to send its body."""
        return self._h11.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))

    def answer(self, head: AnswerHead, body: bytes, *, is_last: bool = False) -> list[bytes]:
        """Return what is sent of a whole answer, the body uncopied.

        Args:
            head: Of the answer, with the length of ``body``.
            body: Whole.
            is_last: Whether the connection ends with it.
        """
        if is_last or self._is_head_asked or self._h11.their_state is not h11.DONE:
            return [self.begin(head, is_last=is_last), *self.part(body), self.end()]
        # The request is whole and the connection goes on: there is nothing that h11 would have to decide or remember.
        self._is_answered = True
        return [head.written, body]

    def begin(self, head: AnswerHead, *, is_last: bool = False) -> bytes:
        """Return an answer's head.

        Args:
            head: Of the answer.
            is_last: Whether the connection ends with it.
        """
        return self._h11.send(head.event(is_last=is_last))

    def part(self, data: bytes) -> list[bytes]:
        """Return what is sent of a part of the answer's body, the part itself uncopied; nothing to a HEAD."""
        if self._is_head_asked or not data:
            return []
        return [bytes(each) for each in self._h11.send_with_data_passthrough(h11.Data(data=data)) or () if each]

    def end(self) -> bytes:
        """Return the end of the answer, often nothing."""
        return self._h11.send(h11.EndOfMessage())

    def start_next(self) -> bool:
        """Go on to the next request; False if there can be none."""
        is_over = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        if not (self._is_answered or is_over):
            return False
        data, is_ended = self._h11.trailing_data
        self._h11, self._is_answered, self._is_between, self._is_head_asked = _fresh(), False, True, False
        if data:
            self._take(data)
        if is_ended:
            self._h11.receive_data(b"")
        return True


def _fresh() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)


def _head(event: h11.Request) -> RequestHead:
    headers: dict[str, str] = {}
    size = len(event.target)
    for name, value in event.headers:
        size += len(name) + len(value) + _PUNCTUATION_BYTES
        headers.setdefault(name.decode("ascii"), value.decode("latin-1"))
    if size > MAX_HEAD_BYTES:
        # h11 counts what has not come to its end, and this head may have come at once.
        raise _refusal(431, "request head too long")
    _check(event, headers)
    target = event.target
    absolute = _ABSOLUTE.match(target)
    if absolute is not None:
        target = target[absolute.end() :]
        target = target if target.startswith(b"/") else b"/" + target
    # RFC 9112 section 3.2.4: the asterisk is for OPTIONS alone.
    if not target.startswith(b"/") and (target, event.method) != (b"*", b"OPTIONS"):
        raise _refusal(400, "invalid request target")
    path, _, query = target.partition(b"?")
    return RequestHead(event.method.decode("ascii"), path, query, headers, int(headers.get("content-length", "0")))


def _check(event: h11.Request, headers: Mapping[str, str]) -> None:
    if not event.http_version.startswith(b"1."):
        raise _refusal(505, "unsupported protocol version")
    if event.method == b"CONNECT":
        raise _refusal(405, "there is no tunnel here")
    if "transfer-encoding" in headers and ("content-length" in headers or event.http_version == b"1.0"):
        # RFC 9112 section 6.1: whoever reads the other length sees another request behind this one.
        raise _refusal(400, "the length of the body is told in two ways")


def _refusal(status: int, reason: str) -> ApiError:
    return ApiError(status, f"{status} {HTTPStatus(status).phrase}: {reason}")

"""The bytes of an HTTP connection, however they are cut, with every request answered in either way.

The first byte says how they are cut. The same requests are read whole and in pieces; an answer is
the same bytes sent at once and in parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from nodedns.api.request import Request
from nodedns.errors import ApiError
from nodedns.net.http_answer import takes_gzip
from nodedns.net.http_machine import MAX_HEAD_BYTES, AnswerHead, HttpMachine, RequestHead, Sign
from nodedns.testing.fuzzing.demands import demand

__all__ = ["checked_connection"]

BODY = b"hello"
HELLO = AnswerHead.of(203, [("Content-Type", "text/plain"), ("Content-Length", "5")])
MAX_REFUSAL_BYTES = 200


def checked_connection(data: bytes) -> str:
    """Take the bytes of one connection; return how it ended, in a word.

    Raises:
        AssertionError: Something does not hold; any other error is one, too.
    """
    size, stream = data[0] % 16 + 1 if data else 1, data[1:]
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    whole = _conversation([stream] if stream else [], at_once=True)
    demand(whole == _conversation(pieces, at_once=True), "other requests where they come in pieces")
    demand(whole == _conversation(pieces, at_once=False), "another answer where it goes in parts")
    bodies = sum(len(event) for kind, event in whole if kind == "body" and isinstance(event, bytes))
    demand(bodies <= len(stream), "more body than came")
    return whole[-1][0]


def _conversation(pieces: Sequence[bytes], *, at_once: bool) -> list[tuple[str, object]]:
    """Return what a server takes from a client and says to it, parts of bodies joined."""
    machine = HttpMachine()
    seen: list[tuple[str, object]] = []
    waiting = [*pieces, b""]
    while True:
        try:
            event = machine.next()
        except ApiError as error:
            seen.append(("refused", _refusal(machine, error, at_once=at_once)))
            return seen
        match event:
            case Sign.MORE:
                _give_more(machine, waiting)
            case Sign.END:
                demand(machine.is_fully_read, "a whole request that is not read to its end")
                seen.append(("answer", _answer(machine, HELLO, BODY, at_once=at_once, is_last=False)))
                if not machine.start_next():
                    return [*seen, ("closed", b"")]
            case Sign.GONE:
                return [*seen, ("gone", b"")]
            case bytes():
                _add_part(seen, event)
            case RequestHead():
                _check_head(event)
                seen.append(("head", event))


def _give_more(machine: HttpMachine, waiting: list[bytes]) -> None:
    demand(waiting, "more is wanted after the end")
    if machine.is_asked_to_go_on:
        # Whoever sends a body at once does not wait for it.
        demand(machine.go_on().startswith(b"HTTP/1.1 100 "), "no word to go on")
    machine.receive(waiting.pop(0))


def _add_part(seen: list[tuple[str, object]], part: bytes) -> None:
    demand(part, "a part without bytes")
    kind, before = seen[-1]
    if kind == "body" and isinstance(before, bytes):
        seen[-1] = kind, before + part
    else:
        seen.append(("body", part))


def _check_head(head: RequestHead) -> None:
    size = len(head.path) + len(head.query) + sum(len(name) + len(value) for name, value in head.headers.items())
    demand(size <= MAX_HEAD_BYTES, "a head above the limit")
    demand(head.path[:1] == b"/" or head.path == b"*", "a path without its slash")
    demand(b"?" not in head.path and head.length >= 0, "a path with its query, or a body of less than nothing")
    takes_gzip(head.headers)
    with suppress(ApiError):
        Request.from_wire_untrusted(head.method, head.path, head.query, head.headers, b"")
    demand(all(name == name.lower() for name in head.headers), "a header that is not found by its name")


def _refusal(machine: HttpMachine, error: ApiError, *, at_once: bool) -> bytes:
    demand(400 <= error.status < 600, "a refusal that says all is well")
    text = error.message.encode("ascii")
    demand(len(text) <= MAX_REFUSAL_BYTES and error.message.isprintable(), "a refusal that quotes what came")
    demand(not machine.is_fully_read, "more is read after a refusal")
    head = AnswerHead.of(error.status, [("Content-Length", str(len(text)))])
    return _answer(machine, head, text, at_once=at_once, is_last=True)


def _answer(machine: HttpMachine, head: AnswerHead, body: bytes, *, at_once: bool, is_last: bool) -> bytes:
    if at_once:
        return b"".join(machine.answer(head, body, is_last=is_last))
    half = len(body) // 2
    begun = machine.begin(head, is_last=is_last)
    return b"".join([begun, *machine.part(body[:half]), *machine.part(body[half:]), machine.end()])

"""HTTP/1.1 by hand: what is read of a client's bytes, what is refused, and what is sent."""

from __future__ import annotations

import pytest

from nodedns.errors import ApiError
from nodedns.net.http_machine import MAX_HEAD_BYTES, AnswerHead, HttpMachine, RequestHead, Sign

HELLO = AnswerHead.of(200, [("Content-Type", "text/plain"), ("Content-Length", "5")])
IN_PARTS = AnswerHead.of(200, [("Content-Type", "text/plain")])


def fed(*data: bytes) -> HttpMachine:
    machine = HttpMachine()
    for part in data:
        machine.receive(part)
    return machine


def refusal(*data: bytes) -> ApiError:
    """Return how a client is refused, wherever in its request it happens."""
    machine = fed(*data)
    events: list[object] = []
    with pytest.raises(ApiError) as raised:
        events.extend(iter(machine.next, Sign.MORE))
    with pytest.raises(ApiError):
        machine.next()
    return raised.value


def body_of(*data: bytes) -> bytes:
    machine = fed(*data)
    assert isinstance(machine.next(), RequestHead)
    body = b""
    while isinstance(event := machine.next(), bytes):
        body += event
    assert event is Sign.END
    return body


def answered(machine: HttpMachine, head: AnswerHead = HELLO, *parts: bytes, is_last: bool = False) -> bytes:
    sent = [machine.begin(head, is_last=is_last)]
    for part in parts or (b"hello",):
        sent += machine.part(part)
    return b"".join([*sent, machine.end()])


# --- what is read ------------------------------------------------------------------------


def test_request_is_taken_apart() -> None:
    machine = fed(
        b"PUT /v1/kv/a%20b?x=1&y HTTP/1.1\r\nHost: x\r\nX-Token: one\r\nx-token: two\r\nContent-Length: 3\r\n\r\nabc"
    )
    head = RequestHead(
        "PUT", b"/v1/kv/a%20b", b"x=1&y", {"host": "x", "x-token": "one", "content-length": "3"}, length=3
    )
    assert [head, b"abc", Sign.END] == [machine.next() for _ in range(3)]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://one.example:8500/v1/a?b", b"/v1/a"),
        (b"HTTPS://one.example", b"/"),
        (b"http://one.example?b", b"/"),
        (b"//one.example/v1", b"//one.example/v1"),
        (b"*", b"*"),
    ],
)
def test_target_may_be_a_whole_url(target: bytes, path: bytes) -> None:
    head = fed(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n").next()
    assert isinstance(head, RequestHead)
    assert path == head.path


def test_what_is_no_request_is_refused_with_its_reason_behind_a_head_request_too() -> None:
    machine = fed(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n")
    assert isinstance(machine.next(), RequestHead)
    assert Sign.END is machine.next()
    machine.answer(HELLO, b"hello")
    assert machine.start_next()
    with pytest.raises(ApiError):
        machine.next()
    assert b"hello" == machine.answer(HELLO, b"hello", is_last=True)[1]


@pytest.mark.parametrize("between", [b"\r\n", b"\r\n\r\n\n"])
@pytest.mark.parametrize("step", [1, 3, 1_000], ids="cut every {}".format)
def test_blank_lines_before_a_request_are_passed_over(between: bytes, step: int) -> None:
    data = b"PUT /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab".join([between, between])
    data += b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
    machine = HttpMachine()
    paths = []
    for start in range(0, len(data), step):
        machine.receive(data[start : start + step])
        while (event := machine.next()) is not Sign.MORE:
            if isinstance(event, RequestHead):
                paths.append(event.path)
            if event is Sign.END:
                machine.answer(HELLO, b"hello")
                machine.start_next()
    assert [b"/1", b"/2"] == paths


@pytest.mark.parametrize("size", [b"3", b"003", b"3;name=value", b"3 "], ids=["plain", "zeros", "extension", "blank"])
def test_chunks_are_a_body(size: bytes) -> None:
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"abcde" == body_of(head + size + b"\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: passed over\r\n\r\n")


def test_equal_lengths_are_one_length() -> None:
    assert b"abc" == body_of(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc")


def test_folded_header_is_one_line() -> None:
    head = fed(b"GET / HTTP/1.1\r\nHost: x\r\nX-Consul-Token: a\r\n  Transfer-Encoding: chunked\r\n\r\n").next()
    assert isinstance(head, RequestHead)
    assert {"host": "x", "x-consul-token": "a Transfer-Encoding: chunked"} == head.headers


def test_client_that_closes_between_requests_is_gone() -> None:
    assert Sign.GONE is fed(b"").next()


@pytest.mark.parametrize("begun", [b"GET", b"GET / HTTP/1.1\r\nHost", b"\r\n"])
def test_client_that_closes_amid_a_head_is_gone(begun: bytes) -> None:
    assert Sign.GONE is fed(begun, b"").next()


def test_client_that_closes_amid_a_body_is_gone() -> None:
    machine = fed(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", b"")
    assert isinstance(machine.next(), RequestHead)
    assert [b"ab", Sign.GONE] == [machine.next(), machine.next()]


# --- what is refused -----------------------------------------------------------------------

BOTH = b"Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
MALFORMED = {
    "two lengths": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "length that is a list of two": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 4\r\n\r\nabc",
    "length below nothing": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length with a sign": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
    "length of another base": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc",
    "length and chunks": b"PUT / HTTP/1.1\r\n" + BOTH,
    "chunks in HTTP/1.0": b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "blank before a colon": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc",
    "fold before any header": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nHost: x\r\nX\0: a\r\n\r\n",
    "NUL in a target": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 3\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "bad method": b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes that are no letters": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "blank in a target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "target that is no path": b"GET one.example:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "asterisk for another method than OPTIONS": b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
    "chunk that is no number": b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "chunk below nothing": b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "chunk longer than any": b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 21 + b"\r\n",
    "chunk that is longer than it says": b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request_is_400(name: str) -> None:
    error = refusal(MALFORMED[name])
    assert 400 == error.status
    assert error.message.startswith("400 Bad Request: ")


@pytest.mark.parametrize(
    ("status", "request_bytes"),
    [
        (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (505, b"GET / HTTP/0.9\r\nHost: x\r\n\r\n"),
        (405, b"CONNECT one.example:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
        (501, b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        (501, b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
)
def test_what_is_not_offered_has_a_status_of_its_own(status: int, request_bytes: bytes) -> None:
    assert status == refusal(request_bytes).status


@pytest.mark.parametrize(
    ("text", "request_bytes"),
    [
        (
            "501 Not Implemented: Only Transfer-Encoding: chunked is supported",
            b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        ),
        ("400 Bad Request: Missing mandatory Host: header", b"GET / HTTP/1.1\r\n\r\n"),
        ("400 Bad Request: illegal request line", b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("400 Bad Request: illegal header line", b"GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n"),
        (
            "400 Bad Request: illegal chunk header",
            b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusal_is_a_whole_sentence_that_quotes_nothing_of_the_client(text: str, request_bytes: bytes) -> None:
    assert text == refusal(request_bytes).message


@pytest.mark.parametrize(
    "endless",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
        b"GET /",
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=",
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: ",
    ],
    ids=["header", "target", "extension", "trailer"],
)
def test_line_without_end_is_431(endless: bytes) -> None:
    assert 431 == refusal(endless + b"x" * MAX_HEAD_BYTES).status


# --- what is sent --------------------------------------------------------------------------


def test_answer_and_the_next_request() -> None:
    machine = fed(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n")
    paths = []
    for _ in range(2):
        head = machine.next()
        assert isinstance(head, RequestHead)
        paths.append(head.path)
        assert Sign.END is machine.next()
        assert b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello" == answered(machine)
        assert machine.start_next()
    assert ([b"/a", b"/b"], Sign.MORE) == (paths, machine.next())


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
)  # fmt: skip
def test_connection_ends_where_the_client_has_it_so(request_bytes: bytes) -> None:
    machine = fed(request_bytes)
    assert [True, True] == [isinstance(machine.next(), RequestHead), machine.next() is Sign.END]
    assert b"\r\nConnection: close\r\n" in answered(machine)
    assert not machine.start_next()


def test_last_answer_says_so() -> None:
    machine = fed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    machine.next()
    machine.next()
    assert 1 == answered(machine, is_last=True).lower().count(b"\r\nconnection: close\r\n")
    assert not machine.start_next()


def test_head_is_answered_without_a_body() -> None:
    machine = fed(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    machine.next()
    machine.next()
    assert answered(machine).endswith(b"\r\nContent-Length: 5\r\n\r\n")
    assert machine.start_next()


def test_answer_in_parts_is_chunked() -> None:
    machine = fed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    machine.next()
    machine.next()
    sent = answered(machine, IN_PARTS, b"one", b"", b"three")
    assert sent.endswith(b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n")


def test_answer_in_parts_ends_with_the_connection_in_http_1_0() -> None:
    machine = fed(b"GET / HTTP/1.0\r\n\r\n")
    machine.next()
    machine.next()
    sent = answered(machine, IN_PARTS, b"one", b"three")
    assert sent.endswith(b"\r\nConnection: close\r\n\r\nonethree")
    assert b"chunked" not in sent


def test_client_that_asks_whether_to_send_its_body_is_told_to() -> None:
    machine = fed(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    machine.next()
    assert machine.is_asked_to_go_on
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == machine.go_on()
    machine.receive(b"ab")
    assert (b"ab", False) == (machine.next(), machine.is_asked_to_go_on)


@pytest.mark.parametrize("request_bytes", [MALFORMED["two lengths"], MALFORMED["TLS"], MALFORMED["length and chunks"]])
def test_refused_client_can_be_told(request_bytes: bytes) -> None:
    machine = fed(request_bytes)
    with pytest.raises(ApiError):
        machine.next()
    assert answered(machine, is_last=True).startswith(b"HTTP/1.1 200 OK\r\n")
    assert not machine.start_next()


@pytest.mark.parametrize(
    "headers", [[b"X: " + b"x" * 70_000], [b"X-%d: y" % n for n in range(7_000)]], ids=["long", "many"]
)
def test_head_that_comes_at_once_has_the_same_limit(headers: list[bytes]) -> None:
    assert 431 == refusal(b"\r\n".join([b"GET / HTTP/1.1", b"Host: x", *headers, b"\r\n"])).status


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nb", "a\rb", "a\0", "\r\n", "\u20ac"])
def test_header_of_ours_cannot_hold_a_line_end(value: str) -> None:
    with pytest.raises(ValueError, match=r"no headers|latin-1"):
        AnswerHead.of(200, [("X", value)])

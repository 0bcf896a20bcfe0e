"""Whatever bytes come, and however they are cut: the same requests are read, and nothing but a refusal is raised."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import ApiError
from nodedns.net.http_machine import AnswerHead, HttpMachine, RequestHead, Sign

NOTHING = AnswerHead.of(200, [("Content-Length", "0")])
HELLO = AnswerHead.of(203, [("Content-Type", "text/plain"), ("Content-Length", "5")])
MAX_STEPS = 1_000

TOKENS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=8).map(str.encode)
TARGETS = st.text("abc/%?=&;.", max_size=20).map(lambda text: b"/" + text.encode())
VALUES = st.text("abc 019,;=-", max_size=20).map(lambda text: text.strip().encode())
BODIES = st.binary(max_size=40)


@st.composite
def good_requests(draw: st.DrawFn) -> bytes:
    """Draw a request with a body, told in either way."""
    method = draw(TOKENS.filter(lambda name: name != b"CONNECT"))
    lines = [method + b" " + draw(TARGETS) + b" HTTP/1.1", b"Host: x", b"X-Any: " + draw(VALUES)]
    parts = draw(st.lists(BODIES.filter(bool), max_size=4))
    if draw(st.booleans()):
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", chunks + b"0\r\n\r\n"])
    body = b"".join(parts)
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


PIECES = st.sampled_from(
    [b"GET ", b"PUT ", b"/", b"*", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: x\r\n", b"\r\n", b"\n", b"\r", b"\0",
     b"Content-Length: 3\r\n", b"Content-Length: 4\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n",
     b"Connection: close\r\n", b"Upgrade: h2c\r\n", b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b" ", b":", b"http://x"]
)  # fmt: skip
ANY = st.one_of(
    st.binary(max_size=200),
    st.lists(PIECES, max_size=30).map(b"".join),
    st.lists(good_requests(), max_size=3).map(b"".join),
)


def conversation(pieces: list[bytes]) -> list[object]:
    """Return what a server takes from a client, each request answered when it is whole, parts of bodies joined."""
    machine = HttpMachine()
    seen: list[object] = []
    waiting = [*pieces, b""]
    for _ in range(MAX_STEPS):
        try:
            event = machine.next()
        except ApiError as error:
            return [*seen, error.status]
        match event:
            case Sign.MORE:
                machine.receive(waiting.pop(0))
            case Sign.END:
                seen += [event, b"".join(machine.answer(NOTHING, b""))]
                if not machine.start_next():
                    return seen
            case Sign.GONE:
                return [*seen, event]
            case bytes():
                before = seen[-1]
                if isinstance(before, bytes):
                    seen[-1] = before + event
                else:
                    seen.append(event)
            case RequestHead():
                seen.append(event)
    raise AssertionError("no end")


@given(ANY, st.data())
def test_cuts_make_no_difference(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    whole = conversation([data] if data else [])
    assert whole == conversation([piece for piece in pieces if piece])
    assert whole == conversation([data[at : at + 1] for at in range(len(data))])


@given(good_requests(), st.booleans())
def test_whole_answer_is_what_it_is_in_parts(request: bytes, is_last: bool) -> None:
    at_once, in_parts = HttpMachine(), HttpMachine()
    for machine in (at_once, in_parts):
        machine.receive(request + b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
        while machine.next() is not Sign.END:
            pass
    parts = [in_parts.begin(HELLO, is_last=is_last), *in_parts.part(b"hello"), in_parts.end()]
    assert b"".join(parts) == b"".join(at_once.answer(HELLO, b"hello", is_last=is_last))
    assert in_parts.start_next() == at_once.start_next() == (not is_last)
    assert is_last or in_parts.next() == at_once.next()


@given(st.lists(good_requests(), min_size=1, max_size=4))
def test_good_requests_are_all_read(requests: list[bytes]) -> None:
    seen = conversation([b"".join(requests)])
    assert len(requests) == sum(isinstance(event, RequestHead) for event in seen)
    assert Sign.GONE is seen[-1]


@given(good_requests(), PIECES, st.data())
def test_a_request_with_something_put_in_is_read_or_refused(request: bytes, put_in: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(request)))
    conversation([request[:at] + put_in + request[at:]])

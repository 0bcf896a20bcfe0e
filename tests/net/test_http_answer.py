"""Answers: whole, compressed for who takes it, and made once for all who share them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from nodedns.api.request import Response
from nodedns.net.http_answer import GZIP_BYTES, Answer, Form, takes_gzip
from nodedns.net.http_machine import HttpMachine

LONG = b"0123456789" * 1_000


def told(form: Form) -> list[bytes]:
    """Return the lines of an answer's head."""
    machine = HttpMachine()
    machine.receive(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    machine.next()
    return machine.begin(form.head).split(b"\r\n")[:-2]


async def made(answer: Answer, *, packs: bool = False) -> Form:
    return await answer.form(packs=packs, turns=trio.Lock())


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        (None, False),
        ("gzip", True),
        ("deflate, GZIP ;q=0.5", True),
        ("br, gzip;q=0, deflate", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0.001", True),
        ("x-gzip, identity", False),
        ("*", False),
        (",,;;q=,", False),
    ],
)
def test_compression_is_for_who_takes_it(text: str | None, takes: bool) -> None:
    assert takes == takes_gzip({} if text is None else {"accept-encoding": text})


async def test_short_answer_has_its_length_and_the_common_headers_that_it_lacks() -> None:
    response = Response(200, b"true", (("Content-Type", "application/json"),))
    form = await made(Answer(response, (("content-type", "text/html"), ("X-Any", "one"))), packs=True)
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"X-Any: one", b"Content-Length: 4"]
    assert (lines, b"true") == (told(form), form.body)


async def test_long_answer_is_compressed_for_some_and_plain_for_others() -> None:
    answer = Answer(Response(200, LONG))
    packed, plain = await made(answer, packs=True), await made(answer)
    assert LONG == plain.body == gzip.decompress(packed.body)
    assert [b"Content-Length: 10000", b"Vary: Accept-Encoding"] == told(plain)[1:]
    assert [b"Content-Encoding: gzip", b"Content-Length: %d" % len(packed.body)] == told(packed)[1:3]


async def test_forms_are_made_once() -> None:
    answer = Answer(Response(200, LONG))
    assert await made(answer) is await made(answer)
    assert await made(answer, packs=True) is await made(answer, packs=True)


@pytest.mark.parametrize("size", [GZIP_BYTES - 1, GZIP_BYTES])
async def test_what_fits_a_packet_is_not_compressed(size: int) -> None:
    form = await made(Answer(Response(200, b"x" * size)), packs=True)
    assert (size == GZIP_BYTES) == (b"Content-Encoding: gzip" in told(form))


async def test_pieces_are_taken_once_however_many_share_them() -> None:
    taken = 0

    def rest() -> Iterator[bytes]:
        nonlocal taken
        for number in range(5):
            taken += 1
            yield b"%d" % number

    answer, turns = Answer(Response(200, b"x", rest=rest())), trio.Lock()
    bodies: list[bytes] = []

    async def take() -> None:
        bodies.append((await answer.form(packs=False, turns=turns)).body)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(take)
    assert ([b"x01234"] * 3, 5) == (bodies, taken)


async def test_one_who_goes_while_making_leaves_the_work_to_the_others() -> None:
    answer, turns = Answer(Response(200, b"x", rest=iter([b"0", b"1", b"2"]))), trio.Lock()
    bodies: list[bytes] = []

    async def take() -> None:
        bodies.append((await answer.form(packs=False, turns=turns)).body)

    async def begin_and_go(scope: trio.CancelScope) -> None:
        with scope:
            await answer.form(packs=False, turns=turns)

    async with trio.open_nursery() as nursery:
        await turns.acquire()
        scope = trio.CancelScope()
        nursery.start_soon(begin_and_go, scope)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        turns.release()
    assert [b"x012"] == bodies

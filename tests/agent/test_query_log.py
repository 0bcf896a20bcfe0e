"""The query log: what a line holds, that no client can break out of it, and its bound."""

from __future__ import annotations

import io
from collections.abc import Iterator

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.agent.query_log import WINDOW_LINES, WINDOW_S, QueryLog
from nodedns.dns.question import Rcode, RRType, Transport
from nodedns.dns.responder import Drop, DropReason, Reply
from nodedns.model.address import Address
from nodedns.testing.log_lines import log_lines

CLIENT = Address.from_text("2001:db8::7", 5353)
ANSWER = bytes.fromhex("1234 8580 0001 0000 0000 0000")
REPLY = Reply(ANSWER, Rcode.NXDOMAIN, RRType.AAAA)


def query(*labels: bytes) -> bytes:
    name = b"".join(bytes([len(label)]) + label for label in labels)
    return bytes.fromhex("1234 0100 0001 0000 0000 0000") + name + b"\x00\x00\x1c\x00\x01"


@attrs.define
class Desk:
    """A query log, its clock, and the stream it ends in."""

    stream: io.StringIO
    now: float = 100.0
    log: QueryLog = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.log = QueryLog(lambda: self.now)

    def ask(self, wire: bytes = query(b"web"), outcome: Reply | Drop = REPLY) -> None:
        self.log.note(wire, CLIENT, Transport.UDP, outcome, 0.000123)

    def lines(self) -> list[str]:
        return [line.partition(" [INFO]  ")[2] for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with log_lines("warn") as stream:
        desk = Desk(stream)
        yield desk
        desk.log.switch(is_on=False)


def test_a_line_tells_all_of_a_query(desk: Desk) -> None:
    desk.log.switch(is_on=True)

    desk.ask(query(b"wEb", b"node", b"consul"))

    assert desk.lines()[1] == (
        "agent.dns.query: query: client=[2001:db8::7]:5353 transport=udp name=wEb.node.consul. type=AAAA"
        " rcode=NXDOMAIN flags=qr,aa,rd,ra query_bytes=33 reply_bytes=12 took=123us"
    )


def test_nothing_is_told_while_it_is_off(desk: Desk) -> None:
    desk.ask()
    desk.log.switch(is_on=True)
    desk.log.switch(is_on=False)
    desk.ask()

    assert desk.lines() == ["agent.dns.query: query log is on", "agent.dns.query: query log is off"]


def test_switching_it_to_what_it_is_says_nothing(desk: Desk) -> None:
    desk.log.switch(is_on=False)
    desk.log.switch(is_on=True)
    desk.log.switch(is_on=True)

    assert len(desk.lines()) == 1
    assert desk.log.is_on


def test_a_query_that_was_not_read_has_no_name(desk: Desk) -> None:
    desk.log.switch(is_on=True)

    desk.ask(b"\x12\x34\x01\x00garbage.", Reply(ANSWER, Rcode.FORMERR))

    assert "name=- type=- rcode=FORMERR" in desk.lines()[1]


def test_a_drop_is_told_with_its_reason(desk: Desk) -> None:
    desk.log.switch(is_on=True)

    desk.ask(b"\x12", Drop(DropReason.SHORT))

    assert "dropped: client=[2001:db8::7]:5353 transport=udp reason=short query_bytes=1" in desk.lines()[1]


def test_a_type_without_a_name_is_told_by_its_number(desk: Desk) -> None:
    desk.log.switch(is_on=True)

    desk.ask(outcome=Reply(ANSWER, Rcode.NOERROR, 65280))

    assert "type=TYPE65280" in desk.lines()[1]


@pytest.mark.parametrize(("number", "told"), [(3, "CH"), (4, "HS"), (254, "NONE"), (255, "ANY"), (666, "CLASS666")])
def test_a_class_other_than_in_is_told(desk: Desk, number: int, told: str) -> None:
    desk.log.switch(is_on=True)

    desk.ask(query(b"version", b"bind")[:-2] + number.to_bytes(2, "big") + b"an OPT record")

    assert f"name=version.bind. class={told} type=AAAA" in desk.lines()[1]


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3))
def test_no_name_breaks_its_line(labels: list[bytes]) -> None:
    with log_lines("info") as stream:
        log = QueryLog(lambda: 0.0)
        log.switch(is_on=True)
        log.note(query(*labels), CLIENT, Transport.UDP, REPLY, 0.0)
        log.switch(is_on=False)
    text = stream.getvalue()
    assert text.count("\n") == 3
    assert text.replace("\n", "").isascii()
    assert text.replace("\n", "").isprintable()


def test_lines_past_the_bound_are_held_back_and_their_number_is_told(desk: Desk) -> None:
    desk.log.switch(is_on=True)
    for _ in range(WINDOW_LINES + 7):
        desk.ask()
    assert len(desk.lines()) == 1 + WINDOW_LINES

    desk.now += WINDOW_S
    desk.ask()

    assert desk.lines()[-1].endswith(" suppressed=7")
    assert (WINDOW_LINES + 1, 7) == (desk.log.state().lines, desk.log.state().suppressed)


def test_lines_held_back_are_told_when_it_goes_off(desk: Desk) -> None:
    desk.log.switch(is_on=True)
    for _ in range(WINDOW_LINES + 3):
        desk.ask()

    desk.log.switch(is_on=False)

    assert desk.lines()[-1] == "agent.dns.query: query log is off: suppressed=3"

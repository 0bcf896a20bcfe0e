"""Who is limited, what is sent instead, and what is counted and logged of it."""

from __future__ import annotations

import logging

import attrs
import dns.flags
import dns.message
import pytest

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Rcode
from nodedns.dns.rate_limit import ERROR_CLASS, RateLimitPolicy, Verdict
from nodedns.dns.responder import Reply
from nodedns.model.address import Address
from nodedns.net.dns_limits import DnsLimits
from nodedns.observe.metrics import DNS_LIMITED, Metrics

SECRET = bytes(16)
CLIENT = Address.from_text("192.0.2.7", 4000)
QUERY = dns.message.make_query("foo.node.consul", "A", use_edns=0)
QUERY_BYTES = len(QUERY.to_wire())


def reply_of(size: int = 2, *, is_proved: bool = False, kind: bytes = b"pfoo") -> Reply:
    message = dns.message.make_response(QUERY)
    message.answer.append(
        dns.rrset.from_text_list(QUERY.question[0].name, 0, "IN", "TXT", [f"{number:050}" for number in range(size)])
    )
    return Reply(message.to_wire(), Rcode.NOERROR, 16, keys=("node:foo",), is_proved=is_proved, kind=kind)


class Desk:
    """Limits of two responses a second, asked at a time that the test sets."""

    def __init__(self, *, rate: int = 2, slip: int = 2, amplification: int = 0) -> None:
        policy = DnsPolicy(
            amplification_limit=amplification, rate_limit=RateLimitPolicy(responses_per_second=rate, slip=slip)
        )
        self.now = 100.0
        self.metrics = Metrics()
        self.limits = DnsLimits(policy, SECRET, self.metrics, lambda: self.now)

    def passed(self, reply: Reply | None = None, client: Address = CLIENT) -> bytes | None:
        return self.limits.passed(reply or reply_of(), client, QUERY_BYTES)

    def limited(self) -> dict[str, int]:
        return self.metrics.counts(DNS_LIMITED)


def test_rate_is_sent_then_dropped_and_slipped() -> None:
    desk = Desk()
    reply = reply_of()
    first, second, third, fourth = (desk.passed(reply) for _ in range(4))
    assert reply.wire == first == second
    assert third is None
    assert fourth is not None
    slipped = dns.message.from_wire(fourth)
    assert QUERY.is_response(slipped)
    assert slipped.flags & dns.flags.TC
    assert ([], 0) == (slipped.answer, slipped.edns)
    assert {"drop": 1, "slip": 1} == desk.limited()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1"])
def test_exempt_client_is_never_limited(host: str) -> None:
    desk, reply = Desk(amplification=1), reply_of(9)
    assert [reply.wire] * 20 == [desk.passed(reply, Address.from_text(host, 1)) for _ in range(20)]
    assert {"drop": 0, "slip": 0} == desk.limited()


def test_proved_client_is_never_limited_though_its_network_is() -> None:
    desk, proved = Desk(amplification=1), reply_of(9, is_proved=True)
    for _ in range(10):
        desk.passed()
    assert [proved.wire] * 20 == [desk.passed(proved) for _ in range(20)]


def test_error_slips_as_it_is() -> None:
    desk, error = Desk(slip=1), reply_of(kind=ERROR_CLASS)
    assert [error.wire] * 5 == [desk.passed(error) for _ in range(5)]
    assert 3 == desk.limited()["slip"]


def test_without_a_rate_nothing_is_limited() -> None:
    desk, reply = Desk(rate=0), reply_of()
    assert not desk.limits.is_rate_limited
    assert [reply.wire] * 20 == [desk.passed(reply) for _ in range(20)]
    assert Verdict.SEND is desk.limits.verdict(CLIENT.packed, desk.limits.class_key(b"p"), 0.0)


def test_reply_that_is_too_long_for_its_query_is_cut() -> None:
    desk = Desk(amplification=3)
    cut = desk.passed(reply_of(9))
    assert cut is not None
    assert len(cut) <= QUERY_BYTES
    assert dns.message.from_wire(cut).flags & dns.flags.TC


def test_time_mends_it() -> None:
    desk, reply = Desk(), reply_of()
    for _ in range(10):
        desk.passed()
    desk.now += 20
    assert reply.wire == desk.passed(reply)


def test_flood_is_told_once_when_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "nodedns")
    desk = Desk()
    for _ in range(100):
        desk.passed()
    assert ["responses limited"] == [record.getMessage() for record in caplog.records]


def test_floods_of_many_networks_are_told_at_a_bounded_rate(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "nodedns")
    desk = Desk()
    for number in range(5_000):
        for _ in range(4):
            desk.passed(client=Address(bytes((10, number >> 8, number & 0xFF, 1)), 53))
    assert 0 < len(caplog.records) < 500


def test_kinds_are_limited_apart() -> None:
    desk = Desk()
    for _ in range(10):
        desk.passed()
    other = attrs.evolve(reply_of(), kind=b"pbar")
    assert other.wire == desk.passed(other)

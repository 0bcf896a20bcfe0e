"""Alike responses to one network are limited; others are not, whatever a flood of forged addresses does."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import attrs
import pytest

from nodedns.dns.name import Labels
from nodedns.dns.question import Rcode
from nodedns.dns.rate_limit import ERROR_CLASS, RateLimiter, RateLimitPolicy, Verdict, response_class
from nodedns.model.address import Address

SECRET = bytes(range(16))
SMALL = RateLimitPolicy(responses_per_second=10, slip=2, window_s=5.0, table_size=1_024)
NAME: Labels = (b"foo", b"node", b"consul")
ZONE: Labels = (b"consul",)
SEND, SLIP, DROP = Verdict


class Limited:
    """A limiter asked by client address and class."""

    def __init__(self, policy: RateLimitPolicy = SMALL, secret: bytes = SECRET) -> None:
        self.limiter = RateLimiter(policy, secret)

    def verdict(self, now: float, host: str = "192.0.2.1", kind: bytes = b"pfoo") -> Verdict:
        prefix = self.limiter.prefix_of(Address.from_text(host, 53).packed)
        return self.limiter.verdict(prefix, self.limiter.class_key(kind), now)

    def verdicts(self, count: int, now: float, **asked: Any) -> list[Verdict]:
        return [self.verdict(now, **asked) for _ in range(count)]


def test_a_second_s_worth_is_sent_and_no_more() -> None:
    assert [SEND] * 10 + [DROP, SLIP, DROP, SLIP] == Limited().verdicts(14, 100.0)


@pytest.mark.parametrize("now", [0.0, 1e-3, 86_400.0 * 365])
@pytest.mark.parametrize("rate", [1, 3, 7, 1_000])
def test_rate_is_exact_at_any_time(rate: int, now: float) -> None:
    sent = Limited(attrs.evolve(SMALL, responses_per_second=rate)).verdicts(rate + 1, now)
    assert [SEND] * rate == sent[:rate]
    assert sent[rate] is not SEND


def test_steady_rate_is_never_limited() -> None:
    limited = Limited()
    assert {SEND} == {limited.verdict(number / 10) for number in range(1_000)}


@pytest.mark.parametrize(
    ("slip", "expected"),
    [(0, [DROP] * 6), (1, [SLIP] * 6), (2, [DROP, SLIP] * 3), (3, [DROP, DROP, SLIP] * 2)],
)
def test_every_nth_limited_response_slips(slip: int, expected: list[Verdict]) -> None:
    limited = Limited(attrs.evolve(SMALL, slip=slip))
    assert expected == limited.verdicts(16, 100.0)[10:]


def test_flood_that_goes_on_gets_slips_only() -> None:
    limited = Limited()
    limited.verdicts(11, 0.0)
    assert SEND not in [limited.verdict(number / 20) for number in range(1, 200)]


def test_flood_is_forgotten_after_the_window() -> None:
    limited = Limited()
    limited.verdicts(10_000, 0.0)
    assert limited.verdict(4.9) is not SEND
    assert limited.verdict(5.2) is SEND


@pytest.mark.parametrize(
    ("host", "is_one"),
    [("192.0.2.254", True), ("192.0.3.1", False), ("::ffff:192.0.2.9", True), ("2001:db8::1", False)],
)
def test_clients_of_one_ipv4_network_count_as_one(host: str, is_one: bool) -> None:
    limited = Limited()
    limited.verdicts(11, 0.0)
    packed = bytes(10) + b"\xff\xff\xc0\x00\x02\x09" if host.startswith("::ffff") else None
    prefix = limited.limiter.prefix_of(packed or Address.from_text(host, 53).packed)
    seen = limited.limiter.verdict(prefix, limited.limiter.class_key(b"pfoo"), 0.0)
    assert is_one == (seen is not SEND)


@pytest.mark.parametrize(("host", "is_one"), [("2001:db8:0:ff::9", True), ("2001:db8:0:100::1", False)])
def test_clients_of_one_ipv6_network_count_as_one(host: str, is_one: bool) -> None:
    limited = Limited()
    limited.verdicts(11, 0.0, host="2001:db8::1")
    assert is_one == (limited.verdict(0.0, host) is not SEND)


@pytest.mark.parametrize(("bits", "prefix"), [(24, b"\xc0\xff\xff"), (20, b"\xc0\xff\xf0"), (9, b"\xc0\x80")])
def test_prefix_may_end_within_a_byte(bits: int, prefix: bytes) -> None:
    limiter = RateLimiter(attrs.evolve(SMALL, ipv4_prefix_bits=bits), SECRET)
    assert prefix == limiter.prefix_of(b"\xc0\xff\xff\xff")


def test_classes_are_limited_apart() -> None:
    limited = Limited()
    limited.verdicts(11, 0.0)
    assert limited.verdict(0.0, kind=b"pbar") is SEND


def test_what_was_limited_is_counted() -> None:
    limited = Limited()
    limited.verdicts(15, 0.0)
    statistics = limited.limiter.statistics()
    assert (2, 3) == (statistics.slipped, statistics.dropped)


def test_crossing_is_told_once_for_a_flood() -> None:
    limited = Limited()
    for now in (0.0, 30.0):
        assert 10 == limited.verdicts(11, now).count(SEND)
        assert limited.limiter.has_crossed
        limited.verdicts(5, now)
        assert not limited.limiter.has_crossed


@pytest.mark.parametrize("responses", [20_000])
def test_forged_addresses_do_not_set_a_flood_free(responses: int) -> None:
    """Far more prefixes than buckets: a table that evicted would have forgotten the one that is limited."""
    limited, rng = Limited(), Random(1)
    limited.verdicts(1_000, 0.0)
    for number in range(responses):
        limited.limiter.verdict(rng.randbytes(3), limited.limiter.class_key(b"pfoo"), number / responses)
    assert limited.verdict(1.0) is not SEND


def test_client_beside_many_limited_ones_is_sent_to() -> None:
    """A hundred floods in a table of 65,536 pairs of buckets: hardly anybody else notices.

    Which buckets are hit is for the process's own hash to say; one of 256 meets two of them once in 1,700 runs.
    """
    limited = Limited(attrs.evolve(SMALL, table_size=131_072))
    for number in range(100):
        limited.verdicts(20, 0.0, host=f"10.0.{number}.1")
    seen = Counter(limited.verdict(0.0, host=f"10.1.{number}.1") for number in range(256))
    assert seen[SEND] >= 254


def test_which_pairs_meet_depends_on_the_secret() -> None:
    def limited_beside(secret: bytes) -> list[int]:
        limited = Limited(secret=secret)
        for number in range(256):
            limited.verdicts(12, 0.0, host=f"10.0.{number}.1")
        return [number for number in range(256) if limited.verdict(0.0, host=f"10.1.{number}.1") is not SEND]

    first = limited_beside(SECRET)
    assert first
    assert first == limited_beside(SECRET)
    assert first != limited_beside(SECRET[::-1])


# response classes


def positive(name: Labels, zone: Labels = ZONE, *, is_made_up: bool = False) -> bytes:
    return response_class(Rcode.NOERROR, name, zone, has_answer=True, is_made_up=is_made_up)


def negative(rcode: Rcode, name: Labels = NAME, zone: Labels = ZONE) -> bytes:
    return response_class(rcode, name, zone, has_answer=False)


def test_positive_answers_are_told_apart_by_name() -> None:
    assert positive(NAME) == positive(NAME)
    assert positive(NAME) != positive((b"bar", *NAME[1:]))


def test_names_that_are_made_up_count_as_one() -> None:
    first, second = ((label, b"addr", b"consul") for label in (b"0a000001", b"0a000002"))
    assert positive(first, is_made_up=True) == positive(second, is_made_up=True)
    assert positive(first, is_made_up=True) != positive(first)


@pytest.mark.parametrize("rcode", [Rcode.NXDOMAIN, Rcode.NOERROR])
def test_denials_of_one_zone_count_as_one(rcode: Rcode) -> None:
    assert negative(rcode) == negative(rcode, (b"x", *NAME))
    assert negative(rcode) != negative(rcode, zone=(b"test",))


@pytest.mark.parametrize("rcode", [Rcode.REFUSED, Rcode.SERVFAIL, Rcode.BADVERS])
def test_errors_count_as_one(rcode: Rcode) -> None:
    assert ERROR_CLASS == negative(rcode) == negative(rcode, (), ())


def test_kinds_are_told_apart() -> None:
    kinds = {negative(rcode, ZONE) for rcode in (Rcode.NOERROR, Rcode.NXDOMAIN, Rcode.REFUSED)}
    assert 4 == len(kinds | {positive(ZONE)})


# knobs


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("responses_per_second", -1),
        ("slip", 11),
        ("window_s", 0.9),
        ("ipv4_prefix_bits", 33),
        ("ipv6_prefix_bits", 32),
        ("table_size", 1_023),
    ],
)
def test_knob_out_of_range_is_refused(knob: str, value: float) -> None:
    knobs: dict[str, Any] = {knob: value}
    with pytest.raises(ValueError, match=knob):
        RateLimitPolicy(**knobs)

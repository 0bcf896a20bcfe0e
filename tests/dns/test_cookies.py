"""Server cookies: the published ones, how long they hold, and who may sign them."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.cookies import Cookies, CookieVerdict, RollingSecret
from nodedns.errors import DnsWireError, LocalProtocolError
from nodedns.model.address import Address

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
OLD_SECRET = bytes.fromhex("dd3bdf9344b678b185a6f5cb60fca715")
NEW_SECRET = bytes.fromhex("445536bcd2513298075a5d379663c962")
V4 = Address.from_text("198.51.100.100", 53000)
OTHER_V4 = Address.from_text("203.0.113.203", 53000)
V6 = Address.from_text("2001:db8:220:1:59de:d0f4:8769:82b8", 53000)
CLIENT_COOKIE = bytes.fromhex("2464c4abcf10c957")
NOW_S = 1_559_731_985


def cookies(*secrets: bytes, now_s: float = NOW_S) -> Cookies:
    return Cookies.with_secrets(secrets or (SECRET,), lambda: now_s, is_required=False)


def given_at(now_s: float, *secrets: bytes) -> bytes:
    return cookies(*secrets, now_s=now_s).judge_untrusted(CLIENT_COOKIE, V4).content


# Content of the COOKIE option that is sent and that comes back, as RFC 9018 appendix A prints them.
PUBLISHED: dict[str, tuple[Address, float, tuple[bytes, ...], str, str, bool]] = {
    "new": (
        V4,
        1_559_731_985,
        (SECRET,),
        "2464c4abcf10c957",
        "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
        False,
    ),
    "renewed": (
        V4,
        1_559_734_385,
        (SECRET,),
        "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
        "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
        True,
    ),
    "reserved bytes are set": (
        OTHER_V4,
        1_559_734_700,
        (SECRET,),
        "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
        "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
        False,
    ),
    "secret rolled over, over ipv6": (
        V6,
        1_559_741_961,
        (NEW_SECRET, OLD_SECRET),
        "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
        "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
        True,
    ),
}


@pytest.mark.parametrize(
    ("client", "now_s", "secrets", "sent", "returned", "is_valid"), PUBLISHED.values(), ids=PUBLISHED
)
def test_published_cookie_is_answered_with_the_published_one(
    client: Address, now_s: float, secrets: tuple[bytes, ...], sent: str, returned: str, *, is_valid: bool
) -> None:
    content = bytes.fromhex(sent)
    verdict = cookies(*secrets, now_s=now_s).judge_untrusted(content, client)
    assert CookieVerdict(bytes.fromhex(returned), len(content) > 8, is_valid) == verdict


def test_reserved_bytes_are_signed_and_do_not_matter() -> None:
    content = bytes.fromhex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5")
    assert cookies(now_s=0x5CF78F71).judge_untrusted(content, OTHER_V4).is_valid


@pytest.mark.parametrize(
    ("age_s", "is_valid", "is_kept"),
    [
        (-301, False, False),
        (-300, True, True),
        (0, True, True),
        (1800, True, True),
        (1801, True, False),
        (3600, True, False),
        (3601, False, False),
        (2**31, False, False),
    ],
)
def test_cookie_holds_an_hour_and_is_renewed_after_half(age_s: int, *, is_valid: bool, is_kept: bool) -> None:
    content = given_at(NOW_S)
    verdict = cookies(now_s=NOW_S + age_s).judge_untrusted(content, V4)
    assert (is_valid, is_kept) == (verdict.is_valid, verdict.content == content)


def test_cookie_holds_over_the_wrap_of_its_time() -> None:
    content = given_at(2**32 - 10)
    verdict = cookies(now_s=2**32 + 10).judge_untrusted(content, V4)
    assert (True, content) == (verdict.is_valid, verdict.content)


def test_v4_mapped_address_is_the_ipv4_address() -> None:
    mapped = Address(bytes(10) + b"\xff\xff" + V4.packed, 1)
    assert cookies().judge_untrusted(given_at(NOW_S), mapped).is_valid


def test_cookie_of_another_address_client_cookie_secret_or_version_is_none() -> None:
    content = given_at(NOW_S)
    judge = cookies().judge_untrusted
    assert judge(content, V4).is_valid
    assert not judge(content, OTHER_V4).is_valid
    assert not judge(bytes(8) + content[8:], V4).is_valid
    assert not cookies(NEW_SECRET, OLD_SECRET).judge_untrusted(content, V4).is_valid
    assert not judge(content[:8] + b"\2" + content[9:], V4).is_valid


@given(bit=st.integers(64, 191))
def test_cookie_with_a_bit_turned_is_none(bit: int) -> None:
    content = bytearray(given_at(NOW_S))
    content[bit // 8] ^= 1 << bit % 8
    assert not cookies().judge_untrusted(bytes(content), V4).is_valid


@pytest.mark.parametrize("size", [*range(8), *range(9, 16), *range(41, 50)])
def test_length_that_no_cookie_has_is_malformed(size: int) -> None:
    with pytest.raises(DnsWireError):
        cookies().judge_untrusted(bytes(size), V4)


@pytest.mark.parametrize("size", [16, 23, 25, 40])
def test_server_cookie_of_another_length_is_another_servers(size: int) -> None:
    content = (given_at(NOW_S) + bytes(40))[:size]
    assert CookieVerdict(given_at(NOW_S), True, False) == cookies().judge_untrusted(content, V4)


def test_first_secret_signs_and_each_checks() -> None:
    assert given_at(NOW_S, SECRET) == given_at(NOW_S, SECRET, OLD_SECRET)
    for secret in (SECRET, OLD_SECRET):
        verdict = cookies(SECRET, OLD_SECRET).judge_untrusted(given_at(NOW_S, secret), V4)
        assert (True, given_at(NOW_S, SECRET)) == (verdict.is_valid, verdict.content)


@pytest.mark.parametrize("secrets", [(), (b"short",), (SECRET,) * 5, (SECRET, SECRET + b"x")])
def test_secrets_of_another_number_or_length_are_refused(secrets: tuple[bytes, ...]) -> None:
    with pytest.raises(LocalProtocolError):
        Cookies.with_secrets(secrets, lambda: 0.0, is_required=False)


def numbered_entropy() -> Callable[[int], bytes]:
    drawn = iter(range(1, 256))
    return lambda size: bytes([next(drawn)]) * size


def test_rolling_secret_changes_after_a_day_and_keeps_the_one_before() -> None:
    rolling = RollingSecret(numbered_entropy())
    one, two, three = (bytes([number]) * 16 for number in (1, 2, 3))
    assert [(one,), (one,), (two, one), (two, one), (three, two)] == [
        rolling.at(now_s) for now_s in (1000.0, 87_399.0, 87_400.0, 173_799.0, 173_800.0)
    ]


def test_rolling_secret_stays_when_the_clock_is_set_back() -> None:
    rolling = RollingSecret(numbered_entropy())
    assert rolling.at(1_000_000.0) == rolling.at(0.0)


@given(content=st.binary(max_size=48), now_s=st.integers(0, 2**33))
def test_any_content_is_malformed_or_answered_with_a_cookie_that_holds(content: bytes, now_s: int) -> None:
    jar = cookies(now_s=now_s)
    try:
        verdict = jar.judge_untrusted(content, V6)
    except DnsWireError:
        assert len(content) not in (8, *range(16, 41))
        return
    assert (content[:8], 24) == (verdict.content[:8], len(verdict.content))
    assert struct.pack("!I", now_s & 0xFFFF_FFFF) == verdict.content[12:16] or verdict.is_valid
    assert jar.judge_untrusted(verdict.content, V6).is_valid

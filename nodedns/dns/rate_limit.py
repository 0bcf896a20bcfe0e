"""``RateLimiter``: how many responses of one kind a network of clients gets in a second.

Who forges the address of a victim has us send the victim what it never asked
for. All that such a flood has in common is where the responses go and what they
are, so that is what is counted: a leaky bucket for each pair of client prefix
and response class (``response_class``). A class is not the question: names that
do not exist are without number, so all of a zone count as one.

A bucket is one number, the time until which its responses have used up the
rate. A response moves it on by the time it is worth; more than a second ahead
of now, responses are limited. They go on being counted then, up to the window,
so that a flood that does not end gets nothing but its slips. Every n-th limited
response slips: it goes out truncated, so that a client that is really there
comes back over TCP, which is never limited.

The table has a fixed size and evicts nothing, so there is no eviction to abuse:
every pair has two buckets, one in each half, found by a keyed hash, and the lesser
counts (a count-min sketch with conservative update). Pairs that meet in a
bucket can only make each other count too much, and only one that meets busy
pairs in both halves notices; without the key nobody can bring that about.

This does not know sockets, nor how a truncated response looks.

Source: BIND's response-rate-limiting (classes, window, slip), NSD's rrl-size
and rrl-slip; Cormode and Muthukrishnan 2005, Estan and Varghese 2002 (sketch).
"""

from __future__ import annotations

import enum
import ipaddress
from array import array
from typing import Any, Final

import attrs

from nodedns.dns.client_networks import MAPPED_PREFIX, MAX_NETWORKS, IpNetwork
from nodedns.dns.name import Labels, packed_name
from nodedns.dns.question import Rcode

__all__ = [
    "ERROR_CLASS",
    "SECRET_BYTES",
    "RateLimitPolicy",
    "RateLimitStatistics",
    "RateLimiter",
    "Verdict",
    "response_class",
]

MAX_RESPONSES_PER_SECOND: Final = 1_000_000
MAX_SLIP: Final = 10  # BIND's
WINDOWS_S: Final = (1, 3_600)  # BIND's
IPV4_PREFIX_BITS: Final = (8, 32)
IPV6_PREFIX_BITS: Final = (40, 128)  # above 32, so that no IPv6 prefix has as few bytes as an IPv4 one
TABLE_SIZES: Final = (1_024, 16_777_216)
SECRET_BYTES: Final = 16

ERROR_CLASS: Final = b"e"
"""Class of what is neither a record nor the denial of one, whatever was asked."""
_POSITIVE: Final = b"p"
_NO_DATA: Final = b"n"
_NO_NAME: Final = b"x"

_WHOLE_BYTE: Final = 0xFF
_BURST_S: Final = 1.0  # what may be used up in advance: a second's worth at once
_IPV4_BYTES: Final = 4
_LOOPBACK: Final[tuple[IpNetwork, ...]] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def _between(low: int, high: int) -> Any:  # noqa: ANN401 - what attrs calls it
    return attrs.validators.and_(attrs.validators.instance_of(int), attrs.validators.ge(low), attrs.validators.le(high))


@attrs.frozen(kw_only=True)
class RateLimitPolicy:
    """Knobs of response rate limiting. Building one with a value out of range raises ``ValueError``."""

    responses_per_second: int = attrs.field(default=1_000, validator=_between(0, MAX_RESPONSES_PER_SECOND))
    """Alike responses to one prefix in a second; 0 turns limiting off. Five times NSD's: with a TTL of 0 no
    resolver keeps an answer, so all that a rack asks comes through, and often for one name."""
    slip: int = attrs.field(default=2, validator=_between(0, MAX_SLIP))
    """Every how many-th limited response goes out truncated; 1 is each, 0 is none (2 is BIND's and NSD's)."""
    window_s: float = attrs.field(
        default=15.0, validator=[attrs.validators.ge(WINDOWS_S[0]), attrs.validators.le(WINDOWS_S[1])]
    )
    """How long a flood that has ended is held against its prefix at most (BIND's 15 s)."""
    ipv4_prefix_bits: int = attrs.field(default=24, validator=_between(*IPV4_PREFIX_BITS))
    """IPv4 clients of one network of this length count as one (BIND's and NSD's)."""
    ipv6_prefix_bits: int = attrs.field(default=56, validator=_between(*IPV6_PREFIX_BITS))
    """The same for IPv6 (BIND's; what one customer is given)."""
    exempt: tuple[IpNetwork, ...] = attrs.field(default=_LOOPBACK, validator=attrs.validators.max_len(MAX_NETWORKS))
    """Clients that are never limited, nor bound by the amplification limit: nobody forges these from elsewhere."""
    table_size: int = attrs.field(default=131_072, validator=_between(*TABLE_SIZES))
    """Buckets, rounded up to a power of two; 8 bytes each."""


def response_class(rcode: Rcode, folded: Labels, zone: Labels, *, has_answer: bool, is_made_up: bool = False) -> bytes:
    """Return what kind of response something is, so that a flood of any names is of few kinds.

    Args:
        rcode: Its response code.
        folded: The name asked.
        zone: Origin of the name's zone, folded; empty outside our zones.
        has_answer: Whether its answer section has records.
        is_made_up: Whether they are made from the name alone; such names are without number, as missing ones are.
    """
    if rcode == Rcode.NXDOMAIN:
        return _NO_NAME + packed_name(zone)
    if rcode != Rcode.NOERROR:
        return ERROR_CLASS
    if not has_answer:
        return _NO_DATA + packed_name(zone)
    return _POSITIVE + packed_name(zone if is_made_up else folded)


class Verdict(enum.IntEnum):
    """What becomes of a response; only ``SEND`` is false."""

    SEND = 0
    SLIP = 1
    DROP = 2


_SEND, _SLIP, _DROP = Verdict  # as globals, since looking one up in its class costs three times as much


@attrs.frozen
class RateLimitStatistics:
    """How many limited responses slipped, and how many were dropped, so far."""

    slipped: int
    dropped: int


class RateLimiter:
    """Buckets for all clients.

    Args:
        policy: Knobs; ``responses_per_second`` is above 0.
        secret: ``SECRET_BYTES`` that no client can guess.

    Attributes:
        has_crossed: Whether the last limited response was the first of a flood: what came before it was not limited.
    """

    __slots__ = (
        "_class_secret", "_cost_s", "_dropped", "_first", "_ipv4_bytes", "_ipv4_last", "_ipv6_bytes", "_ipv6_last",
        "_line_s", "_longest_s", "_mask", "_prefix_secret", "_second", "_slip", "_slipped", "_turns", "has_crossed",
    )  # fmt: skip

    def __init__(self, policy: RateLimitPolicy, secret: bytes) -> None:
        self._prefix_secret = secret
        self._class_secret = secret[::-1]
        self._cost_s = 1.0 / policy.responses_per_second
        # Half a response more than a second, so that a sum of rounded costs does not cost the last one.
        self._line_s = _BURST_S + self._cost_s / 2
        self._longest_s = _BURST_S + policy.window_s
        self._slip = policy.slip
        half = 1 << (policy.table_size - 1).bit_length() - 1
        self._mask = half - 1
        self._first = array("d", [float("-inf")]) * half
        self._second = array("d", [float("-inf")]) * half
        self._turns = bytearray(half)
        self._ipv4_bytes, self._ipv4_last = _cut(policy.ipv4_prefix_bits)
        self._ipv6_bytes, self._ipv6_last = _cut(policy.ipv6_prefix_bits)
        self._slipped = 0
        self._dropped = 0
        self.has_crossed = False

    def prefix_of(self, packed: bytes) -> bytes:
        """Return the prefix that a client's address of 4 or 16 bytes counts as."""
        if len(packed) != _IPV4_BYTES:
            if not packed.startswith(MAPPED_PREFIX):
                return _cleared(packed[: self._ipv6_bytes], self._ipv6_last)
            packed = packed[len(MAPPED_PREFIX) :]
        return _cleared(packed[: self._ipv4_bytes], self._ipv4_last)

    def class_key(self, kind: bytes) -> int:
        """Return the number that ``verdict`` takes for a response class; it is worth keeping beside a response."""
        return hash(self._class_secret + kind)

    def verdict(self, prefix: bytes, class_key: int, now: float) -> Verdict:
        """Count one response and say what becomes of it.

        Args:
            prefix: From ``prefix_of``.
            class_key: From ``class_key``.
            now: Monotonic seconds.
        """
        mixed = hash(self._prefix_secret + prefix) ^ class_key
        at_first = mixed & self._mask
        at_second = mixed >> 32 & self._mask
        first = self._first[at_first]
        second = self._second[at_second]
        # Comparisons, since a call of min or max costs as much as the rest of the line.
        used_up = first if first < second else second  # noqa: FURB136 - see above
        moved = (used_up if used_up > now else now) + self._cost_s  # noqa: FURB136 - see above
        if moved - now > self._line_s:
            self.has_crossed = used_up - now <= self._line_s
            if moved - now > self._longest_s:
                moved = now + self._longest_s
            verdict = self._turn(at_first)
        else:
            verdict = _SEND
        if first < moved:
            self._first[at_first] = moved
        if second < moved:
            self._second[at_second] = moved
        return verdict

    def statistics(self) -> RateLimitStatistics:
        """Return what was limited so far."""
        return RateLimitStatistics(self._slipped, self._dropped)

    def _turn(self, at: int) -> Verdict:
        if self._slip:
            turn = self._turns[at] + 1
            self._turns[at] = turn % self._slip
            if turn >= self._slip:
                self._slipped += 1
                return _SLIP
        self._dropped += 1
        return _DROP


def _cut(bits: int) -> tuple[int, int]:
    """Return how many bytes ``bits`` begin, and which bits of the last of them count."""
    size = -(-bits // 8)
    return size, 0xFF << size * 8 - bits & 0xFF


def _cleared(prefix: bytes, last_mask: int) -> bytes:
    return prefix if last_mask == _WHOLE_BYTE else prefix[:-1] + bytes((prefix[-1] & last_mask,))

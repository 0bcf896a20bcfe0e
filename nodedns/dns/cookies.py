"""``Cookies``: server cookies, by which a client shows that its address is its own.

A server cookie says when it was made and proves with a keyed hash that we made
it for this client cookie and this address. Nothing is kept for a client, and any
server that has the same secret can check it:

- 1 byte version, 1
- 3 bytes reserved, 0 in ours
- 4 bytes time, seconds since 1970 modulo 2**32
- 8 bytes SipHash-2-4 of client cookie, the eight bytes above, and the client's address

The first secret signs, each of them checks, so a new secret can be put before the
old one without a client noticing. Where none is configured, ``RollingSecret`` makes
one from entropy, a new one each day.

Which reply a cookie brings is decided in ``edns``. Source: RFC 7873, RFC 9018.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from hmac import compare_digest
from typing import Final

import attrs
from siphashc import siphash

from nodedns.errors import DnsWireError, LocalProtocolError
from nodedns.model.address import Address

__all__ = ["MAX_SECRETS", "SECRET_BYTES", "CookieVerdict", "Cookies", "RollingSecret"]

SECRET_BYTES: Final = 16  # SipHash's key
MAX_SECRETS: Final = 4  # ours: one that signs, one before it, one after it, and one to spare
LIFETIME_S: Final = 3600  # RFC 9018 section 4.3
RENEWAL_S: Final = 1800  # RFC 9018 section 4.3
CLOCK_SKEW_S: Final = 300  # RFC 9018 section 4.3
SECRET_LIFETIME_S: Final = 86_400  # RFC 7873 section 7.1 wants about a day, and forbids more than 36

_CLIENT_BYTES: Final = 8
_SERVER_BYTES: Final = 16  # what we make; RFC 7873 section 4 lets others make 8 to 32
_MIN_BYTES: Final = 16
_MAX_BYTES: Final = 40
_VERSION: Final = 1
_TIME_MASK: Final = 0xFFFF_FFFF
_TIME_HALF: Final = 0x8000_0000
#   version, three reserved bytes, time
_HEAD = struct.Struct("!B3xI")
_TIME = struct.Struct("!I")


@attrs.frozen
class CookieVerdict:
    """What a client's cookie is worth.

    Attributes:
        content: Of the COOKIE option to answer with: its client cookie, and a server cookie that is good.
        has_server_cookie: Whether the client sent a server cookie at all.
        is_valid: Whether that is one of ours, for this client, and not too old.
    """

    content: bytes
    has_server_cookie: bool
    is_valid: bool


class RollingSecret:
    """Secrets of our own making: one that signs, and the one before it.

    Args:
        entropy: Random bytes, as many as asked for.
    """

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._secrets: tuple[bytes, ...] = ()
        self._changed_at = 0.0

    def at(self, now_s: float) -> tuple[bytes, ...]:
        """Return the secrets at ``now_s``, the one that signs first; after a day there is a new one."""
        if not self._secrets or now_s - self._changed_at >= SECRET_LIFETIME_S:
            self._secrets = (self._entropy(SECRET_BYTES), *self._secrets[:1])
            self._changed_at = now_s
        return self._secrets


class Cookies:
    """Checks and makes the cookies of one agent.

    Args:
        secrets: Gives the secrets at a time, 16 bytes each, the one that signs first.
        clock: Seconds since 1970.
        is_required: Whether a UDP client that sends a cookie is answered only once it has one of ours.
    """

    def __init__(
        self, secrets: Callable[[float], tuple[bytes, ...]], clock: Callable[[], float], *, is_required: bool = False
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self.is_required = is_required

    @classmethod
    def with_secrets(cls, secrets: tuple[bytes, ...], clock: Callable[[], float], *, is_required: bool) -> Cookies:
        """Build with secrets that stay the same.

        Raises:
            LocalProtocolError: There is none, there are too many, or one is not 16 bytes long.
        """
        if not 0 < len(secrets) <= MAX_SECRETS or any(len(secret) != SECRET_BYTES for secret in secrets):
            raise LocalProtocolError(f"cookies take 1 to {MAX_SECRETS} secrets of {SECRET_BYTES} bytes")
        return cls(lambda _: secrets, clock, is_required=is_required)

    def judge_untrusted(self, content: bytes, client: Address) -> CookieVerdict:
        """Judge the content of a COOKIE option that came from ``client``.

        A cookie of ours that still has half its life comes back as it is; in any other case a new one is made.

        Raises:
            DnsWireError: The content has a length that no cookie has (RFC 7873 section 5.2.2).
        """
        size = len(content)
        if size != _CLIENT_BYTES and not _MIN_BYTES <= size <= _MAX_BYTES:
            raise DnsWireError("COOKIE option", 0, "malformed length")
        now_s = self._clock()
        secrets = self._secrets(now_s)
        packed = client.ip.packed
        age_s = _age_s(content, now_s) if size == _CLIENT_BYTES + _SERVER_BYTES else None
        if age_s is not None and -CLOCK_SKEW_S <= age_s <= LIFETIME_S:
            signed, hashed = content[:16], content[16:]
            for position, secret in enumerate(secrets):
                if compare_digest(hashed, _hash(secret, signed, packed)):
                    is_fresh = position == 0 and age_s <= RENEWAL_S
                    kept = content if is_fresh else _make(secrets[0], content, packed, now_s)
                    return CookieVerdict(kept, has_server_cookie=True, is_valid=True)
        made = _make(secrets[0], content, packed, now_s)
        return CookieVerdict(made, has_server_cookie=size > _CLIENT_BYTES, is_valid=False)


def _age_s(content: bytes, now_s: float) -> int | None:
    """Return how old a server cookie says it is, negative in the future; None if it is of another version."""
    if content[_CLIENT_BYTES] != _VERSION:
        return None
    made_s: int = _TIME.unpack_from(content, 12)[0]
    # RFC 9018 section 4.3: compared as RFC 1982 has it, so that 2106 is no different.
    return ((int(now_s) - made_s + _TIME_HALF) & _TIME_MASK) - _TIME_HALF


def _make(secret: bytes, content: bytes, packed: bytes, now_s: float) -> bytes:
    signed = content[:_CLIENT_BYTES] + _HEAD.pack(_VERSION, int(now_s) & _TIME_MASK)
    return signed + _hash(secret, signed, packed)


def _hash(secret: bytes, signed: bytes, packed: bytes) -> bytes:
    return siphash(secret, signed + packed).to_bytes(8, "little")

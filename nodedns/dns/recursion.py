"""``Recursion``: which other servers are asked about names outside ours, and for whom.

An open resolver is a weapon in others' hands (RFC 5358), so recursion is for
listed networks only: this machine and private networks, unless told otherwise.
``Recursion()`` without recursors offers none to anybody.

This asks nobody; ``net`` does. Source: RFC 5358, 6761, 1918, 4193; Consul's
``recursors`` and ``recursor_strategy``.
"""

from __future__ import annotations

import enum
import ipaddress
from typing import Final

import attrs

from nodedns.model.address import Address

__all__ = [
    "DEFAULT_ALLOWED",
    "FLAGS_LOW_AT",
    "FLAG_RA",
    "NO_RECURSION",
    "Network",
    "Recursion",
    "Recursor",
    "Strategy",
    "with_ra",
]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_TIMEOUT_S: Final = 2.0  # Consul's recursor_timeout

DEFAULT_ALLOWED: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",  # RFC 3927
        "fc00::/7",  # RFC 4193
        "fe80::/10",
    )
)
"""Loopback, private and link-local addresses: nobody out there has one."""


class Strategy(enum.Enum):
    """In which order recursors are asked."""

    SEQUENTIAL = "sequential"
    RANDOM = "random"


@attrs.frozen
class Recursor:
    """Another server that resolves any name.

    Attributes:
        host: IP text, with its scope where it is link-local (``fe80::1%eth0``).
        port: 1..65535, for UDP and TCP.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _masks(networks: tuple[Network, ...]) -> tuple[tuple[int, int, int], ...]:
    return tuple((network.version, int(network.netmask), int(network.network_address)) for network in networks)


@attrs.frozen(kw_only=True)
class Recursion:
    """Knobs of recursion.

    Attributes:
        recursors: Whom to ask; without any, names outside ours are refused.
        strategy: In which order.
        timeout_s: How long each may take; above 0.
        allowed: Networks whose clients may ask.
    """

    recursors: tuple[Recursor, ...] = ()
    strategy: Strategy = Strategy.SEQUENTIAL
    timeout_s: float = attrs.field(default=DEFAULT_TIMEOUT_S, validator=attrs.validators.gt(0))
    allowed: tuple[Network, ...] = DEFAULT_ALLOWED
    _masks: tuple[tuple[int, int, int], ...] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(lambda self: _masks(self.allowed), takes_self=True)
    )

    def serves(self, client: Address | None) -> bool:
        """Whether recursion is there and ``client`` may have it; a client that is not known may not."""
        if not self.recursors or client is None:
            return False
        ip = client.ip
        version, number = ip.version, int(ip)
        return any(version == of and number & mask == network for of, mask, network in self._masks)


NO_RECURSION: Final = Recursion()
"""Names outside ours are nobody's business here."""

FLAGS_LOW_AT: Final = 3
FLAG_RA: Final = 0x80


def with_ra(wire: bytes) -> bytes:
    """Return the reply ``wire`` with RA set: the client it goes to may have recursion (RFC 1035 section 4.1.1)."""
    return wire[:FLAGS_LOW_AT] + bytes((wire[FLAGS_LOW_AT] | FLAG_RA,)) + wire[FLAGS_LOW_AT + 1 :]

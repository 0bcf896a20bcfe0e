"""``ClientNetworks``: which networks a client's address lies in, cheap enough to ask for each query.

Strategy: an address lies in a network of whole bytes if it starts with the
network's bytes, so all networks are one tuple that ``bytes.startswith`` looks
through in one call. A network whose length is no whole number of bytes becomes
the up to 128 that it consists of. An IPv4 client may come in the 16-byte form
of a socket that takes both families (RFC 4291 section 2.5.5.2); both are found.

This does not know what the networks are for.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

import attrs

__all__ = ["MAPPED_PREFIX", "MAX_NETWORKS", "ClientNetworks", "IpNetwork"]

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_NETWORKS: Final = 64
"""Networks in one list; ours. Each may become 128 prefixes, which are looked through one by one."""
MAPPED_PREFIX: Final = bytes(10) + b"\xff\xff"
"""What stands before an IPv4 address in its 16-byte form."""

_IPV4_BYTES: Final = 4


def _first_bytes(networks: tuple[IpNetwork, ...]) -> Iterator[tuple[int, bytes]]:
    for network in networks:
        whole = -(-network.prefixlen // 8) * 8
        for part in network.subnets(new_prefix=whole):
            yield network.version, part.network_address.packed[: whole // 8]


@attrs.frozen(init=False)
class ClientNetworks:
    """Some networks.

    Attributes:
        ipv4: First bytes of a 4-byte address in one of them.
        ipv6: The same for a 16-byte address.
    """

    ipv4: tuple[bytes, ...]
    ipv6: tuple[bytes, ...]

    def __init__(self, networks: tuple[IpNetwork, ...]) -> None:
        """Prepare ``networks``, at most ``MAX_NETWORKS``. Raises ``ValueError`` for more."""
        if len(networks) > MAX_NETWORKS:
            raise ValueError(f"at most {MAX_NETWORKS} networks, not {len(networks)}")
        first = list(_first_bytes(networks))
        ipv4 = tuple(prefix for version, prefix in first if version == 4)
        ipv6 = tuple(prefix for version, prefix in first if version == 6)
        self.__attrs_init__(ipv4, ipv6 + tuple(MAPPED_PREFIX + prefix for prefix in ipv4))

    def covers(self, packed: bytes) -> bool:
        """Return whether an address of 4 or 16 bytes lies in one of the networks."""
        return packed.startswith(self.ipv4 if len(packed) == _IPV4_BYTES else self.ipv6)

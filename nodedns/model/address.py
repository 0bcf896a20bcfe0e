"""``Address``: an IP address exactly as the wire gave it, and a port.

Real agents compare address bytes, so 4-byte and v4-mapped 16-byte forms of one
IPv4 address are two different addresses to them. nodedns keeps the received
bytes and passes them on untouched (gossip-protocol: pitfall of normalising);
``host`` and ``same_endpoint`` give the view in which the two forms are one.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import attrs

__all__ = ["MAX_PORT", "Address", "parse_ip", "parse_port", "split_port"]

MAX_PORT = 65_535
MAX_PORT_CHARS = 5

IP_TEXT_CACHE_ENTRIES = 65_536

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=IP_TEXT_CACHE_ENTRIES)
def parse_ip(packed: bytes) -> IpAddress:
    """Return the IP for 4 or 16 packed bytes, a v4-mapped one as IPv4.

    Raises:
        ValueError: ``packed`` is neither 4 nor 16 bytes.
    """
    if len(packed) == 4:
        return ipaddress.IPv4Address(packed)
    if len(packed) != 16:
        raise ValueError(f"an IP address is 4 or 16 bytes, not {len(packed)}")
    address = ipaddress.IPv6Address(packed)
    return address.ipv4_mapped or address


@attrs.frozen
class Address:
    """An IP address in its wire form and a port.

    Attributes:
        packed: 4 or 16 bytes, exactly as received (or as configured, for our own).
        port: 0..65535.
    """

    packed: bytes
    port: int

    @classmethod
    def from_text(cls, host: str, port: int) -> Address:
        """Build from textual IP; IPv4 packs to 4 bytes. Raises ``ValueError`` if not an IP."""
        return _from_text(host, port)

    @property
    def ip(self) -> IpAddress:
        """The IP, a v4-mapped one as IPv4. Raises ``ValueError`` for a malformed ``packed``."""
        return parse_ip(self.packed)

    @property
    def host(self) -> str:
        """The IP as text, without brackets."""
        return str(self.ip)

    @property
    def is_valid(self) -> bool:
        """Whether ``packed`` has a length that an IP address can have."""
        return len(self.packed) in (4, 16)

    def same_endpoint(self, other: Address) -> bool:
        """Whether both name the same IP (4- and 16-byte forms alike) and port."""
        return self.port == other.port and self.ip == other.ip

    def __str__(self) -> str:
        if not self.is_valid:
            return f"<{self.packed.hex()}>:{self.port}"
        ip = self.ip
        return f"[{ip}]:{self.port}" if ip.version == 6 else f"{ip}:{self.port}"


@lru_cache(maxsize=IP_TEXT_CACHE_ENTRIES)
def _from_text(host: str, port: int) -> Address:
    # A scope id ("fe80::1%eth0") has no wire form in gossip.
    return Address(ipaddress.ip_address(host.partition("%")[0]).packed, port)


def split_port(text: str) -> tuple[str, str]:
    """Return host and port of ``host``, ``host:port``, ``IPv6``, ``[IPv6]`` or ``[IPv6]:port``; neither is checked.

    The port is empty where there is none.
    """
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    try:
        ipaddress.ip_address(text)
    except ValueError:
        host, _, port = text.partition(":")
        return host, port
    return text, ""


def parse_port(text: str) -> int:
    """Return the port that ``text`` names, 1..65535, or 0 where it names none."""
    port = int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_PORT_CHARS else 0
    return port if port <= MAX_PORT else 0

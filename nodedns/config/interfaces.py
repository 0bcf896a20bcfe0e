"""This machine's addresses and routes, for ``bind_addr`` templates and for the advertised address.

``list_interfaces`` asks the system (through ifaddr; Linux's ``/sys`` and ``/proc`` say
which interface is up and which has the default route); ``route_to`` asks the kernel for
the way to a peer (udp(7): connect). Everything that decides takes the answers as values
or functions, so tests bring their own.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import attrs

from nodedns.model.address import split_port
from nodedns.model.names import is_service_name

__all__ = [
    "InterfaceAddress",
    "InterfaceLister",
    "RouteFinder",
    "is_private",
    "is_public",
    "list_interfaces",
    "route_to",
]

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

SHARED_SPACE = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598
IFF_UP = 0x1  # netdevice(7)
ANY_PORT = 9  # discard; nothing is sent there, connecting a UDP socket only asks for the route
SYS_NET = Path("/sys/class/net")
ROUTES_IPV4 = Path("/proc/net/route")
ROUTES_IPV6 = Path("/proc/net/ipv6_route")


@attrs.frozen(kw_only=True)
class InterfaceAddress:
    """One address of one interface.

    Attributes:
        name: The interface's name, such as ``eth0``.
        ip: The address.
        prefix_length: Of its network.
        is_up: Whether the interface is up; true where the system does not say.
        is_default: Whether the default route of its address family goes out there.
    """

    name: str
    ip: IpAddress
    prefix_length: int
    is_up: bool = True
    is_default: bool = False


InterfaceLister = Callable[[], Sequence[InterfaceAddress]]

RouteFinder = Callable[[str], str | None]
"""Takes an address to join, returns the IP text of ours from which it is reached, or None."""


def is_private(ip: IpAddress) -> bool:
    """Whether ``ip`` is for use inside an organisation only, and can be reached from other machines there."""
    inside = ip.is_private or (ip.version == 4 and ip in SHARED_SPACE)
    return inside and not (ip.is_loopback or ip.is_link_local or ip.is_unspecified)


def is_public(ip: IpAddress) -> bool:
    """Whether ``ip`` can be reached from everywhere."""
    return ip.is_global and not ip.is_multicast


def list_interfaces() -> tuple[InterfaceAddress, ...]:
    """Return the addresses of this machine, in the system's order."""
    # Imported here: most configurations name their addresses and never ask.
    import ifaddr  # noqa: PLC0415

    defaults = {4: set(_default_ipv4()), 6: set(_default_ipv6())}
    found: list[InterfaceAddress] = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            ip = ipaddress.ip_address(entry.ip if isinstance(entry.ip, str) else entry.ip[0])
            found.append(
                InterfaceAddress(
                    name=adapter.nice_name,
                    ip=ip,
                    prefix_length=entry.network_prefix,
                    is_up=_is_up(adapter.nice_name),
                    is_default=adapter.nice_name in defaults[ip.version],
                )
            )
    return tuple(found)


def route_to(target: str) -> str | None:
    """Return the IP text from which ``target`` is reached: an IP or a host name, with a port or without.

    Asks the resolver for a host name, which may take as long as that allows; sends nothing to ``target``.
    """
    if is_service_name(target):
        return None  # only its SRV records know of hosts
    with suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(split_port(target)[0], ANY_PORT, type=socket.SOCK_DGRAM)
        for family, kind, number, _, address in found:
            with suppress(OSError), socket.socket(family, kind, number) as sock:
                sock.connect(address)
                return str(sock.getsockname()[0])
    return None


def _is_up(name: str) -> bool:
    try:
        return bool(int((SYS_NET / name / "flags").read_text(), 16) & IFF_UP)
    except (OSError, ValueError):
        return True


def _default_ipv4() -> Iterator[str]:
    # Columns: interface, destination, gateway, flags, ... (proc_net_route)
    for columns in _table(ROUTES_IPV4):
        if len(columns) > 7 and columns[1] == "00000000" and columns[7] == "00000000":
            yield columns[0]


def _default_ipv6() -> Iterator[str]:
    # Columns: destination, its prefix length in hex, ..., interface
    for columns in _table(ROUTES_IPV6):
        if len(columns) > 9 and not columns[0].strip("0") and columns[1] == "00" and columns[9] != "lo":
            yield columns[9]


def _table(path: Path) -> Iterator[list[str]]:
    try:
        text = path.read_text()
    except OSError:
        return
    yield from (line.split() for line in text.splitlines())

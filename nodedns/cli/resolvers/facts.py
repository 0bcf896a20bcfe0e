"""``ResolverFacts``: what other DNS software must know of an agent to ask it for its names.

Everything here ends up in configuration files of other programs, so nothing gets in that is not an IP, a port
or a name of letters, digits, dashes and underscores, whoever said it.

Which private and special names other resolvers answer by themselves is here too (``special_zone``): such an
answer would hide ours. Source: RFC 6303, RFC 6761, RFC 7793, RFC 8375.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import attrs

from nodedns.dns.name import Labels
from nodedns.dns.reverse_names import cut_reverse_zone, reverse_labels
from nodedns.errors import LocalProtocolError, NodednsError, shorten
from nodedns.model.names import fold, is_dns_label
from nodedns.table.address_index import Digits

__all__ = [
    "DNS_PORT",
    "RecipeError",
    "ResolverFacts",
    "ReverseName",
    "Server",
    "domain_of",
    "reverse_of",
    "reverse_zones_of",
    "server_of",
    "special_zone",
]

DNS_PORT = 53
_BITS_PER_DIGIT = 4
_BITS = {4: 32, 6: 128}


class RecipeError(NodednsError):
    """There is no recipe for these facts; the message is one line that says what would mend it."""


@attrs.frozen
class Server:
    """Where an agent serves DNS.

    Attributes:
        host: IP text.
        port: 1..65535, for UDP and TCP.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def bracketed(self) -> str:
        """``host:port``, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def joined(self, mark: str) -> str:
        """Return host and port with ``mark`` between them."""
        return f"{self.host}{mark}{self.port}"


@attrs.frozen
class ReverseName:
    """One reverse zone.

    Attributes:
        zone: Its name, without the final dot.
        network: The prefix that it stands for.
    """

    zone: str
    network: str


@attrs.frozen(kw_only=True)
class ResolverFacts:
    """What a recipe is made from.

    Attributes:
        servers: Where to ask, at least one.
        domains: The agent's domains without final dots, at least one.
        reverse: Its reverse zones.
        recurses_for: Networks whose clients it answers for every other name too; none without recursors.
        sample: A name that exists, for trying things out.
        outer: Where other machines ask the agent, as far as is known.
    """

    servers: tuple[Server, ...]
    domains: tuple[str, ...]
    reverse: tuple[ReverseName, ...] = ()
    recurses_for: tuple[str, ...] = ()
    sample: str
    outer: tuple[Server, ...] = ()

    @property
    def zones(self) -> tuple[str, ...]:
        """The names of all its zones: the domains, then the reverse zones."""
        return (*self.domains, *(each.zone for each in self.reverse))

    @property
    def search_domain(self) -> str:
        """The domain in which a node's name stands alone."""
        return f"node.{self.domains[0]}"

    @property
    def is_on_dns_port(self) -> bool:
        """Whether it is found on port 53, the only one that some clients know."""
        return all(server.port == DNS_PORT for server in self.servers)


def server_of(text: str) -> Server:
    """Return the server that ``IP``, ``IP:PORT`` or ``[IP]:PORT`` names; without a port it is 53.

    Raises:
        RecipeError: It names none.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = text, str(DNS_PORT)
    host = host.removeprefix("[").removesuffix("]")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        raise RecipeError(f"{shorten(text)} is not where an agent serves DNS; write IP:PORT or [IP]:PORT") from None
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65535:
        raise RecipeError(f"{shorten(text)} has no port between 1 and 65535")
    return Server(str(ip), int(port))


def domain_of(text: str) -> str:
    """Return a domain in lower case, without the final dot.

    Raises:
        RecipeError: It is none that an agent can have.
    """
    name = fold(text).removesuffix(".")
    if not all(is_dns_label(label.replace("_", "-")) for label in name.split(".")):
        raise RecipeError(f"{shorten(text)} is no domain; write one such as consul or nodes.example.org")
    return name


def reverse_zones_of(text: str) -> tuple[ReverseName, ...]:
    """Return the reverse zones that a prefix, or a zone's name, stands for.

    Raises:
        RecipeError: It stands for none.
    """
    try:
        return tuple(map(reverse_of, cut_reverse_zone(text)))
    except LocalProtocolError as error:
        raise RecipeError(str(error)) from None


def reverse_of(prefix: Digits) -> ReverseName:
    """Return the zone of a prefix that ends at a border of labels."""
    bits = _BITS[prefix.version]
    first = int(prefix.text.ljust(bits // _BITS_PER_DIGIT, "0"), 16)
    ip = ipaddress.IPv4Address(first) if prefix.version == 4 else ipaddress.IPv6Address(first)
    return ReverseName(_spelt(reverse_labels(prefix)), f"{ip}/{_BITS_PER_DIGIT * len(prefix.text)}")


def special_zone(name: str) -> str:
    """Return the special zone that ``name`` is, or is in; empty where there is none."""
    labels = name.split(".")
    above = (".".join(labels[at:]) for at in range(len(labels)))
    return next((each for each in above if each in _SPECIAL), "")


def _spelt(labels: Labels) -> str:
    return b".".join(labels).decode("ascii")


def _reverse_names(prefixes: Iterable[str]) -> Iterable[str]:
    for prefix in prefixes:
        yield from (_spelt(reverse_labels(digits)) for digits in cut_reverse_zone(prefix))


_SPECIAL = dict.fromkeys(
    (
        "home.arpa",
        "invalid",
        "localhost",
        "onion",
        "test",
        *_reverse_names(
            (
                "0.0.0.0/8",
                "10.0.0.0/8",
                "100.64.0.0/10",
                "127.0.0.0/8",
                "169.254.0.0/16",
                "172.16.0.0/12",
                "192.0.2.0/24",
                "192.168.0.0/16",
                "198.51.100.0/24",
                "203.0.113.0/24",
                "255.255.255.255/32",
                "::/128",
                "::1/128",
                "fd00::/8",
                "fe80::/12",
                "fe90::/12",
                "fea0::/12",
                "feb0::/12",
                "2001:db8::/32",
            )
        ),
    )
)

"""The rules for where an agent listens and what it announces: addresses and ports.

Source: Consul's error texts. One thing is stricter than Consul: a DNS or HTTP
port above 65535 is an error, not a way of turning the service off.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import attrs

from nodedns.config.advertise import advertised, advertised_of_family
from nodedns.config.draft import Draft
from nodedns.config.interfaces import InterfaceLister, RouteFinder
from nodedns.config.schema import OFF
from nodedns.config.templates import TemplateError, expand
from nodedns.errors import shorten
from nodedns.model.address import MAX_PORT

__all__ = ["Network", "is_unix", "network", "retry_join"]

DEFAULT_PORTS = {"dns": 8600, "http": 8500, "https": OFF, "serf_lan": 8301}
ANY_IPV4, ANY_IPV6 = "0.0.0.0", "::"  # noqa: S104 - what a configuration may say
DEFAULT_BIND = "0.0.0.0"  # noqa: S104 - Consul's default
DEFAULT_CLIENT = "127.0.0.1"
UNIX_PREFIX = "unix://"


@attrs.frozen(kw_only=True)
class Network:
    """The part of ``AgentConfig`` that is addresses and ports, under the same names."""

    bind_addr: str
    serf_lan_addr: str
    advertise_addr: str
    advertise_port: int
    advertise_addr_ipv4: str
    advertise_addr_ipv6: str
    advertise_note: str
    client_addrs: tuple[str, ...]
    dns_addrs: tuple[str, ...]
    http_addrs: tuple[str, ...]
    https_addrs: tuple[str, ...]
    dns_port: int
    http_port: int
    https_port: int
    serf_lan_port: int


def network(draft: Draft, join: Sequence[str], interfaces: InterfaceLister, route: RouteFinder) -> Network:
    """Return every address and port, each checked; ``join`` are the addresses that will be joined."""
    settings = draft.settings
    bind = _one_ip(draft, "bind_addr", settings.bind_addr, DEFAULT_BIND, interfaces)
    clients = _addresses(draft, "client_addr", settings.client_addr, (DEFAULT_CLIENT,), interfaces)
    if settings.client_addr is not None and not settings.client_addr.strip():
        draft.warnings.append("client_addr is empty, client services (DNS, HTTP) will not be listening for connections")
    own = settings.addresses
    dns_port, http_port, https_port = (_port(draft, name) for name in ("dns", "http", "https"))
    dns = _addresses(draft, "addresses.dns", own.dns if own else None, clients, interfaces)
    if any(is_unix(address) for address in dns):
        draft.problem("addresses.dns" if own and own.dns else "client_addr", "DNS address cannot be a unix socket")
        dns = ()
    http = _addresses(draft, "addresses.http", own.http if own else None, clients, interfaces)
    https = _https_addresses(draft, clients, interfaces)
    gossip = bind if settings.serf_lan is None else _one_ip(draft, "serf_lan", settings.serf_lan, "", interfaces)
    told = advertised(draft, gossip, join, interfaces, route)
    found = Network(
        bind_addr=bind,
        serf_lan_addr=gossip,
        advertise_addr=told.addr,
        advertise_port=told.port,
        advertise_addr_ipv4=advertised_of_family(draft, 4, interfaces),
        advertise_addr_ipv6=advertised_of_family(draft, 6, interfaces),
        advertise_note=told.note,
        client_addrs=clients,
        dns_addrs=dns if dns_port != OFF else (),
        http_addrs=http if http_port != OFF else (),
        https_addrs=https if https_port != OFF else (),
        dns_port=dns_port,
        http_port=http_port,
        https_port=https_port,
        serf_lan_port=_port(draft, "serf_lan"),
    )
    _check_unique(draft, found)
    return found


def retry_join(draft: Draft, interfaces: InterfaceLister) -> tuple[str, ...]:
    """Return the addresses to join, those of ``start_join`` behind them, templates filled in."""
    joined: list[str] = []
    for path, entries in (("retry_join", draft.settings.retry_join), ("start_join", draft.settings.start_join)):
        for entry in entries or ():
            if "provider=" in entry:
                message = f"cloud auto-join is not in nodedns: {shorten(entry)}; name members by address or by DNS name"
                draft.problem(path, message)
            else:
                joined += _expanded(draft, path, entry, interfaces) or ()
    return tuple(joined)


def is_unix(address: str) -> bool:
    """Whether ``address`` is the path of a Unix socket."""
    return address.startswith(UNIX_PREFIX)


def _one_ip(draft: Draft, path: str, given: str | None, default: str, interfaces: InterfaceLister) -> str:
    words = _expanded(draft, path, default if given is None else given, interfaces)
    if words is None:
        return ""
    if not words:
        draft.problem(path, f"{path} cannot be empty")
    elif len(words) > 1:
        hint = " Use 'addresses.{dns,http,https}' instead." if path == "bind_addr" else ""
        draft.problem(path, f"{path} cannot contain multiple addresses.{hint}")
    elif is_unix(words[0]):
        draft.problem(path, f"{path} cannot be a unix socket")
    elif _ip(words[0]) is None:
        draft.problem(path, f"{path} must be an ip address, not {shorten(words[0])}")
    else:
        return str(_ip(words[0]))
    return ""


def _addresses(
    draft: Draft, path: str, given: str | None, default: tuple[str, ...], interfaces: InterfaceLister
) -> tuple[str, ...]:
    if given is None:
        return default
    found: list[str] = []
    for word in _expanded(draft, path, given, interfaces) or ():
        if word == UNIX_PREFIX or not (is_unix(word) or _ip(word)):
            draft.problem(path, f"{path}: invalid ip address: {shorten(word)}")
        else:
            found.append(word if is_unix(word) else str(_ip(word)))
    return tuple(address for address in found if not _is_covered(address, found))


def _is_covered(address: str, others: Sequence[str]) -> bool:
    """Whether ``address`` needs no socket of its own, and could not have one, since a socket on :: takes IPv4 too."""
    if is_unix(address) or address == ANY_IPV6:
        return False
    return ANY_IPV6 in others or (ANY_IPV4 in others and address != ANY_IPV4 and ":" not in address)


def _https_addresses(draft: Draft, clients: Sequence[str], interfaces: InterfaceLister) -> tuple[str, ...]:
    given = draft.settings.addresses.https if draft.settings.addresses else None
    # What stands for every service may have Unix sockets, which need no encryption.
    default = tuple(address for address in clients if not is_unix(address))
    found = _addresses(draft, "addresses.https", given, default, interfaces)
    if any(is_unix(address) for address in found):
        draft.problem("addresses.https", "HTTPS address cannot be a unix socket")
        return ()
    return found


def _expanded(draft: Draft, path: str, text: str, interfaces: InterfaceLister) -> tuple[str, ...] | None:
    """Return the words of ``text``, or ``None`` when its template is wrong, which is then reported."""
    try:
        return expand(text, interfaces)
    except TemplateError as error:
        draft.problem(path, f"{path}: {error}")
        return None


def _port(draft: Draft, name: str) -> int:
    ports = draft.settings.ports
    given = getattr(ports, name) if ports else None
    port = DEFAULT_PORTS[name] if given is None else int(given)
    path = f"ports.{name}"
    if port > MAX_PORT:
        draft.problem(path, f"{path} cannot be {port}; a port is at most {MAX_PORT}")
    elif name == "serf_lan" and port <= 0:
        draft.problem(path, f"{path} cannot be {port}; gossip must have a port")
    return port if 0 < port <= MAX_PORT else OFF


def _check_unique(draft: Draft, found: Network) -> None:
    used: dict[tuple[str, int], tuple[str, str]] = {}
    listeners = [("DNS", "ports.dns", address, found.dns_port) for address in found.dns_addrs]
    listeners += [("HTTP", "ports.http", address, found.http_port) for address in found.http_addrs]
    listeners += [("HTTPS", "ports.https", address, found.https_port) for address in found.https_addrs]
    listeners += [("Serf LAN", "ports.serf_lan", found.serf_lan_addr, found.serf_lan_port)]
    for service, path, address, port in listeners:
        where = (address, 0 if is_unix(address) else port)
        if port != OFF and where in used:
            shown = address if is_unix(address) else f"{address}:{port}"
            other, other_path = used[where]
            # A default is nobody's mistake: the key that somebody set is.
            at = path if path in draft.origins else other_path
            draft.problem(at, f"{service} address {shown} already configured for {other}")
        used[where] = (service, path)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None

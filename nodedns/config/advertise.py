"""The rules for the address that the others are told: given, or chosen from this machine's addresses.

Strategy: what is given is taken, with a port of its own if it has one. What
gossip is bound to (``serf_lan``, else ``bind_addr``) is next. Where that is unspecified, this machine's
private IPv4 addresses (for ``::`` its public IPv6, else its unique local ones) are
the candidates. One is taken; of several, that from which the first address to
join is reached, else that of the default route. The choice and what was passed
over are told, since a wrong one (a container bridge, a VPN) is hard to find later.

Source: Consul's error texts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import attrs

from nodedns.config.draft import Draft
from nodedns.config.interfaces import InterfaceAddress, InterfaceLister, RouteFinder, is_private, is_public
from nodedns.config.templates import TemplateError, expand
from nodedns.errors import shorten
from nodedns.model.address import parse_port, split_port

__all__ = ["Advertised", "advertised", "advertised_of_family"]

PATH = "advertise_addr"


@attrs.frozen
class Advertised:
    """What the others are told.

    Attributes:
        addr: IP text; empty where a problem was reported.
        port: 1..65535, or 0 for the port that gossip is bound to.
        note: How it was chosen and what was passed over; empty where there was no choice.
    """

    addr: str
    port: int = 0
    note: str = ""


def advertised(
    draft: Draft, bind: str, join: Sequence[str], interfaces: InterfaceLister, route: RouteFinder
) -> Advertised:
    """Return what to advertise.

    Args:
        draft: Holds ``advertise_addr``; takes the problems.
        bind: IP text that gossip is bound to; empty where that is wrong.
        join: The addresses that will be joined, in order.
        interfaces: Gives this machine's addresses; asked only where one must be chosen.
        route: Gives the way out to an address; asked only where there are several candidates.
    """
    given = draft.settings.advertise_addr
    if given is not None:
        return _given(draft, given, interfaces)
    if not bind or not ipaddress.ip_address(bind).is_unspecified:
        return Advertised(bind)
    version = ipaddress.ip_address(bind).version
    candidates = _candidates(version, interfaces())
    texts = [str(candidate.ip) for candidate in candidates]
    if len(texts) < 2:
        if not texts:
            kind = "private IPv4" if version == 4 else "public IPv6"
            draft.problem(PATH, f"No {kind} address found; name one with -bind or -advertise")
        return Advertised(texts[0] if texts else "")
    return _chosen(draft, candidates, texts, join, route)


def advertised_of_family(draft: Draft, version: int, interfaces: InterfaceLister) -> str:
    """Return the address of IP version 4 or 6 that DNS is to give for this agent; empty where none is set."""
    path = f"{PATH}_ipv{version}"
    given = getattr(draft.settings, path)
    if not given:
        return ""
    try:
        words = expand(given, interfaces)
    except TemplateError as error:
        draft.problem(path, f"{path}: {error}")
        return ""
    try:
        (ip,) = map(ipaddress.ip_address, words)
    except ValueError:
        draft.problem(path, f"{path} must be one ip address, not {shorten(' '.join(words))}")
        return ""
    if ip.version != version:
        draft.problem(path, f"{path} must be an ipv{version} address")
    elif ip.is_unspecified or ip.is_multicast:
        draft.problem(path, f"{path} cannot be {ip}, where nobody can be reached")
    return str(ip)


def _given(draft: Draft, given: str, interfaces: InterfaceLister) -> Advertised:
    try:
        words = expand(given, interfaces)
    except TemplateError as error:
        draft.problem(PATH, f"{PATH}: {error}")
        return Advertised("")
    if len(words) != 1:
        message = f"{PATH} cannot contain multiple addresses" if words else f"{PATH} cannot be empty"
        draft.problem(PATH, f"{message}.{_found(words)}")
        return Advertised("")
    host, port_text = split_port(words[0])
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        wanted = "with a port or without, such as 10.0.0.5, 10.0.0.5:8301 or [fd00::5]:8301"
        draft.problem(PATH, f"{PATH} must be an ip address, {wanted}, not {shorten(words[0])}")
        return Advertised("")
    if ip.is_unspecified:
        draft.problem(PATH, "Advertise address cannot be 0.0.0.0, :: or [::]")
    port = parse_port(port_text)
    if port_text and not port:
        draft.problem(PATH, f"{PATH} has a bad port {shorten(port_text)}, wanted 1 to 65535")
    return Advertised(str(ip), port)


def _candidates(version: int, addresses: Sequence[InterfaceAddress]) -> list[InterfaceAddress]:
    usable = [address for address in addresses if address.is_up and address.ip.version == version]
    inside = [address for address in usable if is_private(address.ip)]
    if version == 4:
        return inside
    return [address for address in usable if is_public(address.ip)] or inside


def _chosen(
    draft: Draft, candidates: Sequence[InterfaceAddress], texts: list[str], join: Sequence[str], route: RouteFinder
) -> Advertised:
    if join:
        way_out = route(join[0])
        if way_out in texts:
            return _noted(way_out, f"the way to {join[0]}", texts)
    defaults = [str(candidate.ip) for candidate in candidates if candidate.is_default]
    if len(defaults) == 1:
        return _noted(defaults[0], "on the interface of the default route", texts)
    version = candidates[0].ip.version
    kind = "private IPv4" if version == 4 else "IPv6"
    rule = f"Multiple {kind} addresses found. Please configure one with 'bind' and/or 'advertise'."
    draft.problem(PATH, f"{rule}{_found(texts)}")
    return Advertised("")


def _noted(addr: str, reason: str, texts: Sequence[str]) -> Advertised:
    others = ", ".join(text for text in texts if text != addr)
    return Advertised(addr, note=f"{reason}; also found {others}: name one with -advertise if that is wrong")


def _found(texts: Sequence[str]) -> str:
    return f" Found: {', '.join(texts)}" if texts else ""

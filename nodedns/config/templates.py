"""go-sockaddr's address templates, as far as configuration files use them.

``{{ GetPrivateIP }}`` in an address stands for what this machine's interfaces
say. A template is a source, then filters behind ``|``:

* sources ``GetPrivateIP(s)``, ``GetPublicIP(s)``, ``GetInterfaceIP(s) "eth0"``
  give text; ``GetAllInterfaces``, ``GetDefaultInterfaces``,
  ``GetPrivateInterfaces``, ``GetPublicInterfaces`` give a list of addresses;
* ``include`` and ``exclude`` with ``"type"``, ``"network"``, ``"name"``,
  ``"address"`` or ``"flags"``, ``sort``, ``limit``, ``offset`` narrow the list;
* ``attr "address"``, ``attr "name"`` and ``join "address" " "`` turn it into text.

Anything else is refused by name, never guessed. Several addresses are
separated by blanks. Source: go-sockaddr's documentation of its template package.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable, Mapping, Sequence

from nodedns.config.interfaces import InterfaceAddress, InterfaceLister, is_private, is_public

__all__ = ["TemplateError", "expand"]

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)

_BAR = re.compile(r'\|(?=(?:[^"]*"[^"]*")*[^"]*$)')  # one outside quotes: an even number of them follows

_Addresses = list[InterfaceAddress]


class TemplateError(ValueError):
    """A template cannot be read, or is of a kind that nodedns does not know."""


def expand(text: str, interfaces: InterfaceLister) -> tuple[str, ...]:
    """Return the words of ``text`` with its templates filled in; interfaces are listed only for a template.

    Raises:
        TemplateError: A template is malformed or unknown.
    """
    filled = _TEMPLATE.sub(lambda template: _evaluate(template[1], interfaces()), text)
    if "{{" in filled or "}}" in filled:
        raise TemplateError(f"a template is not closed in {text!r}")
    return tuple(filled.split())


def _evaluate(pipeline: str, addresses: Sequence[InterfaceAddress]) -> str:
    source, *filters = [_words(stage) for stage in _BAR.split(pipeline)]
    value = _source(source, list(addresses))
    for words in filters:
        if isinstance(value, str):
            raise TemplateError(f"{words[0]} cannot follow text")
        value = _filter(words, value)
    if not isinstance(value, str):
        raise TemplateError('a list of interfaces is no address; end the template with attr "address" or join')
    return value


def _words(stage: str) -> list[str]:
    try:
        words = shlex.split(stage)
    except ValueError:
        raise TemplateError(f"quotes are not closed in {stage!r}") from None
    if not words:
        raise TemplateError("a template has an empty part")
    return words


def _is_forwardable(address: InterfaceAddress) -> bool:
    ip = address.ip
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified)


def _source(words: Sequence[str], addresses: _Addresses) -> str | _Addresses:
    name, *arguments = words
    usable = [address for address in addresses if address.is_up and _is_forwardable(address)]
    if name in ("GetInterfaceIP", "GetInterfaceIPs"):
        pattern = _only(name, arguments)
        chosen = _sorted([address for address in usable if _matches(pattern, address.name)], "type,size")
    elif name in _SOURCES and not arguments:
        chosen = _sorted(_SOURCES[name](addresses if name == "GetAllInterfaces" else usable), "default,type,size")
    else:
        raise TemplateError(f"{name} with {len(arguments)} arguments is no source of addresses that nodedns knows")
    if name.endswith("IPs"):
        return " ".join(str(address.ip) for address in chosen)
    if name.endswith("IP"):
        return str(chosen[0].ip) if chosen else ""
    return chosen


def _private(addresses: _Addresses) -> _Addresses:
    return [address for address in addresses if is_private(address.ip)]


def _public(addresses: _Addresses) -> _Addresses:
    return [address for address in addresses if is_public(address.ip)]


_SOURCES: Mapping[str, Callable[[_Addresses], _Addresses]] = {
    "GetAllInterfaces": list,
    "GetDefaultInterfaces": lambda addresses: [address for address in addresses if address.is_default],
    "GetPrivateIP": _private,
    "GetPrivateIPs": _private,
    "GetPrivateInterfaces": _private,
    "GetPublicIP": _public,
    "GetPublicIPs": _public,
    "GetPublicInterfaces": _public,
}


def _filter(words: Sequence[str], addresses: _Addresses) -> str | _Addresses:
    name, *arguments = words
    if name in ("include", "exclude") and len(arguments) == 2:
        accepts = _predicate(*arguments)
        return [address for address in addresses if accepts(address) == (name == "include")]
    if name == "sort" and len(arguments) == 1:
        return _sorted(addresses, arguments[0])
    if name in ("limit", "offset") and len(arguments) == 1 and arguments[0].isdigit():
        count = int(arguments[0])
        return addresses[:count] if name == "limit" else addresses[count:]
    if name == "attr" and len(arguments) == 1:
        return _attribute(addresses[0], arguments[0]) if addresses else ""
    if name == "join" and len(arguments) == 2:
        return arguments[1].join(_attribute(address, arguments[0]) for address in addresses)
    raise TemplateError(f"{' '.join(words)!r} is no filter that nodedns knows")


def _predicate(kind: str, argument: str) -> Callable[[InterfaceAddress], bool]:
    if kind == "network":
        try:
            network = ipaddress.ip_network(argument, strict=False)
        except ValueError as error:
            raise TemplateError(str(error)) from None
        return lambda address: address.ip.version == network.version and address.ip in network
    if kind == "type" and argument.lower() in ("ip", "ipv4", "ipv6"):
        version = argument.lower().removeprefix("ipv")
        return lambda address: version == "ip" or str(address.ip.version) == version
    if kind == "name":
        return lambda address: _matches(argument, address.name)
    if kind == "address":
        return lambda address: _matches(argument, str(address.ip))
    if kind == "flags" and all(flag in _FLAGS for flag in argument.split("|")):
        return lambda address: all(_FLAGS[flag](address) for flag in argument.split("|"))
    raise TemplateError(f"{kind} {argument!r} is no choice that nodedns knows")


_FLAGS: Mapping[str, Callable[[InterfaceAddress], bool]] = {
    "up": lambda address: address.is_up,
    "down": lambda address: not address.is_up,
    "loopback": lambda address: address.ip.is_loopback,
    "link-local unicast": lambda address: address.ip.is_link_local,
    "forwardable": _is_forwardable,
    "global unicast": lambda address: not (address.ip.is_loopback or address.ip.is_link_local),
}

_SORT_KEYS: Mapping[str, Callable[[InterfaceAddress], int | str]] = {
    "default": lambda address: not address.is_default,
    "type": lambda address: address.ip.version,
    # The smaller network is the more exact one and goes first.
    "size": lambda address: address.ip.max_prefixlen - address.prefix_length,
    "address": lambda address: int(address.ip),
    "name": lambda address: address.name,
}


def _sorted(addresses: _Addresses, order: str) -> _Addresses:
    ordered = list(addresses)
    for part in reversed(order.split(",")):
        name = part.strip().lstrip("+-")
        if name not in _SORT_KEYS:
            raise TemplateError(f"sort {name!r} is no order that nodedns knows")
        ordered.sort(key=_SORT_KEYS[name], reverse=part.strip().startswith("-"))
    return ordered


def _attribute(address: InterfaceAddress, name: str) -> str:
    if name == "address":
        return str(address.ip)
    if name == "name":
        return address.name
    raise TemplateError(f"attr {name!r} is no attribute that nodedns knows")


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error as error:
        raise TemplateError(f"{pattern!r} is no regular expression: {error}") from None


def _only(name: str, arguments: Sequence[str]) -> str:
    if len(arguments) != 1:
        raise TemplateError(f"{name} takes the name of one interface")
    return arguments[0]

"""The files in which a Linux host says how it looks names up: nsswitch.conf, resolv.conf, systemd-resolved's.

Pure: text in, values out. What cannot be understood is passed over, as the C library does.
Source: nsswitch.conf(5), resolv.conf(5), resolved.conf(5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

__all__ = ["DEFAULT_SOURCES", "ResolvConf", "ResolvedConf", "host_sources", "read_resolv_conf", "read_resolved_conf"]

DEFAULT_SOURCES = ("files", "dns")
"""Where nsswitch.conf says nothing of hosts; glibc's own default is ``dns [!UNAVAIL=return] files``."""
DEFAULT_NAMESERVER = "127.0.0.1"
"""What the C library asks where resolv.conf names nobody."""
MAX_NAMESERVERS = 3  # MAXNS of glibc's resolv.h
MAX_SEARCH = 32
"""Far above what any program tries."""
_WRITERS = ("NetworkManager", "systemd-resolved", "resolvconf", "dhcpcd", "dhclient", "Docker", "connman", "Tailscale")


@attrs.frozen(kw_only=True)
class ResolvConf:
    """What resolv.conf says.

    Attributes:
        named: The nameservers that it names, at most three.
        search: Domains to try with a short name.
        writer: The program that says it has written the file; else empty.
    """

    named: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    writer: str = ""

    @property
    def nameservers(self) -> tuple[str, ...]:
        """Whom the C library asks."""
        return self.named or (DEFAULT_NAMESERVER,)


@attrs.frozen(kw_only=True)
class ResolvedConf:
    """What systemd-resolved's files say together.

    Attributes:
        servers: ``DNS=``, as they stand there.
        routes: ``Domains=``, without ``~``, in lower case.
    """

    servers: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


def host_sources(nsswitch: str) -> tuple[str, ...]:
    """Return the words behind ``hosts:``, actions in brackets as one word each."""
    for line in nsswitch.splitlines():
        key, colon, rest = line.partition("#")[0].partition(":")
        if colon and key.strip() == "hosts":
            return tuple(re.findall(r"\[[^\]]*\]|[^\s\[\]]+", rest))
    return DEFAULT_SOURCES


def read_resolv_conf(text: str) -> ResolvConf:
    """Return what the C library makes of the file."""
    named: list[str] = []
    search: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        match words[0], words[1:]:
            case "nameserver", [address, *_]:
                named.append(address)
            case (("search" | "domain"), domains):  # the last of them counts
                search = tuple(domain.rstrip(".").lower() for domain in domains[:MAX_SEARCH] if domain != ".")
    return ResolvConf(named=tuple(named[:MAX_NAMESERVERS]), search=search, writer=_writer(text))


def _writer(text: str) -> str:
    remarks = " ".join(line for line in text.splitlines() if line.startswith(("#", ";"))).lower()
    return next((name for name in _WRITERS if name.lower() in remarks), "")


def read_resolved_conf(texts: Sequence[str]) -> ResolvedConf:
    """Return what several files say together, each laid over those before; an empty value forgets them."""
    lists: dict[str, list[str]] = {"DNS": [], "Domains": []}
    for text in texts:
        for line in text.splitlines():
            key, equals, value = line.strip().partition("=")
            found = lists.get(key.strip())
            if not equals or found is None:
                continue
            if not value.strip():
                found.clear()
            found.extend(value.split())
    routes = (word.removeprefix("~").rstrip(".").lower() for word in lists["Domains"])
    return ResolvedConf(servers=tuple(lists["DNS"]), routes=tuple(routes))

"""``Inherited``: sockets that listen before the agent does: systemd's socket activation.

Strategy: the descriptors from 3 on are taken over by the names that the socket unit gives them
(``FileDescriptorName=``): ``dns`` for UDP and TCP, ``http`` for TCP. Each is looked at before it is used, for a
socket of another kind would fail later and with less to say. The variables are removed, so that nobody whom the
agent starts believes they are for him; ``covers`` tells which configured address is one of these already.

Source: sd_listen_fds(3), sd_is_socket(3), systemd.socket(5).
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping, Sequence
from contextlib import ExitStack

import attrs

from nodedns.errors import BindError
from nodedns.net.transport import address_of
from nodedns.net.udp import RECEIVE_BUFFER_BYTES

__all__ = ["DNS_NAME", "FIRST_DESCRIPTOR", "HTTP_NAME", "MAX_INHERITED", "Inherited", "covers", "take_inherited"]

FIRST_DESCRIPTOR = 3
MAX_INHERITED = 128
"""Ours: two for each of 64 addresses; a process may have 1,024 descriptors by default."""
DNS_NAME = "dns"
HTTP_NAME = "http"

_TAKEN = {DNS_NAME: (socket.SOCK_DGRAM, socket.SOCK_STREAM), HTTP_NAME: (socket.SOCK_STREAM,)}
_WORDS = {socket.SOCK_DGRAM: "udp", socket.SOCK_STREAM: "tcp"}
_ANY = {"0.0.0.0", "::"}  # noqa: S104 - what is recognised, not bound


@attrs.frozen
class Inherited:
    """The sockets, in the order in which they were handed over; non-blocking, closed when a program is run.

    Attributes:
        dns_udp: For DNS over UDP.
        dns_tcp: For DNS over TCP, listening.
        http: For HTTP, listening.
    """

    dns_udp: tuple[socket.socket, ...] = ()
    dns_tcp: tuple[socket.socket, ...] = ()
    http: tuple[socket.socket, ...] = ()

    def close(self) -> None:
        """Close them all; closing twice does nothing."""
        for sock in (*self.dns_udp, *self.dns_tcp, *self.http):
            sock.close()


def take_inherited(environment: MutableMapping[str, str], pid: int, first: int = FIRST_DESCRIPTOR) -> Inherited:
    """Take over what ``environment`` says was handed to us, and remove its variables from it.

    Args:
        environment: Variables.
        pid: Our process ID; what is meant for another is left alone.
        first: The first descriptor.

    Raises:
        BindError: One of them is not what its name says; then none is kept.
    """
    count_text = environment.pop("LISTEN_FDS", "")
    names_text = environment.pop("LISTEN_FDNAMES", "")
    if environment.pop("LISTEN_PID", "") != str(pid) or not count_text:
        return Inherited()
    count = int(count_text) if count_text.isascii() and count_text.isdigit() else -1
    if not 0 <= count <= MAX_INHERITED:
        raise BindError(f"LISTEN_FDS={count_text} is not a number of sockets, 0 to {MAX_INHERITED}")
    names = names_text.split(":") if names_text else []
    if len(names) != count:
        raise BindError(
            f"LISTEN_FDNAMES has {len(names)} names for {count} sockets; "
            f"set FileDescriptorName={DNS_NAME} or {HTTP_NAME} in the socket unit"
        )
    found: dict[tuple[str, int], list[socket.socket]] = {}
    with ExitStack() as undo:
        for descriptor, name in enumerate(names, first):
            sock = _take(descriptor, name)
            undo.callback(sock.close)
            found.setdefault((name, sock.type), []).append(sock)
        for (name, _), socks in found.items():
            _refuse_twins(name, socks)
        undo.pop_all()

    def of(name: str, kind: int) -> tuple[socket.socket, ...]:
        return tuple(found.get((name, kind), ()))

    return Inherited(
        of(DNS_NAME, socket.SOCK_DGRAM), of(DNS_NAME, socket.SOCK_STREAM), of(HTTP_NAME, socket.SOCK_STREAM)
    )


def _take(descriptor: int, name: str) -> socket.socket:
    where = f"descriptor {descriptor} of the service manager, {name!r},"
    if name not in _TAKEN:
        raise BindError(
            f"{where} has an unknown name; set FileDescriptorName={DNS_NAME} or {HTTP_NAME} in the socket unit"
        )
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError:
        raise BindError(f"{where} is not a socket") from None
    with ExitStack() as undo:
        undo.callback(sock.close)
        problem = _problem(sock, name)
        if problem:
            raise BindError(f"{where} {problem}")
        os.set_inheritable(descriptor, False)
        sock.setblocking(False)
        if sock.type == socket.SOCK_DGRAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        undo.pop_all()
    return sock


def _problem(sock: socket.socket, name: str) -> str:
    """Return what is wrong with a socket, and how to mend it; empty for nothing."""
    kinds = _TAKEN[name]
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return "is not an IPv4 or IPv6 socket; give ListenStream= or ListenDatagram= an address and a port"
    if sock.type not in kinds:
        wanted = " or ".join(_WORDS[kind] for kind in kinds)
        return f"is a {_WORDS.get(sock.type, 'raw')} socket where {wanted} is wanted; see the Listen lines of its unit"
    if sock.type == socket.SOCK_STREAM and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "does not listen; the socket unit must have Accept=no"
    if sock.getsockname()[1] == 0:
        return "is not bound to a port"
    return ""


def _refuse_twins(name: str, socks: Sequence[socket.socket]) -> None:
    seen: set[object] = set()
    for sock in socks:
        if sock.getsockname() in seen:
            raise BindError(
                f"{address_of(sock.getsockname())} was handed over twice as {name!r}; one of them is enough"
            )
        seen.add(sock.getsockname())


def covers(socks: Sequence[socket.socket], host: str, port: int) -> bool:
    """Whether one of ``socks`` gets already what is sent to ``host``, ``port``, so that it must not be bound again.

    Args:
        socks: Bound, of one kind.
        host: IP address as text, with a scope if it is link-local.
        port: 0 for any free one, which is never taken yet.
    """
    if port == 0:
        return False
    family, _, _, _, wanted = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    return any(_gets(sock, family, wanted) for sock in socks)


def _gets(sock: socket.socket, family: int, wanted: tuple[object, ...]) -> bool:
    name = sock.getsockname()
    if name[1] != wanted[1]:
        return False
    if sock.family == family:
        return name[0] in _ANY or (name[0], *name[3:]) == (wanted[0], *wanted[3:])
    is_for_both = sock.family == socket.AF_INET6 and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return is_for_both and name[0] in {"::", f"::ffff:{wanted[0]}"}

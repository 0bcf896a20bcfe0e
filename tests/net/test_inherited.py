"""Sockets handed over by a service manager: which are taken, and what is said of the others."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from nodedns.errors import BindError
from nodedns.net.inherited import covers, take_inherited

PID = 7


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def udp(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, port))
    return sock


def tcp(host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.bind((host, 0))
    sock.listen()
    return sock


def unix() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


def hand_over(undo: ExitStack, *named: tuple[str, socket.socket]) -> tuple[dict[str, str], int]:
    """Put sockets at neighbouring descriptors; return the environment, and the first of them."""
    first = 200
    for number, (_, sock) in enumerate(named):
        os.dup2(sock.fileno(), first + number, inheritable=True)
        sock.close()
    names = ":".join(name for name, _ in named)
    environment = {"LISTEN_FDS": str(len(named)), "LISTEN_PID": str(PID), "LISTEN_FDNAMES": names, "HOME": "/"}
    undo.callback(os.closerange, first, first + len(named))
    return environment, first


def test_sockets_are_taken_by_name_and_type_and_the_variables_removed(undo: ExitStack) -> None:
    environment, first = hand_over(
        undo, ("dns", udp()), ("http", tcp()), ("dns", tcp()), ("dns", udp("::1")), ("dns", tcp("::1"))
    )
    taken = take_inherited(environment, PID, first)
    assert [first, first + 3] == [sock.fileno() for sock in taken.dns_udp]
    assert [first + 2, first + 4] == [sock.fileno() for sock in taken.dns_tcp]
    assert [first + 1] == [sock.fileno() for sock in taken.http]
    assert {"HOME": "/"} == environment
    assert [(False, False)] * 2 == [(sock.get_inheritable(), sock.getblocking()) for sock in taken.dns_udp]
    taken.close()


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("dns", unix, "'dns', is not an IPv4 or IPv6 socket"),
        ("http", udp, "is a udp socket where tcp is wanted"),
        ("nodedns-dns.socket", udp, "has an unknown name; set FileDescriptorName=dns or http in the socket unit"),
        ("http", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM), "does not listen"),
        ("dns", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "is not bound to a port"),
    ],
)
def test_a_socket_of_another_kind_is_refused_in_one_line(
    undo: ExitStack, name: str, make: Callable[[], socket.socket], message: str
) -> None:
    environment, first = hand_over(undo, ("dns", tcp()), (name, make()))
    with pytest.raises(BindError, match=message) as refused:
        take_inherited(environment, PID, first)
    assert "\n" not in str(refused.value)
    assert str(first + 1) in str(refused.value)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first)


def test_what_is_no_socket_is_refused() -> None:
    reading, writing = os.pipe()
    try:
        environment = {"LISTEN_FDS": "1", "LISTEN_PID": str(PID), "LISTEN_FDNAMES": "dns"}
        with pytest.raises(BindError, match=f"descriptor {reading} of the service manager, 'dns', is not a socket"):
            take_inherited(environment, PID, reading)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("count", "names", "message"),
    [
        ("2", "dns", "LISTEN_FDNAMES has 1 names for 2 sockets"),
        ("1", "", "LISTEN_FDNAMES has 0 names for 1 sockets"),
        ("many", "dns", "LISTEN_FDS=many is not a number of sockets"),
        ("100000", "dns", "LISTEN_FDS=100000 is not a number of sockets, 0 to 128"),
    ],
)
def test_variables_that_do_not_fit_together_are_refused(count: str, names: str, message: str) -> None:
    environment = {"LISTEN_FDS": count, "LISTEN_PID": str(PID), "LISTEN_FDNAMES": names}
    with pytest.raises(BindError, match=message):
        take_inherited(environment, PID)


def test_the_same_address_twice_is_refused(undo: ExitStack) -> None:
    one = udp()
    environment, first = hand_over(undo, ("dns", one.dup()), ("dns", one))
    with pytest.raises(BindError, match="was handed over twice as 'dns'; one of them is enough"):
        take_inherited(environment, PID, first)


def test_what_is_meant_for_another_process_is_left_alone(undo: ExitStack) -> None:
    environment, first = hand_over(undo, ("dns", udp()))
    environment["LISTEN_PID"] = "8"
    assert () == take_inherited(environment, PID, first).dns_udp
    os.fstat(first)


@pytest.mark.parametrize(
    ("bound", "host", "is_covered"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "::1", False),
        ("0.0.0.0", "127.0.0.2", True),
        ("0.0.0.0", "::1", False),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
        ("::", "::1", True),
        ("::", "127.0.0.1", True),
        ("::", "0.0.0.0", True),
    ],
)
def test_an_address_is_covered_by_a_socket_that_gets_what_is_sent_there(
    bound: str, host: str, is_covered: bool
) -> None:
    with udp(bound) as sock:
        port = sock.getsockname()[1]
        assert is_covered is covers([sock], host, port)
        assert not covers([sock], host, 0)
        assert not covers([sock], host, port - 1)


def test_a_socket_for_ipv6_alone_does_not_cover_ipv4() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("::", 0))
        assert not covers([sock], "127.0.0.1", sock.getsockname()[1])

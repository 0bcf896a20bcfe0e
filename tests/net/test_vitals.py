"""Telling tasks that rest from tasks that hang."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
import trio

from nodedns.model.address import Address
from nodedns.net.dns_tcp import TcpDnsServer
from nodedns.net.dns_tcp_listener import bind_dns_tcp
from nodedns.net.dns_udp import UdpDnsServer, bind_dns_udp
from nodedns.net.udp import UdpTransport, bind_udp
from nodedns.net.vitals import StallWatch, Vital, is_readable
from nodedns.observe.metrics import Metrics


class Task:
    """A task as the watch sees it."""

    def __init__(self) -> None:
        self.turns = 0
        self.is_due = False
        self.vital = Vital("task", lambda: self.turns, lambda: self.is_due)


def test_a_task_that_rests_is_well_however_long() -> None:
    watch = StallWatch([Task().vital])
    assert [(), (), ()] == [watch.stalled() for _ in range(3)]


def test_a_task_that_is_due_and_turns_is_well() -> None:
    task = Task()
    watch = StallWatch([task.vital])
    task.is_due = True
    for _ in range(3):
        assert () == watch.stalled()
        task.turns += 1


def test_a_task_that_is_due_at_two_looks_and_has_not_turned_hangs() -> None:
    task, other = Task(), Task()
    watch = StallWatch([task.vital, other.vital])
    task.is_due = True
    assert () == watch.stalled()
    assert ("task",) == watch.stalled()
    task.turns += 1
    assert () == watch.stalled()


def silent(_wire: bytes, _client: Address, _is_tcp: bool) -> None:
    """Drop whatever is asked."""


def udp_server() -> tuple[Vital, socket.SocketKind, tuple[str, int], Callable[[], None]]:
    sock = bind_dns_udp("127.0.0.1", 0)
    server = UdpDnsServer(sock, silent, Metrics())
    return server.vital(), socket.SOCK_DGRAM, sock.getsockname(), sock.close


def tcp_server() -> tuple[Vital, socket.SocketKind, tuple[str, int], Callable[[], None]]:
    listener = bind_dns_tcp("127.0.0.1", 0)
    server = TcpDnsServer(listener, silent, Metrics())
    return (
        server.vital(),
        socket.SOCK_STREAM,
        (str(listener.local_address.ip), listener.local_address.port),
        (listener.close),
    )


def gossip_receiver() -> tuple[Vital, socket.SocketKind, tuple[str, int], Callable[[], None]]:
    sock = bind_udp("127.0.0.1", 0, "-bind")
    return UdpTransport(sock).vital(), socket.SOCK_DGRAM, sock.getsockname(), sock.close


@pytest.mark.parametrize("make", [udp_server, tcp_server, gossip_receiver])
def test_a_socket_that_nobody_looks_after_hangs_once_something_comes(
    make: Callable[[], tuple[Vital, socket.SocketKind, tuple[str, int], Callable[[], None]]],
) -> None:
    vital, kind, address, close = make()
    watch = StallWatch([vital])
    with socket.socket(socket.AF_INET, kind) as client:
        assert [(), ()] == [watch.stalled(), watch.stalled()]
        client.connect(address)
        if kind is socket.SOCK_DGRAM:
            client.send(b"x")
        assert [(), (vital.name,)] == [watch.stalled(), watch.stalled()]
        close()
        assert [(), ()] == [watch.stalled(), watch.stalled()]


async def test_a_server_that_serves_is_never_found_hanging() -> None:
    sock = bind_dns_udp("127.0.0.1", 0)
    server = UdpDnsServer(sock, silent, Metrics())
    watch = StallWatch([server.vital()])
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(3):
                client.sendto(b"x" * 12, sock.getsockname())
                assert () == watch.stalled()
                while is_readable(sock.fileno()):
                    await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()

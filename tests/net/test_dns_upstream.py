"""Links to recursors: the same behaviour on sockets and in memory, and what only sockets have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio

from nodedns.dns.framing import TcpFraming, frame
from nodedns.dns.question import Transport
from nodedns.dns.recursion import Recursor
from nodedns.net.dns_upstream import Link, Links, SocketLinks
from nodedns.testing.processes import DEADLINE_S
from nodedns.testing.recursors import MemoryLinks

Body = Callable[[Links, Recursor], Awaitable[None]]


def doubled(message: bytes, transport: Transport) -> Sequence[bytes]:
    return [message, message[::-1]]


async def serve_udp(sock: trio.socket.SocketType) -> None:
    while True:
        message, source = await sock.recvfrom(65_535)
        for reply in doubled(message, Transport.UDP):
            await sock.sendto(reply, source)


async def serve_tcp(listener: trio.SocketListener) -> None:
    async def converse(stream: trio.SocketStream) -> None:
        framing = TcpFraming()
        async for data in stream:
            framing.receive_data(bytes(data))
            while (message := framing.next_message()) is not None:
                for reply in doubled(message, Transport.TCP):
                    await stream.send_all(frame(reply))

    await trio.serve_listeners(converse, [listener])


async def on_sockets(body: Body, host: str) -> None:
    family = trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET
    with trio.socket.socket(family, trio.socket.SOCK_DGRAM) as sock, trio.fail_after(DEADLINE_S):
        listeners = await trio.open_tcp_listeners(0, host=host)
        port = listeners[0].socket.getsockname()[1]
        await sock.bind((host, port))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_udp, sock)
            nursery.start_soon(serve_tcp, listeners[0])
            await body(SocketLinks(), Recursor(host, port))
            nursery.cancel_scope.cancel()


async def in_memory(body: Body, host: str) -> None:
    recursor = Recursor(host, 53)
    await body(MemoryLinks({recursor: doubled}), recursor)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("run", [on_sockets, in_memory])
def test_messages_come_back_whole_and_in_order(
    run: Callable[[Body, str], Awaitable[None]], transport: Transport, host: str
) -> None:
    async def body(links: Links, recursor: Recursor) -> None:
        opening = links.open_udp if transport is Transport.UDP else links.open_tcp
        link: Link
        with await opening(recursor) as link:
            await link.send(b"ab" * 4_000)
            assert [b"ab" * 4_000, b"ba" * 4_000] == [await link.receive(), await link.receive()]

    trio.run(run, body, host)


def test_each_udp_link_has_a_port_of_its_own() -> None:
    async def main() -> None:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock, trio.fail_after(DEADLINE_S):
            await sock.bind(("127.0.0.1", 0))
            recursor = Recursor(*sock.getsockname())
            ports = []
            for _ in range(20):
                with await SocketLinks().open_udp(recursor) as link:
                    await link.send(b"x")
                    ports.append((await sock.recvfrom(9))[1][1])
            assert len(set(ports)) > 15
            # Drawn by chance, not counted up.
            assert sorted(ports) != ports

    trio.run(main)


def test_udp_link_hears_its_recursor_only() -> None:
    async def main() -> None:
        kind = (trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        with trio.socket.socket(*kind) as sock, trio.socket.socket(*kind) as forger, trio.fail_after(DEADLINE_S):
            await sock.bind(("127.0.0.1", 0))
            await forger.bind(("127.0.0.1", 0))
            with await SocketLinks().open_udp(Recursor(*sock.getsockname())) as link:
                await link.send(b"query")
                _, source = await sock.recvfrom(99)
                await forger.sendto(b"forged", source)
                await sock.sendto(b"right", source)
                assert b"right" == await link.receive()

    trio.run(main)


def test_closed_port_is_an_error_at_once() -> None:
    async def main() -> None:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
            await sock.bind(("127.0.0.1", 0))
            recursor = Recursor(*sock.getsockname())
        links = SocketLinks()
        with trio.fail_after(DEADLINE_S):
            with pytest.raises(ConnectionRefusedError):
                await links.open_tcp(recursor)
            with await links.open_udp(recursor) as link:
                await link.send(b"query")
                with pytest.raises(ConnectionRefusedError):
                    await link.receive()

    trio.run(main)


def test_recursor_that_hangs_up_is_an_error() -> None:
    async def main() -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with trio.open_nursery() as nursery:

            async def hang_up() -> None:
                stream = await listener.accept()
                await stream.send_all(b"\0\5ab")
                await stream.aclose()

            nursery.start_soon(hang_up)
            with trio.fail_after(DEADLINE_S):
                link = await SocketLinks().open_tcp(Recursor(*listener.socket.getsockname()))
                with link, pytest.raises(ConnectionResetError):
                    await link.receive()
        await listener.aclose()

    trio.run(main)

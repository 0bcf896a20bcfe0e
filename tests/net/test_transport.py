"""One suite for every transport: what holds on loopback sockets holds on the simulated network."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs
import pytest
import trio

from nodedns.model.address import Address
from nodedns.net.tcp import TcpDialer, bind_gossip
from nodedns.net.transport import DatagramTransport, StreamDialer, StreamListener, bind_error
from nodedns.testing.network import SimNetwork
from nodedns.testing.processes import DEADLINE_S
from nodedns.testing.transports import SimHost, TrioScheduler


@attrs.frozen
class Host:
    transport: DatagramTransport
    listener: StreamListener
    dialer: StreamDialer


Body = Callable[[Host, Host], Awaitable[None]]
Run = Callable[[Body], None]


@contextlib.asynccontextmanager
async def loopback_host() -> AsyncIterator[Host]:
    transport, listener = bind_gossip("127.0.0.1", 0, "-serf-lan-port")
    try:
        yield Host(transport, listener, TcpDialer())
    finally:
        transport.close()
        listener.close()


def run_on_loopback(body: Body) -> None:
    async def main() -> None:
        with trio.fail_after(DEADLINE_S):
            async with loopback_host() as one, loopback_host() as two:
                await body(one, two)

    trio.run(main)


def run_on_simulation(body: Body) -> None:
    async def main() -> None:
        scheduler = TrioScheduler()
        network = SimNetwork(scheduler, seed=1)
        hosts = [SimHost(network, Address.from_text(f"10.0.0.{number}", 8301)) for number in (1, 2)]
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(scheduler.run)
                one, two = (Host(host.transport, host.listener, host.dialer) for host in hosts)
                await body(one, two)
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.fixture(params=[run_on_loopback, run_on_simulation], ids=["loopback", "simulation"])
def run(request: pytest.FixtureRequest) -> Run:
    runner: Run = request.param
    return runner


@contextlib.asynccontextmanager
async def connected(one: Host, two: Host) -> AsyncIterator[tuple[trio.abc.Stream, trio.abc.Stream]]:
    near = await one.dialer.dial(two.listener.local_address)
    far, _ = await two.listener.accept()
    async with near, far:
        yield near, far


def test_datagram_arrives_whole_with_its_source(run: Run) -> None:
    async def body(one: Host, two: Host) -> None:
        await one.transport.send(b"\x00" * 1400, two.transport.local_address)
        assert (b"\x00" * 1400, one.transport.local_address) == await two.transport.receive()

    run(body)


def test_datagram_port_and_stream_port_are_one_number(run: Run) -> None:
    async def body(one: Host, _: Host) -> None:
        assert one.transport.local_address == one.listener.local_address
        assert one.transport.local_address.port > 0

    run(body)


def test_receive_nowait_would_block_on_an_empty_inbox(run: Run) -> None:
    async def body(one: Host, _: Host) -> None:
        with pytest.raises(trio.WouldBlock):
            one.transport.receive_nowait()

    run(body)


def test_receive_nowait_takes_what_is_there(run: Run) -> None:
    async def body(one: Host, two: Host) -> None:
        for payload in (b"first", b"second"):
            await one.transport.send(payload, two.transport.local_address)
        got = {(await two.transport.receive())[0]}
        while len(got) < 2:
            await trio.sleep(0.001)
            with contextlib.suppress(trio.WouldBlock):
                got.add(two.transport.receive_nowait()[0])
        assert {b"first", b"second"} == got

    run(body)


def test_datagram_to_nobody_is_no_error(run: Run) -> None:
    async def body(one: Host, two: Host) -> None:
        gone = two.transport.local_address
        two.transport.close()
        for _ in range(3):
            await one.transport.send(b"anybody?", gone)
        await trio.sleep(0.01)
        with pytest.raises(trio.WouldBlock):
            one.transport.receive_nowait()
        assert one.transport.statistics().sent >= 1

    run(body)


@pytest.mark.parametrize(
    "destination",
    [Address(b"", 8301), Address(b"abc", 8301), Address.from_text("127.0.0.1", 0)],
    ids=["no-address", "three-bytes", "port-zero"],
)
def test_datagram_to_an_impossible_address_is_counted(run: Run, destination: Address) -> None:
    async def body(one: Host, _: Host) -> None:
        await one.transport.send(b"x", destination)
        assert 1 == one.transport.statistics().send_errors
        assert 0 == one.transport.statistics().sent

    run(body)


def test_closing_the_transport_ends_a_waiting_receive(run: Run) -> None:
    async def body(one: Host, _: Host) -> None:
        async with trio.open_nursery() as nursery:

            async def receive() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await one.transport.receive()

            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            one.transport.close()
            one.transport.close()
        with pytest.raises(trio.ClosedResourceError):
            await one.transport.send(b"x", one.transport.local_address)

    run(body)


def test_stream_carries_bytes_both_ways_in_order(run: Run) -> None:
    async def body(one: Host, two: Host) -> None:
        sent = bytes(range(256)) * 2000
        async with connected(one, two) as (near, far), trio.open_nursery() as nursery:
            nursery.start_soon(near.send_all, sent)
            got = b""
            while len(got) < len(sent):
                got += await far.receive_some(65_536)
            assert sent == got
            await far.send_all(b"thanks")
            assert b"thanks" == await near.receive_some(100)

    run(body)


def test_stream_tells_who_dialled(run: Run) -> None:
    async def body(one: Host, two: Host) -> None:
        near = await one.dialer.dial(two.listener.local_address)
        far, source = await two.listener.accept()
        assert one.transport.local_address.packed == source.packed
        await near.aclose()
        await far.aclose()

    run(body)


def test_stream_closed_by_the_peer_reads_as_end(run: Run) -> None:
    async def body(one: Host, two: Host) -> None:
        async with connected(one, two) as (near, far):
            await near.send_all(b"bye")
            await near.aclose()
            assert b"bye" == await far.receive_some(100)
            assert b"" == await far.receive_some(100)

    run(body)


def test_stream_that_nobody_reads_blocks_its_sender(run: Run) -> None:
    async def body(one: Host, two: Host) -> None:
        async with connected(one, two) as (near, _):
            with trio.move_on_after(0.5) as scope:
                await near.send_all(bytes(32 * 1024 * 1024))
            assert scope.cancelled_caught

    run(body)


def test_dialling_nobody_is_refused(run: Run) -> None:
    async def body(one: Host, two: Host) -> None:
        gone = two.listener.local_address
        two.transport.close()
        two.listener.close()
        with pytest.raises(OSError, match="refused"):
            await one.dialer.dial(gone)

    run(body)


def test_closing_the_listener_ends_a_waiting_accept(run: Run) -> None:
    async def body(one: Host, _: Host) -> None:
        async with trio.open_nursery() as nursery:

            async def accept() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await one.listener.accept()

            nursery.start_soon(accept)
            await trio.testing.wait_all_tasks_blocked()
            one.listener.close()
            one.listener.close()

    run(body)


def test_cancelled_receive_loses_no_datagram(run: Run) -> None:
    async def body(one: Host, two: Host) -> None:
        with trio.move_on_after(0.01):
            await two.transport.receive()
        await one.transport.send(b"late", two.transport.local_address)
        assert b"late" == (await two.transport.receive())[0]

    run(body)


@pytest.mark.parametrize(
    ("number", "port", "mend"),
    [
        (errno.EACCES, 53, "such a port takes the right CAP_NET_BIND_SERVICE, which nodedns.service has; or change it"),
        (errno.EACCES, 8600, "(Permission denied); change it with -dns-port"),
        (errno.EADDRINUSE, 53, "(Address already in use); change it with -dns-port"),
    ],
)
def test_a_port_that_takes_a_right_is_refused_with_the_name_of_the_right(number: int, port: int, mend: str) -> None:
    text = str(bind_error(OSError(number, "no"), "10.0.0.1", port, "udp", "-dns-port"))
    assert text.startswith(f"cannot listen on 10.0.0.1:{port} (udp): {errno.errorcode[number]} (")
    assert mend in text
    assert text.endswith("-dns-port")

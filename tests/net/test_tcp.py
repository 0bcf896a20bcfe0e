from __future__ import annotations

import errno
import socket

import pytest
import trio

from nodedns.errors import BindError
from nodedns.model.address import Address
from nodedns.net.tcp import TcpDialer, bind_gossip
from nodedns.net.transport import address_of, socket_address
from nodedns.net.udp import bind_udp
from nodedns.testing.processes import DEADLINE_S


def test_gossip_port_taken_for_udp_only_is_an_error_and_frees_tcp() -> None:
    # A port that the kernel gives for UDP may be in use for TCP.
    with socket.socket() as both:
        both.bind(("127.0.0.1", 0))
        port = both.getsockname()[1]
        taken = bind_udp("127.0.0.1", port, "-x")
    with taken:
        with pytest.raises(BindError, match=rf"127.0.0.1:{port} \(udp\): EADDRINUSE .* -serf-lan-port"):
            bind_gossip("127.0.0.1", port, "-serf-lan-port")
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))


def test_address_of_another_host_is_an_error() -> None:
    with pytest.raises(BindError, match=r"192\.0\.2\.1:0 \(tcp\): EADDRNOTAVAIL .* -bind"):
        bind_gossip("192.0.2.1", 0, "-bind")


def test_ipv6_is_shown_in_brackets() -> None:
    with pytest.raises(BindError, match=r"\[2001:db8::1\]:0 \(tcp\)"):
        bind_gossip("2001:db8::1", 0, "-bind")


def test_ipv6_socket_reaches_ipv4_and_tells_it_so() -> None:
    async def main() -> None:
        six, six_streams = bind_gossip("::", 0, "-bind")
        four, four_streams = bind_gossip("127.0.0.1", 0, "-bind")
        with trio.fail_after(DEADLINE_S):
            await six.send(b"hello", four.local_address)
            assert (b"hello", Address.from_text("127.0.0.1", six.local_address.port)) == await four.receive()
            await four.send(b"howdy", Address.from_text("127.0.0.1", six.local_address.port))
            assert (b"howdy", four.local_address) == await six.receive()
        for each in (six, six_streams, four, four_streams):
            each.close()

    trio.run(main)


def test_any_ipv6_takes_ipv4_whatever_the_system_says() -> None:
    with bind_udp("::", 0, "-x") as sock:
        assert 0 == sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def test_ipv6_destination_on_an_ipv4_socket_is_counted_by_errno() -> None:
    async def main() -> None:
        transport, listener = bind_gossip("127.0.0.1", 0, "-bind")
        await transport.send(b"x", Address.from_text("::1", 8301))
        assert {"send/EAFNOSUPPORT": 1} == transport.error_counts()
        transport.close()
        listener.close()

    trio.run(main)


def test_too_long_a_datagram_is_counted_by_errno() -> None:
    async def main() -> None:
        transport, listener = bind_gossip("127.0.0.1", 0, "-bind")
        await transport.send(bytes(70_000), transport.local_address)
        assert {"send/EMSGSIZE": 1} == transport.error_counts()
        transport.close()
        listener.close()

    trio.run(main)


@pytest.mark.parametrize("packed", [b"", b"abc"], ids=["empty", "three-bytes"])
def test_dialling_a_malformed_address_is_an_os_error(packed: bytes) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="not supported") as caught:
            await TcpDialer().dial(Address(packed, 8301))
        assert errno.EAFNOSUPPORT == caught.value.errno

    trio.run(main)


@pytest.mark.parametrize(
    ("text", "family", "expected"),
    [
        ("10.0.0.1", socket.AF_INET, ("10.0.0.1", 53)),
        ("::ffff:10.0.0.1", socket.AF_INET, ("10.0.0.1", 53)),
        ("10.0.0.1", socket.AF_INET6, ("::ffff:10.0.0.1", 53, 0, 0)),
        ("2001:db8::1", socket.AF_INET6, ("2001:db8::1", 53, 0, 0)),
        ("fe80::1", socket.AF_INET6, ("fe80::1", 53, 0, 7)),
    ],
)
def test_address_is_written_for_the_socket(
    text: str, family: socket.AddressFamily, expected: tuple[object, ...]
) -> None:
    assert expected == socket_address(Address.from_text(text, 53), family, scope_id=7)


@pytest.mark.parametrize(
    ("sockaddr", "expected"),
    [
        (("10.0.0.1", 53), "10.0.0.1:53"),
        (("::ffff:10.0.0.1", 53, 0, 0), "10.0.0.1:53"),
        (("2001:db8::1", 53, 0, 0), "[2001:db8::1]:53"),
        (("fe80::1%lo", 53, 0, 1), "[fe80::1]:53"),
    ],
)
def test_kernel_address_is_told_without_mapping_or_scope(
    sockaddr: tuple[str, int] | tuple[str, int, int, int], expected: str
) -> None:
    assert expected == str(address_of(sockaddr))


def test_bound_ports_can_be_given_up_where_trio_does_not_run() -> None:
    transport, listener = bind_gossip("127.0.0.1", 0, "-bind")
    port = listener.local_address.port
    transport.close()
    listener.close()
    with bind_udp("127.0.0.1", port, "-bind") as again:
        assert port == again.getsockname()[1]

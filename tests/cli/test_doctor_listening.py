"""Who listens where: the kernel's tables, and a socket of this very process."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from nodedns.cli.doctor.listening import Listener, Listeners, is_own_address, may_bind, parse_sockets

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: {at} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0\n"


def table(*sockets: tuple[str, str, str]) -> str:
    return HEAD + "".join(LINE.format(at=at, state=state, inode=inode) for at, state, inode in sockets)


def test_only_sockets_that_take_what_comes_are_listeners() -> None:
    tcp = table(("0100007F:2198", "0A", "11"), ("0100007F:2198", "01", "12"))
    udp = table(("00000000:0035", "07", "13"), ("0A0000C0:0035", "01", "14"))

    assert [Listener("127.0.0.1", 8600, "11")] == parse_sockets(tcp, "tcp")
    assert [Listener("0.0.0.0", 53, "13")] == parse_sockets(udp, "udp")


def test_addresses_of_ipv6_and_ipv4_in_it_are_read() -> None:
    tcp6 = table(
        ("00000000000000000000000001000000:0035", "0A", "1"), ("0000000000000000FFFF00000100007F:0035", "0A", "2")
    )

    assert ["::1", "127.0.0.1"] == [listener.host for listener in parse_sockets(tcp6, "tcp")]


def test_lines_that_are_none_are_passed_over() -> None:
    assert [] == parse_sockets(HEAD + "garbage\n\n", "tcp")


@pytest.mark.parametrize(("kind", "protocol"), [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")])
def test_own_socket_is_found_with_its_program(kind: socket.SocketKind, protocol: str) -> None:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            sock.listen()
        port = sock.getsockname()[1]
        listeners = Listeners()
        found = listeners.at("127.0.0.1", port, protocol)

        assert found is not None
        assert listeners.program(found).endswith(f"(pid {os.getpid()})")
        assert found == listeners.at("0.0.0.0", port, protocol)
        assert listeners.at("127.0.0.2", port, protocol) is None


def test_socket_of_another_user_has_no_name(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(table(("00000000:0035", "0A", "99")))
    (tmp_path / "7/fd").mkdir(parents=True)
    listeners = Listeners(tmp_path)
    found = listeners.at("127.0.0.1", 53, "tcp")

    assert found is not None
    assert "" == listeners.program(found)


def test_own_addresses_are_told_from_others() -> None:
    assert is_own_address("127.0.0.1")
    assert not is_own_address("192.0.2.1")
    assert not is_own_address("no address")


@pytest.mark.parametrize(
    ("port", "first_free", "effective", "allowed"),
    [
        (8600, "1024", "0000000000000000", True),
        (53, "1024", "0000000000000000", False),
        (53, "1024", "0000000000000400", True),
        (53, "0", "0000000000000000", True),
    ],
)
def test_low_port_takes_the_capability(
    tmp_path: Path, port: int, first_free: str, effective: str, allowed: bool
) -> None:
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "sys/net/ipv4/ip_unprivileged_port_start").write_text(f"{first_free}\n")
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text(f"Name:\tx\nCapEff:\t{effective}\n")

    assert allowed is may_bind(port, tmp_path)

"""What an agent would meet at its start, without one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from nodedns.cli.doctor.examine_start import examine_start, load_given
from nodedns.cli.doctor.facts import StartFacts
from nodedns.cli.doctor.listening import Listeners
from nodedns.gossip.key_text import encode_key_text
from nodedns.serf.keyring_file import encode_keyring_file
from nodedns.testing.loopback import free_hosts

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
HOST = next(free_hosts(8301, 8500, 8600))


def examined(folder: Path, block: str = "", **more: str) -> StartFacts:
    keys = {"bind_addr": HOST, "client_addr": HOST, "data_dir": str(folder / "data"), **more}
    lines = [*(f'{key} = "{value}"' for key, value in keys.items()), block]
    (folder / "agent.hcl").write_text("\n".join(lines))
    config, problems = load_given([folder / "agent.hcl"])
    return examine_start(config, problems, Listeners())


def test_free_host_has_nothing_in_the_way(tmp_path: Path) -> None:
    start = examined(tmp_path)

    assert (True, (), "", "", "") == (
        start.is_configured,
        start.problems,
        start.data_dir_error,
        start.keyring_error,
        start.keyring_note,
    )
    assert [("gossip", "udp"), ("gossip", "tcp"), ("DNS", "udp"), ("DNS", "tcp"), ("HTTP", "tcp")] == [
        (port.service, port.protocol) for port in start.ports
    ]
    assert {(False, True, True)} == {(port.is_taken, port.is_local, port.is_permitted) for port in start.ports}


def test_port_that_is_taken_has_a_holder(tmp_path: Path) -> None:
    with socket.create_server((HOST, 8500)):
        start = examined(tmp_path)

    taken = [(port.service, "(pid " in port.holder) for port in start.ports if port.is_taken]
    assert [("HTTP", True)] == taken


def test_address_of_another_host_is_seen(tmp_path: Path) -> None:
    start = examined(tmp_path, client_addr="192.0.2.1")

    assert {"DNS", "HTTP"} == {port.service for port in start.ports if not port.is_local}


def test_unix_sockets_are_no_ports(tmp_path: Path) -> None:
    start = examined(tmp_path, f'addresses {{ http = "{HOST} unix:///run/nodedns.sock" }}')

    assert () == start.problems
    assert {HOST} == {port.host for port in start.ports}


def test_problems_of_the_configuration_are_all_told(tmp_path: Path) -> None:
    start = examined(tmp_path, datacenter="d c", log_level="loud")

    assert 2 == len(start.problems)
    assert start.is_configured


def test_without_configuration_the_defaults_are_looked_at() -> None:
    start = examine_start(None, (), Listeners())

    assert (False, {8301, 8500, 8600}) == (start.is_configured, {port.number for port in start.ports})


def test_file_in_the_place_of_the_directory_is_seen(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert f"{tmp_path}/file is no directory" == examined(tmp_path, data_dir=f"{tmp_path}/file/data").data_dir_error


@pytest.mark.parametrize(
    ("content", "error", "note"),
    [
        (b"{", "is no keyring", ""),
        (encode_keyring_file((OTHER_KEY,)), "", "does not have the key of encrypt"),
        (encode_keyring_file((OTHER_KEY, KEY)), "", ""),
    ],
)
def test_keyring_is_read_as_at_a_start(tmp_path: Path, content: bytes, error: str, note: str) -> None:
    (tmp_path / "data/serf").mkdir(parents=True)
    (tmp_path / "data/serf/local.keyring").write_bytes(content)

    start = examined(tmp_path, encrypt=encode_key_text(KEY))

    assert (bool(error), bool(note)) == (bool(start.keyring_error), bool(start.keyring_note))
    assert error in start.keyring_error
    assert note in start.keyring_note

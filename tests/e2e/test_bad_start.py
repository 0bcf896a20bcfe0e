"""Starts that must fail: with one line that says what is wrong and where to change it, and exit code 1."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.processes import Finished, Process, run_program

OTHER_ID = "00000000-0000-4000-8000-000000000000"


def only_line(refused: Finished) -> str:
    """The one line of an agent that ended with exit code 1 and nothing else to say."""
    assert (1, "") == (refused.code, refused.out)
    lines = refused.err.splitlines()
    assert 1 == len(lines), refused.err
    return lines[0]


@contextmanager
def taken(host: str, port: int, kind: socket.SocketKind) -> Iterator[None]:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((host, port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        yield


# --- ports ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "transport", "flag"),
    [
        (GOSSIP_PORT, "udp", "-serf-lan-port"),
        (GOSSIP_PORT, "tcp", "-serf-lan-port"),
        (DNS_PORT, "udp", "-dns-port"),
        (DNS_PORT, "tcp", "-dns-port"),
        (HTTP_PORT, "tcp", "-http-port"),
    ],
)
def test_taken_port_is_named_with_its_flag(lone: LoneAgent, port: int, transport: str, flag: str) -> None:
    with taken(lone.host, port, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM):
        line = only_line(lone.refuse())

    assert line.startswith(f"==> cannot listen on {lone.host}:{port} ({transport}): EADDRINUSE ")
    assert flag in line


def test_address_of_another_machine_is_named_with_its_flag(lone: LoneAgent) -> None:
    line = only_line(lone.refuse("-bind=192.0.2.1"))

    assert line.startswith(f"==> cannot listen on 192.0.2.1:{GOSSIP_PORT} (")
    assert "EADDRNOTAVAIL" in line
    assert "-bind" in line


def test_port_that_is_free_again_can_be_had(lone: LoneAgent) -> None:
    with taken(lone.host, HTTP_PORT, socket.SOCK_STREAM):
        only_line(lone.refuse())

    lone.start()

    assert {"lone": "alive"} == lone.statuses()


# --- flags and files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("-bind=not-an-ip", "-bind: bind_addr must be an ip address"),
        ("-advertise=300.0.0.1", "-advertise"),
        ("-client=nowhere", "-client"),
        ("-datacenter=not a dc", "-datacenter: datacenter can only contain lowercase alphanumeric, - or _ characters."),
        ("-node-id=17", "-node-id: specified NodeID is invalid"),
        ("-dns-port=99999", "-dns-port"),
        ("-log-level=loud", "-log-level: Invalid log level: loud."),
        ("-node=", "node_name cannot be empty"),
        ("-data-dir=", "data_dir cannot be empty"),
    ],
)
def test_wrong_value_is_named_with_its_flag(lone: LoneAgent, flag: str, told: str) -> None:
    assert told in only_line(lone.refuse(flag))


def test_unknown_flag_is_named_and_the_flags_are_shown(lone: LoneAgent) -> None:
    refused = lone.refuse("-nonsense=1")

    assert 1 == refused.code
    assert "flag provided but not defined: -nonsense" == refused.err.splitlines()[0]
    assert "Usage: nodedns agent" in refused.err


def test_consuls_flag_that_is_missing_here_is_named_as_that(lone: LoneAgent) -> None:
    refused = lone.refuse("-segment=x")

    assert 1 == refused.code
    assert refused.err.startswith("Consul's flag -segment is not in nodedns: ")


def test_bad_gossip_key_is_refused_and_not_shown(lone: LoneAgent) -> None:
    line = only_line(lone.refuse("-encrypt=c2VjcmV0"))

    assert line == "==> command line: -encrypt: encrypt has invalid key: key size must be 16, 24 or 32 bytes"


def test_damaged_keyring_file_stops_the_start_and_stays_as_it_was(lone: LoneAgent) -> None:
    keyring = lone.data / "serf" / "local.keyring"
    keyring.parent.mkdir(parents=True)
    keyring.write_text('["c2VjcmV0"]')

    line = only_line(lone.refuse("-encrypt=pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="))

    assert f"keyring file {keyring} cannot be used: " in line
    assert "key 1: key size must be 16, 24 or 32 bytes" in line
    assert '["c2VjcmV0"]' == keyring.read_text()


def test_every_problem_of_a_file_is_listed(lone: LoneAgent, tmp_path: Path) -> None:
    config = tmp_path / "three.hcl"
    config.write_text('datacenter = "not a dc"\nports { dns = 99999 }\nlog_level = "loud"\n')

    refused = lone.refuse(f"-config-file={config}")

    assert (1, 3) == (refused.code, len(refused.err.splitlines()))
    for key in ("datacenter", "ports.dns", "log_level"):
        assert f"==> {config}: {key}: " in refused.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense = true", "nonsense: invalid config key nonsense"),
        ('encrypt = "x"', "encrypt: encrypt has invalid key: illegal base64 data at input byte 0"),
        ('segment = "x"', "segment: Consul's key segment is not in nodedns: "),
        ("connect { enabled = true }", "connect: Consul's key connect is not in nodedns: "),
        ('node_name = "x', "failed to parse: line 1"),
        ("server = 17", "server: "),
    ],
)
def test_bad_key_is_named_with_its_file(lone: LoneAgent, tmp_path: Path, text: str, told: str) -> None:
    config = tmp_path / "bad.hcl"
    config.write_text(text)

    line = only_line(lone.refuse(f"-config-file={config}"))

    assert str(config) in line
    assert told in line


def test_missing_file_is_named(lone: LoneAgent, tmp_path: Path) -> None:
    line = only_line(lone.refuse(f"-config-file={tmp_path / 'nothing.hcl'}"))

    assert f"{tmp_path / 'nothing.hcl'}: no such file or directory" in line


# --- the data directory -----------------------------------------------------------------------


def elsewhere() -> tuple[str, ...]:
    """Flags for another address than the agent's own."""
    host = next(free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT))
    return f"-bind={host}", f"-client={host}"


def kept_in(data: Path) -> dict[str, bytes]:
    """The files of a data directory, but for the lock, which names whoever tried it last."""
    files = (path for path in sorted(data.rglob("*")) if path.is_file() and path.name != "nodedns.lock")
    return {str(path): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("flag", "told"), [("-node=other", "belongs to node 'lone'"), (f"-node-id={OTHER_ID}", OTHER_ID)]
)
def test_data_directory_of_another_node_is_left_alone(lone: LoneAgent, flag: str, told: str) -> None:
    lone.start()
    lone.process.kill()
    before = kept_in(lone.data)

    line = only_line(lone.refuse(flag))

    assert line.startswith(f"==> data directory {lone.data} belongs to ")
    assert told in line
    assert before == kept_in(lone.data)


def test_data_directory_in_use_is_left_alone(lone: LoneAgent) -> None:
    lone.start()

    line = only_line(lone.refuse(*elsewhere()))

    assert f"==> data directory {lone.data} is in use by process {lone.process.pid}; change it with -data-dir" == line
    assert {"lone": "alive"} == lone.statuses()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/proc/nodedns", "==> data directory /proc/nodedns cannot be used: ENOENT "),
        ("/etc/hostname", 'data_dir "/etc/hostname" is not a directory'),
    ],
)
def test_data_directory_that_cannot_be_is_named(lone: LoneAgent, path: str, told: str) -> None:
    line = only_line(lone.refuse(f"-data-dir={path}"))

    assert told in line
    assert "-data-dir" in line


def test_data_directory_of_another_user_is_named(lone: LoneAgent) -> None:
    lone.data.mkdir(mode=0o500)

    # Root may write everywhere by a right that can be given up.
    given_up = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    refused = run_program([*given_up, *lone.argv()])

    assert 1 == refused.code
    assert f"==> data directory {lone.data} cannot be used: EACCES " in refused.err


@pytest.mark.parametrize(("content", "told"), [("nonsense", "holds no UUID but 'nonsense'"), (None, "cannot read")])
def test_unreadable_node_id_is_named(lone: LoneAgent, content: str | None, told: str) -> None:
    path = lone.data / "node-id"
    if content is None:
        path.mkdir(parents=True)
    else:
        lone.data.mkdir()
        path.write_text(content)

    line = only_line(lone.refuse())

    assert str(path) in line
    assert told in line


def test_failed_start_leaves_the_directory_to_the_next(lone: LoneAgent) -> None:
    with taken(lone.host, DNS_PORT, socket.SOCK_DGRAM):
        only_line(lone.refuse())

    started: Process = lone.start()

    assert started.is_running

"""The installed agent under a service manager's protocol: notify socket, watchdog, sockets handed over."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.loopback import DNS_PORT, HTTP_PORT, LoneAgent, lone_agent
from nodedns.testing.processes import DEADLINE_S, Process, run_program
from nodedns.testing.programs import require_program
from nodedns.testing.service_manager import NotifySocket

NAME = "lone.node.consul"
PATIENT = ("+tries=1", f"+timeout={DEADLINE_S / 2:.0f}")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path) as lone:
        yield lone


def dig(host: str, port: int, *arguments: str) -> str:
    dig_program = require_program("dig", package="bind9-dnsutils")
    return run_program([dig_program, f"@{host}", "-p", str(port), "+short", *PATIENT, *arguments]).out.strip()


def test_a_service_manager_hears_of_a_life_from_ready_to_stopping(agent: LoneAgent, tmp_path: Path) -> None:
    config = tmp_path / "agent.hcl"
    config.write_text('log_level = "info"\n', encoding="utf-8")
    with NotifySocket(tmp_path / "notify") as told:
        environment = {"NOTIFY_SOCKET": told.address, "WATCHDOG_USEC": "400000"}
        with Process(agent.argv(f"-config-file={config}"), environment=environment) as process:
            assert "lone serves 1 alive member" == told.wait("READY")["STATUS"]
            assert agent.host == dig(agent.host, DNS_PORT, NAME)
            assert 200 == agent.http("GET", "/v1/agent/self")[0]
            told.wait("WATCHDOG")
            told.wait("WATCHDOG")
            process.send(signal.SIGHUP)
            assert int(told.wait("RELOADING")["MONOTONIC_USEC"]) > 0
            told.wait("READY")
            config.write_text("nonsense", encoding="utf-8")
            process.send(signal.SIGHUP)
            told.wait("RELOADING")
            told.wait("READY")
            process.send(signal.SIGSTOP)
            told.waiting()
            with pytest.raises(TimeoutError):
                told.next(deadline_s=1.0)
            process.send(signal.SIGCONT)
            told.wait("WATCHDOG")
            process.send(signal.SIGTERM)
            told.wait("STOPPING")
            assert 0 == process.wait_exit()


def test_a_peer_that_joins_shows_in_the_status(tmp_path: Path) -> None:
    with (
        lone_agent(tmp_path / "one", "one") as one,
        NotifySocket(tmp_path / "notify") as told,
        Process(one.argv(), environment={"NOTIFY_SOCKET": told.address}),
    ):
        told.wait("READY")
        with lone_agent(tmp_path / "two", "two") as two:
            two.start(f"-retry-join={one.host}")
            told.wait("STATUS", "one serves 2 alive members")


def test_ready_comes_when_the_first_join_is_over(tmp_path: Path) -> None:
    with lone_agent(tmp_path / "one", "one") as one, NotifySocket(tmp_path / "notify") as told:
        one.start()
        with lone_agent(tmp_path / "two", "two") as two:
            argv = two.argv(f"-retry-join={one.host}")
            with Process(argv, environment={"NOTIFY_SOCKET": told.address}):
                assert "two serves 2 alive members" == told.wait("READY")["STATUS"]


# systemd-socket-activate starts the program at the first packet or connection, as a socket unit does.
def activated(agent: LoneAgent, names: str, *options: str, more: tuple[str, ...] = ()) -> Process:
    activate = require_program("systemd-socket-activate", package="systemd")
    # It hands on no variable that it is not told of.
    kept = [f"--setenv={name}" for name in ("PATH", "PYTHONPATH", "PYTHONUNBUFFERED") if name in os.environ]
    return Process([activate, f"--fdname={names}", *kept, *options, *agent.argv(*more)])


def test_sockets_that_listen_already_are_served_beside_those_configured(agent: LoneAgent) -> None:
    with activated(agent, "dns", f"--listen={agent.host}:53") as process:
        process.wait_line("Listening on")
        with socket.create_connection((agent.host, 53)):
            process.wait_line("nodedns agent running!")
        process.wait_line(rf"DNS Addr: {agent.host}:8600")
        assert agent.host == dig(agent.host, 53, NAME, "+tcp")
        assert agent.host == dig(agent.host, DNS_PORT, NAME)
        assert agent.host == dig(agent.host, DNS_PORT, NAME, "+tcp")


def test_udp_handed_over_answers_the_packet_that_started_the_agent(agent: LoneAgent) -> None:
    with activated(agent, "dns", "--datagram", f"--listen={agent.host}:53", more=("-dns-port=-1",)) as process:
        process.wait_line("Listening on")
        assert agent.host == dig(agent.host, 53, NAME)
        assert f"{agent.host}:53" in process.wait_line("DNS Addr")


def test_an_address_that_is_handed_over_and_configured_is_served_once(agent: LoneAgent) -> None:
    listen = [f"--listen={agent.host}:{port}" for port in (DNS_PORT, HTTP_PORT)]
    with activated(agent, "dns:http", *listen) as process:
        process.wait_line("Listening on", count=2)
        assert 200 == agent.http("GET", "/v1/agent/self")[0]
        assert agent.host == dig(agent.host, DNS_PORT, NAME)
        assert agent.host == dig(agent.host, DNS_PORT, NAME, "+tcp")
        assert f"HTTP Addr: {agent.host}:{HTTP_PORT}" == process.wait_line("HTTP Addr").strip()


def test_a_socket_of_the_wrong_kind_ends_the_start_in_one_line(agent: LoneAgent) -> None:
    with activated(agent, "http", "--datagram", f"--listen={agent.host}:53") as process:
        process.wait_line("Listening on")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", (agent.host, 53))
        process.wait_exit()
        assert [
            "==> descriptor 3 of the service manager, 'http', is a udp socket where tcp is wanted; "
            "see the Listen lines of its unit"
        ] == process.lines("^==> desc")

"""An agent runs the checks of its files and of its HTTP API, and DNS follows what they say."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodedns.testing.loopback import LoneAgent, lone_agent
from nodedns.testing.processes import poll


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path) as agent:
        yield agent


def told(agent: LoneAgent) -> dict[str, tuple[str, str]]:
    """Status and output of every check of an agent, by ID."""
    found: dict[str, Any] = json.loads(agent.http("GET", "/v1/agent/checks")[1])
    return {check_id: (check["Status"], check["Output"]) for check_id, check in found.items()}


def addresses(agent: LoneAgent) -> list[str]:
    return agent.dig("web.service.consul").data


def test_service_of_a_file_comes_and_goes_in_dns_with_its_script(
    agent: LoneAgent, tmp_path: Path, dig_program: Path
) -> None:
    well = tmp_path / "well"
    script = {"args": ["/bin/sh", "-c", f"cat {well} || exit 2"], "interval": "1s", "timeout": "5s"}
    service = {"name": "web", "address": "10.1.2.3", "port": 80, "check": script}
    file = tmp_path / "web.json"
    file.write_text(json.dumps({"service": service, "enable_local_script_checks": True}), encoding="utf-8")
    agent.start(f"-config-file={file}")

    poll(lambda: "No such file" in told(agent)["service:web"][1], "the script to fail")
    assert [] == addresses(agent)
    well.write_text("I am", encoding="utf-8")
    poll(lambda: addresses(agent) == ["10.1.2.3"], "web to be found")
    assert ("passing", "I am") == told(agent)["service:web"]
    well.unlink()
    poll(lambda: not addresses(agent), "web to be left out")


def test_script_of_a_request_is_refused_unless_requests_may_have_them(agent: LoneAgent) -> None:
    check = {"Name": "own", "Args": ["/bin/true"], "Interval": "1s"}
    agent.start("-enable-local-script-checks")

    refused = (
        "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
    )
    assert (500, refused) == agent.http("PUT", "/v1/agent/check/register", check)
    agent.process.kill()
    agent.start("-enable-script-checks")
    assert 200 == agent.http("PUT", "/v1/agent/check/register", check)[0]
    poll(lambda: told(agent)["own"] == ("passing", ""), "the script to pass")


def test_checks_of_requests_look_at_what_they_say(agent: LoneAgent) -> None:
    agent.start()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        target = f"127.0.0.1:{sock.getsockname()[1]}"
        checks = [
            {"Name": "tcp", "TCP": target, "Interval": "1s"},
            {"Name": "http", "HTTP": f"http://{agent.host}:8500/v1/status/leader", "Interval": "1s"},
        ]
        for check in checks:
            assert 200 == agent.http("PUT", "/v1/agent/check/register", check)[0]
        poll(lambda: {"passing"} == {status for status, _ in told(agent).values()}, "both to pass")
        assert f"TCP connect {target}: Success" == told(agent)["tcp"][1]
        assert told(agent)["http"][1].startswith(f"HTTP GET {checks[1]['HTTP']}: 200 OK Output: ")
    poll(lambda: "critical" == told(agent)["tcp"][0], "the closed port to be noticed")
    assert f"dial tcp {target}: connect: connection refused" == told(agent)["tcp"][1]

"""The npm package ``consul`` follows a service of a running agent by its watch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.loopback import HTTP_PORT, LoneAgent, lone_agent
from nodedns.testing.processes import Process
from nodedns.testing.programs import require_node_package

SCRIPT = Path(__file__).with_name("consul_watch.js")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path) as made:
        made.start()
        yield made


def put(agent: LoneAgent, path: str, body: object) -> None:
    assert (200, "true") == agent.http("PUT", path, body)


def register(agent: LoneAgent, node: str, service: str, port: int, status: str = "passing") -> None:
    check = {"CheckID": "up", "ServiceID": service, "Status": status}
    body = {"Node": node, "Address": "10.0.0.7", "Service": {"Service": service, "Port": port}, "Check": check}
    put(agent, "/v1/catalog/register", body)


def test_watch_tells_each_change_of_its_service_and_no_other(agent: LoneAgent) -> None:
    node, packages = require_node_package("consul")
    argv: list[str | Path] = [node, SCRIPT, agent.host, str(HTTP_PORT), "web"]
    with Process(argv, environment={"NODE_PATH": str(packages)}) as watch:
        watch.wait_line("change <>")
        register(agent, "cam", "other", 1)
        register(agent, "cam", "web", 80)
        watch.wait_line("change <cam:80>")
        register(agent, "tap", "web", 81)
        watch.wait_line("change <cam:80 tap:81>")
        register(agent, "cam", "web", 80, "critical")
        watch.wait_line("change <tap:81>")
        put(agent, "/v1/catalog/deregister", {"Node": "tap"})
        watch.wait_line("change <>", count=2)
        register(agent, "cam", "web", 80)
        watch.wait_line("change <cam:80>", count=2)
        told = watch.lines("^(change|error)")
    # What is registered before the watch asks for the second time may be answered at once, with nothing new.
    if told[:2] == ["change <>"] * 2:
        del told[0]
    wanted = ["", "cam:80", "cam:80 tap:81", "tap:81", "", "cam:80"]
    assert [f"change <{places}>" for places in wanted] == told

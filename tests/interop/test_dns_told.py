"""What an agent tells of the queries that ``dig`` asks: the most asked missing names, and the query log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.loopback import HTTP_PORT, LoneAgent, lone_agent
from nodedns.testing.processes import Finished, nodedns_program, run_program

pytestmark = pytest.mark.usefixtures("dig_program")


def dns_command(agent: LoneAgent, name: str, *arguments: str) -> Finished:
    return run_program([nodedns_program(), "dns", name, f"-http-addr={agent.host}:{HTTP_PORT}", *arguments])


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path) as made:
        yield made


def test_the_most_asked_missing_names_are_listed(agent: LoneAgent) -> None:
    agent.start()
    for name in ("tpyo.node.consul.", "TPYO.node.consul.", "lone.node.consul.", r"a\.b\000\255.node.consul."):
        agent.dig("-b", agent.host, "+nocookie", name, "A")

    status, text = agent.http("GET", "/v1/dns/top?n=5")

    assert 200 == status
    assert json.loads(text)["Names"] == [
        {"Name": "tpyo.node.consul.", "Count": 2, "Client": agent.host},
        {"Name": r"a\.b\000\255.node.consul.", "Count": 1, "Client": agent.host},
    ]
    assert ["2", "tpyo.node.consul.", agent.host] == dns_command(agent, "top").out.splitlines()[1].split()


def test_the_query_log_is_switched_while_the_agent_runs(agent: LoneAgent) -> None:
    process = agent.start()
    agent.dig("+nocookie", "before.node.consul.", "A")
    assert "Query log is now enabled\n" == dns_command(agent, "query-log", "-enable").out
    agent.dig("+nocookie", "LONE.node.consul.", "AAAA")
    agent.dig("+nocookie", "+tcp", r"x\010y.node.consul.", "TYPE65280")
    agent.http("PUT", "/v1/dns/query-log?enable=false")
    agent.dig("+nocookie", "after.node.consul.", "A")
    process.wait_line("query log is off")

    lines = process.lines("agent.dns.query: query:")
    assert 2 == len(lines)
    assert "transport=udp name=LONE.node.consul. type=AAAA rcode=NOERROR flags=qr,aa,rd" in lines[0]
    assert r'transport=tcp name="x\\010y.node.consul." type=TYPE65280 rcode=NXDOMAIN' in lines[1]


def test_the_query_log_is_on_from_the_start_where_the_configuration_says_so(agent: LoneAgent, tmp_path: Path) -> None:
    config = tmp_path / "log.json"
    config.write_text(json.dumps({"dns_config": {"query_log": True}}))
    process = agent.start(f"-config-file={config}")

    agent.dig("+nocookie", "lone.node.consul.", "AAAA")

    process.wait_line("agent.dns.query: query: .*name=lone.node.consul.")
    assert json.loads(agent.http("GET", "/v1/dns/query-log")[1]) == {"Enabled": True, "Lines": 1, "Suppressed": 0}

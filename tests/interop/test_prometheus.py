"""A real Prometheus scrapes a running agent, and answers the questions of the manual from what it got."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from nodedns.testing.loopback import HTTP_PORT, LoneAgent, free_hosts, lone_agent
from nodedns.testing.processes import DEADLINE_S, Process, poll, run_program
from nodedns.testing.source_tree import project_root

PROMETHEUS_PORT = 9090
MANUAL = project_root(Path(__file__)) / "docs" / "metrics.rst"
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: nodedns
    metrics_path: /v1/agent/metrics
    params: {{format: [prometheus]}}
    static_configs: [{{targets: ["{target}"]}}]
"""


def manual_questions() -> list[str]:
    """The lines of PromQL in the manual."""
    (block,) = re.findall(r"code-block:: promql\n\n((?:    .*\n|\n)+)", MANUAL.read_text(encoding="utf-8"))
    return [line.strip() for line in block.splitlines() if line.strip() and not line.strip().startswith("#")]


class Prometheus:
    """A server that scrapes one agent every second."""

    def __init__(self, host: str) -> None:
        self._host = host

    def ask(self, question: str) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection(self._host, PROMETHEUS_PORT, timeout=DEADLINE_S)
        try:
            connection.request("GET", "/api/v1/query?" + urlencode({"query": question}))
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", f"{question}: {answer}"
        result = answer["data"]["result"]
        assert isinstance(result, list)
        return result


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path_factory.mktemp("agent")) as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def prometheus(
    agent: LoneAgent, prometheus_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(target=f"{agent.host}:{HTTP_PORT}"))
    host = next(free_hosts(PROMETHEUS_PORT))
    argv: list[str | Path] = [
        prometheus_program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={host}:{PROMETHEUS_PORT}",
    ]
    with Process(argv) as process:
        process.wait_line("Server is ready to receive web requests")
        yield Prometheus(host)


def test_a_scrape_is_understood_and_its_figures_are_right(agent: LoneAgent, prometheus: Prometheus) -> None:
    for _ in range(3):
        agent.dig("lone.node.consul.", "AAAA")
    agent.dig("+tcp", "nobody.node.consul.", "A")

    wanted = {
        'nodedns_dns_queries_total{transport="tcp",qtype="A",rcode="NXDOMAIN"}': "1",
        'nodedns_dns_queries_total{transport="udp",qtype="AAAA",rcode="NOERROR"}': "3",
        "nodedns_dns_streams_total": "1",
        "up": "1",
    }

    def figures() -> dict[str, str]:
        found = {question: prometheus.ask(question) for question in wanted}
        return {question: series[0]["value"][1] for question, series in found.items() if series}

    # A scrape that took more than its second leaves nothing until the next.
    poll(lambda: figures() == wanted, f"{wanted}, but: {figures()}")
    poll(lambda: prometheus.ask("nodedns_dns_answer_seconds_bucket"), "the histogram")


@pytest.mark.parametrize("question", manual_questions())
def test_questions_of_the_manual_are_understood(prometheus: Prometheus, question: str) -> None:
    prometheus.ask(question)


def test_questions_of_the_manual_have_answers(agent: LoneAgent, prometheus: Prometheus) -> None:
    agent.dig("lone.node.consul.", "AAAA")
    shares = [question for question in manual_questions() if "rate(" in question and "> 0" not in question]

    for question in shares:
        if "dropped" not in question:
            poll(partial(prometheus.ask, question), f"an answer to {question}")


def test_promtool_finds_nothing_to_complain_of(agent: LoneAgent, promtool_program: Path) -> None:
    agent.dig("nobody.node.consul.", "A")
    status, text = agent.http("GET", "/v1/agent/metrics?format=prometheus")

    checked = run_program([promtool_program, "check", "metrics"], stdin=text)

    assert 200 == status
    assert (0, "", "") == (checked.code, checked.out, checked.err)

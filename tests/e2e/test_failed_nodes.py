"""An agent that is killed: with ``failed_nodes = "drop"`` its names leave DNS and come back with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.processes import poll

DROP = 'gossip_profile = "local"\ndns_config { failed_nodes = "drop"  failed_nodes_grace = "1s" }'
KEEP = 'gossip_profile = "local"'
NAMES = {"drops": DROP, "keeps": KEEP, "dies": KEEP}
NAME = "dies.node.consul."


@pytest.fixture
def pool(dig_program: Path, tmp_path: Path) -> Iterator[dict[str, LoneAgent]]:
    """Three agents that know each other; two of them look on."""
    hosts = free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT)
    agents: dict[str, LoneAgent] = {}
    try:
        for name, settings in NAMES.items():
            folder = tmp_path / name
            folder.mkdir()
            (folder / "own.hcl").write_text(settings, encoding="ascii")
            agents[name] = LoneAgent(name, next(hosts), folder)
            agents[name].start(f"-config-file={folder / 'own.hcl'}", f"-retry-join={agents['drops'].host}")
        for name in ("drops", "keeps"):
            poll(lambda: agents[name].statuses() == dict.fromkeys(NAMES, "alive"), f"{name} sees all")  # noqa: B023 - asked at once
        yield agents
    finally:
        for agent in agents.values():
            agent.close()


def test_killed_agent_leaves_dns_and_not_the_list_and_comes_back(pool: dict[str, LoneAgent], tmp_path: Path) -> None:
    drops, keeps, dies = (pool[name] for name in NAMES)
    assert ["NOERROR"] * 2 == [drops.dig(NAME).status, drops.dig("-x", dies.host).status]

    dies.process.kill()

    drops.process.wait_line("DNS no longer answers for a node that has failed: name=dies")
    assert ["NXDOMAIN"] * 2 == [drops.dig(NAME).status, drops.dig("-x", dies.host).status]
    assert "failed" == drops.statuses()["dies"]
    assert "dies.node.dc1.consul." not in drops.dig("consul.", "NS").data
    assert '"Node":"dies"' in drops.http("GET", "/v1/catalog/nodes")[1].replace(" ", "")
    assert ["NOERROR"] * 2 == [keeps.dig(NAME).status, keeps.dig("-x", dies.host).status]

    dies.start(f"-config-file={tmp_path / 'dies' / 'own.hcl'}", f"-retry-join={drops.host}")

    poll(lambda: drops.dig(NAME).data == [dies.host], "it is answered for again")
    assert ["dies.node.dc1.consul."] == drops.dig("-x", dies.host).data

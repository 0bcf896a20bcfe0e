"""An agent that is reached at another address and port than it is bound to."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.port_forward import PortForward
from nodedns.testing.processes import poll

OUTER_PORT = 18301
ENOUGH_DATAGRAMS = 5


def test_agent_behind_a_port_mapping_is_a_healthy_member_at_the_address_it_advertises(tmp_path: Path) -> None:
    hosts = list(islice(free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT, OUTER_PORT), 3))
    inside = LoneAgent("inside", hosts[0], tmp_path / "inside")
    outside = LoneAgent("outside", hosts[1], tmp_path / "outside")
    advertised = f"{hosts[2]}:{OUTER_PORT}"
    try:
        with PortForward((hosts[2], OUTER_PORT), (hosts[0], GOSSIP_PORT)) as mapping:
            inside.start(f"-advertise={advertised}")
            outside.start(f"-retry-join={advertised}")
            poll(lambda: outside.statuses().get("inside") == "alive", "the join")
            passed = mapping.datagrams

            poll(lambda: mapping.datagrams >= passed + ENOUGH_DATAGRAMS, "pings by way of the mapping")

            assert mapping.streams > 0
            assert {"inside": "alive", "outside": "alive"} == outside.statuses() == inside.statuses()
            assert advertised in outside.command("members").out
            assert [hosts[2]] == outside.dig("inside.node.consul").data
            assert [] == outside.process.lines("suspected|UDP blocked")
    finally:
        inside.close()
        outside.close()

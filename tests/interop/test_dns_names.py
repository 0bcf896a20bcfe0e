"""``dig`` asks real agents for names: in several domains, of both families, and before the cluster is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.loopback import LoneAgent, lone_agent
from nodedns.testing.mixed_pool import MixedPool
from nodedns.testing.processes import poll

CONFIG = """
domain      = "Consul"
alt_domain  = "test.consul"
alt_domains = ["lan", "nodes.example.org"]
advertise_addr_ipv6 = "2001:db8::1"
node_meta { rack = "a7" }
"""
DOMAINS = ["consul.", "test.consul.", "lan.", "nodes.example.org."]
NOT_READY = "; EDE: 14 (Not Ready)"


@pytest.fixture(scope="module")
def agent(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    folder = tmp_path_factory.mktemp("names")
    (folder / "names.hcl").write_text(CONFIG)
    with lone_agent(folder, "Web_1.lab") as started:
        started.start(f"-config-file={folder / 'names.hcl'}")
        yield started


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize("domain", DOMAINS)
def test_dig_finds_a_dual_node_in_every_domain(agent: LoneAgent, domain: str, transport: str) -> None:
    for place in ("", "dc1.", "DC1.dc."):
        name = f"web_1.LAB.node.{place}{domain}"
        for kind, data in (("A", agent.host), ("AAAA", "2001:db8::1"), ("TXT", '"rack=a7"')):
            answer = agent.dig(transport, name, kind)
            assert ("NOERROR", [(name, data)]) == (answer.status, [(r.name, r.data) for r in answer.answer])


@pytest.mark.parametrize("domain", DOMAINS)
def test_dig_finds_that_each_domain_is_a_zone_of_its_own(agent: LoneAgent, domain: str) -> None:
    soa = agent.dig(domain, "SOA").answer[0]
    assert (domain, f"ns.{domain}") == (soa.name, soa.data.split()[0])
    assert [agent.host] == agent.dig(f"ns.{domain}", "A").data
    servers = agent.dig(domain, "NS")
    assert [f"web_1.lab.node.dc1.{domain}"] == servers.data
    assert [("A", agent.host), ("AAAA", "2001:db8::1")] == [(glue.kind, glue.data) for glue in servers.additional]
    absent = agent.dig(f"nobody.node.{domain}", "A")
    assert ("NXDOMAIN", [domain]) == (absent.status, [record.name for record in absent.authority])


@pytest.mark.parametrize("domain", DOMAINS)
def test_dig_finds_addresses_by_name(agent: LoneAgent, domain: str) -> None:
    assert ["198.18.0.1"] == agent.dig(f"c6120001.addr.dc1.{domain}", "A").data
    assert ["2607:20:4005:808::200e"] == agent.dig(f"2607002040050808000000000000200e.addr.{domain}", "AAAA").data
    other = agent.dig(f"c6120001.addr.{domain}", "AAAA")
    assert ("NOERROR", [], ["SOA"]) == (other.status, other.data, other.authority_kinds)
    assert "NXDOMAIN" == agent.dig(f"c612000x.addr.{domain}", "A").status


def test_names_that_work_are_said_at_start(agent: LoneAgent) -> None:
    (line,) = agent.process.lines("is no plain DNS label")
    for domain in DOMAINS:
        for place in ("", "dc1."):
            name = f"Web_1.lab.node.{place}{domain.removesuffix('.')}"
            assert name in line
            assert [agent.host] == agent.dig(name, "A").data


def test_alt_domain_among_names_of_another_does_not_start(agent: LoneAgent) -> None:
    refused = agent.refuse("-alt-domain=dc1.consul")
    rule = "alt_domain cannot start with {service,connect,node,query,addr,dc1}"
    assert (1, f"==> command line: -alt-domain: {rule}") == (refused.code, refused.err.strip())


def test_second_address_of_a_member_reaches_all_of_a_mixed_pool(own_pool: MixedPool) -> None:
    serf = own_pool.start_serf("by-serf", "-tag", "lan_ipv6=2001:db8::5")
    here = own_pool.start_nodedns("here", config='advertise_addr_ipv6 = "2001:db8::1"', join=serf)
    there = own_pool.start_nodedns("there", join=serf)
    own_pool.wait_all_alive([serf, here, there])
    assert "2001:db8::1" == serf.tags()["here"]["lan_ipv6"]
    for asked in (here, there):
        for member, second in ((serf, "2001:db8::5"), (here, "2001:db8::1")):
            assert [member.host] == asked.dig(f"{member.name}.node.consul", "A").data
            assert [second] == asked.dig(f"{member.name}.node.consul", "AAAA").data
    assert [] == here.dig("there.node.consul", "AAAA").data


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize("name", ["one.node.consul", "nobody.node.consul", "7f000001.addr.consul", "consul"])
def test_server_that_waits_for_others_says_that_it_is_not_ready(
    waiting: tuple[LoneAgent, LoneAgent], name: str, transport: str
) -> None:
    answer = waiting[0].dig(transport, name, "A")
    assert ("SERVFAIL", (), ()) == (answer.status, answer.answer, answer.authority)
    assert NOT_READY in answer.text
    assert "REFUSED" == waiting[0].dig(transport, "example.com", "A").status


def test_servers_that_have_met_answer(waiting: tuple[LoneAgent, LoneAgent]) -> None:
    one, two = waiting
    two.start("-bootstrap=false", "-bootstrap-expect=2", f"-retry-join={one.host}")
    for asked in (one, two):
        poll(lambda asked=asked: "NXDOMAIN" == asked.dig("nobody.node.consul", "A").status, "the cluster is known")  # type: ignore[misc]
        assert [two.host] == asked.dig("two.node.consul", "A").data
        assert NOT_READY not in asked.dig("consul", "SOA").text


@pytest.fixture(scope="module")
def waiting(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LoneAgent, LoneAgent]]:
    """Two servers of which the first expects a second, and the second is not started."""
    with lone_agent(tmp_path_factory.mktemp("one"), "one") as one:
        one.start("-bootstrap=false", "-bootstrap-expect=2")
        with lone_agent(tmp_path_factory.mktemp("two"), "two") as two:
            yield one, two

"""``dig -x`` of a running agent's nodes, asked directly and through ``unbound`` with a stub or a forward zone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.loopback import DNS_PORT, LoneAgent, lone_agent
from nodedns.testing.unbound import Unbound, unbound

V6 = "2001:db8::9"
V6_ZONE = "8.b.d.0.1.0.0.2.ip6.arpa."
PRINTER = "printer.node.dc1.consul."
NODES = ({"Node": "printer", "Address": "10.0.0.9", "TaggedAddresses": {"lan_ipv6": V6}}, {"Node": "b", "Address": V6})


@pytest.fixture(scope="module")
def agent(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    """An agent with zones for the addresses of its nodes."""
    with lone_agent(tmp_path_factory.mktemp("lone"), "Lone-One") as made:
        made.start()
        made.register(*NODES)
        yield made


@pytest.fixture(scope="module")
def told_agent(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    """An agent with the zones that it was told."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "dns.hcl").write_text('dns_config { reverse_zones = ["10.0.0.0/8", "2001:db8::/32"]  ptr_ttl = "1m" }')
    with lone_agent(folder, "told") as made:
        made.start(f"-config-file={folder / 'dns.hcl'}")
        made.register(*NODES)
        yield made


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize(("ip", "target"), [("10.0.0.9", PRINTER), (V6, "b.node.dc1.consul.")])
def test_registered_address_names_its_node(agent: LoneAgent, transport: str, ip: str, target: str) -> None:
    answer = agent.dig(transport, "-x", ip)
    assert ("NOERROR", [target]) == answer.outcome
    assert "aa" in answer.flags


def test_address_of_the_agent_names_it_as_it_calls_itself(agent: LoneAgent) -> None:
    assert ("NOERROR", ["Lone-One.node.dc1.consul."]) == agent.dig("-x", agent.host).outcome


def test_name_that_a_pointer_gives_has_the_address(agent: LoneAgent) -> None:
    (name,) = agent.dig("-x", "10.0.0.9").data
    assert ["10.0.0.9"] == agent.dig(name, "A").data


def test_reverse_zone_has_a_soa_whose_server_resolves(agent: LoneAgent) -> None:
    server, *_ = agent.dig("0.0.10.in-addr.arpa", "SOA").data[0].split()
    assert [agent.host] == agent.dig(server, "A").data


def test_address_without_a_node_is_denied_with_a_soa_or_refused(agent: LoneAgent) -> None:
    near, far = agent.dig("-x", "10.0.0.10"), agent.dig("-x", "10.0.1.9")
    assert ("NXDOMAIN", ["SOA"]) == (near.status, near.authority_kinds)
    assert ("REFUSED", []) == (far.status, far.authority_kinds)


def test_zones_are_those_that_the_agent_was_told(told_agent: LoneAgent) -> None:
    assert "REFUSED" == told_agent.dig("-x", told_agent.host).status
    assert [60] == [record.ttl_s for record in told_agent.dig("-x", "10.0.0.9").answer]
    absent = told_agent.dig("-x", "10.9.9.9")
    assert ("NXDOMAIN", ["10.in-addr.arpa."]) == (absent.status, [record.name for record in absent.authority])


def zones_of(kind: str, agent: LoneAgent, *names: str) -> str:
    key = "stub-addr" if kind == "stub" else "forward-addr"
    return "\n".join(f'{kind}-zone:\n    name: "{name}"\n    {key}: {agent.host}@{DNS_PORT}' for name in names)


@pytest.fixture(scope="module", params=["stub", "forward"])
def resolver(
    request: pytest.FixtureRequest,
    told_agent: LoneAgent,
    unbound_program: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Unbound]:
    """Told to ask the agent for the zones that the agent was told."""
    names = ("consul.", "10.in-addr.arpa.", V6_ZONE)
    # unbound knows that these have no names in the Internet (RFC 6303), and denies them unless told not to.
    server = "\n".join(f'    local-zone: "{name}" nodefault' for name in names[1:])
    zones = zones_of(request.param, told_agent, *names)
    with unbound(unbound_program, tmp_path_factory.mktemp("unbound"), server, zones) as made:
        yield made


@pytest.mark.parametrize(("ip", "target"), [("10.0.0.9", PRINTER), (V6, "b.node.dc1.consul.")])
def test_resolver_finds_the_node_of_an_address(resolver: Unbound, ip: str, target: str) -> None:
    assert ("NOERROR", [target]) == resolver.dig("-x", ip).outcome


def test_resolver_believes_that_an_address_has_no_node(resolver: Unbound) -> None:
    assert ["NXDOMAIN"] * 3 == [resolver.dig("-x", ip).status for ip in ("10.0.0.10", "10.9.9.9", "2001:db8::10")]


def test_resolver_keeps_a_pointer_for_its_time(resolver: Unbound) -> None:
    resolver.dig("-x", "10.0.0.9")
    (record,) = resolver.dig("-x", "10.0.0.9").answer
    assert 0 < record.ttl_s <= 60


def test_stub_zone_above_derived_zones_finds_them_and_nothing_beside(
    agent: LoneAgent, unbound_program: Path, tmp_path: Path
) -> None:
    server = '    local-zone: "10.in-addr.arpa." nodefault'
    with unbound(unbound_program, tmp_path, server, zones_of("stub", agent, "10.in-addr.arpa.")) as resolver:
        assert ("NOERROR", [PRINTER]) == resolver.dig("-x", "10.0.0.9").outcome
        assert ["NXDOMAIN", "SERVFAIL"] == [resolver.dig("-x", ip).status for ip in ("10.0.0.10", "10.0.1.9")]

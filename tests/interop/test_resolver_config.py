"""Real resolvers that validate, told of an agent by nothing but what ``nodedns resolver-config`` printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.loopback import LoneAgent, lone_agent
from nodedns.testing.nsd import nsd
from nodedns.testing.processes import poll
from nodedns.testing.resolver_setups import SETUPS, Elsewhere, Resolver, printed
from nodedns.testing.signed_root import signed_root

SOON_S = 3.0
"""Some keep an answer to the end of the second whatever its TTL is; Knot Resolver by itself would for five."""
CONFIG = """
alt_domains = ["lan", "test"]
"""
NODES = (
    {"Node": "four", "Address": "10.0.0.4"},
    {"Node": "both", "Address": "10.0.0.5", "TaggedAddresses": {"lan_ipv6": "fd00:1::5"}},
    {"Node": "outside", "Address": "www.example"},
)
WAYS = [
    ("bind", ()),
    ("dnsmasq", ()),
    ("knot-resolver", ()),
    ("pdns-recursor", ()),
    ("unbound", ()),
    ("unbound", ("-style=forward",)),
]


@pytest.fixture(scope="module")
def agent(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    folder = tmp_path_factory.mktemp("agent")
    (folder / "dns.hcl").write_text(CONFIG)
    with lone_agent(folder) as lone:
        lone.start(f"-config-file={folder / 'dns.hcl'}")
        lone.register(*NODES)
        yield lone


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    root = signed_root(tmp_path_factory.mktemp("keys"))
    with nsd(tmp_path_factory.mktemp("nsd"), root.zones) as host:
        yield Elsewhere(host, root)


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: "".join((way[0], *way[1])))
def resolver(
    request: pytest.FixtureRequest, agent: LoneAgent, elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Resolver]:
    tool, flags = request.param
    folder = tmp_path_factory.mktemp(tool)
    made = printed(folder / "printed", tool, f"-http-addr={agent.host}:8500", *flags)
    with SETUPS[tool](folder, made, elsewhere) as running:
        yield running


@pytest.fixture(scope="module")
def stub_agent(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    """One on port 53, the only one that BIND's static-stub knows."""
    folder = tmp_path_factory.mktemp("stub-agent")
    with lone_agent(folder, dns_port=53) as lone:
        lone.start("-dns-port=53")
        lone.register(NODES[0])
        yield lone


def test_names_and_addresses_of_nodes_are_found(resolver: Resolver) -> None:
    found = [
        (("four.node.consul", "A"), "10.0.0.4"),
        (("four.node.lan", "A"), "10.0.0.4"),
        (("four.node.test", "A"), "10.0.0.4"),
        (("both.node.dc1.consul", "AAAA"), "fd00:1::5"),
        (("-x", "10.0.0.4"), "four.node.dc1.consul."),
        (("-x", "fd00:1::5"), "both.node.dc1.consul."),
    ]
    assert [("NOERROR", [data]) for _, data in found] == [resolver.dig(*what).outcome for what, _ in found]


def test_what_is_not_there_is_denied_and_not_failed(resolver: Resolver) -> None:
    denied = [("nobody.node.consul", "A"), ("nobody.node.test", "A"), ("-x", "10.0.0.99"), ("-x", "fd00:1::99")]
    assert ["NXDOMAIN"] * 4 == [resolver.dig(*what).status for what in denied]
    assert ("NOERROR", []) == resolver.dig("four.node.consul", "AAAA").outcome


def test_alias_leads_to_a_name_elsewhere_but_behind_those_that_only_pass_on(
    resolver: Resolver, request: pytest.FixtureRequest
) -> None:
    passes_on = any(tool in request.node.name for tool in ("dnsmasq", "knot-resolver"))
    chain = ["www.example."] if passes_on else ["198.18.0.80", "www.example."]

    assert ("NOERROR", chain) == resolver.dig("outside.node.consul", "A").outcome


def test_other_names_are_still_asked_elsewhere_and_validated(resolver: Resolver) -> None:
    assert ("NOERROR", ["198.18.0.80"]) == resolver.dig("www.example", "A").outcome
    assert "NXDOMAIN" == resolver.dig("nobody.nowhere", "A").status
    assert "SERVFAIL" == resolver.dig("www.broken", "A").status
    assert "NXDOMAIN" == resolver.dig("-x", "10.200.0.1").status


def test_whoever_asks_for_validation_finds_the_names_too(resolver: Resolver) -> None:
    answer = resolver.dig("four.node.consul", "A", "+dnssec", "+adflag")

    assert ("NOERROR", ["10.0.0.4"]) == answer.outcome
    assert "ad" not in answer.flags


def test_node_that_was_missing_a_moment_ago_is_found(
    resolver: Resolver, agent: LoneAgent, request: pytest.FixtureRequest
) -> None:
    name = f"late-{WAYS.index(request.node.callspec.params['resolver'])}"
    assert "NXDOMAIN" == resolver.dig(f"{name}.node.consul", "A").status
    agent.register({"Node": name, "Address": "10.0.0.6"})

    poll(lambda: resolver.dig(f"{name}.node.consul", "A").data == ["10.0.0.6"], "it is found", deadline_s=SOON_S)


def test_static_stub_lets_its_part_of_a_private_zone_through(
    stub_agent: LoneAgent, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    made = printed(tmp_path / "printed", "bind", f"-http-addr={stub_agent.host}:8500", "-style=static-stub")
    with SETUPS["bind"](tmp_path, made, elsewhere) as resolver:
        assert ("NOERROR", ["10.0.0.4"]) == resolver.dig("four.node.consul", "A").outcome
        assert ("NOERROR", ["four.node.dc1.consul."]) == resolver.dig("-x", "10.0.0.4").outcome
        assert ["NXDOMAIN"] * 2 == [resolver.dig("-x", ip).status for ip in ("10.0.0.99", "10.200.0.1")]
        assert ("NOERROR", ["198.18.0.80"]) == resolver.dig("www.example", "A").outcome

"""unbound at its strictest before an agent: it asks label by label, in mixed letters, and takes NXDOMAIN at its word.

It is the most that a resolver in the field asks of a server: with ``qname-minimisation-strict`` one wrong answer
on the way to a name makes all names under it vanish, with ``harden-below-nxdomain`` a wrong NXDOMAIN stays, and with
``use-caps-for-id`` letters that come back otherwise are taken for a forgery.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.loopback import DNS_PORT, LoneAgent, lone_agent
from nodedns.testing.unbound import STRICTEST, Unbound, unbound

TTL_S = 300
CONFIG = f"""
alt_domains = ["lan", "test.consul"]
dns_config {{
  node_ttl = "{TTL_S}s"
  soa {{ min_ttl = {TTL_S} }}
  reverse_zones = ["10.0.0.0/8", "10.200.3.0/24"]
}}
"""
STRICT = f"""{STRICTEST}    local-zone: "10.in-addr.arpa." nodefault
"""
LONG = {f"k{number:02}": "v" * 100 for number in range(20)}
NODES = (
    {"Node": "four", "Address": "10.0.0.4"},
    {"Node": "both", "Address": "10.0.0.5", "TaggedAddresses": {"lan_ipv6": "2001:db8::5"}},
    {"Node": "a.b.c", "Address": "10.0.0.6"},
    {"Node": "long", "Address": "10.0.0.7", "NodeMeta": LONG},
    {"Node": "alias", "Address": "both.node.lan"},
)


@pytest.fixture(scope="module")
def agent(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    folder = tmp_path_factory.mktemp("agent")
    (folder / "dns.hcl").write_text(CONFIG)
    with lone_agent(folder) as lone:
        lone.start(f"-config-file={folder / 'dns.hcl'}")
        lone.register(*NODES)
        yield lone


@pytest.fixture(params=["stub", "forward"])
def resolver(
    request: pytest.FixtureRequest, agent: LoneAgent, unbound_program: Path, tmp_path: Path
) -> Iterator[Unbound]:
    """One that has not asked anything yet."""
    clause = '{kind}-zone:\n    name: "{name}"\n    {kind}-addr: {host}@{port}'
    zones = [
        clause.format(kind=request.param, name=name, host=agent.host, port=DNS_PORT)
        for name in ("consul.", "lan.", "10.in-addr.arpa.")
    ]
    with unbound(unbound_program, tmp_path, STRICT, "\n".join(zones)) as made:
        yield made


def test_every_kind_of_name_is_found(resolver: Unbound) -> None:
    found = [
        (("four.node.consul", "A"), "10.0.0.4"),
        (("Four.NODE.dc1.Consul", "A"), "10.0.0.4"),
        (("four.node.dc1.dc.consul", "A"), "10.0.0.4"),
        (("four.node.test.consul", "A"), "10.0.0.4"),
        (("both.node.lan", "AAAA"), "2001:db8::5"),
        (("a.b.c.node.consul", "A"), "10.0.0.6"),
        (("0a000063.addr.dc1.consul", "A"), "10.0.0.99"),
        (("-x", "10.0.0.6"), "a.b.c.node.dc1.consul."),
    ]
    assert [("NOERROR", [data]) for _, data in found] == [resolver.dig(*what).outcome for what, _ in found]


def test_alias_is_followed(resolver: Unbound) -> None:
    assert ("NOERROR", ["10.0.0.5", "both.node.lan."]) == resolver.dig("alias.node.consul", "A").outcome


def test_family_that_a_node_lacks_is_remembered_and_harms_no_other_type(resolver: Unbound) -> None:
    lacking = [resolver.dig("four.node.consul", "AAAA") for _ in range(2)]

    assert [("NOERROR", [], ["SOA"])] * 2 == [(*answer.outcome, answer.authority_kinds) for answer in lacking]
    assert 0 < lacking[1].authority[0].ttl_s <= TTL_S
    assert ("NOERROR", ["10.0.0.4"]) == resolver.dig("four.node.consul", "A").outcome


def test_what_is_denied_takes_nothing_along_that_is_there(resolver: Unbound) -> None:
    denied = ["x.four.node.consul", "c.consul", "b.node.consul", "four.node.dc2.consul", "x.c.node.consul"]
    assert ["NXDOMAIN"] * 5 == [resolver.dig(name, "A").status for name in denied]
    assert ["NXDOMAIN"] * 2 == [resolver.dig("-x", ip).status for ip in ("10.0.0.99", "10.9.9.9")]

    assert ("NOERROR", []) == resolver.dig("c.node.consul", "A").outcome
    assert ("NOERROR", ["10.0.0.6"]) == resolver.dig("a.b.c.node.consul", "A").outcome
    assert ("NOERROR", ["four.node.dc1.consul."]) == resolver.dig("-x", "10.0.0.4").outcome


def test_zone_inside_a_zone_is_found_after_the_names_above_it(resolver: Unbound) -> None:
    assert ("NOERROR", []) == resolver.dig("200.10.in-addr.arpa", "A").outcome
    assert "NOERROR" == resolver.dig("3.200.10.in-addr.arpa", "SOA").status
    assert 1 == len(resolver.dig("3.200.10.in-addr.arpa", "SOA").answer)


def test_long_answer_comes_whole(resolver: Unbound) -> None:
    assert len(LONG) == len(resolver.dig("long.node.consul", "TXT").answer)

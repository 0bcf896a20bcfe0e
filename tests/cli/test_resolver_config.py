"""``nodedns resolver-config``: what it prints, for every tool that the manual shows and for an agent that is asked."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodedns.cli.doctor.tools import TOOLS as NAMED_BY_DOCTOR
from nodedns.cli.endpoint import parse_endpoint
from nodedns.cli.resolvers.agent_facts import Given, facts_from_afar, facts_of_agent
from nodedns.cli.resolvers.facts import RecipeError
from nodedns.cli.resolvers.recipe import Wishes
from nodedns.cli.resolvers.tools import TOOLS
from nodedns.testing.source_tree import project_root

Shell = Callable[..., tuple[int, str, str]]

MANUAL = (project_root(Path(__file__)) / "docs" / "resolvers.rst").read_text(encoding="utf-8")
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"console\n\n((?: {4}.*\n|\n)+)", MANUAL)]
SHOWN = [block for block in BLOCKS if block.startswith("$ nodedns resolver-config -")]
SHOWN = [block for block in SHOWN if "-apply" not in block]
IPV6 = ("-dns-addr=[2001:db8::7]:8600", "-reverse-zone=2001:db8::/32")
LOCAL = "-dns-addr=127.0.0.1:8600"


def about(**config: Any) -> dict[str, Any]:
    """What an agent says of itself, as far as it matters here."""
    usual = {
        "dns_addrs": ["127.0.0.1"],
        "dns_port": 8600,
        "domain": "consul",
        "alt_domains": [],
        "reverse_zones": None,
        "recursion": {"recursors": [], "allowed": ["127.0.0.0/8"]},
        "advertise_addr": "10.1.0.7",
    }
    return {"Config": {"NodeName": "agent-one"}, "DebugConfig": usual | config}


def texts(out: str) -> str:
    """All that is to be put into files."""
    recipe = json.loads(out)
    return "".join(each["Text"] for each in recipe["Files"] + recipe["Edits"])


def test_manual_shows_every_tool() -> None:
    assert set(TOOLS) == {block.splitlines()[0].split()[-1] for block in SHOWN} - {"-list"}


def test_doctor_names_tools_that_there_are() -> None:
    assert set() == set(NAMED_BY_DOCTOR) - set(TOOLS)


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.splitlines()[0].removeprefix("$ nodedns "))
def test_manual_shows_what_is_printed(shell: Shell, block: str) -> None:
    command, _, printed = block.partition("\n")
    _, out, err = shell(*command.split()[2:])

    assert printed.rstrip() == (out + err).rstrip()


@pytest.mark.parametrize(("host", "asked"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_agent_is_asked_where_this_machine_reaches_it(shell: Shell, fake_agent: Any, host: str, asked: str) -> None:
    fake_agent.answer("GET /v1/agent/self", about(dns_addrs=["10.1.0.7", host], domain="example.org"))
    fake_agent.answer("GET /v1/catalog/nodes", [])
    exit_code, out, _ = shell("resolver-config", "dnsmasq")

    assert (0, True) == (exit_code, f"server=/example.org/{asked}#" in out)
    assert "/10.1.0.7#" not in out


def test_all_domains_and_listed_reverse_zones_are_told(shell: Shell, fake_agent: Any) -> None:
    listed = [{"version": 4, "text": "0a01"}, {"version": 6, "text": "fd"}]
    fake_agent.answer("GET /v1/agent/self", about(alt_domains=["lan"], reverse_zones=listed))
    _, out, _ = shell("resolver-config", "-search", "dnsmasq")
    zones = ["consul", "lan", "1.10.in-addr.arpa", "d.f.ip6.arpa"]

    assert [f"server=/{zone}/127.0.0.1#8600" for zone in zones] == re.findall("^server=.*", out, re.MULTILINE)
    assert ["GET /v1/agent/self"] == fake_agent.asked
    assert "getent hosts agent-one.node.consul\ngetent hosts agent-one\n" in out


def test_reverse_zones_that_nobody_listed_are_those_of_the_nodes_addresses(shell: Shell, fake_agent: Any) -> None:
    nodes = [
        {"Address": "10.1.0.7", "TaggedAddresses": {"lan_ipv6": "fd00:0:0:1::7"}},
        {"Address": "10.1.0.9", "TaggedAddresses": None},
        {"Address": "127.0.0.1"},
        {"Address": "db.example.org"},
    ]
    fake_agent.answer("GET /v1/agent/self", about())
    fake_agent.answer("GET /v1/catalog/nodes", nodes)
    _, out, _ = shell("resolver-config", "-format=json", "dnsmasq")
    named = re.findall(r"server=/(.*\.arpa)/", texts(out))

    assert ["0.1.10.in-addr.arpa", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa"] == named


def test_too_many_reverse_zones_are_refused_with_what_to_do(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/agent/self", about())
    fake_agent.answer("GET /v1/catalog/nodes", [{"Address": f"10.1.{number}.1"} for number in range(65)])
    exit_code, _, err = shell("resolver-config", "dnsmasq")

    assert 1 == exit_code
    assert "65 reverse zones" in err
    assert "dns_config.reverse_zones" in err
    assert 0 == shell("resolver-config", "-reverse-zone=10.1.0.0/16", "dnsmasq")[0]


@pytest.mark.parametrize("domain", ['consul"; include "/etc/shadow', "a\nserver=/#/192.0.2.1", "", "a..b", "x y"])
def test_domain_that_could_say_something_else_is_refused(shell: Shell, fake_agent: Any, domain: str) -> None:
    fake_agent.answer("GET /v1/agent/self", about(domain=domain, reverse_zones=[]))
    exit_code, out, err = shell("resolver-config", "bind")

    assert (1, "") == (exit_code, out)
    assert err.startswith("No configuration for bind: ")
    assert 1 == err.count("\n")


@pytest.mark.parametrize("config", [{"dns_addrs": ["not an IP"]}, {"dns_port": "x"}, {"alt_domains": 7}])
def test_answer_that_is_no_agents_is_said_to_be_none(shell: Shell, fake_agent: Any, config: dict[str, Any]) -> None:
    fake_agent.answer("GET /v1/agent/self", about(reverse_zones=[], **config))
    exit_code, _, err = shell("resolver-config", "bind")

    assert (1, True) == (exit_code, "not that of an agent" in err)


def test_agent_without_dns_is_refused(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/agent/self", about(dns_addrs=[], dns_port=-1, reverse_zones=[]))

    assert "No configuration for bind: the agent serves no DNS; start it" in shell("resolver-config", "bind")[2]


@pytest.mark.parametrize(
    ("tool", "line"),
    [
        ("bind", "forwarders { 2001:db8::7 port 8600; };"),
        ("coredns", "forward . [2001:db8::7]:8600"),
        ("dnsmasq", "server=/consul/2001:db8::7#8600"),
        ("knot-resolver", "policy.STUB({'2001:db8::7@8600'})"),
        ("macos", "nameserver 2001:db8::7"),
        ("networkmanager", "server=/consul/2001:db8::7#8600"),
        ("pdns-recursor", "consul=[2001:db8::7]:8600"),
        ("systemd-resolved", "DNS=[2001:db8::7]:8600"),
        ("unbound", "stub-addr: 2001:db8::7@8600"),
    ],
)
def test_ipv6_is_written_as_each_tool_wants_it(shell: Shell, tool: str, line: str) -> None:
    _, out, _ = shell("resolver-config", *IPV6, "-tool-version=0" if tool == "pdns-recursor" else "-search", tool)

    assert line in out
    assert "8.b.d.0.1.0.0.2.ip6.arpa" in out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "One tool must be named: bind, "),
        (("unbound", "-apply"), "-apply stands behind unbound: flags come first"),
        (("a", "b"), "One tool must be named: bind, "),
        (("djbdns",), 'No tool is called "djbdns"; there are bind, '),
        (("-format=xml", LOCAL, "bind"), '-format takes text or json, not "xml".'),
        (("-yes", LOCAL, "bind"), "-yes needs -apply or -undo"),
        (("-apply", "-undo", LOCAL, "bind"), "Only one of -apply or -undo may be given"),
        (("-dns-addr=localhost:8600", "bind"), "No configuration for bind: 'localhost:8600' is not where"),
        (("-dns-addr=127.0.0.1:0", "bind"), "No configuration for bind: '127.0.0.1:0' has no port"),
        (("-reverse-zone=10.1.0.1/16", LOCAL, "bind"), "No configuration for bind: 10.1.0.1/16 has bits"),
        (("-style=static-stub", LOCAL, "bind"), "No configuration for bind: BIND's static-stub knows no port but 53"),
        (("-style=slave", LOCAL, "bind"), 'No configuration for bind: BIND has no style "slave"'),
        (("-style=x", LOCAL, "unbound"), 'No configuration for unbound: unbound has no style "x"'),
        (("-recursion", LOCAL, "docker"), "No configuration for docker: containers do not reach 127.0.0.1"),
        (("-dns-addr=10.1.0.7", "docker"), "No configuration for docker: Docker sends all names to the agent, and it"),
        (("-dns-addr=127.0.0.1", "resolv.conf"), "No configuration for resolv.conf: /etc/resolv.conf sends all names"),
        ((LOCAL, "-dns-addr=127.0.0.1:8601", "macos"), "No configuration for macos: a file in /etc/resolver has one"),
        (
            ("-dns-addr=10.1.0.7", "-recursion", "-apply", "docker"),
            "Cannot configure docker: it has no directory for files of ours",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(shell: Shell, words: tuple[str, ...], problem: str) -> None:
    exit_code, out, err = shell("resolver-config", *words)

    assert (1, "") == (exit_code, out)
    assert err.splitlines()[0].startswith(problem)


def test_recursion_that_leaves_this_machine_out_is_refused(shell: Shell, fake_agent: Any) -> None:
    recursion = {"recursors": [{"host": "192.0.2.53", "port": 53}], "allowed": ["10.0.0.0/8"]}
    fake_agent.answer("GET /v1/agent/self", about(dns_port=53, reverse_zones=[], recursion=recursion))

    assert "add the network of 127.0.0.1 to dns_config.allow_recursion" in shell("resolver-config", "resolv.conf")[2]
    assert 0 == shell("resolver-config", "-recursion", "resolv.conf")[0]


@pytest.mark.parametrize("listening", [["0.0.0.0"], ["10.1.0.7", "127.0.0.1"]])
def test_containers_are_told_of_an_address_that_they_reach(shell: Shell, fake_agent: Any, listening: list[str]) -> None:
    config = about(dns_port=53, reverse_zones=[], dns_addrs=listening)
    fake_agent.answer("GET /v1/agent/self", config)
    _, out, _ = shell("resolver-config", "-recursion", "-format=json", "docker")

    assert {"dns": ["10.1.0.7"]} == json.loads(json.loads(out)["Edits"][0]["Text"])


@pytest.mark.parametrize(
    ("listening", "line"),
    [
        (["0.0.0.0"], "server=/consul/10.1.0.7#"),
        (["10.1.0.8", "127.0.0.1"], "server=/consul/10.1.0.8#"),
        (["127.0.0.1"], "the agent on 192.0.2.1 serves DNS on 127.0.0.1:8600, for its own machine alone"),
    ],
)
def test_agent_on_another_machine_is_named_as_others_reach_it(listening: list[str], line: str) -> None:
    facts = facts_of_agent(about(dns_addrs=listening), [], Given())
    try:
        (said,) = (file.text for file in TOOLS["dnsmasq"].recipe(facts_from_afar(facts, "192.0.2.1"), Wishes()).files)
    except RecipeError as error:
        said = str(error)

    assert line in said


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("127.0.0.9:8500", True),
        ("localhost:8500", True),
        ("[::1]:8500", True),
        ("unix:///run/n", True),
        ("10.1.0.7:8500", False),
        ("agent-two.node.consul:8500", False),
    ],
)
def test_endpoint_knows_whether_it_is_on_this_machine(address: str, is_here: bool) -> None:
    assert is_here == parse_endpoint(address).is_here

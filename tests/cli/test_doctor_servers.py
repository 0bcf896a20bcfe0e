"""One server, asked in an order in which each answer decides the next question; and which tool it is."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from nodedns.cli.doctor.examine_servers import Plan, examine_server
from nodedns.cli.doctor.facts import HostFacts, ServerFacts
from nodedns.cli.doctor.listening import Listeners
from nodedns.cli.doctor.patience import Patience
from nodedns.cli.doctor.tools import TOOLS, configure, flush, tool_of
from nodedns.cli.resolvers.tools import TOOLS as RECIPES
from nodedns.testing.name_server import ZONE_ORIGIN, name_server

DOMAIN = ZONE_ORIGIN.rstrip(".")
PLAN = Plan(name=f"web.{DOMAIN}", fresh=f"fresh.{DOMAIN}", reverse_of="10.0.0.2")
LOCAL = ServerFacts(host="127.0.0.1", is_local=True)


@pytest.mark.parametrize(
    ("zone", "finds", "fresh"),
    [("web 0 IN A 10.0.0.2\n", True, None), ("other 0 IN A 10.0.0.3\nfresh 0 IN A 10.0.0.4\n", False, ("10.0.0.4",))],
)
def test_server_is_asked_why_only_where_it_does_not_know(
    tmp_path: Path, zone: str, finds: bool, fresh: tuple[str, ...] | None
) -> None:
    (tmp_path / "zone").write_text(zone)
    with name_server(tmp_path / "zone") as (host, port):
        facts = examine_server(host, port, PLAN, Listeners(), Patience(lambda: 0.0, 20.0))

    assert (finds, "connection refused") == (facts.udp.finds, facts.tcp.error)
    assert (True, True, True) == (facts.is_local, facts.is_up, facts.is_taken)
    assert fresh == (None if facts.fresh is None else facts.fresh.data)
    assert "NXDOMAIN" == (facts.reverse and facts.reverse.rcode)
    assert "(pid " in facts.program
    assert facts.plain is facts.unchecked is None


@pytest.mark.parametrize(
    ("host", "program", "writer", "tool"),
    [
        ("127.0.0.1", "dnsmasq (pid 1)", "", "dnsmasq"),
        ("127.0.0.1", "dnsmasq (pid 1)", "NetworkManager", "networkmanager"),
        ("127.0.0.1", "unbound (pid 1)", "", "unbound"),
        ("127.0.0.1", "isc-net-0000 (pid 1)", "", "bind"),
        ("127.0.0.1", "pdns_recursor", "", "pdns-recursor"),
        ("127.0.0.1", "kresd@1 (pid 1)", "", "knot-resolver"),
        ("127.0.0.53", "", "", "systemd-resolved"),
        ("127.0.0.11", "", "", "docker"),
        ("127.0.0.1", "something (pid 1)", "", ""),
    ],
)
def test_tool_is_told_by_program_address_and_writer(host: str, program: str, writer: str, tool: str) -> None:
    server = attrs.evolve(LOCAL, host=host, program=program)
    facts = HostFacts(writer=writer)

    assert tool == tool_of(server, facts)
    assert (tool or "resolv.conf") in configure(server, facts, "consul")
    assert "" != flush(server, facts, "consul")
    assert not tool or tool in TOOLS


def test_every_tool_that_is_named_has_a_recipe() -> None:
    assert [] == [tool for tool in TOOLS if tool not in RECIPES]


@pytest.mark.parametrize(
    ("program", "writer", "words"),
    [
        ("unbound", "", "have unbound on 10.0.0.53 ask an agent"),
        ("", "NetworkManager", "resolver-config networkmanager"),
        ("", "", "resolver-config resolv.conf"),
    ],
)
def test_server_elsewhere_is_mended_there_or_gone_round(program: str, writer: str, words: str) -> None:
    server = ServerFacts(host="10.0.0.53", program=program)

    assert words in configure(server, HostFacts(writer=writer), "consul")

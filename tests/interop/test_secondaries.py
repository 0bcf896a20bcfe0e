"""NSD, Knot, BIND and PowerDNS follow an agent, set up by what the documentation prints, and say what it says."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dns.message
import dns.name
import dns.rcode
import dns.tsig
import pytest

from nodedns.testing.fleet import KEY_NAME, SECRET, Fleet, Told, ask, fleet, register, said
from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.manual_page import ManualPage
from nodedns.testing.processes import DEADLINE_S, nodedns_program, poll, run_program
from nodedns.testing.signing import signed_query
from nodedns.testing.source_tree import project_root

pytestmark = pytest.mark.usefixtures("dig_program")

RECIPES = ManualPage.at(project_root(Path(__file__)) / "docs" / "secondaries.rst").files()

KINDS = ("A", "AAAA", "TXT", "SRV", "PTR", "NS")
ALWAYS = (
    *("consul", "node.consul", "service.consul", "addr.consul", "dc1.consul", "dc.consul"),
    *("one.node.consul", "ONE.node.dc1.consul", "one.node.dc1.dc.consul"),
    *("nobody.node.consul", "nobody.service.consul", "x.one.node.consul"),
    *("10.in-addr.arpa", "9.9.10.in-addr.arpa", "200.9.9.10.in-addr.arpa"),
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One agent and four secondaries, all with zones that are long beside what changes."""
    with fleet(tmp_path_factory.mktemp("fleet"), RECIPES) as made:
        register_many(made.agent, "b", 8)
        made.wait_known("b299.node.consul")
        made.wait_followed()
        yield made


@pytest.fixture
def followed(running: Fleet) -> Fleet:
    """The same, with nothing under way."""
    if not running.agent.process.is_running:
        running.start(running.agent)
    running.wait_followed()
    return running


def register_many(agent: LoneAgent, prefix: str, octet: int) -> None:
    """Register 300 nodes, and services on some."""
    for number in range(300):
        service = f"{prefix}s{number % 7}" if number % 10 == 0 else ""
        register(agent, f"{prefix}{number}", f"10.{octet}.{number // 250}.{number % 250 + 1}", service=service)


def assert_told_in_differences(told: Told) -> None:
    """Assert that all were notified, and got what had changed; but PowerDNS, which fetches its zones whole."""
    poll(lambda: told.notifies("acknowledged") >= 4, "four acknowledgements")
    poll(lambda: told.transfers("ixfr") >= 3, "three transfers of differences")
    assert 0 == told.transfers("ixfr-whole")
    assert 1 <= told.transfers("axfr") <= told.lines("powerdns", "starting AXFR")
    poll(lambda: told.lines("knot", "IXFR, incoming, .* finished"), "Knot to tell of its transfer")
    assert 0 == told.lines("bind", "check-names")


def test_what_is_printed_for_the_agent_is_what_it_takes(tmp_path: Path) -> None:
    (tmp_path / "transfer.hcl").write_text(f'data_dir = "{tmp_path}"\n{RECIPES["transfer.hcl"]}', encoding="utf-8")

    assert "Configuration is valid!\n" == run_program([nodedns_program(), "validate", tmp_path]).out


def test_the_first_transfer_has_all_that_is_answered(followed: Fleet) -> None:
    assert "" == followed.differences()
    assert "" == followed.untrue(every=5)
    assert "" == followed.disagreements(ALWAYS, KINDS)


def test_registrations_reach_all_by_notify_and_incremental_transfer(followed: Fleet) -> None:
    told = Told(followed)
    register_many(followed.agent, "r", 9)
    followed.wait_known("r299.node.consul")
    followed.wait_followed()

    assert_told_in_differences(told)
    assert "" == followed.differences()
    assert "" == followed.untrue(every=5)
    some = [f"r{number}.node.consul" for number in (0, 150, 299)] + ["rs3.service.consul", "v1.rs3.service.dc1.consul"]
    assert "" == followed.disagreements([*ALWAYS, *some, "1.0.9.10.in-addr.arpa"], KINDS)


def test_a_join_and_a_leave_reach_all_by_notify_and_incremental_transfer(followed: Fleet, tmp_path: Path) -> None:
    told = Told(followed)
    joining = LoneAgent("late", next(free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT)), tmp_path)
    try:
        joining.start(f"-retry-join={followed.agent.host}")
        followed.wait_known("late.node.consul")
        followed.wait_followed()
        assert "" == followed.differences()
        assert 0 == joining.command("leave").code
        followed.wait_known("late.node.consul", is_there=False)
        followed.wait_followed()
    finally:
        joining.close()

    assert_told_in_differences(told)
    assert "" == followed.differences()
    assert "" == followed.disagreements(["late.node.consul", "late.node.dc1.consul"], KINDS)


def test_secondaries_serve_without_the_cluster_and_follow_it_once_it_is_back(followed: Fleet) -> None:
    register(followed.agent, "lasting", "10.9.9.7")
    followed.wait_known("lasting.node.consul")
    followed.wait_followed()
    names = [*ALWAYS, "lasting.node.consul"]
    before = {name: said(ask(followed.agent, name, "A")) for name in names}
    serials = [followed.serial(zone) for zone in followed.zones]
    followed.agent.process.kill()

    for each in followed.secondaries:
        assert before == {name: said(each.wait_reply(name, "A")) for name in names}

    followed.start(followed.agent)
    poll(lambda: all(map(int.__lt__, serials, map(followed.serial, followed.zones))), "later serials")
    followed.wait_followed()
    told = Told(followed, since_start=True)

    # What leads from a state of before the restart is not known any more.
    assert told.transfers("axfr") + told.transfers("ixfr-whole") >= 8
    assert "" == followed.differences()
    assert before == {name: said(ask(followed.agent, name, "A")) for name in names}


def test_secondaries_that_were_down_catch_up(followed: Fleet) -> None:
    for each in followed.secondaries:
        each.stop()
    register(followed.agent, "missed", "10.9.9.9")
    poll(lambda: followed.counts().get("nodedns_dns_notifies_waiting"), "a notice that nobody acknowledges")
    for each in followed.secondaries:
        each.start()
    followed.wait_known("missed.node.consul")
    followed.wait_followed()

    assert "" == followed.differences()


# --- who may not -------------------------------------------------------------------------------


def zone_query(kind: str) -> dns.message.Message:
    return dns.message.make_query("consul", kind)


def answered(agent: LoneAgent, wire: bytes) -> tuple[str, str, int]:
    """Return code and TSIG error of the reply over TCP, and how many records it has."""
    with socket.create_connection((agent.host, DNS_PORT), DEADLINE_S) as connection:
        connection.sendall(len(wire).to_bytes(2, "big") + wire)
        with connection.makefile("rb") as stream:
            reply = dns.message.from_wire(stream.read(int.from_bytes(stream.read(2), "big")), keyring=False)
    error = "" if reply.tsig is None else dns.rcode.to_text(reply.tsig[0].error, tsig=True)
    return dns.rcode.to_text(reply.rcode()), error, len(reply.answer)


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_a_stranger_gets_no_zone(followed: Fleet, kind: str) -> None:
    assert ("REFUSED", "", 0) == answered(followed.agent, zone_query(kind).to_wire())


@pytest.mark.parametrize(
    ("name", "secret", "late_s", "error"),
    [
        ("other-key", SECRET, 0, "BADKEY"),
        (KEY_NAME, b64encode(bytes(32)).decode(), 0, "BADSIG"),
        (KEY_NAME, SECRET, 3_600, "BADTIME"),
        (KEY_NAME, SECRET, -3_600, "BADTIME"),
    ],
)
def test_who_signs_wrongly_gets_no_zone_and_is_told_why(
    followed: Fleet, name: str, secret: str, late_s: int, error: str
) -> None:
    key = dns.tsig.Key(dns.name.from_text(name), secret, dns.tsig.HMAC_SHA256)
    now_s = datetime.now(UTC).timestamp()  # noqa: TID251 - the agent looks at the clock
    query = signed_query(zone_query("AXFR"), key, now_s - late_s)

    assert ("NOTAUTH", error, 0) == answered(followed.agent, query.wire)

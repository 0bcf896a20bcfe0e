"""A real unbound as recursor, ``dig`` as client, and a running agent between them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.dig import DigAnswer
from nodedns.testing.loopback import DNS_PORT, LoneAgent, free_hosts, lone_agent
from nodedns.testing.processes import DEADLINE_S, Process, run_program
from nodedns.testing.programs import require_program

LONG_TEXTS = 40
PATIENT = ("+tries=1", f"+timeout={DEADLINE_S / 2:.0f}")
"""It is asked once, and who answers after time-outs of its own is waited for."""

UNBOUND = """
server:
  directory: ""
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  interface: {host}@53
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  local-zone: "example.com." static
  local-data: "example.com. 3600 SOA ns.example.com. root.example.com. 1 2 3 4 60"
  local-data: "www.example.com. 300 A 192.0.2.80"
  local-data: "www.example.com. 300 AAAA 2001:db8::80"
  local-zone: "113.0.203.in-addr.arpa." static
  local-data-ptr: "203.0.113.7 300 host.example.com"
  local-zone: "consul." static
  local-zone: "." typetransparent
  local-data: "consul. 300 DS 4711 13 2 {digest}"
  local-data: "stolen.node.consul. 300 A 203.0.113.66"
  local-zone: "bogus.example." always_refuse
{texts}
remote-control:
  control-enable: no
"""


@pytest.fixture(scope="module")
def recursor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an unbound that knows a few names; it listens on port 53."""
    program = require_program("unbound", package="unbound")
    host = next(free_hosts(53))
    file = tmp_path_factory.mktemp("unbound") / "unbound.conf"
    text = "\n".join(f"""  local-data: 'long.example.com. 300 TXT "{n:0>100}"'""" for n in range(LONG_TEXTS))
    file.write_text(UNBOUND.format(host=host, texts=text, digest="ab" * 32))
    with Process([program, "-d", "-c", file]) as process:
        process.wait_line("start of service")
        yield host


@pytest.fixture(scope="module")
def agent(recursor: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    """An agent with that recursor, and nodes with host names."""
    require_program("dig", package="bind9-dnsutils")
    with lone_agent(tmp_path_factory.mktemp("agent")) as lone:
        lone.start(f"-recursor={recursor}")
        for name, address in (("alias", "www.example.com"), ("lost", "nobody.example.com"), ("bad", "x.bogus.example")):
            status, _ = lone.http("PUT", "/v1/catalog/register", {"Node": name, "Address": address})
            assert 200 == status
        yield lone


def test_name_outside_is_resolved(agent: LoneAgent) -> None:
    answer = agent.dig("WWW.example.com", "A")
    assert ("NOERROR", ["192.0.2.80"], "WWW.example.com.") == (answer.status, answer.data, answer.question)
    assert ("qr", "rd", "ra") == answer.flags
    assert "udp: 1232" in answer.edns


def test_next_recursor_is_asked_after_one_that_is_silent(recursor: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as blackhole, lone_agent(tmp_path) as lone:
        blackhole.bind((lone.host, 0))
        blackhole.settimeout(DEADLINE_S)
        lone.start(f"-recursor={lone.host}:{blackhole.getsockname()[1]}", f"-recursor={recursor}")
        answer = lone.dig(*PATIENT, "www.example.com", "A")
        assert b"\3www\7example\3com\0" in blackhole.recv(65_535)
    assert ("NOERROR", ["192.0.2.80"]) == (answer.status, answer.data)


def test_reverse_name_outside_is_resolved(agent: LoneAgent) -> None:
    assert ["host.example.com."] == agent.dig("-x", "203.0.113.7").data


def test_missing_name_is_told_with_the_soa_of_its_zone(agent: LoneAgent) -> None:
    answer = agent.dig("nobody.example.com", "A")
    assert ("NXDOMAIN", ["SOA"]) == (answer.status, answer.authority_kinds)


@pytest.mark.parametrize("edns", ["+noedns", "+bufsize=4096"])
def test_long_answer_comes_over_tcp(agent: LoneAgent, edns: str) -> None:
    cut = agent.dig("+ignore", edns, "long.example.com", "TXT")
    assert "tc" in cut.flags
    assert LONG_TEXTS == len(agent.dig(edns, "long.example.com", "TXT").answer)


def test_our_own_names_are_not_for_others_to_tell(agent: LoneAgent) -> None:
    for name in ("stolen.node.consul", "STOLEN.node.consul"):
        answer = agent.dig(name, "A")
        assert ("NXDOMAIN", ("qr", "aa", "rd", "ra")) == (answer.status, answer.flags)
    assert ("qr", "aa", "rd", "ra") == agent.dig("consul", "DNSKEY").flags


def test_ds_of_our_zone_is_told_by_its_parent(agent: LoneAgent) -> None:
    answer = agent.dig("consul", "DS")
    assert (["4711 13 2 " + "AB" * 28 + " " + "AB" * 4], ("qr", "rd", "ra")) == (answer.data, answer.flags)
    assert () == agent.dig("+norec", "consul", "DS").answer


@pytest.mark.parametrize(("kind", "data"), [("A", "192.0.2.80"), ("AAAA", "2001:db8::80"), ("ANY", "192.0.2.80")])
def test_node_with_a_host_name_is_followed(agent: LoneAgent, kind: str, data: str) -> None:
    answer = agent.dig("+notcp", "alias.node.consul", kind)
    assert [
        ("alias.node.consul.", 0, "CNAME", "www.example.com."),
        ("www.example.com.", 300, "A" if kind == "ANY" else kind, data),
    ] == [(record.name, record.ttl_s, record.kind, record.data) for record in answer.answer]
    assert ("NOERROR", ("qr", "aa", "rd", "ra")) == (answer.status, answer.flags)


def test_node_with_a_missing_host_name_is_nxdomain(agent: LoneAgent) -> None:
    answer = agent.dig("lost.node.consul", "A")
    assert ("NXDOMAIN", ["nobody.example.com."], ["SOA"]) == (answer.status, answer.data, answer.authority_kinds)


def test_node_whose_host_name_nobody_resolves_is_servfail(agent: LoneAgent) -> None:
    answer = agent.dig("bad.node.consul", "A")
    assert ("SERVFAIL", ()) == (answer.status, answer.answer)
    assert "EDE: 22" in answer.text or "EDE: 18" in answer.text


def test_without_rd_nothing_is_forwarded(agent: LoneAgent) -> None:
    assert "REFUSED" == agent.dig("+norec", "www.example.com", "A").status
    alone = agent.dig("+norec", "alias.node.consul", "A")
    assert ("NOERROR", ["www.example.com."]) == (alone.status, alone.data)


def test_client_of_another_network_is_refused(recursor: str, tmp_path: Path) -> None:
    config = tmp_path / "dns.hcl"
    config.write_text('dns_config { allow_recursion = ["192.0.2.0/24"] }')
    with lone_agent(tmp_path) as lone:
        lone.start(f"-recursor={recursor}", f"-config-file={config}")
        answer = lone.dig("www.example.com", "A")
        assert ("REFUSED", ("qr", "rd")) == (answer.status, answer.flags)
        assert "EDE: 18" in answer.text
        assert "ra" not in lone.dig("consul", "SOA").flags


def test_two_agents_that_forward_to_each_other_end(tmp_path: Path) -> None:
    config = tmp_path / "dns.hcl"
    config.write_text('dns_config { recursor_timeout = "500ms" }')
    (first, second) = (tmp_path / "first", tmp_path / "second")
    with lone_agent(first, "first") as one, lone_agent(second, "second") as two:
        for lone, other in ((one, two), (two, one)):
            lone.start(f"-recursor={other.host}:{DNS_PORT}", f"-config-file={config}")
        answer = one.dig(*PATIENT, "www.example.com", "A")
        assert "SERVFAIL" == answer.status
        assert ["NOERROR", "NOERROR"] == [one.dig("first.node.consul").status, two.dig("second.node.consul").status]


def test_question_that_goes_round_through_dnsmasq_ends(tmp_path: Path) -> None:
    """Forwarding to each other is the commonest mistake, and a DS query the commonest way to notice."""
    program = require_program("dnsmasq", package="dnsmasq-base")
    config = tmp_path / "dns.hcl"
    config.write_text('dns_config { recursor_timeout = "500ms" }')
    with lone_agent(tmp_path) as lone:
        host = next(free_hosts(53))
        options = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--cache-size=0", "--bind-interfaces"]
        where = [f"--listen-address={host}", f"--server={lone.host}#{DNS_PORT}", "--except-interface=none"]
        with Process([program, *options, *where, "--conf-file=/dev/null", "--pid-file", "--log-facility=-"]) as dnsmasq:
            dnsmasq.wait_line("started")
            lone.start(f"-recursor={host}", f"-config-file={config}")
            for kind in ("DS", "A"):
                assert "SERVFAIL" == lone.dig(*PATIENT, "www.example.com", kind).status
            rounds = run_program(["dig", f"@{host}", *PATIENT, "www.example.org", "DS"])
            assert DigAnswer.of_text(rounds.out).status in ("SERVFAIL", "REFUSED")
            own = run_program(["dig", f"@{host}", *PATIENT, "lone.node.consul"])
            assert "NOERROR" == DigAnswer.of_text(own.out).status


def test_agent_refuses_to_be_its_own_recursor(tmp_path: Path) -> None:
    with lone_agent(tmp_path) as lone:
        refused = lone.refuse(f"-recursor={lone.host}:{DNS_PORT}")
        assert "this agent's own DNS server" in refused.out + refused.err


def test_own_names_are_answered_while_recursors_are_silent(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as blackhole, lone_agent(tmp_path) as lone:
        blackhole.bind((lone.host, 0))
        config = tmp_path / "dns.hcl"
        config.write_text(f'dns_config {{ recursor_timeout = "{DEADLINE_S:.0f}s" }}')
        lone.start(f"-recursor={lone.host}:{blackhole.getsockname()[1]}", f"-config-file={config}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect((lone.host, DNS_PORT))
            for number in range(100):
                client.send(query(number))
            assert "NOERROR" == lone.dig(*PATIENT, "lone.node.consul").status


def query(number: int) -> bytes:
    label = f"n{number}".encode()
    head = number.to_bytes(2, "big") + bytes.fromhex("0100 0001 0000 0000 0000")
    return head + bytes((len(label),)) + label + b"\7example\0\0\1\0\1"

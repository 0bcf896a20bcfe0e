"""``nodedns doctor`` beside real resolvers: it says which of them is at fault, and nothing where none is.

Two machines, an agent on each, joined, for all tests. On the first one each test has its own resolver and its own
``/etc/resolv.conf``; the agents are left as they were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from nodedns.testing.first_cluster import FAST_GOSSIP, FLAGS, ONE, RUNNING, TWO, FirstCluster, first_cluster
from nodedns.testing.hosts import Host
from nodedns.testing.loopback import DNS_PORT
from nodedns.testing.manual_page import ManualPage
from nodedns.testing.processes import Process, nodedns_program, poll, running
from nodedns.testing.programs import require_program
from nodedns.testing.source_tree import project_root

LOCAL = "127.0.0.1"
AGENT = f"{LOCAL}#{DNS_PORT}"
NAME = "agent-two.node.consul"
REVERSE = "20.20.172.in-addr.arpa"
PAGE = ManualPage.at(project_root(Path(__file__)) / "docs" / "doctor.rst")
NSSWITCH = "hosts: files dns\n"
KEY = f"IN DS 1 8 2 {'00' * 32}"
"""No name of ours is signed with such a key, nor with any other."""


class Patient:
    """The first machine, whose names are looked up."""

    def __init__(self, cluster: FirstCluster) -> None:
        self.cluster = cluster
        self.host: Host = cluster.hosts[ONE]
        for name in ("resolv.conf", "nsswitch.conf"):
            link = self.host.path(f"/etc/{name}")
            if link.is_symlink():  # the machine's own; only the link is this host's
                link.unlink()
        self.write("/etc/nsswitch.conf", NSSWITCH)

    def write(self, path: str, text: str) -> None:
        self.host.path(path).write_text(text, encoding="utf-8")

    def asks(self, *lines: str) -> None:
        """Have its C library go by these lines."""
        self.write("/etc/resolv.conf", "".join(f"{line}\n" for line in lines))

    @contextmanager
    def dnsmasq(self, *options: str) -> Iterator[None]:
        """Run dnsmasq with these options and nothing else on port 53."""
        program = require_program("dnsmasq", package="dnsmasq-base")
        own = (
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--user=root",
            "--pid-file=",
        )
        argv = self.host.argv(program, *own, f"--listen-address={LOCAL}", "--bind-interfaces", "--log-facility=-")
        with running([*argv, *options], "started, version"):
            yield

    def doctor(self, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
        """Run it; return its exit status and its findings by hop."""
        done = self.host.nodedns("doctor", "-format=json", *arguments)
        assert "" == done.err
        report: dict[str, Any] = json.loads(done.out)
        assert done.code == report["Status"]
        return done.code, {finding["Hop"]: finding for finding in report["Findings"]}


@pytest.fixture(scope="module")
def shared(ip_program: Path) -> Iterator[Patient]:
    with first_cluster() as cluster:
        cluster.configure("dns_config { soa { min_ttl = 600 } }")
        cluster.start_both()
        yield Patient(cluster)


@pytest.fixture
def patient(shared: Patient) -> Patient:
    shared.write("/etc/nsswitch.conf", NSSWITCH)
    shared.asks(f"nameserver {LOCAL}", "search node.consul")
    return shared


RIGHT = (f"--server=/consul/{AGENT}", f"--server=/{REVERSE}/{AGENT}")


def alike(report: str) -> str:
    """A report without what is another at each run."""
    return re.sub(
        r"(?<=\(pid )\d+|(?<=agent )\d+(?= s ago)|over UDP the agent has not .*|\(0\.[0-9.]+\)", "N", report
    ).strip()


def broken(findings: dict[str, dict[str, str]]) -> dict[str, str]:
    """What is not well, by hop."""
    return {hop: found["Verdict"] for hop, found in findings.items() if found["Verdict"] not in {"ok", "skipped"}}


def test_nothing_is_found_where_dnsmasq_is_set_up_right(patient: Patient) -> None:
    with patient.dnsmasq(*RIGHT):
        status, findings = patient.doctor(NAME)
        own_status, own = patient.doctor()

    assert (0, {}) == (status, broken(findings))
    assert (0, {}) == (own_status, broken(own))
    assert f"finds {NAME}: {TWO} (dnsmasq (pid" in findings["nameserver 127.0.0.1"]["Says"]
    assert f"finds {NAME}: {TWO}" == findings["C library"]["Says"]
    assert f"127.0.0.1 says that {TWO} is agent-two.node.dc1.consul" == findings["reverse zone"]["Says"]
    assert "TCP to 172.20.20.11:8301 can be opened" in findings["peer agent-two"]["Says"]


def test_report_for_people_has_a_line_for_each_hop(patient: Patient) -> None:
    with patient.dnsmasq(*RIGHT):
        done = patient.host.nodedns("doctor", NAME)

    assert 0 == done.code
    lines = done.out.splitlines()
    assert re.fullmatch(r"ok +agent +agent-one \(\S+\) answers at 127\.0\.0\.1:8500", lines[0])
    assert "All is well." == lines[-1]


def test_dnsmasq_that_asks_others_is_named_with_its_mend(patient: Patient) -> None:
    with patient.dnsmasq("--server=/example.org/127.0.0.9", "--address=/consul/"):
        status, findings = patient.doctor(NAME)

    found = findings["nameserver 127.0.0.1"]
    assert 1 == status
    assert "says NXDOMAIN" in found["Says"]
    assert "does not ask the agent for consul (dnsmasq (pid" in found["Says"]
    assert "nodedns resolver-config dnsmasq" in found["Mend"]
    assert {"nameserver 127.0.0.1": "failed", "C library": "failed", "reverse zone": "warning"} == broken(findings)


def test_example_of_the_manual_is_what_is_printed(patient: Patient) -> None:
    (example,) = PAGE.typed("Why does a name not resolve?")
    with patient.dnsmasq("--server=/example.org/127.0.0.9", "--address=/consul/"):
        done = patient.host.run("sh", "-c", example.command.replace("nodedns", str(nodedns_program())))

    assert 1 == done.code
    assert alike(example.shown) == alike(done.out)


def test_reverse_zone_that_is_not_forwarded_is_only_worth_a_look(patient: Patient) -> None:
    with patient.dnsmasq(RIGHT[0]):
        status, findings = patient.doctor(NAME)

    assert (0, {"reverse zone": "warning"}) == (status, broken(findings))


def test_resolver_that_takes_private_addresses_out_is_told_from_one_that_asks_others(patient: Patient) -> None:
    with patient.dnsmasq(*RIGHT, "--stop-dns-rebind"):
        status, findings = patient.doctor(NAME)

    assert 1 == status
    assert "rebinding protection" in findings["nameserver 127.0.0.1"]["Says"]


def test_resolver_that_is_down_is_named(patient: Patient) -> None:
    status, findings = patient.doctor(NAME)

    assert 1 == status
    assert "nothing serves DNS there" in findings["nameserver 127.0.0.1"]["Says"]
    assert "ok" == findings["agent's DNS 127.0.0.1:8600"]["Verdict"]


def test_tcp_that_a_firewall_stops_is_found_though_names_resolve(patient: Patient) -> None:
    nft = require_program("nft", package="nftables")
    with patient.dnsmasq(*RIGHT), ExitStack() as undo:
        patient.host.check(
            nft, "add table inet doctor; add chain inet doctor in { type filter hook input priority 0; }"
        )
        undo.callback(patient.host.check, nft, "delete table inet doctor")
        patient.host.check(nft, "add rule inet doctor in tcp dport 53 drop")
        status, findings = patient.doctor(NAME)

    assert (1, {"nameserver 127.0.0.1": "failed"}) == (status, broken(findings))
    assert "over UDP and not over TCP" in findings["nameserver 127.0.0.1"]["Says"]


def test_tcp_to_a_peer_that_a_firewall_stops_is_found(patient: Patient) -> None:
    nft = require_program("nft", package="nftables")
    with patient.dnsmasq(*RIGHT), ExitStack() as undo:
        patient.host.check(
            nft, "add table inet doctor; add chain inet doctor out { type filter hook output priority 0; }"
        )
        undo.callback(patient.host.check, nft, "delete table inet doctor")
        patient.host.check(nft, f"add rule inet doctor out ip daddr {TWO} tcp dport 8301 reject with tcp reset")
        status, findings = patient.doctor(NAME)

    assert (1, {"peer agent-two": "failed"}) == (status, broken(findings))
    assert f"TCP to {TWO}:8301 cannot be opened (connection refused)" in findings["peer agent-two"]["Says"]


def test_progress_is_shown_on_a_terminal_and_gone_at_the_end(patient: Patient) -> None:
    with patient.dnsmasq(*RIGHT):
        done = patient.host.run("script", "-qec", f"{nodedns_program()} doctor {NAME}", "/dev/null")

    progress, _, report = done.out.rpartition("\x1b[K")
    assert "asking the agent at 127.0.0.1:8500..." in progress
    assert report.startswith("ok ")
    assert "\x1b" not in report


def test_missing_search_domain_is_at_fault_where_a_short_name_was_asked_for(patient: Patient) -> None:
    patient.asks(f"nameserver {LOCAL}", "search example.org")
    with patient.dnsmasq(*RIGHT):
        status, findings = patient.doctor("agent-two")
        whole_status, whole = patient.doctor(NAME)

    assert (1, {"search list": "failed"}) == (status, broken(findings))
    assert "(example.org) does not have node.consul" in findings["search list"]["Says"]
    assert (0, {"search list": "warning"}) == (whole_status, broken(whole))


def test_remembered_nxdomain_is_told_from_not_asking_the_agent(patient: Patient) -> None:
    node = {"Node": "late", "Address": "172.20.20.77"}
    with patient.dnsmasq(*RIGHT):
        patient.host.run("getent", "hosts", "late.node.consul")
        patient.host.check(
            "curl", "-sSf", "-X", "PUT", "-d", json.dumps(node), "http://127.0.0.1:8500/v1/catalog/register"
        )
        status, findings = patient.doctor("late.node.consul")

    assert 1 == status
    assert "remembers that there was no late.node.consul" in findings["nameserver 127.0.0.1"]["Says"]


def test_unknown_node_is_said_and_the_way_is_examined_all_the_same(patient: Patient) -> None:
    with patient.dnsmasq(*RIGHT):
        status, findings = patient.doctor("agent-tow")

    assert (1, {"name": "failed"}) == (status, broken(findings))
    assert "knows no agent-tow.node.consul" in findings["name"]["Says"]


def test_hosts_without_dns_in_nsswitch_is_named(patient: Patient) -> None:
    patient.write("/etc/nsswitch.conf", "hosts: files\n")
    with patient.dnsmasq(*RIGHT):
        status, findings = patient.doctor(NAME)

    assert 1 == status
    assert {"nsswitch.conf": "failed", "C library": "failed"} == broken(findings)


UNBOUND = """\
server:
    interface: 127.0.0.1
    port: 53
    username: ""
    chroot: ""
    directory: "/tmp/consul"
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    num-threads: 1
    do-not-query-localhost: no
    module-config: "validator iterator"
    {server}
stub-zone:
    name: "consul"
    stub-addr: 127.0.0.1@8600
"""


@contextmanager
def unbound(patient: Patient, program: Path, server: str) -> Iterator[None]:
    patient.write("/tmp/consul/unbound.conf", UNBOUND.format(server=server))  # noqa: S108
    with Process(patient.host.argv(program, "-d", "-c", "/tmp/consul/unbound.conf")) as process:  # noqa: S108
        process.wait_line("start of service")
        yield


def test_validation_is_found_to_be_in_the_way(patient: Patient, unbound_program: Path) -> None:
    with unbound(patient, unbound_program, f'trust-anchor: "consul. {KEY}"'):
        status, findings = patient.doctor(NAME)

    found = findings["nameserver 127.0.0.1"]
    assert 1 == status
    assert "DNSSEC is in the way" in found["Says"]
    assert "nodedns resolver-config unbound" in found["Mend"]


def test_unbound_that_does_not_validate_our_names_is_well(patient: Patient, unbound_program: Path) -> None:
    validating = f'trust-anchor: ". {KEY}"\n    domain-insecure: "consul"'
    with unbound(patient, unbound_program, validating):
        status, findings = patient.doctor(NAME)

    assert (0, "ok") == (status, findings["nameserver 127.0.0.1"]["Verdict"])


# --- without an agent -----------------------------------------------------------------------


@pytest.fixture
def stopped(ip_program: Path) -> Iterator[Patient]:
    """A machine whose agent does not run."""
    with first_cluster() as cluster:
        made = Patient(cluster)
        made.asks(f"nameserver {LOCAL}", "options timeout:1 attempts:1")
        yield made


def test_stopped_agent_is_at_fault_and_the_resolver_is_not(stopped: Patient) -> None:
    with stopped.dnsmasq(*RIGHT):
        status, findings = stopped.doctor(NAME)

    assert (1, {"agent": "failed", "agent's DNS 127.0.0.1:8600": "failed"}) == (status, broken(findings))
    assert "skipped" == findings["nameserver 127.0.0.1"]["Verdict"]


def test_agents_with_different_keys_are_told_apart_from_a_firewall(stopped: Patient) -> None:
    keys = [stopped.host.nodedns("keygen").out.strip() for _ in range(2)]
    other = stopped.cluster.hosts[TWO]
    stopped.cluster.start(ONE, f"-encrypt={keys[0]}")
    stopped.cluster.start(TWO, f"-encrypt={keys[1]}", f"-retry-join={ONE}")

    # The join is tried as soon as the second one runs.
    found = poll(lambda: stopped.doctor()[1].get("gossip keys", {}), "streams that no key opens")
    joiner = other.nodedns("doctor", "-format=json")

    assert "failed" == found["Verdict"]
    assert "encrypted with a key that this agent does not have" in found["Says"]
    told = {finding["Hop"]: finding for finding in json.loads(joiner.out)["Findings"]}["gossip"]
    assert f"joined nobody, though TCP to {ONE}:8301 can be opened" in told["Says"]


@pytest.mark.parametrize(
    ("skew", "told"),
    [
        ("-60s", {r"that of agent-two is (59|60|61) s behind this host's": "warning"}),
        (
            "+2d",
            {
                r"[1-9]\d* registrations came from a clock that is more than a day ahead": "failed",
                r"that of agent-two is 17(2799|2800|2801) s ahead of this host's": "failed",
            },
        ),
    ],
)
def test_clock_of_a_peer_that_goes_wrong_is_told(stopped: Patient, skew: str, told: dict[str, str]) -> None:
    require_program("faketime", package="faketime")
    # That program would run the agent as a child, which outlives it; its library alone does not.
    (library, *_) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    wrong = ("env", f"LD_PRELOAD={library}", f"FAKETIME={skew}")
    cluster = stopped.cluster
    cluster.configure('service { name = "web", port = 80 }', TWO)
    cluster.start(ONE)
    late = ("agent", *FLAGS[TWO], "-client=0.0.0.0", f"-retry-join={ONE}")

    def clocks() -> dict[str, str]:
        report = json.loads(stopped.host.nodedns("doctor", "-format=json", NAME).out)
        return {found["Says"]: found["Verdict"] for found in report["Findings"] if found["Hop"] == "clock"}

    def is_told() -> bool:
        found = clocks()
        return len(found) == len(told) and all(
            any(re.fullmatch(pattern, says) and verdict == found[says] for says in found)
            for pattern, verdict in told.items()
        )

    with stopped.dnsmasq(*RIGHT), cluster.hosts[TWO].start(*wrong, nodedns_program(), *late) as agent:
        agent.wait_line(RUNNING)
        poll(is_told, f"a clock that is {skew} off to be told")


def test_udp_to_a_peer_that_a_firewall_stops_is_told_from_the_journal(stopped: Patient) -> None:
    stopped.cluster.configure(FAST_GOSSIP, name="fast.hcl")
    stopped.cluster.start_both()
    nft = require_program("nft", package="nftables")
    stopped.host.check(nft, "add table inet doctor; add chain inet doctor in { type filter hook input priority 0; }")
    stopped.host.check(nft, "add rule inet doctor in udp dport 8301 drop")

    def is_told() -> dict[str, str]:
        found = stopped.doctor(NAME)[1]["peer agent-two"]
        return found if "UDP" in found["Mend"] else {}

    found = poll(is_told, "UDP is found to be blocked")
    assert "failed" == found["Verdict"]
    assert "while TCP" in found["Says"]
    assert "nodedns why agent-two" in found["Mend"]


def test_what_holds_a_port_of_an_agent_that_cannot_start_is_named(stopped: Patient) -> None:
    stopped.write(
        "/etc/consul.d/agent.hcl", 'data_dir = "/tmp/consul/data"\nbind_addr = "172.20.20.10"\nports { dns = 53 }'
    )
    with stopped.dnsmasq("--address=/consul/"):
        status, findings = stopped.doctor("-config-dir=/etc/consul.d", NAME)

    assert 1 == status
    for protocol in ("udp", "tcp"):
        assert "127.0.0.1:53 is taken by dnsmasq (pid" in findings[f"DNS port {protocol}"]["Says"]
    assert "ok" == findings["configuration"]["Verdict"]


def test_port_53_without_the_capability_is_named(stopped: Patient) -> None:
    stopped.write(
        "/etc/consul.d/agent.hcl", 'data_dir = "/tmp/consul/data"\nbind_addr = "172.20.20.10"\nports { dns = 53 }'
    )
    # Root without a single right: another user might not be allowed to read the program.
    without_rights = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    done = stopped.host.run(
        *without_rights, nodedns_program(), "doctor", "-format=json", "-config-dir=/etc/consul.d", NAME
    )

    findings = {found["Hop"]: found for found in json.loads(done.out)["Findings"]}
    assert "need CAP_NET_BIND_SERVICE" in findings["DNS port udp"]["Says"]

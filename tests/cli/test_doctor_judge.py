"""Facts in, findings out: each fault that ``nodedns doctor`` knows, one row each, on facts that are well otherwise."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from nodedns.cli.doctor.facts import (
    AgentFacts,
    Clock,
    Dial,
    Facts,
    HostFacts,
    Lookup,
    PeerFacts,
    Port,
    Reply,
    ResolvedFacts,
    ServerFacts,
    StartFacts,
)
from nodedns.cli.doctor.finding import Verdict, exit_status, rendered
from nodedns.cli.doctor.judge import judge
from nodedns.cli.doctor.subject import subject_of

ADDRESS, PTR = "10.0.0.2", "web.node.dc1.consul"
FOUND = Reply(rcode="NOERROR", data=(ADDRESS,))
REVERSE = Reply(rcode="NOERROR", data=(PTR,))
SILENT = Reply(error="no answer")
NXDOMAIN = Reply(rcode="NXDOMAIN", negative_ttl_s=30)
SERVFAIL = Reply(rcode="SERVFAIL")
REFUSED = Reply(rcode="REFUSED")
NODATA = Reply(rcode="NOERROR")
FRESH = Reply(rcode="NOERROR", data=("45.1.2.3",))
THERE = Lookup(addresses=(ADDRESS,))
NOT_THERE = Lookup(error="name or service not known")

OWN_DNS = ServerFacts(
    host="127.0.0.1", port=8600, program="nodedns (pid 7)", is_local=True, udp=FOUND, tcp=FOUND, reverse=REVERSE
)
DNSMASQ = ServerFacts(host="127.0.0.1", program="dnsmasq (pid 8)", is_local=True, udp=FOUND, tcp=FOUND, reverse=REVERSE)
PEER = PeerFacts(name="two", status="alive", dial=Dial(where="10.0.0.3:8301"), acked_s=1.0)
AGENT = AgentFacts(
    where="127.0.0.1:8500",
    node="web",
    version="0.1.0",
    dns=(OWN_DNS,),
    names=("two", "web"),
    peers=(PEER,),
    clocks=(Clock(who="two", ahead_s=0.4),),
)
HOST = HostFacts(search=("node.consul",), nameservers=(DNSMASQ,), system=THERE, short=THERE)
WELL = Facts(subject=subject_of("web.node.consul", "web", ["consul"]), agent=AGENT, host=HOST)
STOPPED = AgentFacts(
    where="127.0.0.1:8500",
    error="connection refused",
    node="web",
    dns=(ServerFacts(host="127.0.0.1", port=8600, is_local=True, udp=SILENT, tcp=SILENT),),
)


def agent(**changes: Any) -> Facts:
    return attrs.evolve(WELL, agent=attrs.evolve(AGENT, **changes))


def host(**changes: Any) -> Facts:
    return attrs.evolve(WELL, host=attrs.evolve(HOST, **changes))


def own_dns(**changes: Any) -> Facts:
    return agent(dns=(attrs.evolve(OWN_DNS, **changes),))


def lost(**changes: Any) -> Facts:
    """The nameserver is at fault, so the C library finds nothing."""
    nameserver = attrs.evolve(DNSMASQ, **changes)
    return host(nameservers=(nameserver,), system=NOT_THERE, short=NOT_THERE)


def nameserver(**changes: Any) -> Facts:
    return host(nameservers=(attrs.evolve(DNSMASQ, **changes),))


def peer(**changes: Any) -> Facts:
    return agent(peers=(attrs.evolve(PEER, **changes),))


def named(typed: str) -> Facts:
    return attrs.evolve(WELL, subject=subject_of(typed, "web", ["consul"]))


def start(**changes: Any) -> Facts:
    return attrs.evolve(WELL, agent=STOPPED, start=StartFacts(is_configured=True, **changes))


def port(**changes: Any) -> Facts:
    return start(ports=(Port(service="DNS", flag="-dns-port", host="127.0.0.1", number=53, protocol="udp", **changes),))


ELSEWHERE = attrs.evolve(DNSMASQ, host="10.0.0.53", program="", is_local=False, udp=NXDOMAIN, tcp=NXDOMAIN)
RESOLVED = attrs.evolve(DNSMASQ, host="127.0.0.53", program="systemd-resolve (pid 9)", udp=NXDOMAIN, tcp=NXDOMAIN)
UPSTREAM = ServerFacts(host="10.0.0.53", udp=NXDOMAIN, tcp=NXDOMAIN)
F, W, U, S, OK = Verdict.FAILED, Verdict.WARNING, Verdict.UNKNOWN, Verdict.SKIPPED, Verdict.OK
NS = "nameserver 127.0.0.1"
OWN = "agent's DNS 127.0.0.1:8600"

# fault: facts, the hop at fault, its verdict, words of what is said, words of the mend
FAULTS: dict[str, tuple[Facts, str, Verdict, str, str]] = {
    # the agent
    "agent stopped": (attrs.evolve(WELL, agent=STOPPED), "agent", F, "connection refused", "start it"),
    "agent cut off": (agent(error="dial tcp 10.0.0.1:8500: i/o timeout"), "agent", F, "i/o timeout", "firewall"),
    "something else listens there": (
        agent(error="what answers there is no agent", holder="nginx (pid 3)"),
        "agent",
        F,
        "nginx (pid 3) listens",
        "-http-addr",
    ),
    "agent wants a token": (agent(status=403, error="403", dns=()), "agent", U, "refuses", "-token-file"),
    "servers not met": (agent(is_known=False, wanted_servers=3), "cluster", F, "3 servers", "-bootstrap-expect"),
    "no DNS": (agent(dns=()), "agent's DNS", U, "serves none", "-dns-port"),
    "own DNS silent": (own_dns(udp=SILENT, tcp=SILENT), OWN, F, "neither over UDP", "firewall"),
    "own DNS, UDP lost": (own_dns(udp=SILENT), OWN, F, "not over UDP", "UDP port 8600"),
    "own DNS, TCP lost": (own_dns(tcp=SILENT), OWN, F, "not over TCP", "TCP port 8600"),
    "own DNS refuses": (own_dns(udp=REFUSED, tcp=REFUSED), OWN, F, "refuses", "acl"),
    "own DNS lacks it": (own_dns(udp=NXDOMAIN, tcp=NXDOMAIN), OWN, F, "NXDOMAIN", "nodedns members"),
    # the name
    "no such node": (
        attrs.evolve(WELL, missing="wbe.node.consul"),
        "name",
        F,
        "knows no wbe.node.consul",
        "nodedns members",
    ),
    "underscore": (named("web_1.node.consul"), "spelling", W, "no plain host name", "dashes"),
    "blank": (named("a b.node.consul"), "spelling", W, "no plain host name", "dashes"),
    "capitals": (named("Web.node.consul"), "spelling", OK, "capitals", ""),
    "two names in one": (agent(names=("WEB", "web")), "spelling", F, "WEB and web differ", "rename"),
    # the nameservers
    "nameserver down": (
        lost(udp=SILENT, tcp=SILENT, is_up=False, program=""),
        NS,
        F,
        "nothing serves DNS there",
        "start it",
    ),
    "nameserver elsewhere down": (
        lost(host="10.0.0.53", is_local=False, is_up=False, udp=SILENT, tcp=SILENT),
        "nameserver 10.0.0.53",
        F,
        "answers neither",
        "is up",
    ),
    "nameserver hangs": (
        lost(is_up=False, is_taken=True, udp=SILENT, tcp=SILENT),
        NS,
        F,
        "though dnsmasq (pid 8) listens there",
        "restart it",
    ),
    "waits for a dead address": (
        lost(udp=SILENT, tcp=SILENT),
        NS,
        F,
        "says no answer (dnsmasq (pid 8)): whom it asks for consul does not answer it",
        "with the agent's (127.0.0.1:8600)",
    ),
    "waits for keys to validate with": (
        lost(program="unbound", udp=SILENT, tcp=SILENT, plain=SILENT, unchecked=FOUND),
        NS,
        F,
        "DNSSEC is in the way",
        "nodedns resolver-config unbound",
    ),
    "slow to find out that it knows nobody to ask": (
        lost(udp=SILENT, tcp=SILENT, plain=SERVFAIL, unchecked=SERVFAIL, fresh=SERVFAIL),
        NS,
        F,
        "says SERVFAIL (dnsmasq (pid 8)): whom it asks",
        "with the agent's (127.0.0.1:8600)",
    ),
    "slow": (
        nameserver(udp=SILENT, tcp=SILENT, plain=FOUND, unchecked=FOUND),
        NS,
        W,
        "only when asked again",
        "whom it asks before the agent",
    ),
    "UDP to it lost": (nameserver(udp=SILENT, plain=SILENT), NS, F, "over TCP and not over UDP", "let UDP port 53"),
    "TCP to it lost": (nameserver(tcp=SILENT), NS, F, "long answers are lost", "let TCP port 53"),
    "TCP to it lost, answer cut": (
        nameserver(tcp=SILENT, udp=attrs.evolve(FOUND, is_truncated=True)),
        NS,
        F,
        "cut off over UDP",
        "let TCP port 53",
    ),
    "EDNS dropped": (nameserver(udp=SILENT, plain=FOUND), NS, F, "without EDNS and not those with", "1232 bytes"),
    "EDNS unknown": (
        nameserver(udp=Reply(rcode="FORMERR"), plain=FOUND),
        NS,
        W,
        "does not know EDNS: it says FORMERR",
        "update it",
    ),
    "asks elsewhere": (
        lost(udp=NXDOMAIN, tcp=NXDOMAIN, fresh=NXDOMAIN),
        NS,
        F,
        "does not ask the agent for consul",
        "nodedns resolver-config dnsmasq",
    ),
    "refuses": (lost(udp=REFUSED, tcp=REFUSED, fresh=REFUSED), NS, F, "says REFUSED", "resolver-config dnsmasq"),
    "asks a dead address": (
        lost(udp=SERVFAIL, tcp=SERVFAIL, unchecked=SERVFAIL, fresh=SERVFAIL),
        NS,
        F,
        "does not answer it",
        "with the agent's (127.0.0.1:8600)",
    ),
    "validates": (
        lost(program="unbound", udp=SERVFAIL, tcp=SERVFAIL, unchecked=FOUND, fresh=SERVFAIL),
        NS,
        F,
        "DNSSEC is in the way",
        "nodedns resolver-config unbound",
    ),
    "remembers NXDOMAIN": (
        lost(udp=NXDOMAIN, tcp=NXDOMAIN, fresh=FRESH),
        NS,
        F,
        "remembers that there was no web.node.consul, for 30 s more",
        "dns_config.soa.min_ttl",
    ),
    "takes private addresses out": (
        lost(udp=NODATA, tcp=NODATA, fresh=FRESH),
        NS,
        F,
        "rebinding protection",
        "rebind-domain-ok=/consul/",
    ),
    "old answer": (
        host(nameservers=(attrs.evolve(DNSMASQ, udp=Reply(rcode="NOERROR", data=("10.0.0.9",))),)),
        NS,
        F,
        "10.0.0.9; the agent says 10.0.0.2",
        "kill -HUP",
    ),
    "the wrong one first": (
        host(nameservers=(ELSEWHERE, DNSMASQ), system=NOT_THERE, short=NOT_THERE),
        "order of nameservers",
        F,
        "is not the first",
        "put 127.0.0.1 first",
    ),
    "the agent alone, without recursors": (
        attrs.evolve(
            agent(has_recursors=False, dns=(attrs.evolve(OWN_DNS, port=53),)),
            host=attrs.evolve(HOST, nameservers=(attrs.evolve(OWN_DNS, port=53),)),
        ),
        "other names",
        W,
        "refuses all names outside consul",
        "-recursor",
    ),
    "the second does not know": (
        host(nameservers=(DNSMASQ, ELSEWHERE)),
        "nameserver 10.0.0.53",
        W,
        "asked only where those before it",
        "resolver-config",
    ),
    "reverse zone not forwarded": (
        nameserver(reverse=NXDOMAIN),
        "reverse zone",
        W,
        "says NXDOMAIN for the name of 10.0.0.2",
        "resolver-config dnsmasq",
    ),
    # systemd-resolved
    "resolved not told": (
        host(
            nameservers=(RESOLVED,),
            resolved=ResolvedFacts(upstreams=(UPSTREAM,)),
            system=NOT_THERE,
            short=NOT_THERE,
        ),
        "systemd-resolved",
        F,
        "do not send consul anywhere",
        "nodedns resolver-config systemd-resolved",
    ),
    "resolved not told, and its upstream silent": (
        host(
            nameservers=(attrs.evolve(RESOLVED, udp=SERVFAIL, tcp=SERVFAIL, unchecked=SERVFAIL),),
            resolved=ResolvedFacts(upstreams=(UPSTREAM,)),
            system=NOT_THERE,
            short=NOT_THERE,
        ),
        "nameserver 127.0.0.53",
        F,
        "does not ask the agent for consul",
        "nodedns resolver-config systemd-resolved",
    ),
    "resolved told and not restarted": (
        host(
            nameservers=(RESOLVED,),
            resolved=ResolvedFacts(routes=("consul",), servers=("127.0.0.1:8600",)),
            system=NOT_THERE,
            short=NOT_THERE,
        ),
        "systemd-resolved",
        W,
        "send consul to 127.0.0.1:8600, and yet",
        "systemctl restart systemd-resolved",
    ),
    "resolved's upstream down": (
        host(resolved=ResolvedFacts(upstreams=(attrs.evolve(UPSTREAM, udp=SILENT, tcp=SILENT),))),
        "upstream 10.0.0.53",
        W,
        "answers systemd-resolved neither",
        "resolvectl status",
    ),
    # this host
    "no DNS in nsswitch": (
        host(sources=("files", "myhostname"), system=NOT_THERE, short=NOT_THERE),
        "nsswitch.conf",
        F,
        "not looked up in DNS",
        "add dns",
    ),
    "mDNS takes .local": (
        attrs.evolve(
            host(sources=("files", "mdns4_minimal", "[NOTFOUND=return]", "dns")),
            subject=subject_of("web.node.corp.local", "web", ["corp.local"]),
        ),
        "nsswitch.conf",
        F,
        "mdns4_minimal ends the search",
        "put dns before",
    ),
    "resolv.conf unreadable": (
        host(unreadable=("/etc/resolv.conf: permission denied",)),
        "files",
        U,
        "permission denied",
        "root",
    ),
    "C library alone at fault": (
        host(system=NOT_THERE, short=NOT_THERE),
        "C library",
        F,
        "as ssh would",
        "/etc/nsswitch.conf",
    ),
    "C library hangs": (host(system=None, short=None), "C library", F, "in time", "nameservers"),
    "hosts file says otherwise": (
        host(system=Lookup(addresses=("127.0.1.1",))),
        "C library",
        F,
        "is 127.0.1.1; the agent says 10.0.0.2",
        "/etc/hosts",
    ),
    "search missing": (
        host(search=(), short=NOT_THERE),
        "search list",
        W,
        "web alone is not found",
        "add node.consul",
    ),
    "search missing, short name asked": (
        attrs.evolve(host(search=("example.org",), short=NOT_THERE), subject=subject_of("web", "web", ["consul"])),
        "search list",
        F,
        "(example.org) does not have node.consul",
        "add node.consul",
    ),
    "search finds another": (
        attrs.evolve(
            host(short=Lookup(addresses=("10.9.9.9",))), subject=subject_of("two.node.consul", "web", ["consul"])
        ),
        "search list",
        W,
        "two alone is 10.9.9.9",
        "use the whole name",
    ),
    "search missing, own name is in the hosts file": (
        host(search=(), short=Lookup(addresses=("127.0.1.1",))),
        "search list",
        W,
        "those of other nodes need the domain: the search list (empty) does not have node.consul",
        "add node.consul",
    ),
    "own name is in the hosts file": (
        host(short=Lookup(addresses=("127.0.1.1",))),
        "search list",
        OK,
        "has node.consul",
        "",
    ),
    # the peers
    "UDP blocked": (
        peer(hints=("UDP from web to two (10.0.0.3:8301) does not arrive",)),
        "peer two",
        F,
        "does not arrive",
        "let UDP of the gossip port pass in both directions; nodedns why two",
    ),
    "TCP to a peer blocked": (
        peer(dial=Dial(where="10.0.0.3:8301", error="no answer")),
        "peer two",
        F,
        "cannot be opened (no answer), while over UDP",
        "let TCP",
    ),
    "failed and yet there": (
        peer(status="failed"),
        "peer two",
        F,
        "counts as failed, though TCP",
        "let UDP",
    ),
    "failed and gone": (
        peer(status="failed", dial=Dial(where="10.0.0.3:8301", error="connection refused")),
        "peer two",
        W,
        "down or cut off",
        "nodedns why two",
    ),
    "nobody to join answers": (
        agent(peers=(), joins=(Dial(where="10.0.0.3:8301", error="no answer"),)),
        "gossip",
        F,
        "TCP to 10.0.0.3:8301 (no answer)",
        "start the agents there",
    ),
    "joined nobody": (
        agent(peers=(), joins=(Dial(where="10.0.0.3:8301"),)),
        "gossip",
        F,
        "though TCP to 10.0.0.3:8301",
        "gossip keys differ",
    ),
    "keys differ, alone": (
        agent(peers=(), undeciphered={"wrong-key": 3}),
        "gossip keys",
        F,
        "3 are encrypted with a key that this agent does not have",
        "the same key",
    ),
    "keys differ, one of many": (
        agent(undeciphered={"not-encrypted": 2}),
        "gossip keys",
        W,
        "2 are not encrypted",
        "keyring -list",
    ),
    "key lacking at a peer": (
        peer(hints=("it does not have the key that this agent encrypts with",)),
        "peer two",
        F,
        "does not have the key",
        "keyring file of another member; nodedns why two",
    ),
    "clock ahead": (agent(clocks=(Clock(who="two", ahead_s=400.0),)), "clock", F, "400 s ahead of", "NTP"),
    "clock behind": (agent(clocks=(Clock(who="two", ahead_s=-9.0),)), "clock", W, "9 s behind", "NTP"),
    "clock of a writer": (agent(from_future=2), "clock", F, "more than a day ahead", "NTP"),
    # a start
    "configuration wrong": (
        start(problems=("/etc/nodedns.d/a.hcl: ports.dns: must be",)),
        "configuration",
        F,
        "a.hcl: ports.dns",
        "nodedns validate",
    ),
    "port taken": (
        port(is_taken=True, holder="dnsmasq (pid 8)"),
        "DNS port udp",
        F,
        "127.0.0.1:53 is taken by dnsmasq (pid 8)",
        "-dns-port",
    ),
    "port taken by a stranger": (port(is_taken=True), "DNS port udp", F, "another user", "-dns-port"),
    "port 53 without the capability": (
        port(is_permitted=False),
        "DNS port udp",
        F,
        "need CAP_NET_BIND_SERVICE",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
    ),
    "address of another host": (port(is_local=False), "DNS port udp", F, "no address of this host", "ip address"),
    "directory not ours": (
        start(data_dir="/var/lib/nodedns", data_dir_error="/var/lib/nodedns is not for this user to write in"),
        "data directory",
        F,
        "not for this user",
        "chown",
    ),
    "keyring unreadable": (
        start(data_dir="/var/lib/nodedns", keyring_error="/var/lib/nodedns/serf/local.keyring is no keyring"),
        "keyring",
        F,
        "is no keyring",
        "of another member",
    ),
    "keyring has another key": (
        start(data_dir="/var/lib/nodedns", keyring_note="the keyring does not have the key of encrypt"),
        "keyring",
        W,
        "does not have the key",
        "nodedns keyring",
    ),
}


@pytest.mark.parametrize(("facts", "hop", "verdict", "says", "mend"), FAULTS.values(), ids=FAULTS.keys())
def test_fault_is_found_at_its_hop_with_its_mend(
    facts: Facts, hop: str, verdict: Verdict, says: str, mend: str
) -> None:
    found = [finding for finding in judge(facts) if finding.hop == hop and says in finding.says]

    assert [verdict] == [finding.verdict for finding in found]
    assert mend in found[0].mend
    assert bool(mend) == bool(found[0].mend)


def test_where_all_is_well_nothing_else_is_said() -> None:
    findings = judge(WELL)

    assert {Verdict.OK} == {finding.verdict for finding in findings}
    assert 0 == exit_status(findings)
    assert "All is well." == rendered(findings).splitlines()[-1]


@pytest.mark.parametrize(
    ("fault", "status"), [("asks elsewhere", 1), ("agent wants a token", 2), ("underscore", 0), ("agent stopped", 1)]
)
def test_exit_status_says_whether_something_is_broken(fault: str, status: int) -> None:
    assert status == exit_status(judge(FAULTS[fault][0]))


def test_nameservers_are_not_blamed_for_tcp_while_the_agent_is_not_heard_over_it() -> None:
    facts = attrs.evolve(nameserver(tcp=SILENT), agent=own_dns(tcp=SILENT).agent)
    blamed = [finding.hop for finding in judge(facts) if finding.verdict is F]
    (seen,) = [finding for finding in judge(facts) if finding.hop == NS]

    assert [OWN] == blamed
    assert (Verdict.SKIPPED, True) == (seen.verdict, "once the agent's own DNS answers over TCP" in seen.says)


def test_nameservers_are_not_blamed_while_the_agent_is_stopped() -> None:
    findings = judge(attrs.evolve(lost(udp=SERVFAIL, tcp=SERVFAIL, unchecked=SERVFAIL), agent=STOPPED))

    assert [Verdict.SKIPPED] == [finding.verdict for finding in findings if finding.hop == NS]
    assert {"agent", OWN} == {finding.hop for finding in findings if finding.verdict is Verdict.FAILED}


@pytest.mark.parametrize(
    ("typed", "name", "short", "is_short_wanted"),
    [
        (None, "web.node.consul", "web", False),
        ("db", "db.node.consul", "db", True),
        ("db.node", "db.node.consul", "db.node", True),
        ("db.service", "db.service.consul", "db.service", True),
        ("db.node.consul.", "db.node.consul", "db", False),
        ("DB.Node.Consul", "DB.Node.Consul", "DB", False),
        ("db.node.dc1.consul", "db.node.dc1.consul", "", False),
        ("db.node.lan", "db.node.lan", "db", False),
        ("a.b", "a.b.node.consul", "a.b", True),
    ],
)
def test_name_is_made_whole_as_a_person_means_it(
    typed: str | None, name: str, short: str, is_short_wanted: bool
) -> None:
    subject = subject_of(typed, "web", ["consul", "lan"])

    assert (name, short, is_short_wanted) == (subject.name, subject.short, subject.is_short_wanted)


def test_what_a_terminal_would_obey_is_shown_escaped() -> None:
    text = rendered(judge(agent(node="web\x1b[31m")))

    assert "\x1b" not in text
    assert "web\\x1b[31m" in text

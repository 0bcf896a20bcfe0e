"""What the zone says, in zone-file text, read back by an independent parser."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.responder import QueryContext
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.errors import LocalProtocolError
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode, MemberUpserted, NodeRegistered

Ask = Callable[..., dns.message.Message]
MakeContext = Callable[..., QueryContext]

SOA = "0 IN SOA ns.consul. hostmaster.consul. 1700000000 3600 600 86400 0"

POSITIVE = [
    ("foo.node.consul. A", "foo.node.consul. 0 IN A 127.0.0.1", 'foo.node.consul. 0 IN TXT "key=value"'),
    ("foo.node.dc1.consul. A", "foo.node.dc1.consul. 0 IN A 127.0.0.1", 'foo.node.dc1.consul. 0 IN TXT "key=value"'),
    (
        "foo.node.dc1.dc.consul. A",
        "foo.node.dc1.dc.consul. 0 IN A 127.0.0.1",
        'foo.node.dc1.dc.consul. 0 IN TXT "key=value"',
    ),
    ("fOO.Node.DC1.conSUL. A", "fOO.Node.DC1.conSUL. 0 IN A 127.0.0.1", 'fOO.Node.DC1.conSUL. 0 IN TXT "key=value"'),
    ("foo.node.consul. TXT", 'foo.node.consul. 0 IN TXT "key=value"', ""),
    ("foo.node.consul. ANY", 'foo.node.consul. 0 IN A 127.0.0.1\nfoo.node.consul. 0 IN TXT "key=value"', ""),
    ("AGENT-one.node.consul. A", "AGENT-one.node.consul. 0 IN A 172.20.20.10", ""),
    (
        "agent-two.node.consul. A",
        "agent-two.node.consul. 0 IN A 172.20.20.11",
        'agent-two.node.consul. 0 IN TXT "rack=r2"',
    ),
    ("bar.node.consul. AAAA", "bar.node.consul. 0 IN AAAA 2001:db8::42", ""),
    ("bar.node.consul. ANY", "bar.node.consul. 0 IN AAAA 2001:db8::42", ""),
    (
        "dual.node.consul. A",
        "dual.node.consul. 0 IN A 10.1.1.1",
        'dual.node.consul. 0 IN TXT "a=1"\ndual.node.consul. 0 IN TXT "b=2"',
    ),
    (
        "dual.node.consul. AAAA",
        "dual.node.consul. 0 IN AAAA 2001:db8::1",
        'dual.node.consul. 0 IN TXT "a=1"\ndual.node.consul. 0 IN TXT "b=2"',
    ),
    (
        "dual.node.consul. ANY",
        "dual.node.consul. 0 IN A 10.1.1.1\ndual.node.consul. 0 IN AAAA 2001:db8::1\n"
        'dual.node.consul. 0 IN TXT "a=1"\ndual.node.consul. 0 IN TXT "b=2"',
        "",
    ),
    ("google.node.consul. A", "google.node.consul. 0 IN CNAME www.google.com.", ""),
    ("google.node.consul. AAAA", "google.node.consul. 0 IN CNAME www.google.com.", ""),
    ("google.node.consul. ANY", "google.node.consul. 0 IN CNAME www.google.com.", ""),
    ("google.node.consul. CNAME", "google.node.consul. 0 IN CNAME www.google.com.", ""),
    ("google.node.consul. TXT", "google.node.consul. 0 IN CNAME www.google.com.", ""),
    ("a.b.c.node.consul. A", "a.b.c.node.consul. 0 IN A 10.1.1.2", ""),
    ("A.b.C.node.dc1.consul. A", "A.b.C.node.dc1.consul. 0 IN A 10.1.1.2", ""),
    ("under_score.node.consul. A", "under_score.node.consul. 0 IN A 10.1.1.3", ""),
    ("m\\195\\188ller.node.consul. A", "m\\195\\188ller.node.consul. 0 IN A 10.1.1.4", ""),
    ("consul. SOA", f"consul. {SOA}", ""),
    (
        "consul. NS",
        "consul. 0 IN NS agent-one.node.dc1.consul.\nconsul. 0 IN NS agent-six.node.dc1.consul.",
        "agent-one.node.dc1.consul. 0 IN A 172.20.20.10\nagent-six.node.dc1.consul. 0 IN AAAA 2001:db8::6",
    ),
    (
        "consul. ANY",
        f"consul. {SOA}\nconsul. 0 IN NS agent-one.node.dc1.consul.\nconsul. 0 IN NS agent-six.node.dc1.consul.",
        "agent-one.node.dc1.consul. 0 IN A 172.20.20.10\nagent-six.node.dc1.consul. 0 IN AAAA 2001:db8::6",
    ),
    ("7f000001.addr.consul. A", "7f000001.addr.consul. 0 IN A 127.0.0.1", ""),
    ("C6120001.Addr.dc1.dc.consul. ANY", "C6120001.Addr.dc1.dc.consul. 0 IN A 198.18.0.1", ""),
    (
        "2607002040050808000000000000200e.addr.DC1.consul. AAAA",
        "2607002040050808000000000000200e.addr.DC1.consul. 0 IN AAAA 2607:20:4005:808::200e",
        "",
    ),
    ("ns.consul. A", "ns.consul. 0 IN A 172.20.20.10", ""),
    ("NS.Consul. ANY", "NS.Consul. 0 IN A 172.20.20.10", ""),
]

EMPTY = [
    "foo.node.consul. AAAA",
    "bar.node.consul. A",
    "bar.node.consul. TXT",
    "broken.node.consul. A",
    "broken.node.consul. CNAME",
    "foo.node.consul. SRV",
    "foo.node.consul. MX",
    "foo.node.consul. CNAME",
    "foo.node.consul. NS",
    "foo.node.consul. SOA",
    "foo.node.consul. TYPE666",
    "consul. A",
    "consul. AAAA",
    "consul. TXT",
    "consul. DS",
    "node.consul. A",
    "node.consul. ANY",
    "node.consul. NS",
    "NODE.dc1.consul. SOA",
    "node.dc1.dc.consul. TXT",
    "dc1.consul. A",
    "DC1.dc.consul. A",
    "dc.consul. AAAA",
    "c.node.consul. A",
    "B.c.node.dc1.consul. ANY",
    "ns.consul. AAAA",
    "ns.consul. TXT",
    "addr.consul. A",
    "ADDR.dc1.consul. ANY",
    "addr.dc1.dc.consul. NS",
]

ABSENT = [
    "nofoo.node.consul. A",
    "nofoo.node.consul. SRV",
    "nofoo.node.consul. NS",
    "nofoo.node.consul. SOA",
    "nofoo.node.consul. TYPE666",
    "nofoo.node.dc1.consul. ANY",
    "foo.node.nodc.consul. A",
    "foo.node.nodc.dc.consul. A",
    "foo.node.dc1.peer.consul. A",
    "foo.node.dc1.extra.more.consul. A",
    "foo.consul. A",
    "foo.dc1.consul. A",
    "nodc.consul. A",
    "nodc.dc.consul. A",
    "x.ns.consul. A",
    "x.foo.node.consul. A",
    "b.node.consul. A",
    "a\\.b.c.node.consul. A",
    "a\\.b\\.c.node.consul. A",
    "\\255\\000.node.consul. A",
    "x.node.service.consul. A",
    "7f00001.addr.consul. A",
    "7f00000g.addr.consul. A",
    "7f0000012.addr.consul. A",
    "2607002040050808000000000000200.addr.consul. AAAA",
    "2607002040050808000000000000200g.addr.consul. AAAA",
    "x.7f000001.addr.consul. A",
    "7f.000001.addr.consul. A",
    "7f000001.addr.dc2.consul. A",
    "7f000001.addr.dc1.extra.consul. A",
    "7f000001.consul. A",
    "ns.dc1.consul. A",
    "ns.node.dc2.consul. A",
]


ADDRESS_OF_ANOTHER_TYPE = [
    ("7f000001.addr.consul. AAAA", "7f000001.addr.consul. 0 IN A 127.0.0.1"),
    ("7f000001.addr.consul. SRV", "7f000001.addr.consul. 0 IN A 127.0.0.1"),
    ("7f000001.addr.consul. TXT", "7f000001.addr.consul. 0 IN A 127.0.0.1"),
    (f"{'0' * 31}1.addr.dc1.consul. A", f"{'0' * 31}1.addr.dc1.consul. 0 IN AAAA ::1"),
]


def lines(section: list[dns.rrset.RRset]) -> list[str]:
    return [line for rrset in section for line in rrset.to_text().split("\n")]


def flags_of(reply: dns.message.Message) -> int:
    return reply.flags & 0xFFF0  # without the response code


@pytest.mark.parametrize(("what", "answer", "additional"), POSITIVE, ids=[case[0] for case in POSITIVE])
def test_name_that_is_there_is_answered(ask: Ask, what: str, answer: str, additional: str) -> None:
    reply = ask(what)
    assert (dns.rcode.NOERROR, answer.splitlines(), [], additional.splitlines()) == (
        reply.rcode(),
        lines(reply.answer),
        lines(reply.authority),
        lines(reply.additional),
    )


@pytest.mark.parametrize("what", EMPTY)
def test_name_without_such_data_gets_noerror_and_soa(ask: Ask, what: str) -> None:
    reply = ask(what)
    assert (dns.rcode.NOERROR, [], []) == (reply.rcode(), reply.answer, reply.additional)
    assert [f"consul. {SOA}"] == [line.lower().replace("in soa", "IN SOA") for line in lines(reply.authority)]


@pytest.mark.parametrize(("what", "additional"), ADDRESS_OF_ANOTHER_TYPE)
def test_address_name_asked_for_another_type_gets_soa_and_the_address_beside_it(
    ask: Ask, what: str, additional: str
) -> None:
    reply = ask(what)
    assert (dns.rcode.NOERROR, [], [f"consul. {SOA}"], [additional]) == (
        reply.rcode(),
        lines(reply.answer),
        lines(reply.authority),
        lines(reply.additional),
    )


@pytest.mark.parametrize("what", ABSENT)
def test_name_that_is_not_there_gets_nxdomain_and_soa(ask: Ask, what: str) -> None:
    reply = ask(what)
    assert (dns.rcode.NXDOMAIN, [], [f"consul. {SOA}"], []) == (
        reply.rcode(),
        reply.answer,
        lines(reply.authority),
        reply.additional,
    )


@pytest.mark.parametrize("what", ["foo.node.consul. A", "foo.node.consul. SRV", "nofoo.node.consul. A", "consul. A"])
def test_answer_from_our_zone_is_authoritative_and_offers_no_recursion(ask: Ask, what: str) -> None:
    assert dns.flags.QR | dns.flags.AA | dns.flags.RD == flags_of(ask(what))


@pytest.mark.parametrize("what", ["www.example.com. A", ". NS", "notconsul. A", "x.notconsul. A", "consul.x. A"])
def test_name_outside_is_refused_without_authority(ask: Ask, what: str) -> None:
    reply = ask(what)
    assert (dns.rcode.REFUSED, dns.flags.QR | dns.flags.RD, [], []) == (
        reply.rcode(),
        flags_of(reply),
        reply.answer,
        reply.authority,
    )


def test_soa_keeps_the_letter_case_of_the_question(ask: Ask) -> None:
    soa = ask("x.node.CoNsUl. A").authority[0]
    assert ("CoNsUl.", "ns.CoNsUl.") == (soa.name.to_text(), soa[0].mname.to_text())


def test_name_that_the_soa_names_resolves_from_every_agent(ask: Ask, make_context: MakeContext) -> None:
    there = make_context(local="agent-six")
    mname = ask("consul. SOA", there).answer[0][0].mname
    assert ["ns.consul. 0 IN AAAA 2001:db8::6"] == lines(ask(f"{mname} AAAA", there).answer)


def test_serial_moves_only_with_nodes_and_instances(ask: Ask, context: QueryContext) -> None:
    unchanged = attrs.evolve(context.view, index=context.view.index + 5)
    changed = attrs.evolve(context.view, nodes_index=context.view.index + 1)
    serials = [ask("consul. SOA", view=view).answer[0][0].serial for view in (context.view, unchanged, changed)]
    assert [1_700_000_000, 1_700_000_000, 1_700_000_001] == serials


def test_serial_wraps_at_32_bits(ask: Ask, context: QueryContext) -> None:
    far = attrs.evolve(context.view, nodes_index=2**32 + 7)
    assert 7 == ask("consul. SOA", view=far).answer[0][0].serial


def test_policy_gives_ttls_and_soa_times(ask: Ask, context: QueryContext) -> None:
    policy = DnsPolicy(node_ttl_s=10, soa_refresh_s=1, soa_retry_s=2, soa_expire_s=3, soa_min_ttl_s=4)
    found = ask("dual.node.consul. A", policy=policy)
    absent = ask("no.node.consul. A", policy=policy)
    assert [10, 10] == [found.answer[0].ttl, found.additional[0].ttl]
    assert ["consul. 4 IN SOA ns.consul. hostmaster.consul. 1700000000 1 2 3 4"] == lines(absent.authority)


def test_meta_is_left_out_of_the_additional_section_when_told_so(ask: Ask) -> None:
    policy = DnsPolicy(enable_additional_node_meta_txt=False)
    assert [] == ask("foo.node.consul. A", policy=policy).additional
    assert 1 == len(ask("foo.node.consul. TXT", policy=policy).answer)
    assert 2 == len(ask("foo.node.consul. ANY", policy=policy).answer)


def member(name: str, status: MemberStatus = MemberStatus.ALIVE, **tags: str) -> MemberUpserted:
    tags = {"nodedns": "1", **tags}
    address = Address.from_text("10.0.0.1", 8301)
    return MemberUpserted(SerfMember(NodeName(name), address, tags, status, Versions(b"")))


def test_answering_agent_is_the_name_server_where_there_is_no_server(ask: Ask, make_context: MakeContext) -> None:
    reply = ask("consul. NS", make_context((member("one"), member("two")), "two"))
    assert ["consul. 0 IN NS two.node.dc1.consul."] == lines(reply.answer)
    assert ["two.node.dc1.consul. 0 IN A 10.0.0.1"] == lines(reply.additional)


def test_failed_server_is_no_name_server(ask: Ask, make_context: MakeContext) -> None:
    changes = (member("one", server="1"), member("two", MemberStatus.FAILED, server="1"))
    assert ["consul. 0 IN NS one.node.dc1.consul."] == lines(ask("consul. NS", make_context(changes, "one")).answer)


def test_failed_member_still_resolves_and_one_that_left_does_not(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((member("one", MemberStatus.FAILED), member("two", MemberStatus.LEFT)), "one")
    assert [dns.rcode.NOERROR, dns.rcode.NXDOMAIN] == [
        ask(f"{name}.node.consul. A", there).rcode() for name in ("one", "two")
    ]


@pytest.mark.parametrize("local", ["x" * 64, "a..b", ".".join(["x" * 60] * 4)])
def test_agent_whose_name_dns_cannot_spell_is_name_server_as_ns(
    ask: Ask, make_context: MakeContext, local: str
) -> None:
    reply = ask("consul. NS", make_context((member(local),), local))
    assert ["consul. 0 IN NS ns.consul."] == lines(reply.answer)
    assert ["ns.consul. 0 IN A 10.0.0.1"] == lines(reply.additional)


def test_zone_has_a_name_server_even_when_the_table_is_empty(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((), "one")
    assert ["consul. 0 IN NS ns.consul."] == lines(ask("consul. NS", there).answer)
    assert dns.rcode.NOERROR == ask("ns.consul. A", there).rcode()


def test_at_most_thirteen_name_servers_are_named(ask: Ask, make_context: MakeContext) -> None:
    changes = tuple(member(f"s{number:02}", server="1") for number in range(20))
    query = dns.message.make_query("consul.", "NS", use_edns=0, payload=1232)
    names = [str(server.target) for server in ask(query, make_context(changes, "s00")).answer[0]]
    assert [f"s{number:02}.node.dc1.consul." for number in range(13)] == names


def test_zone_of_several_labels_matches_label_by_label(ask: Ask, make_context: MakeContext) -> None:
    zones = Zones((Zone.of_domain("Corp.Example"),))
    assert dns.rcode.NOERROR == ask("foo.node.corp.EXAMPLE. A", zones=zones).rcode()
    assert dns.rcode.REFUSED == ask("foo.node.example. A", zones=zones).rcode()
    assert dns.rcode.REFUSED == ask("foo.node.xcorp.example. A", zones=zones).rcode()


def test_node_called_node_is_found(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((NodeRegistered(ExternalNode(NodeName("node"), "", "10.0.0.1")),))
    assert ["node.node.consul. 0 IN A 10.0.0.1"] == lines(ask("node.node.consul. A", there).answer)


DOMAINS = ("consul.", "Test.Consul", "deep.er.consul", "lan", "x.example.org")


@pytest.mark.parametrize("domain", ["test.consul.", "DEEP.er.consul.", "lan.", "x.Example.org."])
def test_every_domain_is_answered_in_its_own_name(ask: Ask, domain: str) -> None:
    zones = Zones(Zone.of_domains(DOMAINS))
    answered = {what: ask(what.replace("consul.", domain), zones=zones) for what in ("consul. ANY", "no.consul. A")}
    servers = [f"{domain} 0 IN NS {name}.node.dc1.{domain}" for name in ("agent-one", "agent-six")]
    soa = f"{domain} 0 IN SOA ns.{domain} hostmaster.{domain} 1700000000 3600 600 86400 0"
    assert [soa, *servers] == lines(answered["consul. ANY"].answer)
    assert [soa] == lines(answered["no.consul. A"].authority)
    for name, address in (("foo.node", "127.0.0.1"), ("ns", "172.20.20.10"), ("7f000001.addr.dc1", "127.0.0.1")):
        assert [f"{name}.{domain} 0 IN A {address}"] == lines(ask(f"{name}.{domain} A", zones=zones).answer)


def test_names_on_the_way_to_a_domain_inside_another_exist(ask: Ask) -> None:
    zones = Zones(Zone.of_domains(DOMAINS))
    assert [dns.rcode.NOERROR, dns.rcode.NXDOMAIN] == [
        ask(f"{name}.consul. A", zones=zones).rcode() for name in ("er", "x")
    ]


def test_ds_of_a_domain_inside_another_is_answered_by_the_other(ask: Ask) -> None:
    zones = Zones(Zone.of_domains(DOMAINS))
    for name, origin in (("test.consul.", "consul."), ("x.test.consul.", "test.consul."), ("consul.", "consul.")):
        reply = ask(f"{name} DS", zones=zones)
        assert ([], [origin]) == (reply.answer, [str(soa.name) for soa in reply.authority])
    assert dns.rcode.NOERROR == ask("test.consul. DS", zones=zones).rcode()


def test_datacenter_called_like_a_kind_is_left_out_of_name_servers(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((member("one", dc="addr"),), "one", datacenter="addr")
    assert ["consul. 0 IN NS one.node.consul."] == lines(ask("consul. NS", there).answer)
    assert ["one.node.consul. 0 IN A 10.0.0.1"] == lines(ask("one.node.consul. A", there).answer)


@pytest.mark.parametrize("domain", ["", ".", "a..b", "x" * 64])
def test_domain_that_is_no_name_is_a_bug_of_the_caller(domain: str) -> None:
    with pytest.raises(LocalProtocolError):
        Zone.of_domain(domain)

"""What Consul's own DNS tests pin down of node names and of the zone, row by row, asked of ``respond``.

Each test has the name of Consul's. Where an RFC says otherwise, the RFC is
followed, and the test's comment names it.
"""

from __future__ import annotations

from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.changes import Change, ExternalNode, MemberUpserted, NodeRegistered

Ask = Callable[..., dns.message.Message]
MakeContext = Callable[..., QueryContext]

FOO = "foo.node.consul. 0 IN A 127.0.0.1"
FOO_TEXT = 'foo.node.consul. 0 IN TXT "key=value"'
SHOWN_4242 = "::66.66.66.66"  # how dnspython writes ::4242:4242
HEX_IPV6 = "2607002040050808000000000000200e"


def node(name: str, address: str, tagged: dict[str, str] | None = None, /, **meta: str) -> Change:
    pairs = {key.replace("_", "-"): value for key, value in meta.items()}
    return NodeRegistered(ExternalNode(NodeName(name), "", address, tagged or {}, pairs))


def server(name: str, host: str = "127.0.0.1") -> Change:
    tags = {"nodedns": "1", "server": "1"}
    return MemberUpserted(
        SerfMember(NodeName(name), Address.from_text(host, 8301), tags, MemberStatus.ALIVE, Versions(b""))
    )


def zones(*domains: str) -> Zones:
    return Zones(Zone.of_domains(domains))


def lines(section: list[dns.rrset.RRset]) -> list[str]:
    return [line for rrset in section for line in rrset.to_text().split("\n")]


def sections(reply: dns.message.Message) -> tuple[list[str], list[str], list[str]]:
    return lines(reply.answer), lines(reply.authority), lines(reply.additional)


# Node lookups


@pytest.fixture
def foo(make_context: MakeContext) -> QueryContext:
    return make_context((node("foo", "127.0.0.1", {"wan": "127.0.0.2"}, key="value"),))


def test_node_lookup(ask: Ask, foo: QueryContext) -> None:
    assert ([FOO, FOO_TEXT], [], []) == sections(ask("foo.node.consul. ANY", foo))
    assert ([FOO], [], [FOO_TEXT]) == sections(ask("foo.node.consul. A", foo))
    spelt = [line.replace("node.", "node.dc1.") for line in (FOO, FOO_TEXT)]
    assert (spelt, [], []) == sections(ask("foo.node.dc1.consul. ANY", foo))
    absent = ask("nofoo.node.dc1.consul. ANY", foo)
    assert (dns.rcode.NXDOMAIN, 0, 1) == (absent.rcode(), absent.authority[0].ttl, len(lines(absent.authority)))


def test_node_lookup_case_insensitive(ask: Ask, make_context: MakeContext) -> None:
    assert 1 == len(ask("fOO.node.dc1.consul. ANY", make_context((node("Foo", "127.0.0.1"),))).answer)


def test_node_lookup_period_name(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("foo.bar", "127.0.0.1"),))
    assert ["foo.bar.node.consul. 0 IN A 127.0.0.1"] == lines(ask("foo.bar.node.consul. ANY", there).answer)


def test_node_lookup_aaaa(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("bar", "::4242:4242"),))
    assert [f"bar.node.consul. 0 IN AAAA {SHOWN_4242}"] == lines(ask("bar.node.consul. AAAA", there).answer)


def test_node_lookup_cname_without_recursors(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("google", "www.google.com", key="value"),))
    # RFC 1034 section 3.6.2: no TXT beside a CNAME.
    assert ["google.node.consul. 0 IN CNAME www.google.com."] == lines(ask("google.node.consul. ANY", there).answer)


@pytest.mark.parametrize("wanted", [True, False])
def test_node_lookup_txt_and_dont_suppress(ask: Ask, make_context: MakeContext, *, wanted: bool) -> None:
    there = make_context((node("google", "10.0.0.1", rfc1035_00="value0", key0="value1"),))
    policy = DnsPolicy(enable_additional_node_meta_txt=wanted)
    assert ['google.node.consul. 0 IN TXT "key0=value1"', 'google.node.consul. 0 IN TXT "value0"'] == sorted(
        lines(ask("google.node.consul. TXT", there, policy=policy).answer)
    )


@pytest.mark.parametrize("wanted", [True, False])
def test_node_lookup_any_and_dont_suppress_txt(ask: Ask, foo: QueryContext, *, wanted: bool) -> None:
    policy = DnsPolicy(enable_additional_node_meta_txt=wanted)
    assert ([FOO, FOO_TEXT], [], []) == sections(ask("foo.node.consul. ANY", foo, policy=policy))


def test_node_lookup_a_suppress_txt(ask: Ask, foo: QueryContext) -> None:
    policy = DnsPolicy(enable_additional_node_meta_txt=False)
    assert ([FOO], [], []) == sections(ask("foo.node.consul. A", foo, policy=policy))


def test_node_lookup_ttl(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("foo", "127.0.0.1"), node("bar", "::4242:4242"), node("google", "www.google.com")))
    policy = DnsPolicy(node_ttl_s=10)
    assert [
        "foo.node.consul. 10 IN A 127.0.0.1",
        f"bar.node.consul. 10 IN AAAA {SHOWN_4242}",
        "google.node.consul. 10 IN CNAME www.google.com.",
    ] == [lines(ask(f"{name}.node.consul. ANY", there, policy=policy).answer)[0] for name in ("foo", "bar", "google")]


# The main file


def test_over_tcp(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("Foo", "127.0.0.1"),))
    assert 1 == len(ask("foo.node.dc1.consul. ANY", there, transport=Transport.TCP).answer)


def test_empty_alt_domain(ask: Ask) -> None:
    reply = ask("consul.service. A")
    assert (dns.rcode.REFUSED, ([], [], [])) == (reply.rcode(), sections(reply))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (DnsPolicy(), (0, 86400, 3600, 600)),
        (
            DnsPolicy(soa_min_ttl_s=60, soa_expire_s=43200, soa_refresh_s=1800, soa_retry_s=300),
            (60, 43200, 1800, 300),
        ),
        (DnsPolicy(soa_min_ttl_s=60, soa_expire_s=43200), (60, 43200, 3600, 600)),
        (DnsPolicy(soa_refresh_s=1800, soa_retry_s=300), (0, 86400, 1800, 300)),
    ],
)
def test_soa_settings(ask: Ask, policy: DnsPolicy, expected: tuple[int, ...]) -> None:
    (rrset,) = ask("nofoo.node.dc1.consul. ANY", policy=policy).authority
    soa = rrset[0]
    assert (*expected, expected[0]) == (soa.minimum, soa.expire, soa.refresh, soa.retry, rrset.ttl)


@pytest.mark.parametrize("domain", ["consul.", "test-domain."])
@pytest.mark.parametrize(("host", "rtype"), [("127.0.0.1", "A"), ("::1", "AAAA")])
def test_ns_records_and_alt_domain_and_ipv6(
    ask: Ask, make_context: MakeContext, domain: str, host: str, rtype: str
) -> None:
    there = make_context((server("server1", host),), "server1")
    served = zones("CONSUL.", "test-domain.")
    name = f"server1.node.dc1.{domain}"
    glue = f"{name} 0 IN {rtype} {host}"
    assert ([f"{domain} 0 IN NS {name}"], [], [glue]) == sections(ask(f"{domain} NS", there, zones=served))
    # RFC 1034 section 4.2.1: NS records are at the apex. At a node's name and at none there is the SOA.
    for asked, rcode in ((name, dns.rcode.NOERROR), (f"something.node.{domain}", dns.rcode.NXDOMAIN)):
        reply = ask(f"{asked} NS", there, zones=served)
        assert (rcode, [], [domain]) == (reply.rcode(), reply.answer, [str(soa.name) for soa in reply.authority])


@pytest.mark.parametrize(
    ("address", "tagged", "found"),
    [
        ("127.0.0.1", {}, {"A": "127.0.0.1"}),
        ("2607:20:4005:808::200e", {}, {"AAAA": "2607:20:4005:808::200e"}),
        (
            "127.0.0.1",
            {"lan_ipv6": "2607:20:4005:808::200e"},
            {"A": "127.0.0.1", "AAAA": "2607:20:4005:808::200e"},
        ),
        (
            "2607:20:4005:808::200e",
            {"lan_ipv4": "127.0.0.1"},
            {"A": "127.0.0.1", "AAAA": "2607:20:4005:808::200e"},
        ),
    ],
)
def test_lookup_tagged_ip_addresses(
    ask: Ask, make_context: MakeContext, address: str, tagged: dict[str, str], found: dict[str, str]
) -> None:
    external = make_context((node("foo", address, tagged),))
    member = SerfMember(
        NodeName("foo"),
        Address.from_text(address, 8301),
        {"nodedns": "1", **tagged},
        MemberStatus.ALIVE,
        Versions(b""),
    )
    for there in (external, make_context((MemberUpserted(member),))):
        for rtype in ("A", "AAAA"):
            answer = [f"foo.node.consul. 0 IN {rtype} {found[rtype]}"] if rtype in found else []
            assert answer == lines(ask(f"foo.node.consul. {rtype}", there).answer)


def test_address_lookup(ask: Ask) -> None:
    expected = "7f000001.addr.dc1.consul. 0 IN A 127.0.0.1"
    assert ([expected], [], []) == sections(ask("7f000001.addr.dc1.consul. A"))
    assert ([expected], [], []) == sections(ask("7f000001.addr.dc1.consul. ANY"))


def test_address_lookup_invalid_type(ask: Ask) -> None:
    reply = ask("7f000001.addr.dc1.consul. SRV")
    answer, authority, additional = sections(reply)
    assert (dns.rcode.NOERROR, [], ["7f000001.addr.dc1.consul. 0 IN A 127.0.0.1"]) == (
        reply.rcode(),
        answer,
        additional,
    )
    assert 1 == len(authority)  # RFC 2308 section 2.2: the SOA, which Consul leaves out


def test_address_lookup_ipv6(ask: Ask) -> None:
    expected = f"{HEX_IPV6}.addr.consul. 0 IN AAAA 2607:20:4005:808::200e"
    assert [expected] == lines(ask(f"{HEX_IPV6}.addr.consul. AAAA").answer)
    assert [] == ask(f"{HEX_IPV6}.addr.consul. SRV").answer


def test_non_existent_dc(ask: Ask) -> None:
    for name in ("foo.node.dc2.consul.", "7f000001.addr.dc2.consul."):
        reply = ask(f"{name} ANY")
        (soa,) = reply.authority
        assert (dns.rcode.NXDOMAIN, [], []) == (reply.rcode(), reply.answer, reply.additional)
        assert ("consul.", "ns.consul.", "hostmaster.consul.") == (str(soa.name), str(soa[0].mname), str(soa[0].rname))


def test_non_existent_lookup(ask: Ask) -> None:
    (soa,) = ask("nonexisting.consul. ANY").authority
    assert 0 == soa.ttl


@pytest.mark.parametrize("domain", ["consul.", "test-domain."])
def test_alt_domains_soa(ask: Ask, make_context: MakeContext, domain: str) -> None:
    there = make_context((node("test-node", "127.0.0.1"),))
    # RFC 1034 section 4.2.1: the SOA is the apex's; for another name it is in the authority section.
    reply = ask(f"test-node.node.{domain} SOA", there, zones=zones("consul", "test-domain."))
    (soa,) = reply.authority
    assert (dns.rcode.NOERROR, domain, f"ns.{domain}") == (reply.rcode(), str(soa.name), str(soa[0].mname))


@pytest.mark.parametrize("domain", ["consul.", "test.consul."])
@pytest.mark.parametrize("place", ["", "dc1."])
def test_alt_domains_overlap(ask: Ask, make_context: MakeContext, place: str, domain: str) -> None:
    there = make_context((node("test-node", "127.0.0.1"),))
    name = f"test-node.node.{place}{domain}"
    reply = ask(f"{name} A", there, zones=zones("consul", "test.consul."))
    assert [f"{name} 0 IN A 127.0.0.1"] == lines(reply.answer)
    (soa,) = ask(f"no.{name} A", there, zones=zones("consul", "test.consul.")).authority
    assert domain == str(soa.name)


@pytest.mark.parametrize("domain", ["consul.", "test.consul."])
def test_alt_domain_dc_name_overlap(ask: Ask, make_context: MakeContext, domain: str) -> None:
    there = make_context((node("test-node", "127.0.0.1"),), datacenter="dc-test")
    name = f"test-node.node.dc-test.{domain}"
    assert [f"{name} 0 IN A 127.0.0.1"] == lines(ask(f"{name} A", there, zones=zones("consul", "test.consul.")).answer)


@pytest.mark.parametrize(
    ("name", "rcode"),
    [
        # RFC 8020: these three exist, having names below them. Consul says NXDOMAIN.
        ("consul.", dns.rcode.NOERROR),
        ("node.consul.", dns.rcode.NOERROR),
        ("service.consul.", dns.rcode.NOERROR),
        ("query.consul.", dns.rcode.NXDOMAIN),
        ("foo.node.dc1.extra.more.consul.", dns.rcode.NXDOMAIN),
        ("foo.service.dc1.extra.more.consul.", dns.rcode.NXDOMAIN),
        ("foo.query.dc1.extra.more.consul.", dns.rcode.NXDOMAIN),
    ],
)
def test_invalid_queries(ask: Ask, name: str, rcode: dns.rcode.Rcode) -> None:
    reply = ask(f"{name} SRV")
    (soa,) = reply.authority
    assert (rcode, [], 1, 0) == (reply.rcode(), reply.answer, len(soa), soa.ttl)

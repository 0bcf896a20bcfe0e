"""What Consul's own DNS tests pin down of services, row by row, asked of ``respond``.

Each test has the name of Consul's. Where an RFC says otherwise, the RFC is
followed, and the test's comment names it. Queries have no EDNS unless a test says so.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from nodedns.dns.policy import DnsPolicy, ServiceTtls
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service, ServiceAddress, Weights
from nodedns.table.changes import Change, CheckRegistered, ExternalNode, NodeRegistered, ServiceRegistered

Ask = Callable[..., dns.message.Message]
MakeContext = Callable[..., QueryContext]

HEX_IPV6 = "2607002040050808000000000000200e"
IPV6 = "2607:20:4005:808::200e"
PASSING, WARNING, CRITICAL = CheckStatus.PASSING, CheckStatus.WARNING, CheckStatus.CRITICAL


def node(name: str, address: str = "127.0.0.1", **meta: str) -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address, {}, meta))


def on(name: str, service: Service, status: CheckStatus | None = None) -> tuple[Change, ...]:
    """Return an instance on a node, with a check of it."""
    registered = ServiceRegistered(NodeName(name), service)
    if status is None:
        return (registered,)
    check = Check(f"service:{service.id}", "check", status, service_id=service.id, service_name=service.name)
    return registered, CheckRegistered(NodeName(name), check)


def db(**given: object) -> Service:
    return attrs.evolve(Service("db", "db", port=12345), **given)  # type: ignore[arg-type] # any field


def lines(section: list[dns.rrset.RRset]) -> list[str]:
    return [line for rrset in section for line in rrset.to_text().split("\n")]


def sections(reply: dns.message.Message) -> tuple[list[str], list[str], list[str]]:
    return lines(reply.answer), lines(reply.authority), lines(reply.additional)


def with_edns(name: str, rtype: str, payload: int = 8192) -> dns.message.Message:
    return dns.message.make_query(name, rtype, use_edns=0, payload=payload)


@pytest.fixture
def foo(make_context: MakeContext) -> QueryContext:
    return make_context((node("foo"), *on("foo", db(tags=("primary",)))))


def test_service_lookup_no_multi_cname(ask: Ask, make_context: MakeContext) -> None:
    nodes = (node("foo", "198.18.0.1"), node("bar", "198.18.0.3"))
    there = make_context((*nodes, *on("foo", db(address="foo.node.consul")), *on("bar", db(address="bar.node.consul"))))
    firsts = {tuple(lines(ask("db.service.consul. ANY", there, rng=Random(seed)).answer)) for seed in range(20)}
    assert {
        ("db.service.consul. 0 IN CNAME foo.node.consul.", "foo.node.consul. 0 IN A 198.18.0.1"),
        ("db.service.consul. 0 IN CNAME bar.node.consul.", "bar.node.consul. 0 IN A 198.18.0.3"),
    } == firsts


def test_service_lookup_prefer_no_cname(ask: Ask, make_context: MakeContext) -> None:
    there = make_context(
        (node("foo"), node("bar"), *on("foo", db(address="198.18.0.1")), *on("bar", db(address="bar.example.com")))
    )
    assert ["db.service.consul. 0 IN A 198.18.0.1"] == lines(ask("db.service.consul. ANY", there).answer)


def test_service_lookup_multi_addr_no_cname(ask: Ask, make_context: MakeContext) -> None:
    there = make_context(
        (
            *(node(name) for name in ("foo", "bar", "baz")),
            *on("foo", db(address="198.18.0.1")),
            *on("bar", db(address="bar.example.com")),
            *on("baz", db(address="198.18.0.3")),
        )
    )
    assert ["db.service.consul. 0 IN A 198.18.0.1", "db.service.consul. 0 IN A 198.18.0.3"] == sorted(
        lines(ask("db.service.consul. ANY", there).answer)
    )


def test_service_lookup(ask: Ask, foo: QueryContext) -> None:
    assert (
        ["db.service.consul. 0 IN SRV 1 1 12345 foo.node.dc1.consul."],
        [],
        ["foo.node.dc1.consul. 0 IN A 127.0.0.1"],
    ) == sections(ask("db.service.consul. SRV", foo))
    absent = ask("nodb.service.consul. SRV", foo)
    assert (dns.rcode.NXDOMAIN, [0]) == (absent.rcode(), [soa.ttl for soa in absent.authority])


def test_service_address_with_tag_lookup(ask: Ask, make_context: MakeContext) -> None:
    there = make_context(
        (
            node("foo"),
            *on("foo", db(id="db-1", address="127.0.0.1", tags=("primary",))),
            *on("foo", db(id="db-2", address="127.0.0.2", tags=("secondary",))),
        )
    )
    for name in ("_db._primary.service.dc1.consul.", "primary.db.service.dc1.consul."):
        assert (
            [f"{name} 0 IN SRV 1 1 12345 7f000001.addr.dc1.consul."],
            [],
            ["7f000001.addr.dc1.consul. 0 IN A 127.0.0.1"],
        ) == sections(ask(f"{name} SRV", there))
    assert dns.rcode.NXDOMAIN == ask("banana._db._primary.service.dc1.consul. SRV", there).rcode()


def test_service_lookup_with_internal_service_address(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("foo"), *on("foo", db(address="db.service.consul"))))
    expected = ["1 1 12345 foo.node.dc1.consul."], ["foo.node.dc1.consul. 0 IN A 127.0.0.1"]
    reply = ask("db.service.consul. SRV", there)
    assert expected == ([rdata.to_text() for rdata in reply.answer[0]], lines(reply.additional))
    assert ["db.service.consul. 0 IN A 127.0.0.1"] == lines(ask("db.service.consul. A", there).answer)


def test_infinite_recursion(ask: Ask, make_context: MakeContext) -> None:
    there = make_context(
        (node("web", "web.service.consul."), *on("web", Service("web", "web", address="web.service.consul.")))
    )
    reply = ask("web.service.consul. A", there)
    assert ["web.service.consul. 0 IN CNAME web.service.consul."] == lines(reply.answer)


def test_external_service_lookup(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("foo", "www.google.com"), *on("foo", db())))
    assert (["db.service.consul. 0 IN SRV 1 1 12345 www.google.com."], [], []) == sections(
        ask("db.service.consul. SRV", there)
    )


@pytest.fixture
def aliases(make_context: MakeContext) -> QueryContext:
    return make_context(
        (
            node("web"),
            *on("web", Service("web", "web", port=12345)),
            node("alias", "web.service.consul"),
            *on("alias", Service("alias", "alias", port=12345)),
            node("alias2", "alias.service.consul"),
            *on("alias2", Service("alias2", "alias2", port=12345)),
        )
    )


@pytest.mark.parametrize("domain", ["consul.", "CoNsUl."])
def test_external_service_to_consul_cname_lookup(ask: Ask, aliases: QueryContext, domain: str) -> None:
    answer, authority, additional = sections(ask(f"alias.service.{domain} SRV", aliases))
    assert [f"alias.service.{domain} 0 IN SRV 1 1 12345 web.service.consul."] == answer
    assert ([], ["web.service.consul. 0 IN A 127.0.0.1"]) == (authority, additional)


def test_external_service_to_consul_cname_nested_lookup(ask: Ask, aliases: QueryContext) -> None:
    answer, _, additional = sections(ask("alias2.service.consul. SRV", aliases))
    assert ["alias2.service.consul. 0 IN SRV 1 1 12345 alias.service.consul."] == answer
    assert [
        "alias.service.consul. 0 IN CNAME web.service.consul.",
        "web.service.consul. 0 IN A 127.0.0.1",
    ] == additional


@pytest.mark.parametrize("domain", ["consul.", "test-domain."])
@pytest.mark.parametrize(
    "expected",
    [("127.0.0.2", "7f000002", "A"), (IPV6, HEX_IPV6, "AAAA")],
)
def test_service_lookup_service_address_and_alt_domain(
    ask: Ask, make_context: MakeContext, domain: str, expected: tuple[str, str, str]
) -> None:
    address, target, rtype = expected
    there = make_context((node("foo"), *on("foo", db(address=address))))
    served = Zones(Zone.of_domains(("consul", "test-domain")))
    assert (
        [f"db.service.{domain} 0 IN SRV 1 1 12345 {target}.addr.dc1.{domain}"],
        [],
        [f"{target}.addr.dc1.{domain} 0 IN {rtype} {address}"],
    ) == sections(ask(f"db.service.{domain} SRV", there, zones=served))
    target_asked = ask(f"{target}.addr.dc1.{domain} {rtype}", there, zones=served)
    assert [f"{target}.addr.dc1.{domain} 0 IN {rtype} {address}"] == lines(target_asked.answer)


def test_service_address_srv_of_a_host_name(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("foo"), *on("foo", db(address="www.google.com"))))
    # What the recursor says of the target Consul adds; additional records are optional (RFC 2782).
    assert (["db.service.consul. 0 IN SRV 1 1 12345 www.google.com."], [], []) == sections(
        ask("db.service.consul. SRV", there)
    )


@pytest.mark.parametrize(
    "name",
    ["db.service.consul.", "dB.service.consul.", "PRIMARY.db.SERVICE.dc1.consul.", "_Db._PRIMARY.service.Consul."],
)
def test_case_insensitive(ask: Ask, make_context: MakeContext, name: str) -> None:
    there = make_context((node("foo"), *on("foo", Service("db", "Db", tags=("Primary",)))))
    assert 1 == len(ask(f"{name} SRV", there).answer)


def test_tag_period(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("foo"), *on("foo", db(tags=("v1.primary",)))))
    assert 1 == len(ask("v1.primary.db.service.consul. SRV", there).answer)
    assert 0 == len(ask("v1.primary2.db.service.consul. SRV", there).answer)
    assert dns.rcode.NOERROR == ask("primary.db.service.consul. SRV", there).rcode()
    # No instance has such a port, so nothing is below.
    assert dns.rcode.NXDOMAIN == ask("primary.db.service.q.port.consul. SRV", there).rcode()
    # RFC 8020: what the tag stands on exists.
    assert dns.rcode.NOERROR == ask("primary.db.service.consul. SRV", there).rcode()


def test_extra_tags(ask: Ask, foo: QueryContext) -> None:
    assert dns.rcode.NXDOMAIN == ask("dummy.primary.db.service.consul. SRV", foo).rcode()


@pytest.fixture
def three_on_one_node(make_context: MakeContext) -> QueryContext:
    services = (("db1", 12345), ("db2", 12345), ("db3", 12346))
    return make_context(
        (node("foo"), *(change for name, port in services for change in on("foo", db(id=name, port=port))))
    )


def test_dedup(ask: Ask, three_on_one_node: QueryContext) -> None:
    assert ["db.service.consul. 0 IN A 127.0.0.1"] == lines(ask("db.service.consul. ANY", three_on_one_node).answer)


def test_dedup_srv(ask: Ask, three_on_one_node: QueryContext) -> None:
    answer, _, additional = sections(ask("db.service.consul. SRV", three_on_one_node))
    assert [f"db.service.consul. 0 IN SRV 1 1 {port} foo.node.dc1.consul." for port in (12345, 12346)] == sorted(answer)
    assert ["foo.node.dc1.consul. 0 IN A 127.0.0.1"] == additional


def test_filter_critical(ask: Ask, make_context: MakeContext) -> None:
    hosts = {"foo": "127.0.0.1", "bar": "127.0.0.2", "baz": "127.0.0.3", "quux": "127.0.0.4"}
    there = make_context(
        (
            *(node(name, host) for name, host in hosts.items()),
            *(change for name in hosts for change in on(name, db(), WARNING if name == "quux" else None)),
            *(CheckRegistered(NodeName(name), Check("alive", "alive", CRITICAL)) for name in ("foo", "bar")),
        )
    )
    found = lines(ask("db.service.consul. ANY", there).answer)
    assert [f"db.service.consul. 0 IN A {hosts[name]}" for name in ("baz", "quux")] == sorted(found)


def test_only_failing(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("foo"), *on("foo", db(tags=("primary",)), CRITICAL)))
    for name in ("db.service.consul.", "_db._tcp.consul.", "primary.db.service.consul."):
        for rtype in ("ANY", "A", "SRV"):
            reply = ask(f"{name} {rtype}", there)
            assert (dns.rcode.NXDOMAIN, 0, 1) == (reply.rcode(), len(reply.answer), len(reply.authority))


def test_only_passing(ask: Ask, make_context: MakeContext) -> None:
    changes = [
        change
        for number, status in enumerate((PASSING, WARNING, CRITICAL), 1)
        for change in (node(f"n{number}", f"127.0.0.{number}"), *on(f"n{number}", db(), status))
    ]
    there = make_context(tuple(changes))
    assert ["db.service.consul. 0 IN A 127.0.0.1"] == lines(
        ask("db.service.consul. ANY", there, policy=DnsPolicy(only_passing=True)).answer
    )
    assert 2 == len(lines(ask("db.service.consul. ANY", there).answer))


def many(count: int, service: Service | None = None) -> tuple[Change, ...]:
    made: list[Change] = []
    for number in range(count):
        made += [node(f"n{number}", f"10.0.0.{number + 1}"), *on(f"n{number}", service or db())]
    return tuple(made)


def test_randomize(ask: Ask, make_context: MakeContext) -> None:
    there = make_context(many(96), policy=DnsPolicy(udp_answer_limit=3))
    rng = Random(1)
    answers = [tuple(lines(ask("db.service.consul. ANY", there, rng=rng).answer)) for _ in range(10)]
    assert ({3}, 10) == (set(map(len, answers)), len(set(answers)))


def test_truncate(ask: Ask, make_context: MakeContext) -> None:
    assert ask("db.service.consul. ANY", make_context(many(96))).flags & dns.flags.TC


def test_large_responses(ask: Ask, make_context: MakeContext) -> None:
    long = "this-is-a-very-very-very-very-very-long-name-for-a-service"
    changes: list[Change] = []
    for number in range(4):
        name = f"foo{number}.and-this-one-too.{long}"
        changes += [node(name, f"127.0.0.{number + 1}"), *on(name, Service(long, long, tags=("primary",), port=12345))]
    there = make_context(tuple(changes))
    reply = ask(f"_{long}._primary.service.consul. SRV", there)
    # RFC 2181 section 9: a set that does not fit is not said in part; TC sends the client to TCP.
    assert (dns.flags.TC, []) == (reply.flags & dns.flags.TC, reply.answer)
    whole = ask(f"_{long}._primary.service.consul. SRV", there, transport=Transport.TCP)
    assert (4, 4) == (len(lines(whole.answer)), len(lines(whole.additional)))
    assert {str(rdata.target) for rdata in whole.answer[0]} == {str(rrset.name) for rrset in whole.additional}


@pytest.fixture
def mixed(make_context: MakeContext) -> QueryContext:
    """Thirty instances: twenty with IPv4, ten with IPv6."""
    changes: list[Change] = []
    for number in range(30):
        address = f"2001:db8::{number + 1:x}" if number % 3 == 2 else f"10.0.0.{number + 1}"
        changes += [node(f"n{number}", address), *on(f"n{number}", db())]
    return make_context(tuple(changes))


@pytest.mark.parametrize("limit", [1, 3, 8, 12, 25])
@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("rtype", ["A", "AAAA", "ANY", "SRV"])
def test_a_record_limits(ask: Ask, mixed: QueryContext, limit: int, transport: Transport, rtype: str) -> None:
    there_are = {"A": 20, "AAAA": 10, "ANY": 30, "SRV": 30}[rtype]
    policy = DnsPolicy(a_record_limit=limit, udp_payload_bytes=4096, enable_additional_node_meta_txt=False)
    reply = ask(with_edns("db.service.consul.", rtype), mixed, policy=policy, transport=transport)
    expected = there_are if rtype == "SRV" else min(limit, there_are)
    # The limit is the same over TCP, so there is nothing to come back for.
    assert (expected, 0) == (len(lines(reply.answer)), reply.flags & dns.flags.TC)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9, 30])
@pytest.mark.parametrize("rtype", ["A", "AAAA", "ANY"])
def test_answer_limits(ask: Ask, mixed: QueryContext, limit: int, rtype: str) -> None:
    reply = ask(f"db.service.consul. {rtype}", mixed, policy=DnsPolicy(udp_answer_limit=limit))
    # RFC 2181 section 9: there are more of them, so TC is set, which Consul does when told to.
    assert (min(limit, 8), dns.flags.TC) == (len(lines(reply.answer)), reply.flags & dns.flags.TC)


def test_answer_limits_are_for_small_udp_replies(ask: Ask, mixed: QueryContext) -> None:
    policy = DnsPolicy(udp_answer_limit=3)
    for query, transport in (
        (with_edns("db.service.consul.", "A", 1232), Transport.UDP),
        (dns.message.make_query("db.service.consul.", "A"), Transport.TCP),
    ):
        reply = ask(query, mixed, policy=policy, transport=transport)
        assert (20, 0) == (len(lines(reply.answer)), reply.flags & dns.flags.TC)


def test_cname(ask: Ask, make_context: MakeContext) -> None:
    for changes in (
        (node("google", "www.google.com"), *on("google", db())),
        (node("google"), *on("google", db(address="www.google.com"))),
    ):
        assert ["db.service.consul. 0 IN CNAME www.google.com."] == lines(
            ask("db.service.consul. ANY", make_context(changes)).answer
        )


def test_ttl(ask: Ask, make_context: MakeContext) -> None:
    names = {"db": 10, "dblb": 66, "dk": 42, "api": 5}
    policy = DnsPolicy(service_ttl=ServiceTtls({"d*": 42, "db": 10, "db*": 66, "*": 5}))
    there = make_context((node("foo"), *(each for name in names for each in on("foo", Service(name, name)))))
    for name, ttl_s in names.items():
        reply = ask(f"{name}.service.consul. SRV", there, policy=policy)
        assert [ttl_s, ttl_s] == [rrset.ttl for rrset in reply.answer + reply.additional]


@pytest.mark.parametrize("tag", ["primary", "tcp"])
@pytest.mark.parametrize("place", ["service.dc1.", "service.", "dc1.", "", "dc1.dc.", "service.dc1.dc."])
def test_srv_rfc_and_tcp_default(ask: Ask, foo: QueryContext, tag: str, place: str) -> None:
    name = f"_db._{tag}.{place}consul."
    assert [f"{name} 0 IN SRV 1 1 12345 foo.node.dc1.consul."] == lines(ask(f"{name} SRV", foo).answer)


def test_srv_rfc_with_another_tag(ask: Ask, foo: QueryContext) -> None:
    assert dns.rcode.NXDOMAIN == ask("_db._udp.service.consul. SRV", foo).rcode()
    # RFC 8020: the names above one that is there are there.
    for name in ("_primary.service.consul.", "_tcp.consul.", "service.consul.", "_tcp.service.dc1.consul."):
        assert dns.rcode.NOERROR == ask(f"{name} SRV", foo).rcode()


@pytest.mark.parametrize("is_wanted", [True, False])
def test_meta_txt_and_suppress_txt(ask: Ask, make_context: MakeContext, *, is_wanted: bool) -> None:
    there = make_context((node("bar", key="value"), *on("bar", db())))
    policy = DnsPolicy(enable_additional_node_meta_txt=is_wanted)
    text = ['bar.node.dc1.consul. 0 IN TXT "key=value"']
    assert ["bar.node.dc1.consul. 0 IN A 127.0.0.1", *(text if is_wanted else [])] == lines(
        ask("db.service.consul. SRV", there, policy=policy).additional
    )


@pytest.mark.parametrize(
    ("place", "port"),
    [
        ("", 8080),
        ("dc1.", 8080),
        ("http.port.", 8080),
        ("metrics.port.", 9090),
        ("dc1.dc.METRICS.port.", 9090),
        ("http.port.dc1.dc.", 8080),
    ],
)
def test_multi_port_srv(ask: Ask, make_context: MakeContext, place: str, port: int) -> None:
    ports = (NamedPort("metrics", 9090), NamedPort("http", 8080, is_default=True))
    there = make_context((node("foo"), *on("foo", Service("multiport", "multiport", ports=ports)), *on("foo", db())))
    for start in ("_multiport._tcp.service.", "multiport.service.", "_multiport._tcp."):
        reply = ask(f"{start}{place}consul. SRV", there)
        assert [f"1 1 {port} foo.node.dc1.consul."] == [rdata.to_text() for rdata in reply.answer[0]]
    for missing in ("_multiport._tcp.service.admin.port.", "_db._tcp.service.http.port.", "foo.node.http.port."):
        assert dns.rcode.NXDOMAIN == ask(f"{missing}consul. SRV", there).rcode()


# The main file


def test_alt_domains_service(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("test-node", key="value"), *on("test-node", db())))
    served = Zones(Zone.of_domains(("consul", "test-domain")))
    for domain in ("consul.", "test-domain."):
        owner = f"test-node.node.dc1.{domain}"
        for name in (f"db.service.{domain}", f"db.service.dc1.{domain}"):
            assert (
                [f"{name} 0 IN SRV 1 1 12345 {owner}"],
                [],
                [f"{owner} 0 IN A 127.0.0.1", f'{owner} 0 IN TXT "key=value"'],
            ) == sections(ask(f"{name} SRV", there, zones=served))


def test_non_existent_lookup_empty_a_or_aaaa(ask: Ask, make_context: MakeContext) -> None:
    there = make_context(
        (
            node("foo"),
            *on("foo", Service("webv4", "webv4", address="127.0.0.1")),
            *on("foo", Service("webv6", "webv6", address="fe80::1")),
        )
    )
    for name, rtype in (("webv4", "AAAA"), ("webv6", "A")):
        reply = ask(f"{name}.service.consul. {rtype}", there)
        assert (dns.rcode.NOERROR, [], [0]) == (reply.rcode(), reply.answer, [soa.ttl for soa in reply.authority])


@pytest.mark.parametrize(
    ("address", "tagged", "found"),
    [
        ("127.0.0.1", {}, {"A": "127.0.0.1"}),
        (IPV6, {}, {"AAAA": IPV6}),
        ("127.0.0.1", {"lan_ipv6": IPV6}, {"A": "127.0.0.1", "AAAA": IPV6}),
        (IPV6, {"lan_ipv4": "127.0.0.1"}, {"A": "127.0.0.1", "AAAA": IPV6}),
    ],
)
def test_lookup_tagged_ip_addresses(
    ask: Ask, make_context: MakeContext, address: str, tagged: dict[str, str], found: dict[str, str]
) -> None:
    service = db(address=address, tagged_addresses={tag: ServiceAddress(text, 1) for tag, text in tagged.items()})
    there = make_context((node("foo", "10.9.9.9"), *on("foo", service)))
    for rtype in ("A", "AAAA"):
        answer = [f"db.service.consul. 0 IN {rtype} {found[rtype]}"] if rtype in found else []
        assert answer == lines(ask(f"db.service.consul. {rtype}", there).answer)


def test_non_existent_dc(ask: Ask, foo: QueryContext) -> None:
    for name in ("db.service.dc2.consul.", "_db._tcp.dc2.consul.", "db.service.dc1.peer.consul."):
        reply = ask(f"{name} ANY", foo)
        assert (dns.rcode.NXDOMAIN, [], [], 1) == (
            reply.rcode(),
            reply.answer,
            reply.additional,
            len(reply.authority),
        )


# Sections 4.7 and 4.8


def test_servers_are_the_service_consul(
    ask: Ask, server: Callable[[str, str], Change], pool: tuple[Change, ...]
) -> None:
    del server, pool
    addresses = lines(ask("consul.service.consul. ANY").answer)
    assert [
        "consul.service.consul. 0 IN A 172.20.20.10",
        "consul.service.consul. 0 IN AAAA 2001:db8::6",
    ] == sorted(addresses)
    targets = sorted(rdata.to_text() for rdata in ask("consul.service.dc1.consul. SRV").answer[0])
    assert ["1 1 8301 Agent-One.node.dc1.consul.", "1 1 8301 agent-six.node.dc1.consul."] == targets


@pytest.mark.parametrize(("status", "weight"), [(PASSING, 10), (WARNING, 1)])
def test_weight_goes_by_health(ask: Ask, make_context: MakeContext, status: CheckStatus, weight: int) -> None:
    there = make_context((node("foo"), *on("foo", db(weights=Weights(10, 1), port=0), status)))
    assert [f"db.service.consul. 0 IN SRV 1 {weight} 0 foo.node.dc1.consul."] == lines(
        ask("db.service.consul. SRV", there).answer
    )

"""What a browser of DNS-SD finds (RFC 6763), asked of ``respond``."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest

from nodedns.dns.policy import DnsPolicy, ServiceTtls
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext
from nodedns.dns.type_kind import instance_label
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import Change, CheckRegistered, ExternalNode, NodeRegistered, ServiceRegistered
from nodedns.table.node_table import NodeTable

Ask = Callable[..., dns.message.Message]
MakeContext = Callable[..., QueryContext]


def node(name: str, address: str = "10.0.0.1") -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address))


def on(name: str, service: Service) -> Change:
    return ServiceRegistered(NodeName(name), service)


def critical(name: str, service_id: str) -> Change:
    return CheckRegistered(NodeName(name), Check("c", "c", CheckStatus.CRITICAL, service_id=service_id))


WEB = Service("web", "Web", port=80, meta={"path": "/a", "v": "1"}, tags=("primary",))
CHANGES = (
    node("one", "10.0.0.1"),
    node("two.lan", "10.0.0.2"),
    node("three", "2001:db8::3"),
    on("one", WEB),
    on("one", attrs.evolve(WEB, id="web 2", port=81, meta={}, tags=("Primary", "v1.x"))),
    on("two.lan", attrs.evolve(WEB, address="10.9.9.9")),
    on("three", Service("dns", "dns", port=53, tags=("udp", "tcp"))),
    on("three", Service("ntp", "ntp", port=123, tags=("UDP",))),
    on("three", Service("ill", "ill", port=1)),
    critical("three", "ill"),
    on("three", Service("odd", "a-name-of-more-than-fifteen", port=1)),
    on("three", Service("dot", "dot.ted", port=1)),
    on("three", Service("under", "under_score", port=1)),
    on("three", Service("12", "12", port=1)),
)


@pytest.fixture
def there(make_context: MakeContext) -> QueryContext:
    return make_context(CHANGES, policy=DnsPolicy(service_ttl=ServiceTtls({"*": 5, "web": 60})))


@pytest.fixture
def found(ask: Ask, there: QueryContext) -> Callable[[str], list[str]]:
    """Ask ``name type`` and return the data of its answer, sorted."""

    def find(what: str) -> list[str]:
        reply = ask(what, there)
        assert not reply.flags & dns.flags.TC
        return sorted(rdata.to_text() for rrset in reply.answer for rdata in rrset)

    return find


Found = Callable[[str], list[str]]


@pytest.mark.parametrize("domain", ["consul.", "dc1.consul.", "dc1.dc.consul."])
def test_types_are_those_that_rfc_6335_has_names_for(found: Found, domain: str) -> None:
    types = ["_Web._tcp", "_dns._tcp", "_dns._udp", "_ntp._udp"]
    assert [f"{each}.{domain}" for each in types] == found(f"_services._dns-sd._udp.{domain} PTR")


def test_domain_to_browse_is_the_one_asked(found: Found) -> None:
    for start in ("b", "db", "lb"):
        assert ["consul."] == found(f"{start}._dns-sd._udp.consul. PTR")
        assert ["DC1.Consul."] == found(f"{start}._dns-sd._udp.DC1.Consul. PTR")


def test_nobody_may_register_by_dns(ask: Ask, there: QueryContext) -> None:
    for start in ("r", "dr"):
        assert dns.rcode.NXDOMAIN == ask(f"{start}._dns-sd._udp.consul. PTR", there).rcode()


def test_instances_are_one_label_below_their_type(found: Found) -> None:
    instances = ["one._web._tcp.consul.", r"one:web\0322._web._tcp.consul.", r"two\.lan._web._tcp.consul."]
    assert instances == found("_web._tcp.consul. PTR")


def test_description_comes_with_the_list(ask: Ask, there: QueryContext) -> None:
    reply = ask("_dns._udp.consul. PTR", there)
    assert [
        "three._dns._udp.consul. 5 IN SRV 1 1 53 three.node.dc1.consul.",
        'three._dns._udp.consul. 5 IN TXT ""',
        "three.node.dc1.consul. 5 IN AAAA 2001:db8::3",
    ] == [rrset.to_text() for rrset in reply.additional]


def test_instance_has_its_own_port_and_meta(ask: Ask, there: QueryContext) -> None:
    srv = ask("ONE._web._tcp.consul. SRV", there)
    assert ["ONE._web._tcp.consul. 60 IN SRV 1 1 80 one.node.dc1.consul."] == [srv.answer[0].to_text()]
    assert ["one.node.dc1.consul. 60 IN A 10.0.0.1"] == [rrset.to_text() for rrset in srv.additional]
    (text,) = ask("one._web._tcp.consul. TXT", there).answer
    assert (60, ['"path=/a" "v=1"']) == (text.ttl, [rdata.to_text() for rdata in text])


def test_name_with_blank_and_dots_is_looked_up_as_it_was_listed(found: Found) -> None:
    assert ["1 1 81 one.node.dc1.consul."] == found(r"one:web\0322._web._tcp.consul. SRV")
    assert ["1 1 80 0a090909.addr.dc1.consul."] == found(r"two\.lan._web._tcp.consul. SRV")
    assert [] == found("two.lan._web._tcp.consul. SRV")


def test_text_of_nothing_is_one_zero_byte(ask: Ask, there: QueryContext) -> None:
    (text,) = ask(r"one:web\0322._web._tcp.consul. TXT", there).answer
    assert [(b"",)] == [rdata.strings for rdata in text]


def test_tags_are_subtypes(found: Found) -> None:
    assert ["one._web._tcp.consul.", r"one:web\0322._web._tcp.consul.", r"two\.lan._web._tcp.consul."] == found(
        "primary._sub._web._tcp.consul. PTR"
    )
    assert [r"one:web\0322._web._tcp.consul."] == found(r"v1\.x._sub._web._tcp.consul. PTR")


@pytest.mark.parametrize(
    ("name", "rcode"),
    [
        ("_tcp", dns.rcode.NOERROR),
        ("_udp.dc1", dns.rcode.NOERROR),
        ("_dns-sd._udp", dns.rcode.NOERROR),
        ("_sub._web._tcp", dns.rcode.NOERROR),
        ("_ntp._tcp", dns.rcode.NOERROR),  # RFC 2782 as Consul has it: of any tag
        ("three._ntp._tcp", dns.rcode.NXDOMAIN),
        ("three._ntp._udp", dns.rcode.NOERROR),
        ("_ill._tcp", dns.rcode.NXDOMAIN),
        ("three._ill._tcp", dns.rcode.NXDOMAIN),
        ("_web._udp", dns.rcode.NXDOMAIN),
        ("nobody._web._tcp", dns.rcode.NXDOMAIN),
        ("x.one._web._tcp", dns.rcode.NXDOMAIN),
        ("q._sub._web._tcp", dns.rcode.NXDOMAIN),
        ("x.primary._sub._web._tcp", dns.rcode.NXDOMAIN),
        ("web._tcp", dns.rcode.NXDOMAIN),
        ("one._web._primary", dns.rcode.NXDOMAIN),
        ("_web._primary", dns.rcode.NOERROR),
        ("_web._tcp.dc2", dns.rcode.NXDOMAIN),
        ("x._services._dns-sd._udp", dns.rcode.NXDOMAIN),
        ("_services._dns-sd._udp.http.port", dns.rcode.NXDOMAIN),
        ("b._dns-sd._udp.x.port", dns.rcode.NXDOMAIN),
        ("_a-name-of-more-than-fifteen._tcp", dns.rcode.NOERROR),
    ],
)
@pytest.mark.parametrize("rtype", ["PTR", "SRV", "TXT", "A"])
def test_names_there_and_not_there(
    ask: Ask, there: QueryContext, name: str, rcode: dns.rcode.Rcode, rtype: str
) -> None:
    reply = ask(f"{name}.consul. {rtype}", there)
    assert rcode == reply.rcode()
    assert bool(reply.answer) != bool(reply.authority)


def test_every_domain_is_browsed_in_its_own_name(ask: Ask, there: QueryContext) -> None:
    served = Zones(Zone.of_domains(("consul", "lan")))
    reply = ask("_dns._tcp.lan. PTR", there, zones=served)
    names = [str(rrset.name) for rrset in reply.additional]
    assert (["three._dns._tcp.lan."], ["three._dns._tcp.lan.", "three._dns._tcp.lan.", "three.node.dc1.lan."]) == (
        [rdata.to_text() for rdata in reply.answer[0]],
        names,
    )


def test_more_instances_than_fit_are_listed_over_tcp(ask: Ask, make_context: MakeContext) -> None:
    changes = [change for number in range(200) for change in (node(f"n{number}"), on(f"n{number}", WEB))]
    there = make_context(tuple(changes))
    cut = ask("_web._tcp.consul. PTR", there)
    assert (dns.flags.TC, []) == (cut.flags & dns.flags.TC, cut.answer)
    whole = ask("_web._tcp.consul. PTR", there, transport=Transport.TCP)
    assert (200, 3 * 64) == (len(whole.answer[0]), len(whole.additional))


def label_of(node_name: str, service_id: str = "web") -> bytes | None:
    table = NodeTable("dc1", NodeName("me"), 1)
    view = table.apply([node(node_name), on(node_name, attrs.evolve(WEB, id=service_id))])
    group = view.service("web")
    assert group is not None
    return instance_label(group.instances[0])


def test_label_that_is_too_long_is_cut_and_still_its_own() -> None:
    long = f"_nomad-task-{'5f3e' * 10}-group-web-web-http"
    labels = [label_of("node", long + end) for end in ("1", "2")]
    assert all(
        label is not None and len(label) == 63 and label.startswith(b"node:_nomad-task-5f3e") for label in labels
    )
    assert 2 == len(set(labels))


def test_label_is_cut_between_characters() -> None:
    label = label_of("ü" * 40)
    assert label is not None
    assert label.decode().startswith("ü" * 27 + "~")


def test_control_characters_are_no_part_of_a_label() -> None:
    assert label_of("a\tb") is None


def test_instances_whose_names_are_one_are_listed_once(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((node("a"), on("a", attrs.evolve(WEB, id="X", port=1)), on("a", attrs.evolve(WEB, id="x"))))
    assert [r"a:X._web._tcp.consul."] == [rdata.to_text() for rdata in ask("_web._tcp.consul. PTR", there).answer[0]]
    (srv,) = ask("a:x._web._tcp.consul. SRV", there).answer
    assert "1 1 1 a.node.dc1.consul." == srv[0].to_text()

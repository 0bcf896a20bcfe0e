"""What an address that a service has of its own answers, Consul's rows among them."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import dns.message
import dns.rcode
import dns.reversename
import pytest

from nodedns.dns.responder import QueryContext
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service, ServiceAddress
from nodedns.table.changes import Change, CheckRegistered, ExternalNode, NodeRegistered, ServiceRegistered

Ask = Callable[..., dns.message.Message]
MakeContext = Callable[..., QueryContext]
FOO = NodeName("foo")


def node(address: str, name: str = "foo") -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address))


def on_foo(name: str, address: str = "", **tagged: str) -> Change:
    addresses = {tag: ServiceAddress(ip) for tag, ip in tagged.items()}
    return ServiceRegistered(FOO, Service(name, name, address=address, port=1, tagged_addresses=addresses))


@pytest.fixture
def point(ask: Ask, make_context: MakeContext) -> Callable[..., str]:
    """Ask for the PTR record of an IP, and return its target, or the response code's name."""

    def pointer(ip: str, *changes: Change, domains: tuple[str, ...] = ("consul",)) -> str:
        forward = Zone.of_domains(domains)
        zones = Zones(forward, ReverseZones.of_prefixes(None, forward[0].origin))
        there = attrs.evolve(make_context(changes), zones=zones)
        reply = ask(f"{dns.reversename.from_address(ip)} PTR", there)
        return reply.answer[0][0].to_text() if reply.answer else dns.rcode.to_text(reply.rcode())

    return pointer


def test_service_reverse_lookup(point: Callable[..., str]) -> None:
    assert "db.service.dc1.consul." == point("127.0.0.2", node("127.0.0.1"), on_foo("db", "127.0.0.2"))


def test_service_reverse_lookup_ipv6(point: Callable[..., str]) -> None:
    ip = "2001:db8::ff00:42:8329"
    assert "db.service.dc1.consul." == point(ip, node("2001:db8::1"), on_foo("db", ip))


def test_service_reverse_lookup_custom_domain(point: Callable[..., str]) -> None:
    changes = (node("127.0.0.1"), on_foo("db", "127.0.0.2"))
    assert "db.service.dc1.custom." == point("127.0.0.2", *changes, domains=("custom", "consul"))


def test_service_reverse_lookup_node_address(point: Callable[..., str]) -> None:
    assert "foo.node.dc1.consul." == point("127.0.0.1", node("127.0.0.1"), on_foo("db", "127.0.0.1"))


def test_service_without_an_address_of_its_own_has_no_pointer(point: Callable[..., str]) -> None:
    changes = (node("127.0.0.1"), on_foo("db"), on_foo("web", "host.example.com"))
    assert "foo.node.dc1.consul." == point("127.0.0.1", *changes)


def test_tagged_addresses_of_a_service_have_pointers(point: Callable[..., str]) -> None:
    changes = (node("10.0.0.1"), on_foo("db", lan_ipv4="10.9.9.9", lan_ipv6="2001:db8::9", wan="192.0.2.1"))
    assert ["db.service.dc1.consul."] * 2 == [point(ip, *changes) for ip in ("10.9.9.9", "2001:db8::9")]
    assert "REFUSED" == point("192.0.2.1", *changes)


def test_shared_address_names_the_first_service_that_dns_can_spell(point: Callable[..., str]) -> None:
    changes = (node("10.0.0.1"), *(on_foo(name, "10.0.9.9") for name in ("web", "Db", "a.b", "x" * 64)))
    assert "Db.service.dc1.consul." == point("10.0.9.9", *changes)
    assert "NOERROR" == point("10.0.9.9", *changes[:1], *changes[3:])


def test_address_of_a_node_that_dns_cannot_spell_names_the_service(point: Callable[..., str]) -> None:
    assert "db.service.dc1.consul." == point(
        "10.0.0.9", node("10.0.0.1"), node("10.0.0.9", "a..b"), on_foo("db", "10.0.0.9")
    )


def test_service_that_is_not_well_keeps_its_pointer(point: Callable[..., str]) -> None:
    check = CheckRegistered(FOO, Check("c", "c", CheckStatus.CRITICAL, service_id="db"))
    assert "db.service.dc1.consul." == point("10.0.9.9", node("10.0.0.1"), on_foo("db", "10.0.9.9"), check)


def test_zone_of_a_service_address_is_there_with_it(point: Callable[..., str]) -> None:
    there = (node("10.0.0.1"), on_foo("db", "10.0.9.9"))
    assert ("NXDOMAIN", "REFUSED") == (point("10.0.9.8", *there), point("10.0.9.8", *there[:1]))

"""Names of services are told for the tags and ports that an instance has together."""

from __future__ import annotations

from collections.abc import Sequence

from nodedns.dns.name import Labels
from nodedns.dns.zone_names import ZoneNames
from nodedns.model.limits import MAX_TAGS_TIMES_PORTS
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service
from nodedns.table.changes import ExternalNode, NodeRegistered, ServiceRegistered
from nodedns.table.node_table import NodeTable

ME = NodeName("me")


def names_of(*services: Service) -> list[Labels]:
    table = NodeTable("dc1", ME, 1)
    table.apply([NodeRegistered(ExternalNode(ME, "", "10.0.0.1", {}, {}))])
    table.apply([ServiceRegistered(ME, service) for service in services])
    group = table.view.service_folded("web")
    assert group is not None
    return list(ZoneNames.of_datacenter("dc1").of_service("web", group.instances))


def web(service_id: str, tags: Sequence[str], ports: Sequence[str]) -> Service:
    return Service(service_id, "web", tags=tuple(tags), ports=tuple(NamedPort(name, 80) for name in ports))


def test_tag_of_one_instance_is_not_told_with_the_port_of_another() -> None:
    names = names_of(web("one", ["a"], ["http"]), web("two", ["b"], ["admin"]))
    assert {(b"a", b"web", b"service", b"http", b"port"), (b"b", b"web", b"service", b"admin", b"port")} <= set(names)
    assert (b"a", b"web", b"service", b"admin", b"port") not in names


def test_names_grow_with_the_instances_not_with_their_product() -> None:
    few, many = (names_of(*(web(f"i{n}", [f"t{n}"], [f"p{n}"]) for n in range(count))) for count in (10, 100))
    assert len(many) <= 11 * len(few)


def test_instance_has_a_name_for_each_of_its_tags_with_each_of_its_ports() -> None:
    tags, ports = [f"t{number}" for number in range(MAX_TAGS_TIMES_PORTS // 8)], [f"p{number}" for number in range(8)]
    names = set(names_of(web("one", tags, ports)))
    assert {(t.encode(), b"web", b"service", p.encode(), b"port") for t in tags for p in ports} <= names

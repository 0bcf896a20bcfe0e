"""Names of services are told for the tags and ports that an instance has together, and bounded."""

from __future__ import annotations

from collections.abc import Sequence

from nodedns.dns.name import Labels
from nodedns.dns.zone_names import MAX_PAIRS, ZoneNames
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


def test_instance_of_very_many_tags_and_ports_has_no_names_with_both() -> None:
    tags = [f"t{number}" for number in range(MAX_PAIRS // 8 + 1)]
    names = names_of(web("one", tags, [f"p{number}" for number in range(8)]))
    assert {(b"t0", b"web", b"service"), (b"web", b"service", b"p7", b"port")} <= set(names)
    assert (b"t0", b"web", b"service", b"p0", b"port") not in names
    assert (b"t0", b"web", b"service", b"p0", b"port") in names_of(web("one", tags[:-1], [f"p{n}" for n in range(8)]))

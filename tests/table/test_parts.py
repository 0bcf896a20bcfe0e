"""Parts of the table: every change of an answer is a change of the part that the answer is made of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import (
    Change,
    CheckDeregistered,
    CheckRegistered,
    ClusterKnown,
    ExternalNode,
    NodeDeregistered,
    NodeRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.table.node_table import NodeTable
from nodedns.table.parts import CHECKS, INSTANCES, NODES, SERVICES, WHOLE, Part, changed_parts, node_part, service_part
from nodedns.table.view import TableView

A, B = NodeName("a"), NodeName("B")
WEB = Service("web1", "Web")


def node(name: NodeName, address: str = "10.0.0.1") -> NodeRegistered:
    return NodeRegistered(ExternalNode(name, "", address))


def check(status: CheckStatus, service_id: str = "") -> Check:
    return Check("c", "c", status, service_id=service_id)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (node(NodeName("c")), [NODES, node_part("c")]),
        (node(A, "10.0.0.2"), [NODES, INSTANCES, node_part("a"), service_part("web")]),
        (node(B, "10.0.0.2"), [NODES, node_part("b")]),
        (NodeDeregistered(A), [NODES, SERVICES, INSTANCES, CHECKS, node_part("a"), service_part("web")]),
        (ServiceRegistered(B, Service("web2", "WEB")), [INSTANCES, node_part("b"), service_part("web")]),
        (ServiceRegistered(B, Service("db", "db")), [SERVICES, INSTANCES, node_part("b"), service_part("db")]),
        (CheckRegistered(B, check(CheckStatus.PASSING)), [CHECKS, node_part("b")]),
        (CheckRegistered(A, check(CheckStatus.CRITICAL)), [CHECKS, node_part("a"), service_part("web")]),
        (ClusterKnown(), []),
    ],
)
def test_change_names_the_parts_it_touches(change: Change, parts: list[Part]) -> None:
    table = NodeTable("dc1", NodeName("me"), 100, cluster_known=False)
    before = table.apply([node(A), node(B), ServiceRegistered(A, WEB), CheckRegistered(A, check(CheckStatus.PASSING))])
    after = table.apply([change])

    assert [WHOLE, *parts] == changed_parts(before, after, table.touched_nodes, table.service_changes)


NODES_ANY = st.sampled_from([A, B, NodeName("A")])
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(node, NODES_ANY, st.sampled_from(["10.0.0.1", "10.0.0.2"])),
    st.builds(NodeDeregistered, NODES_ANY),
    st.builds(
        ServiceRegistered,
        NODES_ANY,
        st.builds(Service, st.sampled_from(["x", "y"]), st.sampled_from(["web", "db"]), st.sampled_from([(), ("t",)])),
    ),
    st.builds(ServiceDeregistered, NODES_ANY, st.sampled_from(["x", "y"])),
    st.builds(
        CheckRegistered,
        NODES_ANY,
        st.builds(check, st.sampled_from(list(CheckStatus)), st.sampled_from(["", "x"])),
    ),
    st.builds(CheckDeregistered, NODES_ANY, st.just("c")),
)


def instances(view: TableView) -> object:
    return [(i.service, i.row) for group in view.services() for i in group.instances]


def listed(view: TableView, status: CheckStatus | None = None) -> object:
    found = []
    for row in view.nodes():
        services = view.node_services(row.name)
        assert services is not None
        found += [(row.name, c) for c in services.checks if status in {None, c.check.status}]
    return found


def services_of(view: TableView, name: str) -> object:
    group = view.service(name)
    return None if group is None else [(i.service, i.row, i.checks) for i in group.instances]


def catalog_of(view: TableView, name: str) -> object:
    found = view.node_services(name)
    return None if found is None else (found.row, [i.service for i in found.instances])


def checks_of(view: TableView, name: str) -> object:
    found = view.node_services(name)
    return None if found is None else (found.row.name if found.checks else "", found.checks)


Seen = Callable[[TableView], object]
Index = Callable[[TableView], int]


def node_index(name: str, *, of_checks: bool) -> Index:
    def index(view: TableView) -> int:
        found = view.node_services(name)
        if found is None:
            return view.catalog_index
        return found.checks_index if of_checks else found.catalog_index

    return index


def service_index(name: str, *, with_health: bool) -> Index:
    def index(view: TableView) -> int:
        group = view.service(name)
        if group is None:
            return view.services_index
        return group.index if with_health else group.catalog_index

    return index


ANSWERS: list[tuple[Part, Seen, Index]] = [
    (NODES, lambda view: view.nodes(), lambda view: view.catalog_index),
    (
        SERVICES,
        lambda view: [(group.folded, group.tags) for group in view.services()],
        lambda view: view.services_index,
    ),
    (INSTANCES, instances, lambda view: view.registered_index),
    (CHECKS, listed, lambda view: view.checks_index),
    (
        CHECKS,
        lambda view: listed(view, CheckStatus.CRITICAL),
        lambda view: view.status_index(CheckStatus.CRITICAL),
    ),
    (node_part("A"), lambda view: catalog_of(view, "a"), node_index("a", of_checks=False)),
    (node_part("a"), lambda view: checks_of(view, "a"), node_index("a", of_checks=True)),
    (service_part("WEB"), lambda view: services_of(view, "web"), service_index("web", with_health=True)),
    (
        service_part("web"),
        lambda view: None if services_of(view, "web") is None else instances_of_web(view),
        service_index("web", with_health=False),
    ),
]


def instances_of_web(view: TableView) -> object:
    group = view.service("web")
    return None if group is None else [(i.service, i.row) for i in group.instances]


@given(st.lists(st.lists(CHANGES, max_size=3), max_size=8))
def test_what_differs_has_its_part_named_and_its_index_raised(batches: list[list[Change]]) -> None:
    table = NodeTable("dc1", NodeName("me"), 100)
    for batch in batches:
        before = table.view
        after = table.apply(batch)
        parts = (
            changed_parts(before, after, table.touched_nodes, table.service_changes)
            if after.index > before.index
            else []
        )
        for part, seen, index in ANSWERS:
            assert index(before) <= index(after)
            if seen(before) != seen(after):
                assert part in parts
                assert index(before) < index(after)

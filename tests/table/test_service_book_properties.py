"""Whatever is registered in whatever order: the view is what joining all anew would give; indexes only rise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.address import Address
from nodedns.model.check import Check, CheckStatus
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName, fold
from nodedns.model.service import Service, ServiceAddress
from nodedns.table.address_index import digits_of
from nodedns.table.changes import (
    Change,
    CheckDeregistered,
    CheckRegistered,
    ExternalNode,
    MemberForgotten,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.table.node_table import NodeTable
from nodedns.table.service_rows import Instance
from nodedns.table.view import TableView

NODES = st.sampled_from(["a", "A", "b", "c"]).map(NodeName)
IDS = st.sampled_from(["one", "two"])
STATUSES = st.sampled_from(list(CheckStatus))
SERVICES = st.builds(
    Service,
    IDS,
    st.sampled_from(["web", "WEB", "db"]),
    st.sampled_from([(), ("x",), ("x", "y")]),
    address=st.sampled_from(["", "10.0.0.8", "10.0.0.9", "::ffff:10.0.0.9", "2001:db8::9", "host.example"]),
    port=st.integers(0, 2),
    tagged_addresses=st.sampled_from([{}, {"lan_ipv6": ServiceAddress("2001:db8::9")}]),
)
CHECKS = st.builds(Check, IDS, st.just("check"), STATUSES, service_id=st.sampled_from(["", "one", "two"]))
MEMBERS = st.builds(
    lambda name, status, is_server: SerfMember(
        name,
        Address(b"\x0a\0\0\1", 8301),
        {"nodedns": "1", "server": "1"} if is_server else {},
        status,
        Versions(bytes((1, 5, 2, 2, 5, 4))),
    ),
    NODES,
    st.sampled_from([MemberStatus.ALIVE, MemberStatus.FAILED, MemberStatus.LEFT]),
    st.booleans(),
)
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(NodeRegistered, st.builds(ExternalNode, NODES, st.just(""), st.sampled_from(["10.0.0.1", "10.0.0.2"]))),
    st.builds(NodeDeregistered, NODES),
    st.builds(ServiceRegistered, NODES, SERVICES),
    st.builds(ServiceDeregistered, NODES, IDS),
    st.builds(CheckRegistered, NODES, CHECKS),
    st.builds(CheckDeregistered, NODES, IDS),
    st.builds(MemberUpserted, MEMBERS),
    st.builds(MemberForgotten, NODES),
)


def shown(view: TableView) -> dict[str, list[Instance]]:
    return {group.folded: list(group.instances) for group in view.services()}


def joined(view: TableView) -> dict[str, list[Instance]]:
    """Return what ``shown`` is to be, made from what each node shows."""
    found: dict[str, list[Instance]] = {}
    for row in view.nodes():
        services = view.node_services(row.name)
        assert services is not None
        assert services.row == row
        for instance in services.instances:
            own = [check for check in services.checks if check.check.service_id in ("", instance.service.id)]
            assert sorted(own, key=lambda check: check.check.id) == sorted(
                instance.checks, key=lambda check: check.check.id
            )
            found.setdefault(fold(instance.service.name), []).append(instance)
    return found


@given(st.lists(st.lists(CHANGES, max_size=4), max_size=12))
def test_what_is_shown_is_what_is_registered_joined_with_its_nodes(batches: list[list[Change]]) -> None:
    table = NodeTable("dc1", NodeName("self"), 1)
    for batch in batches:
        before, view = table.view, table.apply(batch)
        assert joined(view) == shown(view)
        _indexes_are_right(before, view, table)
        for row in view.nodes():
            services, checks = table.registered(row.name)
            present = view.node_services(row.name)
            assert present is not None
            assert all(service in [instance.service for instance in present.instances] for service in services)
            assert all(check in [row.check for row in present.checks] for check in checks)


@given(st.lists(st.lists(CHANGES, max_size=4), max_size=12))
def test_addresses_are_those_of_the_instances_shown_and_each_move_is_told(batches: list[list[Change]]) -> None:
    table = NodeTable("dc1", NodeName("self"), 1)
    for batch in batches:
        before, view = table.view, table.apply(batch)
        told = {ip for change in table.service_changes for ip in change.moved_ips} if view is not before else set()
        for ip in ("10.0.0.8", "10.0.0.9", "2001:db8::9"):
            expected = [
                instance for group in view.services() for instance in group.instances if ip in instance.own_ip_texts
            ]
            assert expected == list(view.instances_at(ip))
            assert bool(expected or view.nodes_at(ip)) == view.has_addresses_under(digits_of(ip))
            if names_at(before, ip) != names_at(view, ip):
                assert ip in told


def names_at(view: TableView, ip: str) -> list[str]:
    return [instance.service.name for instance in view.instances_at(ip)]


def _indexes_are_right(before: TableView, view: TableView, table: NodeTable) -> None:
    assert before.services_index <= view.services_index <= view.index
    assert before.checks_index <= view.checks_index <= view.index
    if before is view:
        return
    changed = {change.folded for change in table.service_changes}
    for group in (*before.services(), *view.services()):
        now, was = view.service(group.folded), before.service(group.folded)
        assert (now is not was) == (group.folded in changed)
        if now is not None and now is not was:
            assert now.index == view.index
    names = [[(group.folded, group.tags) for group in each.services()] for each in (before, view)]
    assert (names[0] != names[1]) == (view.services_index == view.index and before is not view)

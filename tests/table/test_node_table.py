"""Who has a row, and when the index moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from nodedns.errors import LocalProtocolError
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.changes import (
    Change,
    ClusterKnown,
    ExternalNode,
    MemberForgotten,
    MemberHidden,
    MemberShown,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
)
from nodedns.table.node_table import NodeTable
from nodedns.table.view import TableView

MakeMember = Callable[..., SerfMember]
FIRST = 100


@pytest.fixture
def table() -> NodeTable:
    return NodeTable("dc1", NodeName("one"), FIRST)


def external(name: str, address: str = "192.0.2.1", **meta: str) -> ExternalNode:
    return ExternalNode(NodeName(name), "", address, {}, meta)


def names(view: TableView) -> list[str]:
    return [row.name for row in view.nodes()]


@pytest.mark.parametrize("status", [MemberStatus.ALIVE, MemberStatus.LEAVING, MemberStatus.FAILED])
def test_member_that_has_not_left_has_a_row(table: NodeTable, make_member: MakeMember, status: MemberStatus) -> None:
    row = table.apply([MemberUpserted(make_member("one", status=status))]).node("one")
    assert row is not None
    assert (status, "10.0.0.1", True) == (row.status, row.address, row.is_member)


def test_member_that_left_is_listed_and_has_no_row(table: NodeTable, make_member: MakeMember) -> None:
    table.apply([MemberUpserted(make_member("one"))])
    view = table.apply([MemberUpserted(make_member("one", status=MemberStatus.LEFT))])
    assert ([], ["one"]) == (names(view), [member.name for member in view.members()])


def test_forgotten_member_is_not_listed(table: NodeTable, make_member: MakeMember) -> None:
    table.apply([MemberUpserted(make_member("one"))])
    view = table.apply([MemberForgotten(NodeName("one"))])
    assert ((), (), None) == (view.nodes(), view.members(), view.member("one"))


def test_member_of_another_datacenter_is_listed_and_has_no_row(table: NodeTable, make_member: MakeMember) -> None:
    view = table.apply([MemberUpserted(make_member("far", tags={"role": "node", "vsn": "2", "dc": "dc2"}))])
    assert ([], 1) == (names(view), len(view.members()))


def test_member_without_a_usable_address_has_no_row(table: NodeTable) -> None:
    member = SerfMember(NodeName("odd"), Address(b"\1\2", 1), {}, MemberStatus.ALIVE, Versions(b""))
    assert [] == names(table.apply([MemberUpserted(member)]))


def test_lookup_folds_ascii_case_and_nothing_else(table: NodeTable, make_member: MakeMember) -> None:
    view = table.apply([MemberUpserted(make_member("Äb"))])
    assert (True, False) == (view.node("ÄB") is not None, view.node("äb") is not None)


def test_lookup_in_another_datacenter_finds_nothing(table: NodeTable, make_member: MakeMember) -> None:
    view = table.apply([MemberUpserted(make_member("one"))])
    assert (None, True) == (view.node("one", "dc2"), view.node("one", "DC1") is not None)


def test_member_hides_the_external_node_of_its_name(table: NodeTable, make_member: MakeMember) -> None:
    view = table.apply([NodeRegistered(external("ONE")), MemberUpserted(make_member("one"))])
    assert ["one"] == names(view)


def test_external_node_shows_again_when_the_member_leaves(table: NodeTable, make_member: MakeMember) -> None:
    table.apply([NodeRegistered(external("ONE")), MemberUpserted(make_member("one"))])
    assert ["ONE"] == names(table.apply([MemberUpserted(make_member("one", status=MemberStatus.LEFT))]))


def test_registering_behind_a_member_shows_nothing_and_keeps_the_index(
    table: NodeTable, make_member: MakeMember
) -> None:
    before = table.apply([MemberUpserted(make_member("one"))])
    assert before is table.apply([NodeRegistered(external("one"))])
    left = table.apply([MemberUpserted(make_member("one", status=MemberStatus.LEFT))])
    assert ["one"] == names(left)


def test_deregistering_leaves_a_member_alone(table: NodeTable, make_member: MakeMember) -> None:
    before = table.apply([MemberUpserted(make_member("one"))])
    assert before is table.apply([NodeDeregistered(NodeName("one"))])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (MemberStatus.ALIVE, MemberStatus.ALIVE, "test"),
        (MemberStatus.ALIVE, MemberStatus.FAILED, "test"),
        (MemberStatus.FAILED, MemberStatus.ALIVE, "TEST"),
        (MemberStatus.FAILED, MemberStatus.FAILED, "TEST"),
        (MemberStatus.FAILED, MemberStatus.LEFT, "test"),
    ],
)
def test_of_two_spellings_the_one_alive_first_then_the_latest_has_the_row(
    table: NodeTable, make_member: MakeMember, first: MemberStatus, second: MemberStatus, expected: str
) -> None:
    view = table.apply(
        [MemberUpserted(make_member("test", status=first)), MemberUpserted(make_member("TEST", status=second))]
    )
    assert [expected] == names(view)


def test_holder_of_a_name_in_two_spellings_keeps_it_until_it_is_gone(table: NodeTable, make_member: MakeMember) -> None:
    def holder(name: str, **changes: Any) -> list[str]:
        return names(table.apply([MemberUpserted(make_member(name, **changes))]))

    assert ["test"] == holder("test")
    assert ["test"] == holder("TEST")
    assert ["test"] == holder("test", tags={"colour": "red"})
    assert ["test"] == holder("TEST", tags={"colour": "blue"})
    assert ["TEST"] == holder("test", status=MemberStatus.FAILED)
    assert ["TEST"] == holder("test")
    assert ["test"] == holder("TEST", status=MemberStatus.LEFT)


def test_forgetting_one_spelling_leaves_the_other(table: NodeTable, make_member: MakeMember) -> None:
    table.apply([MemberUpserted(make_member("test")), MemberUpserted(make_member("TEST"))])
    assert ["test"] == names(table.apply([MemberForgotten(NodeName("TEST"))]))


def test_index_rises_by_one_for_each_effective_change(table: NodeTable, make_member: MakeMember) -> None:
    changes = [MemberUpserted(make_member("a")), MemberUpserted(make_member("b")), MemberUpserted(make_member("a"))]
    assert FIRST + 2 == table.apply(changes).index


def test_change_that_alters_nothing_returns_the_same_view(table: NodeTable, make_member: MakeMember) -> None:
    before = table.apply([MemberUpserted(make_member("one")), NodeRegistered(external("x"))])
    again: list[Change] = [
        MemberUpserted(make_member("one")),
        NodeRegistered(external("x")),
        MemberForgotten(NodeName("no")),
        NodeDeregistered(NodeName("no")),
        ClusterKnown(),
    ]
    assert before is table.apply(again)


def test_change_of_a_member_without_a_row_leaves_nodes_index(table: NodeTable, make_member: MakeMember) -> None:
    left = make_member("gone", status=MemberStatus.LEFT)
    view = table.apply([MemberUpserted(left)])
    assert (FIRST + 1, FIRST) == (view.index, view.nodes_index)


def test_create_index_stays_and_modify_index_follows_the_address(table: NodeTable, make_member: MakeMember) -> None:
    table.apply([MemberUpserted(make_member("one"))])
    row = table.apply([MemberUpserted(make_member("one", "10.0.0.2"))]).node("one")
    assert row is not None
    assert (FIRST + 1, FIRST + 2) == (row.create_index, row.modify_index)


def test_failing_moves_nodes_index_but_not_modify_index(table: NodeTable, make_member: MakeMember) -> None:
    table.apply([MemberUpserted(make_member("one"))])
    view = table.apply([MemberUpserted(make_member("one", status=MemberStatus.FAILED))])
    row = view.node("one")
    assert row is not None
    assert (FIRST + 2, FIRST + 1) == (view.nodes_index, row.modify_index)
    assert FIRST + 1 == view.catalog_index


def test_catalog_index_moves_with_what_the_catalog_shows(table: NodeTable, make_member: MakeMember) -> None:
    indexes = [
        table.apply([change]).catalog_index
        for change in (
            MemberUpserted(make_member("one")),
            MemberUpserted(make_member("one", status=MemberStatus.FAILED)),
            MemberUpserted(make_member("one", "10.0.0.2", status=MemberStatus.FAILED)),
            MemberUpserted(make_member("one", "10.0.0.2", status=MemberStatus.LEFT)),
        )
    ]
    assert [FIRST + 1, FIRST + 1, FIRST + 3, FIRST + 4] == indexes


def test_many_nodes_of_one_address_are_taken_in_one_go(table: NodeTable) -> None:
    view = table.apply([NodeRegistered(external(f"x{number}")) for number in range(5_000)])
    row = view.node("x0")
    assert row is not None
    assert len(view.nodes_at(row.address)) == 5_000


def test_name_that_comes_back_is_created_anew(table: NodeTable) -> None:
    table.apply([NodeRegistered(external("x")), NodeDeregistered(NodeName("X"))])
    row = table.apply([NodeRegistered(external("x"))]).node("x")
    assert row is not None
    assert FIRST + 3 == row.create_index


def test_rows_that_did_not_change_are_shared_between_views(table: NodeTable, make_member: MakeMember) -> None:
    before = table.apply([MemberUpserted(make_member("a")), MemberUpserted(make_member("b"))])
    after = table.apply([MemberUpserted(make_member("b", "10.0.0.9"))])
    assert before.nodes()[0] is after.nodes()[0]


def test_views_between_which_no_node_changed_share_the_sorted_rows(table: NodeTable, make_member: MakeMember) -> None:
    before = table.apply([MemberUpserted(make_member("a"))])
    after = table.apply([MemberUpserted(make_member("z", status=MemberStatus.LEFT))])
    assert before.nodes() is after.nodes()


def test_old_view_does_not_see_later_changes(table: NodeTable, make_member: MakeMember) -> None:
    before = table.apply([MemberUpserted(make_member("a"))])
    table.apply([MemberForgotten(NodeName("a")), NodeRegistered(external("b.c"))])
    assert (["a"], ["a"], False) == (names(before), [m.name for m in before.members()], before.has_names_under("c"))


def test_external_node_does_not_follow_its_callers_mapping(table: NodeTable) -> None:
    meta = {"k": "v"}
    node = ExternalNode(NodeName("x"), "", "192.0.2.1", {}, meta)
    meta["k"] = "changed"
    row = table.apply([NodeRegistered(node)]).node("x")
    assert row is not None
    assert {"k": "v"} == row.meta


def test_cluster_once_known_stays_known() -> None:
    table = NodeTable("dc1", NodeName("one"), FIRST, cluster_known=False)
    assert table.view.cluster_known is False
    view = table.apply([ClusterKnown()])
    assert (True, FIRST + 1) == (view.cluster_known, view.index)


def test_servers_are_the_alive_ones_in_order(table: NodeTable, make_member: MakeMember) -> None:
    server = {"nodedns": "1", "server": "1"}
    view = table.apply(
        [
            MemberUpserted(make_member("c", tags=server)),
            MemberUpserted(make_member("a", tags=server)),
            MemberUpserted(make_member("b", tags=server, status=MemberStatus.FAILED)),
            MemberUpserted(make_member("d", tags={"nodedns": "1"})),
        ]
    )
    assert ["a", "c"] == [row.name for row in view.servers()]


def test_nodes_at_finds_addresses_and_lan_tags_in_any_spelling(table: NodeTable, make_member: MakeMember) -> None:
    dual = attrs.evolve(external("dual", "192.0.2.7"), tagged_addresses={"lan_ipv6": "2001:DB8:0::7"})
    view = table.apply([NodeRegistered(dual), MemberUpserted(make_member("b", "192.0.2.7"))])
    assert [["b", "dual"], ["dual"], [], []] == [
        [row.name for row in view.nodes_at(ip)] for ip in ("::ffff:192.0.2.7", "2001:db8::7", "192.0.2.8", "no ip")
    ]


def test_names_under_a_dotted_name_are_counted_down_again(table: NodeTable) -> None:
    view = table.apply([NodeRegistered(external("a.b.c")), NodeRegistered(external("x.c"))])
    assert [True, True, False] == [view.has_names_under(name) for name in ("b.c", "c", "a.b.c")]
    view = table.apply([NodeDeregistered(NodeName("a.b.c"))])
    assert [False, True] == [view.has_names_under(name) for name in ("b.c", "c")]


def test_hidden_member_is_listed_and_not_in_dns(table: NodeTable, make_member: MakeMember) -> None:
    failed = make_member("a.b", status=MemberStatus.FAILED)
    before = table.apply([MemberUpserted(failed)])
    view = table.apply([MemberHidden(failed.name)])
    row = view.node("a.b")
    assert row is not None
    assert (True, (), None, False) == (
        row.is_hidden,
        view.nodes_at("10.0.0.1"),
        view.node_folded("a.b"),
        view.has_names_under("b"),
    )
    assert (before.catalog_index, before.nodes_index + 1) == (view.catalog_index, view.nodes_index)
    assert ([failed], [row]) == (list(view.members()), list(view.nodes()))


def test_hidden_member_is_shown_again_when_its_status_changes(table: NodeTable, make_member: MakeMember) -> None:
    failed = make_member("a", status=MemberStatus.FAILED)
    table.apply([MemberUpserted(failed), MemberHidden(failed.name)])
    still = table.apply([MemberUpserted(attrs.evolve(failed, tags={"x": "1"}))])
    alive = table.apply([MemberUpserted(make_member("a"))])
    again = table.apply([MemberUpserted(failed)])
    assert [False, True, True] == [view.node_folded("a") is not None for view in (still, alive, again)]


def test_hidden_member_is_shown_again_on_demand(table: NodeTable, make_member: MakeMember) -> None:
    failed = make_member("a", status=MemberStatus.FAILED)
    table.apply([MemberUpserted(failed), MemberHidden(failed.name)])
    view = table.apply([MemberShown(failed.name)])
    assert view.node_folded("a") is not None
    assert view is table.apply([MemberShown(failed.name), MemberShown(NodeName("nobody"))])


def test_hidden_member_that_was_forgotten_is_not_hidden_when_it_is_back(
    table: NodeTable, make_member: MakeMember
) -> None:
    failed = make_member("a", status=MemberStatus.FAILED)
    table.apply([MemberUpserted(failed), MemberHidden(failed.name), MemberForgotten(failed.name)])
    assert table.apply([MemberUpserted(failed)]).node_folded("a") is not None


@pytest.mark.parametrize("status", [MemberStatus.ALIVE, MemberStatus.LEAVING, MemberStatus.LEFT])
def test_only_failed_members_are_hidden(table: NodeTable, make_member: MakeMember, status: MemberStatus) -> None:
    view = table.apply([MemberUpserted(make_member("a", status=status)), NodeRegistered(external("x"))])
    assert view is table.apply([MemberHidden(NodeName(name)) for name in ("a", "x", "nobody")])


@pytest.mark.parametrize("name", ["a..b", "a.b.", "x" * 64 + ".b"])
def test_name_that_dns_cannot_spell_makes_no_other_exist(table: NodeTable, name: str) -> None:
    assert table.apply([NodeRegistered(external(name))]).has_names_under("b") is False


def test_index_below_one_is_a_bug_of_the_caller() -> None:
    with pytest.raises(LocalProtocolError):
        NodeTable("dc1", NodeName("one"), 0)


def test_only_the_local_datacenter_is_known(table: NodeTable) -> None:
    assert ("dc1",) == table.view.datacenters()


def test_member_has_the_address_of_gossip_and_those_it_announces(table: NodeTable, make_member: MakeMember) -> None:
    one = make_member("one", tags={"nodedns": "1", "lan_ipv6": "2001:db8::1"})
    view = table.apply([MemberUpserted(one)])
    (row,) = view.nodes()
    assert ("10.0.0.1", ("10.0.0.1", "2001:db8::1")) == (row.address, row.ip_texts)
    assert {
        "lan": "10.0.0.1",
        "lan_ipv4": "10.0.0.1",
        "lan_ipv6": "2001:db8::1",
        "wan": "10.0.0.1",
        "wan_ipv4": "10.0.0.1",
    } == dict(row.tagged_addresses)
    assert (row,) == view.nodes_at("2001:db8::1")


def test_announced_address_of_the_same_family_takes_the_place_of_gossips(
    table: NodeTable, make_member: MakeMember
) -> None:
    (row,) = table.apply([MemberUpserted(make_member("one", tags={"lan_ipv4": "192.0.2.9"}))]).nodes()
    assert ("10.0.0.1", ("192.0.2.9",)) == (row.address, row.ip_texts)


def test_address_that_is_announced_no_more_is_gone(table: NodeTable, make_member: MakeMember) -> None:
    table.apply([MemberUpserted(make_member("one", tags={"lan_ipv6": "2001:db8::1"}))])
    view = table.apply([MemberUpserted(make_member("one"))])
    assert ((), ("10.0.0.1",)) == (view.nodes_at("2001:db8::1"), view.nodes()[0].ip_texts)

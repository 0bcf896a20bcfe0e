"""The table against a model that starts afresh from everything it was told."""

from __future__ import annotations

import ipaddress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.address_index import digits_of
from nodedns.table.changes import (
    Change,
    ExternalNode,
    MemberForgotten,
    MemberHidden,
    MemberShown,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
)
from nodedns.table.node_table import NodeTable

NAMES = st.sampled_from(["a", "A", "b", "b.a", "B.A", "c.b.a", "Q"]).map(NodeName)
HOSTS = st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1"])
ADDRESSES = st.one_of(HOSTS, st.just("www.example.com"))
MEMBERS = st.builds(
    lambda name, host, status, tags: SerfMember(name, Address.from_text(host, 1), tags, status, Versions(b"")),
    NAMES,
    HOSTS,
    st.sampled_from([status for status in MemberStatus if status is not MemberStatus.NONE]),
    st.sampled_from([{}, {"nodedns": "1", "server": "1"}, {"role": "node", "vsn": "2", "dc": "dc2"}]),
)
EXTERNALS = st.builds(
    ExternalNode, NAMES, st.just(""), ADDRESSES, st.dictionaries(st.just("lan_ipv6"), st.just("2001:db8::1"))
)
CHANGES = st.one_of(
    MEMBERS.map(MemberUpserted),
    NAMES.map(MemberForgotten),
    NAMES.map(MemberHidden),
    NAMES.map(MemberShown),
    EXTERNALS.map(NodeRegistered),
    NAMES.map(NodeDeregistered),
)

Facts = dict[str, tuple[str, str, MemberStatus]]


class TableAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.table = NodeTable("dc1", NodeName("a"), 1)
        self.members: list[SerfMember] = []  # the alive as they came alive, the others as they changed
        self.externals: dict[str, ExternalNode] = {}
        self.hidden: set[str] = set()

    @rule(changes=st.lists(CHANGES, max_size=5))
    def apply(self, changes: list[Change]) -> None:
        before = self.table.view
        shown = (self.model_rows(), before.members())
        in_dns = self.model_in_dns()
        for change in changes:
            self.tell_model(change)
        after = self.table.apply(changes)
        assert before.index <= after.index <= before.index + len(changes)
        if (self.model_rows(), after.members()) != shown:
            assert after.index > before.index
        if (self.model_rows(), self.model_in_dns()) != (shown[0], in_dns):
            assert before.index < after.nodes_index <= after.index

    def tell_model(self, change: Change) -> None:
        match change:
            case MemberHidden(name=name):
                self.hidden |= {m.name for m in self.members if m.name == name and m.status is MemberStatus.FAILED}
            case MemberShown(name=name):
                self.hidden.discard(name)
            case MemberUpserted(member=member) if member not in self.members:
                known = next((known for known in self.members if known.name == member.name), None)
                if known is not None and known.status is member.status is MemberStatus.ALIVE:
                    self.members[self.members.index(known)] = member
                else:
                    self.members = [other for other in self.members if other is not known] + [member]
            case MemberForgotten(name=name):
                self.members = [known for known in self.members if known.name != name]
            case NodeRegistered(node=node):
                self.externals[node.name.lower()] = node
            case NodeDeregistered(name=name):
                self.externals.pop(name.lower(), None)
        self.hidden &= {member.name for member in self.members if member.status is MemberStatus.FAILED}

    def model_in_dns(self) -> list[str]:
        rows = self.model_rows().items()
        return sorted(
            name for name, (shown, _, status) in rows if status is MemberStatus.NONE or shown not in self.hidden
        )

    def model_rows(self) -> Facts:
        rows: Facts = {folded: (node.name, node.address, MemberStatus.NONE) for folded, node in self.externals.items()}
        alive = [member for member in self.members if member.status is MemberStatus.ALIVE]
        for member in [*(member for member in self.members if member not in alive), *reversed(alive)]:
            if member.status is not MemberStatus.LEFT and member.tags.get("dc", "dc1") == "dc1":
                rows[member.name.lower()] = (member.name, member.address.host, member.status)
        return rows

    @invariant()
    def rows_are_the_models(self) -> None:
        view = self.table.view
        rows = {row.name.lower(): (row.name, row.address, row.status) for row in view.nodes()}
        assert self.model_rows() == rows
        assert sorted(rows) == list(rows)
        assert [view.node(name.upper()) for name in rows] == list(view.nodes())

    @invariant()
    def members_are_the_models(self) -> None:
        assert sorted(self.members, key=lambda member: member.name) == list(self.table.view.members())

    @invariant()
    def address_index_agrees_with_the_rows(self) -> None:
        view = self.table.view
        for ip in ("10.0.0.1", "10.0.0.2", "2001:db8::1"):
            packed = ipaddress.ip_address(ip).packed
            holders = [row for row in view.nodes() if packed in (row.ipv4, row.ipv6)]
            in_dns = self.model_in_dns()
            assert [row for row in holders if row.name.lower() in in_dns] == list(view.nodes_at(ip))
            assert bool(view.nodes_at(ip)) == view.has_addresses_under(digits_of(ip))

    @invariant()
    def parents_agree_with_the_rows(self) -> None:
        view = self.table.view
        for parent in ("a", "b", "b.a", "c.b.a", "q"):
            expected = any(name.endswith("." + parent) for name in self.model_in_dns())
            assert expected == view.has_names_under(parent)

    @invariant()
    def dns_has_the_rows_that_are_not_hidden(self) -> None:
        view = self.table.view
        folded = [row.name.lower() for row in view.nodes()]
        assert self.model_in_dns() == [name for name in folded if view.node_folded(name) is not None]
        assert [name not in self.model_in_dns() for name in folded] == [row.is_hidden for row in view.nodes()]

    @invariant()
    def indexes_are_in_order(self) -> None:
        view = self.table.view
        for row in view.nodes():
            assert 1 < row.create_index <= row.modify_index <= view.catalog_index <= view.nodes_index <= view.index


TestTableAgainstModel = TableAgainstModel.TestCase
TestTableAgainstModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

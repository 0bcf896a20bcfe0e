"""``NodeTable``: the one writer. Changes in, a new ``TableView`` out.

Strategy: members and external nodes are kept as given; each change settles the
one folded name it touches. A candidate row that equals the present one is
thrown away, so the row object, its indexes and the view's sorted list live on.
Dicts are copied once per ``apply`` and only if they change.

Who has a row: members alive, leaving or failed (a failed node still resolves,
as in Consul), not those left or reaped; external nodes unless a member of that
name has a row. Names differing only in case are one node to Consul's catalog
and to DNS: the member that is alive has the row, of several the one that was so first,
whatever else changes; where none is alive, the one changed last.
A member that names another datacenter is listed as a member and has no row.

A hidden row is one that only DNS does not see: it stays in the catalog, and out of the
indexes of addresses and of the names that dots make exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from nodedns.errors import LocalProtocolError
from nodedns.model.check import Check
from nodedns.model.member import MemberStatus, SerfMember
from nodedns.model.names import MAX_LABEL_BYTES, NodeName, fold
from nodedns.model.service import Service
from nodedns.table.address_index import AddressIndex, digits_of
from nodedns.table.changes import (
    Change,
    CheckDeregistered,
    CheckRegistered,
    ClusterKnown,
    ExternalNode,
    MemberForgotten,
    MemberHidden,
    MemberShown,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.table.member_facts import facts_of
from nodedns.table.node_row import NodeRow, RowChange
from nodedns.table.service_book import ServiceBook
from nodedns.table.service_rows import ServiceChange
from nodedns.table.view import NodeSet, TableView

__all__ = ["NodeTable"]

_STATUSES_WITH_ROW = frozenset({MemberStatus.ALIVE, MemberStatus.LEAVING, MemberStatus.FAILED})


class NodeTable:
    """Members and external nodes of one datacenter.

    Args:
        datacenter: Local datacenter.
        local_name: This agent's node name.
        first_index: Index of the empty table, at least 1. Wall-clock seconds at start keep
            the index, and the SOA serial made from it, rising over restarts.
        cluster_known: Whether absent names are known to be absent from the start.
    """

    def __init__(self, datacenter: str, local_name: NodeName, first_index: int, *, cluster_known: bool = True) -> None:
        if first_index < 1:
            raise LocalProtocolError(f"the first index is at least 1, not {first_index}")
        self._datacenter = datacenter
        self._members: dict[str, SerfMember] = {}
        # Folded name -> member names; the alive in the order in which they came alive, the others as they changed.
        self._spellings: dict[str, list[str]] = {}
        self._externals: dict[str, ExternalNode] = {}
        self._hidden: set[str] = set()  # failed members only, by name
        self._row_changes: tuple[RowChange, ...] = ()
        self._service_changes: tuple[ServiceChange, ...] = ()
        self._touched_nodes: tuple[str, ...] = ()
        self._book = ServiceBook(first_index)
        self._view = TableView(
            index=first_index,
            nodes_index=first_index,
            catalog_index=first_index,
            datacenter=datacenter,
            local_name=local_name,
            cluster_known=cluster_known,
            node_set=NodeSet(by_name={}, by_ip={}, addresses=AddressIndex(), parents={}),
            members={},
            service_set=self._book.present,
        )

    @property
    def view(self) -> TableView:
        """The table as of the last ``apply``."""
        return self._view

    @property
    def row_changes(self) -> tuple[RowChange, ...]:
        """What the last effective ``apply`` did to rows, one entry for each name."""
        return self._row_changes

    @property
    def service_changes(self) -> tuple[ServiceChange, ...]:
        """What the last effective ``apply`` did to services, one entry for each name."""
        return self._service_changes

    @property
    def touched_nodes(self) -> tuple[str, ...]:
        """Folded names of the nodes whose row or registrations the last effective ``apply`` changed, each once."""
        return self._touched_nodes

    def registered(self, name: str) -> tuple[tuple[Service, ...], tuple[Check, ...]]:
        """Return the services and checks kept for a node by ID, those of a node without a row included."""
        return self._book.registered(fold(name))

    def has_external(self, name: str) -> bool:
        """Whether an external node of this name is registered, also where a member has the name."""
        return fold(name) in self._externals

    def apply(self, changes: Sequence[Change]) -> TableView:
        """Apply ``changes`` in order and return the view after them.

        The index rises by one for each change that alters what a view shows. If none
        does, the present view itself is returned.
        """
        draft = _Draft(self._view)
        for change in changes:
            self._apply_one(change, draft)
        if draft.index != self._view.index:
            self._row_changes = draft.row_changes()
            self._touched_nodes = tuple(draft.touched())
            self._service_changes = self._book.settle(self._touched_nodes, draft.rows, draft.index)
            self._view = draft.finish(self._members, self._book)
        return self._view

    def _apply_one(self, change: Change, draft: _Draft) -> None:
        match change:
            case MemberUpserted(member=member):
                self._upsert(member, draft)
            case MemberForgotten(name=name):
                self._forget(name, draft)
            case MemberHidden(name=name):
                self._hide(name, draft)
            case MemberShown(name=name):
                self._show(name, draft)
            case NodeRegistered(node=node):
                self._externals[fold(node.name)] = node
                self._settle(fold(node.name), draft)
            case NodeDeregistered(name=name):
                if self._externals.pop(fold(name), None) is not None:
                    self._settle(fold(name), draft)
            case ServiceRegistered() | ServiceDeregistered() | CheckRegistered() | CheckDeregistered():
                draft.touch(self._book.note(change, draft.index + 1))
            case ClusterKnown():  # pragma: no branch - the last of the union
                draft.know_cluster()

    def _upsert(self, member: SerfMember, draft: _Draft) -> None:
        known = self._members.get(member.name)
        if known == member:
            return
        if member.status is not MemberStatus.FAILED:
            self._hidden.discard(member.name)
        stays_alive = known is not None and known.status is member.status is MemberStatus.ALIVE
        self._members[member.name] = member
        folded = fold(member.name)
        spellings = self._spellings.setdefault(folded, [])
        if not stays_alive:
            if known is not None:
                spellings.remove(member.name)
            spellings.append(member.name)
        draft.begin_change()
        draft.members_changed = True
        self._settle(folded, draft, is_begun=True)

    def _forget(self, name: NodeName, draft: _Draft) -> None:
        if self._members.pop(name, None) is None:
            return
        self._hidden.discard(name)
        folded = fold(name)
        self._spellings[folded].remove(name)
        if not self._spellings[folded]:
            del self._spellings[folded]
        draft.begin_change()
        draft.members_changed = True
        self._settle(folded, draft, is_begun=True)

    def _hide(self, name: NodeName, draft: _Draft) -> None:
        member = self._members.get(name)
        if member is not None and member.status is MemberStatus.FAILED:
            self._hidden.add(name)
            self._settle(fold(name), draft)

    def _show(self, name: NodeName, draft: _Draft) -> None:
        if name in self._hidden:
            self._hidden.discard(name)
            self._settle(fold(name), draft)

    def _settle(self, folded: str, draft: _Draft, *, is_begun: bool = False) -> None:
        present = draft.row(folded)
        wanted = self._wanted_row(folded)
        if wanted is not None and present is not None:
            wanted = attrs.evolve(wanted, create_index=present.create_index, modify_index=present.modify_index)
        if wanted == present:
            return
        if not is_begun:
            draft.begin_change()
        draft.replace(folded, present, wanted)

    def _wanted_row(self, folded: str) -> NodeRow | None:
        member = self._member_for_row(folded)
        if member is not None:
            return _member_row(member, self._datacenter, is_hidden=member.name in self._hidden)
        external = self._externals.get(folded)
        return _external_row(external, self._datacenter) if external is not None else None

    def _member_for_row(self, folded: str) -> SerfMember | None:
        found = None
        for name in self._spellings.get(folded, ()):
            member = self._members[name]
            if member.status not in _STATUSES_WITH_ROW or not member.address.is_valid:
                continue
            if fold(facts_of(member, self._datacenter).datacenter) != fold(self._datacenter):
                continue
            if member.status is MemberStatus.ALIVE:
                return member
            found = member
        return found


class _Draft:
    """The next view in the making: copies a dict when it is first written to."""

    def __init__(self, base: TableView) -> None:
        self._base = base
        self._base_set = base._node_set  # noqa: SLF001 - view and table are one noun in two files
        self._by_name: dict[str, NodeRow] | None = None
        # The addresses that this draft touches; joined with the others, and sorted, once at the end.
        self._names_at: dict[str, set[str]] = {}
        self._parents: dict[str, int] | None = None
        self._rows_before: dict[str, NodeRow | None] = {}
        self._registered_at: dict[str, None] = {}
        self._nodes_index = base.nodes_index
        self._catalog_index = base.catalog_index
        self._cluster_known = base.cluster_known
        self.index = base.index
        self.members_changed = False

    def begin_change(self) -> None:
        self.index += 1

    def know_cluster(self) -> None:
        if not self._cluster_known:
            self._cluster_known = True
            self.begin_change()

    def touch(self, folded: str | None) -> None:
        """Take note of a node whose registrations changed, None for no node."""
        if folded is not None:
            self._registered_at[folded] = None
            self.begin_change()

    def touched(self) -> list[str]:
        return [*self._rows_before, *(folded for folded in self._registered_at if folded not in self._rows_before)]

    @property
    def rows(self) -> Mapping[str, NodeRow]:
        return self._base_set.by_name if self._by_name is None else self._by_name

    def row(self, folded: str) -> NodeRow | None:
        return self.rows.get(folded)

    def replace(self, folded: str, present: NodeRow | None, wanted: NodeRow | None) -> None:
        self._nodes_index = self.index
        self._rows_before.setdefault(folded, present)
        if self._by_name is None:
            self._by_name = dict(self._base_set.by_name)
        if wanted is None:
            self._catalog_index = self.index
            del self._by_name[folded]
        else:
            wanted = self._with_indexes(present, wanted)
            self._by_name[folded] = wanted
        self._move_addresses(folded, present, wanted)
        if _is_shown(present) != _is_shown(wanted):
            self._count_parents(folded, 1 if _is_shown(wanted) else -1)

    def row_changes(self) -> tuple[RowChange, ...]:
        local = fold(self._base.local_name)
        return tuple(
            RowChange(folded, before, self.row(folded), folded == local) for folded, before in self._rows_before.items()
        )

    def finish(self, members: dict[str, SerfMember], book: ServiceBook) -> TableView:
        base, node_set = self._base, self._base_set
        if self._by_name is not None:
            node_set = NodeSet(
                by_name=self._by_name,
                by_ip=self._joined_addresses(),
                addresses=self._moved_index(),
                parents=node_set.parents if self._parents is None else self._parents,
            )
        return attrs.evolve(
            base,
            index=self.index,
            nodes_index=self._nodes_index,
            catalog_index=self._catalog_index,
            cluster_known=self._cluster_known,
            node_set=node_set,
            members=dict(members) if self.members_changed else base._members,  # noqa: SLF001 - as above
            service_set=book.present,
        )

    def _with_indexes(self, present: NodeRow | None, wanted: NodeRow) -> NodeRow:
        if present is None:
            self._catalog_index = self.index
            return attrs.evolve(wanted, create_index=self.index, modify_index=self.index)
        if _catalog_facts(present) == _catalog_facts(wanted):
            return wanted
        self._catalog_index = self.index
        return attrs.evolve(wanted, modify_index=self.index)

    def _move_addresses(self, folded: str, present: NodeRow | None, wanted: NodeRow | None) -> None:
        before = present.ip_texts if present is not None else ()
        after = wanted.ip_texts if wanted is not None else ()
        if before == after:
            return
        for ip in before:
            self._touch(ip).discard(folded)
        for ip in after:
            self._touch(ip).add(folded)

    def _touch(self, ip: str) -> set[str]:
        names = self._names_at.get(ip)
        if names is None:
            names = self._names_at[ip] = set(self._base_set.by_ip.get(ip, ()))
        return names

    def _joined_addresses(self) -> Mapping[str, tuple[str, ...]]:
        if not self._names_at:
            return self._base_set.by_ip
        joined = dict(self._base_set.by_ip)
        for ip, names in self._names_at.items():
            if names:
                joined[ip] = tuple(sorted(names))
            else:
                joined.pop(ip, None)
        return joined

    def _moved_index(self) -> AddressIndex:
        base = self._base_set
        gone = [ip for ip, names in self._names_at.items() if not names and ip in base.by_ip]
        come = [ip for ip, names in self._names_at.items() if names and ip not in base.by_ip]
        if not gone and not come:
            return base.addresses
        return base.addresses.changed(map(digits_of, gone), map(digits_of, come))

    def _count_parents(self, folded: str, step: int) -> None:
        for parent in _parents_of(folded):
            if self._parents is None:
                self._parents = dict(self._base_set.parents)
            count = self._parents.get(parent, 0) + step
            if count:
                self._parents[parent] = count
            else:
                del self._parents[parent]


def _is_shown(row: NodeRow | None) -> bool:
    return row is not None and not row.is_hidden


def _parents_of(folded: str) -> list[str]:
    labels = folded.split(".")
    if not all(0 < len(label.encode("utf-8", "surrogatepass")) <= MAX_LABEL_BYTES for label in labels):
        return []  # no domain name can spell it, so it makes no name exist
    return [".".join(labels[position:]) for position in range(1, len(labels))]


def _catalog_facts(row: NodeRow) -> tuple[object, ...]:
    return row.name, row.node_id, row.address, row.datacenter, row.tagged_addresses, row.meta, row.is_member


def _member_row(member: SerfMember, datacenter: str, *, is_hidden: bool) -> NodeRow:
    facts = facts_of(member, datacenter)
    ip = member.address.ip
    text = str(ip)
    # Consul's agents announce these four for themselves; ours are derived, because tags are short of room.
    tagged = {"lan": text, f"lan_ipv{ip.version}": text, "wan": text, f"wan_ipv{ip.version}": text}
    tagged |= {tag: told for tag, told in (("lan_ipv4", facts.ipv4), ("lan_ipv6", facts.ipv6)) if told}
    return NodeRow(
        name=member.name,
        node_id=facts.node_id,
        address=text,
        datacenter=datacenter,
        tagged_addresses=tagged,
        meta=facts.meta,
        is_member=True,
        status=member.status,
        is_server=facts.is_server,
        dns_port=facts.dns_port,
        create_index=0,
        modify_index=0,
        is_hidden=is_hidden,
        server_port=(facts.server_port or member.address.port) if facts.is_server else 0,
    )


def _external_row(node: ExternalNode, datacenter: str) -> NodeRow:
    return NodeRow(
        name=node.name,
        node_id=node.node_id,
        address=node.address,
        datacenter=datacenter,
        tagged_addresses=node.tagged_addresses,
        meta=node.meta,
        is_member=False,
        status=MemberStatus.NONE,
        is_server=False,
        dns_port=0,
        create_index=0,
        modify_index=0,
    )

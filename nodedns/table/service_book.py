"""``ServiceBook``: what is registered on nodes, and the ``ServiceSet`` made of it.

Strategy: services and checks are kept by node as given, whether or not the node has a
row. Once after each batch of changes, what was touched is joined anew with its node's
row (``node_join``); whatever comes out equal to what was there stays the same object,
and only the services that moved are looked at. So one change costs a copy of each dict
that changes: of the node's, of the service's, and of all nodes and services.

A service or check under a name without a row is kept and not shown; whoever
deregisters a node takes its services away as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import fold
from nodedns.model.service import Service
from nodedns.table.changes import CheckDeregistered, CheckRegistered, ServiceDeregistered, ServiceRegistered
from nodedns.table.node_join import Joined, join
from nodedns.table.node_row import NodeRow
from nodedns.table.registered import Registered
from nodedns.table.service_addresses import Place
from nodedns.table.service_rows import (
    CheckRow,
    Instance,
    NodeServices,
    ServiceChange,
    ServiceGroup,
    ServiceSet,
)

__all__ = ["RegistryChange", "ServiceBook"]

RegistryChange = ServiceRegistered | ServiceDeregistered | CheckRegistered | CheckDeregistered


class ServiceBook:
    """Services and checks of every node.

    Args:
        first_index: Index of the empty book.

    Attributes:
        present: What is shown, as of the last ``settle``.
    """

    def __init__(self, first_index: int) -> None:
        self._nodes: dict[str, Registered] = {}
        self.present = ServiceSet(
            by_name={},
            by_node={},
            names_index=first_index,
            instances_index=first_index,
            registered_index=first_index,
            checks_index=first_index,
            status_indexes=dict.fromkeys(CheckStatus, first_index),
        )

    def registered(self, folded_node: str) -> tuple[tuple[Service, ...], tuple[Check, ...]]:
        """Return what is kept for a node, shown or not, by ID."""
        kept = self._nodes.get(folded_node)
        if kept is None:
            return (), ()
        services = tuple(kept.services[key].service for key in sorted(kept.services))
        return services, tuple(kept.checks[key].check for key in sorted(kept.checks))

    def note(self, change: RegistryChange, index: int) -> str | None:
        """Take one change.

        Args:
            change: What is to be.
            index: Of the table, should this change it.

        Returns:
            The folded name of the node that it touches, None if it changes nothing.
        """
        folded = fold(change.node)
        kept = self._nodes.get(folded)
        if kept is None:
            kept = Registered()
        match change:
            case ServiceRegistered(service=service):
                is_changed = kept.put_service(service, index)
            case ServiceDeregistered(service_id=service_id):
                is_changed = kept.drop_service(service_id)
            case CheckRegistered(check=check):
                is_changed = kept.put_check(check, index)
            case CheckDeregistered(check_id=check_id):  # pragma: no branch - the last of the union
                is_changed = kept.drop_check(check_id)
        # An empty one stays until it is looked at: what went is to be seen there.
        if is_changed:
            self._nodes[folded] = kept
        return folded if is_changed else None

    def settle(self, touched: Iterable[str], rows: Mapping[str, NodeRow], index: int) -> tuple[ServiceChange, ...]:
        """Bring what is shown up to date, and return which services changed.

        Args:
            touched: Folded names of nodes whose row or registrations changed, each once.
            rows: Every row by folded name.
            index: Of the table now.
        """
        draft = _Draft(self.present, index)
        for folded in touched:
            before = self.present.by_node.get(folded)
            kept = self._nodes.get(folded)
            draft.replace(folded, before, join(rows.get(folded), kept or Registered(), before, index))
            if kept is not None and kept.is_empty:
                del self._nodes[folded]
        self.present, changes = draft.finish()
        return changes


class _Draft:
    """The next ``ServiceSet`` in the making: copies a dict when it is first written to."""

    def __init__(self, base: ServiceSet, index: int) -> None:
        self._base = base
        self._index = index
        self._by_node: dict[str, NodeServices] | None = None
        self._members: dict[str, dict[tuple[str, str], Instance]] = {}
        self._registered: dict[str, None] = {}  # names of services of which more than health changed
        self._moved: dict[str, None] = {}  # names of services of which more than words of checks changed
        self._left: list[tuple[str, Place]] = []
        self._taken: list[tuple[str, Place]] = []
        self._moved_ips: dict[str, dict[str, None]] = {}  # by name of a service
        self._are_checks_changed = False
        self._changed_statuses: dict[CheckStatus, None] = {}

    def replace(self, folded: str, before: NodeServices | None, joined: Joined) -> None:
        after = joined.services
        if before is after:
            return
        if self._by_node is None:
            self._by_node = dict(self._base.by_node)
        if after is None:
            del self._by_node[folded]
        else:
            self._by_node[folded] = after
        self._note_checks(before, joined)
        for was, instance in joined.instances:
            self._move(folded, was, instance)
            self._move_addresses(folded, was, instance)

    def _move(self, folded: str, was: Instance | None, instance: Instance | None) -> None:
        is_same = was is not None and instance is not None and _name(was) == _name(instance)
        if was is not None and not is_same:
            # Gone, or the ID is now another service's.
            del self._members_of(was)[folded, was.service.id]
            self._registered[_name(was)] = self._moved[_name(was)] = None
        if instance is None:
            return
        name = _name(instance)
        self._members_of(instance)[folded, instance.service.id] = instance
        if was is None or not is_same or _facts(was) != _facts(instance):
            self._registered[name] = None
        if was is None or not is_same or _is_moved(was, instance):
            self._moved[name] = None

    def _move_addresses(self, folded: str, was: Instance | None, instance: Instance | None) -> None:
        if was is not None and instance is not None:
            if was.service is instance.service and was.row.is_hidden == instance.row.is_hidden:
                return  # as with every change of its health
            if (was.own_ip_texts, was.service.name) == (instance.own_ip_texts, instance.service.name):
                return
        for moved, places in ((was, self._left), (instance, self._taken)):
            if moved is None:
                continue
            name = _name(moved)
            for ip in moved.own_ip_texts:
                places.append((ip, (name, folded, moved.service.id)))
                self._moved_ips.setdefault(name, {})[ip] = None

    def _note_checks(self, before: NodeServices | None, joined: Joined) -> None:
        moved: Iterable[CheckRow | None] = (row for move in joined.checks for row in move)
        after = joined.services
        if before is not None and after is not None and before.row.name != after.row.name:
            moved = (*before.checks_by_id.values(), *after.checks_by_id.values())  # each shows the node's name
        for row in moved:
            if row is not None:
                self._are_checks_changed = True
                self._changed_statuses[row.check.status] = None

    def _members_of(self, instance: Instance) -> dict[tuple[str, str], Instance]:
        name = _name(instance)
        members = self._members.get(name)
        if members is None:
            group = self._base.by_name.get(name)
            members = self._members[name] = dict(group.members) if group is not None else {}
        return members

    def finish(self) -> tuple[ServiceSet, tuple[ServiceChange, ...]]:
        base = self._base
        if self._by_node is None:
            return base, ()
        changes = tuple(self._change(name, members) for name, members in self._members.items())
        by_name = base.by_name
        if changes:
            joined = dict(base.by_name)
            for change in changes:
                if change.after is None:
                    joined.pop(change.folded, None)
                else:
                    joined[change.folded] = change.after
            by_name = joined
        are_names_changed = any(
            change.folded in self._registered and _tags_of(change.before) != _tags_of(change.after)
            for change in changes
        )
        made = ServiceSet(
            by_name=by_name,
            by_node=self._by_node,
            names_index=self._index if are_names_changed else base.names_index,
            registered_index=self._index if self._registered else base.registered_index,
            checks_index=self._index if self._are_checks_changed else base.checks_index,
            instances_index=self._index if self._moved else base.instances_index,
            addresses=base.addresses.changed(self._left, self._taken),
            status_indexes={**base.status_indexes, **dict.fromkeys(self._changed_statuses, self._index)},
        )
        return made, changes

    def _change(self, name: str, members: dict[tuple[str, str], Instance]) -> ServiceChange:
        before, ips = self._base.by_name.get(name), tuple(self._moved_ips.get(name, ()))
        if not members:
            return ServiceChange(name, before, None, moves_instances=True, moved_ips=ips)
        is_shown_alike = before is not None and name not in self._registered
        catalog_index = before.catalog_index if before is not None and is_shown_alike else self._index
        after = ServiceGroup(name, members, self._index, catalog_index)
        return ServiceChange(name, before, after, moves_instances=name in self._moved, moved_ips=ips)


def _name(instance: Instance) -> str:
    return fold(instance.service.name)


def _is_moved(before: Instance, after: Instance) -> bool:
    return (before.status, before.service, before.row) != (after.status, after.service, after.row)


def _facts(instance: Instance) -> tuple[int, int]:
    return instance.modify_index, instance.row.modify_index


def _tags_of(group: ServiceGroup | None) -> tuple[str, ...] | None:
    return group.tags if group is not None else None

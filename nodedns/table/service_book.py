"""``ServiceBook``: what is registered on nodes, and the ``ServiceSet`` made of it.

Strategy: services and checks are kept by node as given, whether or not the node has a
row. Once after each batch of changes, the nodes that were touched are joined anew
with their rows; whatever comes out equal to what was there stays the same object, and
only the services on those nodes are looked at. So one change costs what its node and
service hold, plus a copy of each dict that changes.

A service or check under a name without a row is kept and not shown; whoever
deregisters a node takes its services away as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

import attrs

from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import fold
from nodedns.model.service import Service
from nodedns.table.changes import CheckDeregistered, CheckRegistered, ServiceDeregistered, ServiceRegistered
from nodedns.table.node_row import NodeRow
from nodedns.table.service_rows import (
    SERVERS_SERVICE,
    CheckRow,
    Instance,
    NodeServices,
    ServiceChange,
    ServiceGroup,
    ServiceSet,
    serf_health,
    servers_service,
)

__all__ = ["RegistryChange", "ServiceBook"]

RegistryChange = ServiceRegistered | ServiceDeregistered | CheckRegistered | CheckDeregistered


@attrs.frozen
class _Kept:
    service: Service
    create_index: int
    modify_index: int


@attrs.define(eq=False)
class _Registered:
    """What is registered on one node, by ID."""

    services: dict[str, _Kept] = attrs.field(factory=dict)
    checks: dict[str, CheckRow] = attrs.field(factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.services and not self.checks


_NOTHING = _Registered()


class ServiceBook:
    """Services and checks of every node.

    Args:
        first_index: Index of the empty book.

    Attributes:
        present: What is shown, as of the last ``settle``.
    """

    def __init__(self, first_index: int) -> None:
        self._nodes: dict[str, _Registered] = {}
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
        kept = self._nodes.get(folded_node, _NOTHING)
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
            kept = _Registered()
        match change:
            case ServiceRegistered(service=service):
                is_changed = _put_service(kept.services, service, index)
            case ServiceDeregistered(service_id=service_id):
                is_changed = kept.services.pop(service_id, None) is not None
            case CheckRegistered(check=check):
                is_changed = _put_check(kept.checks, check, index)
            case CheckDeregistered(check_id=check_id):  # pragma: no branch - the last of the union
                is_changed = kept.checks.pop(check_id, None) is not None
        if kept.is_empty:
            self._nodes.pop(folded, None)
        else:
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
            row = rows.get(folded)
            after = None if row is None else _join(row, self._nodes.get(folded, _NOTHING), before, index)
            draft.replace(folded, before, after)
        self.present, changes = draft.finish()
        return changes


def _put_service(services: dict[str, _Kept], service: Service, index: int) -> bool:
    known = services.get(service.id)
    if known is not None and known.service == service:
        return False
    services[service.id] = _Kept(service, known.create_index if known is not None else index, index)
    return True


def _put_check(checks: dict[str, CheckRow], check: Check, index: int) -> bool:
    known = checks.get(check.id)
    if known is not None and known.check == check:
        return False
    checks[check.id] = CheckRow(check, known.create_index if known is not None else index, index)
    return True


def _join(row: NodeRow, kept: _Registered, before: NodeServices | None, index: int) -> NodeServices:
    checks = dict(kept.checks)
    health = serf_health(row)
    if health is not None:
        known = before.check(health.id) if before is not None else None
        if known is None or known.check != health:
            known = CheckRow(health, known.create_index if known is not None else index, index)
        checks[health.id] = known
    services = dict(kept.services)
    own = servers_service(row)
    if own is not None and SERVERS_SERVICE not in services:
        known_instance = before.instance(SERVERS_SERVICE) if before is not None else None
        services[own.id] = (
            _Kept(own, known_instance.create_index, known_instance.modify_index)
            if known_instance is not None and known_instance.service == own
            else _Kept(own, index, index)
        )
    in_order = tuple(checks[check_id] for check_id in sorted(checks))
    # A node may have hundreds of checks, each of which changes often: they are parted once, not once for each service.
    parted: dict[str, tuple[CheckRow, ...]] = {}
    for service_id, of_service in groupby(sorted(in_order, key=_owner), key=_owner):
        parted[service_id] = tuple(of_service)
    node_checks = parted.get("", ())
    instances = tuple(
        _instance(row, services[service_id], node_checks + parted.get(service_id, ()), before)
        for service_id in sorted(services)
    )
    if before is not None and (before.row, before.instances, before.checks) == (row, instances, in_order):
        return before
    is_shown_alike = before is not None and _registered(before.row, before.instances) == _registered(row, instances)
    are_checks_alike = before is not None and (before.row.name, before.checks) == (row.name, in_order)
    return NodeServices(
        row=row,
        instances=instances,
        node_checks=node_checks,
        checks=in_order,
        index=index,
        catalog_index=before.catalog_index if before is not None and is_shown_alike else index,
        checks_index=before.checks_index if before is not None and are_checks_alike else index,
    )


def _registered(row: NodeRow, instances: Iterable[Instance]) -> tuple[int, list[tuple[str, int]]]:
    """Return what tells two states of a node apart, health aside: what changed has another index."""
    return row.modify_index, [(instance.service.id, instance.modify_index) for instance in instances]


def _owner(row: CheckRow) -> str:
    return row.check.service_id


def _instance(row: NodeRow, kept: _Kept, checks: tuple[CheckRow, ...], before: NodeServices | None) -> Instance:
    known = before.instance(kept.service.id) if before is not None else None
    if (
        known is not None
        and (known.create_index, known.modify_index) == (kept.create_index, kept.modify_index)
        and (known.row, known.service, known.checks) == (row, kept.service, checks)
    ):
        return known
    return Instance(row, kept.service, checks, kept.create_index, kept.modify_index)


class _Draft:
    """The next ``ServiceSet`` in the making: copies a dict when it is first written to."""

    def __init__(self, base: ServiceSet, index: int) -> None:
        self._base = base
        self._index = index
        self._by_node: dict[str, NodeServices] | None = None
        self._members: dict[str, dict[tuple[str, str], Instance]] = {}
        self._registered: dict[str, None] = {}  # names of services of which more than health changed
        self._are_checks_changed = False
        self._changed_statuses: dict[CheckStatus, None] = {}

    def replace(self, folded: str, before: NodeServices | None, after: NodeServices | None) -> None:
        if before is after:
            return
        if self._by_node is None:
            self._by_node = dict(self._base.by_node)
        if after is None:
            del self._by_node[folded]
        else:
            self._by_node[folded] = after
        self._note_checks(_checks_of(before), _checks_of(after))
        present = {instance.service.id: instance for instance in (before.instances if before is not None else ())}
        for instance in after.instances if after is not None else ():
            known = present.get(instance.service.id)
            if known is instance:
                del present[instance.service.id]
            elif known is None or fold(known.service.name) == fold(instance.service.name):
                present.pop(instance.service.id, None)
                self._members_of(instance)[folded, instance.service.id] = instance
                if known is None or _facts(known) != _facts(instance):
                    self._registered[fold(instance.service.name)] = None
            else:
                # The ID is now another service's: it goes from the one and comes to the other.
                self._members_of(instance)[folded, instance.service.id] = instance
                self._registered[fold(instance.service.name)] = None
        for gone in present.values():
            del self._members_of(gone)[folded, gone.service.id]
            self._registered[fold(gone.service.name)] = None

    def _note_checks(self, before: _NamedChecks, after: _NamedChecks) -> None:
        if before == after:
            return
        self._are_checks_changed = True
        for status in CheckStatus:
            if _having(status, before) != _having(status, after):
                self._changed_statuses[status] = None

    def _members_of(self, instance: Instance) -> dict[tuple[str, str], Instance]:
        name = fold(instance.service.name)
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
        are_names_changed = any(_tags_of(change.before) != _tags_of(change.after) for change in changes)
        made = ServiceSet(
            by_name=by_name,
            by_node=self._by_node,
            names_index=self._index if are_names_changed else base.names_index,
            registered_index=self._index if self._registered else base.registered_index,
            checks_index=self._index if self._are_checks_changed else base.checks_index,
            instances_index=self._index if _moves_any(changes) else base.instances_index,
            status_indexes={**base.status_indexes, **dict.fromkeys(self._changed_statuses, self._index)},
        )
        return made, changes

    def _change(self, name: str, members: dict[tuple[str, str], Instance]) -> ServiceChange:
        before = self._base.by_name.get(name)
        if not members:
            return ServiceChange(name, before, None)
        is_shown_alike = before is not None and name not in self._registered
        catalog_index = before.catalog_index if before is not None and is_shown_alike else self._index
        return ServiceChange(name, before, ServiceGroup(name, members, self._index, catalog_index))


def _moves_any(changes: Iterable[ServiceChange]) -> bool:
    return any(change.moves_instances for change in changes)


_NamedChecks = tuple[str, tuple[CheckRow, ...]]
"""Checks with the name that their node is shown by."""


def _checks_of(services: NodeServices | None) -> _NamedChecks:
    return ("", ()) if services is None or not services.checks else (services.row.name, services.checks)


def _having(status: CheckStatus, checks: _NamedChecks) -> list[tuple[str, CheckRow]]:
    name, rows = checks
    return [(name, row) for row in rows if row.check.status is status]


def _facts(instance: Instance) -> tuple[int, int]:
    return instance.modify_index, instance.row.modify_index


def _tags_of(group: ServiceGroup | None) -> tuple[str, ...] | None:
    return group.tags if group is not None else None

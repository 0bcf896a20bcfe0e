"""``join``: what is registered on a node, put together with its row and with what exists without being registered.

Strategy: of what was put together before, only what changed is made anew: the services
and checks that were touched, or all of them where the row or a check of the node
changed. So a change on a node with a thousand services costs a copy of three dicts.

Source: Consul's leader registrator, for ``serfHealth`` and the service ``consul``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from nodedns.model.check import SERF_HEALTH
from nodedns.table.node_row import NodeRow
from nodedns.table.registered import Kept, Registered, Touched
from nodedns.table.service_rows import (
    SERVERS_SERVICE,
    CheckRow,
    Instance,
    NodeServices,
    serf_health,
    servers_service,
)

__all__ = ["CheckMove", "InstanceMove", "Joined", "join"]

InstanceMove = tuple[Instance | None, Instance | None]
"""An instance before and after; None where there is none."""
CheckMove = tuple[CheckRow | None, CheckRow | None]
"""A check before and after; None where there is none."""


@attrs.frozen(eq=False)
class Joined:
    """What came of it.

    Attributes:
        services: What is on the node now; what was before where nothing changed, None for a node without a row.
        instances: Those that changed.
        checks: Those that changed.
    """

    services: NodeServices | None
    instances: tuple[InstanceMove, ...]
    checks: tuple[CheckMove, ...]


def join(row: NodeRow | None, kept: Registered, before: NodeServices | None, index: int) -> Joined:
    """Put a node together.

    Args:
        row: The node; None if it has no row.
        kept: What is registered on it; it is looked at.
        before: What was put together last; None if it had no row then.
        index: Of the table now.
    """
    touched = kept.look()
    if row is None:
        return _gone(before)
    if before is None or before.row != row:
        touched = _everything(kept, before)
    elif "" in touched.owners:
        touched.services.update(dict.fromkeys([*before.by_id, *kept.services]))
    wanted = _Wanted(row, kept, before, index)
    checks = _moved_checks(touched.checks, wanted, before)
    owned = dict(before.owned) if before is not None else {}
    for owner in touched.owners:
        owned[owner] = wanted.owned(owner)
        if not owned[owner]:
            del owned[owner]
    instances = _moved_instances(touched.services, wanted, owned, before)
    if before is not None and before.row == row and not checks and not instances:
        return Joined(before, (), ())
    return Joined(
        _made(row, before, owned, instances=instances, checks=checks, index=index), tuple(instances), tuple(checks)
    )


def _gone(before: NodeServices | None) -> Joined:
    if before is None:
        return Joined(None, (), ())
    instances = tuple((instance, None) for instance in before.by_id.values())
    return Joined(None, instances, tuple((check, None) for check in before.checks_by_id.values()))


def _everything(kept: Registered, before: NodeServices | None) -> Touched:
    services, owners, checks = [SERVERS_SERVICE, *kept.services], ["", *kept.owners], [SERF_HEALTH, *kept.checks]
    if before is not None:
        services += before.by_id
        owners += before.owned
        checks += before.checks_by_id
    return Touched(dict.fromkeys(services), dict.fromkeys(owners), dict.fromkeys(checks))


class _Wanted:
    """What is to be on a node, by ID."""

    def __init__(self, row: NodeRow, kept: Registered, before: NodeServices | None, index: int) -> None:
        self.row = row
        self._kept = kept
        self._before = before
        self._index = index
        self._health = self._health_row()

    def _health_row(self) -> CheckRow | None:
        health = serf_health(self.row)
        if health is None:
            return None
        known = self._before.check(SERF_HEALTH) if self._before is not None else None
        if known is not None and known.check == health:
            return known
        return CheckRow(health, known.create_index if known is not None else self._index, self._index)

    def check(self, check_id: str) -> CheckRow | None:
        if check_id == SERF_HEALTH and self._health is not None:
            return self._health
        return self._kept.checks.get(check_id)

    def owned(self, service_id: str) -> tuple[CheckRow, ...]:
        rows = dict(self._kept.owners.get(service_id, {}))
        if self._health is not None:
            # Whatever was registered under this ID, gossip knows better.
            rows.pop(SERF_HEALTH, None)
            if not service_id:
                rows[SERF_HEALTH] = self._health
        return tuple(rows[check_id] for check_id in sorted(rows))

    def service(self, service_id: str) -> Kept | None:
        kept = self._kept.services.get(service_id)
        own = servers_service(self.row) if kept is None and service_id == SERVERS_SERVICE else None
        if own is None:
            return kept
        known = self._before.instance(SERVERS_SERVICE) if self._before is not None else None
        if known is not None and known.service == own:
            return Kept(own, known.create_index, known.modify_index)
        return Kept(own, self._index, self._index)


def _moved_checks(touched: Iterable[str], wanted: _Wanted, before: NodeServices | None) -> list[CheckMove]:
    moved: list[CheckMove] = []
    for check_id in touched:
        known = before.check(check_id) if before is not None else None
        row = wanted.check(check_id)
        if row != known:
            moved.append((known, row))
    return moved


def _moved_instances(
    touched: Iterable[str],
    wanted: _Wanted,
    owned: Mapping[str, tuple[CheckRow, ...]],
    before: NodeServices | None,
) -> list[InstanceMove]:
    of_node = owned.get("", ())
    moved: list[InstanceMove] = []
    for service_id in touched:
        known = before.instance(service_id) if before is not None else None
        kept = wanted.service(service_id)
        made = None if kept is None else _instance(wanted.row, kept, of_node + _own(owned, service_id), known)
        if made is not known:
            moved.append((known, made))
    return moved


def _own(owned: Mapping[str, tuple[CheckRow, ...]], service_id: str) -> tuple[CheckRow, ...]:
    return owned.get(service_id, ()) if service_id else ()  # the node's come anyway


def _instance(row: NodeRow, kept: Kept, checks: tuple[CheckRow, ...], known: Instance | None) -> Instance:
    if (
        known is not None
        and (known.create_index, known.modify_index) == (kept.create_index, kept.modify_index)
        and (known.row, known.service, known.checks) == (row, kept.service, checks)
    ):
        return known
    return Instance(row, kept.service, checks, kept.create_index, kept.modify_index)


def _made(
    row: NodeRow,
    before: NodeServices | None,
    owned: dict[str, tuple[CheckRow, ...]],
    *,
    instances: Iterable[InstanceMove],
    checks: Iterable[CheckMove],
    index: int,
) -> NodeServices:
    by_id = dict(before.by_id) if before is not None else {}
    checks_by_id = dict(before.checks_by_id) if before is not None else {}
    is_shown_alike = before is not None and before.row.modify_index == row.modify_index
    for was, instance in instances:
        is_shown_alike &= was is not None and instance is not None and was.modify_index == instance.modify_index
        if instance is not None:
            by_id[instance.service.id] = instance
        elif was is not None:  # pragma: no branch - one of the two is there
            del by_id[was.service.id]
    are_checks_alike = before is not None and before.row.name == row.name
    for old, check in checks:
        are_checks_alike = False
        if check is not None:
            checks_by_id[check.check.id] = check
        elif old is not None:  # pragma: no branch - likewise
            del checks_by_id[old.check.id]
    return NodeServices(
        row=row,
        by_id=by_id,
        checks_by_id=checks_by_id,
        owned=owned,
        index=index,
        catalog_index=before.catalog_index if before is not None and is_shown_alike else index,
        checks_index=before.checks_index if before is not None and are_checks_alike else index,
    )

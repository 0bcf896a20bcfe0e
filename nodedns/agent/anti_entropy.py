"""``Published``: what is to stand in the catalog under our own node name, and what differs from that.

Strategy: an agent is the authority for its own node. What stands there and is not ours goes, what is
ours and differs or lacks is put back. Nothing here acts: differences are values, for
``agent/registrations.py``.

A service whose ``enable_tag_override`` is set is the exception: its tags are what the catalog says, and
are taken over, unless with its ports they are beyond a limit.

Source: Consul agent/local/state.go and agent/ae.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from nodedns.agent.registrations import Registration
from nodedns.model.check import Check
from nodedns.model.limits import service_excess
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.replica.entry import target_of
from nodedns.table.changes import CheckDeregistered, CheckRegistered, ServiceDeregistered, ServiceRegistered

__all__ = ["Published", "differences", "overridden_tags", "parcels"]


@attrs.frozen
class Published:
    """Services and checks of one node by ID; read, never written, by whoever gets it.

    Attributes:
        services: Services.
        checks: Checks of the node and of its services.
    """

    services: Mapping[str, Service]
    checks: Mapping[str, Check]

    @classmethod
    def of(cls, services: Sequence[Service], checks: Sequence[Check]) -> Published:
        """Build from what stands in the catalog."""
        return cls({service.id: service for service in services}, {check.id: check for check in checks})


def differences(node: NodeName, wanted: Published, present: Published) -> tuple[Registration, ...]:
    """Return what makes ``present`` equal to ``wanted``: services before their checks, removals last."""
    changes: list[Registration] = []
    changes += [
        ServiceRegistered(node, service)
        for key, service in wanted.services.items()
        if present.services.get(key) != service
    ]
    changes += [
        CheckRegistered(node, check) for key, check in wanted.checks.items() if present.checks.get(key) != check
    ]
    changes += [CheckDeregistered(node, key) for key in present.checks if key not in wanted.checks]
    changes += [ServiceDeregistered(node, key) for key in present.services if key not in wanted.services]
    return tuple(changes)


def parcels(changes: Sequence[Registration], size: int) -> list[list[Registration]]:
    """Return the changes in parcels of ``size`` or a few more, to be written one by one.

    After none of them a service is without checks that count for it: what is registered of a service is in one
    parcel; removals come after all that, of services before those of checks. Of two changes of the same thing the
    later is left.
    """
    last = {target_of(change)[0]: change for change in changes}.values()
    together: dict[str, list[Registration]] = {}
    for change in last:
        if isinstance(change, ServiceRegistered):
            together.setdefault(change.service.id, []).insert(0, change)
        elif isinstance(change, CheckRegistered):
            together.setdefault(change.check.service_id, []).append(change)
    found = list(together.values())
    found += [[change] for change in last if isinstance(change, ServiceDeregistered)]
    found += [[change] for change in last if isinstance(change, CheckDeregistered)]
    filled: list[list[Registration]] = [[]]
    for part in found:
        if len(filled[-1]) >= size:
            filled.append([])
        filled[-1] += part
    return filled


def overridden_tags(wanted: Published, present: Published) -> dict[str, tuple[str, ...]]:
    """Return the tags that the catalog has for services that let it, by ID, where they are others than ours."""
    told = {
        key: present.services[key].tags
        for key, service in wanted.services.items()
        if service.enable_tag_override and key in present.services and present.services[key].tags != service.tags
    }
    return {
        key: tags for key, tags in told.items() if not service_excess(attrs.evolve(wanted.services[key], tags=tags))
    }

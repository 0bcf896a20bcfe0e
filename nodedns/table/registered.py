"""``Registered``: what is registered on one node, as given, and what of it changed since it was looked at last.

Nothing here knows whether the node has a row, or of what exists without being registered.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from nodedns.model.check import Check
from nodedns.model.service import Service
from nodedns.table.service_rows import CheckRow

__all__ = ["Kept", "Registered", "Touched"]


@attrs.frozen
class Kept:
    """A registered service.

    Attributes:
        service: As given.
        create_index: Index at which its ID appeared.
        modify_index: Index at which it was last registered otherwise than before.
    """

    service: Service
    create_index: int
    modify_index: int


@attrs.define(eq=False)
class Touched:
    """What changed on a node, each once.

    Attributes:
        services: IDs of services that changed, or whose checks did.
        owners: IDs of the services whose checks changed; the empty text for checks of the node.
        checks: IDs of checks that changed.
    """

    services: dict[str, None] = attrs.field(factory=dict)
    owners: dict[str, None] = attrs.field(factory=dict)
    checks: dict[str, None] = attrs.field(factory=dict)


class Registered:
    """The services and checks of one node.

    Attributes:
        touched: What changed since ``look``.
    """

    __slots__ = ("_checks", "_owned", "_services", "touched")

    def __init__(self) -> None:
        self._services: dict[str, Kept] = {}
        self._checks: dict[str, CheckRow] = {}
        self._owned: dict[str, dict[str, CheckRow]] = {}
        self.touched = Touched()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is registered."""
        return not self._services and not self._checks

    @property
    def services(self) -> Mapping[str, Kept]:
        """The services by ID."""
        return self._services

    @property
    def checks(self) -> Mapping[str, CheckRow]:
        """The checks by ID."""
        return self._checks

    @property
    def owners(self) -> Mapping[str, Mapping[str, CheckRow]]:
        """The checks by the ID of their service, then by their own."""
        return self._owned

    def put_service(self, service: Service, index: int) -> bool:
        """Have it be as given; return whether that changes anything."""
        known = self._services.get(service.id)
        if known is not None and known.service == service:
            return False
        self._services[service.id] = Kept(service, known.create_index if known is not None else index, index)
        self.touched.services[service.id] = None
        return True

    def drop_service(self, service_id: str) -> bool:
        """Forget it; return whether it was there."""
        self.touched.services[service_id] = None
        return self._services.pop(service_id, None) is not None

    def put_check(self, check: Check, index: int) -> bool:
        """Have it be as given; return whether that changes anything."""
        known = self._checks.get(check.id)
        if known is not None and known.check == check:
            return False
        self.drop_check(check.id)
        row = CheckRow(check, known.create_index if known is not None else index, index)
        self._checks[check.id] = row
        self._owned.setdefault(check.service_id, {})[check.id] = row
        self._touch_check(check)
        return True

    def drop_check(self, check_id: str) -> bool:
        """Forget it; return whether it was there."""
        known = self._checks.pop(check_id, None)
        if known is None:
            return False
        owner = known.check.service_id
        del self._owned[owner][check_id]
        if not self._owned[owner]:
            del self._owned[owner]
        self._touch_check(known.check)
        return True

    def _touch_check(self, check: Check) -> None:
        self.touched.checks[check.id] = None
        self.touched.owners[check.service_id] = None
        self.touched.services[check.service_id] = None

    def look(self) -> Touched:
        """Return what changed since this was called last."""
        touched, self.touched = self.touched, Touched()
        return touched

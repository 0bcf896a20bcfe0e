"""``LocalAgent``: the services of one agent on a live table, with a checker that runs nothing.

What happens over a restart is seen by making two of them on one file, one after the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from nodedns.agent.check_keeper import Hearing
from nodedns.agent.live_table import LiveTable
from nodedns.agent.local_services import LocalParams, LocalServices
from nodedns.agent.orders import Orders
from nodedns.agent.registrations import Registration
from nodedns.api.local_actions import (
    DeregisterCheck,
    DeregisterService,
    RegisterCheck,
    RegisterService,
    SetMaintenance,
    UpdateTtl,
)
from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.decode_service import decode_service_untrusted
from nodedns.checks.definition import MAX_OUTPUT_BYTES
from nodedns.checks.scripts import ScriptRights
from nodedns.errors import TooBig
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.net.record_log import RecordLog
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import MemberUpserted, NodeDeregistered, ServiceRegistered
from nodedns.table.node_table import NodeTable
from nodedns.testing.fake_checker import FakeChecker
from nodedns.testing.table_agent import agent_member

__all__ = ["LocalAgent", "wall_from"]

ONE = NodeName("one")


def wall_from(start: float) -> Callable[[], float]:
    """Return a wall clock that shows ``start`` now and goes with trio's."""
    begun = trio.current_time()
    return lambda: start + trio.current_time() - begun


class LocalAgent:
    """Node ``one`` with its services.

    Args:
        path: The file that keeps them; None for none.
        wall_clock: Seconds since 1970.
        update_interval_s: Between two times that a check's output alone is published.
        scripts: From where checks that run programs are taken.
        output_max_size: Bytes of output that are kept.

    Attributes:
        refused: IDs of services that the catalog does not take.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        wall_clock: Callable[[], float] | None = None,
        update_interval_s: float = 300.0,
        scripts: ScriptRights | None = None,
        output_max_size: int = MAX_OUTPUT_BYTES,
    ) -> None:
        self.table = LiveTable(NodeTable("dc1", ONE, 1), Metrics())
        self.table.apply([MemberUpserted(agent_member("one"))])
        self.noted: list[Registration] = []
        self.refused: set[str] = set()
        self.services = LocalServices(
            LocalParams(
                node=ONE,
                update_interval_s=update_interval_s,
                scripts=scripts or ScriptRights(),
                output_max_size=output_max_size,
            ),
            RecordLog(path, Metrics()) if path is not None else None,
            self,
            self.table,
            make_checker=self._make_checker,
            wall_clock=wall_clock or wall_from(1_700_000_000.0),
        )

        self._orders = Orders()
        self.services.take_orders(self._orders)

    def _make_checker(self, hearing: Hearing) -> FakeChecker:
        self.checker = FakeChecker(hearing)
        return self.checker

    def note(self, changes: Sequence[Registration]) -> None:
        """Write to the catalog, which is the table alone."""
        for change in changes:
            if isinstance(change, ServiceRegistered) and change.service.id in self.refused:
                raise TooBig("service", 2, 1)
        self.noted.extend(changes)
        self.table.apply(changes)

    def take_name(self, name: NodeName) -> None:
        """Forget an external node."""
        self.table.apply([NodeDeregistered(name)])

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run it for as long as the context lasts."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.services.run)
            yield
            nursery.cancel_scope.cancel()

    async def register(self, *, replaces_checks: bool = False, **body: object) -> None:
        """Register a service over HTTP."""
        await self._orders.perform(RegisterService(decode_service_untrusted(body), replaces_checks))

    async def deregister(self, service_id: str) -> None:
        """Deregister a service over HTTP."""
        await self._orders.perform(DeregisterService(service_id))

    async def register_check(self, **body: object) -> None:
        """Register a check over HTTP."""
        await self._orders.perform(RegisterCheck(decode_check_untrusted(body)))

    async def deregister_check(self, check_id: str) -> None:
        """Deregister a check over HTTP."""
        await self._orders.perform(DeregisterCheck(check_id))

    async def tell(self, check_id: str, status: CheckStatus, output: str = "") -> None:
        """Update a TTL check over HTTP."""
        await self._orders.perform(UpdateTtl(check_id, status, output))

    async def maintain(self, service_id: str = "", *, is_on: bool = True, reason: str = "") -> None:
        """Switch maintenance over HTTP."""
        await self._orders.perform(SetMaintenance(service_id, is_on, reason))

    def reload(
        self, services: Sequence[Mapping[str, object]] = (), checks: Sequence[Mapping[str, object]] = ()
    ) -> None:
        """Have configuration files define these, in one go."""
        for _ in self.reload_steps(services, checks):
            pass

    def reload_steps(
        self, services: Sequence[Mapping[str, object]] = (), checks: Sequence[Mapping[str, object]] = ()
    ) -> Iterator[None]:
        """Have configuration files define these, in steps."""
        return self.services.reload_definitions(
            [decode_service_untrusted(body) for body in services], [decode_check_untrusted(body) for body in checks]
        )

    @property
    def own_services(self) -> Mapping[str, Service]:
        """What the agent says is registered with it."""
        return self.services.readings().services

    @property
    def own_checks(self) -> Mapping[str, Check]:
        """Likewise."""
        return self.services.readings().checks

    @property
    def catalog_services(self) -> dict[str, Service]:
        """What the catalog says."""
        return {service.id: service for service in self.table.registered(ONE)[0]}

    @property
    def catalog_checks(self) -> dict[str, Check]:
        """Likewise."""
        return {check.id: check for check in self.table.registered(ONE)[1]}

"""``LocalServices``: the services and checks that are registered with this agent.

Strategy: registered over HTTP they are on the disk first and in the book after, so what was answered with
200 is there after ``kill -9``, and what could not be stored never appears. Those of configuration files are
given at the start and at each reload, and are not stored. Where both have one ID the file's counts. What a check says
stays over a reload, and over a restart for as long as the next result would have taken.

Between the disk and the book nobody is waited for, so the book changes in the order of what is written.
Running checks is the checker's, telling the catalog is ``OwnNode``'s.

Source: Consul agent/agent.go (AddService, RemoveService, loadServices, reapServices).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain

import attrs
import trio

from nodedns.agent.check_keeper import CheckKeeper, Hearing
from nodedns.agent.live_table import LiveTable
from nodedns.agent.local_book import LocalBook, Source, is_maintenance, maintenance_check
from nodedns.agent.local_keeper import Keeper
from nodedns.agent.local_records import (
    Record,
    check_key,
    check_record,
    maintenance_key,
    service_key,
    service_record,
    state_key,
)
from nodedns.agent.orders import Orders
from nodedns.agent.own_node import Catalog, OwnNode
from nodedns.agent.registrations import Registration
from nodedns.api.context import LocalReadings
from nodedns.api.filter_literals import quote
from nodedns.api.local_actions import (
    DeregisterCheck,
    DeregisterService,
    RegisterCheck,
    RegisterService,
    SetMaintenance,
    UpdateTtl,
    unknown_check,
    unknown_service,
)
from nodedns.checks.definition import (
    MAX_OUTPUT_BYTES,
    CheckDefinition,
    ServiceDefinition,
    check_warnings,
    service_warnings,
)
from nodedns.checks.kinds import TtlKind
from nodedns.checks.scripts import ScriptRights
from nodedns.errors import ApiError, DefinitionError, NodednsError
from nodedns.model.check import NODE_MAINTENANCE, SERF_HEALTH, SERVICE_MAINTENANCE_PREFIX, CheckStatus
from nodedns.model.names import NodeName
from nodedns.net.record_log import RecordLog
from nodedns.observe.logs import RemoteLog, logger
from nodedns.replica.params import MAX_ID_BYTES, MAX_VALUE_BYTES
from nodedns.serf.fired_events import FilteredService
from nodedns.table.changes import CheckDeregistered, CheckRegistered, ServiceDeregistered, ServiceRegistered

__all__ = ["LocalParams", "LocalServices"]

MAX_SERVICES = 8_192
"""Registered with one agent; ours: far more programs than one machine runs."""
MAX_CHECKS = 16_384
"""Likewise; two for each service."""
STEP_CHANGES = 16
"""Of what files define, taken in one step, or a service more; ours: as many as the catalog is told of in one turn."""
MAX_RECORD_CHARS = MAX_VALUE_BYTES // 3
"""Of one service or check as JSON; ours: a check with its service's tags and an output is under what is replicated."""
SHOWN_CHARS = 32
MAX_WARNING_CHARS = 256
MAX_WARNED = 4_096
"""Warnings remembered, so that each is given once; after so many all are forgotten."""

_LOG = logger("agent")


@attrs.frozen(kw_only=True)
class LocalParams:
    """What the configuration says of services and checks.

    Attributes:
        node: Our own name.
        scripts: From where checks that run programs are taken.
        update_interval_s: Between two times that a check's output alone is published.
        output_max_size: Bytes of a check's output that are kept at most.
    """

    node: NodeName
    scripts: ScriptRights = attrs.field(factory=ScriptRights)
    update_interval_s: float = 300.0
    output_max_size: int = MAX_OUTPUT_BYTES


class LocalServices:
    """Registers, keeps and publishes what belongs to this agent.

    Args:
        params: See there.
        log: What was registered before is read from it, now; None to keep nothing.
        catalog: Written to.
        table: Where the catalog is read.
        make_checker: Makes what runs the checks, of whom it tells.
        wall_clock: Seconds since 1970.

    Raises:
        DataDirError: The log cannot be read.
    """

    def __init__(
        self,
        params: LocalParams,
        log: RecordLog | None,
        catalog: Catalog,
        table: LiveTable,
        *,
        make_checker: Callable[[Hearing], CheckKeeper],
        wall_clock: Callable[[], float],
    ) -> None:
        self._node = params.node
        self._scripts = params.scripts
        self._output_max_size = params.output_max_size
        self._discards_output = False
        self._book = LocalBook(params.update_interval_s)
        self._keeper = Keeper(log, wall_clock)
        self._checker = make_checker(Hearing(self._report, self._note_overdue))
        self._own_node = OwnNode(params.node, self._book, catalog, table, self._take_tags)
        table.watch(lambda _rows, _services: self._checker.services_changed())
        self._maintenance = dict(self._keeper.kept.maintenance)
        self._overdue: dict[str, None] = {}
        self._reaps = trio.Event()
        self._warned: dict[str, None] = {}
        self._remote = RemoteLog(_LOG, trio.current_time)
        self._changed = trio.Event()
        self._are_kept_loaded = False

    # --- what is there -----------------------------------------------------------------

    def readings(self) -> LocalReadings:
        """Return what HTTP handlers may look at, as of now."""
        book = self._book
        return LocalReadings(services=book.services, checks=book.checks, revision=book.revision, scripts=self._scripts)

    def filtered(self) -> list[FilteredService]:
        """Return what the filters of user events look at."""
        return [FilteredService(service.name, service.tags) for service in self._book.services.values()]

    def figures(self) -> Mapping[str, str]:
        """Return how much there is, for ``nodedns info``."""
        definitions = [own.definition for own in self._book.own_checks() if own.definition is not None]
        ttls = sum(isinstance(definition.kind, TtlKind) for definition in definitions)
        return {
            "check_monitors": str(len(definitions) - ttls),
            "check_ttls": str(ttls),
            "checks": str(len(self._book.checks)),
            "services": str(len(self._book.services)),
        }

    async def wait_changed(self, revision: int) -> None:
        """Return once ``readings().revision`` is above ``revision``."""
        while self._book.revision <= revision:
            await self._changed.wait()

    # --- life --------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run checks, publish and keep, until cancelled; started once the catalog holds what is there."""
        if not self._are_kept_loaded:
            for _ in self.reload_definitions((), ()):
                await trio.lowlevel.checkpoint()
        async with trio.open_nursery() as nursery:
            await nursery.start(self._keeper.run)
            await nursery.start(self._own_node.run)
            await nursery.start(self._checker.run)
            nursery.start_soon(self._reap)
            task_status.started()

    def _note_overdue(self, check_id: str) -> None:
        self._overdue[check_id] = None
        self._reaps.set()

    async def _reap(self) -> None:
        while True:
            await self._reaps.wait()
            self._reaps = trio.Event()
            overdue, self._overdue = self._overdue, {}
            for check_id in overdue:
                own = self._book.own_check(check_id)
                if own is not None and own.check.service_id in self._book.services:
                    await self._give_up(own.check.service_id, check_id)

    async def _give_up(self, service_id: str, check_id: str) -> None:
        _LOG.info("service was critical for too long, deregistered", service=service_id, check=check_id)
        try:
            await self._deregister_service(service_id)
        except NodednsError as problem:
            _LOG.warning("service is not deregistered", service=service_id, error=problem)

    def discard_output(self, *, is_on: bool) -> None:
        """Keep no output of checks from now on, or keep it again."""
        self._discards_output = is_on

    # --- configuration files -----------------------------------------------------------

    def reload_definitions(
        self, services: Sequence[ServiceDefinition], checks: Sequence[CheckDefinition]
    ) -> Iterator[None]:
        """Have exactly these be what configuration files define; what HTTP registered stays, and what checks say.

        Args:
            services: With their checks; no ID twice.
            checks: Of the node, or of a service by its ID, which may be one that HTTP registered.

        Returns:
            Steps, to be gone through before this is called again; each has some services, with all that files define of
            them. What HTTP asks for meanwhile is done to what is there at that moment.
        """
        gathered: list[Registration] = []
        for changes in self._file_changes(services, checks):
            gathered += changes
            if len(gathered) >= STEP_CHANGES:
                self._tell(gathered)
                gathered = []
                yield
        self._tell(gathered)

    def _file_changes(
        self, services: Sequence[ServiceDefinition], checks: Sequence[CheckDefinition]
    ) -> Iterator[list[Registration]]:
        """Take what files define, service by service, and give what that changes."""
        wanted = {definition.service.id for definition in services}
        apart: dict[str, list[CheckDefinition]] = {}
        for check in checks:
            apart.setdefault(check.service_id, []).append(check)
        kept = {check.id for definition in services for check in definition.checks} | {check.id for check in checks}
        for key in [key for key in self._book.services if key not in wanted]:
            if self._is_of_file(key):
                yield self._drop_service(key)
        for definition in services:
            yield self._put_of_file(definition, apart.pop(definition.service.id, []), kept)
        if not self._are_kept_loaded:
            yield self._load_kept_services()
        for check in chain.from_iterable(apart.values()):
            if self._has_service(check):
                yield self._put_check(check, Source.FILE)
            else:
                kept.remove(check.id)
        for own in self._book.own_checks():
            yield self._drop_unless(own.check.id, kept)
        if not self._are_kept_loaded:
            self._are_kept_loaded = True
            yield self._load_kept_checks()

    def _put_of_file(
        self, definition: ServiceDefinition, apart: Sequence[CheckDefinition], kept: Collection[str]
    ) -> list[Registration]:
        """Have a service be as files define it: with its own checks, those defined apart, and no others of theirs."""
        service_id = definition.service.id
        if not self._is_of_file(service_id):
            self._keeper.store_soon(service_key(service_id), None)
        changes = self._put_service(definition, Source.FILE)
        for check in apart:
            changes += self._put_check(check, Source.FILE)
        for key in self._book.checks_of(service_id):
            changes += self._drop_unless(key, kept)
        return changes

    def _drop_unless(self, check_id: str, kept: Collection[str]) -> list[Registration]:
        own = self._book.own_check(check_id)
        is_gone = own is not None and own.source is Source.FILE and check_id not in kept
        return self._drop_check(check_id) if is_gone else []

    def _is_of_file(self, service_id: str) -> bool:
        return self._book.source_of(service_id) is Source.FILE

    def _has_service(self, check: CheckDefinition) -> bool:
        if not check.service_id or check.service_id in self._book.services:
            return True
        _LOG.warning("check of a service that is not there, passed over", check=check.id, service=check.service_id)
        return False

    def _load_kept_services(self) -> list[Registration]:
        changes: list[Registration] = []
        for key, service in self._keeper.kept.services.items():
            if self._is_of_file(key):
                self._keeper.store_soon(service_key(key), None)
            else:
                changes += self._put_service(ServiceDefinition(service), Source.HTTP)
        if "" in self._maintenance:
            changes += self._put_maintenance("")
        return changes

    def _load_kept_checks(self) -> list[Registration]:
        changes: list[Registration] = []
        for key, check in self._keeper.kept.checks.items():
            refusal = self._scripts.refusal((check,), is_remote=True)
            if refusal:
                _LOG.warning("check of an earlier run is not run", check=key, why=refusal)
            elif self._book.own_check(key) is not None or not self._has_service(check):
                self._keeper.store_soon(check_key(key), None)
            else:
                changes += self._put_check(check, Source.HTTP)
        self._keeper.forget_states_except(self._book.checks.keys())
        return changes

    # --- what HTTP asks for ------------------------------------------------------------

    def take_orders(self, orders: Orders) -> None:
        """Carry out what HTTP asks to be done with services and checks.

        Each raises ``ApiError`` where what it is about is gone, or there is too much already, and ``DataDirError``
        where it cannot be stored; then nothing has changed.
        """
        orders.on(RegisterService, self._register_service)
        orders.on(DeregisterService, lambda order: self._deregister_service(order.service_id))
        orders.on(RegisterCheck, lambda order: self._register_check(order.definition))
        orders.on(DeregisterCheck, lambda order: self._deregister_check(order.check_id))
        orders.on_at_once(UpdateTtl, self._update_ttl)
        orders.on(SetMaintenance, self._set_maintenance)

    async def _register_service(self, action: RegisterService) -> None:
        definition = action.definition
        service = definition.service
        told = {check.id for check in definition.checks}
        self._refuse_excess(service.id, told)
        self._refuse_checks(definition.checks)
        gone: list[str] = []
        if action.replaces_checks:
            gone = [key for key in self._book.checks_of(service.id) if key not in told and not is_maintenance(key)]
        put: dict[str, Record | None] = {service_key(service.id): service_record(service)}
        put |= {check_key(check.id): check_record(check) for check in definition.checks}
        _refuse_large(put)
        await self._keeper.store(put | dict.fromkeys(_check_keys(gone)))
        changes = self._put_service(definition, Source.HTTP)
        for key in gone:
            changes += self._drop_check(key)
        self._tell(changes)
        self._warn(service_warnings(definition))

    async def _deregister_service(self, service_id: str) -> None:
        self._refuse_unknown(service_id)
        checks = self._book.checks_of(service_id)
        keys = [service_key(service_id), maintenance_key(service_id), *_check_keys(checks)]
        await self._keeper.store(dict.fromkeys(keys))
        self._tell(self._drop_service(service_id))

    async def _register_check(self, definition: CheckDefinition) -> None:
        self._refuse_excess("", {definition.id})
        self._refuse_checks((definition,))
        put: dict[str, Record | None] = {check_key(definition.id): check_record(definition)}
        _refuse_large(put)
        await self._keeper.store(put)
        if definition.service_id and definition.service_id not in self._book.services:
            self._keeper.store_soon(check_key(definition.id), None)
            raise ApiError(404, f"ServiceID {quote(definition.service_id)} does not exist")
        self._tell(self._put_check(definition, Source.HTTP))
        self._warn(check_warnings(definition))

    async def _deregister_check(self, check_id: str) -> None:
        own = self._book.own_check(check_id)
        if own is None:
            raise unknown_check(check_id)
        keys = _check_keys([check_id])
        if is_maintenance(check_id):
            keys.append(maintenance_key(own.check.service_id))
        await self._keeper.store(dict.fromkeys(keys))
        self._tell(self._drop_check(check_id))

    def _update_ttl(self, order: UpdateTtl) -> None:
        if not self._checker.update_ttl(order.check_id, order.status, order.output):
            raise unknown_check(order.check_id)
        own = self._book.own_check(order.check_id)
        if own is not None and own.definition is not None:
            self._keeper.note_state(own.check, own.definition)  # the same again, and its time anew

    async def _set_maintenance(self, action: SetMaintenance) -> None:
        service_id = action.service_id
        self._refuse_unknown(service_id)
        if action.is_on is (service_id in self._maintenance):
            return
        key = maintenance_key(service_id)
        if not action.is_on:
            await self._keeper.store({key: None})
            self._tell(self._drop_check(SERVICE_MAINTENANCE_PREFIX + service_id if service_id else NODE_MAINTENANCE))
            return
        await self._keeper.store({key: {"reason": action.reason}})
        try:
            self._refuse_unknown(service_id)
        except ApiError:
            self._keeper.store_soon(key, None)
            raise
        self._maintenance[service_id] = action.reason
        self._tell(self._put_maintenance(service_id))

    def _refuse_unknown(self, service_id: str) -> None:
        if service_id and service_id not in self._book.services:
            raise unknown_service(service_id)

    def _refuse_excess(self, service_id: str, check_ids: set[str]) -> None:
        book = self._book
        services = len(book.services) + (service_id not in book.services if service_id else 0)
        checks = len(book.checks) + sum(key not in book.checks for key in sorted(check_ids))
        if services > MAX_SERVICES or checks > MAX_CHECKS:
            raise ApiError(500, f"this agent keeps {MAX_SERVICES} services and {MAX_CHECKS} checks at most")

    def _refuse_checks(self, checks: Sequence[CheckDefinition]) -> None:
        for check in checks:
            refusal = self._checker.refusal(check)
            if check.id == SERF_HEALTH or is_maintenance(check.id):
                refusal = f"check ID {quote(check.id)} is one that the agent itself uses"
            if refusal:
                raise ApiError(400, f"Invalid check: {refusal}")

    # --- the book, and whoever goes by it ------------------------------------------------

    def _put_service(self, definition: ServiceDefinition, source: Source) -> list[Registration]:
        service = definition.service
        renamed = self._book.put_service(service, source, trio.current_time())
        changes: list[Registration] = [ServiceRegistered(self._node, service)]
        changes += [CheckRegistered(self._node, self._book.checks[key]) for key in renamed]
        for check in definition.checks:
            changes += self._put_check(check, source)
        if service.id in self._maintenance:
            changes += self._put_maintenance(service.id)
        return changes

    def _put_check(self, definition: CheckDefinition, source: Source) -> list[Registration]:
        key = definition.id
        definition = attrs.evolve(definition, output_max_size=min(definition.output_max_size, self._output_max_size))
        remembered = self._checker.state(key) or self._keeper.take_state(definition)
        try:
            said = self._checker.start(definition, remembered)
        except DefinitionError as problem:
            _LOG.error("check cannot be run", check=key, error=problem)
            return self._drop_check(key)
        check = definition.shown(said.status, said.output, self._book.services.get(definition.service_id))
        self._book.put_check(check, definition, source, trio.current_time())
        return [CheckRegistered(self._node, check)]

    def _put_maintenance(self, service_id: str) -> list[Registration]:
        service = self._book.services.get(service_id)
        check = maintenance_check(service, self._maintenance[service_id])
        self._book.put_check(check, None, Source.HTTP, trio.current_time())
        return [CheckRegistered(self._node, check)]

    def _drop_service(self, service_id: str) -> list[Registration]:
        changes: list[Registration] = []
        for key in self._book.checks_of(service_id):
            changes += self._drop_check(key)
        self._book.drop_service(service_id)
        return [*changes, ServiceDeregistered(self._node, service_id)]

    def _drop_check(self, check_id: str) -> list[Registration]:
        own = self._book.own_check(check_id)
        if own is None:
            return []
        if own.definition is not None:
            self._checker.stop(check_id)
        if is_maintenance(check_id):
            self._maintenance.pop(own.check.service_id, None)
        self._book.drop_check(check_id)
        for key in _check_keys([check_id]):
            self._keeper.store_soon(key, None)
        return [CheckDeregistered(self._node, check_id)]

    def _report(self, check_id: str, status: CheckStatus, output: str) -> None:
        own = self._book.own_check(check_id)
        if own is None or own.definition is None:
            return
        before = own.check
        output = "" if self._discards_output else output
        if self._book.report(check_id, status, output, trio.current_time()):
            self._own_node.publish([CheckRegistered(self._node, own.check)])
        elif own.check is not before:
            self._own_node.publish_by(self._book.due_at(check_id))
        if own.check is not before:
            self._keeper.note_state(own.check, own.definition)

    def _take_tags(self, tags: Mapping[str, tuple[str, ...]]) -> None:
        for key, told in tags.items():
            service = attrs.evolve(self._book.services[key], tags=told)
            source = self._book.source_of(key) or Source.HTTP
            self._book.put_service(service, source, trio.current_time())
            if source is Source.HTTP:
                self._keeper.store_soon(service_key(key), service_record(service))
        self._wake()

    def _tell(self, changes: Sequence[Registration]) -> None:
        self._own_node.publish(changes)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _warn(self, warnings: Sequence[str]) -> None:
        for warning in warnings:
            if warning in self._warned:
                continue
            if len(self._warned) >= MAX_WARNED:
                self._warned.clear()
            self._warned[warning] = None
            self._remote.warning("a registration is not all that it could be", "http", what=warning[:MAX_WARNING_CHARS])


def _refuse_large(put: Mapping[str, Record | None]) -> None:
    for key, record in put.items():
        name = key.partition("/")[2]
        if len(name.encode("utf-8", "replace")) > MAX_ID_BYTES:
            raise ApiError(400, f"ID {quote(name[:SHOWN_CHARS])}... is too long (limit: {MAX_ID_BYTES} bytes)")
        if len(json.dumps(record)) > MAX_RECORD_CHARS:
            raise ApiError(400, f"The definition of {quote(name)} is too long (limit: {MAX_RECORD_CHARS} characters)")


def _check_keys(check_ids: Sequence[str]) -> list[str]:
    return [key for check_id in check_ids for key in (check_key(check_id), state_key(check_id))]

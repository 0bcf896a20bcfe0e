"""``Agent``: the composition root; config, cores and shells wired together in one nursery.

Strategy: this file says what talks to what, and nothing else. Gossip events
become table changes, one synchronous step from datagram to new view; DNS and
HTTP read the view of the moment; what HTTP asks for becomes commands to the
Serf layer. Between two awaits nothing can interleave, so nothing is locked.

Life: ``run`` until ``stop`` (or a fatal event); ``leave`` first for a graceful end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from random import Random

import attrs
import trio

from nodedns import __version__
from nodedns.agent.access import LiveAccess
from nodedns.agent.coordinates import LiveCoordinates
from nodedns.agent.dns_service import DnsService, make_dns_ledger
from nodedns.agent.event_log import EventLog
from nodedns.agent.failed_nodes import FailedNodes
from nodedns.agent.index_ceiling import IndexCeiling
from nodedns.agent.joining import Joiner
from nodedns.agent.keyring_writer import KeyringWriter
from nodedns.agent.keyrings import Keyrings
from nodedns.agent.listeners import Listeners
from nodedns.agent.live_journal import LiveJournal
from nodedns.agent.live_table import LiveTable
from nodedns.agent.local_member import make_serf
from nodedns.agent.local_setup import local_services_part, make_local_services
from nodedns.agent.memory import Memory
from nodedns.agent.meta_log import MetaLog
from nodedns.agent.monitoring import Monitoring
from nodedns.agent.name_log import NameLog
from nodedns.agent.orders import Orders
from nodedns.agent.questions import Questions
from nodedns.agent.registrations import Registrations
from nodedns.agent.reloading import Reloader, access_part, dns_part, failed_nodes_part, log_part, tags_part
from nodedns.agent.replication import Replication
from nodedns.agent.resolving import Resolver
from nodedns.agent.statistics import agent_statistics, debug_config, status_line
from nodedns.agent.supervision import Supervision
from nodedns.agent.transfers import LiveTransfers
from nodedns.agent.user_events import EventBook
from nodedns.api.actions import (
    Action,
    ActionResult,
    FireEvent,
    FirePlainEvent,
    ForceLeave,
    ForgetMissingNames,
    Join,
    Leave,
    OperateKeyring,
    Register,
    Reload,
    SwitchQueryLog,
)
from nodedns.api.blocking import Topic
from nodedns.api.context import AgentFacts, ApiContext
from nodedns.api.queries import AskPool, Progress
from nodedns.config.reload import ReadAgain
from nodedns.config.schema import AgentConfig
from nodedns.errors import AgentError, JoinError, LocalProtocolError
from nodedns.model.names import NodeName
from nodedns.net.gossip_driver import GossipDriver
from nodedns.net.service_manager import ServiceManager
from nodedns.net.tcp import TcpDialer
from nodedns.observe.logs import logger
from nodedns.observe.metrics import GOSSIP_HEALTH_SCORE, SERF_NAME_CONFLICTS_OPEN, Metrics
from nodedns.serf.events import (
    ConflictLost,
    JoinDone,
    LeaveDone,
    MemberChanged,
    MemberChangeKind,
    SerfEvent,
    SnapshotAppend,
    SnapshotRewrite,
)
from nodedns.table.bootstrap import Expectation
from nodedns.table.changes import ClusterKnown, MemberForgotten, MemberUpserted, Registration
from nodedns.table.node_table import NodeTable
from nodedns.table.parts import WHOLE, Part

__all__ = ["EXIT_FAILED", "EXIT_OK", "Agent"]

EXIT_OK = 0
EXIT_FAILED = 1

_LOG = logger("agent")


class Agent:
    """One running agent.

    Args:
        config: Checked and complete.
        memory: Its data directory.
        listeners: Its sockets, bound; the agent owns them from now on.
        metrics: Its counters.
        rng: Every random choice of the cores.
        entropy: Random bytes.
        wall_clock: Seconds since 1970; the table's first index, so that indexes rise over restarts.
        read_again: Reads ``config`` anew; None if that cannot be done.
        manager: Is told how the agent is; None for nobody.

    Raises:
        AgentError: Our tags, node meta among them, do not fit into gossip, or the keyring or a certificate cannot be
            used.
    """

    def __init__(
        self,
        config: AgentConfig,
        memory: Memory,
        listeners: Listeners,
        metrics: Metrics,
        *,
        rng: Random,
        entropy: Callable[[int], bytes],
        wall_clock: Callable[[], float],
        read_again: ReadAgain | None = None,
        manager: ServiceManager | None = None,
    ) -> None:
        self._config = config
        self._memory = memory
        self._listeners = listeners
        self._rng = rng
        self._metrics = metrics
        self._event_log = EventLog(metrics, trio.current_time)
        self._expectation = Expectation(config.bootstrap_expect if config.server else 0)
        self.table = _make_table(config, memory, metrics, int(wall_clock()))
        self._failed_nodes = FailedNodes(config.failed_nodes_grace_s, self.table.apply)
        self._name_log = NameLog(trio.current_time)
        self._serf = make_serf(config, memory, listeners.gossip_udp.local_address.port, rng=rng, entropy=entropy)
        self._coordinates = LiveCoordinates(
            self._serf, lambda: self.table.view.nodes_index, first_index=int(wall_clock())
        )
        self._journal = LiveJournal(NodeName(config.node_name), self._serf, wall_clock)
        self._driver: GossipDriver[SerfEvent] = GossipDriver(
            self._serf, listeners.gossip_udp, TcpDialer(), listeners.gossip_tcp, self._on_serf_event, metrics
        )
        self._replication = Replication(
            memory,
            self.table,
            self._serf,
            self._driver.wake,
            metrics,
            datacenter=config.datacenter,
            rng=rng,
            wall_clock=wall_clock,
        )
        self._registrations = Registrations(self._replication)
        self._local = make_local_services(
            config, memory, self._registrations, self.table, rng=rng, metrics=metrics, wall_clock=wall_clock
        )
        self._joiner = Joiner(self._serf, self._driver.wake, Resolver(config.serf_lan_port, rng))
        self._questions = Questions(self._serf, self._driver.wake)
        self._event_book = EventBook(
            self._serf, self._driver.wake, config.node_name, self._event_log.note, self._local.filtered
        )
        self._keyrings = Keyrings(self._serf, self._questions)
        self._keyring_writer = KeyringWriter(memory.keyring, self._serf, self._driver.wake)
        self._dns_ledger = make_dns_ledger(config, rng, metrics)
        self._monitoring = Monitoring(metrics, self._dns_ledger, wall_clock)
        self._access = LiveAccess(config, wall_clock)
        self._http = self._access.make_server(config, listeners, self, metrics)
        self._dns = DnsService(
            config,
            listeners,
            self.table,
            rng,
            metrics,
            ledger=self._dns_ledger,
            entropy=entropy,
            wall_clock=wall_clock,
            denies_names=self._access.denies_names,
            coordinates=self._coordinates,
            transfers=LiveTransfers(
                config, self.table, memory.zone_serial, metrics, entropy=entropy, wall_clock=wall_clock
            ),
        )
        self._reloader = Reloader(
            config,
            read_again,
            (
                tags_part(self._serf, self._driver.wake, config, memory.node_id),
                log_part,
                dns_part(self._dns),
                failed_nodes_part(self._failed_nodes),
                access_part(self._access),
                local_services_part(self._local),
            ),
        )
        self._supervision = Supervision(
            manager or ServiceManager("", None, trio.current_time),
            (*self._driver.vitals(), listeners.gossip_udp.vital(), *self._dns.vitals()),
            lambda: status_line(config.node_name, self._serf.statistics()),
        )
        self._gauge_serf()
        self._facts = AgentFacts(
            node_name=config.node_name,
            node_id=memory.node_id,
            datacenter=config.datacenter,
            version=__version__,
            is_server=config.server,
            is_dev=config.dev_mode,
            bind_addr=config.serf_lan_addr,
        )
        self._debug_config = debug_config(config)
        self._is_up = False
        self._stopping = trio.Event()
        self._left = trio.Event()
        self.exit_code = EXIT_OK
        self._is_cluster_known = False
        self._check_expectation()
        self._orders = Orders()
        self._take_orders()

    def _gauge_serf(self) -> None:
        self._metrics.set_by(GOSSIP_HEALTH_SCORE, lambda: self._serf.statistics().health_score)
        self._metrics.set_by(SERF_NAME_CONFLICTS_OPEN, lambda: len(self._serf.conflicts()))

    @property
    def is_encrypted(self) -> bool:
        """Whether its gossip has a key."""
        return self._serf.statistics().encrypted

    @property
    def watched_paths(self) -> Sequence[Path]:
        """The files and directories that its configuration comes from, those of host keys among them."""
        return self._config.watched_paths

    # --- life ------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``stop``; ``exit_code`` then says how it ended.

        Raises only when a socket is broken.
        """
        try:
            async with trio.open_nursery() as nursery:
                if self._memory.snapshot:
                    await nursery.start(self._memory.snapshot.run)
                nursery.start_soon(self._keyring_writer.run)
                nursery.start_soon(self._failed_nodes.run)
                nursery.start_soon(self._monitoring.run)
                await nursery.start(self._replication.run)
                await nursery.start(self._local.run)
                await nursery.start(self._driver.run)
                for server in self._dns.servers:
                    await nursery.start(server.serve)
                nursery.start_soon(self._dns.transfers.run)
                http_over = trio.Event()
                await nursery.start(self._serve_http, http_over)
                nursery.start_soon(self._join_at_start)
                nursery.start_soon(self._supervision.run, self._joiner.tried)
                self._is_up = True
                _LOG.info("nodedns agent running!")
                task_status.started()
                await self._stopping.wait()
                if self._http:
                    self._http.stop()
                await http_over.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._listeners.close()

    async def _serve_http(self, over: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
        try:
            if self._http:
                await self._http.serve(task_status=task_status)
            else:
                task_status.started()
        finally:
            over.set()

    async def _join_at_start(self) -> None:
        config = self._config
        if not config.retry_join:
            self._joiner.tried.set()
        if config.retry_join and not await self._joiner.join_until_done(
            config.retry_join, config.retry_interval_s, config.retry_max
        ):
            self.stop(EXIT_FAILED)

    def stop(self, exit_code: int) -> None:
        """End ``run``; the first call's exit code counts."""
        if not self._stopping.is_set():
            self.exit_code = exit_code
            self._supervision.stopping()
            self._stopping.set()

    async def join(self, addresses: tuple[str, ...]) -> int:
        """Join the pool through any of ``addresses``; return how many answered. Raises ``JoinError``."""
        try:
            return await self._joiner.join(addresses)
        except JoinError as problem:
            _LOG.warning("couldn't join", error=problem)
            raise

    async def leave(self) -> None:
        """Leave the pool gracefully; returns when that is over. Any number of callers may wait."""
        if not self._left.is_set():
            try:
                self._serf.leave(trio.current_time())
            except LocalProtocolError:
                pass  # under way already: wait for it with whoever began it
            else:
                _LOG.info("leaving the pool")
                self._supervision.stopping()
            self._driver.wake()
            await self._left.wait()

    async def reload(self) -> None:
        """Take the configuration as it is written now. Raises ``AgentError`` in one line if nothing has changed."""
        if not self._is_up:
            _LOG.error("cannot reload before agent started")
            raise AgentError("cannot reload before agent started")
        with self._supervision.reloading():
            await self._reloader.reload()
        self._config = self._reloader.config
        self._debug_config = debug_config(self._config)

    # --- gossip ----------------------------------------------------------------------

    def _on_serf_event(self, event: SerfEvent) -> None:
        self._event_log.note(event)
        self._journal.note(event)
        self._questions.note(event)
        self._event_book.note(event)
        self._keyring_writer.note(event)
        self._replication.note(event)
        match event:
            case MemberChanged(kind, member):
                is_reaped = kind is MemberChangeKind.REAP
                self.table.note(MemberForgotten(member.name) if is_reaped else MemberUpserted(member))
                self._failed_nodes.note(member, trio.current_time(), is_forgotten=is_reaped)
                self._check_expectation()
            case JoinDone():
                self._joiner.finish(event)
            case LeaveDone(error):
                if error:
                    _LOG.warning("left the pool, but not everybody may have heard", error=error)
                self._left.set()
            case ConflictLost():
                self.stop(EXIT_FAILED)
            case SnapshotAppend(data):
                if self._memory.snapshot:
                    self._memory.snapshot.append(data)
            case SnapshotRewrite(data):
                if self._memory.snapshot:
                    self._memory.snapshot.rewrite(data)
            case _:
                pass  # logged and counted already; nothing to do

    def _check_expectation(self) -> None:
        if self._is_cluster_known:
            return  # it stays known; looking would make the table take in each change by itself
        view = self.table.view
        if not view.cluster_known and self._expectation.is_met(view.members(), view.datacenter):
            self.table.apply([ClusterKnown()])
            if self._expectation.expect > 0:
                _LOG.info("the expected servers are here", expect=self._expectation.expect)
                self._memory.note_cluster_known()
        self._is_cluster_known = self.table.view.cluster_known

    # --- HTTP: what nodedns.net.http_server asks of an agent -------------------------------

    def api_context(self) -> ApiContext:
        """Return what HTTP handlers may look at, as of now."""
        return ApiContext(
            view=self.table.view,
            facts=self._facts,
            rng=self._rng,
            stats=self._statistics,
            debug_config=self._debug_config,
            coordinates=self._coordinates.known(trio.current_time()),
            recent_events=self._event_book.recent,
            chronicle=self._journal.chronicle(),
            conflicts=self._serf.conflicts,
            dns=self._monitoring.dns,
            metrics=self._monitoring.metrics,
            access=self._access.rules,
            query_times=self._config.query_times,
            local=self._local.readings(),
        )

    async def wait_changed(self, index: int, topic: Topic = Topic.TABLE, part: Part = WHOLE) -> None:
        """Return once the part of the table, or the other topic, may have changed after ``index``."""
        if topic is Topic.COORDINATES:
            await self._coordinates.wait_changed(index)
        elif topic is Topic.EVENTS:
            await self._event_book.wait_changed(index)
        elif topic is Topic.LOCAL:
            await self._local.wait_changed(index)
        else:
            await self.table.wait_changed(index, part)

    async def perform(self, action: Action) -> ActionResult:
        """Carry out what an HTTP request asks for and return what came of it. Raises ``NodednsError``."""
        return await self._orders.perform(action)

    def _take_orders(self) -> None:
        on, at_once = self._orders.on, self._orders.on_at_once
        on(Join, lambda order: self.join((order.address,)))
        on(Leave, lambda _: self._leave_and_stop())
        on(Reload, lambda _: self.reload())
        at_once(ForceLeave, self._force_leave)
        on(Register, lambda order: self._register(order.changes))
        self._local.take_orders(self._orders)
        at_once(FireEvent, self._event_book.fire)
        at_once(FirePlainEvent, self._event_book.fire)
        on(OperateKeyring, self._keyrings.operate)
        at_once(SwitchQueryLog, lambda order: self._dns_ledger.query_log.switch(is_on=order.is_on))
        at_once(ForgetMissingNames, lambda _: self._dns_ledger.missing.clear())

    async def _leave_and_stop(self) -> None:
        await self.leave()
        self.stop(EXIT_OK)

    async def _register(self, changes: Sequence[Registration]) -> None:
        self._name_log.note(changes)
        await self._registrations.apply(changes)

    def _force_leave(self, order: ForceLeave) -> None:
        self._serf.force_leave(order.name, trio.current_time(), prune=order.prune)
        self._driver.wake()

    async def follow(self, question: AskPool, tell: Callable[[Progress], Awaitable[None]]) -> None:
        """Ask the pool and tell what happens, to the end. Raises ``NodednsError`` before anything is told."""
        await self._questions.follow(question, tell)

    def _statistics(self) -> Mapping[str, Mapping[str, str]]:
        serving = attrs.asdict(self._driver.statistics())
        replication = self._replication.statistics()
        figures = agent_statistics(
            self._config, self.table.view, self._serf.statistics(), serving, self._metrics, replication=replication
        )
        return {**figures, "agent": self._local.figures()}


def _make_table(config: AgentConfig, memory: Memory, metrics: Metrics, wall_s: int) -> LiveTable:
    ceiling = IndexCeiling(memory.table_index, wall_s)
    rows = NodeTable(
        config.datacenter,
        NodeName(config.node_name),
        first_index=ceiling.first,
        cluster_known=memory.is_cluster_known(),
    )
    table = LiveTable(rows, metrics)
    table.watch(MetaLog(trio.current_time).note)
    table.watch(lambda _rows, _services: ceiling.note(table.view.index))
    return table

"""``Agent``: the composition root; config, cores and shells wired together in one nursery.

Strategy: this file says what talks to what, and nothing else. Gossip events
become table changes, one synchronous step from datagram to new view; DNS and
HTTP read the view of the moment; what HTTP asks for becomes commands to the
Serf layer. Between two awaits nothing can interleave, so there are no locks,
but for the one around the file of external nodes.

Life: ``run`` until ``stop`` (or a fatal event); ``leave`` first for a graceful end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

import attrs
import trio

from nodedns import __version__
from nodedns.agent.event_log import EventLog
from nodedns.agent.joining import resolve_all
from nodedns.agent.listeners import Listeners
from nodedns.agent.memory import Memory
from nodedns.agent.statistics import agent_statistics
from nodedns.api.actions import Action, DeregisterNode, ForceLeave, Join, Leave, RegisterNode
from nodedns.api.context import AgentFacts, ApiContext, Coordinate, Json
from nodedns.config.schema import AgentConfig
from nodedns.dns.question import RRType, Transport
from nodedns.dns.responder import Drop, QueryContext, respond
from nodedns.dns.zone import Zone
from nodedns.errors import AgentError, ApiError, JoinError, LocalProtocolError, TooBig, shorten
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName, fold
from nodedns.net.dns_tcp import TcpDnsServer
from nodedns.net.dns_udp import UdpDnsServer
from nodedns.net.gossip_driver import GossipDriver
from nodedns.net.http_server import HttpServer
from nodedns.net.tcp import TcpDialer
from nodedns.observe.logs import logger
from nodedns.observe.metrics import (
    DNS_DROPPED,
    DNS_QUERIES,
    SERF_MEMBERS,
    TABLE_INDEX,
    TABLE_NODES,
    Metrics,
)
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
from nodedns.serf.merge import MergePolicy
from nodedns.serf.serf import Serf
from nodedns.table.bootstrap import Expectation
from nodedns.table.changes import (
    Change,
    ClusterKnown,
    ExternalNode,
    MemberForgotten,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
)
from nodedns.table.member_facts import tags_for
from nodedns.table.node_table import NodeTable

__all__ = ["Agent"]

MAX_EXTERNAL_NODES = 65_536
"""Registered nodes kept by one agent; ours, as many as the UDP receive buffer of memberlist has bytes."""

EXIT_OK = 0
EXIT_FAILED = 1

_LOG = logger("agent")
_DNS_LOG = logger("dns")


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

    Raises:
        AgentError: Our tags, node meta among them, do not fit into gossip.
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
    ) -> None:
        self._config = config
        self._memory = memory
        self._listeners = listeners
        self._metrics = metrics
        self._rng = rng
        self._event_log = EventLog(metrics, trio.current_time)
        self._external: dict[str, ExternalNode] = {fold(node.name): node for node in memory.external_nodes()}
        self._expectation = Expectation(config.bootstrap_expect if config.server else 0)
        self._table = NodeTable(
            config.datacenter,
            NodeName(config.node_name),
            first_index=int(wall_clock()),
            cluster_known=memory.is_cluster_known(),
        )
        self._zone = Zone.of_domain(config.domain)
        self._serf = self._make_serf(entropy)
        self._driver: GossipDriver[SerfEvent] = GossipDriver(
            self._serf, listeners.gossip_udp, TcpDialer(), listeners.gossip_tcp, self._on_serf_event
        )
        self._dns_servers: list[UdpDnsServer | TcpDnsServer] = [
            *(UdpDnsServer(sock, self._respond, metrics) for sock in listeners.dns_udp),
            *(TcpDnsServer(listener, self._respond, metrics) for listener in listeners.dns_tcp),
        ]
        self._http = HttpServer(listeners.http, self, metrics) if listeners.http else None
        self._table_changed = trio.Event()
        self._stopping = trio.Event()
        self._left = trio.Event()
        self._joins: dict[int, _Join] = {}
        self._registering = trio.Lock()
        self.exit_code = EXIT_OK
        self._apply([NodeRegistered(node) for node in self._external.values()])
        self._check_expectation()

    def _make_serf(self, entropy: Callable[[int], bytes]) -> Serf:
        config = self._config
        name = NodeName(config.node_name)
        tags = tags_for(
            version=__version__,
            datacenter=config.datacenter,
            node_id=self._memory.node_id,
            is_server=config.server,
            dns_port=config.dns_port if config.dns_addrs else 0,
            meta=config.node_meta,
            expect=config.bootstrap_expect,
            bootstrap=config.bootstrap,
        )
        address = Address.from_text(config.advertise_addr, self._listeners.gossip_udp.local_address.port)
        try:
            return Serf(
                config.serf,
                config.gossip,
                name,
                address,
                tags,
                self._rng,
                entropy,
                remembered=self._memory.remembered(),
                merge_policy=MergePolicy(name, self._memory.node_id, config.datacenter),
            )
        except TooBig as problem:
            raise AgentError(
                f"node_meta does not fit into gossip: {problem}; give fewer or shorter -node-meta pairs"
            ) from None

    # --- life ------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``stop``; ``exit_code`` then says how it ended.

        Raises only when a socket is broken.
        """
        try:
            async with trio.open_nursery() as nursery:
                if self._memory.snapshot:
                    await nursery.start(self._memory.snapshot.run)
                await nursery.start(self._driver.run)
                for server in self._dns_servers:
                    await nursery.start(server.serve)
                http_over = trio.Event()
                if self._http:
                    await nursery.start(self._serve_http, http_over)
                nursery.start_soon(self._retry_join)
                _LOG.info("nodedns agent running!")
                task_status.started()
                await self._stopping.wait()
                if self._http:
                    self._http.stop()
                    await http_over.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._listeners.close()

    async def _serve_http(
        self, over: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        if self._http:
            try:
                await self._http.serve(task_status=task_status)
            finally:
                over.set()

    def stop(self, exit_code: int) -> None:
        """End ``run``; the first call's exit code counts."""
        if not self._stopping.is_set():
            self.exit_code = exit_code
            self._stopping.set()

    async def wait_member(self, name: str) -> None:
        """Return once the member of that name is alive in our own view."""
        while True:
            view = self._table.view
            member = view.member(name)
            if member is not None and member.status is MemberStatus.ALIVE:
                return
            await self.wait_changed(view.index)

    async def leave(self) -> None:
        """Leave the pool gracefully; returns when that is over. Any number of callers may wait."""
        if not self._left.is_set():
            try:
                self._serf.leave(trio.current_time())
            except LocalProtocolError:
                pass  # under way already: wait for it with whoever began it
            else:
                _LOG.info("leaving the pool")
            self._driver.wake()
            await self._left.wait()

    # --- gossip ----------------------------------------------------------------------

    def _on_serf_event(self, event: SerfEvent) -> None:
        self._event_log.note(event)
        match event:
            case MemberChanged(kind, member):
                is_reaped = kind is MemberChangeKind.REAP
                self._apply([MemberForgotten(member.name) if is_reaped else MemberUpserted(member)])
                self._check_expectation()
            case JoinDone():
                self._joins.pop(event.join_id).finish(event)
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
                pass

    def _apply(self, changes: Sequence[Change]) -> None:
        before = self._table.view.index
        view = self._table.apply(changes)
        if view.index == before:
            return
        self._metrics.set(TABLE_INDEX, view.index)
        self._metrics.set(TABLE_NODES, len(view.nodes()))
        for status in MemberStatus:
            count = sum(member.status is status for member in view.members())
            self._metrics.set(SERF_MEMBERS, count, status=status.word)
        self._table_changed.set()
        self._table_changed = trio.Event()

    def _check_expectation(self) -> None:
        view = self._table.view
        if not view.cluster_known and self._expectation.is_met(view.members(), view.datacenter):
            self._apply([ClusterKnown()])
            if self._config.server and self._config.bootstrap_expect > 0:
                _LOG.info("the expected servers are here", expect=self._config.bootstrap_expect)
                self._memory.note_cluster_known()

    # --- joining -----------------------------------------------------------------------

    async def join(self, texts: Sequence[str]) -> int:
        """Join the pool through any of these addresses; return how many answered.

        Raises:
            JoinError: None did; it carries each with its reason.
        """
        addresses, failures = await resolve_all(texts, self._config.serf_lan_port)
        contacted = 0
        if addresses:
            try:
                join = _Join()
                self._joins[self._serf.join(addresses, trio.current_time())] = join
            except LocalProtocolError:
                raise JoinError([(text, "this agent is leaving the pool") for text in texts]) from None
            self._driver.wake()
            done = await join.wait()
            contacted = done.contacted
            failures += [(str(address), reason) for address, reason in done.failures]
        if not contacted:
            raise JoinError(failures)
        for address, reason in failures:
            _LOG.warning("address did not answer a join", address=address, error=reason)
        return contacted

    async def _retry_join(self) -> None:
        """Join what ``-retry-join`` and ``-join`` name, again and again until it works."""
        config = self._config
        if not config.retry_join:
            return
        attempt = 0
        while True:
            _LOG.info("joining the pool", addresses=" ".join(config.retry_join))
            try:
                contacted = await self.join(config.retry_join)
            except JoinError as problem:
                attempt += 1
                if config.retry_max and attempt > config.retry_max:
                    _LOG.error("max join retry exhausted, exiting", attempts=attempt, error=problem)
                    self.stop(EXIT_FAILED)
                    return
                _LOG.warning("join failed, will retry", retry_interval=f"{config.retry_interval_s:g}s", error=problem)
                await trio.sleep(config.retry_interval_s)
            else:
                _LOG.info("join completed", contacted=contacted)
                return

    # --- DNS -----------------------------------------------------------------------------

    def _respond(self, wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        transport = Transport.TCP if is_tcp else Transport.UDP
        outcome = respond(
            wire, QueryContext(client, transport, self._table.view, self._zone, self._config.dns, self._rng)
        )
        if isinstance(outcome, Drop):
            self._metrics.count(DNS_DROPPED, reason=outcome.reason.value)
            return None
        self._metrics.count(
            DNS_QUERIES,
            transport="tcp" if is_tcp else "udp",
            qtype=_type_name(outcome.qtype),
            rcode=outcome.rcode.name,
        )
        return outcome.wire

    # --- HTTP: what nodedns.net.http_server asks of an agent -------------------------------

    def api_context(self) -> ApiContext:
        """Return what HTTP handlers may look at, as of now."""
        config = self._config
        facts = AgentFacts(
            node_name=config.node_name,
            node_id=self._memory.node_id,
            datacenter=config.datacenter,
            version=__version__,
            is_server=config.server,
            is_dev=config.dev_mode,
            bind_addr=config.bind_addr,
        )
        here = self._serf.coordinate
        return ApiContext(
            view=self._table.view,
            facts=facts,
            rng=self._rng,
            stats=self._statistics,
            debug_config=_debug_config(config),
            coordinate=Coordinate(here.vec, here.error, here.adjustment, here.height),
        )

    async def wait_changed(self, index: int) -> None:
        """Return once the table's index is above ``index``."""
        while self._table.view.index <= index:
            await self._table_changed.wait()

    async def perform(self, action: Action) -> None:
        """Carry out what an HTTP request asks for. Raises ``NodednsError``."""
        match action:
            case Join(address):
                await self.join([address])
            case Leave():
                await self.leave()
                self.stop(EXIT_OK)
            case ForceLeave(name, prune):
                self._serf.force_leave(name, trio.current_time(), prune=prune)
                self._driver.wake()
            case RegisterNode(node):
                await self._register(node)
            case DeregisterNode(name):
                await self._deregister(name)

    async def _register(self, node: ExternalNode) -> None:
        async with self._registering:
            if fold(node.name) not in self._external and len(self._external) >= MAX_EXTERNAL_NODES:
                raise ApiError(500, f"this agent keeps {MAX_EXTERNAL_NODES} registered nodes already")
            wanted = {**self._external, fold(node.name): node}
            await self._memory.save_external_nodes(tuple(wanted.values()))
            self._external = wanted
            self._apply([NodeRegistered(node)])

    async def _deregister(self, name: NodeName) -> None:
        async with self._registering:
            if fold(name) not in self._external:
                return
            wanted = {key: node for key, node in self._external.items() if key != fold(name)}
            await self._memory.save_external_nodes(tuple(wanted.values()))
            self._external = wanted
            self._apply([NodeDeregistered(name)])

    def _statistics(self) -> Mapping[str, Mapping[str, str]]:
        driver = self._driver.statistics()
        return agent_statistics(self._config, self._table.view, self._serf.statistics(), attrs.asdict(driver))


class _Join:
    """One join under way, and whoever waits for it."""

    def __init__(self) -> None:
        self._over = trio.Event()
        self._done: JoinDone | None = None

    def finish(self, done: JoinDone) -> None:
        self._done = done
        self._over.set()

    async def wait(self) -> JoinDone:
        await self._over.wait()
        if self._done is None:
            raise LocalProtocolError("a join was over without an outcome")
        return self._done


def _type_name(qtype: int | None) -> str:
    if qtype is None:
        return "none"
    try:
        return RRType(qtype).name
    except ValueError:
        # A stranger may ask for any of 65,536 types; as labels they would crowd out the rest.
        return "other"


def _debug_config(config: AgentConfig) -> dict[str, Json]:
    return {name: _plain(value) for name, value in attrs.asdict(config).items()}


def _plain(value: object) -> Json:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return shorten(str(value))[1:-1]

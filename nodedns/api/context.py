"""``ApiContext``: everything a handler may look at.

The agent makes one per look, so a blocking query that is woken sees the new
view. Handlers change nothing in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import TypeAlias

import attrs

from nodedns.api.access import AccessRules
from nodedns.api.shared_answers import SharedAnswers
from nodedns.checks.scripts import ScriptRights
from nodedns.model.check import Check
from nodedns.model.conflict import Conflict
from nodedns.model.coordinate import Coordinate
from nodedns.model.figures import Interval
from nodedns.model.fired_event import FiredEvent
from nodedns.model.history import HistoryEntry, MemberHistory
from nodedns.model.missing_name import MissingSummary
from nodedns.model.service import Service
from nodedns.table.view import TableView

__all__ = [
    "AgentFacts",
    "ApiContext",
    "Chronicle",
    "DnsReadings",
    "Json",
    "KnownCoordinates",
    "LocalReadings",
    "MetricsReadings",
    "QueryLogState",
    "QueryTimes",
    "RecentEvents",
    "Stats",
]

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Stats = Mapping[str, Mapping[str, str]]


@attrs.frozen(kw_only=True)
class AgentFacts:
    """What does not change while the agent runs.

    Attributes:
        node_name: This agent's name.
        node_id: UUID text.
        datacenter: Local datacenter.
        version: nodedns's version, such as ``0.1.0``.
        revision: Source revision; empty where unknown.
        is_server: Whether it runs with ``-server``.
        is_dev: Whether it runs with ``-dev``; then every JSON answer is indented.
        bind_addr: IP text of the gossip socket.
    """

    node_name: str
    node_id: str
    datacenter: str
    version: str
    revision: str = ""
    is_server: bool = False
    is_dev: bool = False
    bind_addr: str = ""


@attrs.frozen
class KnownCoordinates:
    """The network coordinates that this agent knows.

    Attributes:
        index: Rises when they have changed, at most every few seconds; not an index of the table.
        of: Returns the one of a node of exactly this name, our own included, or None.
    """

    index: int
    of: Callable[[str], Coordinate | None]


@attrs.frozen
class RecentEvents:
    """The user events that this agent saw last.

    Attributes:
        events: Oldest first.
        seen: How many it has seen in all; rises when, and only when, ``events`` changes.
    """

    events: tuple[FiredEvent, ...] = ()
    seen: int = 0


def _no_stats() -> Stats:
    return {}


def _no_conflicts() -> Sequence[Conflict]:
    return ()


def _no_history(_name: str) -> MemberHistory | None:
    return None


def _no_entries(_count: int) -> tuple[HistoryEntry, ...]:
    return ()


@attrs.frozen(kw_only=True)
class Chronicle:
    """What is remembered of members, and the time by which to tell it.

    Attributes:
        now: Monotonic seconds, the clock of all that is remembered.
        wall_now: The same moment in seconds since 1970.
        history: Returns what is remembered of one member, its name in any letter case.
        latest: Returns the last so many entries of all members, oldest first.
        health_score: Lifeguard's score of this agent's own health; 0 is well.
    """

    now: float = 0.0
    wall_now: float = 0.0
    history: Callable[[str], MemberHistory | None] = _no_history
    latest: Callable[[int], Sequence[HistoryEntry]] = _no_entries
    health_score: int = 0

    def wall_text(self, at: float) -> str:
        """Return a moment of the monotonic clock as RFC 3339 in UTC, to the millisecond."""
        moment = datetime.fromtimestamp(self.wall_now - (self.now - at), UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@attrs.frozen
class QueryTimes:
    """How long blocking queries wait, in seconds.

    Attributes:
        default_s: Where ``wait`` is absent (Consul's default_query_time).
        max_s: At most, before the jitter (Consul's max_query_time); above 0, as is the other.
    """

    default_s: float = 300.0
    max_s: float = 600.0


@attrs.frozen
class QueryLogState:
    """The query log.

    Attributes:
        is_on: Whether queries are logged.
        lines: Written since the agent started.
        suppressed: Held back since then, because there were too many.
    """

    is_on: bool = False
    lines: int = 0
    suppressed: int = 0


def _nothing_missing(_limit: int) -> MissingSummary:
    return MissingSummary()


@attrs.frozen(kw_only=True)
class DnsReadings:
    """What may be read of the DNS service.

    Attributes:
        top_missing: Returns the so many most asked names that do not exist.
        query_log: Returns the state of the query log.
    """

    top_missing: Callable[[int], MissingSummary] = _nothing_missing
    query_log: Callable[[], QueryLogState] = QueryLogState


def _no_text() -> bytes:
    return b""


@attrs.frozen(kw_only=True)
class MetricsReadings:
    """What may be read of the metrics.

    Attributes:
        text: Returns all of them in Prometheus's text format, version 0.0.4.
        open_text: Returns them in OpenMetrics's format, version 1.0.0.
        interval: Returns those of the last ten seconds.
    """

    text: Callable[[], bytes] = _no_text
    open_text: Callable[[], bytes] = _no_text
    interval: Callable[[], Interval] = Interval


@attrs.frozen(kw_only=True)
class LocalReadings:
    """What is registered with this agent, as of now.

    Attributes:
        services: By ID, in the order they came.
        checks: By ID, those that run and those of maintenance, with what they said last.
        revision: Rises when ``services`` changes; not an index of the table.
        scripts: From where checks that run programs are taken.
    """

    services: Mapping[str, Service] = attrs.field(factory=dict)
    checks: Mapping[str, Check] = attrs.field(factory=dict)
    revision: int = 0
    scripts: ScriptRights = attrs.field(factory=ScriptRights)


@attrs.frozen(kw_only=True)
class ApiContext:
    """What a handler may look at.

    Attributes:
        view: The table now.
        facts: The agent.
        rng: Spreads the time-outs of blocking queries.
        stats: Makes the figures of ``nodedns info``; called only when asked for.
        debug_config: The running configuration without secrets.
        coordinates: Where the nodes are in the network; None where that is turned off.
        recent_events: User events seen.
        chronicle: What happened to members.
        conflicts: Returns the names that two agents claim now.
        dns: What is told of the DNS service.
        metrics: What is counted.
        access: Who may do what.
        query_times: How long blocking queries wait.
        local: Services and checks of this agent.
        shared: Where those who waited for one change share what they are answered; None for a look by itself.
    """

    view: TableView
    facts: AgentFacts
    rng: Random
    stats: Callable[[], Stats] = _no_stats
    debug_config: Mapping[str, Json] = attrs.field(factory=dict)
    coordinates: KnownCoordinates | None = None
    recent_events: RecentEvents = attrs.field(factory=RecentEvents)
    chronicle: Chronicle = Chronicle()
    conflicts: Callable[[], Sequence[Conflict]] = _no_conflicts
    dns: DnsReadings = DnsReadings()
    metrics: MetricsReadings = MetricsReadings()
    access: AccessRules = attrs.field(factory=AccessRules)
    query_times: QueryTimes = QueryTimes()
    local: LocalReadings = attrs.field(factory=LocalReadings)
    shared: SharedAnswers | None = None

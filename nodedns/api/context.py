"""``ApiContext``: everything a handler may look at.

The agent makes one per look, so a blocking query that is woken sees the new
view. Handlers change nothing in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeAlias

import attrs

from nodedns.table.view import TableView

__all__ = ["AgentFacts", "ApiContext", "Coordinate", "Json", "Stats"]

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
class Coordinate:
    """A Vivaldi coordinate, in seconds.

    Attributes:
        vec: Position, 8 numbers in Serf.
        error: Confidence; smaller is better.
        adjustment: Added to estimated distances.
        height: Distance to the core of the network.
    """

    vec: tuple[float, ...]
    error: float
    adjustment: float
    height: float


def _no_stats() -> Stats:
    return {}


@attrs.frozen(kw_only=True)
class ApiContext:
    """What a handler may look at.

    Attributes:
        view: The table now.
        facts: The agent.
        rng: Spreads the time-outs of blocking queries.
        stats: Makes the figures of ``nodedns info``; called only when asked for.
        debug_config: The running configuration without secrets.
        coordinate: Our own, where one is kept.
    """

    view: TableView
    facts: AgentFacts
    rng: Random
    stats: Callable[[], Stats] = _no_stats
    debug_config: Mapping[str, Json] = attrs.field(factory=dict)
    coordinate: Coordinate | None = None

"""The two runners of a ``Scenario``: the event engine, and trio with the real ``GossipDriver``.

The engine is where volume goes: no tasks, some microseconds a delivery. Under
trio the shells themselves run, on the simulated network and under a
``MockClock`` that jumps whenever every task waits; that is how the shells, their
cancellation and their draining are shown to be right. A test calls either from
a synchronous function, under ``@given`` if its trio run is to be repeatable:
Hypothesis seeds trio's scheduler too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import trio
import trio.testing

from nodedns.gossip.core import GossipCore, StreamExchange
from nodedns.gossip.events import Datagram, StreamWanted
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus
from nodedns.net.gossip_driver import GossipDriver
from nodedns.testing.builders import Build
from nodedns.testing.cluster import Cluster, Process
from nodedns.testing.engine import Engine, EngineNode
from nodedns.testing.invariants import Check, Invariants
from nodedns.testing.network import Conditions, NetworkStatistics, SimNetwork
from nodedns.testing.scenario import Scenario, play
from nodedns.testing.trace import Trace
from nodedns.testing.transports import SimHost, TrioScheduler

__all__ = ["Outcome", "engine_cluster", "run_on_engine", "run_on_trio"]


@attrs.frozen
class Outcome:
    """How a scenario ended.

    Attributes:
        views: Each running member's view.
        trace: Hash of all that happened, and how much that was.
        trace_entries: Likewise.
        ended_at: Virtual seconds.
        network: The network's counters.
    """

    views: Mapping[str, Mapping[str, MemberStatus]]
    trace: str
    trace_entries: int
    ended_at: float
    network: NetworkStatistics


def _outcome(cluster: Cluster) -> Outcome:
    trace = cluster.trace
    return Outcome(cluster.views(), trace.digest(), trace.entries, cluster.now, cluster.network.statistics())


def engine_cluster(
    build: Build, seed: int | str, conditions: Conditions | None = None, *, traced: bool = True
) -> tuple[Engine, Cluster]:
    """Return an engine and an empty cluster on it, for tests and benchmarks that go their own way.

    Args:
        build: Makes members.
        seed: Of all chance.
        conditions: The network's.
        traced: Whether deliveries are hashed, which costs about a microsecond each.
    """
    engine = Engine()
    trace = Trace()
    network = SimNetwork(engine, seed, conditions, trace.note_delivery if traced else None)

    def spawn(address: Address, core: GossipCore[Any], on_event: Callable[[object], None]) -> Process:
        return EngineNode(engine, network, address, core, on_event)

    return engine, Cluster(engine, network, spawn, build, seed=seed, trace=trace)


def run_on_engine(
    scenario: Scenario, build: Build, *, further: Sequence[Check] = (), say: Callable[[str], None] = print
) -> Outcome:
    """Play a scenario on the event engine.

    Args:
        scenario: What happens.
        build: Makes members.
        further: Invariants beyond the usual ones.
        say: Takes the lines that tell how the scenario goes.

    Raises:
        ExpectationFailed, InvariantBroken: As ``play``.
    """
    engine, cluster = engine_cluster(build, scenario.seed, scenario.conditions)
    for until in play(scenario, cluster, Invariants(cluster, further), say):
        engine.run_until(until)
    return _outcome(cluster)


def run_on_trio(
    scenario: Scenario, build: Build, *, further: Sequence[Check] = (), say: Callable[[str], None] = print
) -> Outcome:
    """Play a scenario on trio, with the real driver; the same arguments and errors as ``run_on_engine``."""
    broken: list[AssertionError] = []

    async def main() -> Outcome:
        scheduler = TrioScheduler()
        trace = Trace()
        network = SimNetwork(scheduler, scenario.seed, scenario.conditions, trace.note_delivery)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.run)

            def spawn(address: Address, core: GossipCore[Any], on_event: Callable[[object], None]) -> Process:
                return _TrioProcess(nursery, SimHost(network, address), core, on_event)

            cluster = Cluster(scheduler, network, spawn, build, seed=scenario.seed, trace=trace)
            try:
                for until in play(scenario, cluster, Invariants(cluster, further), say):
                    await trio.sleep_until(until)
            except AssertionError as error:
                # Carried past the nursery, which would wrap it in a group.
                broken.append(error)
            outcome = _outcome(cluster)
            nursery.cancel_scope.cancel()
        return outcome

    outcome = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    if broken:
        raise broken[0]
    return outcome


class _TrioProcess:
    """A core under the real driver, in a nursery task that can be killed."""

    def __init__(
        self, nursery: trio.Nursery, host: SimHost, core: GossipCore[Any], on_event: Callable[[object], None]
    ) -> None:
        self._nursery = nursery
        self._host = host
        self._gate = _Gate(core)
        self._driver = GossipDriver[Any](self._gate, host.transport, host.dialer, host.listener, on_event)
        self._scope = trio.CancelScope()

    def start(self) -> None:
        self._nursery.start_soon(self._run)

    def kill(self) -> None:
        self._scope.cancel()
        self._host.kill()

    def pause(self) -> None:
        self._gate.is_shut = True
        self._host.pause()

    def resume(self) -> None:
        self._gate.is_shut = False
        self._host.resume()
        self._driver.wake()

    def wake(self) -> None:
        self._driver.wake()

    async def _run(self) -> None:
        with self._scope:
            await self._driver.run()


class _Gate:
    """A core that can be paused: shut, it has no timers and says nothing.

    A paused host lets nothing in, but the driver's timer runs on trio's clock.
    """

    def __init__(self, core: GossipCore[Any]) -> None:
        self._core = core
        self.is_shut = False

    def start(self, now: float) -> None:
        self._core.start(now)

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        self._core.receive_datagram(data, source, now)

    def handle_timer(self, now: float) -> None:
        if not self.is_shut:
            self._core.handle_timer(now)

    def next_deadline(self) -> float | None:
        return None if self.is_shut else self._core.next_deadline()

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        return self._core.datagrams_to_send(now)

    def next_event(self) -> Any:  # noqa: ANN401 - whatever the core's events are
        return self._core.next_event()

    def open_stream(self, wanted: StreamWanted, now: float) -> StreamExchange:
        return self._core.open_stream(wanted, now)

    def stream_failed(self, wanted: StreamWanted, reason: str, now: float) -> None:
        self._core.stream_failed(wanted, reason, now)

    def accept_stream(self, source: Address, now: float) -> StreamExchange | None:
        return self._core.accept_stream(source, now)

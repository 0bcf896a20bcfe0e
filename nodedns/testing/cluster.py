"""``Cluster``: the members of a simulation, their processes and the network between them.

It knows neither engine nor trio: a ``Scheduler`` gives time, ``Spawn`` makes a
process of a core, and both runners (``runners.py``) provide the two. All its
methods are synchronous; time passes only in the runner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs

from nodedns.gossip.core import GossipCore
from nodedns.gossip.events import NodeSuspected
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.testing.builders import Build, Departed, Disk, Plan, Saw, SimMember, address_number
from nodedns.testing.faults import TOLERATED_DELAY_S, TOLERATED_LOSS, FaultLedger
from nodedns.testing.network import SimNetwork
from nodedns.testing.scheduler import Scheduler
from nodedns.testing.trace import Trace

__all__ = ["Cluster", "Process", "Running", "Spawn"]

CUT, SLOW, LOSS = "cut", "slow", "loss"
JOIN_AFTER_S = 0.01  # a process is given the time to start before it is told to join


class Process(Protocol):
    """A core that runs on the simulated network."""

    def start(self) -> None:
        """Start it, now or as soon as the runner gets to it."""
        ...

    def kill(self) -> None:
        """Stop it at once, as by ``kill -9``."""
        ...

    def pause(self) -> None:
        """Stop it until ``resume``, as by SIGSTOP."""
        ...

    def resume(self) -> None:
        """Let it go on."""
        ...

    def wake(self) -> None:
        """Drain the core after a command."""
        ...


Spawn = Callable[[Address, GossipCore[Any], Callable[[object], None]], Process]
"""``spawn(address, core, on_event)`` makes a process, not yet started."""


@attrs.define(eq=False)
class Running:
    """A member whose process runs.

    Attributes:
        member: The member.
        process: Its process.
        is_paused: Between ``pause`` and ``resume``.
        is_leaving: Told to leave.
        incarnation: The highest seen.
        incarnations: Those that it holds of everybody it lists.
        implied: Everybody's status as its events tell it.
    """

    member: SimMember
    process: Process
    is_paused: bool = False
    is_leaving: bool = False
    incarnation: int = 0
    incarnations: dict[str, int] = attrs.Factory(dict)
    implied: dict[str, MemberStatus] = attrs.Factory(dict)


class Cluster:
    """Members by name, and what happens to them.

    Args:
        scheduler: Time.
        network: Whatever is between them.
        spawn: Makes processes.
        build: Makes members.
        seed: Of every member's own chance.
        trace: Takes note of what is seen.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        network: SimNetwork,
        spawn: Spawn,
        build: Build,
        *,
        seed: int | str,
        trace: Trace,
    ) -> None:
        self.network = network
        self.trace = trace
        self.faults = FaultLedger()
        self.on_seen: list[Callable[[str, Saw], None]] = []
        self.on_suspected: list[Callable[[str, str], None]] = []
        self._scheduler = scheduler
        self._spawn = spawn
        self._build = build
        self._seed = seed
        self._running: dict[str, Running] = {}
        self._addresses: dict[str, Address] = {}
        self._given_addresses = 0
        self._disks: dict[str, Disk] = {}
        self._starts: dict[str, int] = {}
        if network.conditions.loss > TOLERATED_LOSS:
            self.faults.begin(LOSS, self.now)

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self._scheduler.now

    @property
    def running(self) -> dict[str, Running]:
        """The members whose process runs, in the order in which they were started."""
        return self._running

    def in_touch(self) -> dict[str, Running]:
        """Return the members that run, are not paused and are not about to leave."""
        return {
            name: running for name, running in self._running.items() if not running.is_paused and not running.is_leaving
        }

    def address(self, name: str) -> Address:
        """Return the address of ``name``, which keeps it until it is moved."""
        if name not in self._addresses:
            self.move(name)
        return self._addresses[name]

    def move(self, name: str) -> None:
        """Give ``name`` an address that nobody has had; it must not be running."""
        self._given_addresses += 1
        self._addresses[name] = address_number(self._given_addresses)

    def disk(self, name: str) -> Disk:
        """Return what ``name`` has written."""
        return self._disks.setdefault(name, Disk())

    def views(self) -> dict[str, dict[str, MemberStatus]]:
        """Return each running member's view, sorted by name within."""
        return {name: dict(sorted(running.member.view().items())) for name, running in self._running.items()}

    # --- what a scenario does -----------------------------------------------------------------

    def start(self, name: str, join: str = "") -> None:
        """Start a member; it joins ``join`` a moment later, if that is another one.

        A name started before comes back with its address and its disk.
        """
        if name in self._running:
            raise ValueError(f"{name} is running")
        self._starts[name] = self._starts.get(name, 0) + 1
        seed = f"{self._seed}/{name}/{self._starts[name]}"
        member = self._build(Plan(NodeName(name), self.address(name), seed, self.disk(name)))
        process = self._spawn(self.address(name), member.core, lambda event: self._take(name, event))
        self._running[name] = Running(member, process)
        self.faults.note_started(name, self.now)
        self.trace.note(self.now, f"start {name}")
        process.start()
        if join and join != name:
            self._scheduler.call_at(self.now + JOIN_AFTER_S, self.join, name, join)

    def join(self, name: str, target: str) -> None:
        """Let a member contact another one; does nothing if it does not run any more."""
        running = self._running.get(name)
        if running is not None and not running.is_leaving:
            running.member.join(self.address(target), self.now)
            running.process.wake()

    def kill(self, name: str) -> None:
        """End a member's process at once."""
        running = self._running.pop(name)
        self.faults.note_killed(name, self.now)
        self.trace.note(self.now, f"kill {name}")
        running.process.kill()

    def leave(self, name: str) -> None:
        """Let a member leave; its process ends once it says so."""
        running = self._running[name]
        running.is_leaving = True
        self.faults.note_left(name, self.now)
        self.trace.note(self.now, f"leave {name}")
        running.member.leave(self.now)
        running.process.wake()

    def pause(self, name: str) -> None:
        """Stop a member's process for a while."""
        running = self._running[name]
        running.is_paused = True
        self.faults.begin(f"pause {name}", self.now, [name])
        running.process.pause()

    def resume(self, name: str) -> None:
        """Let it go on."""
        running = self._running[name]
        running.is_paused = False
        self._end_fault(f"pause {name}")
        running.process.resume()

    def cut(self, here: tuple[str, ...], there: tuple[str, ...], *, one_way: bool) -> None:
        """Part two groups of members."""
        self.faults.begin(CUT, self.now, (*here, *there))
        self.network.cut(map(self.address, here), map(self.address, there), one_way=one_way)

    def slow(self, name: str, extra_s: float) -> None:
        """Delay everything to and from a member; 0 ends it."""
        fault = f"{SLOW} {name}"
        if extra_s > TOLERATED_DELAY_S:
            self.faults.begin(fault, self.now)
        else:
            self._end_fault(fault)
        self.network.slow(self.address(name), extra_s)

    def lose(self, share: float) -> None:
        """Lose this share of all packets."""
        if share > TOLERATED_LOSS:
            self.faults.begin(LOSS, self.now)
        else:
            self._end_fault(LOSS)
        self.network.set_loss(share)

    def heal(self) -> None:
        """Mend the network."""
        self.network.heal()
        for fault in (CUT, LOSS, *(f"{SLOW} {name}" for name in self._addresses)):
            self._end_fault(fault)

    def _end_fault(self, fault: str) -> None:
        # All members of a cluster have the same timers.
        for running in self._running.values():
            self.faults.end(fault, self.now, len(self._addresses), running.member.params)
            return

    def _take(self, name: str, event: object) -> None:
        running = self._running.get(name)
        if running is None:
            return
        if isinstance(event, NodeSuspected):
            for suspected in self.on_suspected:
                suspected(name, event.member.name)
            return
        seen = running.member.take(event)
        if isinstance(seen, Saw):
            self.trace.note(self.now, f"{name} saw {seen.name} {seen.status.word}")
            running.implied[seen.name] = seen.status
            for watch in self.on_seen:
                watch(name, seen)
        elif isinstance(seen, Departed):
            self.trace.note(self.now, f"{name} departed")
            del self._running[name]
            running.process.kill()

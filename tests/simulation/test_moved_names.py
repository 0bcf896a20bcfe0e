"""Names that move, and names that two machines claim, on the event engine.

A machine is named ``NAME@n`` here, so that several of one node name can run;
each has an address of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import pytest

from nodedns.gossip.messages import Alive
from nodedns.gossip.wire import encode_message
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.serf.events import ConflictLost, NameConflict, NameConflictOver
from nodedns.serf.params import SerfParams
from nodedns.serf.serf import Serf
from nodedns.testing.builders import Build, Plan, SerfMember, names_of, serf_members
from nodedns.testing.cluster import Cluster
from nodedns.testing.engine import Engine
from nodedns.testing.network import Conditions
from nodedns.testing.runners import engine_cluster
from nodedns.testing.warm import start_warm

NAME = "n001"
FIRST, SECOND = f"{NAME}@1", f"{NAME}@2"
VSN = bytes([1, 5, 2, 2, 5, 5])
STEP_S = 0.05
FOLLOWED_WITHIN_S = 3.0
VOTELESS = SerfParams(resolve_conflicts=False)


class Machines:
    """A warm cluster in which the machine ``FIRST`` has the name that is going to move."""

    def __init__(self, size: int, seed: int = 1, loss: float = 0.0, serf_params: SerfParams | None = None) -> None:
        self.events: dict[str, list[object]] = {}
        build = _by_machine(serf_members(serf_params=serf_params, watch=self._watch))
        self.engine, self.cluster = self._made(build, seed, loss)
        self.others = names_of("o", range(2, size + 1))
        start_warm(self.cluster, (*self.others, FIRST))
        self.run(2.0)

    @staticmethod
    def _made(build: Build, seed: int, loss: float) -> tuple[Engine, Cluster]:
        return engine_cluster(build, seed, Conditions(loss=loss), traced=False)

    def _watch(self, plan: Plan) -> Callable[[object], None]:
        return self.events.setdefault(f"{plan.name} {plan.address}", []).append

    def run(self, seconds: float) -> None:
        self.engine.run_until(self.engine.now + seconds)

    def serf(self, machine: str) -> Serf:
        member = self.cluster.running[machine].member
        assert isinstance(member, SerfMember)
        return member.serf

    def told(self, machine: str, kind: type) -> list[object]:
        name = machine.partition("@")[0]
        events = self.events[f"{name} {self.cluster.address(machine)}"]
        return [event for event in events if isinstance(event, kind)]

    def sees(self, viewer: str) -> tuple[Address, MemberStatus]:
        """Return where and how ``viewer`` sees the name."""
        member = self.serf(viewer).member(NAME)
        assert member is not None
        return member.address, member.status

    def all_see(self, machine: str) -> bool:
        wanted = (self.cluster.address(machine), MemberStatus.ALIVE)
        return all(self.sees(viewer) == wanted for viewer in (*self.others, machine))

    def seconds_until(self, is_so: Callable[[], bool], within_s: float) -> float:
        began = self.engine.now
        while not is_so():
            assert self.engine.now - began < within_s
            self.run(STEP_S)
        return self.engine.now - began

    def open_conflicts(self, *viewers: str) -> list[str]:
        """Return the viewers that show a conflict."""
        return [viewer for viewer in viewers if self.serf(viewer).conflicts()]


def _by_machine(build: Build) -> Build:
    return lambda plan: build(attrs.evolve(plan, name=NodeName(plan.name.partition("@")[0])))


@pytest.mark.parametrize("size", [2, 5, 30, 200])
@pytest.mark.parametrize("seed", range(3))
def test_machine_replaced_under_its_name_is_followed_by_all_within_seconds(size: int, seed: int) -> None:
    machines = Machines(size, seed)
    machines.cluster.kill(FIRST)
    machines.cluster.start(SECOND, machines.others[0])
    machines.seconds_until(lambda: machines.all_see(SECOND), FOLLOWED_WITHIN_S)
    machines.run(60.0)
    assert machines.all_see(SECOND)
    assert [] == machines.told(SECOND, ConflictLost)
    assert [] == machines.open_conflicts(*machines.others, SECOND)


@pytest.mark.parametrize("seed", range(5))
def test_replacement_is_followed_under_loss(seed: int) -> None:
    machines = Machines(10, seed, loss=0.2)
    machines.cluster.kill(FIRST)
    machines.cluster.start(SECOND, machines.others[0])
    machines.seconds_until(lambda: machines.all_see(SECOND), 20.0)


def test_machine_that_comes_back_to_an_earlier_address_is_followed_again() -> None:
    machines = Machines(5)
    for machine in (SECOND, FIRST, SECOND):
        (running,) = [key for key in machines.cluster.running if key in (FIRST, SECOND)]
        machines.cluster.kill(running)
        machines.cluster.start(machine, machines.others[0])
        machines.seconds_until(partial(machines.all_see, machine), FOLLOWED_WITHIN_S)
        machines.run(3.0)


@pytest.mark.parametrize("size", [5, 30])
@pytest.mark.parametrize("seed", range(3))
def test_name_of_two_live_machines_is_a_conflict_for_all_and_stays_where_it_was(size: int, seed: int) -> None:
    machines = Machines(size, seed, serf_params=VOTELESS)
    machines.cluster.start(SECOND, machines.others[0])
    everybody = (*machines.others, FIRST, SECOND)
    machines.seconds_until(lambda: len(machines.open_conflicts(*everybody)) == len(everybody), 5.0)
    held = (machines.cluster.address(FIRST), MemberStatus.ALIVE)
    for _ in range(60):
        machines.run(1.0)
        assert [held] * (size - 1) == [machines.sees(viewer) for viewer in machines.others]
    assert [] == machines.told(machines.others[0], NameConflictOver)


def test_newcomer_with_a_live_name_gives_way_and_the_conflict_ends() -> None:
    machines = Machines(5)
    machines.cluster.start(SECOND, machines.others[0])
    machines.seconds_until(lambda: bool(machines.told(SECOND, ConflictLost)), 10.0)
    machines.cluster.kill(SECOND)
    machines.seconds_until(lambda: not machines.open_conflicts(*machines.others, FIRST), 20.0)
    held = (machines.cluster.address(FIRST), MemberStatus.ALIVE)
    assert {held} == {machines.sees(viewer) for viewer in (*machines.others, FIRST)}
    assert [] == machines.told(FIRST, ConflictLost)


def test_old_machine_that_wakes_after_its_replacement_is_the_claimant() -> None:
    machines = Machines(5)
    machines.cluster.pause(FIRST)
    machines.cluster.start(SECOND, machines.others[0])
    machines.seconds_until(
        lambda: all(machines.sees(viewer)[0] == machines.cluster.address(SECOND) for viewer in machines.others),
        FOLLOWED_WITHIN_S,
    )
    machines.run(2.0)
    machines.cluster.resume(FIRST)
    machines.seconds_until(lambda: bool(machines.told(FIRST, ConflictLost)), 60.0)
    assert [] == machines.told(SECOND, ConflictLost)
    held = (machines.cluster.address(SECOND), MemberStatus.ALIVE)
    assert {held} == {machines.sees(viewer) for viewer in machines.others}


def test_holder_that_stops_during_a_conflict_is_succeeded_by_its_rival() -> None:
    machines = Machines(5, serf_params=VOTELESS)
    machines.cluster.start(SECOND, machines.others[0])
    machines.run(10.0)
    machines.cluster.kill(FIRST)
    machines.seconds_until(lambda: machines.all_see(SECOND), 60.0)


@pytest.mark.parametrize("seed", range(3))
def test_rivals_under_loss_do_not_take_a_healthy_members_name(seed: int) -> None:
    machines = Machines(10, seed, loss=0.2, serf_params=VOTELESS)
    machines.cluster.start(SECOND, machines.others[0])
    held = machines.cluster.address(FIRST)
    for _ in range(60):
        machines.run(1.0)
        assert {held} == {machines.sees(viewer)[0] for viewer in machines.others}


def test_flood_of_lies_moves_no_name_and_stops_nobody() -> None:
    machines = Machines(10)
    target = machines.serf(machines.others[0])
    for number in range(2000):
        where = Address(bytes([10, 200, number >> 8, number & 0xFF]), 8301)
        name = NAME if number % 2 else machines.others[number % 9]
        lie = Alive(1 + number, name, where.packed, where.port, b"", VSN)
        target.receive_datagram(encode_message(lie), where, machines.engine.now)
        if number % 50 == 0:
            machines.run(0.2)
    machines.run(30.0)
    everybody = (*machines.others, FIRST)
    for viewer in everybody:
        live = {member.name for member in machines.serf(viewer).members() if member.status is MemberStatus.ALIVE}
        assert {NAME, *machines.others} == live
    assert {machines.cluster.address(FIRST)} == {machines.sees(viewer)[0] for viewer in everybody}
    assert [] == machines.told(machines.others[0], ConflictLost)
    assert [] == machines.told(machines.others[0], NameConflict)

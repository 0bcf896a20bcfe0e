"""The invariants can fail: each is shown a cluster in which it does not hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from nodedns.gossip.core import GossipCore
from nodedns.gossip.events import NodeSuspected
from nodedns.gossip.params import LAN, GossipParams
from nodedns.gossip.suspicion import suspicion_bounds
from nodedns.model.address import Address
from nodedns.model.member import Member, MemberStatus, NodeState, Versions
from nodedns.model.names import NodeName
from nodedns.testing.builders import Departed, Plan, Saw, swim_members
from nodedns.testing.cluster import Cluster
from nodedns.testing.engine import Engine
from nodedns.testing.faults import TOLERATED_LOSS, detection_bounds_s, settling_s, spread_s
from nodedns.testing.invariants import InvariantBroken, Invariants
from nodedns.testing.network import Conditions, SimNetwork
from nodedns.testing.runners import engine_cluster
from nodedns.testing.scenario import Agreed, Converged
from nodedns.testing.trace import Trace

ALIVE, FAILED = MemberStatus.ALIVE, MemberStatus.FAILED


@attrs.define
class PuppetMember:
    """A member that is and says what the test wants."""

    core: Any
    swim: Any = None
    incarnation: int = 1
    params: GossipParams = LAN
    seen: dict[str, MemberStatus] = attrs.Factory(dict)
    depths: dict[str, tuple[int, int]] = attrs.Factory(dict)
    claims: dict[str, tuple[NodeState, int]] = attrs.Factory(dict)

    def join(self, address: Address, now: float) -> None:
        pass

    def leave(self, now: float) -> None:
        pass

    def view(self) -> dict[str, MemberStatus]:
        return self.seen

    def incarnations(self) -> dict[str, int]:
        return {name: incarnation for name, (_, incarnation) in self.claims.items()}

    def claim_of(self, name: str) -> tuple[NodeState, int] | None:
        return self.claims.get(name)

    def queues(self) -> dict[str, tuple[int, int]]:
        return self.depths

    def take(self, event: object) -> Saw | Departed | None:
        return event if isinstance(event, Saw | Departed) else None


@attrs.define
class PuppetProcess:
    on_event: Callable[[object], None]

    def start(self) -> None:
        pass

    def kill(self) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def wake(self) -> None:
        pass


class Stage:
    """A cluster of puppets, all of which see each other alive."""

    def __init__(self, *names: str) -> None:
        self.engine = Engine()
        self.puppets: dict[str, PuppetMember] = {}
        network = SimNetwork(self.engine, seed=1)
        self.cluster = Cluster(self.engine, network, self.spawn, self.build, seed=1, trace=Trace())
        self.processes: list[PuppetProcess] = []
        self.invariants = Invariants(self.cluster)
        for name in names:
            self.cluster.start(name)
            for other in names:
                self.see(name, other, ALIVE)

    def build(self, plan: Plan) -> PuppetMember:
        self.puppets[plan.name] = PuppetMember(None)
        return self.puppets[plan.name]

    def spawn(self, address: Address, core: GossipCore[Any], on_event: Callable[[object], None]) -> PuppetProcess:
        del address, core
        self.processes.append(PuppetProcess(on_event))
        return self.processes[-1]

    def see(self, observer: str, name: str, status: MemberStatus) -> None:
        self.puppets[observer].seen[name] = status
        self.processes[list(self.puppets).index(observer)].on_event(Saw(name, status))

    def suspect(self, observer: str, name: str) -> None:
        member = Member(NodeName(name), self.cluster.address(name), b"", Versions(bytes([1, 5, 2, 2, 5, 5])))
        self.processes[list(self.puppets).index(observer)].on_event(NodeSuspected(member, NodeName(observer)))

    def pass_time(self, seconds: float) -> None:
        self.engine.run_until(self.engine.now + seconds)


def test_cluster_in_order_passes() -> None:
    stage = Stage("a", "b")
    stage.pass_time(1000)
    stage.invariants.check()


def test_death_without_a_fault_is_noticed_at_once() -> None:
    stage = Stage("a", "b", "c")
    with pytest.raises(InvariantBroken, match=r"at 0\.000 s: a declares b failed, and nothing was done to it"):
        stage.see("a", "b", FAILED)


def test_death_of_the_killed_is_explained() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.kill("b")
    stage.see("a", "b", FAILED)
    with pytest.raises(InvariantBroken, match="a declares c failed"):
        stage.see("a", "c", FAILED)


def test_disturbance_explains_deaths_for_a_while_after() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.lose(0.5)
    stage.pass_time(1000)
    stage.see("a", "b", FAILED)
    stage.cluster.heal()
    stage.pass_time(settling_s(LAN, 3) - 1)
    stage.see("b", "c", FAILED)
    stage.pass_time(2)
    with pytest.raises(InvariantBroken, match="c declares a failed"):
        stage.see("c", "a", FAILED)


def test_pause_explains_deaths_until_some_time_after_it() -> None:
    stage = Stage("a", "b")
    stage.cluster.pause("a")
    stage.pass_time(1000)
    stage.see("b", "a", FAILED)
    stage.cluster.resume("a")
    stage.pass_time(1000)
    with pytest.raises(InvariantBroken, match="a declares b failed"):
        stage.see("a", "b", FAILED)


def test_pause_of_one_explains_no_death_of_another() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.pause("a")
    with pytest.raises(InvariantBroken, match="c declares b failed"):
        stage.see("c", "b", FAILED)


def test_cut_explains_deaths_of_those_on_its_sides_only() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.cut(("a",), ("b",), one_way=False)
    stage.see("a", "b", FAILED)
    stage.see("b", "a", FAILED)
    with pytest.raises(InvariantBroken, match="a declares c failed"):
        stage.see("a", "c", FAILED)


@pytest.mark.parametrize("loss", [0.0, TOLERATED_LOSS])
def test_light_loss_explains_nothing(loss: float) -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.lose(loss)
    with pytest.raises(InvariantBroken, match="a declares b failed"):
        stage.see("a", "b", FAILED)


def test_network_that_loses_much_from_the_start_explains_deaths() -> None:
    engine, cluster = engine_cluster(swim_members(), 1, Conditions(loss=0.11))
    engine.run_until(1.0)
    assert cluster.faults.explains_death_of("a", "b", engine.now, 3, LAN)


def test_light_delay_explains_nothing_and_a_long_one_concerns_everybody() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.slow("c", 2.0)
    stage.see("a", "b", FAILED)
    stage = Stage("a", "b", "c")
    stage.cluster.slow("c", 0.1)
    with pytest.raises(InvariantBroken, match="a declares c failed"):
        stage.see("a", "c", FAILED)


def test_old_news_is_explained_by_what_happened_since_its_reader_was_paused() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.pause("a")
    stage.cluster.pause("b")
    stage.pass_time(10)
    stage.cluster.resume("b")
    stage.pass_time(settling_s(LAN, 3) + 100)
    stage.cluster.resume("a")
    stage.see("a", "b", FAILED)
    with pytest.raises(InvariantBroken, match="c declares b failed"):
        stage.see("c", "b", FAILED)


def test_death_at_the_incarnation_of_a_refutation_is_noticed() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.pause("b")
    stage.puppets["a"].claims["b"] = (NodeState.SUSPECT, 1)
    stage.suspect("a", "b")
    stage.puppets["a"].claims["b"] = (NodeState.DEAD, 2)
    with pytest.raises(InvariantBroken, match=r"a declares b failed at incarnation 2, .* suspected at \[1\] only"):
        stage.see("a", "b", FAILED)


def test_death_at_an_incarnation_that_somebody_suspected_is_in_order() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.kill("b")
    stage.puppets["a"].claims["b"] = (NodeState.SUSPECT, 3)
    stage.suspect("a", "b")
    stage.puppets["c"].claims["b"] = (NodeState.DEAD, 3)
    stage.see("c", "b", FAILED)


def test_departure_that_looks_like_a_failure_needs_no_suspicion() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.leave("b")
    stage.puppets["a"].claims["b"] = (NodeState.LEFT, 3)
    stage.see("a", "b", FAILED)


def test_real_suspicion_whose_timer_outlives_the_refutation_is_caught() -> None:
    engine, cluster = engine_cluster(swim_members(), seed=1)
    Invariants(cluster)
    names = ("a", "b", "c", "d", "e")
    for name in names:
        cluster.start(name, "a")
    engine.run_until(5)

    def lose_the_timer(observer: str, name: str) -> None:
        row = cluster.running[observer].member.swim._table.get(name)
        assert row is not None
        row.timer = None  # so that a refutation cannot cancel it

    cluster.on_suspected.append(lose_the_timer)
    cluster.pause("b")
    engine.run_until(9)
    cluster.resume("b")
    with pytest.raises(InvariantBroken, match=r"declares b failed at incarnation 2, .* suspected at \[1\] only"):
        engine.run_until(60)


def test_incarnation_that_falls_in_a_view_is_noticed() -> None:
    stage = Stage("a", "b")
    stage.puppets["a"].claims["b"] = (NodeState.ALIVE, 5)
    stage.invariants.check()
    stage.puppets["a"].claims["b"] = (NodeState.ALIVE, 4)
    with pytest.raises(InvariantBroken, match="a held incarnation 5 of b, and holds 4"):
        stage.invariants.check()


def test_member_forgotten_and_met_again_may_begin_at_a_lower_incarnation() -> None:
    stage = Stage("a", "b")
    stage.puppets["a"].claims["b"] = (NodeState.DEAD, 5)
    stage.invariants.check()
    del stage.puppets["a"].claims["b"]
    stage.invariants.check()
    stage.puppets["a"].claims["b"] = (NodeState.ALIVE, 1)
    stage.invariants.check()


def test_views_that_say_different_things_of_the_gone_do_not_agree() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.kill("c")
    stage.puppets["a"].seen["c"] = FAILED
    stage.puppets["b"].seen["c"] = MemberStatus.LEFT
    assert "a sees c as failed, b as left" == Agreed().problem(stage.cluster)
    assert "" == Converged().problem(stage.cluster)
    del stage.puppets["b"].seen["c"]
    assert "" == Agreed().problem(stage.cluster)
    stage.puppets["b"].seen["a"] = FAILED
    assert "a sees a as alive, b as failed" == Agreed().problem(stage.cluster)


def test_kill_that_nobody_notices_is_noticed() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.kill("b")
    bound_s = detection_bounds_s(LAN, 3)[1]
    stage.pass_time(bound_s)
    stage.invariants.check()
    stage.pass_time(1)
    with pytest.raises(InvariantBroken, match="a still sees b as live"):
        stage.invariants.check()


def test_kill_is_not_looked_for_while_the_network_is_disturbed() -> None:
    stage = Stage("a", "b", "c")
    stage.cluster.kill("b")
    stage.cluster.lose(0.5)
    stage.pass_time(1000)
    stage.invariants.check()


def test_incarnation_that_falls_is_noticed() -> None:
    stage = Stage("a", "b")
    stage.puppets["a"].incarnation = 5
    stage.invariants.check()
    stage.puppets["a"].incarnation = 4
    with pytest.raises(InvariantBroken, match="a lowered its incarnation from 5 to 4"):
        stage.invariants.check()


def test_queue_above_its_limit_is_noticed() -> None:
    stage = Stage("a", "b")
    stage.puppets["b"].depths = {"broadcasts": (11, 10)}
    with pytest.raises(InvariantBroken, match="broadcasts of b: 11 is above 10"):
        stage.invariants.check()


def test_view_that_events_did_not_tell_is_noticed() -> None:
    stage = Stage("a", "b")
    stage.puppets["a"].seen["ghost"] = ALIVE
    with pytest.raises(InvariantBroken, match=r"a lists \['a', 'b', 'ghost'\] as live, its events told \['a', 'b'\]"):
        stage.invariants.check()


def test_further_check_is_run_with_the_others() -> None:
    stage = Stage("a")
    invariants = Invariants(stage.cluster, [lambda cluster: f"{len(cluster.running)} is too few"])
    with pytest.raises(InvariantBroken, match="1 is too few"):
        invariants.check()


def test_real_death_sentence_without_cause_is_caught() -> None:
    engine, cluster = engine_cluster(swim_members(), seed=1)
    invariants = Invariants(cluster)
    for name in ("a", "b", "c"):
        cluster.start(name, "a")
    engine.run_until(5)
    # Behind the ledger's back: nothing explains what follows.
    cluster.network.cut([cluster.address("c")], [cluster.address("a"), cluster.address("b")])
    with pytest.raises(InvariantBroken, match="failed, and nothing was done to it"):
        engine.run_until(120)
    invariants.check()


@pytest.mark.parametrize("size", [2, 3, 10, 100])
def test_detection_bounds_enclose_the_suspicion_bounds(size: int) -> None:
    shortest_s, longest_s, k = suspicion_bounds(LAN, size)
    low_s, high_s = detection_bounds_s(LAN, size)
    assert shortest_s == low_s
    assert high_s > (longest_s if k else shortest_s) + spread_s(LAN, size)

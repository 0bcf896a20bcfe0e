"""The member table against a naive model, whatever claims arrive in whatever order."""

from __future__ import annotations

from random import Random

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nodedns.gossip.events import NodeDeparted, NodeJoined
from nodedns.gossip.members import Accuse, Effect, Ignored, MemberTable, Notify, Rebroadcast, Refute, Vindicate
from nodedns.gossip.messages import Alive, Dead, Suspect
from nodedns.gossip.params import LAN
from nodedns.gossip.suspicion import Suspicion
from nodedns.model.member import NodeState
from nodedns.model.names import NodeName

VSN = bytes([1, 5, 2, 2, 5, 5])
ME = NodeName("me")
NAMES = st.sampled_from(["me", "n1", "n2", "n3"])
ACCUSERS = st.sampled_from(["me", "n1", "n2", "n3", "stranger"])
INCARNATIONS = st.integers(0, 6)
METAS = st.sampled_from([b"\xff\x80", b"\xff\x80other"])


@attrs.define
class Believed:
    """What a node's row must say, by the rules of SWIM alone."""

    state: NodeState
    incarnation: int
    meta: bytes


class MemberTableMachine(RuleBasedStateMachine):
    """Every node keeps one address here; moving names are the table tests' matter."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.table = MemberTable(attrs.evolve(LAN, gossip_to_the_dead_s=5.0), ME, Random(7))
        self.table.apply_alive(self.claim(ME, 1, b"\xff\x80"), 0.0, is_boot=True)
        self.model: dict[str, Believed] = {ME: Believed(NodeState.ALIVE, 1, b"\xff\x80")}
        self.gone_at: dict[str, float] = {}

    @staticmethod
    def claim(name: str, incarnation: int, meta: bytes) -> Alive:
        return Alive(incarnation, name, bytes([10, 0, 0, len(name)]), 7946, meta, VSN)

    def carry_out(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Accuse(row, accuser):
                    row.suspicion = Suspicion(accuser, 4.0, 24.0, 2, self.now)
                case Vindicate(row):
                    row.suspicion = None
                case Refute(incarnation):
                    mine = self.model[ME]
                    row_of_me = self.table.get(ME)
                    assert row_of_me is not None
                    raised = self.table.raise_incarnation(incarnation, row_of_me.member, self.now)
                    assert raised.incarnation > max(incarnation, mine.incarnation)
                    mine.incarnation = raised.incarnation
                case _:
                    pass

    @rule(seconds=st.floats(0.0, 4.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=NAMES, incarnation=INCARNATIONS, meta=METAS)
    def alive_is_claimed(self, name: str, incarnation: int, meta: bytes) -> None:
        effects = self.table.apply_alive(self.claim(name, incarnation, meta), self.now)
        known = self.model.get(name)
        if name == ME:
            self.carry_out(effects)
            return
        accepted = incarnation > (known.incarnation if known else 0)
        assert accepted == any(isinstance(effect, Rebroadcast) for effect in effects)
        if accepted:
            was_gone = known is None or known.state >= NodeState.DEAD
            joins = [e for e in effects if isinstance(e, Notify) and isinstance(e.event, NodeJoined)]
            assert was_gone == bool(joins)
            self.model[name] = Believed(NodeState.ALIVE, incarnation, meta)
            self.gone_at.pop(name, None)
        self.carry_out(effects)

    @rule(name=NAMES, incarnation=INCARNATIONS, accuser=ACCUSERS)
    def suspicion_is_claimed(self, name: str, incarnation: int, accuser: str) -> None:
        effects = self.table.apply_suspect(Suspect(incarnation, name, accuser), self.now)
        known = self.model.get(name)
        if known and name != ME and known.state == NodeState.ALIVE and incarnation >= known.incarnation:
            known.state = NodeState.SUSPECT
            known.incarnation = incarnation
        self.carry_out(effects)

    @rule(name=NAMES, incarnation=INCARNATIONS, accuser=ACCUSERS)
    def death_is_claimed(self, name: str, incarnation: int, accuser: str) -> None:
        effects = self.table.apply_dead(Dead(incarnation, name, accuser), self.now)
        known = self.model.get(name)
        if known and name != ME and known.state < NodeState.DEAD and incarnation >= known.incarnation:
            known.state = NodeState.LEFT if accuser == name else NodeState.DEAD
            known.incarnation = incarnation
            self.gone_at[name] = self.now
            assert any(isinstance(e, Notify) and isinstance(e.event, NodeDeparted) for e in effects)
        elif name != ME:
            assert all(isinstance(effect, Ignored) for effect in effects)
        self.carry_out(effects)

    @rule()
    def the_dead_are_reaped(self) -> None:
        self.table.reap_and_shuffle(self.now)
        for name, since in list(self.gone_at.items()):
            if self.now - since > 5.0:
                del self.gone_at[name]
                del self.model[name]

    @precondition(lambda self: len(self.table) > 1)
    @rule(count=st.integers(1, 5))
    def some_are_picked(self, count: int) -> None:
        picked = self.table.pick(count, lambda row: row.member.name != ME)
        names = [row.member.name for row in picked]
        assert len(set(names)) == len(names) <= count
        assert ME not in names

    @invariant()
    def the_rows_are_what_the_model_says(self) -> None:
        rows = {row.member.name: (row.state, row.incarnation, row.member.meta) for row in self.table}
        assert {name: (b.state, b.incarnation, b.meta) for name, b in self.model.items()} == rows

    @invariant()
    def the_counts_are_those_of_the_rows(self) -> None:
        for state in NodeState:
            assert sum(row.state == state for row in self.table) == self.table.count(state)
        assert len({id(self.table[i]) for i in range(len(self.table))}) == len(self.model)

    @invariant()
    def only_suspects_have_a_suspicion(self) -> None:
        for row in self.table:
            assert (row.suspicion is not None) == (row.state == NodeState.SUSPECT)


TestMemberTable = MemberTableMachine.TestCase
TestMemberTable.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

"""The transition table of members: which claim wins, and what must follow."""

from __future__ import annotations

from random import Random
from typing import Any

import attrs
import pytest

from nodedns.gossip.events import (
    NameMoved,
    NodeDeparted,
    NodeJoined,
    NodeSuspected,
    NodeUpdated,
    SuspicionConfirmed,
    SuspicionRefuted,
)
from nodedns.gossip.members import (
    Accuse,
    Confirm,
    Doubt,
    Effect,
    Ignored,
    Listed,
    MemberTable,
    Notify,
    Rebroadcast,
    Refute,
    Vindicate,
)
from nodedns.gossip.messages import Alive, Dead, Suspect
from nodedns.gossip.params import LAN, GossipParams
from nodedns.gossip.suspicion import Suspicion
from nodedns.model.member import NodeState
from nodedns.model.names import NodeName

VSN = bytes([1, 5, 2, 2, 5, 5])
ME = NodeName("me")


def alive(node: str = "n1", incarnation: int = 1, host: int = 1, port: int = 7946, **changes: Any) -> Alive:
    claim = Alive(incarnation, node, bytes([10, 0, 0, host]), port, b"\xff\x80", VSN)
    return attrs.evolve(claim, **changes)


def table(params: GossipParams = LAN) -> MemberTable:
    made = MemberTable(params, ME, Random(1))
    made.apply_alive(alive(ME, host=99), 0.0, is_boot=True)
    return made


def events(effects: tuple[Effect, ...]) -> list[object]:
    return [effect.event for effect in effects if isinstance(effect, Notify)]


def row_of(members: MemberTable, name: str) -> Listed:
    row = members.get(name)
    assert row is not None
    return row


def start_suspicion(members: MemberTable, name: str, accuser: str, now: float) -> None:
    """Do what the facade does on ``Accuse``."""
    row_of(members, name).suspicion = Suspicion(accuser, 4.0, 24.0, 2, now)


def test_first_alive_joins_and_is_passed_on_untouched() -> None:
    members = table()
    claim = alive()
    effects = members.apply_alive(claim, 5.0)
    assert [Rebroadcast(claim), Notify(NodeJoined(row_of(members, "n1").member))] == list(effects)
    assert row_of(members, "n1").changed_at == 5.0


def test_alive_with_incarnation_zero_is_never_accepted() -> None:
    members = table()
    members.apply_alive(alive(incarnation=0), 0.0)
    assert members.get("n1") is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"addr": b"127.0.0.1"}, "bad-address"),
        ({"vsn": b""}, "bad-versions"),
        ({"vsn": VSN[:5]}, "bad-versions"),
        ({"vsn": bytes([0, 5, 2, 2, 5, 5])}, "bad-versions"),
        ({"vsn": bytes([3, 2, 2, 2, 5, 5])}, "bad-versions"),
        ({"meta": b"x" * 513}, "bad-meta"),
        ({"node": ""}, "bad-name"),
        ({"node": "n" * 600}, "bad-name"),
    ],
)
def test_unusable_alive_is_ignored_as_a_fault(changes: dict[str, Any], reason: str) -> None:
    members = table()
    assert members.apply_alive(alive(**changes), 0.0) == (Ignored(reason, is_fault=True),)
    assert len(members) == 1


def test_table_full_takes_no_more_names() -> None:
    members = table(attrs.evolve(LAN, max_members=2))
    members.apply_alive(alive("n1"), 0.0)
    assert members.apply_alive(alive("n2"), 0.0) == (Ignored("table-full", is_fault=True),)


def test_old_or_equal_incarnation_changes_nothing() -> None:
    members = table()
    members.apply_alive(alive(incarnation=5), 0.0)
    for incarnation in (4, 5):
        effects = members.apply_alive(alive(incarnation=incarnation, meta=b"\xff\x80new"), 1.0)
        assert effects == (Ignored("old-incarnation"),)
    assert row_of(members, "n1").member.meta == b"\xff\x80"


def test_new_metadata_at_a_higher_incarnation_is_an_update() -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    effects = members.apply_alive(alive(incarnation=2, meta=b"\xff\x80new"), 1.0)
    assert [type(event) for event in events(effects)] == [NodeUpdated]


def test_refutation_of_a_suspicion_is_no_join() -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    members.apply_suspect(Suspect(1, "n1", "n2"), 1.0)
    start_suspicion(members, "n1", "n2", 1.0)
    effects = members.apply_alive(alive(incarnation=2), 2.0)
    assert [type(effect) for effect in effects] == [Vindicate, Notify, Rebroadcast]
    assert events(effects) == [SuspicionRefuted(row_of(members, "n1").member, (NodeName("n2"),), 2)]
    assert row_of(members, "n1").state == NodeState.ALIVE


def test_suspicion_is_passed_on_and_starts_the_clock() -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    claim = Suspect(1, "n1", "n2")
    effects = members.apply_suspect(claim, 3.0)
    row = row_of(members, "n1")
    accuser = NodeName("n2")
    told = Notify(NodeSuspected(row.member, accuser))
    assert list(effects) == [Rebroadcast(claim), Accuse(row, accuser), told]
    assert (row.state, row.changed_at) == (NodeState.SUSPECT, 3.0)


def test_confirmation_from_another_member_is_passed_on_and_a_repeat_is_not() -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    members.apply_suspect(Suspect(1, "n1", "n2"), 0.0)
    start_suspicion(members, "n1", "n2", 0.0)
    confirmation = Suspect(1, "n1", "n3")
    row = row_of(members, "n1")
    told = Notify(SuspicionConfirmed(row.member, NodeName("n3"), (NodeName("n2"), NodeName("n3")), 2))
    assert [Rebroadcast(confirmation), Confirm(row), told] == list(members.apply_suspect(confirmation, 1.0))
    assert members.apply_suspect(confirmation, 1.0) == (Ignored("already-known"),)


@pytest.mark.parametrize("claim", [Suspect(0, "n1", "n2"), Dead(0, "n1", "n2")])
def test_claim_below_the_known_incarnation_is_old_news(claim: Suspect | Dead) -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    apply = members.apply_suspect if isinstance(claim, Suspect) else members.apply_dead
    assert apply(claim, 1.0) == (Ignored("old-incarnation"),)  # type: ignore[arg-type]


def test_death_of_a_suspect_names_its_accusers() -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    members.apply_suspect(Suspect(1, "n1", "n2"), 0.0)
    start_suspicion(members, "n1", "n2", 0.0)
    members.apply_suspect(Suspect(1, "n1", "n3"), 1.0)
    (departed,) = events(members.apply_dead(Dead(1, "n1", ME), 4.0))
    accusers = (NodeName("n2"), NodeName("n3"))
    assert NodeDeparted(row_of(members, "n1").member, NodeState.DEAD, ME, accusers, 2) == departed


def test_claims_about_unknown_nodes_are_ignored() -> None:
    members = table()
    assert members.apply_suspect(Suspect(1, "who", "n2"), 0.0) == (Ignored("unknown-node"),)
    assert members.apply_dead(Dead(1, "who", "n2"), 0.0) == (Ignored("unknown-node"),)


@pytest.mark.parametrize(("accuser", "state"), [("n2", NodeState.DEAD), ("n1", NodeState.LEFT)])
def test_death_by_another_is_failure_and_by_itself_departure(accuser: str, state: NodeState) -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    effects = members.apply_dead(Dead(1, "n1", accuser), 4.0)
    row = row_of(members, "n1")
    assert events(effects) == [NodeDeparted(row.member, state, NodeName(accuser))]
    assert (row.state, row.changed_at) == (state, 4.0)
    assert members.apply_dead(Dead(9, "n1", accuser), 5.0) == (Ignored("already-known"),)


@pytest.mark.parametrize("claim", [Suspect(7, ME, "n2"), Dead(7, ME, "n2"), Dead(7, ME, ME)])
def test_accusation_of_ourselves_is_refuted_above_it(claim: Suspect | Dead) -> None:
    members = table()
    apply = members.apply_suspect if isinstance(claim, Suspect) else members.apply_dead
    said = NodeState.SUSPECT if isinstance(claim, Suspect) else NodeState.DEAD
    assert apply(claim, 1.0) == (Refute(7, NodeName(claim.accuser), said),)  # type: ignore[arg-type]
    raised = members.raise_incarnation(7, row_of(members, ME).member, 1.0)
    assert raised.incarnation == 8


def test_newer_alive_about_ourselves_is_refuted_and_an_equal_one_is_not() -> None:
    members = table()
    assert members.apply_alive(alive(ME, host=99, incarnation=3), 1.0) == (Refute(3, ME, NodeState.ALIVE),)
    assert members.apply_alive(alive(ME, host=99), 1.0) == (Ignored("already-known"),)


def test_our_own_death_is_accepted_while_leaving_and_our_alive_is_not() -> None:
    members = table()
    members.is_leaving = True
    members.apply_dead(Dead(1, ME, ME), 1.0)
    assert row_of(members, ME).state == NodeState.LEFT
    assert members.apply_alive(alive(ME, host=99, incarnation=9), 2.0) == (Ignored("we-are-leaving"),)


@pytest.mark.parametrize("incarnation", [1, 2])
def test_alive_from_another_address_is_doubted_while_the_node_lives(incarnation: int) -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    claim = alive(incarnation=incarnation, host=2)
    assert (Doubt(row_of(members, "n1"), claim), Ignored("name-conflict")) == members.apply_alive(claim, 1.0)
    assert row_of(members, "n1").member.address.host == "10.0.0.1"


def test_mapped_form_of_the_same_address_is_no_conflict_and_is_kept_as_received() -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    mapped = bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 1])
    effects = members.apply_alive(alive(incarnation=2, addr=mapped), 1.0)
    assert [type(effect) for effect in effects] == [Rebroadcast]
    assert row_of(members, "n1").member.address.packed == mapped


def test_name_of_a_node_that_left_may_move_even_with_a_lower_incarnation() -> None:
    members = table()
    members.apply_alive(alive(incarnation=9), 0.0)
    members.apply_dead(Dead(9, "n1", "n1"), 1.0)
    effects = members.apply_alive(alive(incarnation=1, host=2), 2.0)
    assert [type(event) for event in events(effects)] == [NodeJoined]
    assert row_of(members, "n1").member.address.host == "10.0.0.2"


def test_name_of_a_dead_node_moves_at_once_to_a_claim_above_its_death() -> None:
    members = table(attrs.evolve(LAN, dead_node_reclaim_s=30.0))
    members.apply_alive(alive(incarnation=9), 0.0)
    members.apply_dead(Dead(9, "n1", "n2"), 5.0)
    effects = members.apply_alive(alive(incarnation=10, host=2), 5.1)
    assert [NodeJoined] == [type(event) for event in events(effects)]
    assert "10.0.0.2" == row_of(members, "n1").member.address.host


def test_claim_not_above_a_recent_death_is_doubted() -> None:
    members = table(attrs.evolve(LAN, dead_node_reclaim_s=30.0))
    members.apply_alive(alive(incarnation=9), 0.0)
    members.apply_dead(Dead(9, "n1", "n2"), 5.0)
    claim = alive(incarnation=9, host=2)
    assert Doubt(row_of(members, "n1"), claim) == members.apply_alive(claim, 5.1)[0]


def test_claim_from_another_address_that_is_no_good_is_not_doubted() -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    assert (Ignored("bad-versions", is_fault=True),) == members.apply_alive(alive(host=2, vsn=b""), 1.0)


def test_name_that_moves_is_told_with_both_addresses_and_is_suspected_no_more() -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    members.apply_suspect(Suspect(1, "n1", "n2"), 1.0)
    start_suspicion(members, "n1", "n2", 1.0)
    before = row_of(members, "n1").member
    claim = alive(incarnation=2, host=2)
    effects = members.move(claim, 2.0)
    after = row_of(members, "n1").member
    # Nobody has refuted anything.
    assert [NameMoved(before, after), NodeUpdated(after)] == events(effects)
    assert ("10.0.0.2", NodeState.ALIVE) == (after.address.host, row_of(members, "n1").state)
    assert Vindicate(row_of(members, "n1")) in effects
    assert Rebroadcast(claim) in effects


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (alive(host=2), "old-incarnation"),
        (alive("who", incarnation=5, host=2), "unknown-node"),
        (alive(ME, incarnation=5, host=2), "unknown-node"),
    ],
)
def test_name_does_not_move_to_a_claim_that_does_not_outbid(claim: Alive, reason: str) -> None:
    members = table()
    members.apply_alive(alive(), 0.0)
    assert (Ignored(reason),) == members.move(claim, 1.0)


@pytest.mark.parametrize(("reclaim_s", "at", "moves"), [(0.0, 99.0, False), (30.0, 20.0, False), (30.0, 40.0, True)])
def test_name_of_a_dead_node_may_move_only_after_the_reclaim_time(reclaim_s: float, at: float, moves: bool) -> None:
    members = table(attrs.evolve(LAN, dead_node_reclaim_s=reclaim_s))
    members.apply_alive(alive(incarnation=9), 0.0)
    members.apply_dead(Dead(9, "n1", "n2"), 5.0)
    members.apply_alive(alive(incarnation=1, host=2), at)
    assert (row_of(members, "n1").member.address.host == "10.0.0.2") is moves


def test_the_dead_and_left_are_forgotten_after_their_time_and_never_ourselves() -> None:
    members = table(attrs.evolve(LAN, gossip_to_the_dead_s=30.0))
    for name in ("n1", "n2", "n3"):
        members.apply_alive(alive(name, host=int(name[1])), 0.0)
    members.apply_dead(Dead(1, "n1", "n2"), 10.0)
    members.apply_dead(Dead(1, "n2", "n2"), 20.0)
    members.is_leaving = True
    members.apply_dead(Dead(1, ME, ME), 0.0)
    members.reap_and_shuffle(45.0)
    assert sorted(row.member.name for row in members) == ["me", "n2", "n3"]
    assert [members.count(state) for state in NodeState] == [1, 0, 0, 2]


def test_pick_gives_different_rows_that_are_wanted() -> None:
    members = table()
    for index in range(1, 9):
        members.apply_alive(alive(f"n{index}", host=index), 0.0)
    picked = members.pick(3, lambda row: row.member.name != ME)
    names = {row.member.name for row in picked}
    assert len(names) == 3
    assert ME not in names

"""How a push/pull is judged and what its entries stand for."""

from __future__ import annotations

import pytest

from nodedns.gossip.members import Listed
from nodedns.gossip.messages import Alive, Dead, PushPullNode, Suspect
from nodedns.gossip.pushpull import claim_of, incompatibility, node_of, push_pull_scale, remote_members
from nodedns.gossip.slices import complete
from nodedns.model.address import Address
from nodedns.model.member import Member, NodeState, Versions
from nodedns.model.names import NodeName

VSN = bytes([1, 5, 2, 2, 5, 5])
ME = NodeName("me")
ADDR = bytes([10, 0, 0, 1])


def entry(state: int = 0, vsn: bytes = VSN, name: str = "n1") -> PushPullNode:
    return PushPullNode(name=name, addr=ADDR, port=7946, meta=b"m", incarnation=4, state=state, vsn=vsn)


def listed(vsn: bytes = VSN, state: NodeState = NodeState.ALIVE) -> Listed:
    return Listed(Member(ME, Address(ADDR, 7946), b"m", Versions(vsn)), state, 4, 0.0)


@pytest.mark.parametrize(("size", "scale"), [(1, 1), (32, 1), (33, 2), (64, 2), (65, 3), (128, 3), (129, 4)])
def test_interval_is_stretched_past_32_nodes(size: int, scale: int) -> None:
    assert scale == push_pull_scale(size)


@pytest.mark.parametrize(
    ("state", "claim"),
    [
        (0, Alive(4, "n1", ADDR, 7946, b"m", VSN)),
        (1, Suspect(4, "n1", ME)),
        (2, Suspect(4, "n1", ME)),
        (3, Dead(4, "n1", "n1")),
        (9, None),
        (-1, None),
    ],
)
def test_death_in_a_push_pull_is_only_a_suspicion_and_departure_is_final(state: int, claim: object) -> None:
    assert claim == claim_of(entry(state), ME)


def test_what_we_tell_of_a_row_is_what_it_says() -> None:
    row = listed(state=NodeState.SUSPECT)
    assert PushPullNode("me", ADDR, 7946, b"m", 4, 1, VSN) == node_of(row)


def test_entries_in_unknown_states_are_no_members() -> None:
    names = [member.name for member, _ in remote_members([entry(), entry(7, name="n2"), entry(3, name="n3")])]
    assert names == ["n1", "n3"]


@pytest.mark.parametrize(
    ("remote", "local", "reason"),
    [
        ([entry()], [listed()], None),
        ([], [], None),
        ([entry(vsn=bytes([1, 5, 2, 2, 5, 4]))], [listed()], None),
        ([entry(vsn=bytes([1, 5, 2, 2, 5, 0]))], [listed()], "speaks delegate protocol 0, wanted 2 to 5"),
        ([entry(vsn=bytes([1, 5, 2, 2, 2, 2]))], [listed()], "speaks delegate protocol 5, wanted 2 to 2"),
        ([entry(vsn=bytes([3, 5, 3, 2, 5, 5]))], [listed()], "speaks protocol 2, wanted 3 to 5"),
        ([entry(vsn=b"")], [listed()], "speaks protocol 0"),
        # The dead set no range, yet must be within it.
        ([entry(2, vsn=bytes([1, 9, 9, 2, 5, 5]))], [listed()], "speaks protocol 9, wanted 1 to 5"),
    ],
)
def test_versions_of_both_sides_must_fit(remote: list[PushPullNode], local: list[Listed], reason: str | None) -> None:
    said = complete(incompatibility(remote, local), 0.0)
    if reason is None:
        assert said is None
    else:
        assert said is not None
        assert reason in said

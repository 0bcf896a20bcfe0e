from __future__ import annotations

import pytest

from nodedns.gossip.slices import at_once, complete
from nodedns.model.address import Address
from nodedns.model.member import Member, NodeState, Versions
from nodedns.model.names import NodeName
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.delegate import SerfDelegate
from nodedns.serf.members import MemberTable
from nodedns.serf.merge import MergePolicy
from nodedns.serf.tags import encode_tags

VERSIONS = bytes([1, 5, 2, 2, 5, 5])
GOOD = Address(bytes([10, 0, 0, 1]), 7946)


def member(name: str = "x", address: Address = GOOD, meta: bytes = b"\xff\x80", versions: bytes = VERSIONS) -> Member:
    return Member(NodeName(name), address, meta, Versions(versions))


def delegate(policy: MergePolicy | None = None) -> SerfDelegate:
    return SerfDelegate(
        table=MemberTable(10),
        broadcasts=Broadcasts(4, 10, 1000),
        policy=policy,
        ack_payload=lambda: b"coordinate",
        local_state=lambda: b"state",
        merge_state=lambda _state, _now, _is_join: at_once(None),
    )


POLICY = MergePolicy(NodeName("me"), "my-id", "dc1")


@pytest.mark.parametrize("bad", [member(""), member(address=Address(b"\x01", 1)), member(meta=bytes(513))])
def test_malformed_member_is_refused_even_without_a_policy(bad: Member) -> None:
    assert delegate().refuse_alive(bad) is not None


def test_member_without_six_version_bytes_is_refused_under_a_policy_only() -> None:
    assert delegate().refuse_alive(member(versions=VERSIONS[:3])) is None
    assert delegate(POLICY).refuse_alive(member(versions=VERSIONS[:3])) == "Member 'x' announces no versions"


def test_policy_judges_each_alive_message() -> None:
    stranger = member(meta=encode_tags({"role": "node", "dc": "dc2"}))
    assert delegate().refuse_alive(stranger) is None
    assert delegate(POLICY).refuse_alive(stranger) == "Member 'x' part of wrong datacenter 'dc2'"


def test_policy_judges_a_whole_batch_but_frees_the_ids_of_those_who_left() -> None:
    old = member("old", meta=encode_tags({"role": "node", "dc": "dc1", "id": "one"}))
    new = member("new", meta=encode_tags({"role": "node", "dc": "dc1", "id": "one"}))
    judge = delegate(POLICY)
    assert complete(judge.refuse_merge([(old, NodeState.LEFT), (new, NodeState.ALIVE)]), 0.0) is None
    refused = complete(judge.refuse_merge([(old, NodeState.ALIVE), (new, NodeState.ALIVE)]), 0.0)
    assert refused == "Member 'new' has conflicting node ID 'one' with member 'old'"


def test_nobody_is_refused_in_a_batch_without_a_policy() -> None:
    assert complete(delegate().refuse_merge([(member(""), NodeState.ALIVE)]), 0.0) is None


def test_state_and_payload_are_those_handed_in() -> None:
    assert delegate().ack_payload() == b"coordinate"
    assert delegate().local_state(is_join=True) == b"state"

from __future__ import annotations

import pytest

from nodedns.model.names import NodeName
from nodedns.serf.merge import Candidate, MergePolicy

OURS = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
POLICY = MergePolicy(NodeName("me"), OURS, "dc1")


def candidate(name: str, *, has_left: bool = False, **tags: str) -> Candidate:
    return Candidate(NodeName(name), tags, has_left)


def test_member_of_another_datacenter_is_refused() -> None:
    refused = POLICY.refusal([candidate("x", role="node", dc="dc2", id=OTHER)])
    assert refused == "Member 'x' part of wrong datacenter 'dc2'"


def test_server_of_another_datacenter_is_refused() -> None:
    refused = POLICY.refusal([candidate("x", role="consul", dc="dc2")])
    assert refused == "Member 'x' part of wrong datacenter 'dc2'"


def test_our_node_id_under_another_name_is_refused() -> None:
    refused = POLICY.refusal([candidate("x", role="node", dc="dc1", id=OURS)])
    assert refused == f"Member 'x' has conflicting node ID '{OURS}' with this agent's ID"


def test_our_node_id_under_our_name_in_another_case_passes() -> None:
    assert POLICY.refusal([candidate("ME", role="node", dc="dc1", id=OURS)]) is None


def test_two_members_of_one_id_are_refused() -> None:
    batch = [candidate("x", role="node", dc="dc1", id=OTHER), candidate("z", role="node", dc="dc1", id=OTHER)]
    assert POLICY.refusal(batch) == f"Member 'z' has conflicting node ID '{OTHER}' with member 'x'"


def test_id_of_a_member_that_left_is_free_again() -> None:
    batch = [
        candidate("old", role="node", dc="dc1", id=OTHER, has_left=True),
        candidate("new", role="node", dc="dc1", id=OTHER),
    ]
    assert POLICY.refusal(batch) is None


def test_plain_serf_member_passes() -> None:
    assert POLICY.refusal([candidate("plain"), candidate("web", role="web", dc="elsewhere")]) is None


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("fips", "Member 'x' is FIPS Consul; FIPS Consul is only available in Consul Enterprise"),
        ("ap", "Member 'x' part of partition 'one'; Partitions are a Consul Enterprise feature"),
        ("segment", "Member 'x' part of segment 'one'; Network Segments are a Consul Enterprise feature"),
    ],
)
def test_member_of_what_only_consul_enterprise_has_is_refused(tag: str, reason: str) -> None:
    ours = {"role": "node", "dc": "dc1"}
    assert POLICY.refusal([candidate("y"), Candidate(NodeName("x"), ours | {tag: "one"})]) == reason
    assert POLICY.refusal([Candidate(NodeName("x"), {tag: "one"})]) == reason
    assert POLICY.refusal([Candidate(NodeName("x"), ours | {tag: ""})]) is None

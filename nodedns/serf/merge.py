"""``MergePolicy``: whom a nodedns member refuses to share a pool with (Consul's LAN merge rules).

The rules run on every alive message, for that one member, and on joining
push/pulls, for all members in them. A wrong entry that got in would be refused
by every real Consul agent that we sync with, and block us from them.

- A Consul or nodedns member of another datacenter is refused.
- A node ID that is ours, under another name, is refused; so is one that two
  members of one batch share (counted only for members that have not left).
- A member of a network segment or a partition, or one built for FIPS, is refused: only Consul
  Enterprise has them, and every other Consul refuses them too.
- A plain Serf member, without those tags, passes.

Source: Consul's lanMergeDelegate (gossip-protocol 5.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from nodedns.model.names import NodeName, fold

__all__ = ["Candidate", "MergeJudge", "MergePolicy"]

CONSUL_ROLES = ("node", "consul")


@attrs.frozen
class Candidate:
    """A member as the policy judges it."""

    name: NodeName
    tags: Mapping[str, str]
    has_left: bool = False


@attrs.frozen
class MergePolicy:
    """The rules, with what is ours in them.

    Attributes:
        name: Our node name.
        node_id: Our node ID, a UUID's text.
        datacenter: Our datacenter.
    """

    name: NodeName
    node_id: str
    datacenter: str

    def refusal(self, candidates: Iterable[Candidate]) -> str | None:
        """Return why these members must not be let in, or None."""
        judge = self.judge()
        refusals = (judge.refusal(candidate) for candidate in candidates)
        return next((reason for reason in refusals if reason is not None), None)

    def judge(self) -> MergeJudge:
        """Return who judges one batch, a member at a time."""
        return MergeJudge(self)


class MergeJudge:
    """Holds the members of one batch against the rules, and against each other.

    Args:
        policy: The rules.
    """

    __slots__ = ("_names_by_id", "_policy")

    def __init__(self, policy: MergePolicy) -> None:
        self._policy = policy
        self._names_by_id: dict[str, NodeName] = {}

    def refusal(self, candidate: Candidate) -> str | None:
        """Return why the batch must not be let in for this member, or None."""
        return self._id_refusal(candidate) or self._datacenter_refusal(candidate) or _enterprise_refusal(candidate)

    def _id_refusal(self, candidate: Candidate) -> str | None:
        node_id = candidate.tags.get("id", "")
        if not node_id or candidate.has_left:
            return None
        conflict = f"Member '{candidate.name}' has conflicting node ID '{node_id}' with"
        if node_id == self._policy.node_id and fold(candidate.name) != fold(self._policy.name):
            return f"{conflict} this agent's ID"
        other = self._names_by_id.setdefault(node_id, candidate.name)
        if fold(other) != fold(candidate.name):
            return f"{conflict} member '{other}'"
        return None

    def _datacenter_refusal(self, candidate: Candidate) -> str | None:
        datacenter = candidate.tags.get("dc", "")
        if candidate.tags.get("role") not in CONSUL_ROLES or datacenter in ("", self._policy.datacenter):
            return None
        return f"Member '{candidate.name}' part of wrong datacenter '{datacenter}'"


def _enterprise_refusal(candidate: Candidate) -> str | None:
    member = f"Member '{candidate.name}'"
    if candidate.tags.get("fips"):
        return f"{member} is FIPS Consul; FIPS Consul is only available in Consul Enterprise"
    if partition := candidate.tags.get("ap"):
        return f"{member} part of partition '{partition}'; Partitions are a Consul Enterprise feature"
    if segment := candidate.tags.get("segment"):
        return f"{member} part of segment '{segment}'; Network Segments are a Consul Enterprise feature"
    return None

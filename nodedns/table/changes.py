"""What can happen to the node table, as values.

The agent turns gossip events and HTTP registrations into these; the table
knows neither gossip nor HTTP. Applying a change twice is the same as once.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from nodedns.model.check import Check
from nodedns.model.member import SerfMember
from nodedns.model.names import NodeName
from nodedns.model.service import Service

__all__ = [
    "Change",
    "CheckDeregistered",
    "CheckRegistered",
    "ClusterKnown",
    "ExternalNode",
    "MemberForgotten",
    "MemberHidden",
    "MemberShown",
    "MemberUpserted",
    "NodeDeregistered",
    "NodeRegistered",
    "Registration",
    "ServiceDeregistered",
    "ServiceRegistered",
]


def _own_copy(mapping: Mapping[str, str]) -> dict[str, str]:
    return dict(mapping)


@attrs.frozen
class ExternalNode:
    """A node that runs no agent: registered by hand, known by no gossip.

    Attributes:
        name: As registered; looked up with ASCII case folded.
        node_id: UUID text, or empty.
        address: IP text, or a host name.
        tagged_addresses: By tag (``lan``, ``lan_ipv4``, ``lan_ipv6``, ``wan`` ...).
        meta: Node meta.
    """

    name: NodeName
    node_id: str
    address: str
    tagged_addresses: Mapping[str, str] = attrs.field(factory=dict, converter=_own_copy)
    meta: Mapping[str, str] = attrs.field(factory=dict, converter=_own_copy)


@attrs.frozen
class MemberUpserted:
    """A member is new, or its address, tags, versions or status are as given now."""

    member: SerfMember


@attrs.frozen
class MemberForgotten:
    """A member was reaped: it is no longer listed, not even as left."""

    name: NodeName


@attrs.frozen
class MemberHidden:
    """A failed member's names and addresses are no longer for DNS, until its status changes.

    Without effect on a member that has not failed.
    """

    name: NodeName


@attrs.frozen
class MemberShown:
    """A member that was hidden is for DNS again, though it has failed. Without effect on any other."""

    name: NodeName


@attrs.frozen
class NodeRegistered:
    """An external node is to exist as given, whatever stood under its name before."""

    node: ExternalNode


@attrs.frozen
class NodeDeregistered:
    """The external node of this name is gone; members of that name are untouched."""

    name: NodeName


@attrs.frozen
class ClusterKnown:
    """The expected servers were seen; from now on an absent name is known to be absent."""


@attrs.frozen
class ServiceRegistered:
    """An instance of a service is to be on ``node`` as given, whatever stood under its ID before."""

    node: NodeName
    service: Service


@attrs.frozen
class ServiceDeregistered:
    """``node`` has no instance of this ID. Its checks are told of one by one."""

    node: NodeName
    service_id: str


@attrs.frozen
class CheckRegistered:
    """A check is to be on ``node`` as given, its status included."""

    node: NodeName
    check: Check


@attrs.frozen
class CheckDeregistered:
    """``node`` has no check of this ID."""

    node: NodeName
    check_id: str


Registration = (
    NodeRegistered | NodeDeregistered | ServiceRegistered | ServiceDeregistered | CheckRegistered | CheckDeregistered
)
"""What may be written to the catalog."""

Change = (
    MemberUpserted
    | MemberForgotten
    | MemberHidden
    | MemberShown
    | NodeRegistered
    | NodeDeregistered
    | ServiceRegistered
    | ServiceDeregistered
    | CheckRegistered
    | CheckDeregistered
    | ClusterKnown
)

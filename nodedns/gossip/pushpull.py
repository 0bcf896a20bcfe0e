"""Push/pull: the whole state of two members exchanged over one stream, and how it is merged.

Before anything is merged the protocol versions of everybody are held against
each other, and on a join the delegate may refuse; then each node of the other
side is applied as if it had been gossiped, with one exception: a death is
taken as a suspicion only, so that the node can still refute.

Source: memberlist's pushPullNode, verifyProtocol, mergeState.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from nodedns.gossip.members import Listed
from nodedns.gossip.messages import Alive, Dead, PushPullNode, Suspect
from nodedns.model.address import Address
from nodedns.model.member import Member, NodeState, Versions
from nodedns.model.names import NodeName

__all__ = ["claim_of", "incompatibility", "node_of", "push_pull_scale", "remote_members"]

SCALE_FROM_NODES = 32


def push_pull_scale(size: int) -> int:
    """Return by how much the push/pull interval is stretched in a list of ``size`` nodes."""
    if size <= SCALE_FROM_NODES:
        return 1
    return math.ceil(math.log2(size) - math.log2(SCALE_FROM_NODES)) + 1


def node_of(row: Listed) -> PushPullNode:
    """Return what we tell about a row."""
    member = row.member
    return PushPullNode(
        name=member.name,
        addr=member.address.packed,
        port=member.address.port,
        meta=member.meta,
        incarnation=row.incarnation,
        state=int(row.state),
        vsn=member.versions.packed,
    )


def claim_of(node: PushPullNode, local_name: NodeName) -> Alive | Suspect | Dead | None:
    """Return the message that a node of a push/pull stands for; None for an unknown state."""
    match node.state:
        case NodeState.ALIVE:
            return Alive(node.incarnation, node.name, node.addr, node.port, node.meta, node.vsn)
        case NodeState.LEFT:
            return Dead(node.incarnation, node.name, node.name)
        case NodeState.SUSPECT | NodeState.DEAD:
            return Suspect(node.incarnation, node.name, local_name)
        case _:
            return None


def remote_members(nodes: Iterable[PushPullNode]) -> Iterator[tuple[Member, NodeState]]:
    """Yield the identities in a push/pull; nodes in an unknown state are passed over."""
    for node in nodes:
        if node.state in NodeState._value2member_map_:
            address = Address(node.addr, node.port)
            yield Member(NodeName(node.name), address, node.meta, Versions(node.vsn)), NodeState(node.state)


def incompatibility(remote: Iterable[PushPullNode], local: Iterable[Listed]) -> str | None:
    """Return why the two sides' protocol versions do not fit together, or None.

    The range is set by the alive nodes of both sides; everybody, the dead
    included, must speak a version within it.
    """
    everyone = [(node.name, Versions(node.vsn), node.state == NodeState.ALIVE) for node in remote]
    everyone += [(row.member.name, row.member.versions, row.state == NodeState.ALIVE) for row in local]
    ranges = {versions.packed for _, versions, is_alive in everyone if is_alive and len(versions.packed) >= 5}
    alive = [Versions(packed) for packed in sorted(ranges)]
    if not alive:
        return None
    lowest = max(versions.protocol_min for versions in alive)
    highest = min(versions.protocol_max for versions in alive)
    delegate_lowest = max(versions.delegate_min for versions in alive)
    delegate_highest = min(versions.delegate_max for versions in alive)
    for name, versions, _ in everyone:
        if not lowest <= versions.protocol_current <= highest:
            return f"node {name!r} speaks protocol {versions.protocol_current}, wanted {lowest} to {highest}"
        if not delegate_lowest <= versions.delegate_current <= delegate_highest:
            return (
                f"node {name!r} speaks delegate protocol {versions.delegate_current}, "
                f"wanted {delegate_lowest} to {delegate_highest}"
            )
    return None

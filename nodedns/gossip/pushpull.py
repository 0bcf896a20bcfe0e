"""Push/pull: the whole state of two members exchanged over one stream, and how it is merged.

Before anything is merged the protocol versions of everybody are held against
each other, and on a join the delegate may refuse; then each node of the other
side is applied as if it had been gossiped, with one exception: a death is
taken as a suspicion only, so that the node can still refute.

All of it is done in steps, with others' news coming in between. Claims are
ordered by their incarnation and not by when they are heard, so that does no
harm; our own state is told as each row is when its turn comes, and what changes
after that is news for gossip.

Source: memberlist's pushPullNode, verifyProtocol, mergeState.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from nodedns.gossip.claims import Claims
from nodedns.gossip.delegate import Delegate
from nodedns.gossip.events import GossipEvent, PushPullMerged
from nodedns.gossip.members import Listed, MemberTable
from nodedns.gossip.messages import Alive, Dead, PushPullNode, Suspect
from nodedns.gossip.slices import Steps
from nodedns.gossip.stream_reader import PushPullState
from nodedns.gossip.wire import encode_body, join_push_pull
from nodedns.model.address import Address
from nodedns.model.member import Member, NodeState, Versions
from nodedns.model.names import NodeName

__all__ = ["PushPull", "claim_of", "incompatibility", "node_of", "push_pull_scale", "remote_members"]

SCALE_FROM_NODES = 32
ENOUGH_VERSIONS = 5  # version bytes of which memberlist takes note

ENCODE_NODE_US = 5.0
COMPARE_NODE_US = 1.0
OLD_NEWS_US = 10.0
NEWS_US = 300.0
"""A member new to us, up to its line in the log and its row in the node table."""


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
            return _alive_of(node)
        case NodeState.LEFT:
            return Dead(node.incarnation, node.name, node.name)
        case NodeState.SUSPECT | NodeState.DEAD:
            return Suspect(node.incarnation, node.name, local_name)
        case _:
            return None


def _alive_of(node: PushPullNode) -> Alive:
    return Alive(node.incarnation, node.name, node.addr, node.port, node.meta, node.vsn)


def remote_members(nodes: Iterable[PushPullNode]) -> Iterator[tuple[Member, NodeState]]:
    """Yield the identities in a push/pull; nodes in an unknown state are passed over."""
    for node in nodes:
        if node.state in NodeState._value2member_map_:
            address = Address(node.addr, node.port)
            yield Member(NodeName(node.name), address, node.meta, Versions(node.vsn)), NodeState(node.state)


def incompatibility(remote: Iterable[PushPullNode], local: Iterable[Listed]) -> Steps[str | None]:
    """Find out why the two sides' protocol versions do not fit together; None: they do.

    The range is set by the alive nodes of both sides; everybody, the dead
    included, must speak a version within it.
    """
    # There are far fewer versions than members.
    first_with: dict[bytes, str] = {}
    alive: dict[bytes, Versions] = {}
    everyone = [(node.name, node.vsn, node.state) for node in remote]
    everyone += [(row.member.name, row.member.versions.packed, row.state) for row in local]
    for name, packed, state in everyone:
        if packed not in first_with:
            first_with[packed] = name
        if state == NodeState.ALIVE and len(packed) >= ENOUGH_VERSIONS and packed not in alive:
            alive[packed] = Versions(packed)
        yield COMPARE_NODE_US
    if not alive:
        return None
    lowest = max(versions.protocol_min for versions in alive.values())
    highest = min(versions.protocol_max for versions in alive.values())
    delegate_lowest = max(versions.delegate_min for versions in alive.values())
    delegate_highest = min(versions.delegate_max for versions in alive.values())
    for packed, name in first_with.items():
        versions = Versions(packed)
        if not lowest <= versions.protocol_current <= highest:
            return f"node {name!r} speaks protocol {versions.protocol_current}, wanted {lowest} to {highest}"
        if not delegate_lowest <= versions.delegate_current <= delegate_highest:
            return (
                f"node {name!r} speaks delegate protocol {versions.delegate_current}, "
                f"wanted {delegate_lowest} to {delegate_highest}"
            )
        yield COMPARE_NODE_US
    return None


class PushPull:
    """Our whole state for others, and theirs for us.

    Args:
        local_name: Ours; accuses those whom the others hold for dead.
        table: Whom we know.
        claims: Applies what we are told.
        delegate: Has a state of its own, and may refuse a join.
        emit: Takes ``PushPullMerged``.
    """

    def __init__(
        self,
        local_name: NodeName,
        table: MemberTable,
        claims: Claims,
        delegate: Delegate,
        emit: Callable[[GossipEvent], None],
    ) -> None:
        self._local_name = local_name
        self._table = table
        self._claims = claims
        self._delegate = delegate
        self._emit = emit

    def encode(self, *, is_join: bool) -> Steps[bytes]:
        """Return our push/pull message: every node listed, and the delegate's state."""
        user_state = self._delegate.local_state(is_join=is_join)
        bodies = []
        for row in list(self._table):
            bodies.append(encode_body(node_of(row)))
            yield ENCODE_NODE_US
        return join_push_pull(is_join, bodies, user_state)

    def merge(self, state: PushPullState, source: Address, now: float) -> Steps[str | None]:
        """Merge the state of the other side, ``source``; return why it was refused, or None.

        All is judged before any is applied.
        """
        refusal = yield from incompatibility(state.nodes, self._table)
        if refusal is None and state.header.join:
            refusal = yield from self._delegate.refuse_merge(remote_members(state.nodes))
        if refusal is not None:
            return refusal
        for node in state.nodes:
            claim = claim_of(node, self._local_name)
            if claim is None:
                continue
            is_news = self._claims.apply(claim, source, now, is_listed=True)
            if node.name == self._local_name and isinstance(claim, Suspect):
                # An earlier life of ours may be on its way out at another address, which a suspicion does not tell.
                self._claims.apply(_alive_of(node), source, now, is_listed=True)
            now = yield NEWS_US if is_news else OLD_NEWS_US
        if state.user_state:
            yield from self._delegate.merge_remote_state(state.user_state, now, is_join=state.header.join)
        self._emit(PushPullMerged(state.header.join))
        return None

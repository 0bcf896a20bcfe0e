"""``MemberTable``: who is alive, suspect, dead or left, and the rules by which that changes.

Strategy: ``apply_alive``, ``apply_suspect`` and ``apply_dead`` hold the whole
transition table. They change the rows and return what must follow (gossip it,
refute, start a suspicion, tell the owner) as effects; they send nothing and
set no timer. A message that changes nothing returns the reason it was ignored.

Incarnations order claims about one node: only the node itself raises its own,
so a higher one wins, and at equal ones dead beats suspect beats alive.

Source: SWIM paper section 4.2; memberlist's aliveNode, suspectNode, deadNode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import attrs

from nodedns.gossip.events import (
    GossipEvent,
    NameMoved,
    NodeDeparted,
    NodeJoined,
    NodeSuspected,
    NodeUpdated,
    SuspicionConfirmed,
    SuspicionRefuted,
)
from nodedns.gossip.messages import Alive, Dead, Suspect
from nodedns.gossip.params import GossipParams
from nodedns.gossip.suspicion import Suspicion
from nodedns.gossip.timers import Timer
from nodedns.model.address import Address
from nodedns.model.member import VERSIONS_BYTES, Member, NodeState, Versions
from nodedns.model.names import NodeName

__all__ = [
    "MAX_META_BYTES",
    "MAX_NAME_BYTES",
    "Accuse",
    "Confirm",
    "Doubt",
    "Effect",
    "Ignored",
    "Listed",
    "MemberTable",
    "Notify",
    "Rebroadcast",
    "Refute",
    "Vindicate",
    "alive_message",
]

MAX_META_BYTES = 512
"""memberlist's MetaMaxSize."""
MAX_NAME_BYTES = 512
"""Ours: a longer name could not be gossiped beside full metadata in one packet."""
FIRST_INCARNATION = 1
MAX_INCARNATION = 0xFFFF_FFFF
"""An incarnation has 32 bits on the wire; real agents can decode nothing that holds a longer one."""


@attrs.define(eq=False)
class Listed:
    """One row: a node, what is claimed about it, and since when.

    Attributes:
        member: Its identity as last announced.
        state: alive, suspect, dead or left.
        incarnation: Of the newest claim accepted.
        changed_at: Monotonic seconds of the last change of ``state``.
        suspicion: While suspect, how long it may still refute.
        timer: Fires at the suspicion's deadline.
    """

    member: Member
    state: NodeState
    incarnation: int
    changed_at: float
    suspicion: Suspicion | None = None
    timer: Timer | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it is dead or left."""
        return self.state >= NodeState.DEAD


@attrs.frozen
class Rebroadcast:
    """Queue this message for gossip under its node's name, replacing an older one."""

    message: Alive | Suspect | Dead


@attrs.frozen
class Refute:
    """We were accused at this incarnation: announce a higher one."""

    incarnation: int
    accuser: NodeName
    claim: NodeState


@attrs.frozen
class Accuse:
    """Start the suspicion timer of this row."""

    row: Listed
    accuser: NodeName


@attrs.frozen
class Confirm:
    """The row's suspicion got an independent confirmation: set its timer anew."""

    row: Listed


@attrs.frozen
class Vindicate:
    """The row is suspected no more: cancel its timer."""

    row: Listed


@attrs.frozen
class Doubt:
    """``alive`` claims the row's name from another address, and may not have it unasked: ask who answers there."""

    row: Listed
    alive: Alive


@attrs.frozen
class Notify:
    """Tell the owner."""

    event: GossipEvent


@attrs.frozen
class Ignored:
    """Nothing changed; ``reason`` is constant text. ``is_fault``: worth counting and logging."""

    reason: str
    is_fault: bool = False


Effect = Rebroadcast | Refute | Accuse | Confirm | Vindicate | Doubt | Notify | Ignored

_OLD_NEWS = (Ignored("old-incarnation"),)
_UNKNOWN = (Ignored("unknown-node"),)
_ALREADY = (Ignored("already-known"),)
_LEAVING = (Ignored("we-are-leaving"),)
_BAD_ADDRESS = (Ignored("bad-address", is_fault=True),)
_BAD_VERSIONS = (Ignored("bad-versions", is_fault=True),)
_BAD_NAME = (Ignored("bad-name", is_fault=True),)
_BAD_META = (Ignored("bad-meta", is_fault=True),)
_CONFLICT = Ignored("name-conflict")
_TABLE_FULL = (Ignored("table-full", is_fault=True),)


class MemberTable:
    """Every node we know of, ourselves included, in probe order and by name.

    Args:
        params: Limits and the reclaim time.
        local_name: Our own name: claims about it are refuted.
        rng: New nodes enter the probe order at a random place.
    """

    def __init__(self, params: GossipParams, local_name: NodeName, rng: Random) -> None:
        self._params = params
        self._local_name = local_name
        self._rng = rng
        self._by_name: dict[str, Listed] = {}
        self._order: list[Listed] = []
        self._counts = dict.fromkeys(NodeState, 0)
        self.is_leaving = False

    # --- views -------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Listed]:
        return iter(self._by_name.values())

    def __getitem__(self, index: int) -> Listed:
        """Return the row at ``index`` of the probe order."""
        return self._order[index]

    def get(self, name: str) -> Listed | None:
        """Return the row of that exact name, or None."""
        return self._by_name.get(name)

    def count(self, state: NodeState) -> int:
        """Return how many rows are in ``state``."""
        return self._counts[state]

    @property
    def live(self) -> int:
        """How many rows are alive or suspect, ourselves included while we have not left."""
        return self._counts[NodeState.ALIVE] + self._counts[NodeState.SUSPECT]

    def pick(self, count: int, wanted: Callable[[Listed], bool]) -> list[Listed]:
        """Return up to ``count`` different random rows that are ``wanted`` (memberlist: kRandomNodes).

        At most three tries for each row listed, so a table full of the dead costs no more.
        """
        picked: list[Listed] = []
        size = len(self._order)
        randrange = self._rng.randrange
        for _ in range(3 * size):
            if len(picked) >= count:
                break
            row = self._order[randrange(size)]
            if wanted(row) and row not in picked:
                picked.append(row)
        return picked

    # --- the transition table ------------------------------------------------

    def apply_alive(self, alive: Alive, now: float, *, is_boot: bool = False) -> tuple[Effect, ...]:
        """Apply a claim that a node is alive.

        Args:
            alive: The claim; its port must not be 0 (the caller has put in its own).
            now: Monotonic seconds.
            is_boot: It is our own announcement.

        Returns:
            What must follow; a single ``Ignored`` where nothing changed.
        """
        name = alive.node
        is_local = name == self._local_name
        if is_local and self.is_leaving:
            return _LEAVING
        row = self._by_name.get(name)
        # The common case by far, so it comes before everything that costs.
        is_old = row is not None and not is_local and alive.incarnation <= row.incarnation
        if row is not None and is_old and not self._may_move(row, alive, now):
            return _doubt(row, alive) or _OLD_NEWS
        fault = _fault_of(alive)
        if fault is not None:
            return fault
        member = _member_of(alive, row)
        if row is None:
            if alive.incarnation == 0:
                return _OLD_NEWS
            if len(self._order) >= self._params.max_members:
                return _TABLE_FULL
            row = self._insert(member, now)
        else:
            doubt = _doubt(row, alive)
            if doubt is not None and not self._may_move(row, alive, now):
                return doubt
        if is_local and not is_boot:
            return self._alive_about_us(row, alive)
        return self._accept(row, member, alive, now)

    def apply_suspect(self, suspect: Suspect, now: float) -> tuple[Effect, ...]:
        """Apply a suspicion; see ``apply_alive`` for what is returned."""
        row = self._by_name.get(suspect.node)
        if row is None:
            return _UNKNOWN
        if len(suspect.accuser) > MAX_NAME_BYTES:
            return _BAD_NAME
        if suspect.incarnation < row.incarnation:
            return _OLD_NEWS
        if row.suspicion is not None:
            if row.suspicion.confirm(suspect.accuser, now):
                return (Rebroadcast(suspect), Confirm(row), Notify(_confirmed(row, row.suspicion)))
            return _ALREADY
        if row.state != NodeState.ALIVE:
            return _ALREADY
        accuser = NodeName(suspect.accuser)
        if row.member.name == self._local_name:
            return (Refute(suspect.incarnation, accuser, NodeState.SUSPECT),)
        row.incarnation = suspect.incarnation
        self._set_state(row, NodeState.SUSPECT, now)
        return (Rebroadcast(suspect), Accuse(row, accuser), Notify(NodeSuspected(row.member, accuser)))

    def apply_dead(self, dead: Dead, now: float) -> tuple[Effect, ...]:
        """Apply a claim of death, or of departure where accuser and node are one; as ``apply_alive``."""
        row = self._by_name.get(dead.node)
        if row is None:
            return _UNKNOWN
        if len(dead.accuser) > MAX_NAME_BYTES:
            return _BAD_NAME
        if dead.incarnation < row.incarnation:
            return _OLD_NEWS
        if row.is_gone:
            return _ALREADY
        accuser = NodeName(dead.accuser)
        if row.member.name == self._local_name and not self.is_leaving:
            return (Refute(dead.incarnation, accuser, NodeState.DEAD),)
        row.incarnation = dead.incarnation
        state = NodeState.LEFT if dead.is_departure else NodeState.DEAD
        self._set_state(row, state, now)
        suspicion = row.suspicion
        known = (suspicion.accusers, suspicion.wanted) if suspicion is not None else ()
        return (Vindicate(row), Rebroadcast(dead), Notify(NodeDeparted(row.member, state, accuser, *known)))

    def move(self, alive: Alive, now: float) -> tuple[Effect, ...]:
        """Give a name to ``alive``'s address because nobody answers at the old one; as ``apply_alive``.

        The claimant must have outbid what was said of the old address: what is still under way about that one
        would else count against the new one.
        """
        row = self._by_name.get(alive.node)
        if row is None or row.member.name == self._local_name:
            return _UNKNOWN
        if alive.incarnation <= row.incarnation:
            return _OLD_NEWS
        before, member = row.member, _member_of(alive, row)
        effects = self._accept(row, member, alive, now)
        # Whoever was suspected has answered nothing: that another came in its place is no refutation.
        kept = (effect for effect in effects if not _is_refutation(effect))
        return (Notify(NameMoved(before, member)), *kept)

    def raise_incarnation(self, above: int, member: Member, now: float) -> Alive:
        """Give our own row an incarnation above ``above`` and ``member``'s identity; return the claim to gossip."""
        row = self._by_name[self._local_name]
        row.incarnation = max(row.incarnation, above) + 1
        if row.incarnation > MAX_INCARNATION:
            # As in memberlist the number wraps; it takes a lie to get here. Once the others have
            # forgotten us, which they do with the dead, a low number is news to them again.
            row.incarnation = FIRST_INCARNATION
        row.member = member
        if row.state != NodeState.ALIVE and not self.is_leaving:
            self._set_state(row, NodeState.ALIVE, now)
        return alive_message(row)

    # --- upkeep ----------------------------------------------------------------

    def reap_and_shuffle(self, now: float) -> list[Listed]:
        """Forget what has been dead or left for long enough, shuffle the rest; return the forgotten.

        Called whenever the probe order has been walked through (memberlist: resetNodes).
        """
        keep_s = self._params.gossip_to_the_dead_s
        forgotten = [row for row in self._order if row.is_gone and now - row.changed_at > keep_s]
        forgotten = [row for row in forgotten if row.member.name != self._local_name]
        for row in forgotten:
            del self._by_name[row.member.name]
            self._counts[row.state] -= 1
        if forgotten:
            gone = set(map(id, forgotten))
            self._order = [row for row in self._order if id(row) not in gone]
        self._rng.shuffle(self._order)
        return forgotten

    # --- inside ------------------------------------------------------------------

    def _insert(self, member: Member, now: float) -> Listed:
        row = Listed(member, NodeState.DEAD, 0, now)
        self._by_name[member.name] = row
        self._order.append(row)
        self._counts[NodeState.DEAD] += 1
        # A random place in the probe order, so that newcomers are not all probed last.
        offset = self._rng.randrange(len(self._order))
        self._order[offset], self._order[-1] = self._order[-1], self._order[offset]
        return row

    def _set_state(self, row: Listed, state: NodeState, now: float) -> None:
        self._counts[row.state] -= 1
        self._counts[state] += 1
        row.state = state
        row.changed_at = now

    def _may_move(self, row: Listed, alive: Alive, now: float) -> bool:
        """Whether ``alive`` may take the name over at another address, whatever its incarnation."""
        if alive.addr == row.member.address.packed and alive.port == row.member.address.port:
            return False
        if row.state == NodeState.LEFT:
            return True
        if row.state == NodeState.DEAD and alive.incarnation > row.incarnation:
            # Only the member itself goes above what was said of its death, so it has come back, elsewhere.
            return True
        reclaim_s = self._params.dead_node_reclaim_s
        return row.state == NodeState.DEAD and reclaim_s > 0 and now - row.changed_at > reclaim_s

    def _alive_about_us(self, row: Listed, alive: Alive) -> tuple[Effect, ...]:
        if alive.incarnation < row.incarnation:
            return _OLD_NEWS
        same_identity = alive.meta == row.member.meta and alive.vsn == row.member.versions.packed
        if alive.incarnation == row.incarnation and same_identity:
            return _ALREADY
        # Somebody (an earlier run of ours, as a rule) speaks for us with a newer claim.
        return (Refute(alive.incarnation, row.member.name, NodeState.ALIVE),)

    def _accept(self, row: Listed, member: Member, alive: Alive, now: float) -> tuple[Effect, ...]:
        was_gone = row.is_gone
        had_meta, had_address = row.member.meta, row.member.address
        row.member = member
        row.incarnation = alive.incarnation
        effects: list[Effect] = []
        if row.suspicion is not None:
            refuted = SuspicionRefuted(member, row.suspicion.accusers, alive.incarnation)
            effects += [Vindicate(row), Notify(refuted)]
        if row.state != NodeState.ALIVE:
            self._set_state(row, NodeState.ALIVE, now)
        effects.append(Rebroadcast(alive))
        if was_gone:
            effects.append(Notify(NodeJoined(member)))
        elif had_meta != member.meta or not had_address.same_endpoint(member.address):
            effects.append(Notify(NodeUpdated(member)))
        return tuple(effects)


def _is_refutation(effect: Effect) -> bool:
    return isinstance(effect, Notify) and isinstance(effect.event, SuspicionRefuted)


def alive_message(row: Listed) -> Alive:
    """Return the alive claim that this row stands for."""
    member = row.member
    return Alive(
        incarnation=row.incarnation,
        node=member.name,
        addr=member.address.packed,
        port=member.address.port,
        meta=member.meta,
        vsn=member.versions.packed,
    )


def _confirmed(row: Listed, suspicion: Suspicion) -> SuspicionConfirmed:
    return SuspicionConfirmed(row.member, suspicion.accusers[-1], suspicion.accusers, suspicion.wanted)


def _doubt(row: Listed, alive: Alive) -> tuple[Effect, ...] | None:
    """Return the effects of a clash of addresses, or None where there is none."""
    known = row.member.address
    if alive.addr == known.packed and alive.port == known.port:
        return None
    fault = _fault_of(alive)
    if fault is not None:
        return fault
    # 4-byte and mapped forms of one IPv4 are one address to us, unlike to memberlist.
    if Address(alive.addr, alive.port).same_endpoint(known):
        return None
    return (Doubt(row, alive), _CONFLICT)


def _fault_of(alive: Alive) -> tuple[Ignored] | None:
    if len(alive.addr) not in (4, 16):
        return _BAD_ADDRESS
    if not 0 < len(alive.node) <= MAX_NAME_BYTES:
        return _BAD_NAME
    if len(alive.meta) > MAX_META_BYTES:
        return _BAD_META
    # Passing on 1 to 5 bytes crashes memberlist 0.2; none makes every push/pull of ours fail.
    if len(alive.vsn) != VERSIONS_BYTES:
        return _BAD_VERSIONS
    low, high = alive.vsn[0], alive.vsn[1]
    if low == 0 or high == 0 or low > high:
        return _BAD_VERSIONS
    return None


def _member_of(alive: Alive, row: Listed | None) -> Member:
    """Return the identity claimed, sharing the known objects where they are equal."""
    if row is None:
        return Member(NodeName(alive.node), Address(alive.addr, alive.port), alive.meta, Versions(alive.vsn))
    known = row.member
    address = known.address
    if address.packed != alive.addr or address.port != alive.port:
        address = Address(alive.addr, alive.port)
    versions = known.versions if known.versions.packed == alive.vsn else Versions(alive.vsn)
    if address is known.address and versions is known.versions and alive.meta == known.meta:
        return known
    return Member(known.name, address, alive.meta, versions)

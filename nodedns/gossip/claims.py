"""``Claims``: what is claimed about members, applied to the table, and what follows from it carried out.

Strategy: the ``MemberTable`` decides what a claim changes and returns effects;
this file turns those into gossip, refutations, suspicion timers and events. Our
own identity lives here, since refuting means announcing it anew, and so does
leaving, which is one more claim about ourselves.

What it does not do: reading packets, probing, choosing whom to gossip to.

Source: SWIM paper section 4; memberlist's aliveNode, suspectNode, deadNode, refute, Leave.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs

from nodedns.errors import LocalProtocolError
from nodedns.gossip.awareness import Awareness
from nodedns.gossip.broadcast import BroadcastQueue
from nodedns.gossip.delegate import Delegate
from nodedns.gossip.events import Dropped, GossipEvent, LeaveFinished, NodeUpdated, Refuted, StaleAddressOutbid
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
    alive_message,
)
from nodedns.gossip.messages import Alive, Dead, Suspect
from nodedns.gossip.params import GossipParams
from nodedns.gossip.suspicion import Suspicion, suspicion_bounds
from nodedns.gossip.timers import TimerHeap
from nodedns.gossip.wire import encode_message
from nodedns.model.address import Address, parse_ip
from nodedns.model.member import Member, Versions
from nodedns.model.names import NodeName

__all__ = ["Claim", "Claims", "DoubtTaker"]

CLEAR_AFTER_INTERVALS = 1
"""Probe intervals between outbidding a stale address and declaring it left; who asks for itself needs one."""
CLEAR_ROUNDS = 3
"""How often both are said: in a small cluster one round of gossip may pass a member by."""
ANNOUNCE_AFTER_INTERVALS = 5
"""Gossip intervals between that and our own announcement: it must not come first, as it would be dropped."""

Claim = Alive | Suspect | Dead

_NOT_ALLOWED = (Ignored("address-not-allowed", is_fault=True),)


class DoubtTaker(Protocol):
    """Looks into a claim of a name that another address holds."""

    def __call__(self, row: Listed, alive: Alive, told_by: Address | None, now: float, *, is_listed: bool) -> None:
        """Take ``alive``, which ``told_by`` sent us; ``is_listed``: in a push/pull."""
        ...


class Claims:
    """Applies claims and carries out what follows.

    Args:
        params: Timers and limits.
        local: Our identity; its port also stands in for a port 0 in others' claims.
        delegate: May refuse members.
        table: Who is alive, suspect, dead or left.
        queue: Where claims wait to be gossiped.
        timers: For suspicions and the end of a leave.
        awareness: Being accused counts against our own health.
        emit: Takes the events.
        doubt: Looks into a claim of a name that another address holds.
    """

    def __init__(
        self,
        *,
        params: GossipParams,
        local: Member,
        delegate: Delegate,
        table: MemberTable,
        queue: BroadcastQueue,
        timers: TimerHeap,
        awareness: Awareness,
        emit: Callable[[GossipEvent], None],
        doubt: DoubtTaker,
    ) -> None:
        self._params = params
        self._local = local
        self._delegate = delegate
        self._table = table
        self._queue = queue
        self._timers = timers
        self._awareness = awareness
        self._emit = emit
        self._doubt = doubt
        self._leave_finished = False

    @property
    def local(self) -> Member:
        """Our identity as last announced."""
        return self._local

    @property
    def incarnation(self) -> int:
        """Our own incarnation; 0 before ``announce``."""
        row = self._table.get(self._local.name)
        return row.incarnation if row else 0

    # --- about ourselves -----------------------------------------------------------

    def announce(self, now: float) -> None:
        """Claim that we are alive, with the first incarnation."""
        local = self._local
        alive = Alive(1, local.name, local.address.packed, local.address.port, local.meta, local.versions.packed)
        self._carry_out(self._table.apply_alive(alive, now, is_boot=True), now)

    def update_meta(self, meta: bytes, now: float) -> None:
        """Announce other metadata with a higher incarnation."""
        self._local = attrs.evolve(self._local, meta=meta)
        alive = self._table.raise_incarnation(self.incarnation, self._local, now)
        self._broadcast(alive.node, alive)
        self._emit(NodeUpdated(self._local))

    def leave(self, timeout_s: float, now: float) -> None:
        """Claim our own departure; ``LeaveFinished`` follows once it has spread.

        Raises:
            LocalProtocolError: Called twice.
        """
        if self._table.is_leaving:
            raise LocalProtocolError("leave was called twice")
        self._table.is_leaving = True
        others = self._table.live - 1
        name = self._local.name
        self._carry_out(self._table.apply_dead(Dead(self.incarnation, name, name), now), now)
        if others < 1:
            self._finish_leaving(timed_out=False)
            return
        self._timers.set(now + timeout_s, lambda _now: self._finish_leaving(timed_out=True))

    # --- about anybody ---------------------------------------------------------------

    def apply(self, claim: Claim, source: Address | None, now: float, *, is_listed: bool = False) -> bool:
        """Apply a claim; return whether it was news.

        Args:
            claim: Of anybody about anybody.
            source: Who sent it to us; None: it is our own.
            now: Monotonic seconds.
            is_listed: Whether it comes out of a push/pull.
        """
        if isinstance(claim, Alive):
            # Whom a member lists need not be where that member is.
            effects = self._apply_alive(claim, None if is_listed else source, now)
        elif isinstance(claim, Suspect):
            effects = self._table.apply_suspect(claim, now)
        else:
            effects = self._table.apply_dead(claim, now)
        self._carry_out(effects, now, source, is_listed=is_listed)
        return bool(effects) and not isinstance(effects[0], Ignored)

    def take_over(self, alive: Alive, now: float) -> None:
        """Give a name to the address that ``alive`` claims it for: at the old one nobody answers."""
        self._carry_out(self._table.move(alive, now), now)

    def outbid(self, alive: Alive, now: float, *, is_listed: bool) -> None:
        """Raise our own claim above ``alive``, which has our name at an address where nobody answers."""
        row = self._table.get(self._local.name)
        if row is None or self._table.is_leaving:
            return
        if alive.incarnation >= row.incarnation:
            ours = self._table.raise_incarnation(alive.incarnation, self._local, now)
        else:
            ours = alive_message(row)  # above it already, but someone has not heard
        self._broadcast(ours.node, ours)
        self._emit(StaleAddressOutbid(Address(alive.addr, alive.port), ours.incarnation))
        if is_listed and alive.incarnation < ours.incarnation:
            wait_s = CLEAR_AFTER_INTERVALS * self._params.probe_interval_s
            self._timers.set(now + wait_s, partial(self._clear, alive, CLEAR_ROUNDS))

    def _clear(self, stale: Alive, rounds: int, now: float) -> None:
        """Declare that our earlier life has left, for members that do not ask an address whether it lives.

        To memberlist a name is free once its holder has left. Whoever has followed us already holds a higher
        incarnation, and ignores this.
        """
        if self._table.is_leaving:
            return
        name = self._local.name
        self._queue.queue(None, encode_message(Dead(stale.incarnation, name, name)))
        wait_s = ANNOUNCE_AFTER_INTERVALS * self._params.gossip_interval_s
        self._timers.set(now + wait_s, partial(self._announce_again, stale, rounds - 1))

    def _announce_again(self, stale: Alive, rounds: int, now: float) -> None:
        row = self._table.get(self._local.name)
        if row is None or self._table.is_leaving:
            return
        self._broadcast(row.member.name, alive_message(row))
        if rounds > 0:
            self._timers.set(now + self._params.probe_interval_s, partial(self._clear, stale, rounds))

    def spread(self, alive: Alive) -> None:
        """Pass a rival's claim on, beside what is queued about the name's holder."""
        self._queue.queue(None, encode_message(alive))

    def _apply_alive(self, alive: Alive, source: Address | None, now: float) -> tuple[Effect, ...]:
        if not self._is_allowed(alive.addr) or (source is not None and not self._is_allowed(source.packed)):
            return _NOT_ALLOWED
        if alive.port == 0:
            alive = attrs.evolve(alive, port=self._local.address.port)
        row = self._table.get(alive.node)
        if row is not None and alive.incarnation <= row.incarnation and not row.is_gone:
            # Old news changes nothing, so the delegate need not be asked.
            return self._table.apply_alive(alive, now)
        refusal = self._refusal(alive)
        if refusal is not None:
            return (Ignored(refusal, is_fault=True),)
        return self._table.apply_alive(alive, now)

    def _is_allowed(self, packed: bytes) -> bool:
        networks = self._params.allowed_cidrs
        # What is no IP address at all is refused further on, for that.
        if not networks or len(packed) not in (4, 16):
            return True
        ip = parse_ip(packed)
        return any(ip in network for network in networks)

    def _refusal(self, alive: Alive) -> str | None:
        if alive.node == self._local.name or len(alive.addr) not in (4, 16):
            return None
        address = Address(alive.addr, alive.port)
        return self._delegate.refuse_alive(Member(NodeName(alive.node), address, alive.meta, Versions(alive.vsn)))

    def _carry_out(
        self, effects: tuple[Effect, ...], now: float, source: Address | None = None, *, is_listed: bool = False
    ) -> None:
        for effect in effects:
            match effect:
                case Ignored(reason, is_fault=True):
                    self._emit(Dropped(reason, source))
                case Rebroadcast():
                    self._broadcast(effect.message.node, effect.message)
                case Notify():
                    self._emit(effect.event)
                case Refute():
                    self._refute(effect, now)
                case Accuse():
                    self._start_suspicion(effect.row, effect.accuser, now)
                case Confirm():
                    self._set_suspicion_timer(effect.row)
                case Vindicate():
                    _cancel_suspicion(effect.row)
                case Doubt():
                    self._look_into(effect, source, now, is_listed=is_listed)

    def _look_into(self, effect: Doubt, source: Address | None, now: float, *, is_listed: bool) -> None:
        refusal = self._refusal(effect.alive)
        if refusal is not None:
            self._emit(Dropped(refusal, source))
            return
        self._doubt(effect.row, effect.alive, source, now, is_listed=is_listed)

    def _broadcast(self, subject: str, message: Alive | Suspect | Dead) -> None:
        on_finished = None
        if subject == self._local.name and self._table.is_leaving and isinstance(message, Dead):
            on_finished = self._departure_sent
        self._queue.queue(subject, encode_message(message), on_finished)

    def _refute(self, accusation: Refute, now: float) -> None:
        self._awareness.apply_delta(1)
        alive = self._table.raise_incarnation(accusation.incarnation, self._local, now)
        self._broadcast(alive.node, alive)
        self._emit(Refuted(accusation.accuser, alive.incarnation, accusation.claim))

    def _start_suspicion(self, row: Listed, accuser: NodeName, now: float) -> None:
        shortest_s, longest_s, k = suspicion_bounds(self._params, len(self._table))
        row.suspicion = Suspicion(accuser, shortest_s, longest_s, k, now)
        self._set_suspicion_timer(row)

    def _set_suspicion_timer(self, row: Listed) -> None:
        suspicion = row.suspicion
        if suspicion is None:
            return
        if row.timer is not None:
            row.timer.cancel()

        def expired(now: float) -> None:
            dead = Dead(row.incarnation, row.member.name, self._local.name)
            self._carry_out(self._table.apply_dead(dead, now), now)

        row.timer = self._timers.set(suspicion.deadline, expired)

    def _departure_sent(self) -> None:
        self._finish_leaving(timed_out=False)

    def _finish_leaving(self, *, timed_out: bool) -> None:
        if not self._leave_finished:
            self._leave_finished = True
            self._emit(LeaveFinished(timed_out))


def _cancel_suspicion(row: Listed) -> None:
    if row.timer is not None:
        row.timer.cancel()
        row.timer = None
    row.suspicion = None

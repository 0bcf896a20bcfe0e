"""``ClaimChecks``: a name claimed from a second address, and who answers for it.

Strategy: when an alive claims a listed name from another address, both
addresses are pinged for that name at once, several times over UDP; halfway, if
the old one is silent, over TCP and through other members as well, since its
silence costs it the name. At the end:

- the old address is silent and the new one answers: the name moves;
- both answer: a real conflict, told to the owner and looked at again from time
  to time until one of them is gone;
- the new address is silent: an old rumour or a lie, and nothing happens.

A claim whose author answers is passed on at once, so that the others ask at the
same time and not one after the other.

Where the name is our own only the other address is asked. Silent, it is an
earlier life of ours: our claim is raised above that one, and the others' checks
find us. The name moves only to a claim that outbids what is known of the old
address; until the claimant has learnt by how much, its verdict waits a while.

Whoever claims a name can make us ping an address of its choice. So checks are
few at once, few of one name, and the address claimed gets a few small pings
with nothing beside them, and one stream.

What it does not do: change the table, or judge whose the name is where both
live (that vote is Serf's). Source: ours; memberlist and Serf wait for the old
one's death and a reclaim time, as ADR 15 tells.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs

from nodedns.gossip.awareness import Awareness
from nodedns.gossip.events import ConflictOver, ConflictSeen, Dropped, GossipEvent
from nodedns.gossip.members import Listed, MemberTable
from nodedns.gossip.messages import Alive, IndirectPing, Message, Ping
from nodedns.gossip.params import GossipParams
from nodedns.gossip.probe import Prober
from nodedns.gossip.pushpull import push_pull_scale
from nodedns.gossip.timers import Timer, TimerHeap
from nodedns.model.address import Address
from nodedns.model.member import Member, NodeState, Versions
from nodedns.model.names import NodeName

__all__ = ["MAX_CLAIMANTS_PER_NAME", "MAX_CLAIM_CHECKS", "ClaimChecks", "ClaimHost", "ClaimOwner"]

MAX_CLAIM_CHECKS = 64
"""Claims looked into or remembered at once; ours. It bounds what invented claims can make us send: each takes a
probe interval and a pause, and three pings and one stream at most go to the address claimed."""
MAX_CLAIMANTS_PER_NAME = 4
"""Of them about one name, so that one name's rivals leave room for others."""
PING_AT = (0.0, 0.25, 0.5)
"""When pings are sent, as shares of the time to answer; the last still has half of it for its ack."""
SECOND_OPINION_AT = 0.5
"""When TCP and other members are tried besides: no sooner, as most addresses answer the first ping."""
VACANT_PROBE_INTERVALS = 5
"""How long an address found silent counts as such, while the claimant learns above what to bid."""
STALE_PROBE_INTERVALS = 10
"""How long we do not look again at an address where nobody had our own name."""
RECHECK_S = 10.0
"""An open conflict is looked at again this often; stretched like push/pulls, since every member does."""

_Key = tuple[str, str, int]  # name, IP text, port


class ClaimHost(Protocol):
    """What checks need of the core around them."""

    def send_alone(self, message: Message, destination: Address) -> None:
        """Send ``message`` with nothing beside it."""
        ...

    def want_tcp_ping(self, ping: Ping, address: Address, deadline: float, on_over: Callable[[str], None]) -> None:
        """Ask for a TCP stream that carries ``ping``; ``on_over`` gets an error, or nothing for its ack."""
        ...

    def emit(self, event: GossipEvent) -> None:
        """Queue an event for the owner."""
        ...


class ClaimOwner(Protocol):
    """Who carries out what a check found."""

    def take_over(self, alive: Alive, now: float) -> None:
        """Give the name to the address that ``alive`` claims it for."""
        ...

    def outbid(self, alive: Alive, now: float, *, is_listed: bool) -> None:
        """Raise our own claim above ``alive``, which has our name at an address where nobody answers."""
        ...

    def spread(self, alive: Alive) -> None:
        """Pass a rival's claim on, so that the others see the conflict too."""
        ...


class _Phase(enum.Enum):
    ASKING = "asking"
    VACANT = "vacant"  # nobody at the old address; the claim does not outbid it yet
    RIVALS = "rivals"  # both answer
    QUIET = "quiet"  # settled; the same claim is not looked into again for a while


@attrs.define(eq=False)
class _Target:
    """An address that is asked whether it answers for the name."""

    address: Address
    seq_no: int = 0
    has_answered: bool = False


@attrs.define(eq=False)
class _Check:
    """One address that claims one name."""

    key: _Key
    alive: Alive
    told_by: Address | None
    is_listed: bool
    is_ours: bool
    judged: _Target  # whose silence decides: the old address; where the name is ours, the other one
    claimant: _Target | None  # the address that claims it; None where the name is ours
    incarnation: int = 0  # the holder's, when it was asked
    phase: _Phase = _Phase.ASKING
    is_open: bool = False  # told as a conflict
    is_spread: bool = False  # passed on to the others
    is_ourselves: bool = False  # our own ping came back to us
    was_late: bool = False
    timers: list[Timer] = attrs.Factory(list)

    @property
    def targets(self) -> tuple[_Target, ...]:
        return (self.judged,) if self.claimant is None else (self.judged, self.claimant)

    @property
    def is_answered(self) -> bool:
        return all(target.has_answered for target in self.targets)


class ClaimChecks:
    """Looks into claims of listed names by other addresses.

    Args:
        host: The core around.
        owner: Carries out the verdicts.
        params: Intervals and time-outs.
        local: Our identity, for the source fields of pings.
        table: Who holds which name.
        prober: Hands out sequence numbers and takes the acks.
        awareness: A sick agent waits longer for answers.
        timers: Where deadlines are set.
    """

    def __init__(
        self,
        *,
        host: ClaimHost,
        owner: ClaimOwner,
        params: GossipParams,
        local: Member,
        table: MemberTable,
        prober: Prober,
        awareness: Awareness,
        timers: TimerHeap,
    ) -> None:
        self._host = host
        self._owner = owner
        self._params = params
        self._local = local
        self._table = table
        self._prober = prober
        self._awareness = awareness
        self._timers = timers
        self._checks: dict[_Key, _Check] = {}

    def __len__(self) -> int:
        return len(self._checks)

    def doubt(self, row: Listed, alive: Alive, told_by: Address | None, now: float, *, is_listed: bool) -> None:
        """Look into a claim of ``row``'s name by another address.

        Args:
            row: Who holds the name.
            alive: The claim.
            told_by: Who sent it; None where unknown.
            now: Monotonic seconds.
            is_listed: Whether it comes out of a member's list (push/pull) rather than from gossip.
        """
        claimed = Address(alive.addr, alive.port)
        key = (alive.node, claimed.host, claimed.port)
        check = self._checks.get(key)
        if check is None:
            if self._is_full(alive.node):
                self._host.emit(Dropped("too-many-claims", told_by))
                return
            self._begin_new(key, row, alive, told_by, now, is_listed=is_listed)
            return
        check.is_listed = check.is_listed or is_listed
        if alive.incarnation > check.alive.incarnation:
            check.alive = alive
        if check.phase is _Phase.VACANT and row.member.address.same_endpoint(check.judged.address):
            self._take_over(check, row, now)

    def is_own_ping(self, ping: Ping) -> bool:
        """Take a ping to us; return whether it is one of ours, sent to another address that is ours as well."""
        if ping.source_node != self._local.name or ping.source_addr != self._local.address.packed:
            return False
        for check in self._checks.values():
            if check.is_ours and check.phase is _Phase.ASKING and check.judged.seq_no == ping.seq_no:
                check.is_ourselves = True
                return True
        return False

    def look_again(self, name: str, address: Address, now: float) -> bool:
        """Look again at an open conflict now; return False where there is none."""
        check = self._checks.get((name, address.host, address.port))
        if check is None or not check.is_open:
            return False
        if check.phase is not _Phase.ASKING:
            self._ask(check, now)
        return True

    # --- asking ----------------------------------------------------------------------

    def _is_full(self, name: str) -> bool:
        of_name = sum(key[0] == name for key in self._checks)
        return len(self._checks) >= MAX_CLAIM_CHECKS or of_name >= MAX_CLAIMANTS_PER_NAME

    def _begin_new(
        self, key: _Key, row: Listed, alive: Alive, told_by: Address | None, now: float, *, is_listed: bool
    ) -> None:
        is_ours = row.member.name == self._local.name
        claimed = _Target(Address(alive.addr, alive.port))
        holder = claimed if is_ours else _Target(row.member.address)
        check = _Check(key, alive, told_by, is_listed, is_ours, holder, None if is_ours else claimed)
        self._checks[key] = check
        self._ask(check, now)

    def _ask(self, check: _Check, now: float) -> None:
        _cancel_timers(check)
        row = self._table.get(check.alive.node)
        check.phase = _Phase.ASKING
        check.is_ourselves = False
        check.incarnation = row.incarnation if row is not None else 0
        for target in check.targets:
            target.has_answered = False
            target.seq_no = self._prober.expect_ack(partial(self._answered, check, target))
        answer_s = self._awareness.scale(max(self._params.probe_interval_s, 2 * self._params.probe_timeout_s))
        due = now + answer_s
        self._ping(check)
        check.timers = [
            self._timers.set(now + share * answer_s, lambda _now: self._ping(check)) for share in PING_AT if share
        ]
        check.timers.append(
            self._timers.set(now + SECOND_OPINION_AT * answer_s, lambda _now: self._ask_otherwise(check, due))
        )
        check.timers.append(self._timers.set(due, lambda now: self._time_is_up(check, due, now)))

    def _ping(self, check: _Check) -> None:
        for target in check.targets:
            if not target.has_answered:
                self._host.send_alone(self._ping_of(check, target), target.address)

    def _ping_of(self, check: _Check, target: _Target) -> Ping:
        local = self._local
        return Ping(target.seq_no, check.alive.node, local.address.packed, local.address.port, local.name)

    def _ask_otherwise(self, check: _Check, due: float) -> None:
        """Try TCP and other members: a lost packet, or a bad way from here, must not cost anybody its name."""
        for target in check.targets:
            if target.has_answered:
                continue
            if target is check.judged:
                self._ask_helpers(check, target)
            if self._params.tcp_pings:
                self._ask_by_tcp(check, target, due)

    def _ask_by_tcp(self, check: _Check, target: _Target, due: float) -> None:
        seq_no = target.seq_no

        def over(error: str) -> None:
            if not error and target.seq_no == seq_no and check.phase is _Phase.ASKING:
                target.has_answered = True

        self._host.want_tcp_ping(self._ping_of(check, target), target.address, due, over)

    def _ask_helpers(self, check: _Check, target: _Target) -> None:
        name, address, local = check.alive.node, target.address, self._local

        def is_helper(row: Listed) -> bool:
            return row.state == NodeState.ALIVE and row.member.name not in (name, local.name)

        for helper in self._table.pick(self._params.indirect_checks, is_helper):
            request = IndirectPing(
                target.seq_no,
                address.packed,
                address.port,
                name,
                nack=False,
                source_addr=local.address.packed,
                source_port=local.address.port,
                source_node=local.name,
            )
            self._host.send_alone(request, helper.member.address)

    # --- the verdict -----------------------------------------------------------------

    def _answered(self, check: _Check, target: _Target, now: float) -> None:
        target.has_answered = True
        if target is check.claimant and not check.is_spread:
            # Somebody is there, so the others will have to ask as well; the sooner they begin, the better.
            check.is_spread = True
            self._owner.spread(check.alive)
        if check.is_answered:
            self._judge(check, now)

    def _time_is_up(self, check: _Check, due: float, now: float) -> None:
        if now > due + self._params.probe_timeout_s and not check.was_late:
            # It was we who slept; the answers may lie unread.
            check.was_late = True
            self._forget_acks(check)
            self._ask(check, now)
            return
        self._judge(check, now)

    def _judge(self, check: _Check, now: float) -> None:
        self._forget_acks(check)
        _cancel_timers(check)
        row = self._table.get(check.alive.node)
        if row is None or self._is_settled(check, row):
            self._close(check)
            self._drop(check)
        elif check.is_ours:
            self._judge_ours(check, row, now)
        else:
            self._judge_others(check, row, now)

    def _is_settled(self, check: _Check, row: Listed) -> bool:
        holder = row.member.address
        if check.is_ours:
            return self._table.is_leaving
        # Another claim took the name meanwhile, this one perhaps.
        return not holder.same_endpoint(check.judged.address)

    def _judge_ours(self, check: _Check, row: Listed, now: float) -> None:
        if check.judged.has_answered and not check.is_ourselves:
            self._tell(check, row, now)
            return
        self._close(check)
        self._rest(check, _Phase.QUIET, STALE_PROBE_INTERVALS, now)
        self._owner.outbid(check.alive, now, is_listed=check.is_listed)

    def _judge_others(self, check: _Check, row: Listed, now: float) -> None:
        # Whoever raised its incarnation meanwhile has answered, in its way.
        holder_lives = check.judged.has_answered or row.incarnation > check.incarnation
        claimant_lives = check.claimant is not None and check.claimant.has_answered
        if holder_lives and claimant_lives:
            self._tell(check, row, now)
            return
        self._close(check)
        if claimant_lives:
            self._take_over(check, row, now)
        else:
            self._rest(check, _Phase.QUIET, 1, now)

    def _take_over(self, check: _Check, row: Listed, now: float) -> None:
        if check.alive.incarnation > row.incarnation:
            self._drop(check)
            self._owner.take_over(check.alive, now)
        elif check.phase is not _Phase.VACANT:
            self._rest(check, _Phase.VACANT, VACANT_PROBE_INTERVALS, now)

    def _tell(self, check: _Check, row: Listed, now: float) -> None:
        is_new = not check.is_open
        check.phase, check.is_open, check.was_late = _Phase.RIVALS, True, False
        alive = check.alive
        rival = Member(row.member.name, Address(alive.addr, alive.port), alive.meta, Versions(alive.vsn))
        self._host.emit(
            ConflictSeen(row.member, rival, row.incarnation, alive.incarnation, check.told_by, is_new=is_new)
        )
        if not check.is_spread:
            check.is_spread = True
            self._owner.spread(alive)
        again = now + RECHECK_S * push_pull_scale(len(self._table))
        check.timers = [self._timers.set(again, lambda now: self._ask(check, now))]

    def _close(self, check: _Check) -> None:
        if check.is_open:
            alive = check.alive
            check.is_open = False
            self._host.emit(ConflictOver(NodeName(alive.node), Address(alive.addr, alive.port)))

    def _rest(self, check: _Check, phase: _Phase, intervals: int, now: float) -> None:
        check.phase = phase
        pause_s = intervals * self._params.probe_interval_s
        check.timers = [self._timers.set(now + pause_s, lambda _now: self._drop(check))]

    def _drop(self, check: _Check) -> None:
        _cancel_timers(check)
        self._checks.pop(check.key, None)

    def _forget_acks(self, check: _Check) -> None:
        for target in check.targets:
            self._prober.forget_ack(target.seq_no)


def _cancel_timers(check: _Check) -> None:
    for timer in check.timers:
        timer.cancel()
    check.timers = []

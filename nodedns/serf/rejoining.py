"""``Rejoining``: finding the others again, by trying remembered addresses for as long as it takes.

Alone (nobody but us is alive in our view), at start or later, every remembered
member is tried, those seen alive last before those seen failed, in random order
within. One answer that brings company ends it. Otherwise the round is repeated
for ever, after a pause that doubles from ``FIRST_PAUSE_S`` to ``LONGEST_PAUSE_S``.
A silent address does not hold up the rest: the next is tried a moment later.

Company may be only a part of the pool: islands meet, and some come back without
a memory of their own. Once the news has spread, each member still lost is tried
once, one after another. From then on it is Serf's reconnect: now and
then one lost member is tried, the likelier the more are lost. Lost are the
failed, and also those remembered that the pool does not know: both halves of a
parted pool may have been restarted.

Two who hold each other dead, and have not forgotten it yet, believe nothing from
one exchange: it only makes both refute. So a lost member that answered and is
still lost is tried once more a moment later, when the refutations are out.

While alone nobody is forgotten, however long that lasts. In company the failed
are forgotten as they are reaped, the unknown after the same time.

Neither sends an intent. Source: Serf's handleRejoin and reconnect
(gossip-protocol 4.12, 4.14), which try once, and the failed only; the rest is ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from nodedns.gossip.events import JoinFinished
from nodedns.gossip.timers import Timer, TimerHeap
from nodedns.model.address import Address
from nodedns.model.member import Member
from nodedns.serf.events import AloneInPool, RejoinTried, SerfEvent
from nodedns.serf.members import MemberTable
from nodedns.serf.remembered import RememberedPeers
from nodedns.serf.snapshot import parse_address_text

__all__ = ["Rejoining"]

FIRST_PAUSE_S = 1.0  # ours: a peer that restarts beside us needs about that long
LONGEST_PAUSE_S = 30.0  # Serf's reconnect interval: being alone is never found out later than a lost member is
REJOINS_AT_ONCE = 16  # ours: what is silent takes a stream's time limit each, a stale snapshot has thousands
STAGGER_S = 0.25  # RFC 8305, section 5: the pause before the next address of a host is tried beside the first
MAX_TRIES_PER_ROUND = 1024  # ours: a huge snapshot is gone through over several rounds
NEWS_S = 10.0  # ours: by then everybody has heard of everybody, and a thousand restarted agents seek only the missing
SEEK_EVERY_S = 1.0  # ours: no hurry, and a pool's worth of agents may seek the same dead address
MAX_NAMED = 3  # members named in one log line

FOLLOW_UP_S = 2.0  # ours: a refutation is known to who made it at once, to its side in about that time

NO_COMPANY = "it answers, but has brought no company yet"


class Rejoining:
    """Tries remembered members while we are alone, and lost ones in company.

    Args:
        local: Ourselves, who are never tried.
        peers: Who is remembered; kept up to date by its owner.
        table: Who is known.
        forget: Forgets a remembered name, on disk too.
        is_alone: Whether nobody but us is alive.
        may_try: Whether we are a member in good standing: neither leaving nor gone.
        keep_s: How long a name is remembered in company that does not know it.
        rng: For the order, the pauses and the choice.
        timers: For the pauses.
        emit: Takes ``RejoinTried`` and ``AloneInPool``.
        join_gossip: memberlist's join: called with an address and ``now``, returns its id.
    """

    def __init__(
        self,
        *,
        local: Member,
        peers: RememberedPeers,
        table: MemberTable,
        forget: Callable[[str], None],
        is_alone: Callable[[], bool],
        may_try: Callable[[], bool],
        keep_s: float,
        rng: Random,
        timers: TimerHeap,
        emit: Callable[[SerfEvent], None],
        join_gossip: Callable[[Address, float], int],
    ) -> None:
        self._local = local
        self._peers = peers
        self._table = table
        self._forget = forget
        self._is_alone_now = is_alone
        self._may_try = may_try
        self._keep_s = keep_s
        self._rng = rng
        self._timers = timers
        self._emit = emit
        self._join_gossip = join_gossip
        self._was_alone = True
        self._in_company_since = 0.0
        self._rounds = 0
        self._walk: deque[str] = deque()
        self._waiting: deque[str] = deque()
        self._under_way: dict[int, str] = {}
        self._missing: deque[Address] = deque()
        self._reconnecting: dict[int, Address] = {}
        self._timer: Timer | None = None

    @property
    def remembered(self) -> int:
        """How many other members are remembered, alive and failed."""
        return len(self._peers) - (self._local.name in self._peers)

    def start(self, now: float) -> None:
        """Begin the first round at once."""
        self._begin_round(now)

    def observe(self, now: float) -> None:
        """See whether we are alone now; call it after every input."""
        alone = self._is_alone_now()
        if alone == self._was_alone:
            return
        self._was_alone = alone
        self._cancel()
        self._rounds = 0
        if alone:
            self._plan_round(now)
        else:
            self._in_company_since = now
            self._timer = self._timers.set(now + NEWS_S * (0.5 + self._rng.random() / 2), self._seek_missing)

    def finished(self, outcome: JoinFinished, now: float) -> bool:
        """Take the end of one of memberlist's joins; return whether it was ours."""
        if outcome.join_id in self._under_way:
            self._round_finished(self._under_way.pop(outcome.join_id), outcome, now)
            return True
        address = self._reconnecting.pop(outcome.join_id, None)
        if address is not None and not outcome.error:
            self._plan_follow_up(address, now)
        return address is not None

    def _round_finished(self, text: str, outcome: JoinFinished, now: float) -> None:
        error = outcome.error
        if not error and self._is_alone_now():
            error = NO_COMPANY
            self._plan_follow_up(outcome.address, now)
        self._emit(RejoinTried(text, error, is_repeated=self._rounds > 0))
        if error and self._was_alone:
            self._try_next(now)

    def _plan_follow_up(self, address: Address, now: float) -> None:
        def follow_up(now: float) -> None:
            if self._may_try() and address in self._lost():
                self._join_gossip(address, now)

        self._timers.set(now + FOLLOW_UP_S, follow_up)

    def reconnect(self, now: float) -> None:
        """Perhaps try one lost member, if we are in company: the more are lost, the likelier."""
        if self._was_alone or not self._may_try():
            return  # alone, every one of them is tried anyway
        table = self._table
        lost = self._lost()
        alive = len(table) - table.failed_count - table.left_count
        if not lost or self._rng.random() > len(lost) / max(1, alive):
            return
        self._reconnect_to(self._rng.choice(lost), now)

    def _reconnect_to(self, address: Address, now: float) -> None:
        self._reconnecting[self._join_gossip(address, now)] = address

    def expire(self, now: float) -> None:
        """Forget remembered names of which the pool has known nothing for too long."""
        if not self._was_alone and now - self._in_company_since > self._keep_s:
            for name in self._unknown():
                self._forget(name)

    def _seek_missing(self, now: float) -> None:
        missing = self._lost()
        self._rng.shuffle(missing)
        self._missing.extend(missing[:MAX_TRIES_PER_ROUND])
        self._seek_next(now)

    def _seek_next(self, now: float) -> None:
        self._timer = None
        lost = frozenset(self._lost())
        while self._missing and self._may_try():
            address = self._missing.popleft()
            if address in lost:
                self._reconnect_to(address, now)
                self._timer = self._timers.set(now + SEEK_EVERY_S, self._seek_next)
                return

    # --- a round ---------------------------------------------------------------------------

    def _begin_round(self, now: float) -> None:
        self._timer = None
        if not self._may_try():
            return
        if not self._walk:
            self._walk.extend(self._in_order())
        self._waiting.extend(self._walk.popleft() for _ in range(min(len(self._walk), MAX_TRIES_PER_ROUND)))
        if self._waiting:
            self._try_next(now)

    def _try_next(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and len(self._under_way) < REJOINS_AT_ONCE:
            text = self._waiting.popleft()
            address = parse_address_text(text)
            if address is None:
                self._emit(RejoinTried(text, "not an address", is_repeated=self._rounds > 0))
                continue
            self._under_way[self._join_gossip(address, now)] = text
            if self._waiting:
                self._timer = self._timers.set(now + STAGGER_S, self._try_next)
            return
        if not self._under_way and not self._waiting:
            self._rounds += 1
            self._plan_round(now)

    def _plan_round(self, now: float) -> None:
        candidates = self._candidates()
        if not candidates or not self._may_try():
            return
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._rounds, 16))
        # Agents that went down together must not come knocking together for ever.
        pause_s = longest_s * (0.5 + self._rng.random() / 2)
        self._timer = self._timers.set(now + pause_s, self._begin_round)
        named = tuple(f"{name} {text}" for name, text in candidates[:MAX_NAMED])
        self._emit(AloneInPool(self._rounds, len(candidates), named, pause_s))

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._walk.clear()
        self._waiting.clear()
        self._missing.clear()

    # --- whom ------------------------------------------------------------------------------

    def _candidates(self) -> list[tuple[str, str]]:
        """Everybody remembered, with address: the living first; neither our name nor our address."""
        own = str(self._local.address)  # one that we have taken over from another
        return [
            (name, text)
            for group in (self._peers.alive, self._peers.failed)
            for name, text in group.items()
            if name != self._local.name and text != own
        ]

    def _in_order(self) -> list[str]:
        living: list[str] = []
        others: list[str] = []
        for name, text in self._candidates():
            (living if name in self._peers.alive else others).append(text)
        self._rng.shuffle(living)
        self._rng.shuffle(others)
        return list(dict.fromkeys(living + others))

    def _unknown(self) -> dict[str, str]:
        """Remembered names that are not in the table."""
        return {name: text for name, text in self._candidates() if self._table.get(name) is None}

    def _lost(self) -> list[Address]:
        """Addresses of the failed, and of those remembered that are not in the table."""
        lost = [record.member.address for record in self._table.failed]
        return lost + [found for text in self._unknown().values() if (found := parse_address_text(text)) is not None]

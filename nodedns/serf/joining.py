"""``Joins``: every push/pull that we start in order to find members, and what for.

Three kinds share memberlist's join: an operator's join of several addresses,
after which a join intent is broadcast if any answered; the rejoin after a
restart, which tries the remembered members in random order until one answers;
and the reconnect, which now and then tries a member that failed. The last two
send no intent.

Source: Serf's Join, handleRejoin and reconnect (gossip-protocol 4.5, 4.12).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from random import Random

import attrs

from nodedns.gossip.events import JoinFinished
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.events import JoinDone, RejoinTried, SerfEvent
from nodedns.serf.members import MemberTable
from nodedns.serf.snapshot import parse_address_text

__all__ = ["Joins"]

JOINS_AT_ONCE = 8  # memberlist tries one after the other; a dead address would hold up the rest
MAX_REMEMBERED_TRIES = 1024  # ours: a huge stale snapshot must not keep us dialling for ever


@attrs.define(eq=False)
class _Join:
    join_id: int
    waiting: deque[Address]
    under_way: int = 0
    contacted: int = 0
    failures: list[tuple[Address, str]] = attrs.field(factory=list)


class Joins:
    """Joins, rejoins and reconnects under way.

    Args:
        rng: For the order of a rejoin, and for the choice of a reconnect.
        emit: Takes ``JoinDone`` and ``RejoinTried``.
        join_gossip: memberlist's join: called with an address and ``now``, returns its id.
        on_joined: Called once for each join in which an address answered.
    """

    def __init__(
        self,
        rng: Random,
        emit: Callable[[SerfEvent], None],
        join_gossip: Callable[[Address, float], int],
        on_joined: Callable[[float], None],
    ) -> None:
        self._rng = rng
        self._emit = emit
        self._join_gossip = join_gossip
        self._on_joined = on_joined
        self._next_join_id = 0
        self._joins_by_gossip_id: dict[int, _Join] = {}
        self._rejoin_texts: deque[str] = deque()
        self._rejoin_under_way: tuple[int, str] | None = None

    @property
    def is_joining(self) -> bool:
        """Whether an operator's join is under way."""
        return bool(self._joins_by_gossip_id)

    def join(self, addresses: Sequence[Address], now: float) -> int:
        """Contact each address; ``JoinDone`` tells the outcome under the returned id."""
        self._next_join_id += 1
        join = _Join(self._next_join_id, deque(addresses))
        self._go_on(join, now)
        return join.join_id

    def rejoin(self, alive: Mapping[str, str], local_name: NodeName, now: float) -> None:
        """Try remembered members in random order until one answers."""
        texts = [text for name, text in alive.items() if name != local_name]
        self._rng.shuffle(texts)
        self._rejoin_texts = deque(texts[:MAX_REMEMBERED_TRIES])
        self._try_next_remembered(now)

    def reconnect(self, table: MemberTable, now: float) -> None:
        """Perhaps try one failed member: the more have failed, the likelier."""
        failed = table.failed
        alive = len(table) - table.failed_count - table.left_count
        if not failed or self._rng.random() > len(failed) / max(1, alive):
            return
        self._join_gossip(self._rng.choice(failed).member.address, now)

    def finished(self, outcome: JoinFinished, now: float) -> None:
        """Take the end of one of memberlist's joins."""
        if self._rejoin_under_way is not None and outcome.join_id == self._rejoin_under_way[0]:
            self._rejoin_finished(self._rejoin_under_way[1], outcome.error, now)
            return
        join = self._joins_by_gossip_id.pop(outcome.join_id, None)
        if join is None:
            return  # a reconnect: that it worked shows in the membership
        join.under_way -= 1
        if outcome.error:
            join.failures.append((outcome.address, outcome.error))
        else:
            join.contacted += 1
        self._go_on(join, now)

    def _go_on(self, join: _Join, now: float) -> None:
        while join.waiting and join.under_way < JOINS_AT_ONCE:
            join.under_way += 1
            self._joins_by_gossip_id[self._join_gossip(join.waiting.popleft(), now)] = join
        if join.under_way:
            return
        if join.contacted:
            self._on_joined(now)
        self._emit(JoinDone(join.join_id, join.contacted, tuple(join.failures)))

    def _rejoin_finished(self, text: str, error: str, now: float) -> None:
        self._rejoin_under_way = None
        self._emit(RejoinTried(text, error))
        if error:
            self._try_next_remembered(now)

    def _try_next_remembered(self, now: float) -> None:
        while self._rejoin_texts:
            text = self._rejoin_texts.popleft()
            address = parse_address_text(text)
            if address is not None:
                self._rejoin_under_way = (self._join_gossip(address, now), text)
                return
            self._emit(RejoinTried(text, "not an address"))

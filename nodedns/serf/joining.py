"""``Joins``: an operator's joins; each contacts several addresses and is announced if any answered.

Finding lost members again by oneself is ``rejoining.py``'s; it shares memberlist's
join with this, but sends no intent.

Source: Serf's Join (gossip-protocol 4.5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import attrs

from nodedns.gossip.events import JoinFinished
from nodedns.model.address import Address
from nodedns.serf.events import JoinDone, SerfEvent

__all__ = ["Joins"]

JOINS_AT_ONCE = 8  # memberlist tries one after the other; a dead address would hold up the rest


@attrs.define(eq=False)
class _Join:
    join_id: int
    waiting: deque[Address]
    under_way: int = 0
    contacted: int = 0
    failures: list[tuple[Address, str]] = attrs.field(factory=list)


class Joins:
    """Joins under way.

    Args:
        emit: Takes ``JoinDone``.
        join_gossip: memberlist's join: called with an address and ``now``, returns its id.
        on_joined: Called once for each join in which an address answered.
    """

    def __init__(
        self,
        emit: Callable[[SerfEvent], None],
        join_gossip: Callable[[Address, float], int],
        on_joined: Callable[[float], None],
    ) -> None:
        self._emit = emit
        self._join_gossip = join_gossip
        self._on_joined = on_joined
        self._next_join_id = 0
        self._joins_by_gossip_id: dict[int, _Join] = {}

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

    def finished(self, outcome: JoinFinished, now: float) -> None:
        """Take the end of one of memberlist's joins."""
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

"""``SerfStatistics``: the counters of one moment, under the names that ``consul info`` prints."""

from __future__ import annotations

import attrs

from nodedns.gossip.swim import Swim
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.lamport import Clocks
from nodedns.serf.members import MemberTable

__all__ = ["SerfStatistics", "gather_statistics"]


@attrs.frozen(kw_only=True)
class SerfStatistics:
    """The ``serf_lan`` section of ``consul info``, as numbers."""

    members: int
    failed: int
    left: int
    remembered: int
    health_score: int
    member_time: int
    event_time: int
    query_time: int
    intent_queue: int
    event_queue: int
    query_queue: int
    coordinate_resets: int
    encrypted: bool


def gather_statistics(
    table: MemberTable,
    swim: Swim,
    clocks: Clocks,
    broadcasts: Broadcasts,
    *,
    remembered: int,
    coordinate_resets: int,
    encrypted: bool,
) -> SerfStatistics:
    """Return the counters of the parts."""
    return SerfStatistics(
        members=len(table),
        failed=table.failed_count,
        left=table.left_count,
        remembered=remembered,
        health_score=swim.health_score,
        member_time=clocks.member.time,
        event_time=clocks.event.time,
        query_time=clocks.query.time,
        intent_queue=len(broadcasts.intents),
        event_queue=len(broadcasts.events),
        query_queue=len(broadcasts.queries),
        coordinate_resets=coordinate_resets,
        encrypted=encrypted,
    )

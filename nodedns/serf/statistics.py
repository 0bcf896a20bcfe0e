"""``SerfStatistics``: the counters of one moment, under the names that ``consul info`` prints."""

from __future__ import annotations

import attrs

__all__ = ["SerfStatistics"]


@attrs.frozen(kw_only=True)
class SerfStatistics:
    """The ``serf_lan`` section of ``consul info``, as numbers."""

    members: int
    failed: int
    left: int
    health_score: int
    member_time: int
    event_time: int
    query_time: int
    intent_queue: int
    event_queue: int
    query_queue: int
    coordinate_resets: int
    encrypted: bool

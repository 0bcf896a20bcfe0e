"""``ReplicaStatistics``: what a replicator holds and has done, at one moment."""

from __future__ import annotations

import attrs

__all__ = ["ReplicaStatistics"]


@attrs.frozen(kw_only=True)
class ReplicaStatistics:
    """Numbers for metrics and for people.

    Attributes:
        entries: Held now, tombstones included.
        memory_bytes: About how much memory they take.
        tombstones: Held now.
        streams: Origins known now.
        rumours: Waiting to be told now.
        early: Ranges waiting for what stands before them now.
        written: Entries written here.
        ranges: Ranges taken in.
        gaps: Ranges that came before what stands before them.
        future: Ranges cut short because a version was too far ahead of our clock.
        full: Ranges cut short because a limit was reached.
        beyond: Entries heard that are beyond a limit, and count as deletions.
        malformed: Messages that were none.
        exchanges: Comparisons begun.
        deltas: Messages with what a peer lacked.
        disagreements: Times a peer knew the same and held something else.
        censuses_told: Whole states begun to be told.
        censuses_taken: Whole states taken in.
        census_drops: Entries that a census said are gone.
        forgotten_tombstones: Deletions forgotten.
        renewed: Times another claimed to be us and knew more, so that we began a new run.
        rumours_dropped: Rumours dropped because there were too many.
        unsent: Messages dropped because the owner took none.
    """

    entries: int
    memory_bytes: int
    tombstones: int
    streams: int
    rumours: int
    early: int
    written: int
    ranges: int
    gaps: int
    future: int
    full: int
    beyond: int
    malformed: int
    exchanges: int
    deltas: int
    disagreements: int
    censuses_told: int
    censuses_taken: int
    census_drops: int
    forgotten_tombstones: int
    renewed: int
    rumours_dropped: int
    unsent: int

"""``ZoneDraft``: the next state of a published zone, while it is made.

Strategy: what is found is held against the state before as it comes, in the steps in which it is asked for, so that
at the end there is no more to do than to copy a dict. Where all names are asked, the dict is made anew instead, and
names that are in the state before alone are looked for at the end, in steps as well.

Source: RFC 1995 section 4 (a difference is what is deleted, then what is added).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from nodedns.dns.published import PublishedZone
from nodedns.dns.zone_records import Sets

__all__ = ["ZoneDraft"]

STEP_NAMES: Final = 2_048
"""Names looked up in a step: a quarter of a millisecond."""

Records = tuple[bytes, ...]


class ZoneDraft:
    """A zone in the making.

    Args:
        before: The state before; not changed.
        is_whole: Whether every name of the next state will be put.

    Attributes:
        removed: Records of the state before that are not in the next.
        added: Records of the next that are not in the state before.
        wire_bytes: How long the records of the next are together, as far as it is made.
    """

    __slots__ = ("_before", "_is_whole", "_sets", "added", "removed", "wire_bytes")

    def __init__(self, before: PublishedZone, *, is_whole: bool) -> None:
        self._before = before.sets
        self.wire_bytes = 0 if is_whole else before.wire_bytes
        self._is_whole = is_whole
        self._sets: Sets = {}
        self.removed: list[bytes] = []
        self.added: list[bytes] = []

    def put(self, found: Mapping[bytes, Records]) -> None:
        """Take names and all their records, none for a name that is not there; a name may be put twice."""
        for key, new in found.items():
            if self._sets.get(key) == new or (self._is_whole and not new):
                continue
            old = self._before.get(key, ())
            if old != new:
                self._compare(old, new)
            if self._is_whole or old != new:
                replaced = self._sets.get(key, () if self._is_whole else old)
                self.wire_bytes += _total(new) - _total(replaced)
                self._sets[key] = new

    def end(self) -> Iterator[None]:
        """Remove, in steps, the names that were not put although all were."""
        left = iter(self._before if self._is_whole else ())
        while names := list(islice(left, STEP_NAMES)):
            for key in names:
                if key not in self._sets:
                    self.removed += self._before[key]
            yield

    def sets(self) -> Sets:
        """Return the records of the next state by their names."""
        if self._is_whole:
            return self._sets
        sets = dict(self._before)
        for key, new in self._sets.items():
            if new:
                sets[key] = new
            else:
                sets.pop(key, None)
        return sets

    def _compare(self, old: Records, new: Records) -> None:
        if not old or not new:
            self.removed += old
            self.added += new
            return
        was, is_now = frozenset(old), frozenset(new)
        self.removed += [record for record in old if record not in is_now]
        self.added += [record for record in new if record not in was]


def _total(records: Records) -> int:
    return sum(map(len, records))

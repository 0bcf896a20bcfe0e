"""``IndexCeiling``: what keeps the table's index, and the serial made of it, rising over restarts.

The index begins at the wall clock's seconds, which is ahead of any earlier run that
changed less than once a second. For the others, and for a clock that was set back, an
index that no run has passed is kept in the data directory, and is raised well before
the table gets there; so it is written once in thousands of changes.

The serials of published zones (``LiveTransfers``), which go with the clock, have a ceiling of their own likewise, and a
nearer one, since those of several agents are compared.

A file that cannot be written is logged and tried again; until then a restart may begin too low.

Source: RFC 1982 (a serial that falls is taken for an old one).
"""

from __future__ import annotations

from typing import Final, Protocol

__all__ = ["STEP", "CeilingFile", "IndexCeiling"]

STEP: Final = 4_096
"""Changes between two writes, and the most by which a restart skips ahead: an hour of seconds."""


class CeilingFile(Protocol):
    """Where the ceiling is kept."""

    def index_ceiling(self) -> int:
        """Return what was kept last; 0 where nothing was."""
        ...

    def keep_index_ceiling(self, ceiling: int) -> bool:
        """Keep it; return whether that worked."""
        ...


class IndexCeiling:
    """The ceiling of one agent.

    Args:
        kept_in: Read and written now.
        wall_s: Seconds since 1970.
        step: How far ahead of an index the ceiling is put; 4 or more.

    Attributes:
        first: Index to begin at.
    """

    def __init__(self, kept_in: CeilingFile, wall_s: int, *, step: int = STEP) -> None:
        self._kept_in = kept_in
        self._step = step
        self.first = max(1, wall_s, kept_in.index_ceiling())
        self._raise_at = 0
        self.note(self.first)

    def is_near(self, index: int) -> bool:
        """Whether ``note`` would write."""
        return index >= self._raise_at

    def note(self, index: int) -> None:
        """Take note of the table's index; blocks if ``is_near``."""
        if not self.is_near(index):
            return
        is_kept = self._kept_in.keep_index_ceiling(index + self._step)
        margin = self._step // 4
        self._raise_at = index + (self._step - margin if is_kept else margin)

"""``Keeper``: what this agent's services and checks are, on disk; and how they were when it last ran.

Strategy: a registration is on the disk before it is answered. What checks say changes all the time and can be
found out anew, so it is written soon: all that has changed, in one write, at most once each ``WRITE_PAUSE_S``. It
is worth something after a restart only for as long as the next result would have taken: a TTL until it is
over, the result of a check that is run for one interval of the agent's being down.

In dev mode nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import trio

from nodedns.agent.local_records import (
    ALIVE_KEY,
    Kept,
    alive_record,
    read_records,
    state_key,
    state_record,
)
from nodedns.checks.definition import CheckDefinition
from nodedns.checks.kinds import TtlKind
from nodedns.checks.outcome import RememberedState
from nodedns.errors import DataDirError
from nodedns.model.check import Check
from nodedns.net.record_file import Record, RecordChange, RecordFile

__all__ = ["Keeper"]

WRITE_PAUSE_S = 1.0
"""Between two writes of what checks say; ours: what a crash may lose."""
ALIVE_PERIOD_S = 60.0
"""Between two notes that the agent runs; ours: one short line a minute."""


class Keeper:
    """Keeps registrations, and what checks say.

    Args:
        file: Read now, which blocks; None to keep nothing.
        wall_clock: Seconds since 1970.

    Raises:
        DataDirError: The file cannot be read.
    """

    def __init__(self, file: RecordFile | None, wall_clock: Callable[[], float]) -> None:
        self._file = file
        self._wall_clock = wall_clock
        self.kept = read_records(file.load()) if file is not None else Kept()
        self._soon: dict[str, Record | None] = {}
        self._queued = trio.Event()

    async def store(self, change: RecordChange) -> None:
        """Keep a change; done when it is on the disk. Raises ``DataDirError``: nothing of it is."""
        for key in (*change.put, *change.drop):
            self._soon.pop(key, None)
        if self._file is None:
            await trio.lowlevel.checkpoint()
        else:
            await self._file.note(change)

    def store_soon(self, key: str, record: Record | None) -> None:
        """Keep a record, or forget it (None), within about a second."""
        if self._file is None:
            return
        if record is None and not self._file.has(key):
            self._soon.pop(key, None)
            return
        self._soon[key] = record
        self._queued.set()

    def note_state(self, check: Check, definition: CheckDefinition) -> None:
        """Keep what a check says, within about a second."""
        kind = definition.kind
        until = self._wall_clock() + kind.ttl_s if isinstance(kind, TtlKind) else 0.0
        self.store_soon(state_key(check.id), state_record(check, until))

    def take_state(self, definition: CheckDefinition) -> RememberedState | None:
        """Return what a check said before the restart, once, and None where that no longer counts."""
        state = self.kept.states.pop(definition.id, None)
        if state is None:
            return None
        if isinstance(definition.kind, TtlKind):
            left_s = state.until - self._wall_clock()
            # A clock that was set back must not make a TTL longer than it is.
            return (
                RememberedState(state.status, state.output, min(left_s, definition.kind.ttl_s)) if left_s > 0 else None
            )
        down_s = self._wall_clock() - self.kept.alive_at
        is_fresh = down_s <= ALIVE_PERIOD_S + definition.run_interval_s
        return RememberedState(state.status, state.output) if is_fresh else None

    def forget_states_except(self, check_ids: Collection[str]) -> None:
        """Forget what checks said that no longer are; for the start, when those that are have been told of."""
        for check_id in [each for each in self.kept.states if each not in check_ids]:
            del self.kept.states[check_id]
            self.store_soon(state_key(check_id), None)

    async def run(self) -> None:
        """Write what is to be written soon, until cancelled; then write the rest."""
        if self._file is None:
            return
        try:
            while True:
                self._soon[ALIVE_KEY] = alive_record(self._wall_clock())
                until = trio.current_time() + ALIVE_PERIOD_S
                with trio.move_on_at(until):
                    while True:
                        await self._flush()
                        await trio.sleep(WRITE_PAUSE_S)
                        await self._queued.wait()
        finally:
            self._soon[ALIVE_KEY] = alive_record(self._wall_clock())
            with trio.CancelScope(shield=True):
                await self._flush()

    async def _flush(self) -> None:
        soon, self._soon = self._soon, {}
        self._queued = trio.Event()
        if self._file is None or not soon:
            return
        put = {key: record for key, record in soon.items() if record is not None}
        drop = tuple(key for key, record in soon.items() if record is None)
        try:
            await self._file.note(RecordChange(put, drop))
        except DataDirError:
            # Said by the file already. What has not changed since is tried again with the next change.
            self._soon = soon | self._soon

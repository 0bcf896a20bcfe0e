"""``Keeper``: what this agent's services and checks are, on disk; and how they were when it last ran.

Strategy: a registration is on the disk before it counts. One change is one record of the log, whatever it touches,
so after a crash it is there whole or not at all. What checks say changes all the time and can be
found out anew, so it is written soon: all that has changed, at most once each ``WRITE_PAUSE_S``. It
is worth something after a restart only for as long as the next result would have taken: a TTL until it is
over, the result of a check that is run for one interval of the agent's being down.

In dev mode nothing is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator

import trio

from nodedns.agent.local_records import ALIVE_KEY, Kept, Record, alive_record, read_records, state_key, state_record
from nodedns.checks.definition import CheckDefinition
from nodedns.checks.kinds import TtlKind
from nodedns.checks.outcome import RememberedState
from nodedns.errors import shorten
from nodedns.model.check import Check
from nodedns.net.record_log import RecordLog
from nodedns.observe.logs import logger

__all__ = ["Keeper"]

WRITE_PAUSE_S = 1.0
"""Between two writes of what checks say; ours: what a crash may lose."""
ALIVE_PERIOD_S = 60.0
"""Between two notes that the agent runs; ours: one short line a minute."""
_SENSELESS = (ValueError, AttributeError, TypeError, RecursionError)

_LOG = logger("agent")


class Keeper:
    """Keeps registrations, and what checks say.

    Args:
        log: Read now, which blocks; None to keep nothing.
        wall_clock: Seconds since 1970.

    Raises:
        DataDirError: The log cannot be read.
    """

    def __init__(self, log: RecordLog | None, wall_clock: Callable[[], float]) -> None:
        self._log = log
        self._wall_clock = wall_clock
        self._records: dict[str, Record] = {}
        for line in log.load() if log is not None else ():
            self._replay(line)
        self.kept: Kept = read_records(self._records)
        self._soon: dict[str, Record | None] = {}
        self._queued = trio.Event()

    def _replay(self, line: bytes) -> None:
        try:
            self._take(json.loads(line))
        except _SENSELESS as error:
            _LOG.error("a registration in the data directory cannot be used", error=shorten(str(error)))

    def _take(self, put: dict[str, Record | None]) -> None:
        for key, record in put.items():
            if record is None:
                self._records.pop(key, None)
            else:
                self._records[key] = record

    async def store(self, put: dict[str, Record | None]) -> None:
        """Keep records by key, and forget those that are None; done when all of that is on the disk.

        Those who wait return in the order in which they came.

        Raises:
            DataDirError: None of it is.
        """

        def take() -> None:
            self._take(put)
            for key in put:
                self._soon.pop(key, None)

        if self._log is None:
            await trio.lowlevel.checkpoint()
        else:
            await self._log.append([_encoded(put)], take)

    def store_soon(self, key: str, record: Record | None) -> None:
        """Keep a record, or forget it (None), within about a second."""
        if self._log is None:
            return
        if record is None and key not in self._records:
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
            # A clock that was set back must not make a TTL longer than it is.
            left_s = min(state.until - self._wall_clock(), definition.kind.ttl_s)
            return RememberedState(state.status, state.output, left_s) if left_s > 0 else None
        down_s = self._wall_clock() - self.kept.alive_at
        is_fresh = down_s <= ALIVE_PERIOD_S + definition.run_interval_s
        return RememberedState(state.status, state.output) if is_fresh else None

    def forget_states_except(self, check_ids: Collection[str]) -> None:
        """Forget what checks said that no longer are; for the start, when those that are have been told of."""
        for check_id in [each for each in self.kept.states if each not in check_ids]:
            del self.kept.states[check_id]
            self.store_soon(state_key(check_id), None)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what is to be written soon, until cancelled; then write the rest."""
        if self._log is None:
            task_status.started()
            return
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._log.run, self._whole)
                task_status.started()
                await self._write_for_ever()
        finally:
            self._soon[ALIVE_KEY] = alive_record(self._wall_clock())
            self._hand_over(self._log)
            with trio.CancelScope(shield=True):
                await self._log.flush()

    async def _write_for_ever(self) -> None:
        while True:
            self._soon[ALIVE_KEY] = alive_record(self._wall_clock())
            with trio.move_on_after(ALIVE_PERIOD_S):
                while True:
                    if self._log is not None:
                        self._hand_over(self._log)
                    await trio.sleep(WRITE_PAUSE_S)
                    await self._queued.wait()

    def _hand_over(self, log: RecordLog) -> None:
        soon, self._soon = self._soon, {}
        self._queued = trio.Event()
        if soon:
            self._take(soon)
            log.note(_encoded(soon))

    def _whole(self) -> Iterator[bytes]:
        records = dict(self._records)
        return (_encoded({key: record}) for key, record in records.items())


def _encoded(put: dict[str, Record | None]) -> bytes:
    return json.dumps(put).encode()

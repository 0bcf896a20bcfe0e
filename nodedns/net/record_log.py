"""``RecordLog``: records on disk in the order in which they were made.

Each file is a heading, then records (length, CRC-32, bytes). The document at ``path`` stands for the
whole state as of some moment; ``path.changes.N`` has what was recorded since, N being the
number that the document names. While a new document is being written, records go to the
next file of changes already, so nobody waits for it; before it is there whole, the old document
and both files of changes say everything. What a record means is its owner's business.

``append`` returns once its records are on the disk: what comes while the disk is busy goes to it
together, in one write. ``note`` is for what can be had again, or follows from what was
appended; it is written soon, and never after what was appended later.

A record that ends too early was never confirmed to anybody, and is cut off. A file with a
record that makes no sense is put aside; what stands before it is kept.

Source: the write-ahead log of any database.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import attrs
import trio

from nodedns.errors import DataDirError, WireError, shorten
from nodedns.net.files import RETRY_S, GrowingFile, put_aside
from nodedns.net.transport import errno_name
from nodedns.observe.logs import logger
from nodedns.observe.metrics import SNAPSHOT_ERRORS, Metrics

__all__ = ["RecordLog"]

# * magic | number of the first changes behind a document; of a file of changes, its own
_HEADING = struct.Struct("!16sQ")
MAGIC = b"nodedns log 1\n\n\n"
# * length of the record's bytes | their CRC-32
_RECORD = struct.Struct("!II")
MAX_RECORD_BYTES = 256 * 1024 * 1024
"""Ours; above any record. A longer one is a length that makes no sense."""
MIN_CHANGES_BYTES = 4 * 1024 * 1024
"""Changes kept beside a document however short it is; ours: read in a fifth of a second."""
MAX_NOTED_BYTES = 64 * 1024 * 1024
"""Records kept for a disk that takes none; ours: past it they are let go, and all is written anew."""
NOTE_S = 0.1
"""How long what is only noted waits for more of it; ours: ten writes a second at most."""
REWRITE_RETRY_S = 60.0
"""After a document that could not be written; ours: making one again and again would be work for nothing."""
SLICE_BYTES = 65_536
"""Of a document made without letting others have a turn; ours: two milliseconds."""

_LOG = logger("snapshot")


@attrs.define(eq=False)
class _Wish:
    """Records that reach the disk together, or not at all."""

    records: Sequence[bytes]
    then: Callable[[], None] | None = None
    is_done: bool = False
    problem: str = ""


class RecordLog:
    """A document and its changes; ``load`` comes before all else.

    Args:
        path: The document; its directory is made if need be.
        metrics: Counts the writes that failed.
    """

    def __init__(self, path: Path, metrics: Metrics) -> None:
        self._path = path
        self._metrics = metrics
        self._document = GrowingFile(path)
        # Of the first file of changes that counts, and of the one that is written to.
        self._first = 0
        self._number = 0
        self._changes = GrowingFile(self._changes_path(0))
        self._changes.cut(0)
        self._older_bytes = 0
        self._queue: list[_Wish] = []
        self._noted_bytes = 0
        # Records are missing on the disk: only a whole state may come before further ones.
        self._is_lacking = False
        self._rewrite_at = 0.0
        self._was_noted = trio.Event()
        self._writing = trio.Lock()
        self._has_failed = False

    def _changes_path(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.changes.{number}")

    @property
    def is_lacking(self) -> bool:
        """Whether records are missing on the disk, so that none is taken until all is written anew."""
        return self._is_lacking

    # --- the start ---------------------------------------------------------------

    def load(self) -> Iterator[bytes]:
        """Yield the records, none if there is no file; to be taken to the end. Blocks; for the start.

        Raises:
            DataDirError: A file is there and cannot be read or put aside.
        """
        document = _read(self._path)
        yield from document.records
        self._document.cut(document.end)
        self._is_lacking = document.is_bad
        self._changes = GrowingFile(self._changes_path(document.number))
        self._changes.cut(0)
        self._first = self._number = document.number
        for number in self._numbers():
            if number < document.number:
                self._first = min(self._first, number)  # it could not be removed, and the document stands for it
                continue
            self._older_bytes += self._changes.size_bytes
            path = self._changes_path(number)
            changes = _read(path)
            yield from changes.records
            self._is_lacking |= changes.is_bad
            self._number, self._changes = number, GrowingFile(path)
            self._changes.cut(changes.end)

    def _numbers(self) -> list[int]:
        prefix = self._changes_path(0).name.removesuffix("0")
        suffixes = [path.name.removeprefix(prefix) for path in self._path.parent.glob(prefix + "*")]
        return sorted(int(suffix) for suffix in suffixes if suffix.isascii() and suffix.isdigit())

    # --- writing -----------------------------------------------------------------

    async def append(self, records: Sequence[bytes], then: Callable[[], None]) -> None:
        """Keep records, over ``kill -9`` too; those who wait return in the order in which they came.

        Not cancelled on the way: who asked must hear what is on the disk now.

        Args:
            records: All of them are kept, or none.
            then: Called once they are on the disk and before anything else is written; must not raise.

        Raises:
            DataDirError: None of them is on the disk, and ``then`` was not called.
        """
        wish = _Wish(records, then)
        self._queue.append(wish)
        with trio.CancelScope(shield=True):
            async with self._writing:
                if not wish.is_done:
                    await self._write_queue()
        if wish.problem:
            raise DataDirError(wish.problem)

    def note(self, record: bytes) -> None:
        """Have a record written soon."""
        self._queue.append(_Wish((record,)))
        self._noted_bytes += len(record)
        if self._noted_bytes > MAX_NOTED_BYTES:
            self._drop_noted()
            self._is_lacking = True
        self._was_noted.set()

    async def flush(self) -> bool:
        """Write what is noted now; return whether it is on the disk. Never raises ``OSError``."""
        async with self._writing:
            return await self._write_queue()

    async def _write_queue(self) -> bool:
        """Write what waits; return whether it is on the disk."""
        taken, self._queue, self._noted_bytes = self._queue, [], 0
        if not taken:
            return not self._is_lacking
        path = self._changes_path(self._number)
        problem = f"cannot write {path}: interrupted"
        try:
            if self._is_lacking:
                problem = f"cannot write {path}: {self._path} has to be written first"
            else:
                await trio.to_thread.run_sync(self._add, [record for wish in taken for record in wish.records])
                problem = ""
        except OSError as error:
            problem = _not_written(path, error)
            self._note_failure(path, error)
        finally:
            if problem:
                self._refuse(taken, problem)
        if problem:
            return False
        self._note_success()
        for wish in taken:
            wish.is_done = True
            # Before anybody else may write: a document made now would lack what its owner does not know of yet.
            if wish.then is not None:
                wish.then()
        return True

    def _refuse(self, taken: Sequence[_Wish], problem: str) -> None:
        """Tell those who wait, and keep what was only noted for the next try."""
        for wish in taken:
            if wish.then is not None:
                wish.is_done, wish.problem = True, problem
        noted = [wish for wish in taken if wish.then is None]
        self._queue = [*noted, *self._queue]
        self._noted_bytes += sum(len(record) for wish in noted for record in wish.records)

    def _drop_noted(self) -> None:
        self._queue = [wish for wish in self._queue if wish.then is not None]
        self._noted_bytes = 0

    async def run(
        self, whole: Callable[[], Iterable[bytes]], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Write what is noted, and a new document when it is time, until cancelled; then write the rest.

        Args:
            whole: Returns the records of the whole state.
            task_status: Started once what was lacking at the start is on the disk, or cannot be written.
        """
        try:
            await self._rewrite_if_due(whole)
            task_status.started()
            while True:
                await self._was_noted.wait()
                await trio.sleep(NOTE_S)
                self._was_noted = trio.Event()
                is_well = self._is_lacking or await self.flush()
                if not (is_well and await self._rewrite_if_due(whole)):
                    await trio.sleep(RETRY_S)
                    self._was_noted.set()
        finally:
            with trio.CancelScope(shield=True):
                await self.flush()

    async def _rewrite_if_due(self, whole: Callable[[], Iterable[bytes]]) -> bool:
        """Write a new document if the changes outgrew it; return whether nothing is lacking."""
        if not self._is_lacking:
            is_long = self._older_bytes + self._changes.size_bytes > max(MIN_CHANGES_BYTES, self._document.size_bytes)
            if not is_long or trio.current_time() < self._rewrite_at:
                return True
        async with self._writing:
            if self._is_lacking:
                self._drop_noted()  # the document will say it
            elif not await self._write_queue():
                return False
            if self._changes.size_bytes:
                self._older_bytes += self._changes.size_bytes
                self._number += 1
                self._changes = GrowingFile(self._changes_path(self._number))
                self._changes.cut(0)
            number, records = self._number, whole()
        content = await self._document_of(number, records)
        try:
            await trio.to_thread.run_sync(self._replace, number, content)
        except OSError as error:
            self._rewrite_at = trio.current_time() + REWRITE_RETRY_S
            self._note_failure(self._path, error)
            return not self._is_lacking
        self._older_bytes = 0
        self._is_lacking = False
        self._note_success()
        return True

    @staticmethod
    async def _document_of(number: int, records: Iterable[bytes]) -> bytes:
        content = bytearray(_HEADING.pack(MAGIC, number))
        turn_at = SLICE_BYTES
        for record in records:
            content += _framed(record)
            if len(content) >= turn_at:
                turn_at = len(content) + SLICE_BYTES
                await trio.lowlevel.checkpoint()
        return bytes(content)

    def _note_failure(self, path: Path, error: OSError) -> None:
        self._metrics.count(SNAPSHOT_ERRORS)
        if not self._has_failed:
            self._has_failed = True
            _LOG.error("registrations cannot be written", path=path, error=errno_name(error))

    def _note_success(self) -> None:
        if self._has_failed:
            self._has_failed = False
            _LOG.info("registrations are written again", path=self._path)

    # --- in a worker thread, one call at a time ---------------------------------------

    def _add(self, records: Sequence[bytes]) -> None:
        heading = b"" if self._changes.size_bytes else _HEADING.pack(MAGIC, self._number)
        self._changes.append(heading + b"".join(map(_framed, records)))

    def _replace(self, number: int, content: bytes) -> None:
        self._document.replace(content)
        # One that stays is not read any more, for the document names a later one.
        with contextlib.suppress(OSError):
            for older in range(self._first, number):
                self._changes_path(older).unlink(missing_ok=True)
        self._first = number


@attrs.frozen
class _File:
    """What a file says.

    Attributes:
        number: Of its heading; 0 where there is none.
        records: As far as they make sense.
        end: Where its sound part ends; 0 where it was put aside.
        is_bad: Whether it was put aside.
    """

    number: int = 0
    records: tuple[bytes, ...] = ()
    end: int = 0
    is_bad: bool = False


def _read(path: Path) -> _File:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _File()
    except OSError as error:
        raise DataDirError(f"cannot read {path}: {errno_name(error)} ({error.strerror})") from error
    if len(content) < _HEADING.size and MAGIC.startswith(content[: len(MAGIC)]):
        return _File()  # not even the heading was finished
    number = 0
    records: list[bytes] = []
    end = _HEADING.size
    try:
        number = _number_of(content)
        for record in _records(content):
            records.append(record)
            end += _RECORD.size + len(record)
    except WireError as problem:
        _put_aside(path, problem)
        return _File(number, tuple(records), is_bad=True)
    return _File(number, tuple(records), end)


def _number_of(content: bytes) -> int:
    magic, number = _HEADING.unpack_from(content.ljust(_HEADING.size))
    if magic != MAGIC:
        raise WireError("record log", 0, f"starts with {shorten(content[: len(MAGIC)])}")
    return int(number)


def _records(content: bytes) -> Iterator[bytes]:
    """Yield each whole record; an unfinished last one is passed over. Raises ``WireError``."""
    at = _HEADING.size
    while at + _RECORD.size <= len(content):
        size_bytes, crc = _RECORD.unpack_from(content, at)
        start = at + _RECORD.size
        if size_bytes > MAX_RECORD_BYTES:
            raise WireError("record log", at, f"a record of {size_bytes} bytes")
        if start + size_bytes > len(content):
            return
        record = content[start : start + size_bytes]
        if zlib.crc32(record) != crc:
            raise WireError("record log", at, "wrong CRC")
        yield record
        at = start + size_bytes


def _framed(record: bytes) -> bytes:
    return _RECORD.pack(len(record), zlib.crc32(record)) + record


def _not_written(path: Path, error: OSError) -> str:
    return f"cannot write {path}: {errno_name(error)} ({error.strerror})"


def _put_aside(path: Path, error: Exception) -> None:
    aside = put_aside(path)
    _LOG.error("registrations cannot be read, put aside", path=aside, error=shorten(str(error)))

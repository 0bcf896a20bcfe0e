"""``RecordFile``: records by key, on disk before they are answered.

A document with all records, and beside it a file to which each change is added, so that
changing one record among ten thousand writes one line and not ten thousand. A change is
one line, whatever number of records it touches, so after a crash it is there whole or not
at all. What is noted while the disk is busy goes to it together, in one write. When the
changes outnumber the records, the document is written anew and the changes begin again.
Changes that are in the document already, as after a crash between the two, do no harm:
each says what is to be, not what to do.

A last line without its end was never confirmed to anybody, and is passed over. What a
record means is its owner's business.

Source: the write-ahead log of any database; Serf's snapshot grows and is compacted likewise.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeAlias

import attrs
import trio

from nodedns.errors import DataDirError, shorten
from nodedns.net.files import GrowingFile
from nodedns.net.transport import errno_name
from nodedns.observe.logs import logger

__all__ = ["Record", "RecordChange", "RecordFile"]

Record: TypeAlias = Mapping[str, object]
"""A JSON object."""

RECORDS_FORMAT = 1
MIN_CHANGES = 1_000
"""Changes kept beside the document however few records there are; ours: 300 KB, read in ten milliseconds."""
_SENSELESS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)

_LOG = logger("snapshot")


@attrs.frozen
class RecordChange:
    """What is to be, all of it or nothing.

    Attributes:
        put: Records that are to be there as given, by key.
        drop: Keys of those that are to be gone.
    """

    put: Mapping[str, Record] = attrs.field(factory=dict)
    drop: tuple[str, ...] = ()


@attrs.define(eq=False)
class _Batch:
    """Changes that reach the disk in one write, or not at all."""

    changes: list[RecordChange] = attrs.field(factory=list)
    is_done: bool = False
    problem: str = ""


class RecordFile:
    """The document at ``path``, and the changes since in a file beside it that ends in ``.changes``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes_path = path.with_name(path.name + ".changes")
        self._document = GrowingFile(path)
        self._changes = GrowingFile(self._changes_path)
        self._records: dict[str, Record] = {}
        self._noted = 0
        self._waiting = _Batch()
        self._writing = trio.Lock()

    @property
    def path(self) -> Path:
        """Where the document is."""
        return self._path

    def has(self, key: str) -> bool:
        """Whether a record of this key is on the disk."""
        return key in self._records

    def load(self) -> dict[str, Record]:
        """Return the records, none if there is no file. Blocks; for the start.

        A file that makes no sense is put aside under another name, and said so: what
        can be registered again is no reason for an agent not to start.

        Raises:
            DataDirError: A file is there and cannot be read or put aside.
        """
        self._records = {}
        self._noted = 0
        document = _read(self._path)
        if document is not None:
            try:
                self._records.update(_decode_document(document))
            except _SENSELESS as error:
                _put_aside(self._path, error)
        changes = _read(self._changes_path)
        if changes is not None:
            self._replay(changes)
        return dict(self._records)

    def _replay(self, changes: bytes) -> None:
        end = changes.rfind(b"\n") + 1
        self._changes.cut(end)
        try:
            for line in changes[:end].splitlines():
                _apply(_decode_change(line), self._records)
                self._noted += 1
        except _SENSELESS as error:
            _put_aside(self._changes_path, error)
            # The changes before the senseless one are now in no file that is read.
            self._store(self._records)

    async def note(self, change: RecordChange) -> None:
        """Keep one change, over ``kill -9`` too; those who wait return in the order in which they came.

        Not cancelled on the way: who asked must hear what is on the disk now.

        Raises:
            DataDirError: The files say what they said.
        """
        batch = self._waiting
        batch.changes.append(change)
        with trio.CancelScope(shield=True):
            async with self._writing:
                if not batch.is_done:
                    self._waiting = _Batch()
                    await self._write(batch)
        if batch.problem:
            raise DataDirError(batch.problem)

    async def _write(self, batch: _Batch) -> None:
        batch.is_done = True
        batch.problem = f"cannot write {self._changes_path}: interrupted"
        lines = b"".join(map(_encode_change, batch.changes))
        try:
            if self._noted >= max(MIN_CHANGES, len(self._records)):
                await trio.to_thread.run_sync(self._store, dict(self._records))
            await trio.to_thread.run_sync(self._add, lines)
        except DataDirError as problem:
            batch.problem = str(problem)
            return
        batch.problem = ""
        self._noted += len(batch.changes)
        for change in batch.changes:
            _apply(change, self._records)

    # In a worker thread, one call at a time.
    def _add(self, lines: bytes) -> None:
        try:
            self._changes.append(lines)
        except OSError as error:
            raise _not_written(self._changes_path, error) from error

    def _store(self, records: Mapping[str, Record]) -> None:
        try:
            self._document.replace(_encode_document(records))
        except OSError as error:
            raise _not_written(self._path, error) from error
        # From here on nothing can be lost: the changes are in the document, and doing them again changes nothing.
        try:
            self._changes_path.unlink(missing_ok=True)
        except OSError as error:
            _LOG.warning("changes cannot be removed", path=self._changes_path, error=errno_name(error))
            return
        self._changes.cut(0)
        self._noted = 0


def _not_written(path: Path, error: OSError) -> DataDirError:
    _LOG.error("registrations cannot be written", path=path, error=errno_name(error))
    return DataDirError(f"cannot write {path}: {errno_name(error)} ({error.strerror})")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataDirError(f"cannot read {path}: {errno_name(error)} ({error.strerror})") from error


def _put_aside(path: Path, error: Exception) -> None:
    aside = path.with_name(path.name + ".bad")
    try:
        path.replace(aside)
    except OSError as failure:
        raise DataDirError(f"cannot put aside {path}: {errno_name(failure)}") from failure
    _LOG.error("registrations cannot be read, put aside", path=aside, error=shorten(str(error)))


def _encode_document(records: Mapping[str, Record]) -> bytes:
    # One call for each record: while a worker thread is in one, nobody else gets a turn.
    listed = ",\n ".join(f"{json.dumps(key)}: {json.dumps(record)}" for key, record in records.items())
    return f'{{"format": {RECORDS_FORMAT}, "records": {{\n {listed}\n}}}}\n'.encode()


def _encode_change(change: RecordChange) -> bytes:
    parts: dict[str, object] = {}
    if change.put:
        parts["put"] = change.put
    if change.drop:
        parts["drop"] = change.drop
    return json.dumps(parts).encode() + b"\n"


def _decode_document(content: bytes) -> dict[str, Record]:
    document = json.loads(content)
    if document["format"] != RECORDS_FORMAT:
        raise ValueError(f"format {shorten(document['format'])} is not {RECORDS_FORMAT}")
    return _decode_records(document["records"])


def _decode_change(line: bytes) -> RecordChange:
    parts = json.loads(line)
    dropped: Collection[object] = parts.get("drop", [])
    if not isinstance(dropped, list):
        raise TypeError(f"{shorten(dropped)} is not a list of keys")
    return RecordChange(_decode_records(parts.get("put", {})), tuple(str(key) for key in dropped))


def _decode_records(value: object) -> dict[str, Record]:
    if not isinstance(value, dict):
        raise TypeError(f"{shorten(value)} is not a map of records")
    for record in value.values():
        if not isinstance(record, dict):
            raise TypeError(f"{shorten(record)} is not a record")
    return value


def _apply(change: RecordChange, records: dict[str, Record]) -> None:
    records.update(change.put)
    for key in change.drop:
        records.pop(key, None)

"""The data directory: what an agent must still know after ``kill -9`` or a full disk.

Whole files are written beside the old one, flushed to the disk and renamed over
it, so that at every moment the one or the other is there in full.
``GrowingFile`` also appends; a piece that could be written only in part is cut
off again before the next try. When the disk refuses the snapshot, the agent goes
on: the fault is logged once, what is to be written is kept, and tried again.

Blocking calls run in a worker thread. What the bytes mean is decided elsewhere
(``serf.snapshot``, ``net/nodes_file.py``).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

import trio

from nodedns.errors import DataDirError
from nodedns.net.transport import errno_name
from nodedns.observe.logs import logger
from nodedns.observe.metrics import SNAPSHOT_ERRORS, Metrics

__all__ = ["DIRECTORY_MODE", "DataDir", "GrowingFile", "SnapshotFile", "put_aside", "write_atomically"]

DIRECTORY_MODE = 0o755
FILE_MODE = 0o600  # as Consul's: names and addresses of a network are not everybody's business
RETRY_S = 5.0  # after a failed write; a full disk seldom empties sooner

_SNAPSHOT = logger("snapshot")


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: a crash leaves the old file or the new one, whole. Blocks.

    Once the new file is there it counts, even if the disk then refuses to make sure of its name: whoever is told
    that the write failed must find the old one.

    Raises:
        OSError: The old file is as it was.
    """
    beside = path.with_name(path.name + ".tmp")
    # Opened first, since after the replacing it is too late to fail.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _replace(path, beside, content)
        with contextlib.suppress(OSError):
            os.fsync(directory)  # without this the rename itself may be lost with the power
    finally:
        os.close(directory)


def _replace(path: Path, beside: Path, content: bytes) -> None:
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def put_aside(path: Path) -> Path:
    """Give a file that makes no sense another name, and return that. Raises ``DataDirError``."""
    aside = path.with_name(path.name + ".bad")
    try:
        path.replace(aside)
    except OSError as failure:
        raise DataDirError(f"cannot put aside {path}: {errno_name(failure)}") from failure
    return aside


class DataDir:
    """A data directory held by one agent at a time.

    Use as a context manager; the lock goes with the process, so nothing is left behind by a crash.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None

    @property
    def path(self) -> Path:
        """The directory."""
        return self._path

    def __enter__(self) -> DataDir:
        """Make the directory if need be, and lock it. Raises ``DataDirError``."""
        try:
            self._path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            descriptor = os.open(self._path / "nodedns.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise self._error(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise self._error(error) from error
            raise DataDirError(
                f"data directory {self._path} is in use by process {owner or '?'}; change it with -data-dir"
            ) from error
        self._lock = descriptor
        self._note_owner(descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        """Let another agent have the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read_text(self, name: str) -> str | None:
        """Return a small file's text, stripped; None if there is none. Raises ``DataDirError``."""
        try:
            return (self._path / name).read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise DataDirError(f"cannot read {self._path / name}: {error}") from error

    def write_text(self, name: str, text: str) -> None:
        """Replace a small file, which may be in a directory of its own. Raises ``DataDirError``."""
        path = self._path / name
        try:
            path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            write_atomically(path, text.encode() + b"\n")
        except OSError as error:
            raise DataDirError(f"cannot write {path}: {errno_name(error)} ({error.strerror})") from error

    def _note_owner(self, descriptor: int) -> None:
        # For the message above only: on a full disk the lock holds all the same.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)

    def _error(self, error: OSError) -> DataDirError:
        return DataDirError(
            f"data directory {self._path} cannot be used: {errno_name(error)} ({error.strerror}); "
            "change it with -data-dir"
        )


class GrowingFile:
    """A file that is written at its end, or replaced whole. Blocks; for one caller at a time.

    Args:
        path: The file; its directory is made if need be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size_bytes: int | None = None

    @property
    def size_bytes(self) -> int:
        """Where the good end is; 0 before anything was written or cut."""
        return self._size_bytes or 0

    def replace(self, content: bytes) -> None:
        """Have the file hold ``content`` and nothing else. Raises ``OSError``: it is as it was."""
        self._path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        write_atomically(self._path, content)
        self._size_bytes = len(content)

    def cut(self, size_bytes: int) -> None:
        """Have the next ``append`` write at ``size_bytes``: what stands behind is of no use."""
        self._size_bytes = size_bytes

    def append(self, data: bytes) -> None:
        """Write ``data`` behind the good end, and onto the disk. Raises ``OSError``: the good end is where it was."""
        self._path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            if self._size_bytes is None:
                self._size_bytes = os.fstat(descriptor).st_size
            # Whatever an earlier try left behind its good end goes first: cutting needs no room on the disk.
            os.ftruncate(descriptor, self._size_bytes)
            _write_fully(descriptor, data, self._size_bytes)
            os.fsync(descriptor)
            if not self._size_bytes:
                _flush_name(self._path)
            self._size_bytes += len(data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._size_bytes or 0)
            raise
        finally:
            os.close(descriptor)


def _flush_name(path: Path) -> None:
    # A new file's bytes are on the disk, and its name perhaps not yet; a disk that refuses this holds the file for now.
    with contextlib.suppress(OSError):
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _write_fully(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written


class SnapshotFile:
    """The snapshot on disk: ``append`` and ``rewrite`` only queue, ``run`` writes.

    The queue is bounded by whoever fills it: Serf asks for a rewrite when the file
    has grown enough, and a rewrite replaces everything queued before it.

    Args:
        path: The file; its directory is made if need be.
        metrics: Counts the writes that failed.
    """

    def __init__(self, path: Path, metrics: Metrics) -> None:
        self._path = path
        self._file = GrowingFile(path)
        self._metrics = metrics
        self._whole: bytes | None = None
        self._appended: list[bytes] = []
        self._has_failed = False
        self._queued = trio.Event()
        self._writing = trio.Lock()

    @property
    def has_failed(self) -> bool:
        """Whether the last write failed, so that something is still to be written."""
        return self._has_failed

    def read(self) -> bytes:
        """Return the file's bytes, empty if there is none. Blocks; for the start.

        Raises:
            DataDirError: It is there and cannot be read.
        """
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DataDirError(f"cannot read {self._path}: {errno_name(error)} ({error.strerror})") from error

    def append(self, data: bytes) -> None:
        """Queue bytes for the end of the file."""
        self._appended.append(data)
        self._queued.set()

    def rewrite(self, data: bytes) -> None:
        """Queue bytes that replace the file, and all that was queued before."""
        self._whole = data
        self._appended.clear()
        self._queued.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what is queued, until cancelled; then write the rest once more."""
        try:
            task_status.started()
            while True:
                await self._queued.wait()
                self._queued = trio.Event()
                if not await self.flush():
                    await trio.sleep(RETRY_S)
                    self._queued.set()
        finally:
            with trio.CancelScope(shield=True):
                await self.flush()

    async def flush(self) -> bool:
        """Write what is queued now; return whether it is on the disk. Never raises ``OSError``."""
        async with self._writing:
            whole, self._whole = self._whole, None
            appended, self._appended = b"".join(self._appended), []
            if whole is None and not appended:
                return True
            try:
                await trio.to_thread.run_sync(self._write, whole, appended)
            except OSError as error:
                self._put_back(whole, appended)
                self._note_failure(error)
                return False
            except BaseException:
                self._put_back(whole, appended)
                raise
            if self._has_failed:
                self._has_failed = False
                _SNAPSHOT.info("snapshot is written again", path=self._path)
            return True

    def _put_back(self, whole: bytes | None, appended: bytes) -> None:
        # Unless a rewrite was queued meanwhile, which holds everything anyway.
        if self._whole is None:
            self._whole = whole
            self._appended.insert(0, appended)

    def _note_failure(self, error: OSError) -> None:
        self._metrics.count(SNAPSHOT_ERRORS)
        if not self._has_failed:
            self._has_failed = True
            _SNAPSHOT.error(
                "snapshot cannot be written, trying again", path=self._path, error=errno_name(error), every_s=RETRY_S
            )

    # In a worker thread, one call at a time.
    def _write(self, whole: bytes | None, appended: bytes) -> None:
        if whole is not None:
            self._file.replace(whole + appended)
        else:
            self._file.append(appended)

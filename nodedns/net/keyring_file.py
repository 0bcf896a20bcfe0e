"""``KeyringFile``: the gossip keys on the disk, as Serf writes them, replaced whole and readable by their owner only.

A file that makes no sense is never written over: the keys in it may be the
cluster's only copy. What the keys are used for is not its matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import trio

from nodedns.errors import DataDirError, GossipWireError
from nodedns.net.files import DIRECTORY_MODE, write_atomically
from nodedns.net.transport import errno_name
from nodedns.observe.logs import logger
from nodedns.observe.metrics import SNAPSHOT_ERRORS, Metrics
from nodedns.serf.keyring_file import decode_keyring_file_untrusted, encode_keyring_file

__all__ = ["KeyringFile"]

_LOG = logger("agent")


class KeyringFile:
    """A keyring file.

    Args:
        path: Where it is; its directory is made if need be.
        metrics: Counts writes that failed.
    """

    def __init__(self, path: Path, metrics: Metrics) -> None:
        self._path = path
        self._metrics = metrics

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def load(self) -> tuple[bytes, ...] | None:
        """Return the keys, the primary first; None if there is no file. Blocks; for the start.

        Raises:
            DataDirError: It is there and cannot be read, or holds something else.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataDirError(f"cannot read {self._path}: {errno_name(error)} ({error.strerror})") from error
        try:
            return decode_keyring_file_untrusted(content)
        except GossipWireError as problem:
            raise DataDirError(
                f"keyring file {self._path} cannot be used: {problem}; put a good copy in its place (any agent of the "
                "cluster has one), or move it away to start with the key of encrypt alone"
            ) from None

    def store(self, keys: Sequence[bytes]) -> None:
        """Replace the file; once this returns, ``kill -9`` does not lose the keys. Blocks.

        Raises:
            DataDirError: The file is as it was.
        """
        try:
            self._path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            write_atomically(self._path, encode_keyring_file(keys))
        except OSError as error:
            self._metrics.count(SNAPSHOT_ERRORS)
            _LOG.error("keyring file cannot be written", path=self._path, error=errno_name(error))
            raise DataDirError(f"cannot write {self._path}: {errno_name(error)} ({error.strerror})") from error

    async def save(self, keys: Sequence[bytes]) -> None:
        """Do as ``store``, in a worker thread."""
        await trio.to_thread.run_sync(self.store, keys)

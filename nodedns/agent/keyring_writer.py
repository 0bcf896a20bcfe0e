"""``KeyringWriter``: has each new ring stored before the agent goes over to it.

The Serf layer asks for one ring at a time and waits for the answer, so there is
no queue. A failed write is an answer too: the change is refused, and whoever asked
for it is told why.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from nodedns.errors import DataDirError
from nodedns.net.keyring_file import KeyringFile
from nodedns.serf.events import KeyringToStore, SerfEvent
from nodedns.serf.serf import Serf

__all__ = ["KeyringWriter"]


class KeyringWriter:
    """Writes rings to a keyring file.

    Args:
        file: Where to; None where no file is kept, and no ring is ever to be stored.
        serf: Is told how it went.
        wake: Called after every command to ``serf``.
    """

    def __init__(self, file: KeyringFile | None, serf: Serf, wake: Callable[[], None]) -> None:
        self._file = file
        self._serf = serf
        self._wake = wake
        self._wanted: KeyringToStore | None = None
        self._queued = trio.Event()

    def note(self, event: SerfEvent) -> None:
        """Take a ring that is to be stored, for ``run``; any other event is nothing to us."""
        if isinstance(event, KeyringToStore):
            self._wanted = event
            self._queued.set()

    async def run(self) -> None:
        """Write what is wanted, until cancelled; a ring whose writing has begun is written to its end."""
        while True:
            await self._queued.wait()
            self._queued = trio.Event()
            wanted, self._wanted = self._wanted, None
            if wanted is None or self._file is None:
                continue
            error = ""
            try:
                await self._file.save(wanted.keys)
            except DataDirError as problem:
                error = f"Failed to write keyring file: {problem}"
            self._serf.keyring_stored(error, trio.current_time())
            self._wake()

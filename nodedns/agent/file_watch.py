"""``follow_files``: has a configuration read again whenever its files have changed.

Strategy: names, sizes and times are looked at every second, in a thread, since a file system
may take its time. What has changed must then stay the same for another second:
an editor writes a file in several steps, and tools write several files. A
configuration that cannot be taken is told once, and tried again at the next change.

Source: Consul's auto_reload_config.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import trio

from nodedns.errors import AgentError

__all__ = ["LOOK_EVERY_S", "Fingerprint", "fingerprint", "follow_files", "look_in_thread"]

LOOK_EVERY_S = 1.0
"""Between two looks; ours. A look at a hundred files takes less than a millisecond."""

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Of each file its path, inode, size and time of change in nanoseconds."""


def fingerprint(paths: Sequence[Path]) -> Fingerprint:
    """Return what changes when one of the files does, or comes or goes; of directories, the files in them."""
    found: list[tuple[str, int, int, int]] = []
    for path in paths:
        files = [path]
        # What cannot be looked at counts as not there; reading it will say why.
        with suppress(OSError):
            if path.is_dir():
                files = sorted(path.iterdir())
        for file in files:
            with suppress(OSError):
                status = file.stat()
                found.append((str(file), status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


Look = Callable[[Sequence[Path]], Awaitable[Fingerprint]]


async def look_in_thread(paths: Sequence[Path]) -> Fingerprint:
    """Return the fingerprint of ``paths``, found where waiting for it stops nobody."""
    return await trio.to_thread.run_sync(fingerprint, paths, abandon_on_cancel=True)


async def follow_files(
    paths: Callable[[], Sequence[Path]],
    reload: Callable[[], Awaitable[None]],
    taken: Fingerprint,
    look: Look = look_in_thread,
) -> None:
    """Call ``reload`` when files have changed and are at rest again; never returns.

    Args:
        paths: Gives the files and directories, which may be others after a reload.
        reload: Tells of its failure itself, and raises ``AgentError``.
        taken: Of the files as they were when the configuration was read from them.
        look: Finds what changes when they do.
    """
    seen = taken
    while True:
        await trio.sleep(LOOK_EVERY_S)
        before, seen = seen, await look(paths())
        if seen == before and seen != taken:
            taken = seen
            with suppress(AgentError):
                await reload()

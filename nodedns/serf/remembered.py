"""``RememberedPeers``: whom an agent tries again when it is alone, and after a restart.

Members seen alive last, and members seen failed last, each by name with its
address as text. Serf remembers the living only, so that a pool in which
everybody lost sight of everybody never comes back by itself; here the failed
stay remembered until they leave or are reaped, in company. ``snapshot.py`` keeps
both on disk, ``rejoining.py`` tries them.

The living are bounded by the member table, the failed by a limit of their own:
past it, the one that failed first goes.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["MAX_FAILED_REMEMBERED", "RememberedPeers"]

MAX_FAILED_REMEMBERED = 4096
"""Failed members remembered at once; ours: as many as intents about unknown members, half a megabyte on disk."""


class RememberedPeers:
    """Addresses by name, of the living and of the failed; a name is in at most one of the two.

    Args:
        alive: To begin with.
        failed: Likewise; the one that failed first comes first.
    """

    __slots__ = ("_alive", "_failed")

    def __init__(self, alive: Mapping[str, str] | None = None, failed: Mapping[str, str] | None = None) -> None:
        self._alive = dict(alive or {})
        self._failed: dict[str, str] = {}
        for name, address in (failed or {}).items():
            self.note_failed(name, address)

    def __len__(self) -> int:
        return len(self._alive) + len(self._failed)

    def __contains__(self, name: str) -> bool:
        return name in self._alive or name in self._failed

    @property
    def alive(self) -> Mapping[str, str]:
        """Address of each member last seen alive, in the order in which they appeared."""
        return self._alive

    @property
    def failed(self) -> Mapping[str, str]:
        """Address of each member last seen failed, the longest failed first."""
        return self._failed

    def note_alive(self, name: str, address: str) -> None:
        """Remember that ``name`` is alive at ``address``."""
        self._failed.pop(name, None)
        self._alive[name] = address

    def note_failed(self, name: str, address: str) -> None:
        """Remember that ``name`` failed at ``address``; forgets the longest failed if there are too many."""
        self.forget(name)
        self._failed[name] = address
        if len(self._failed) > MAX_FAILED_REMEMBERED:
            del self._failed[next(iter(self._failed))]

    def forget(self, name: str) -> bool:
        """Forget ``name``; return whether it was remembered."""
        was_alive = self._alive.pop(name, None) is not None
        return self._failed.pop(name, None) is not None or was_alive

    def clear(self) -> None:
        """Forget everybody."""
        self._alive.clear()
        self._failed.clear()

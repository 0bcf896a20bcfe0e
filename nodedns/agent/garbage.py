"""``freeze_what_stays``: keeps Python's search for garbage from growing with the pool.

A full search looks at every object there is: with tens of thousands of services that takes
hundreds of milliseconds, in which no ping is answered. What a search that took long has left is alive, so
it is not searched again; it is still freed once nothing refers to it. Only a circle of such objects that
is dropped later stays, so this is done after long searches alone, which take a hundred thousand new objects.

Source: Python's ``gc.freeze`` and ``gc.callbacks``.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

__all__ = ["LONG_S", "freeze_what_stays"]

LONG_S = 0.02
"""A search that takes as long was of too much; ours: what one step of the agent may take."""
OLDEST = 2


@contextmanager
def freeze_what_stays(clock: Callable[[], float]) -> Iterator[None]:
    """Do so until left.

    Args:
        clock: Seconds, monotonic.
    """
    began_at = 0.0

    def note(phase: str, info: Mapping[str, int]) -> None:
        nonlocal began_at
        if info["generation"] != OLDEST:
            return
        if phase == "start":
            began_at = clock()
        elif clock() - began_at >= LONG_S:
            gc.freeze()

    gc.callbacks.append(note)
    try:
        yield
    finally:
        gc.callbacks.remove(note)

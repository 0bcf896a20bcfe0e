"""``TurnCounter``: counts the turns that other tasks get while something long is done.

Strategy: a task of its own takes a turn whenever it gets one, so that their number is what any other would have
had. How long a turn takes is not looked at.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

__all__ = ["TurnCounter", "counted_turns"]


class TurnCounter:
    """Turns so far.

    Attributes:
        turns: How many.
    """

    def __init__(self) -> None:
        self.turns = 0

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            self.turns += 1
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def counted_turns() -> AsyncIterator[TurnCounter]:
    """Count turns as long as the block runs."""
    counter = TurnCounter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(counter.run)
        yield counter
        nursery.cancel_scope.cancel()

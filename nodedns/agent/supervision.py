"""``Supervision``: what the service manager is told of an agent, and when.

Strategy: ready, once everything listens and the first try to join is over, so that whatever is ordered behind the
agent finds the cluster's names there; an address that does not answer holds that up for ``MAX_JOIN_WAIT_S``, not
for ever. Then a line of status whenever it has changed, at most one each ``STATUS_PAUSE_S``, and a sign of life for the
watchdog as long as gossip and DNS take their turns (``net/vitals.py``). A loop that hangs gives
none, and is killed and started anew.

Without a service manager it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import trio

from nodedns.net.service_manager import ServiceManager
from nodedns.net.vitals import StallWatch, Vital
from nodedns.observe.logs import logger

__all__ = ["Supervision"]

MAX_JOIN_WAIT_S = 15.0
"""Ours: memberlist gives a TCP connection 10 s; systemd waits 90 s for a service to be ready."""
STATUS_PAUSE_S = 2.0
"""Ours: nobody reads faster."""

_LOG = logger("agent")


class Supervision:
    """Tells of one agent.

    Args:
        manager: Who is told.
        vitals: The tasks that must turn.
        status: How the agent is, in one line.
    """

    def __init__(self, manager: ServiceManager, vitals: Sequence[Vital], status: Callable[[], str]) -> None:
        self._manager = manager
        self._watch = StallWatch(vitals)
        self._status = status
        self._is_ready = False

    async def run(self, join_tried: trio.Event) -> None:
        """Tell of an agent that listens, until cancelled.

        Args:
            join_tried: Set once the first try to join is over.
        """
        if not self._manager.is_there:
            return
        with trio.move_on_after(MAX_JOIN_WAIT_S):
            await join_tried.wait()
        self._is_ready = True
        self._manager.ready(self._status())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_status)
            every_s = self._manager.sign_every_s
            if every_s is not None:
                nursery.start_soon(self._give_signs, every_s)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that the agent reloads, and at the end that it serves again, whatever came of it."""
        if not self._is_ready:
            yield
            return
        self._manager.reloading()
        try:
            yield
        finally:
            self._manager.ready(self._status())

    def stopping(self) -> None:
        """Tell that the agent leaves, or ends; once is enough."""
        self._manager.stopping()

    async def _tell_status(self) -> None:
        told = self._status()
        while True:
            await trio.sleep(STATUS_PAUSE_S)
            status = self._status()
            if status != told:
                told = status
                self._manager.status(status)

    async def _give_signs(self, every_s: float) -> None:
        while True:
            stalled = self._watch.stalled()
            if stalled:
                _LOG.error("a part of the agent hangs, so the watchdog gets no sign of life", parts=", ".join(stalled))
            else:
                self._manager.alive()
            await trio.sleep(every_s)

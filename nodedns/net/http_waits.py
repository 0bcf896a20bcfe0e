"""``Waits``: blocking queries; each sleeps until what it looks at changes, its time is over, or its client is gone.

Strategy: a query that waits is one task, which listens for its client to go. Those that look at the same part of
the table, or at the same other topic, are a group, for which one task more waits for a change. One
task looks again for all of them, group by group, a few queries in a turn, so that a change that a thousand wait for
keeps neither gossip nor DNS waiting; and those who asked the same share one answer, made once.

Does not answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from nodedns.api.blocking import Topic, Wait, index_of
from nodedns.api.context import ApiContext
from nodedns.api.request import Response
from nodedns.api.shared_answers import SharedAnswers
from nodedns.net.http_answer import Answer
from nodedns.net.http_connection import ClientGone
from nodedns.table.parts import Part

__all__ = ["WaitChanged", "Waits"]

LOOKS_AT_ONCE = 32
TURN_S = 0.002
"""Looks in one turn, and the time after which no further one begins; ours, as the slices of long answers."""

WaitChanged = Callable[[int, Topic, Part], Awaitable[None]]
"""Returns once a topic, or a part of the table, may have changed after an index."""


@attrs.define(eq=False)
class _Waiter:
    wait: Wait
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    answer: Answer | None = None
    failure: Exception | None = None


@attrs.define(eq=False)
class _Group:
    waiters: dict[_Waiter, None] = attrs.field(factory=dict)
    watch: trio.CancelScope = attrs.field(factory=trio.CancelScope)


class Waits:
    """Every blocking query under way; each needs a connection, which bounds them.

    Args:
        context: Returns what may be looked at, as of now.
        wait_changed: Waits for a change.
        make: Makes an answer of a response and what it was made from.
    """

    def __init__(
        self,
        context: Callable[[], ApiContext],
        wait_changed: WaitChanged,
        make: Callable[[Response, ApiContext], Answer],
    ) -> None:
        self._context = context
        self._wait_changed = wait_changed
        self._make = make
        self._groups: dict[tuple[Topic, Part], _Group] = {}
        self._changed: dict[_Group, None] = {}
        self._woken = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._is_ending = False

    @property
    def count(self) -> int:
        """Queries that wait now."""
        return sum(len(group.waiters) for group in self._groups.values())

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wake them as things change; until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            while True:
                await self._woken.wait()
                self._woken = trio.Event()
                while self._changed:
                    group = next(iter(self._changed))
                    del self._changed[group]
                    await self._look_again(group)

    def end(self) -> None:
        """Have each answered now with what there is, those that begin later too."""
        self._is_ending = True
        for group in self._groups.values():
            for waiter in group.waiters:
                waiter.scope.cancel()

    async def answer(self, wait: Wait, wait_gone: Callable[[], Awaitable[None]]) -> Answer:
        """Wait and return the answer.

        Args:
            wait: From a look at what there is now: nothing may be awaited in between.
            wait_gone: Returns once the client is gone.

        Raises:
            ClientGone: It is.
            NodednsError: A later look failed.
        """
        waiter = _Waiter(wait)
        key = (wait.topic, wait.part)
        self._enlist(waiter, key)
        try:
            waiter.scope.deadline = trio.current_time() + wait.timeout_s
            with waiter.scope:
                await wait_gone()
                raise ClientGone
        finally:
            self._strike(waiter, key)
        if waiter.failure is not None:
            raise waiter.failure
        if waiter.answer is None:
            ctx = self._context()
            return self._make(waiter.wait.expire(ctx), ctx)
        return waiter.answer

    def _enlist(self, waiter: _Waiter, key: tuple[Topic, Part]) -> None:
        if self._is_ending:
            waiter.scope.cancel()
            return
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group()
            if self._nursery is None:
                raise RuntimeError("a query waits and nobody is there to wake it")
            self._nursery.start_soon(partial(self._watch, group, *key, waiter.wait.view_index))
        group.waiters[waiter] = None

    def _strike(self, waiter: _Waiter, key: tuple[Topic, Part]) -> None:
        group = self._groups.get(key)
        if group is None:
            return
        group.waiters.pop(waiter, None)
        # Whoever asks chooses the part, so no group may outlive those in it.
        if not group.waiters:
            del self._groups[key]
            group.watch.cancel()

    async def _watch(self, group: _Group, topic: Topic, part: Part, index: int) -> None:
        with group.watch:
            while True:
                await self._wait_changed(index, topic, part)
                # Listening goes on before anybody looks, so that what changes during the looks counts again.
                index = index_of(topic, self._context())
                self._changed[group] = None
                self._woken.set()
                await trio.lowlevel.checkpoint()

    async def _look_again(self, group: _Group) -> None:
        shared = SharedAnswers()
        answers: dict[int, tuple[Response, Answer]] = {}
        left = deque(group.waiters)
        while left:
            ctx = attrs.evolve(self._context(), shared=shared)
            until = trio.current_time() + TURN_S
            for _ in range(min(LOOKS_AT_ONCE, len(left))):
                waiter = left.popleft()
                if waiter in group.waiters and waiter.answer is None:
                    self._look(waiter, ctx, answers)
                if trio.current_time() >= until:
                    break
            await trio.lowlevel.checkpoint()

    def _look(self, waiter: _Waiter, ctx: ApiContext, answers: dict[int, tuple[Response, Answer]]) -> None:
        try:
            outcome = waiter.wait.resume(ctx)
        except Exception as error:
            waiter.failure = error
        else:
            if isinstance(outcome, Wait):
                waiter.wait = outcome
                return
            # The response is kept with its answer, so that no other one has its identity.
            known = answers.get(id(outcome))
            if known is None:
                known = answers[id(outcome)] = (outcome, self._make(outcome, ctx))
            waiter.answer = known[1]
        waiter.scope.cancel()

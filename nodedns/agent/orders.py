"""``Orders``: who carries out what HTTP asks an agent to do, by the action's class.

A part of the agent says which actions are its own; the agent itself only passes them on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from nodedns.api.actions import Action, ActionResult

__all__ = ["Orders"]

A = TypeVar("A")


class Orders:
    """A table of actions and what carries them out."""

    def __init__(self) -> None:
        self._by_kind: dict[type, Callable[[Any], Awaitable[ActionResult]]] = {}

    def on(self, kind: type[A], carry_out: Callable[[A], Awaitable[ActionResult]]) -> None:
        """Have actions of exactly this class carried out so; each class has one taker."""
        assert kind not in self._by_kind, kind  # noqa: S101 - two parts of the agent would fight
        self._by_kind[kind] = carry_out

    def on_at_once(self, kind: type[A], carry_out: Callable[[A], ActionResult]) -> None:
        """Do the same with what takes no waiting."""

        async def carry_out_at_once(action: A) -> ActionResult:
            return carry_out(action)

        self.on(kind, carry_out_at_once)

    async def perform(self, action: Action) -> ActionResult:
        """Carry ``action`` out and return what came of it. Raises ``NodednsError``."""
        return await self._by_kind[type(action)](action)

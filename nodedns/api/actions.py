"""Actions: what a request asks the agent to do, as values.

A handler that changes something returns ``Perform``: the shell has the agent
carry the action out and answers ``then`` once it is done, or the error. Where the
answer depends on what came of it, ``then`` is a function of the action's result.
The room itself changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from nodedns.api.request import Response
from nodedns.model.fired_event import FiredEvent
from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode

__all__ = [
    "Action",
    "ActionResult",
    "DeregisterNode",
    "FireEvent",
    "FirePlainEvent",
    "ForceLeave",
    "Join",
    "Leave",
    "Perform",
    "RegisterNode",
]


@attrs.frozen
class Join:
    """Join the pool of the agent at ``address``: IP or host name, with or without a port."""

    address: str


@attrs.frozen
class Leave:
    """Leave the pool gracefully, then stop the agent. Done when the leave is done."""


@attrs.frozen
class ForceLeave:
    """Have the pool take a failed member for left, or forget it (``prune``)."""

    name: NodeName
    prune: bool


@attrs.frozen
class RegisterNode:
    """Keep an external node, over restarts too. Done when it is stored."""

    node: ExternalNode


@attrs.frozen
class DeregisterNode:
    """Forget an external node. Done when that is stored."""

    name: NodeName


@attrs.frozen
class FireEvent:
    """Tell every agent of an event, in Consul's form. Its result is the event."""

    event: FiredEvent


@attrs.frozen
class FirePlainEvent:
    """Tell every member of a plain Serf event. Its result is the event, with its ID and Lamport time.

    Attributes:
        name: Its name.
        payload: Anything.
        can_coalesce: Whether Serf's agents may hand on only the last of several of one name.
    """

    name: str
    payload: bytes
    can_coalesce: bool


Action = Join | Leave | ForceLeave | RegisterNode | DeregisterNode | FireEvent | FirePlainEvent


ActionResult: TypeAlias = object
"""What came of an action: None, or a value of the class that the action's docstring names."""


@attrs.frozen
class Perform:
    """Carry out ``action``; answer ``then``, or what it makes of the result, when that succeeded."""

    action: Action
    then: Response | Callable[[ActionResult], Response]

    def answer(self, result: ActionResult) -> Response:
        """Return the response for what came of the action."""
        return self.then if isinstance(self.then, Response) else self.then(result)

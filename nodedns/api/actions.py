"""Actions: what a request asks the agent to do, as values.

A handler that changes something returns ``Perform``: the shell has the agent
carry the action out and answers ``then`` once it is done, or the error. Where the
answer depends on what came of it, ``then`` is a function of the action's result.
The room itself changes nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs

from nodedns.api.local_actions import LocalAction
from nodedns.api.request import Response
from nodedns.model.fired_event import FiredEvent
from nodedns.model.names import NodeName
from nodedns.table.changes import Registration

__all__ = [
    "Action",
    "ActionResult",
    "FireEvent",
    "FirePlainEvent",
    "ForceLeave",
    "ForgetMissingNames",
    "Join",
    "KeyringReport",
    "KeyringVerb",
    "Leave",
    "OperateKeyring",
    "Perform",
    "Register",
    "Reload",
    "SwitchQueryLog",
]


@attrs.frozen
class Join:
    """Join the pool of the agent at ``address``: IP or host name, with or without a port."""

    address: str


@attrs.frozen
class Leave:
    """Leave the pool gracefully, then stop the agent. Done when the leave is done."""


@attrs.frozen
class Reload:
    """Read the configuration again. Done when it is effective."""


@attrs.frozen
class ForceLeave:
    """Have the pool take a failed member for left, or forget it (``prune``)."""

    name: NodeName
    prune: bool


@attrs.frozen
class Register:
    """Have nodes, services and checks be as told, in order, over restarts too. Done when that is stored."""

    changes: tuple[Registration, ...]


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


class KeyringVerb(enum.Enum):
    """What is done to the gossip keys."""

    LIST = "list"
    INSTALL = "install"
    USE = "use"
    REMOVE = "remove"


@attrs.frozen
class OperateKeyring:
    """Have every member list its gossip keys, or change them. Makes a ``KeyringReport``.

    Attributes:
        verb: What to do.
        key: Base64, as the client sent it; empty for a list.
        relay_factor: How many members relay each answer besides, 0 to 5.
    """

    verb: KeyringVerb
    key: str = attrs.field(default="", repr=False)
    relay_factor: int = 0


@attrs.frozen(kw_only=True)
class KeyringReport:
    """What the members answered.

    Attributes:
        error: Why it did not work everywhere; empty if it did.
        messages: What is to be said of single members, by name.
        keys: How many members have each key, in base64.
        primary_keys: How many members encrypt with each.
        nodes: How many members were asked.
    """

    error: str = ""
    messages: Mapping[str, str] = attrs.field(factory=dict)
    keys: Mapping[str, int] = attrs.field(factory=dict, repr=False)
    primary_keys: Mapping[str, int] = attrs.field(factory=dict, repr=False)
    nodes: int = 0


@attrs.frozen
class SwitchQueryLog:
    """Begin to log each DNS query, or stop."""

    is_on: bool


@attrs.frozen
class ForgetMissingNames:
    """Count anew which missing names DNS is asked for."""


Action = (
    Join
    | Leave
    | Reload
    | ForceLeave
    | Register
    | FireEvent
    | FirePlainEvent
    | OperateKeyring
    | SwitchQueryLog
    | ForgetMissingNames
    | LocalAction
)

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

"""Actions: what a request asks the agent to do, as values.

A handler that changes something returns ``Perform``: the shell has the agent
carry the action out and sends ``then`` once it is done, or the error. The room
itself changes nothing.
"""

from __future__ import annotations

import attrs

from nodedns.api.request import Response
from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode

__all__ = ["Action", "DeregisterNode", "ForceLeave", "Join", "Leave", "Perform", "RegisterNode"]


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


Action = Join | Leave | ForceLeave | RegisterNode | DeregisterNode


@attrs.frozen
class Perform:
    """Carry out ``action``; answer ``then`` when that succeeded."""

    action: Action
    then: Response

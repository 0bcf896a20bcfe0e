"""``ask_pool``: a query to the members through an agent, its replies one by one as they come.

The commands ``query`` and ``reachability`` share it. Source: what ``/v1/agent/query`` sends.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from nodedns.cli.client import AgentClient, ClientError, misshapen

__all__ = ["Reply", "ask_pool"]

SLOWEST_S = 60.0
"""An agent that says nothing for so long beyond the query's own time is not there any more."""
KINDS = ("asked", "ack", "response", "closed")


class Reply(NamedTuple):
    """One thing that happened to a query.

    Attributes:
        kind: ``asked``, ``ack``, ``response`` or ``closed``, the last.
        node: Who sent it; empty for the first and last.
        payload: A response's.
        after_s: Seconds after the question.
    """

    kind: str
    node: str = ""
    payload: bytes = b""
    after_s: float = 0.0


def ask_pool(
    client: AgentClient,
    name: str,
    payload: bytes = b"",
    parameters: Sequence[tuple[str, str]] = (),
    timeout_s: float = 0.0,
) -> Iterator[Reply]:
    """Ask and yield what happens, from ``asked`` to ``closed``; closing the iterator before forgets the query.

    Args:
        client: Of the agent that asks.
        name: What is asked.
        payload: Its argument.
        parameters: Of the HTTP request: filters and the like.
        timeout_s: The query's own time, if one was given.

    Raises:
        ClientError: The agent cannot be asked, refuses, or stopped before the query was closed.
    """
    path = f"/v1/agent/query/{quote(name, safe='')}"
    for line in client.put_lines(path, parameters, payload, quiet_s=timeout_s + SLOWEST_S):
        try:
            reply = _reply(line)
        except (KeyError, TypeError, ValueError):
            raise misshapen(path) from None
        yield reply
        if reply.kind == "closed":
            return
    raise ClientError("the agent stopped before the query's time was over; there may have been more replies")


def _reply(line: Mapping[str, Any]) -> Reply:
    kind = str(line["Type"])
    if kind not in KINDS:
        raise ValueError(kind)
    if kind == "asked":
        return Reply(kind)
    node = str(line["From"]) if kind != "closed" else ""
    payload = base64.b64decode(line["Payload"], validate=True) if kind == "response" else b""
    return Reply(kind, node, payload, float(line["Seconds"]))

"""``GET /v1/agent/monitor``: the agent's log from now on, line by line.

Source: Consul agent/agent_endpoint.go (AgentMonitor).
"""

from __future__ import annotations

import attrs

from nodedns.api.context import ApiContext
from nodedns.api.request import Request
from nodedns.errors import ApiError

__all__ = ["FollowLog", "monitor"]

LEVELS = ("trace", "debug", "info", "warn", "err", "error")
DEFAULT_LEVEL = "info"
MAX_SHOWN_CHARS = 60


@attrs.frozen
class FollowLog:
    """Answer with each line of the log, until the client goes away.

    Attributes:
        level: The finest that is told, in lower case.
        as_json: Whether each line is a JSON object.
    """

    level: str
    as_json: bool


def monitor(request: Request, _rest: str, _ctx: ApiContext) -> FollowLog:
    """Answer ``GET /v1/agent/monitor``: ``loglevel``, and ``logjson``, which is true where it is there."""
    given = request.parameters.first("loglevel")
    level = (given or DEFAULT_LEVEL).lower()
    if level not in LEVELS:
        raise ApiError(400, f"Unknown log level: {given[:MAX_SHOWN_CHARS]}")
    return FollowLog(level, request.parameters.has("logjson"))

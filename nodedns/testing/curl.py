"""``curl``: the real program, asking an agent's HTTP API."""

from __future__ import annotations

from nodedns.testing.loopback import HTTP_PORT, LoneAgent
from nodedns.testing.processes import run_program
from nodedns.testing.programs import require_program

__all__ = ["curl"]


def curl(agent: LoneAgent, path: str, *arguments: str) -> tuple[str, str]:
    """Return status and body of what ``curl`` gets; more of its arguments may be given."""
    program = require_program("curl", package="curl")
    url = f"http://{agent.host}:{HTTP_PORT}{path}"
    done = run_program([program, "-sS", "--write-out", "\n%{http_code}", *arguments, url])
    assert done.code == 0, done.err  # noqa: S101 - a test's own check
    body, _, status = done.out.rpartition("\n")
    return status, body

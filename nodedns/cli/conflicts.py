"""The table of ``nodedns members -conflicts``: names that two agents claim, two lines each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nodedns.cli.client import AgentClient, misshapen
from nodedns.cli.tables import format_table

__all__ = ["CONFLICTS_PATH", "NO_CONFLICTS", "conflicts_text"]

CONFLICTS_PATH = "/v1/agent/conflicts"
HEADER = ("Node", "Claim", "Address", "ID", "Incarnation", "Told by", "Since")
NO_CONFLICTS = "No conflicts."
UNKNOWN = "-"


def conflicts_text(client: AgentClient, *, as_json: bool) -> str:
    """Ask the agent and return what to print.

    Raises:
        ClientError: The agent cannot be asked, or answers something else.
    """
    answer = client.get_list(CONFLICTS_PATH)
    if as_json:
        return json.dumps(answer, indent=4)
    try:
        lines = [line for conflict in answer for line in _lines(conflict)]
    except (KeyError, TypeError, ValueError):
        raise misshapen(CONFLICTS_PATH) from None
    return format_table(HEADER, lines) if lines else NO_CONFLICTS


def _lines(conflict: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    told_by = str(conflict["ToldBy"] or conflict["ToldByAddress"] or UNKNOWN)
    return (
        _line("holder", conflict["Holder"], UNKNOWN, str(conflict["Since"])),
        _line("rival", conflict["Rival"], told_by, str(conflict["Since"])),
    )


def _line(role: str, claimant: Mapping[str, Any], told_by: str, since: str) -> Sequence[str]:
    return (
        str(claimant["Name"]),
        role,
        str(claimant["Address"]),
        str(claimant["ID"]) or UNKNOWN,
        str(int(claimant["Incarnation"]) or UNKNOWN),
        told_by,
        since,
    )

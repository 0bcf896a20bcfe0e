"""``nodedns why``: what happened to a member lately, told so that one can act on it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, int_flag, text_flag
from nodedns.cli.tables import printable

__all__ = ["why"]

WHY_PATH = "/v1/agent/why"
FORMATS = ("text", "json")
DEFAULT_LAST = 50
MAX_LAST = 1000
CLOCK = slice(11, 19)
"""Where RFC 3339 has the time of day."""
DAY = slice(0, 10)
UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


@click.command(
    cls=GoCommand,
    usage="[flags] [<name>]",
    example="nodedns why agent-two",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Tells why a member has the status that it has: who suspected it first and on what grounds, who confirmed
    that, who declared it dead, and what that points to. It is this agent's memory; another agent saw other things.
    Without a name: the last changes of all members. Times are in UTC.""",
)
@text_flag("format", "text|json", "text (the default): the story. json: what the HTTP API gives.")
@int_flag("last", "number", f"Without a name: so many changes, at most {MAX_LAST}. Default: {DEFAULT_LAST}.")
@client_flags
@click.argument("args", nargs=-1)
def why(
    *,
    format: str | None,  # noqa: A002 - the flag's name
    last: int | None,
    http_addr: str | None,
    args: tuple[str, ...],
) -> int:
    """Print the story."""
    _refuse(format, last, args)
    path = f"{WHY_PATH}/{quote(args[0], safe='')}" if args else WHY_PATH
    client = AgentClient.from_flag(http_addr)
    try:
        answer = client.get(path) if args else client.get(path, [("last", str(last or DEFAULT_LAST))])
        shown = json.dumps(answer, indent=4) if format == "json" else _render(answer, path)
    except ClientError as error:
        raise CommandError(f"Error asking why: {error}") from error
    click.echo(shown)
    return 0


def _refuse(format_name: str | None, last: int | None, args: Sequence[str]) -> None:
    if format_name is not None and format_name not in FORMATS:
        raise CommandError(f'-format takes text or json, not "{format_name}".', show_help=True)
    if len(args) > 1:
        raise CommandError("At most one node name may be given.", show_help=True)
    if last is None:
        return
    if args:
        raise CommandError("-last is for the changes of all members; a member's own are all shown.", show_help=True)
    if not 0 < last <= MAX_LAST:
        raise CommandError(f"-last takes a number from 1 to {MAX_LAST}, not {last}.", show_help=True)


def _render(answer: Any, path: str) -> str:  # noqa: ANN401 - JSON has no type
    try:
        lines = _latest(answer) if isinstance(answer, list) else _story(answer)
    except (KeyError, TypeError, ValueError):
        raise misshapen(path) from None
    return "\n".join(map(printable, lines))


def _story(story: Mapping[str, Any]) -> list[str]:
    since = story["SinceSeconds"]
    head = f"{story['Name']}  {story['Status']}"
    head += "" if since is None else f" since {_duration(float(since))}"
    head += ", now suspected" if story["IsSuspected"] else ""
    head += f" ({story['Address']})" if story["Address"] else ""
    return [head, *_entries(list(story["Entries"])), *_probe(story["Probe"]), *(f"  hint: {h}" for h in story["Hints"])]


def _latest(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    named = [{**entry, "Text": f"{entry['Name']}: {entry['Text']}"} for entry in entries]
    return _entries(named)


def _entries(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    if not entries:
        return ["  nothing is remembered of it"]
    lines: list[str] = []
    day = ""
    for entry in entries:
        at = str(entry["At"])
        if at[DAY] != day:
            day = at[DAY]
            lines.append(f"  {day} (UTC)")
        lines.append(f"  {at[CLOCK]}  {entry['Text']}")
    return lines


def _probe(probe: Mapping[str, Any]) -> list[str]:
    lines = []
    if probe["LastAckSecondsAgo"] is not None:
        rtt_ms = 1000 * float(probe["LastRTTSeconds"])
        lines.append(f"  last answer over UDP {_duration(float(probe['LastAckSecondsAgo']))} ago, in {rtt_ms:.1f} ms")
    if probe["LastMissSecondsAgo"] is not None:
        ago = _duration(float(probe["LastMissSecondsAgo"]))
        lines.append(f"  last probe without one {ago} ago: {probe['LastMissDetail']}")
    return lines


def _duration(seconds: float) -> str:
    """Return the two largest units, such as ``2m13s``."""
    left = int(seconds)
    parts: list[str] = []
    for size, unit in UNITS:
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts[:2])

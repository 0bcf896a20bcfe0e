"""``nodedns members``: what this agent's gossip knows of everybody, as Consul's command prints it.

The type of a member is read from its tags: Consul's servers say
``role=consul``; nodedns's agents say ``role=node`` like Consul's clients, and
those of its servers add ``server=1`` to the tag ``nodedns``. A member with
another role or none is a plain Serf member: ``unknown``, and the columns that
only an agent can fill stay blank.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.conflicts import conflicts_text
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, text_flag
from nodedns.cli.tables import format_pairs, format_table, join_host_port

__all__ = ["member_table", "members"]

NO_MATCH = 2
MEMBERS_PATH = "/v1/agent/members"
STATUS_WORDS = ("none", "alive", "leaving", "left", "failed")
HEADER = ("Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Partition", "Segment")
DETAILED_HEADER = ("Node", "Address", "Status", "Tags")
OLDEST_BUILD = "< 0.3"
FORMATS = ("text", "json")


class _Row:
    """One member with the facts that the tables show."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = answer
        self.name = str(answer["Name"])
        self.tags: dict[str, str] = {key: str(value) for key, value in dict(answer["Tags"] or {}).items()}
        self.address = join_host_port(str(answer["Addr"]), int(answer["Port"]))
        number = int(answer["Status"])
        self.status = STATUS_WORDS[number] if 0 <= number < len(STATUS_WORDS) else f"unknown({number})"
        self.kind = _kind_of(self.tags)
        if self.kind != "unknown":
            self.tags["ap"] = self.tags.get("ap") or "default"
            placeholder = "<all>" if self.kind == "server" else "<default>"
            self.tags["segment"] = self.tags.get("segment") or placeholder

    @property
    def sort_key(self) -> tuple[bool, bool, str, str, str]:
        """Servers first, then the default partition, then by segment, partition and name."""
        partition = self.tags.get("ap", "default")
        return (self.kind != "server", partition != "default", self.tags.get("segment", ""), partition, self.name)

    def cells(self) -> tuple[str, ...]:
        """One line of the table."""
        if self.kind == "unknown":
            return (self.name, self.address, self.status, self.kind, "", "", "", "", "")
        build = self.tags.get("build", "").partition(":")[0] or OLDEST_BUILD
        place = (self.tags.get("dc", ""), self.tags["ap"], self.tags["segment"])
        return (self.name, self.address, self.status, self.kind, build, self.tags.get("vsn", ""), *place)

    def detailed_cells(self) -> tuple[str, ...]:
        """One line of the table with all tags."""
        return (self.name, self.address, self.status, format_pairs(self.tags, ","))


def _kind_of(tags: Mapping[str, str]) -> str:
    role = tags.get("role")
    if role == "consul" or ("nodedns" in tags and tags.get("server") == "1"):
        return "server"
    return "client" if role == "node" else "unknown"


@click.command(
    cls=GoCommand,
    example="nodedns members -status=alive",
    absent={
        **ABSENT_CLIENT_FLAGS,
        "segment": "there are no segments.",
    },
    help="""Lists the members of the cluster that the agent knows: alive ones, those that failed, and those that left
    and are not yet forgotten. Exits with 2 when none matches.

    With -conflicts: the names that two live agents claim, each with its holder and its rival: address, node ID,
    incarnation, who told this agent, and since when. Names that differ only in case are one name in DNS, and so a
    conflict too. Mend it by giving one of the two another name (-node). Exits with 0 whether there are any or not.""",
)
@bool_flag("conflicts", "Show the names that two agents claim instead, with both claimants.")
@bool_flag("detailed", "Show every tag of each member instead of the usual columns.")
@text_flag("filter", "expression", "Only members that fit this expression, such as 'Tags[\"dc\"] == dc2'.")
@text_flag("format", "text|json", "text (the default): a table. json: the members as the HTTP API gives them.")
@text_flag("status", "regexp", "Only members whose status (alive, leaving, left, failed) contains a match of this.")
@bool_flag("wan", "Consul's second pool, between datacenters; nodedns has no such pool and refuses.")
@client_flags
@click.argument("args", nargs=-1)
def members(
    *,
    conflicts: bool | None,
    detailed: bool | None,
    filter: str | None,  # noqa: A002 - the flag's name
    format: str | None,  # noqa: A002 - the flag's name
    status: str | None,
    wan: bool | None,
    http_addr: str | None,
    args: tuple[str, ...],
) -> int:
    """Print the table."""
    _refuse(wan=wan, format_name=format, args=args)
    if conflicts:
        _refuse_beside_conflicts(detailed=bool(detailed), status=status is not None, filter=filter is not None)
        return _print_conflicts(http_addr, as_json=format == "json")
    matches = _status_matcher(status)
    query = [("segment", "_all")] + ([("filter", filter)] if filter else [])
    try:
        everybody = _rows(AgentClient.from_flag(http_addr).get_list(MEMBERS_PATH, query))
    except ClientError as error:
        raise CommandError(f"Error retrieving members: {error}") from error
    rows = sorted((row for row in everybody if matches(row.status)), key=lambda row: row.sort_key)
    if not rows:
        return NO_MATCH
    click.echo(_render(rows, detailed=bool(detailed), as_json=format == "json"))
    return 0


def member_table(answer: Sequence[Mapping[str, Any]], *, detailed: bool = False) -> str:
    """Return the table of the members in ``/v1/agent/members``'s answer, servers first, then by name."""
    return _render(sorted(map(_Row, answer), key=lambda row: row.sort_key), detailed=detailed, as_json=False)


def _rows(answer: Sequence[Any]) -> list[_Row]:
    try:
        return [_Row(member) for member in answer]
    except (KeyError, TypeError, ValueError):
        raise misshapen(MEMBERS_PATH) from None


def _refuse(*, wan: bool | None, format_name: str | None, args: Sequence[str]) -> None:
    if wan:
        raise CommandError("-wan: nodedns has one pool of members, the LAN's; there is no WAN pool to show.")
    if format_name is not None and format_name not in FORMATS:
        raise CommandError(f'-format takes text or json, not "{format_name}".', show_help=True)
    if args:
        raise CommandError(f"Error found unexpected args: [{' '.join(args)}]", show_help=True)


def _refuse_beside_conflicts(**given: bool) -> None:
    for flag, is_given in given.items():
        if is_given:
            raise CommandError(f"-{flag} is about members; it does not go with -conflicts.", show_help=True)


def _print_conflicts(http_addr: str | None, *, as_json: bool) -> int:
    try:
        click.echo(conflicts_text(AgentClient.from_flag(http_addr), as_json=as_json))
    except ClientError as error:
        raise CommandError(f"Error retrieving conflicts: {error}") from error
    return 0


def _status_matcher(pattern: str | None) -> Any:  # noqa: ANN401 - a bound method of a compiled pattern
    try:
        return re.compile(pattern or "").search
    except re.error as error:
        raise CommandError(f"Failed to compile status regexp: {error}: {pattern!r}") from error


def _render(rows: Sequence[_Row], *, detailed: bool, as_json: bool) -> str:
    if as_json:
        return json.dumps([row.answer for row in rows], indent=4)
    if detailed:
        return format_table(DETAILED_HEADER, [row.detailed_cells() for row in rows])
    return format_table(HEADER, [row.cells() for row in rows])

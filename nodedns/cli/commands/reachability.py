"""``nodedns reachability``: whether every alive member gets a query and its ack comes back, as Serf's command tests it.

Strategy: everybody is asked ``_serf_ping``. Who is alive in the member list and sends no ack is asked twice
more, once as before and then with the ack relayed by others; which of these came back tells the likely cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag
from nodedns.cli.pool_query import Reply, ask_pool
from nodedns.cli.tables import join_host_port, printable

__all__ = ["reachability"]

MEMBERS_PATH = "/v1/agent/members"
PING = "_serf_ping"
ALIVE = 1
LEFT = 3
FAILED = 4
MAX_RELAYS = 3
"""Enough to find a way around; with fewer other members in the list, Serf relays nothing at all."""
MAX_ASKED_AGAIN = 16
"""Members asked again at once; their names must fit into one query of 1024 bytes."""
MAX_NAMES_BYTES = 600


class _Member(NamedTuple):
    name: str
    address: str
    status: int


@click.command(
    cls=GoCommand,
    example="nodedns reachability -verbose",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Sends a query to every member and lists the alive members whose ack did not come back, each with the likely
    cause. A lost ack means that packets of gossip (UDP) do not get through between that member and this agent. Exits
    with 0 when all were reached, else with 1.

    It takes as long as a query of the cluster's size, 3.2 seconds up to 9 members, and up to three times that when
    somebody is missing.""",
)
@bool_flag("verbose", "Print each ack as it comes, and how long they took.")
@client_flags
@click.argument("args", nargs=-1)
def reachability(*, verbose: bool | None, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Ask everybody, and report."""
    if args:
        raise CommandError(f"Too many arguments (expected 0, got {len(args)})", show_help=True)
    client = AgentClient.from_flag(http_addr)
    try:
        return _test(client, is_verbose=bool(verbose))
    except ClientError as error:
        raise CommandError(f"Error testing reachability: {error}") from error


def _test(client: AgentClient, *, is_verbose: bool) -> int:
    members = _members(client)
    alive = [member for member in members.values() if member.status == ALIVE]
    click.echo(f"Total members: {len(members)}, live members: {len(alive)}")
    click.echo("Starting reachability test...")
    acks = _ping_all(client, is_verbose=is_verbose)
    missing = [member for member in alive if member.name not in acks]
    # Who came while the test ran is no surprise, so look again before wondering.
    extra = [name for name in acks if name not in {member.name for member in alive}]
    if extra:
        now = _members(client)
        extra = [name for name in extra if name not in now or now[name].status != ALIVE]
    if missing:
        _report_missing(client, missing, relays=min(MAX_RELAYS, len(members) - 1))
    elif extra:
        _report_extra(extra)
    else:
        click.echo("Successfully contacted all live nodes")
    return 1 if missing or extra else 0


def _ping_all(client: AgentClient, *, is_verbose: bool) -> dict[str, float]:
    acks: dict[str, float] = {}
    for reply in ask_pool(client, PING):
        if reply.kind == "ack":
            acks[reply.node] = reply.after_s
            if is_verbose:
                click.echo(f"\tAck from '{printable(reply.node)}'")
        elif reply.kind == "closed" and is_verbose:
            last_s = max(acks.values(), default=0.0)
            click.echo(f"Query time: {reply.after_s:.2f} sec, time to last response: {last_s:.2f} sec")
    return acks


def _report_missing(client: AgentClient, missing: Sequence[_Member], *, relays: int) -> None:
    click.echo("Received less acks than live nodes! Missing acks from:")
    for member in missing:
        click.echo(f"\t{printable(member.name)}")
    asked = _asked_again(missing)
    click.echo("Looking for the cause...")
    second = _ping_some(client, asked)
    rest = [member for member in asked if member.name not in second]
    relayed = _ping_some(client, rest, relays=relays) if rest else frozenset[str]()
    now = _members(client)
    for member in missing:
        click.echo(f"\t{printable(member.name)} ({member.address}): " + _cause(member, asked, second, relayed, now))


def _asked_again(missing: Sequence[_Member]) -> list[_Member]:
    asked: list[_Member] = []
    room = MAX_NAMES_BYTES
    for member in missing[:MAX_ASKED_AGAIN]:
        room -= len(member.name.encode("utf-8", "replace"))
        if room < 0:
            break
        asked.append(member)
    return asked


def _ping_some(client: AgentClient, members: Sequence[_Member], relays: int = 0) -> frozenset[str]:
    """Return which of ``members`` acked; done as soon as all have."""
    parameters = [("node", member.name) for member in members] + [("relay-factor", str(relays))]
    wanted = {member.name for member in members}
    acked: set[str] = set()
    replies = ask_pool(client, PING, parameters=parameters)
    for reply in replies:
        acked |= _ack_of(reply) & wanted
        if acked == wanted:
            break
    return frozenset(acked)


def _ack_of(reply: Reply) -> set[str]:
    return {reply.node} if reply.kind == "ack" else set()


def _cause(
    member: _Member,
    asked: Sequence[_Member],
    second: frozenset[str],
    relayed: frozenset[str],
    now: Mapping[str, _Member],
) -> str:
    status = now[member.name].status if member.name in now else LEFT
    if status in {LEFT, FAILED}:
        return "it is gone meanwhile; see nodedns members"
    if member not in asked:
        return "not asked again, there are too many; see what the others have in common"
    if member.name in second:
        return "it acked when asked again, so packets get lost; is the network or that machine overloaded?"
    if member.name in relayed:
        return "its ack comes through other members only; does a firewall or NAT stop its UDP packets to this agent?"
    return (
        "no ack by any way; if it is down, it will show as failed soon; if not, its UDP port is blocked for all, "
        "or what it advertises is not where it can be reached"
    )


def _report_extra(extra: Sequence[str]) -> None:
    click.echo("Received more acks than live nodes! Acks from non-live nodes:")
    for name in extra:
        click.echo(f"\t{printable(name)}")
    click.echo("They answer queries and yet count as gone: this agent's probes, or their answers, get lost on the way.")


def _members(client: AgentClient) -> dict[str, _Member]:
    answer = client.get_list(MEMBERS_PATH, [("segment", "_all")])
    try:
        return {str(row["Name"]): _member(row) for row in answer}
    except (KeyError, TypeError, ValueError):
        raise misshapen(MEMBERS_PATH) from None


def _member(row: Mapping[str, Any]) -> _Member:
    return _Member(str(row["Name"]), join_host_port(str(row["Addr"]), int(row["Port"])), int(row["Status"]))

"""``nodedns rtt``: the estimated round trip between two nodes, from the coordinates that the agent knows.

Source: Consul's command/rtt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag
from nodedns.model.coordinate import Coordinate
from nodedns.model.names import fold

__all__ = ["rtt"]

SELF_PATH = "/v1/agent/self"
NODES_PATH = "/v1/coordinate/nodes"
DATACENTERS_PATH = "/v1/coordinate/datacenters"
WAN_NAME_PARTS = 2


@click.command(
    cls=GoCommand,
    usage="[flags] <node> [<other-node>]",
    example="nodedns rtt agent-two agent-three",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Estimates the round trip between two nodes, from their network coordinates. Without a second node it is the
    one between the first and the agent that is asked.

    An agent knows its own coordinate and those of the members that it has probed: in a cluster of a hundred, all of
    them after two minutes or so.""",
)
@bool_flag("wan", "Ask for nodes of the WAN pool, as NODE.DATACENTER. nodedns has no such pool, so none is found.")
@client_flags
@click.argument("args", nargs=-1)
def rtt(*, wan: bool | None, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Print the estimate."""
    if not 1 <= len(args) <= 2:
        raise CommandError("One or two node names must be specified", show_help=True)
    client = AgentClient.from_flag(http_addr)
    names = args if len(args) == 2 else (args[0], _own_name(client, is_wan=bool(wan)))
    if wan and any(name.count(".") != WAN_NAME_PARTS - 1 for name in names):
        raise CommandError("Node names must be specified as <node name>.<datacenter> with -wan")
    try:
        known = _wan_coordinates(client) if wan else _coordinates(client.get_list(NODES_PATH), NODES_PATH)
    except ClientError as error:
        raise CommandError(f"Error getting coordinates: {error}") from error
    one, other = (_find(known, name) for name in names)
    source = "WAN" if wan else "LAN"
    estimate_ms = one.distance_s(other) * 1000.0
    click.echo(f"Estimated {names[0]} <-> {names[1]} rtt: {estimate_ms:.3f} ms (using {source} coordinates)")
    return 0


def _own_name(client: AgentClient, *, is_wan: bool) -> str:
    try:
        config = client.get_object(SELF_PATH).get("Config")
        if not isinstance(config, dict) or not isinstance(config.get("NodeName"), str):
            raise misshapen(SELF_PATH)
    except ClientError as error:
        raise CommandError(f"Unable to look up agent info: {error}") from error
    name: str = config["NodeName"]
    return f"{name}.{config.get('Datacenter', '')}" if is_wan else name


def _wan_coordinates(client: AgentClient) -> dict[str, Coordinate]:
    known: dict[str, Coordinate] = {}
    for datacenter in client.get_list(DATACENTERS_PATH):
        if not isinstance(datacenter, dict):
            raise misshapen(DATACENTERS_PATH)
        entries = _coordinates(datacenter.get("Coordinates") or (), DATACENTERS_PATH)
        known |= {f"{name}.{fold(str(datacenter.get('Datacenter')))}": entries[name] for name in entries}
    return known


def _coordinates(entries: Iterable[Mapping[str, Any]], path: str) -> dict[str, Coordinate]:
    """Return the coordinates of a list by folded node name."""
    try:
        return {fold(entry["Node"]): _coordinate(entry["Coord"]) for entry in entries}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise misshapen(path) from None


def _coordinate(fields: Mapping[str, Any]) -> Coordinate:
    numbers = (float(fields[key]) for key in ("Error", "Adjustment", "Height"))
    coordinate = Coordinate(tuple(map(float, fields["Vec"])), *numbers)
    if not coordinate.is_valid:
        raise ValueError("no coordinate of eight finite numbers")
    return coordinate


def _find(known: Mapping[str, Coordinate], name: str) -> Coordinate:
    coordinate = known.get(fold(name))
    if coordinate is None:
        raise CommandError(f'Could not find a coordinate for node "{name}"')
    return coordinate

"""``nodedns resolver-config``: what makes the DNS software of a machine ask the agent for its names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, int_flag, list_flag, refuse_late_flags, text_flag

if TYPE_CHECKING:
    from nodedns.cli.resolvers.agent_facts import Given
    from nodedns.cli.resolvers.facts import ResolverFacts
    from nodedns.cli.resolvers.recipe import Recipe, Wishes

__all__ = ["resolver_config"]

SELF_PATH = "/v1/agent/self"
NODES_PATH = "/v1/catalog/nodes"
FORMATS = ("text", "json")
APPLYING = ("yes", "reload", "force")


@click.command(
    cls=GoCommand,
    usage="[flags] <tool>",
    example="nodedns resolver-config -search unbound",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Prints the files and commands with which a program that resolves names asks the agent for the agent's
    names, and goes on asking others for all others. -list shows the programs.

    Addresses, domains and reverse zones are those of the running agent; with -dns-addr no agent is asked.

    Nothing is changed unless -apply is given. Then files of our own are written where the program has a directory for
    such, once the changes were shown and agreed to; -undo takes them back.""",
)
@bool_flag("list", "Print the programs that there is a recipe for.")
@bool_flag("search", "Let a node's name alone be enough, such as agent-two: node.DOMAIN becomes a search domain.")
@text_flag(
    "style",
    "stub|forward|static-stub",
    "Which of a tool's ways. unbound: stub (the default), forward; bind: forward (the default), static-stub.",
)
@int_flag(
    "tool-version",
    "number",
    "The first number of the program's version, where the recipe depends on that. Default: that of the one here.",
)
@text_flag("dir", "path", "Directory of the program's configuration, where it is not Debian's.")
@list_flag("dns-addr", "IP:port", "Where an agent serves DNS; then none is asked. May be given several times.")
@list_flag("domain", "name", "A domain of the agent's, instead of those that it says. May be given several times.")
@list_flag("reverse-zone", "prefix", "A reverse zone, instead of those that the agent has. May be given several times.")
@bool_flag("no-reverse", "Leave reverse zones out.")
@bool_flag("recursion", "With -dns-addr: that agent has recursors, and answers for every name.")
@text_flag("format", "text|json", "text (the default), or json for programs.")
@bool_flag("apply", "Show what would change, ask, and write the files.")
@bool_flag("undo", "Show what would change, ask, and take back what -apply wrote.")
@bool_flag("yes", "With -apply or -undo: do not ask.")
@bool_flag("reload", "With -apply or -undo: run the commands as well that make it effective.")
@bool_flag("force", "With -apply or -undo: also where files were changed since they were written.")
@text_flag("root", "path", "With -apply or -undo: the root directory of the system to be changed. Default: /.")
@client_flags
@click.argument("args", nargs=-1)
def resolver_config(*, http_addr: str | None, args: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401 - click's
    """Print it, or write it, or take it back."""
    # Imported here, as in the agent's command: the help should not wait for it.
    from nodedns.cli.drop_ins import DropInError  # noqa: PLC0415
    from nodedns.cli.resolver_applying import Applying, apply, undo  # noqa: PLC0415
    from nodedns.cli.resolvers.facts import RecipeError  # noqa: PLC0415
    from nodedns.cli.resolvers.recipe import shown  # noqa: PLC0415
    from nodedns.cli.resolvers.tools import TOOLS  # noqa: PLC0415

    if flags["list"]:
        width = max(map(len, TOOLS))
        click.echo("\n".join(f"{name.ljust(width)}  {tool.synopsis}" for name, tool in TOOLS.items()))
        return 0
    name = _tool_name(args, tuple(TOOLS))
    _refuse(flags)
    applying = Applying(
        flags["root"] or "/", is_agreed=bool(flags["yes"]), runs=bool(flags["reload"]), is_forced=bool(flags["force"])
    )
    try:
        if flags["undo"]:
            return undo(name, applying)
        recipe = TOOLS[name].recipe(_facts(_given(flags), http_addr), _wishes(name, flags))
        if flags["apply"]:
            return apply(recipe, applying)
    except ClientError as error:
        raise CommandError(f"Error querying agent: {error}") from error
    except RecipeError as error:
        raise CommandError(f"No configuration for {name}: {error}") from error
    except DropInError as error:
        raise CommandError(f"Cannot configure {name}: {error}") from error
    text = json.dumps(_as_json(recipe), indent=4) + "\n" if flags["format"] == "json" else shown(recipe)
    click.echo(text, nl=False)
    return 0


def _tool_name(args: tuple[str, ...], names: tuple[str, ...]) -> str:
    refuse_late_flags(args)
    if len(args) != 1:
        raise CommandError(f"One tool must be named: {', '.join(names)}", show_help=True)
    if args[0] not in names:
        raise CommandError(f'No tool is called "{args[0]}"; there are {", ".join(names)}')
    return args[0]


def _refuse(flags: dict[str, Any]) -> None:
    if flags["format"] not in (None, *FORMATS):
        raise CommandError(f'-format takes text or json, not "{flags["format"]}".', show_help=True)
    if flags["apply"] and flags["undo"]:
        raise CommandError("Only one of -apply or -undo may be given", show_help=True)
    if flags["apply"] or flags["undo"]:
        return
    for name in APPLYING:
        if flags[name]:
            raise CommandError(f"-{name} needs -apply or -undo: without them nothing is changed", show_help=True)


def _given(flags: dict[str, Any]) -> Given:
    from nodedns.cli.resolvers.agent_facts import Given  # noqa: PLC0415

    return Given(
        flags["dns_addr"],
        flags["domain"],
        flags["reverse_zone"],
        has_no_reverse=bool(flags["no_reverse"]),
        recurses=bool(flags["recursion"]),
    )


def _wishes(name: str, flags: dict[str, Any]) -> Wishes:
    from nodedns.cli.resolver_applying import version_here  # noqa: PLC0415
    from nodedns.cli.resolvers.recipe import Wishes  # noqa: PLC0415

    version = flags["tool_version"]
    if version is None and not flags["root"]:
        version = version_here(name)
    return Wishes(
        search=bool(flags["search"]),
        style=flags["style"] or "",
        version=version,
        folder=(flags["dir"] or "").rstrip("/"),
    )


def _facts(given: Given, http_addr: str | None) -> ResolverFacts:
    from nodedns.cli.resolvers.agent_facts import facts_from_afar, facts_of_agent, facts_of_flags  # noqa: PLC0415

    if given.servers:
        return facts_of_flags(given)
    client = AgentClient.from_flag(http_addr)
    about = client.get_object(SELF_PATH)
    try:
        is_listed = about["DebugConfig"]["reverse_zones"] is not None
        nodes = [] if is_listed else client.get_list(NODES_PATH)
        facts = facts_of_agent(about, nodes, given)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise misshapen(SELF_PATH) from None
    return facts if client.endpoint.is_here else facts_from_afar(facts, client.endpoint.host)


def _as_json(recipe: Recipe) -> dict[str, Any]:
    return {
        "Tool": recipe.tool,
        "Files": [{"Path": file.path, "Text": file.text} for file in recipe.files],
        "Edits": [{"Path": edit.path, "Place": edit.place, "Text": edit.text} for edit in recipe.edits],
        "Commands": [list(command.argv) for command in recipe.commands],
        "Checks": list(recipe.checks),
        "Notes": list(recipe.notes),
    }

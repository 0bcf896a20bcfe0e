"""``main``: from a command line to a command, an exit code and nothing else.

Commands are named in ``COMMANDS`` with the line that the overview shows, and
imported only when they run: ``nodedns members`` must not wait for the
agent's imports. Results go to stdout, errors to stderr. Exit codes are
Consul's: 0, 1 for an error or a wrong flag, 127 without a command or with an
unknown one; a command may have its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import click

from nodedns.cli.goflags import CommandError, GoCommand
from nodedns.cli.groups import CommandGroup

__all__ = ["COMMANDS", "main"]

UNKNOWN_COMMAND = 127
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
VERSION_NAMES = ("v", "version")

COMMANDS: Mapping[str, str] = {
    "agent": "Runs an agent",
    "catalog": "Shows nodes and datacenters",
    "completion": "Prints what makes a shell complete commands, flags and names",
    "demo": "Runs two joined agents on this machine, to try things out",
    "dns": "Shows and logs what DNS is asked",
    "doctor": "Finds out why a name does not resolve, and says what to do",
    "event": "Fires a user event",
    "force-leave": "Turns a failed member into one that left",
    "info": "Shows figures of the running agent",
    "join": "Tells the running agent to join a cluster",
    "keygen": "Makes a gossip encryption key",
    "keyring": "Lists and changes the gossip keys of all members",
    "leave": "Makes the running agent leave the cluster and stop",
    "maint": "Takes a node or a service out of service, or back into it",
    "members": "Lists the members of the cluster",
    "monitor": "Prints the running agent's log",
    "query": "Asks the members of the cluster something",
    "reachability": "Tests whether every member can be reached",
    "reload": "Makes the running agent read its configuration again",
    "resolver-config": "Prints what makes a resolver ask the agent",
    "rtt": "Estimates the round trip between two nodes",
    "services": "Registers services with the running agent, and deregisters them",
    "validate": "Checks configuration files and directories",
    "version": "Prints the version",
    "watch": "Prints a list, or runs a program, whenever it changes",
    "why": "Tells what happened to a member lately",
}
"""Every command and what the overview says about it; ``force-leave`` is in ``commands/force_leave.py``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words behind ``nodedns``; those of the process when ``None``.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0].startswith("-") and words[0].lstrip("-") in VERSION_NAMES:
        words = ["version"]
    try:
        exit_code = _root().main(args=words, prog_name="nodedns", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        return _report(error)
    except BrokenPipeError:
        _forget_stdout()
        return 1
    return int(exit_code or 0)


def _root() -> CommandGroup:
    return CommandGroup(
        name="nodedns",
        prefix="nodedns.cli.commands.",
        synopses=COMMANDS,
        missing_exit_code=UNKNOWN_COMMAND,
        help="nodedns finds the machines of a cluster by gossip and answers DNS for each of them.",
        epilog="Start with: nodedns demo\nHelp for one command: nodedns <command> -h",
    )


def _report(error: click.ClickException) -> int:
    lines = [error.format_message()]
    context = getattr(error, "ctx", None)
    wants_help = isinstance(error, click.UsageError) or (isinstance(error, CommandError) and error.show_help)
    if wants_help and context is not None and isinstance(context.command, GoCommand):
        lines += ["", context.get_help()]
    click.echo("\n".join(lines), err=True)
    return error.status if isinstance(error, CommandError) else 1


def _forget_stdout() -> None:
    # The reader is gone; Python would complain once more when it closes stdout at exit.
    import os  # noqa: PLC0415

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

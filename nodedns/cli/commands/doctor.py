"""``nodedns doctor``: looks a name up as any program does, asks each hop on the way, and says which one is at fault."""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, client_flags
from nodedns.cli.goflags import CommandError, GoCommand, list_flag, refuse_late_flags, text_flag
from nodedns.cli.tables import printable
from nodedns.errors import shorten
from nodedns.model.names import MAX_LABEL_BYTES

__all__ = ["doctor"]

FORMATS = ("text", "json")
ERASE = "\r\x1b[K"
MAX_SHOWN_CHARS = 76
"""Of a line of progress, which must not wrap."""


@click.command(
    cls=GoCommand,
    usage="[flags] [<name>]",
    example="nodedns doctor agent-two.node.consul",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Looks a name up through this host's own resolver, as ssh does, and then at each hop on the way: the agent,
    its DNS, the nameservers of /etc/resolv.conf, systemd-resolved, nsswitch.conf, the search list. Says of each
    whether it works and, if not, what to do. Looks at the agent's peers, gossip keys and clock as well, and, where no
    agent runs, at what would stop one from starting. Without a name: this agent's own. A name without a domain, such as
    agent-two, is examined as it stands, too.

    Nothing is changed. Questions go to this host's own nameservers, its agent and the agent's peers only. It takes a
    second or two where all is well, and at most 60 seconds.

    Exits with 0 when nothing is broken, 1 when something is, 2 when something could not be examined and nothing
    else is broken.""",
)
@list_flag(
    "config-file",
    "path",
    "Configuration of an agent that does not run, a file or a directory; says what would be wrong at its start. May "
    "be repeated.",
    alias="config-dir",
)
@text_flag("format", "text|json", "text (the default): a line for each hop. json: the same for scripts.")
@client_flags
@click.argument("args", nargs=-1)
def doctor(
    *,
    config_file: tuple[str, ...],
    format: str | None,  # noqa: A002 - the flag's name
    http_addr: str | None,
    args: tuple[str, ...],
) -> int:
    """Examine, judge, and report."""
    _refuse(format, args)
    # Imported here: the help of this command should not wait for a DNS library and the configuration room.
    import time  # noqa: PLC0415
    from random import SystemRandom  # noqa: PLC0415

    from nodedns.cli.doctor.examine import Examiner  # noqa: PLC0415
    from nodedns.cli.doctor.finding import exit_status, rendered  # noqa: PLC0415
    from nodedns.cli.doctor.judge import judge  # noqa: PLC0415

    is_watched = sys.stderr.isatty() and format != "json"
    examiner = Examiner(
        args[0] if args else None,
        http_addr,
        [Path(path) for path in config_file],
        clock=time.monotonic,  # noqa: TID251 - where real time enters
        wall_clock=time.time,  # noqa: TID251 - likewise
        rng=SystemRandom(),
        tell=_show if is_watched else _keep_quiet,
    )
    facts = examiner.examine()
    if is_watched:
        click.echo(ERASE, nl=False, err=True)
    findings = judge(facts)
    status = exit_status(findings)
    if format == "json":
        value = {
            "Name": facts.subject.name,
            "Status": status,
            "Findings": [finding.shape() for finding in findings],
        }
        click.echo(json.dumps(value, indent=4))
    else:
        click.echo(rendered(findings))
    return status


def _refuse(format_name: str | None, args: Sequence[str]) -> None:
    if format_name is not None and format_name not in FORMATS:
        raise CommandError(f'-format takes text or json, not "{format_name}".', show_help=True, status=2)
    refuse_late_flags(args, status=2)
    if len(args) > 1:
        raise CommandError("At most one name may be given.", show_help=True, status=2)
    for name in args:
        if _is_address(name):
            raise CommandError(
                f"{printable(name)} is an address; give a node's name (nodedns members lists them).", status=2
            )
        if not _can_be_spelt(name):
            rule = f"a name has parts of 1 to {MAX_LABEL_BYTES} bytes with dots between them"
            raise CommandError(f"{printable(shorten(name))} is no name that DNS can spell: {rule}.", status=2)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _can_be_spelt(name: str) -> bool:
    labels = name.removesuffix(".").split(".")
    return all(0 < len(label.encode(errors="replace")) <= MAX_LABEL_BYTES for label in labels)


def _show(text: str) -> None:
    click.echo(f"{ERASE}{printable(text)[:MAX_SHOWN_CHARS]}...", nl=False, err=True)


def _keep_quiet(_text: str) -> None:
    pass

"""``Recipe``: all that one program needs to ask an agent: files, lines, commands, and what to know.

A ``DropIn`` is a file of ours alone in a directory that the program reads whole,
so it can be written and taken away again without touching anybody's. ``ByHand`` is
what has to go into a file that is somebody's already. ``shown`` makes the text that people read.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import attrs

from nodedns.cli.resolvers.facts import ResolverFacts, Server

__all__ = [
    "PASSES_ON",
    "ByHand",
    "Command",
    "DropIn",
    "Recipe",
    "Wishes",
    "checks_of",
    "first_line",
    "resolv_conf_of",
    "shown",
]

WIDTH = 100
PASSES_ON = (
    "It passes on what the agent says and follows no alias itself: for nodes registered with a host name from "
    "elsewhere, give the agent recursors."
)
"""A note for programs that do not resolve."""
LOOPBACK = "127.0.0.1"


@attrs.frozen(kw_only=True)
class Wishes:
    """What the user wants of a recipe.

    Attributes:
        search: Whether a node's name alone should be found.
        style: One of the tool's ways, empty for its usual one.
        version: The first number of the program's version; ``None`` for any that is still looked after.
        folder: Where its drop-in files lie, empty for Debian's place.
    """

    search: bool = False
    style: str = ""
    version: int | None = None
    folder: str = ""


@attrs.frozen
class DropIn:
    """A file of ours alone.

    Attributes:
        path: Where it goes.
        text: All of it.
        sign: What is there where the program is installed.
    """

    path: str
    text: str
    sign: str


@attrs.frozen
class ByHand:
    """Text for a file that is not ours.

    Attributes:
        path: The file.
        text: To be put into it.
        place: Where in it, and instead of what.
    """

    path: str
    text: str
    place: str


@attrs.frozen
class Command:
    """A command that makes the files effective.

    Attributes:
        argv: Its words.
        is_check: Whether it only looks whether the files are right.
        undo: What takes it back; the same command where nothing is said.
    """

    argv: tuple[str, ...]
    is_check: bool = False
    undo: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Recipe:
    """All that one program needs.

    Attributes:
        tool: The program's name.
        files: Written by ``-apply``.
        edits: Left to the user.
        commands: To run then, in order.
        checks: Command lines that show whether it works.
        notes: What else there is to know, a sentence or two each.
    """

    tool: str
    files: tuple[DropIn, ...] = ()
    edits: tuple[ByHand, ...] = ()
    commands: tuple[Command, ...] = ()
    checks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def first_line(tool: str, comment: str = "#") -> str:
    """Return the line that says whose file it is."""
    return f"{comment} Made by: nodedns resolver-config {tool}"


def checks_of(facts: ResolverFacts, wishes: Wishes) -> tuple[str, ...]:
    """Return the look-ups that any program on the machine makes."""
    alone = facts.sample.removesuffix(f".{facts.search_domain}")
    is_node = alone != facts.sample
    return (f"getent hosts {facts.sample}", *([f"getent hosts {alone}"] if wishes.search and is_node else []))


def resolv_conf_of(facts: ResolverFacts, wishes: Wishes, server: Server | None = None) -> ByHand:
    """Return what makes the C library ask a server on port 53; this machine's own resolver unless given."""
    host = server.host if server else LOOPBACK
    lines = [f"nameserver {host}", *([f"search {facts.search_domain}"] if wishes.search else [])]
    place = "instead of the nameserver lines"
    if wishes.search:
        place += "; other names of a search line that is there go behind ours"
    return ByHand("/etc/resolv.conf", _text(lines), place)


def shown(recipe: Recipe) -> str:
    """Return the recipe as text for people, with a final newline."""
    return "\n".join(f"{block}\n" for block in _blocks(recipe))


def _blocks(recipe: Recipe) -> Iterator[str]:
    for file in recipe.files:
        yield f"==> {file.path} <==\n{file.text.rstrip()}"
    for edit in recipe.edits:
        yield f"==> {edit.path}: {edit.place} <==\n{edit.text.rstrip()}"
    if recipe.commands:
        yield _listed("then run", [" ".join(command.argv) for command in recipe.commands])
    if recipe.checks:
        yield _listed("and see whether it works", recipe.checks)
    if recipe.notes:
        yield _listed("to know", [_wrapped(note) for note in recipe.notes])


def _listed(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"==> {title} <==", *lines])


def _wrapped(note: str) -> str:
    return textwrap.fill(
        note, WIDTH, initial_indent="* ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)

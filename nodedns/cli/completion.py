"""``candidates``: what can stand at the end of a command line, for a shell that completes it.

Strategy: the words are read as the command itself would read them (``goflags``): which command, which flags,
and whether the last word is a command, a flag, a flag's value or an argument. Commands and flags come from where
they are declared. Names of nodes and services come from the agent that the command would ask; that has
``ANSWER_S``, and where there is no answer there are no names, and nobody is told: whoever presses a key does not want
to read an error.

What a name is, whoever is in the pool decides, and bash writes it into the command line as it is. So only names that
no shell obeys, and that are no flags, are offered; others have to be typed.

Does not know the shells (``completion_scripts.py``).
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

import attrs
import click

from nodedns.cli.goflags import GoCommand, GoOption
from nodedns.cli.groups import CommandGroup
from nodedns.errors import NodednsError

__all__ = ["ANSWER_S", "FILES", "MAX_CANDIDATES", "Candidate", "candidates"]

ANSWER_S = 0.15
"""For the agent: with the start of the program, a key is answered within 0.3 s."""
MAX_CANDIDATES = 1_000
"""Ours: a shell asks before it shows a hundred; more than this nobody chooses from."""

_SAFE_NAME = re.compile(r"\w[\w.:@%+,/-]*")

NODES, MEMBERS, SERVICES, OWN_SERVICES, SHELLS, TOOLS = (
    "nodes",
    "members",
    "services",
    "own services",
    "shells",
    "tools",
)
_FILE_METAVARS = frozenset({"path", "file", "directory", "file|directory"})

_ARGUMENTS: Mapping[str, str] = {
    "completion": SHELLS,
    "doctor": NODES,
    "force-leave": MEMBERS,
    "resolver-config": TOOLS,
    "rtt": NODES,
    "services deregister": "files",
    "services register": "files",
    "validate": "files",
    "watch": "files",
    "why": MEMBERS,
}
"""What the arguments of a command are."""

_VALUES: Mapping[str, str] = {
    "catalog nodes -near": NODES,
    "catalog nodes -service": SERVICES,
    "catalog services -node": NODES,
    "event -node": MEMBERS,
    "event -service": SERVICES,
    "maint -service": OWN_SERVICES,
    "query -node": MEMBERS,
    "services deregister -id": OWN_SERVICES,
    "watch -service": SERVICES,
}
"""What the values of a flag are, where its metavar does not say it."""


@attrs.frozen
class Candidate:
    """One way to go on.

    Attributes:
        text: The whole last word.
        note: What it means; empty for nothing to say.
        is_open: Whether more of the same word follows: a flag's value.
    """

    text: str
    note: str = ""
    is_open: bool = False


FILES = Candidate("")
"""Stands for the names of files, which the shell knows itself."""


class _Late(BaseException):
    """The agent takes too long; nothing that waits for it may catch this."""


def candidates(root: CommandGroup, words: Sequence[str]) -> list[Candidate]:
    """Return what the last of ``words`` can become, at most ``MAX_CANDIDATES``.

    Args:
        root: The command that the first word names.
        words: Of the command line up to the cursor; the last is empty where a new one begins.
    """
    command: click.Command = root
    rest, path = list(words[1:]), []
    while isinstance(command, CommandGroup) and len(rest) > 1 and rest[0] in command.synopses:
        path.append(rest.pop(0))
        command = command.command(path[-1])
    if isinstance(command, CommandGroup):
        known = [Candidate(name, note) for name, note in sorted(command.synopses.items())] if len(rest) <= 1 else []
        return _fitting(known, rest[-1] if rest else "")
    return _of_command(command, " ".join(path), rest) if isinstance(command, GoCommand) else []


def _of_command(command: GoCommand, path: str, words: Sequence[str]) -> list[Candidate]:
    options = command.go_options()
    last, flags, is_argument = words[-1], _Flags(), False
    before = list(words[:-1])
    while before and not is_argument:
        word = before.pop(0)
        if word == "--" or not word.startswith("-") or word == "-":
            is_argument = True
            break
        name, equals, value = word.lstrip("-").partition("=")
        option = options.get(name)
        if not equals and option is not None and not option.is_go_bool:
            if not before:
                return _values(option, path, name, last, flags)
            value = before.pop(0)
        flags.note(name, value)
    if is_argument or not last.startswith("-"):
        return _fitting(_named(_ARGUMENTS.get(path, ""), flags), last)
    dashes = "--" if last.startswith("--") else "-"
    name, equals, value = last.removeprefix(dashes).partition("=")
    if equals:
        option = options.get(name)
        found = _values(option, path, name, value, flags) if option else []
        return [one if one is FILES else attrs.evolve(one, text=f"{dashes}{name}={one.text}") for one in found]
    return _fitting([_flag(dashes, name, option) for name, option in sorted(options.items())], last)


class _Flags:
    """The flags that stand before the last word, which say whom to ask."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}

    def note(self, name: str, value: str) -> None:
        """Take one; of the same twice, the last counts."""
        self.given[name] = value


def _flag(dashes: str, name: str, option: GoOption) -> Candidate:
    note = (option.help or "").partition(". ")[0].rstrip(".")
    return Candidate(f"{dashes}{name}{'' if option.is_go_bool else '='}", note, not option.is_go_bool)


def _values(option: GoOption, path: str, name: str, last: str, flags: _Flags) -> list[Candidate]:
    metavar = option.metavar or ""
    if option.is_go_bool:
        return _fitting([Candidate("true"), Candidate("false")], last)
    kind = _VALUES.get(f"{path} -{option.go_names[0]}", _VALUES.get(f"{path} -{name}", ""))
    if kind:
        return _fitting(_named(kind, flags), last)
    if metavar in _FILE_METAVARS:
        return [FILES]
    if "|" in metavar:
        return _fitting([Candidate(word) for word in metavar.split("|")], last)
    return []


def _fitting(known: Sequence[Candidate], last: str) -> list[Candidate]:
    return [one for one in known if one is FILES or one.text.startswith(last)][:MAX_CANDIDATES]


# --- names that only an agent knows ---------------------------------------------------------


def _named(kind: str, flags: _Flags) -> list[Candidate]:
    if kind == "files":
        return [FILES]
    if kind == SHELLS:
        from nodedns.cli.completion_scripts import SCRIPTS  # noqa: PLC0415

        return [Candidate(shell) for shell in SCRIPTS]
    if kind == TOOLS:
        from nodedns.cli.resolvers.tools import TOOLS as KNOWN  # noqa: PLC0415

        return [Candidate(name, tool.synopsis) for name, tool in KNOWN.items()]
    asked = _QUESTIONS.get(kind)
    return sorted(_ask(asked, flags), key=lambda one: one.text) if asked else []


def _ask(question: tuple[str, Callable[[object], Iterator[Candidate]]], flags: _Flags) -> list[Candidate]:
    # Imported here: commands and flags are completed without them, and faster.
    from nodedns.cli.client import AgentClient  # noqa: PLC0415
    from nodedns.cli.client_settings import ClientSettings  # noqa: PLC0415
    from nodedns.cli.endpoint import ADDRESS_VARIABLE, DEFAULT_ADDRESS, parse_endpoint  # noqa: PLC0415

    path, read = question
    try:
        with _at_most(ANSWER_S):
            settings = ClientSettings(flags.given)
            address = flags.given.get("http-addr") or os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS
            endpoint = parse_endpoint(address, is_tls=settings.is_tls)
            told = read(AgentClient(endpoint, settings, connect_s=ANSWER_S).get(path))
            return [one for one in told if _SAFE_NAME.fullmatch(one.text)]
    except (_Late, NodednsError, click.ClickException, OSError, TypeError, KeyError, ValueError):
        return []  # nothing to choose from, and no line to read


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def end(_signum: int, _frame: FrameType | None) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _rows(answer: object, name: str, note: str) -> Iterator[Candidate]:
    for row in answer if isinstance(answer, list) else []:
        yield Candidate(str(row[name]), str(row[note]))


def _services(answer: object) -> Iterator[Candidate]:
    for name, tags in answer.items() if isinstance(answer, dict) else ():
        yield Candidate(str(name), " ".join(map(str, tags or ())))


def _own_services(answer: object) -> Iterator[Candidate]:
    for service_id, service in answer.items() if isinstance(answer, dict) else ():
        yield Candidate(str(service_id), str(service["Service"]))


_QUESTIONS: Mapping[str, tuple[str, Callable[[object], Iterator[Candidate]]]] = {
    NODES: ("/v1/catalog/nodes", lambda answer: _rows(answer, "Node", "Address")),
    MEMBERS: ("/v1/agent/members", lambda answer: _rows(answer, "Name", "Addr")),
    SERVICES: ("/v1/catalog/services", _services),
    OWN_SERVICES: ("/v1/agent/services", _own_services),
}

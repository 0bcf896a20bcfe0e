from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable

import pytest

from nodedns import __version__
from nodedns.cli.commands.catalog import CATALOG_COMMANDS
from nodedns.cli.commands.dns import DNS_COMMANDS
from nodedns.cli.commands.services import SERVICES_COMMANDS
from nodedns.cli.main import COMMANDS

Shell = Callable[..., tuple[int, str, str]]

GROUPS = {"catalog": CATALOG_COMMANDS, "dns": DNS_COMMANDS, "services": SERVICES_COMMANDS}
LEAVES = sorted({*COMMANDS, *(f"{group} {name}" for group in GROUPS for name in GROUPS[group])} - GROUPS.keys())


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nodedns", *words], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [((), 127), (("bogus",), 127), (("-bogus",), 127), (("catalog",), 1), (("catalog", "bogus"), 1)],
)
def test_missing_command_prints_usage_on_stderr(shell: Shell, words: tuple[str, ...], exit_code: int) -> None:
    code, out, err = shell(*words)
    assert (exit_code, "") == (code, out)
    assert "Usage: nodedns" in err


@pytest.mark.parametrize("word", ["-h", "--help", "-help"])
def test_help_of_everything_names_every_command(shell: Shell, word: str) -> None:
    code, out, err = shell(word)
    assert (0, "") == (code, err)
    assert [] == [name for name in COMMANDS if f"    {name} " not in out]


@pytest.mark.parametrize("word", ["-v", "--version", "-version", "version"])
def test_version_is_printed(shell: Shell, word: str) -> None:
    expected = f"nodedns v{__version__}\nProtocol 2 spoken by default, understands 2 to 3\n"
    assert (0, expected, "") == shell(word)


def test_version_is_printed_as_json(shell: Shell) -> None:
    code, out, _ = shell("version", "-format=json")
    assert 0 == code
    assert {"Default": 2, "Min": 2, "Max": 3} == json.loads(out)["RPC"]
    assert __version__ == json.loads(out)["Version"]


@pytest.mark.parametrize("command", LEAVES)
def test_help_of_a_command_teaches(shell: Shell, command: str) -> None:
    code, out, err = shell(*command.split(), "-h")
    assert (0, "") == (code, err)
    assert out.startswith(f"Usage: nodedns {command}")
    assert f"\n    nodedns {command}" in out, "the help has an example"
    assert "<<" not in out, "values are put in brackets by the printer of the help"


@pytest.mark.parametrize("command", LEAVES)
def test_wrong_flag_prints_message_and_help_and_exits_with_1(shell: Shell, command: str) -> None:
    code, out, err = shell(*command.split(), "-bogus")
    assert (1, "") == (code, out)
    assert err.startswith(f"flag provided but not defined: -bogus\n\nUsage: nodedns {command}")


@pytest.mark.parametrize("command", ["leave", "info", "keygen", "version", "members"])
def test_command_without_arguments_takes_none(shell: Shell, command: str) -> None:
    code, _, err = shell(command, "x", "y")
    assert 1 == code
    assert err.startswith(f"Error found unexpected args: [x y]\n\nUsage: nodedns {command}")


@pytest.mark.parametrize("command", ["version", "members"])
def test_unknown_format_is_refused(shell: Shell, command: str) -> None:
    code, _, err = shell(command, "-format=xml")
    assert 1 == code
    assert 'not "xml"' in err


def test_key_is_32_random_bytes(shell: Shell) -> None:
    (first, second) = (shell("keygen"), shell("keygen"))
    assert 32 == len(b64decode(first[1], validate=False))
    assert 45 == len(first[1])
    assert first != second


def test_process_exits_with_the_code(tmp_path: object) -> None:
    assert 0 == run("version").returncode
    assert 1 == run("keygen", "x").returncode
    assert 127 == run("bogus").returncode


def test_reader_that_went_away_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "nodedns", "version"], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(writer)
    assert (1, b"") == (process.returncode, process.stderr)


def test_members_does_not_import_what_only_an_agent_needs() -> None:
    code = (
        "import sys; from nodedns.cli.main import main; main(['members', '-http-addr=127.0.0.1:1']);"
        "print(sorted({'trio', 'attr', 'cattrs', 'dnslib', 'http.client', 'logging'} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "[]\n" == process.stdout

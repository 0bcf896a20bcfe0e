from __future__ import annotations

import click
import pytest

from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, int_flag, list_flag, text_flag

Values = dict[str, object]


def parse(*words: str) -> Values:
    """Return what a command with one flag of each kind is called with."""
    seen: Values = {}

    @click.command(cls=GoCommand, absent={"token": "there are no tokens."})
    @bool_flag("server", "Run as a server.")
    @int_flag("port", "number", "A port.")
    @text_flag("node", "name", "A name.")
    @list_flag("join", "address", "An address.", alias="old-join")
    @click.argument("args", nargs=-1)
    def command(**values: object) -> None:
        seen.update({name: value for name, value in values.items() if value not in (None, ())})

    command.main(args=list(words), prog_name="x", standalone_mode=False)
    return seen


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("", {}),
        ("-server", {"server": True}),
        ("--server", {"server": True}),
        ("-server=false", {"server": False}),
        ("--server=F", {"server": False}),
        ("-server=1", {"server": True}),
        ("-server false", {"server": True, "args": ("false",)}),
        ("-server foo", {"server": True, "args": ("foo",)}),
        ("-server -server=false", {"server": False}),
        ("-node x", {"node": "x"}),
        ("-node=x", {"node": "x"}),
        ("--node x", {"node": "x"}),
        ("-node=", {"node": ""}),
        ("-node=a=b", {"node": "a=b"}),
        ("-node -server", {"node": "-server"}),
        ("-node a -node b", {"node": "b"}),
        ("-port -1", {"port": -1}),
        ("-port=8600", {"port": 8600}),
        ("-join a -old-join=b --join c", {"join": ("a", "b", "c")}),
        ("foo -server", {"args": ("foo", "-server")}),
        ("-server -- -node x", {"server": True, "args": ("-node", "x")}),
        ("- -server", {"args": ("-", "-server")}),
        ("-node x --", {"node": "x"}),
    ],
)
def test_line_is_read_as_go_reads_it(line: str, values: Values) -> None:
    assert values == parse(*line.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-serve", "flag provided but not defined: -serve"),
        ("--server-x=1", "flag provided but not defined: -server-x"),
        ("-node", "flag needs an argument: -node"),
        ("-server=maybe", 'invalid boolean value "maybe" for -server: parse error'),
        ("-server=", 'invalid boolean value "" for -server: parse error'),
        ("-port=x", 'invalid value "x" for flag -port: parse error'),
        ("---server", "bad flag syntax: ---server"),
        ("-=x", "bad flag syntax: -=x"),
        ("-token=x", "Consul's flag -token is not in nodedns: there are no tokens."),
    ],
)
def test_wrong_flag_is_refused_in_go_words(line: str, message: str) -> None:
    with pytest.raises(click.UsageError) as refusal:
        parse(*line.split())
    assert message == refusal.value.format_message()


@pytest.mark.parametrize("word", ["-h", "--h", "-help", "--help"])
def test_help_is_printed_and_the_command_not_run(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert {} == parse("-server", word, "-nonsense")
    lines = capsys.readouterr().out.splitlines()
    assert "Usage: x [flags]" == lines[0]
    assert ["  -join=<address>, -old-join=<address>", "      An address."] == lines[4:6]


def test_command_error_outside_of_a_command_has_no_context() -> None:
    assert CommandError("x").ctx is None

"""Token and certificates of the client: flags before variables, files named when they are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodedns.cli.client_settings import ClientSettings
from nodedns.cli.client_tls import client_context
from nodedns.cli.endpoint import parse_endpoint
from nodedns.cli.goflags import CommandError
from nodedns.testing.certificates import Authority

Shell = Callable[..., tuple[int, str, str]]


def files(folder: Path, **contents: str) -> dict[str, str]:
    paths = {}
    for name, content in contents.items():
        path = folder / name
        path.write_text(content)
        paths[name] = str(path)
    return paths


@pytest.mark.parametrize(
    ("flags", "variables", "token"),
    [
        ({}, {}, ""),
        ({"token": "flag"}, {"TOKEN": "variable"}, "flag"),
        ({"token": "flag", "token-file": "one"}, {}, "from-one"),
        ({}, {"TOKEN": "variable"}, "variable"),
        ({}, {"TOKEN": "variable", "TOKEN_FILE": "two"}, "from-two"),
        ({"token": "flag"}, {"TOKEN_FILE": "two"}, "flag"),
        ({"token-file": "one"}, {"TOKEN": "variable"}, "from-one"),
    ],
)
def test_token_is_found(tmp_path: Path, flags: dict[str, str], variables: dict[str, str], token: str) -> None:
    paths = files(tmp_path, one="from-one\n", two="  from-two  ")
    given = {name: paths.get(value, value) for name, value in flags.items()}
    environment = {f"CONSUL_HTTP_{name}": paths.get(value, value) for name, value in variables.items()}
    assert token == ClientSettings(given, environment).token


@pytest.mark.parametrize("content", ["", "a b", "a\nb", "t\u00e9st", "x" * 5_000])
def test_file_that_holds_no_token_is_named(tmp_path: Path, content: str) -> None:
    path = files(tmp_path, one=content)["one"]
    with pytest.raises(CommandError, match=f"the token file {path} holds no token"):
        ClientSettings({"token-file": path}, {})


def test_token_file_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandError, match="Error loading token file /absent: no such file or directory"):
        ClientSettings({}, {"CONSUL_HTTP_TOKEN_FILE": "/absent"})


@pytest.mark.parametrize(("word", "is_tls"), [("", False), ("true", True), ("1", True), ("false", False)])
def test_variable_turns_tls_on_where_the_address_has_no_scheme(word: str, is_tls: bool) -> None:
    settings = ClientSettings({}, {"CONSUL_HTTP_SSL": word})
    assert is_tls is parse_endpoint("host:1", is_tls=settings.is_tls).is_tls
    assert not parse_endpoint("http://host:1", is_tls=settings.is_tls).is_tls
    assert parse_endpoint("https://host:1", is_tls=settings.is_tls).is_tls


def test_variable_that_is_no_boolean_is_named() -> None:
    with pytest.raises(CommandError, match="could not parse CONSUL_HTTP_SSL: 'maybe' is neither true nor false"):
        ClientSettings({}, {"CONSUL_HTTP_SSL": "maybe"})


def test_request_carries_the_token_and_the_user(fake_agent: Any, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSUL_HTTP_AUTH", "me:pass")
    fake_agent.answer("PUT /v1/agent/leave", text="")
    assert 0 == shell("leave", "-token=secret")[0]
    assert ("secret", "Basic bWU6cGFzcw==") == (
        fake_agent.headers[-1]["x-consul-token"],
        fake_agent.headers[-1]["authorization"],
    )


def test_request_without_a_token_says_nothing_of_one(fake_agent: Any, shell: Shell) -> None:
    fake_agent.answer("PUT /v1/agent/leave", text="")
    assert 0 == shell("leave")[0]
    assert {"x-consul-token", "authorization"}.isdisjoint(fake_agent.headers[-1])


@pytest.mark.parametrize("flag", ["ca-file", "ca-path", "client-cert"])
def test_file_that_cannot_be_used_is_named(tmp_path: Path, flag: str) -> None:
    given = {flag: "/absent", "client-key": "/absent"} if flag == "client-cert" else {flag: "/absent"}
    with pytest.raises(CommandError, match=r"Error loading .* /absent"):
        client_context(ClientSettings(given, {}))


def test_half_a_certificate_is_refused() -> None:
    with pytest.raises(CommandError, match="-client-cert and -client-key must be given together"):
        client_context(ClientSettings({"client-cert": "/x"}, {}))


def test_locked_key_is_refused_without_asking_anybody(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("client", password=b"secret")
    given = {"client-cert": str(issued.certificate), "client-key": str(issued.key)}
    with pytest.raises(CommandError, match="Error loading client certificate from"):
        client_context(ClientSettings(given, {}))


def test_directory_of_authorities_is_read(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Authority(tmp_path, name)
    assert 2 == len(client_context(ClientSettings({}, {"CONSUL_CAPATH": str(tmp_path)})).get_ca_certs())

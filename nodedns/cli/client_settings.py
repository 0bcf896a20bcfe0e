"""``ClientSettings``: whom to ask, with which token and certificates, from flags and the environment.

Every command that asks an agent has these flags through ``client_flags``. Their values go into click's
context and not into the command's arguments: ``client_settings`` reads them where the client is made. A flag counts
before its variable.

Source: Consul's command/flags/http.go and its API client's variables. One thing differs: a token given as a flag
counts before a token file given as a variable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from nodedns.cli.endpoint import ADDRESS_VARIABLE, DEFAULT_ADDRESS
from nodedns.cli.goflags import FALSE_WORDS, TRUE_WORDS, CommandError, GoOption, text_flag

__all__ = ["ABSENT_CLIENT_FLAGS", "ClientSettings", "client_flags", "client_settings"]

MAX_TOKEN_BYTES = 4_096

ABSENT_CLIENT_FLAGS: Mapping[str, str] = {
    "namespace": "there are no namespaces.",
    "partition": "there are no partitions.",
}
"""Flags of Consul's clients that no command of nodedns has."""

_IN_CONTEXT = "nodedns.client"
_FLAGS: Mapping[str, tuple[str, str]] = {
    "ca-file": (
        "path",
        "Authorities to check the agent's certificate against, in PEM. Default: $CONSUL_CACERT.",
    ),
    "ca-path": ("path", "A directory of such files. Default: $CONSUL_CAPATH."),
    "client-cert": ("path", "Our own certificate, for agents that ask for one. Default: $CONSUL_CLIENT_CERT."),
    "client-key": ("path", "The key of -client-cert. Default: $CONSUL_CLIENT_KEY."),
    "tls-server-name": ("name", "The name that the agent's certificate must have. Default: $CONSUL_TLS_SERVER_NAME."),
    "token": (
        "token",
        "The token to ask with. Default: $CONSUL_HTTP_TOKEN. Others on this machine can see it; a file is better.",
    ),
    "token-file": ("path", "A file that holds the token; it counts before -token. Default: $CONSUL_HTTP_TOKEN_FILE."),
}

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class ClientSettings:
    """What the client is told; empty for nothing.

    Attributes:
        token: Sent with each request.
        basic_auth: ``user:password``, likewise, for a proxy in front of the agent.
        is_tls: Whether an address without a scheme means https.
        verifies: Whether the agent's certificate is looked at.
        ca_file: Authorities in PEM.
        ca_path: A directory of such files.
        client_cert: Our own certificate.
        client_key: Its key.
        server_name: The name that the agent's certificate must have, instead of the host's.
    """

    def __init__(self, given: Mapping[str, str] | None = None, environment: Mapping[str, str] = os.environ) -> None:
        flags = given or {}

        def value(flag: str, variable: str) -> str:
            return flags.get(flag) or environment.get(variable, "")

        self.token = _token(flags, environment)
        self.basic_auth = environment.get("CONSUL_HTTP_AUTH", "")
        self.is_tls = _is_set(environment, "CONSUL_HTTP_SSL", default=False)
        self.verifies = _is_set(environment, "CONSUL_HTTP_SSL_VERIFY", default=True)
        self.ca_file = value("ca-file", "CONSUL_CACERT")
        self.ca_path = value("ca-path", "CONSUL_CAPATH")
        self.client_cert = value("client-cert", "CONSUL_CLIENT_CERT")
        self.client_key = value("client-key", "CONSUL_CLIENT_KEY")
        self.server_name = value("tls-server-name", "CONSUL_TLS_SERVER_NAME")


def client_flags(function: _Decorated) -> _Decorated:
    """Add ``-http-addr``, which the command gets, and what ``client_settings`` returns, which it does not."""
    for name, (metavar, text) in sorted(_FLAGS.items(), reverse=True):
        function = click.option(
            f"--{name}",
            cls=GoOption,
            type=click.STRING,
            default=None,
            metavar=metavar,
            help=text,
            expose_value=False,
            callback=_remember,
        )(function)
    return text_flag(
        "http-addr",
        "address",
        f"The agent to ask: host:port, http://host:port, https://host:port or unix:///path. "
        f"Default: ${ADDRESS_VARIABLE}, else {DEFAULT_ADDRESS}.",
    )(function)


def client_settings() -> ClientSettings:
    """Return what the running command and the environment say.

    Raises:
        CommandError: The token file cannot be read, or holds no token; or a variable is no boolean.
    """
    context = click.get_current_context(silent=True)
    return ClientSettings(context.meta.get(_IN_CONTEXT) if context else None)


def _remember(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None and isinstance(option, GoOption):
        context.meta.setdefault(_IN_CONTEXT, {})[option.go_names[0]] = value


def _token(flags: Mapping[str, str], environment: Mapping[str, str]) -> str:
    for token, file in (
        (flags.get("token", ""), flags.get("token-file", "")),
        (environment.get("CONSUL_HTTP_TOKEN", ""), environment.get("CONSUL_HTTP_TOKEN_FILE", "")),
    ):
        if token or file:
            return _checked(_read(file) if file else token, f"the token file {file}" if file else "the token")
    return ""


def _read(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MAX_TOKEN_BYTES + 1).decode("latin-1").strip()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"Error loading token file {file}: {reason}") from None


def _checked(token: str, what: str) -> str:
    if not token or len(token) > MAX_TOKEN_BYTES or not all("!" <= char <= "~" for char in token):
        raise CommandError(f"{what} holds no token: one is printable ASCII without blanks")
    return token


def _is_set(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    word = environment.get(name, "")
    if not word:
        return default
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise CommandError(f"could not parse {name}: {word!r} is neither true nor false")
    return word in TRUE_WORDS

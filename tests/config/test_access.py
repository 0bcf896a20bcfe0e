"""``acl``, ``http_config`` and ``limits``: the keys, and that no secret is in a message."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from nodedns.agent.statistics import debug_config
from nodedns.api.access import MAX_TOKENS, AccessRules, Right, Tokens
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError

READER, WRITER, MANAGER = "reader-secret", "writer-secret", "manager-secret"
TOKENS = {"read": [READER], "write": [WRITER]}


def loaded(tmp_path: Path, *files: dict[str, Any], **flags: Any) -> AgentConfig:
    paths = []
    for number, values in enumerate(files):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(values))
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    return load(ConfigSources(paths=tuple(paths), flags={"bind": "127.0.0.1", **named}, dev=True))


def acl(tmp_path: Path, **values: Any) -> AccessRules:
    return loaded(tmp_path, {"acl": values}).access


def problems(tmp_path: Path, *files: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, *files)
    return [str(problem).partition(".json: ")[2] for problem in caught.value.problems]


def test_everybody_may_do_everything_unless_told(tmp_path: Path) -> None:
    assert AccessRules() == loaded(tmp_path).access


def test_tokens_have_the_right_of_their_list(tmp_path: Path) -> None:
    rules = acl(tmp_path, enabled=True, tokens={**TOKENS, "initial_management": MANAGER})
    assert Tokens({READER: Right.READ, WRITER: Right.WRITE, MANAGER: Right.WRITE}) == rules.tokens
    assert (True, False, Right.WRITE, Right.WRITE) == (
        rules.with_tokens,
        rules.denies_by_default,
        rules.anonymous,
        rules.dns,
    )


def test_files_add_tokens(tmp_path: Path) -> None:
    first = {"acl": {"enabled": True, "tokens": {"read": [READER]}}}
    second = {"acl": {"tokens": {"read": ["second-reader"], "write": [WRITER]}}}
    rules = loaded(tmp_path, first, second).access
    assert Tokens({READER: Right.READ, "second-reader": Right.READ, WRITER: Right.WRITE}) == rules.tokens


@pytest.mark.parametrize(
    ("tokens", "anonymous", "dns"),
    [
        ({}, Right.NONE, Right.NONE),
        ({"default": READER}, Right.READ, Right.READ),
        ({"default": WRITER}, Right.WRITE, Right.WRITE),
        ({"dns": READER}, Right.NONE, Right.READ),
        ({"default": WRITER, "dns": READER}, Right.WRITE, Right.READ),
    ],
)
def test_senders_without_a_token_have_that_of_the_default(
    tmp_path: Path, tokens: dict[str, str], anonymous: Right, dns: Right
) -> None:
    rules = acl(tmp_path, enabled=True, default_policy="deny", tokens={**TOKENS, **tokens})
    assert (anonymous, dns, True) == (rules.anonymous, rules.dns, rules.denies_by_default)


def test_tokens_that_are_not_looked_at_are_told_of(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"acl": {"default_policy": "deny", "tokens": TOKENS}})
    assert AccessRules() == config.access
    assert "acl.tokens are not used: acl.enabled is not true" in config.warnings


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"default_policy": "extend-cache"}, 'acl.default_policy: must be "allow" or "deny", not \'extend-cache\''),
        (
            {"tokens": {"read": ["short"]}},
            "acl.tokens.read: a token must have 8 to 256 printable ASCII characters and no blank",
        ),
        (
            {"tokens": {"write": ["with a blank"]}},
            "acl.tokens.write: a token must have 8 to 256 printable ASCII characters and no blank",
        ),
        (
            {"tokens": {"read": [READER], "write": [READER]}},
            "acl.tokens.write: a token cannot be among those that read and among those that write",
        ),
        (
            {"tokens": {"default": READER}},
            "acl.tokens.default: must be a token that acl.tokens.read or acl.tokens.write has too",
        ),
        (
            {"tokens": {"read": [f"token-number-{number}" for number in range(MAX_TOKENS + 1)]}},
            f"acl.tokens.read: there can be at most {MAX_TOKENS} tokens, not {MAX_TOKENS + 1}",
        ),
        ({"tokens": {"read": "a-bare-text"}}, "acl.tokens.read: must be a list of texts"),
        (
            {"tokens": {"agent": "an-agents-secret"}},
            "acl.tokens.agent: Consul's key acl.tokens.agent is not in nodedns: "
            "agents trust each other by gossip (encrypt), and need no tokens.",
        ),
    ],
)
def test_wrong_acl_is_named(tmp_path: Path, values: dict[str, Any], problem: str) -> None:
    assert [problem] == problems(tmp_path, {"acl": {"enabled": True, **values}})


@pytest.mark.parametrize("secret", ["short", "a secret with blanks", "x" * 300, "é-secret-of-mine"])
def test_no_message_shows_a_secret(tmp_path: Path, secret: str) -> None:
    told = problems(tmp_path, {"acl": {"tokens": {"read": [secret], "write": secret, "default": secret}}})
    assert told
    assert not any(secret[:5] in problem for problem in told if "short" not in secret)
    assert not any(f"'{secret}'" in problem for problem in told)


def test_shown_configuration_hides_secrets(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"acl": {"enabled": True, "tokens": TOKENS}})
    shown = json.dumps(debug_config(config))
    assert READER not in shown
    assert WRITER not in shown
    assert '"tokens": "hidden"' in shown


def test_networks_that_may_write(tmp_path: Path) -> None:
    config = loaded(
        tmp_path, {"http_config": {"allow_write_http_from": ["10.0.0.1/8"]}}, allow_write_http_from=["::1/128"]
    )
    assert (ipaddress.ip_network("::1/128"), ipaddress.ip_network("10.0.0.0/8")) == config.access.write_networks


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (
            {"http_config": {"allow_write_http_from": ["10.0.0.0/33"]}},
            "http_config.allow_write_http_from: invalid cidr: '10.0.0.0/33'; it takes a network such as 10.0.0.0/8",
        ),
        (
            {"http_config": {"block_endpoints": ["v1/agent"]}},
            "http_config.block_endpoints: a path begins with a slash: 'v1/agent'",
        ),
        (
            {"http_config": {"response_headers": {"X Y": "z"}}},
            "http_config.response_headers: 'X Y' is no header of printable ASCII",
        ),
        (
            {"http_config": {"response_headers": {"X-Y": "z\r\nSet-Cookie: a"}}},
            "http_config.response_headers: 'X-Y' is no header of printable ASCII",
        ),
        (
            {"http_config": {"response_headers": {"Content-Length": "1"}}},
            "http_config.response_headers: Content-Length is set by the server itself",
        ),
        (
            {"limits": {"http_max_conns_per_client": 0}},
            "limits.http_max_conns_per_client: must be between 1 and 65535, not 0",
        ),
    ],
)
def test_wrong_http_config_is_named(tmp_path: Path, values: dict[str, Any], problem: str) -> None:
    assert [problem] == problems(tmp_path, values)


def test_http_config_is_read(tmp_path: Path) -> None:
    values = {
        "http_config": {"block_endpoints": ["/v1/agent/leave"], "response_headers": {"X-Origin": "here"}},
        "limits": {"http_max_conns_per_client": 7},
    }
    config = loaded(tmp_path, values)
    assert (("/v1/agent/leave",), (("X-Origin", "here"),)) == (
        config.access.blocked_paths,
        config.access.response_headers,
    )
    assert 7 == config.http.connections_per_client

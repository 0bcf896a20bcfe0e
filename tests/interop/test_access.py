"""Tokens, networks and blocked paths of a running agent, seen by curl and py-consul."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import consul
import pytest

from nodedns.testing.curl import curl
from nodedns.testing.loopback import HTTP_PORT, LoneAgent, lone_agent

READER, WRITER, STRANGER = "reader-secret", "writer-secret", "stranger-secret"
SETTINGS = {
    "acl": {
        "enabled": True,
        "default_policy": "deny",
        "tokens": {"read": [READER], "write": [WRITER]},
    },
    "http_config": {"block_endpoints": ["/v1/agent/force-leave"], "response_headers": {"X-Origin": "here"}},
}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    folder = tmp_path_factory.mktemp("agent")
    settings = folder / "access.json"
    settings.write_text(json.dumps(SETTINGS))
    with lone_agent(folder) as made:
        made.start(f"-config-file={settings}")
        yield made


@pytest.mark.parametrize("header", [f"X-Consul-Token: {READER}", f"Authorization: Bearer {READER}"])
def test_curl_reads_with_a_token_and_changes_nothing_with_it(agent: LoneAgent, header: str) -> None:
    assert "200" == curl(agent, "/v1/catalog/nodes", "-H", header)[0]
    refused = ("403", "Permission denied: token lacks permission 'write'")
    assert refused == curl(agent, "/v1/agent/join/127.0.0.1", "-X", "PUT", "-H", header)


def test_curl_without_a_token_reads_nothing_but_the_leader(agent: LoneAgent) -> None:
    status, body = curl(agent, "/v1/agent/self")
    assert ("403", True) == (status, body.startswith("Permission denied: anonymous token lacks permission 'read'"))
    assert "200" == curl(agent, "/v1/status/leader")[0]


def test_every_answer_has_the_configured_headers_once(agent: LoneAgent) -> None:
    for path in ("/v1/status/leader", "/v1/agent/self", "/nothing"):
        _, text = curl(agent, path, "-i")
        head = [line.strip().lower() for line in text.partition("\r\n\r\n")[0].splitlines()]
        assert ["x-consul-default-acl-policy: deny"] == [line for line in head if line.startswith("x-consul-default")]
        assert ["x-origin: here"] == [line for line in head if line.startswith("x-origin")]


def test_blocked_path_is_blocked_whatever_the_token(agent: LoneAgent) -> None:
    header = f"X-Consul-Token: {WRITER}"
    blocked = ("403", "Endpoint is blocked by agent configuration")
    assert blocked == curl(agent, "/v1/agent/force-leave/nobody", "-X", "PUT", "-H", header)


def test_token_in_the_url_is_told_once_and_never_shown(agent: LoneAgent) -> None:
    for _ in range(3):
        assert "200" == curl(agent, f"/v1/catalog/nodes?token={READER}")[0]
    assert 1 == len(agent.process.lines("a token came in the URL"))
    assert [] == agent.process.lines("secret")


def test_own_description_shows_no_token(agent: LoneAgent) -> None:
    _, body = curl(agent, "/v1/agent/self", "-H", f"X-Consul-Token: {WRITER}")
    assert "hidden" == json.loads(body)["DebugConfig"]["access"]["tokens"]
    assert not any(secret in body for secret in (READER, WRITER))


def test_py_consul_reads_and_writes_with_its_tokens(agent: LoneAgent) -> None:
    reader = consul.Consul(host=agent.host, port=HTTP_PORT, token=READER)
    writer = consul.Consul(host=agent.host, port=HTTP_PORT, token=WRITER)
    assert ["lone"] == [node["Node"] for node in reader.catalog.nodes()[1]]
    with pytest.raises(consul.ACLPermissionDenied):
        reader.catalog.register("printer", "10.0.0.9")
    assert writer.catalog.register("printer", "10.0.0.9")
    assert ["lone", "printer"] == [node["Node"] for node in reader.catalog.nodes()[1]]


@pytest.mark.parametrize("token", [None, STRANGER])
def test_py_consul_is_refused_without_a_token_of_ours(agent: LoneAgent, token: str | None) -> None:
    client = consul.Consul(host=agent.host, port=HTTP_PORT, token=token)
    with pytest.raises(consul.ACLPermissionDenied):
        client.catalog.nodes()


@pytest.mark.parametrize("more", [[], ["+tcp"]])
def test_names_are_refused_over_dns(agent: LoneAgent, more: list[str]) -> None:
    for name in ("lone.node.consul", "nobody.node.consul", "consul"):
        assert "REFUSED" == agent.dig(name, *more).status


def test_names_are_answered_to_whom_the_dns_token_lets_read(tmp_path: Path) -> None:
    settings = tmp_path / "access.json"
    tokens = {"read": [READER], "dns": READER}
    settings.write_text(json.dumps({"acl": {"enabled": True, "default_policy": "deny", "tokens": tokens}}))
    with lone_agent(tmp_path) as agent:
        agent.start(f"-config-file={settings}")
        assert "NOERROR" == agent.dig("lone.node.consul").status
        assert "403" == curl(agent, "/v1/catalog/nodes")[0]


def test_changes_from_other_networks_are_refused(tmp_path: Path) -> None:
    with lone_agent(tmp_path) as agent:
        agent.start("-allow-write-http-from=192.0.2.0/24")
        assert "200" == curl(agent, "/v1/catalog/nodes")[0]
        assert ("403", "Access is restricted") == curl(agent, "/v1/agent/leave", "-X", "PUT")

"""``nodedns services`` against recorded answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodedns.checks.decode_service import decode_service_untrusted

Shell = Callable[..., tuple[int, str, str]]

REGISTER = "PUT /v1/agent/service/register"
HCL = """
node_name = "passed over"
service {
  name = "web"
  port = 8000
  check {
    http = "http://127.0.0.1:8000/"
    interval = "10s"
  }
}
"""
JSON = {"services": [{"name": "db", "id": "db/1"}, {"name": "cache", "tags": ["v1"]}]}


def sent(fake_agent: Any) -> list[Any]:
    """What was registered, as the agent understands it."""
    return [decode_service_untrusted(json.loads(body)) for body in fake_agent.bodies]


def test_service_is_registered_from_flags(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(REGISTER)
    words = ["-name=web", "-id=w1", "-address=10.1.2.3", "-port=8000", "-tag=v1", "-tag=eu", "-meta=rack=a=b"]
    words += ["-tagged-address=lan=10.1.2.3:80", "-tagged-address=wan_ipv6=[2001:db8::1]:81", "-tagged-address=x=::1"]
    assert (0, "Registered service: web\n", "") == shell("services", "register", *words)
    body = {
        "Name": "web",
        "ID": "w1",
        "Address": "10.1.2.3",
        "Port": 8000,
        "Tags": ["v1", "eu"],
        "Meta": {"rack": "a=b"},
        "TaggedAddresses": {
            "lan": {"Address": "10.1.2.3", "Port": 80},
            "wan_ipv6": {"Address": "2001:db8::1", "Port": 81},
            "x": {"Address": "::1", "Port": 0},
        },
    }
    assert [decode_service_untrusted(body)] == sent(fake_agent)


def test_services_are_registered_from_files_of_both_formats(shell: Shell, fake_agent: Any, tmp_path: Path) -> None:
    fake_agent.answer(REGISTER)
    (tmp_path / "a.hcl").write_text(HCL)
    (tmp_path / "b.json").write_text(json.dumps(JSON))
    status, out, err = shell("services", "register", str(tmp_path / "a.hcl"), str(tmp_path / "b.json"))
    assert (0, "Registered service: web\nRegistered service: db\nRegistered service: cache\n", "") == (status, out, err)
    web, db, cache = sent(fake_agent)
    assert ("http", "service:web") == (web.checks[0].type, web.checks[0].id)
    assert ("db/1", ("v1",)) == (db.service.id, cache.service.tags)


def test_service_is_deregistered_by_id(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/agent/service/deregister/web%2F1")
    assert (0, "Deregistered service: web/1\n", "") == shell("services", "deregister", "-id=web/1")


def test_services_are_deregistered_as_files_name_them(shell: Shell, fake_agent: Any, tmp_path: Path) -> None:
    fake_agent.answer("PUT /v1/agent/service/deregister/db%2F1")
    fake_agent.answer("PUT /v1/agent/service/deregister/cache")
    (tmp_path / "b.json").write_text(json.dumps(JSON))
    expected = "Deregistered service: db/1\nDeregistered service: cache\n"
    assert (0, expected, "") == shell("services", "deregister", str(tmp_path / "b.json"))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["register"], "Service registration requires at least one argument or flags."),
        (["register", "-port=8"], "Service registration requires a name; give it with -name."),
        (["register", "-id=x", "a.json"], "Service registration requires arguments or flags, not both."),
        (["register", "-name=a", "-port=-1"], "Error: Validation failed: port must be between 0 and 65535"),
        (["register", "-name=a", "-meta=x"], "Error: -meta takes key=value, not 'x'"),
        (
            ["register", "-name=a", "-tagged-address=lan=1.2.3.4:x"],
            "Error: -tagged-address takes tag=address:port, not '1.2.3.4:x'",
        ),
        (["deregister"], "Service deregistration requires at least one argument or -id."),
        (["deregister", "-id=x", "a.json"], "Service deregistration requires arguments or -id, not both."),
    ],
)
def test_words_that_make_no_sense_are_refused(shell: Shell, fake_agent: Any, words: list[str], text: str) -> None:
    assert (1, "", f"{text}\n") == shell("services", *words)
    assert [] == fake_agent.asked


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (("a.json", '{"service": {"port": 8}}'), "a.json: service.name: Missing service name"),
        (("a.json", '{"services": [{"name": "x"}, {"name": "y", "prot": 8}]}'), "a.json: services[1].prot: invalid"),
        (("a.json", "{"), "a.json"),
        (("a.txt", "{}"), "has unknown extension"),
        (("a.json", '{"node_name": "x"}'), "no service is defined in "),
    ],
)
def test_file_that_makes_no_sense_is_refused_whole(
    shell: Shell, fake_agent: Any, tmp_path: Path, file: tuple[str, str], text: str
) -> None:
    name, content = file
    (tmp_path / name).write_text(content)
    for verb in ("register", "deregister"):
        status, out, err = shell("services", verb, str(tmp_path / name))
        assert (1, "", True) == (status, out, err.startswith("Error: ") and text in err), err
    assert [] == fake_agent.asked


@pytest.mark.parametrize(
    ("words", "doing"), [(["register", "-name=a"], "registering"), (["deregister", "-id=a"], "deregistering")]
)
def test_refusal_of_the_agent_is_told(shell: Shell, fake_agent: Any, words: list[str], doing: str) -> None:
    refusal = (400, b"no")
    fake_agent.answers |= {REGISTER: refusal, "PUT /v1/agent/service/deregister/a": refusal}
    expected = f'Error {doing} service "a": Unexpected response code: 400 (no)\n'
    assert (1, "", expected) == shell("services", *words)

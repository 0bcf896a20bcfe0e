"""Services of a real agent: over kill -9, by command, and how soon DNS knows."""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path
from typing import Any

from nodedns.testing.loopback import LoneAgent
from nodedns.testing.processes import Finished, fastest_s, nodedns_program, poll, run_program

SERVICES = 200
KILLED_AFTER = 120
CLIENTS = 8
WITHIN_S = 1.0


def run(*words: str) -> Finished:
    return run_program([nodedns_program(), *words])


def services(lone: LoneAgent) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lone.http("GET", "/v1/agent/services")[1])
    return found


def checks(lone: LoneAgent) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lone.http("GET", "/v1/agent/checks")[1])
    return found


def test_kill_9_amid_registrations_loses_none_that_was_answered(lone: LoneAgent) -> None:
    lone.start()
    answered: list[str] = []
    numbers = iter(range(SERVICES))
    turn = threading.Lock()

    def register() -> None:
        while True:
            with turn:
                number = next(numbers, None)
            if number is None:
                return
            name = f"web-{number}"
            body = {"Name": name, "Port": number + 1, "Check": {"TTL": "1h", "Status": "passing"}}
            try:
                status, _ = lone.http("PUT", "/v1/agent/service/register", body)
            except (OSError, http.client.HTTPException):
                return
            if status == 200:
                with turn:
                    answered.append(name)

    clients = [threading.Thread(target=register) for _ in range(CLIENTS)]
    for each in clients:
        each.start()
    poll(lambda: len(answered) >= KILLED_AFTER, "registrations")
    lone.process.kill()
    for each in clients:
        each.join()

    lone.start()
    kept = services(lone)
    assert [] == [name for name in answered if name not in kept]
    # Of those that were not answered some may be there, but each with its check, which has no other truth.
    assert sorted(f"service:{name}" for name in kept) == sorted(checks(lone))


def test_service_that_fails_is_gone_from_dns_within_a_second(lone: LoneAgent, dig_program: Path) -> None:
    lone.start()
    body = {"Name": "web", "Address": "10.1.2.3", "Check": {"TTL": "1h", "Status": "passing"}}
    lone.http("PUT", "/v1/agent/service/register", body)
    assert ["10.1.2.3"] == lone.dig("web.service.consul").data

    def fail() -> None:
        assert 200 == lone.http("PUT", "/v1/agent/check/pass/service:web")[0]
        poll(lambda: lone.dig("web.service.consul").data, "web to be there")
        assert 200 == lone.http("PUT", "/v1/agent/check/fail/service:web")[0]
        poll(lambda: not lone.dig("web.service.consul").data, "web to be gone")

    assert fastest_s(fail, WITHIN_S) < WITHIN_S


def test_what_a_ttl_check_said_and_maintenance_are_there_after_kill_9(lone: LoneAgent) -> None:
    lone.start()
    lone.http("PUT", "/v1/agent/service/register", {"Name": "web", "Check": {"TTL": "1h"}})
    lone.http("PUT", "/v1/agent/check/warn/service:web?note=odd")
    lone.http("PUT", "/v1/agent/service/maintenance/web?enable=true&reason=disk")
    changes = lone.data / "local-services.changes.0"
    poll(lambda: b"odd" in changes.read_bytes(), "the state to be written")
    lone.process.kill()

    lone.start()
    found = checks(lone)
    assert ("warning", "odd") == (found["service:web"]["Status"], found["service:web"]["Output"])
    assert "disk" == found["_service_maintenance:web"]["Notes"]


def test_services_come_and_go_by_command(lone: LoneAgent, tmp_path: Path) -> None:
    lone.start()
    file = tmp_path / "web.hcl"
    file.write_text('service {\n  name = "web"\n  port = 8000\n  check { ttl = "1h" }\n}\n')
    address = f"-http-addr={lone.host}:8500"
    registered = run("services", "register", address, str(file))
    assert (0, "Registered service: web\n", "") == (registered.code, registered.out, registered.err)
    assert (8000, ["service:web"]) == (services(lone)["web"]["Port"], list(checks(lone)))

    enabled = run("maint", "-enable", "-service=web", "-reason=new disk", address)
    assert 'Service maintenance is now enabled for "web"\n' == enabled.out
    assert "Service:\n  ID:     web\n  Reason: new disk\n\n" == run("maint", address).out
    assert "2" == lone.figures()["agent.checks"]

    deregistered = run("services", "deregister", address, "-id=web")
    assert (0, "Deregistered service: web\n") == (deregistered.code, deregistered.out)
    assert {} == services(lone)


def test_event_for_a_service_reaches_the_agent_that_has_it(lone: LoneAgent) -> None:
    lone.start()
    lone.http("PUT", "/v1/agent/service/register", {"Name": "web", "Tags": ["v1"]})
    lone.http("PUT", "/v1/event/fire/deploy?service=^web$&tag=v1")
    lone.http("PUT", "/v1/event/fire/missed?service=^db$")
    lone.http("PUT", "/v1/event/fire/last")

    def names() -> list[str]:
        return [event["Name"] for event in json.loads(lone.http("GET", "/v1/event/list")[1])]

    poll(lambda: "last" in names(), "the last event")
    assert ["deploy", "last"] == names()

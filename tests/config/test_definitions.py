"""Services and checks in files: all that is right is read, and all that is wrong is named with file and key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nodedns.checks.definition import CheckDefinition
from nodedns.checks.kinds import ScriptKind
from nodedns.config.load import load
from nodedns.config.reload import reload
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError

DISABLED = (
    "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or "
    "'enable_local_script_checks' to true"
)
TTL = {"name": "alive", "ttl": "10s"}
SCRIPT = {"name": "disk", "args": ["/bin/true"], "interval": "10s"}


class Site:
    """A directory of configuration files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources = ConfigSources(paths=(folder,), dev=True, flags={"node": "me"})

    def write(self, name: str, **values: Any) -> Path:
        return self.text(name, json.dumps(values))

    def text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def load(self) -> AgentConfig:
        return load(self.sources)

    def problems(self) -> list[str]:
        with pytest.raises(ConfigError) as refusal:
            self.load()
        return [str(problem).removeprefix(f"{self.folder}/") for problem in refusal.value.problems]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def ids(config: AgentConfig) -> tuple[list[str], list[str]]:
    return [each.service.id for each in config.services], [each.id for each in config.checks]


def test_definitions_of_all_files_and_keys_are_put_together(site: Site) -> None:
    site.write("a.json", service={"name": "a", "check": TTL}, checks=[TTL])
    site.write("b.json", services=[{"name": "b"}, {"name": "c"}], check={"name": "x", "ttl": "1m"})
    assert (["b", "c", "a"], ["alive", "x"]) == ids(site.load())


def test_hcl_has_blocks_of_one_name_any_number_of_times(site: Site) -> None:
    block = 'service { name = "%s" port = %d check { ttl = "5s" } }\n'
    site.text("a.hcl", block % ("a", 1) + block % ("b", 2) + 'services { name = "c" }\nservices = [{ name = "d" }]')
    assert ["a", "b"] == [name for name in ids(site.load())[0] if name in "ab"]


def test_service_has_its_checks(site: Site) -> None:
    site.write("a.json", service={"name": "web", "checks": [TTL, {**TTL, "id": "own"}]})
    (service,) = site.load().services
    assert [("service:web:1", "web"), ("own", "web")] == [(check.id, check.service_id) for check in service.checks]


def test_every_wrong_definition_is_named_with_its_file_and_key(site: Site) -> None:
    site.write("a.json", services=[{"name": "ok"}, {"port": 80}, {"name": "x", "check": {"interval": "1s"}}])
    site.write("b.json", check={"name": "y", "ttl": "10s", "interval": "5s"}, service={"name": "z", "prot": 1})
    site.write("c.json", checks=[3], log_level="loud")
    assert {
        "a.json: services[1].name: Missing service name",
        "a.json: services[2].check.ttl: TTL must be > 0 for TTL checks",
        "b.json: check.interval: Interval and TTL cannot both be specified",
        "b.json: service.prot: invalid config key prot",
        "c.json: checks[0]: must be a block of keys, not 3",
        "c.json: log_level: Invalid log level: loud. Valid log levels are: [TRACE DEBUG INFO WARN ERROR]",
    } == set(site.problems())


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ({"service": {"name": "other", "id": "web"}}, 'service: service ID "web" is defined already, by'),
        ({"check": {"name": "service:web", "ttl": "1s"}}, 'check: check ID "service:web" is defined already, by'),
        ({"check": {"name": "serfHealth", "ttl": "1s"}}, 'check: check ID "serfHealth" is one that the agent itself'),
        (
            {"checks": [{"name": "x", "id": "_service_maintenance:web", "ttl": "1s"}]},
            'checks[0]: check ID "_service_maintenance:web" is one that the agent itself',
        ),
    ],
)
def test_id_is_used_once(site: Site, second: dict[str, Any], problem: str) -> None:
    site.write("a.json", service={"name": "web", "check": TTL})
    site.write("b.json", **second)
    (told,) = site.problems()
    assert told.startswith(f"b.json: {problem}")
    assert ("already" in problem) is told.endswith(f"service of {site.folder / 'a.json'}")


@pytest.mark.parametrize(
    ("values", "path"),
    [({"check": SCRIPT}, "check"), ({"services": [{"name": "web", "check": SCRIPT}]}, "services[0]")],
)
def test_program_is_run_only_where_that_is_enabled(site: Site, values: dict[str, Any], path: str) -> None:
    site.write("a.json", **values)
    assert [f"a.json: {path}: {DISABLED}"] == site.problems()
    site.write("b.json", enable_local_script_checks=True)
    found: tuple[CheckDefinition, ...] = (*site.load().checks, *(c for s in site.load().services for c in s.checks))
    assert [ScriptKind] == [type(check.kind) for check in found]


def test_output_is_bounded_by_the_agent_and_by_the_check(site: Site) -> None:
    site.write("a.json", check_output_max_size=100, checks=[{**TTL, "output_max_size": 7}, {"name": "b", "ttl": "1s"}])
    assert [7, 100] == [check.output_limit for check in site.load().checks]


@pytest.mark.parametrize("size", [0, -1, 4097])
def test_output_cannot_be_longer_than_every_agent_keeps(site: Site, size: int) -> None:
    site.write("a.json", check_output_max_size=size)
    rule = "check_output_max_size: must be between 1 and 4096, since every agent keeps every output; it is"
    assert [f"a.json: {rule} {size}"] == site.problems()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("default_query_time", "default_query_time must be more than zero, not 0s"),
        ("max_query_time", "max_query_time must be more than zero, not 0s"),
    ],
)
def test_blocking_queries_wait_for_some_time(site: Site, key: str, text: str) -> None:
    site.write("a.json", **{key: "0s"})
    assert [f"a.json: {key}: {text}"] == site.problems()


def test_update_interval_may_be_nothing_and_no_less(site: Site) -> None:
    site.write("a.json", check_update_interval="0s")
    assert 0.0 == site.load().check_update_interval_s
    site.write("a.json", check_update_interval="-1s")
    assert ["a.json: check_update_interval: check_update_interval cannot be negative: -1s"] == site.problems()


@pytest.mark.parametrize(
    ("more", "warns"),
    [
        ({}, True),
        ({"http_config": {"allow_write_http_from": ["127.0.0.0/8"]}}, False),
        ({"acl": {"enabled": True, "default_policy": "deny"}}, False),
        ({"ports": {"http": -1}}, False),
        ({"enable_script_checks": False, "enable_local_script_checks": True}, False),
    ],
)
def test_scripts_for_everybody_are_warned_of(site: Site, more: dict[str, Any], warns: bool) -> None:
    site.write("a.json", **{"enable_script_checks": True, **more})
    assert warns is any("run programs on this machine" in text for text in site.load().warnings)


def test_names_that_dns_cannot_have_are_warned_of(site: Site) -> None:
    site.write("a.json", service={"name": "my_web"}, check={"name": "x", "tcp": "127.0.0.1:1", "interval": "10ms"})
    assert ["Service name", "check x has"] == [
        text[:12].strip() if text[0] == "S" else text[:11] for text in site.load().warnings
    ]


def test_running_agent_takes_other_definitions(site: Site) -> None:
    site.write("a.json", service={"name": "a"}, check=TTL)
    running = site.load()
    (site.folder / "a.json").rename(site.folder / "z.json")
    moved = reload(site.sources, running)
    assert () == moved.changed
    site.write("z.json", service={"name": "a", "port": 80})
    changed = reload(site.sources, running)
    assert ("service", "check") == changed.changed
    assert ([80], []) == ([each.service.port for each in changed.config.services], ids(changed.config)[1])


def test_script_that_a_restart_would_enable_is_refused_until_then(site: Site) -> None:
    running = site.load()
    path = site.write("a.json", enable_local_script_checks=True, check=SCRIPT)
    with pytest.raises(ConfigError) as refusal:
        reload(site.sources, running)
    assert [f"{path}: check: {DISABLED}"] == [str(problem) for problem in refusal.value.problems]


def test_wrong_definition_leaves_the_running_agent_as_it_is(site: Site) -> None:
    site.write("a.json", service={"name": "a"})
    running = site.load()
    path = site.write("b.json", service={"name": "b", "port": 70_000})
    with pytest.raises(ConfigError) as refusal:
        reload(site.sources, running)
    rule = "port must be between 0 and 65535"
    assert [f"{path}: service.port: {rule}"] == [str(problem) for problem in refusal.value.problems]

"""What a running agent takes of its files read again, what it keeps and names, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from nodedns.config.load import load
from nodedns.config.reload import RELOADED_FIELDS, Reloaded, reload
from nodedns.config.schema import AgentConfig
from nodedns.config.settings import Settings, changed_keys, key_docs, reloadable_keys
from nodedns.config.sources import ConfigSources
from nodedns.dns.recursion import Recursor
from nodedns.errors import ConfigError

KEPT: dict[str, Any] = {
    "node_name": "other",
    "datacenter": "dc2",
    "domain": "lan",
    "server": False,
    "bind_addr": "127.0.0.2",
    "ports": {"dns": 53},
    "retry_join": ["10.0.0.9"],
    "encrypt": "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=",
    "gossip_lan": {"probe_interval": "2s"},
    "leave_on_terminate": False,
    "log_json": True,
    "rejoin_after_leave": True,
}
"""A value that a running agent does not take, by key."""


class Site:
    """One directory of files, an agent's configuration made of it, and what becomes of that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "conf"
        self.folder.mkdir()
        flags = {"data-dir": str(folder / "data"), "bind": "127.0.0.1"}
        self.sources = ConfigSources(paths=(self.folder,), flags=flags, host_name=lambda: "host-one")

    def write(self, name: str = "a.json", **values: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(values))
        return path

    def load(self) -> AgentConfig:
        return load(self.sources)

    def reload(self, running: AgentConfig) -> Reloaded:
        return reload(self.sources, running)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_nothing_changed_is_nothing_told(site: Site) -> None:
    site.write(node_meta={"rack": "a"}, recursors=["10.0.0.53"])
    running = site.load()
    reloaded = site.reload(running)
    assert ((), (), ()) == (reloaded.changed, reloaded.needs_restart, reloaded.warnings)
    assert running == reloaded.config


def test_changed_keys_are_taken_and_named(site: Site) -> None:
    running = site.load()
    path = site.write(
        node_meta={"rack": "b"}, log_level="warn", recursors=["10.0.0.53"], dns_config={"node_ttl": "7s", "nsid": "x"}
    )
    reloaded = site.reload(running)
    assert ("node_meta", "log_level", "recursors", "dns_config.node_ttl", "dns_config.nsid") == reloaded.changed
    config = reloaded.config
    assert ({"rack": "b"}, "WARN", (Recursor("10.0.0.53", 53),)) == (
        config.node_meta,
        config.log_level,
        config.recursion.recursors,
    )
    assert (7, "x", str(path)) == (config.dns.node_ttl_s, config.dns.nsid, config.origins["dns_config.node_ttl"])


def test_key_that_is_gone_has_its_default_again(site: Site) -> None:
    path = site.write(dns_config={"node_ttl": "7s"}, log_level="debug")
    running = site.load()
    path.unlink()
    reloaded = site.reload(running)
    assert ("log_level", "dns_config.node_ttl") == reloaded.changed
    assert (0, "INFO", False) == (
        reloaded.config.dns.node_ttl_s,
        reloaded.config.log_level,
        "log_level" in reloaded.config.origins,
    )


@pytest.mark.parametrize("key", KEPT)
def test_key_that_takes_a_restart_is_named_each_time_and_kept(site: Site, key: str) -> None:
    sources = attrs.evolve(site.sources, flags={}, dev=True)
    running = load(sources)
    site.write(node_meta={"rack": "b"}, **{key: KEPT[key]})
    first = reload(sources, running)
    again = reload(sources, first.config)
    (named,) = first.needs_restart
    assert (key, (named,)) == (named.partition(".")[0], again.needs_restart)
    assert (("node_meta",), ()) == (first.changed, again.changed)
    kept = {field.name for field in attrs.fields(AgentConfig)} - {*RELOADED_FIELDS, "given", "origins", "warnings"}
    assert [] == [name for name in sorted(kept) if getattr(running, name) != getattr(first.config, name)]


def test_what_is_derived_from_a_kept_key_is_kept(site: Site) -> None:
    running = site.load()
    site.write(node_name="other")
    reloaded = site.reload(running)
    assert (("node_name",), "host-one") == (reloaded.needs_restart, reloaded.config.dns.nsid)


def test_host_that_is_called_otherwise_meanwhile_changes_nothing(site: Site) -> None:
    running = site.load()
    renamed = attrs.evolve(site.sources, host_name=lambda: "host-two")
    assert running == reload(renamed, running).config


def test_new_value_that_does_not_fit_a_kept_one_is_refused(site: Site) -> None:
    running = site.load()
    path = site.write(ports={"dns": 8601}, recursors=["127.0.0.1:8600"])
    with pytest.raises(ConfigError) as refusal:
        site.reload(running)
    rule = "recursor 127.0.0.1:8600 is this agent's own DNS server, which would ask itself"
    assert [f"{path}: recursors: {rule}"] == [str(problem) for problem in refusal.value.problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"dns_config": {"node_ttl": 5}}', 'dns_config.node_ttl: must be a duration such as "10s", not 5'),
        ('{"ports": {"dns": 70000}}', "ports.dns: ports.dns cannot be 70000; a port is at most 65535"),
        ('{"node_ttl": "5s"}', "node_ttl: invalid config key node_ttl"),
        ('{"node_meta": ', "failed to parse: Expecting value: line 1 column 15 (char 14)"),
    ],
)
def test_whole_that_could_not_be_started_with_is_refused(site: Site, text: str, problem: str) -> None:
    running = site.load()
    path = site.folder / "b.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        site.reload(running)
    assert [f"{path}: {problem}"] == [str(each) for each in refusal.value.problems]


def test_only_new_warnings_are_told(site: Site) -> None:
    (site.folder / "x.txt").write_text("")
    running = site.load()
    (site.folder / "y.txt").write_text("")
    (told,) = site.reload(running).warnings
    assert told.startswith(f"skipping file {site.folder / 'y.txt'}, ")


def test_secret_that_changes_is_named_and_not_shown(site: Site) -> None:
    site.write(dns_config={"cookies": {"secrets": ["00" * 16]}})
    running = site.load()
    site.write(dns_config={"cookies": {"secrets": ["ab" * 16]}})
    reloaded = site.reload(running)
    assert ("dns_config.cookies.secrets",) == reloaded.changed
    assert "abab" not in repr(reloaded)


def test_every_reloadable_key_is_a_key_of_its_own() -> None:
    assert [] == [path for path in reloadable_keys() if path not in key_docs()]
    assert [] == changed_keys(Settings(), Settings())

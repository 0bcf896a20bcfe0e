"""The samples in ``conf.d`` load, and every key stands in them and in ``docs/config.rst``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nodedns.config.hcl import parse_hcl
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.settings import Settings, block_classes, key_docs, reloadable_keys
from nodedns.config.sources import FLAG_PATHS, ConfigSources

TOP = Path(__file__).parents[2]
SAMPLES = sorted((TOP / "conf.d").iterdir())
MANUAL = (TOP / "docs" / "config.rst").read_text()
BLOCKS = {"addresses", "ports", "gossip_lan", "dns_config", "dns_config.soa"}
BLOCKS |= {"dns_config.cookies", "dns_config.rate_limit", "dns_config.tcp", "dns_config.transfer"}
BLOCKS |= {"acl", "acl.tokens", "http_config", "limits", "tls", "tls.defaults", "tls.https"}
LEAVES = sorted(key_docs().keys() - BLOCKS)


def uncommented(text: str) -> str:
    return re.sub(r"^( *)#(?=[a-z])", r"\1", text, flags=re.MULTILINE)


def load_samples(*paths: Path, **flags: object) -> AgentConfig:
    return load(ConfigSources(paths=paths, flags={"data-dir": "/tmp/x", "bind": "127.0.0.1", **flags}))  # noqa: S108


def test_there_are_samples() -> None:
    assert {".hcl", ".json"} == {path.suffix for path in SAMPLES}


def test_samples_load_together() -> None:
    config = load(ConfigSources(paths=(TOP / "conf.d",)))
    assert {"rack": "a7", "site": "cellar"} == config.node_meta
    assert () == config.warnings


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_sample_loads_alone(path: Path) -> None:
    assert str(path) in load_samples(path).origins.values()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_sample_loads_with_every_line_set(path: Path, tmp_path: Path) -> None:
    whole = tmp_path / path.name
    whole.write_text(uncommented(path.read_text()))
    assert str(whole) in load_samples(whole).origins.values()


def test_blocks_are_those_that_these_tests_know() -> None:
    nested = {name for name in key_docs() if any(key.startswith(f"{name}.") for key in key_docs())}
    assert BLOCKS == nested


def test_samples_define_services_and_checks_and_run_no_program() -> None:
    config = load(ConfigSources(paths=(TOP / "conf.d",)))
    assert {"ssh", "web-1", "db"} == {service.service.id for service in config.services}
    assert {"backup", "ssh accepts connections"} == {check.id for check in config.checks}
    assert not config.scripts.from_files
    assert not any(check.is_script for service in config.services for check in service.checks)


def test_every_key_is_in_a_sample() -> None:
    shown: set[str] = set()
    for path in SAMPLES:
        if path.suffix == ".hcl":
            shown |= set(_paths(parse_hcl(uncommented(path.read_text()))))
    assert [] == sorted(set(LEAVES) - shown)


def _paths(values: dict[str, object], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in values.items():
        found += [prefix + key, *(_paths(value, f"{prefix}{key}.") if isinstance(value, dict) else ())]
    return found


@pytest.mark.parametrize("key", LEAVES)
def test_key_is_in_the_manual(key: str) -> None:
    assert f"``{key}``" in MANUAL


@pytest.mark.parametrize("flag", sorted(FLAG_PATHS))
def test_flag_is_in_the_manual(flag: str) -> None:
    assert f"``-{flag}" in MANUAL


@pytest.mark.parametrize("key", sorted(key_docs()))
def test_key_has_a_line_of_its_own(key: str) -> None:
    assert key_docs()[key].endswith(".")


def test_reloadable_keys_are_in_the_manual() -> None:
    listed = MANUAL.partition(".. reloadable keys\n")[2].partition(".. end of reloadable keys\n")[0]
    told = re.findall(r"``([a-z_.]+)``", listed)
    assert set(reloadable_keys()) == {
        leaf for leaf in LEAVES for key in told if leaf == key or leaf.startswith(f"{key}.")
    }


def test_block_classes_are_found() -> None:
    assert {block for block in BLOCKS if "." not in block} == block_classes(Settings).keys()

"""``agent`` up to the point where an agent would run, and ``validate``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodedns.api.context import QueryTimes
from nodedns.checks.scripts import ScriptRights
from nodedns.cli.commands.agent import agent, config_sources
from nodedns.config.consul_keys import ABSENT_FLAGS
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import FLAG_PATHS
from nodedns.testing.certificates import Authority

Shell = Callable[..., tuple[int, str, str]]


def configured(*words: str) -> AgentConfig:
    """Return the configuration that ``nodedns agent WORDS`` would run with."""
    with agent.make_context("agent", list(words)) as context:
        return load(config_sources(**context.params))


def test_every_flag_reaches_its_key(tmp_path: Path) -> None:
    config = configured(
        "-server",
        "-bootstrap-expect=3",
        f"-data-dir={tmp_path}",
        "-node=agent-one",
        "--bind=172.20.20.10",
        "-advertise",
        "172.20.20.99",
        "-client=0.0.0.0",
        "-enable-script-checks=true",
        "-enable-local-script-checks",
        "-node-id=6f6bd3e4-6a57-4d0c-9f2e-0d0a1f6f2b11",
        "-node-meta=rack:a:7",
        "-node-meta",
        "row:1",
        "-datacenter=dc2",
        "-domain=example.",
        "-join=10.0.0.1",
        "-retry-join=10.0.0.2",
        "-join",
        "10.0.0.3",
        "-retry-interval=5s",
        "-retry-max=2",
        "-rejoin",
        "-dns-port=53",
        "-http-port=-1",
        "-serf-lan-port=9301",
        "-log-level=trace",
        "-log-json",
        "-pid-file=/run/x.pid",
        "-check_output_max_size=99",
        "-default-query-time=7s",
        "-max-query-time=9s",
    )
    assert (True, 3, tmp_path, "agent-one") == (
        config.server,
        config.bootstrap_expect,
        config.data_dir,
        config.node_name,
    )
    assert ("172.20.20.10", "172.20.20.99", ("0.0.0.0",)) == (
        config.bind_addr,
        config.advertise_addr,
        config.client_addrs,
    )
    assert (99, QueryTimes(7.0, 9.0)) == (config.check_output_max_size, config.query_times)
    assert ScriptRights(from_anywhere=True, from_files=True) == config.scripts
    assert "6f6bd3e4-6a57-4d0c-9f2e-0d0a1f6f2b11" == config.node_id
    assert {"rack": "a:7", "row": "1"} == config.node_meta
    assert ("dc2", "example") == (config.datacenter, config.domain)
    assert ("10.0.0.1", "10.0.0.2", "10.0.0.3") == config.retry_join
    assert (5.0, 2, True) == (config.retry_interval_s, config.retry_max, config.rejoin_after_leave)
    assert (53, -1, 9301) == (config.dns_port, config.http_port, config.serf_lan_port)
    assert ("TRACE", True, Path("/run/x.pid")) == (config.log_level, config.log_json, config.pid_file)


def test_bootstrap_flag_reaches_its_key() -> None:
    assert configured("-dev", "-bootstrap").bootstrap


def test_false_flag_beats_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"server": true, "log_json": true}')
    config = configured("-server=false", f"-config-file={path}", "-data-dir=/tmp/x", "-bind=10.0.0.1")
    assert (False, True) == (config.server, config.log_json)


def test_files_and_directories_keep_their_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("c", "a", "b")]
    for number, path in enumerate(paths):
        path.write_text(f'{{"retry_join": ["10.0.0.{number}"]}}')
    words = ["-config-file", str(paths[0]), "-config-dir", str(paths[1]), "-config-file", str(paths[2])]
    config = configured("-dev", "-config-format=json", *words)
    assert ("10.0.0.0", "10.0.0.1", "10.0.0.2") == config.retry_join


def test_agent_has_every_flag_of_the_configuration() -> None:
    names = {name for param in agent.params for name in getattr(param, "go_names", ())}
    assert set() == FLAG_PATHS.keys() - names
    assert set() == names & ABSENT_FLAGS.keys()


@pytest.mark.parametrize("flag", ["ui", "segment", "syslog", "advertise-wan"])
def test_flag_of_consul_is_named_as_that(shell: Shell, flag: str) -> None:
    code, _, err = shell("agent", f"-{flag}=x")
    assert 1 == code
    assert err.startswith(f"Consul's flag -{flag} is not in nodedns: {ABSENT_FLAGS[flag]}\n")


def test_extra_words_are_refused(shell: Shell) -> None:
    assert (1, "", "Unexpected extra arguments: [foo -dev]\n") == shell("agent", "-server", "foo", "-dev")


def test_every_problem_is_printed_before_anything_runs(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "a.hcl"
    path.write_text("foo = 1\nconnect = 2")
    code, out, err = shell("agent", f"-config-file={path}", "-bind=x")
    assert (1, "") == (code, out)
    assert [
        f"==> {path}: foo: invalid config key foo",
        f"==> {path}: connect: Consul's key connect is not in nodedns: there is no service mesh.",
        "==> command line: -bind: bind_addr must be an ip address, not 'x'",
        "==> default: data_dir: data_dir cannot be empty",
    ] == sorted(err.splitlines(), key=lambda line: ("default" in line, "command line" in line))


# validate


def test_valid_directory_is_said_to_be_valid(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.hcl").write_text('data_dir = "/tmp/x"\nbind_addr = "10.0.0.1"')
    assert (0, "Configuration is valid!\n", "") == shell("validate", str(tmp_path))


def test_warnings_are_printed_unless_quiet(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.hcl").write_text('data_dir = "/tmp/x"\nbind_addr = "10.0.0.1"')
    (tmp_path / "b.txt").write_text("")
    code, out, _ = shell("validate", str(tmp_path))
    assert 0 == code
    assert out.startswith(f"skipping file {tmp_path}/b.txt, extension must be")
    assert (0, "", "") == shell("validate", "-quiet", str(tmp_path))


def test_problems_are_listed(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"data_dir": "/tmp/x", "bind_addr": "10.0.0.1", "foo": 1}')
    expected = f"Config validation failed: {path}: foo: invalid config key foo\n"
    assert (1, "", expected) == shell("validate", str(path))
    path.write_text('{"data_dir": "/tmp/x", "bind_addr": "10.0.0.1", "foo": 1, "bar": 1}')
    assert [
        "Config validation failed: 2 problems",
        f"  * {path}: foo: invalid config key foo",
        f"  * {path}: bar: invalid config key bar",
    ] == shell("validate", str(path))[2].splitlines()


def test_validate_takes_a_format(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text('data_dir = "/tmp/x" bind_addr = "10.0.0.1"')
    assert 0 == shell("validate", "-config-format=hcl", str(path))[0]
    assert 1 == shell("validate", str(path))[0]


def test_validate_wants_a_path(shell: Shell) -> None:
    code, _, err = shell("validate")
    assert 1 == code
    assert err.startswith("Must specify at least one config file or directory\n\nUsage: nodedns validate")


def test_bad_configuration_ends_the_process_with_1(tmp_path: Path) -> None:
    words: list[Any] = [sys.executable, "-m", "nodedns", "agent", "-data-dir", tmp_path, "-bind=x"]
    process = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    expected = "==> command line: -bind: bind_addr must be an ip address, not 'x'\n"
    assert (1, "", expected) == (process.returncode, process.stdout, process.stderr)


def test_validate_reads_the_certificates(shell: Shell, tmp_path: Path) -> None:
    one, other = (Authority(tmp_path).issue(name, "127.0.0.1") for name in ("one", "other"))
    path = tmp_path / "agent.json"
    https = {"cert_file": str(one.certificate), "key_file": str(one.key)}
    config = {"data_dir": str(tmp_path), "bind_addr": "10.0.0.1", "ports": {"https": 8501}, "tls": {"https": https}}
    path.write_text(json.dumps(config))
    assert (0, "Configuration is valid!\n", "") == shell("validate", str(path))

    https["key_file"] = str(other.key)
    path.write_text(json.dumps(config))
    mismatch = f"tls key_file {other.key} is not the key of the certificate in {one.certificate}"
    assert (1, "", f"Config validation failed: {mismatch}\n") == shell("validate", str(path))

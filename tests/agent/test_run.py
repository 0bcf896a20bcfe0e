"""Which signal leaves the pool, by Consul's table, and the pid file."""

from __future__ import annotations

import signal
from pathlib import Path

import attrs
import pytest

from nodedns.agent.agent import EXIT_FAILED
from nodedns.agent.run import leaves_on, run_agent
from nodedns.config.load import load
from nodedns.config.sources import ConfigSources


@pytest.mark.parametrize(
    ("flags", "signum", "leaves"),
    [
        ({"server": True}, signal.SIGINT, False),
        ({"server": True}, signal.SIGTERM, False),
        ({"server": False}, signal.SIGINT, True),
        ({"server": False}, signal.SIGTERM, True),
    ],
)
def test_clients_leave_and_servers_stay_by_default(
    flags: dict[str, object], signum: signal.Signals, leaves: bool, tmp_path: Path
) -> None:
    base = {"node": "n1", "bind": "127.0.0.1", "data-dir": str(tmp_path)}
    config = load(ConfigSources(flags={**base, **flags}))
    assert leaves is leaves_on(signum, config)


def test_pid_file_that_cannot_be_written_stops_the_start_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pid").mkdir()
    config = attrs.evolve(load(ConfigSources(dev=True)), pid_file=tmp_path / "pid", log_level="ERROR")
    assert EXIT_FAILED == run_agent(config)
    assert f"cannot write the pid file {tmp_path / 'pid'}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]

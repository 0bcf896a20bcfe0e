"""What every runner does, the real one and the fake: one suite for both."""

from __future__ import annotations

import socket
import stat
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import trio

from nodedns.checks.kinds import GrpcKind, H2PingKind, HttpKind, OsServiceKind, RunKind, ScriptKind, TcpKind, UdpKind
from nodedns.checks.outcome import Outcome
from nodedns.model.check import CheckStatus
from nodedns.net.check_runner import RealRunner
from nodedns.net.check_script import ProgramChecks
from nodedns.net.checker import CheckRunner
from nodedns.testing.check_runners import Behaviour, FakeRunner
from nodedns.testing.processes import DEADLINE_S

PASSING, WARNING, CRITICAL = CheckStatus.PASSING, CheckStatus.WARNING, CheckStatus.CRITICAL
CODES = {PASSING: 0, WARNING: 1, CRITICAL: 2}

Prepare = Callable[[Behaviour], tuple[CheckRunner, ScriptKind]]
"""Makes a runner, and a check of a program that behaves so."""


@pytest.fixture(params=["fake", "real"])
async def prepare(request: pytest.FixtureRequest, tmp_path: Path) -> Prepare:
    program = tmp_path / "program"

    def fake(behaviour: Behaviour) -> tuple[CheckRunner, ScriptKind]:
        runner = FakeRunner()
        runner.behaviours[str(program)] = behaviour
        return runner, ScriptKind((str(program),))

    def real(behaviour: Behaviour) -> tuple[CheckRunner, ScriptKind]:
        code, output = CODES[behaviour.outcome.status], behaviour.outcome.output
        script = f"#!/bin/sh\nsleep {behaviour.takes_s}\nprintf %s '{output}'\nexit {code}\n"
        program.write_text(script, encoding="utf-8")
        program.chmod(stat.S_IRWXU)
        return RealRunner(ProgramChecks(tmp_path / "no-systemd")), ScriptKind((str(program),))

    return fake if request.param == "fake" else real


@pytest.mark.parametrize("status", list(CheckStatus))
async def test_what_a_program_says_is_the_outcome(prepare: Prepare, status: CheckStatus) -> None:
    runner, kind = prepare(Behaviour(Outcome(status, "said")))

    assert Outcome(status, "said") == await runner.run(kind, 20.0, 4096)


async def test_the_end_of_a_long_output_is_kept(prepare: Prepare) -> None:
    runner, kind = prepare(Behaviour(Outcome(PASSING, "0123456789")))

    assert Outcome(PASSING, "Captured 3 of 10 bytes\n...\n789") == await runner.run(kind, 20.0, 3)


async def test_a_program_that_takes_too_long_is_critical(prepare: Prepare) -> None:
    runner, kind = prepare(Behaviour(takes_s=1000.0))

    assert Outcome(CRITICAL, "Timed out (300ms) running check") == await runner.run(kind, 0.3, 4096)


async def test_a_run_can_be_broken_off(prepare: Prepare) -> None:
    runner, kind = prepare(Behaviour(takes_s=1000.0))
    with trio.fail_after(DEADLINE_S):
        with trio.move_on_after(0.2) as scope:
            await runner.run(kind, 2000.0, 4096)

    assert scope.cancelled_caught


async def test_several_run_at_once(prepare: Prepare) -> None:
    runner, kind = prepare(Behaviour(takes_s=0.5))
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(runner.run, kind, 2000.0, 4096)


async def test_a_script_is_run_anywhere(prepare: Prepare) -> None:
    runner, kind = prepare(Behaviour())

    assert "" == runner.refusal(kind)


async def test_a_unit_is_refused_without_systemd(tmp_path: Path) -> None:
    assert "systemd" in RealRunner(ProgramChecks(tmp_path / "none")).refusal(OsServiceKind("web"))


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        (HttpKind("http://{}/"), 'Get "http://{}/": dial tcp {}: connect: connection refused'),
        (TcpKind("{}"), "dial tcp {}: connect: connection refused"),
        (GrpcKind("{}"), "gRPC check {}: dial tcp {}: connect: connection refused"),
        (H2PingKind("{}"), "HTTP2 ping failed: dial tcp {}: connect: connection refused"),
        (UdpKind("{}"), "udp {}: connection refused"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_every_kind_finds_its_way(kind: RunKind, output: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        target = f"127.0.0.1:{sock.getsockname()[1]}"  # nobody is there once it is closed, nor over UDP
    field = "url" if isinstance(kind, HttpKind) else "target"
    asked = attrs.evolve(kind, **{field: getattr(kind, field).format(target)})

    assert Outcome(CRITICAL, output.format(*[target] * 2)) == await RealRunner().run(asked, 20.0, 4096)

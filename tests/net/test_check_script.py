"""Programs as checks: what their ends mean, and that nothing of them is left."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio

from nodedns.checks.kinds import OsServiceKind, ScriptKind
from nodedns.checks.outcome import Outcome
from nodedns.model.check import CheckStatus
from nodedns.net.check_script import ProgramChecks
from nodedns.net.spawn import MAX_SPAWNS_AT_ONCE, Spawner
from nodedns.testing.processes import DEADLINE_S

PASSING, WARNING, CRITICAL = CheckStatus.PASSING, CheckStatus.WARNING, CheckStatus.CRITICAL


def shell(text: str) -> ScriptKind:
    return ScriptKind(("/bin/sh", "-c", text))


@pytest.fixture
async def checks() -> AsyncIterator[ProgramChecks]:
    """Programs, and that they leave neither files nor children behind."""
    files = open_files()
    checks = ProgramChecks()
    yield checks

    def is_clean() -> bool:
        checks._spawner._lost.reap()
        return open_files() == files and own_children() == []

    await wait_until(is_clean)  # a thread may be in the middle of starting what nobody wants any more


def open_files() -> list[str]:
    return sorted(str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink())


def own_children() -> list[str]:
    found = ""
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            found += (task / "children").read_text(encoding="ascii")
    return found.split()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # children of a killed shell are init's to reap


async def wait_until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - other processes set no event
            await trio.sleep(0.01)


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("echo fine", Outcome(PASSING, "fine\n")),
        ("echo so so; exit 1", Outcome(WARNING, "so so\n")),
        ("echo bad >&2; exit 2", Outcome(CRITICAL, "bad\n")),
        ("exit 255", Outcome(CRITICAL, "")),
        ("kill -TERM $$", Outcome(CRITICAL, "")),
        ("printf 'a\\377b'", Outcome(PASSING, "a\ufffdb")),
        ("printf '0123456789ABCDEF'", Outcome(PASSING, "Captured 10 of 16 bytes\n...\n6789ABCDEF")),
        ("cat; echo no input", Outcome(PASSING, "no input\n")),
    ],
)
async def test_an_exit_code_is_what_a_script_says(checks: ProgramChecks, script: str, outcome: Outcome) -> None:
    assert outcome == await checks.run_script(shell(script), 20.0, 10)


async def test_a_script_is_run_without_a_shell_in_the_agents_environment(
    checks: ProgramChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHECKED_HERE", "of the agent")

    assert Outcome(PASSING, "$HOME *") == await checks.run_script(ScriptKind(("printf", "%s %s", "$HOME", "*")), 20, 99)
    assert Outcome(PASSING, "of the agent\n") == await checks.run_script(shell('echo "$CHECKED_HERE"'), 20, 99)


async def test_a_script_has_signals_as_any_program_has_them(checks: ProgramChecks) -> None:
    said = await checks.run_script(ScriptKind(("grep", "-E", "Sig(Ign|Blk)", "/proc/self/status")), 20, 999)
    found = {line.split()[0]: int(line.split()[1], 16) for line in said.output.splitlines()}
    ignored_by_python = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1

    assert (0, 0) == (found["SigBlk:"], found["SigIgn:"] & ignored_by_python)


async def test_a_script_holds_no_file_of_the_agent(checks: ProgramChecks, tmp_path: Path) -> None:
    with (tmp_path / "ours").open("w", encoding="utf-8") as file:
        os.set_inheritable(file.fileno(), True)
        said = await checks.run_script(shell("ls -l /proc/$$/fd"), 20, 4096)

    assert PASSING is said.status
    assert "ours" not in said.output
    assert "/dev/null" in said.output


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("no-such-program-anywhere", 'exec: "no-such-program-anywhere": executable file not found in $PATH'),
        ("/no/such/program", "fork/exec /no/such/program: no such file or directory"),
        ("/etc/passwd", "fork/exec /etc/passwd: permission denied"),
        ("/dev", "fork/exec /dev: permission denied"),
    ],
)
async def test_a_script_that_cannot_be_started_is_critical(checks: ProgramChecks, program: str, text: str) -> None:
    assert Outcome(CRITICAL, text) == await checks.run_script(ScriptKind((program,)), 20.0, 100)


@pytest.fixture
def clock() -> trio.testing.MockClock:
    """One that goes as clocks do, and can be put forward."""
    return trio.testing.MockClock(rate=1.0)


async def late_outcome(checks: ProgramChecks, clock: trio.testing.MockClock, script: str, begun: Path) -> Outcome:
    """Run a script whose time is over once a file is there."""
    outcomes: list[Outcome] = []

    async def run() -> None:
        outcomes.append(await checks.run_script(shell(script), 1_000.0, 100))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await wait_until(begun.exists)
        await trio.testing.wait_all_tasks_blocked(0.05)  # until what was said before is read
        clock.jump(2_000)
    return outcomes[0]


async def test_a_script_is_killed_with_its_children_at_the_timeout(
    checks: ProgramChecks, clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    pids, begun = tmp_path / "pids", tmp_path / "begun"
    script = f"trap '' TERM; (trap '' TERM; sleep 1000) & echo $! $$ > {pids}; echo begun; : > {begun}; sleep 1000"
    outcome = await late_outcome(checks, clock, script, begun)

    assert Outcome(CRITICAL, "Timed out (16m40s) running check\n\nbegun\n") == outcome
    for pid in pids.read_text(encoding="ascii").split():
        await wait_until(lambda pid=pid: not is_alive(int(pid)))  # type: ignore[misc]


async def test_a_child_that_keeps_the_output_open_counts_as_the_script(
    checks: ProgramChecks, clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    pids, begun = tmp_path / "pids", tmp_path / "begun"
    script = f"sleep 1000 & echo $! > {pids}; : > {begun}; exit 0"
    outcome = await late_outcome(checks, clock, script, begun)

    assert Outcome(CRITICAL, "Timed out (16m40s) running check") == outcome
    await wait_until(lambda: not is_alive(int(pids.read_text(encoding="ascii"))))


async def test_a_child_that_lets_go_of_the_output_is_left_alone(checks: ProgramChecks, tmp_path: Path) -> None:
    script = f"(while ! [ -e {tmp_path}/end ]; do sleep 0.01; done; touch {tmp_path}/seen) >/dev/null 2>&1 & exit 0"
    outcome = await checks.run_script(shell(script), 20.0, 100)
    (tmp_path / "end").touch()

    assert Outcome(PASSING) == outcome
    await wait_until((tmp_path / "seen").exists)


async def test_a_script_that_closes_its_output_is_waited_for(checks: ProgramChecks) -> None:
    outcome = await checks.run_script(shell("echo said; exec >&- 2>&-; sleep 0.2; exit 1"), 20.0, 100)

    assert Outcome(WARNING, "said\n") == outcome
    late = await checks.run_script(shell("exec >&- 2>&-; sleep 1000"), 0.3, 100)
    assert Outcome(CRITICAL, "Timed out (300ms) running check") == late


async def test_gigabytes_of_output_leave_the_end_and_let_others_run(checks: ProgramChecks) -> None:
    turns = 0
    outcome = None

    async def flood() -> None:
        nonlocal outcome
        outcome = await checks.run_script(shell("head -c 1000000000 /dev/zero; echo end"), 20 * DEADLINE_S, 4)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood)
        while outcome is None:
            await trio.sleep(0.001)
            turns += 1

    assert Outcome(PASSING, "Captured 4 of 1000000004 bytes\n...\nend\n") == outcome
    assert turns > 50


async def test_a_cancelled_run_leaves_nothing(checks: ProgramChecks, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                checks.run_script, shell(f"echo $$ > {pids}.new; mv {pids}.new {pids}; sleep 99"), 99.0, 9
            )
            await wait_until(pids.exists)
            scope.cancel()

    await wait_until(lambda: not is_alive(int(pids.read_text(encoding="ascii"))))


async def test_a_run_cancelled_while_it_is_being_started_leaves_nothing(checks: ProgramChecks) -> None:
    for _ in range(20):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                for _ in range(MAX_SPAWNS_AT_ONCE * 3):
                    nursery.start_soon(checks.run_script, shell("sleep 1000"), 99.0, 9)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()


async def test_starting_fails_with_the_systems_own_error() -> None:
    with pytest.raises(OSError, match="/no/such/program") as refusal:
        await Spawner().spawn(["/no/such/program"])

    assert errno.ENOENT == refusal.value.errno


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program called ``systemctl`` first in the path."""

    def put(script: str) -> None:
        program = tmp_path / "systemctl"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return put


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("active", Outcome(PASSING, 'Service "web" is healthy')),
        ("reloading", Outcome(PASSING, 'Service "web" is healthy')),
        ("activating", Outcome(WARNING, 'Service "web" is not healthy: activating')),
        ("failed", Outcome(CRITICAL, 'Service "web" is not healthy: failed')),
        ("", Outcome(CRITICAL, 'Service "web" is not healthy: systemctl exited with 3')),
    ],
)
async def test_a_unit_is_as_well_as_systemd_says(
    checks: ProgramChecks, systemctl: Callable[[str], None], state: str, outcome: Outcome
) -> None:
    systemctl(f'[ "$*" = "is-active -- web" ] && echo {state}; exit 3')

    assert outcome == await checks.run_os_service(OsServiceKind("web"), 20.0, 4096)


async def test_a_silent_systemd_is_critical(checks: ProgramChecks, systemctl: Callable[[str], None]) -> None:
    systemctl("sleep 1000")

    assert Outcome(CRITICAL, "Timed out (200ms) running check") == await checks.run_os_service(
        OsServiceKind("web"), 0.2, 4096
    )


async def test_units_are_refused_where_systemd_is_not_in_charge(
    systemctl: Callable[[str], None], tmp_path: Path
) -> None:
    systemctl("exit 0")

    assert "" == ProgramChecks(tmp_path).os_service_refusal()
    assert "systemd" in ProgramChecks(tmp_path / "none").os_service_refusal()


async def test_a_program_that_cannot_be_watched_is_not_left_running(checks: ProgramChecks) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []

    def take_all_files() -> None:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))

    async def be_greedy() -> None:
        while True:
            take_all_files()
            await trio.lowlevel.checkpoint()

    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        take_all_files()
        os.close(taken.pop())
        os.close(taken.pop())  # two files for the pipe; the one that is closed again is gone at once
        async with trio.open_nursery() as nursery:
            # Here the pipe is made before anybody else has a turn.
            nursery.start_soon(be_greedy)
            outcome = await checks.run_script(shell("sleep 1000"), 20.0, 4096)
            nursery.cancel_scope.cancel()
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert Outcome(CRITICAL, "fork/exec /bin/sh: too many open files") == outcome

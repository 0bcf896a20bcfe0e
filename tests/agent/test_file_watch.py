"""Files that have changed and are at rest again are read again, once."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from nodedns.agent.file_watch import LOOK_EVERY_S, Fingerprint, fingerprint, follow_files
from nodedns.errors import AgentError

Story = Callable[[Callable[[], int]], Awaitable[None]]


def play(paths: list[Path], story: Story, *, fails: bool = False) -> None:
    """Run the story, which gets how often there was a reload, in virtual time."""
    count = 0

    async def reload() -> None:
        nonlocal count
        await trio.lowlevel.checkpoint()
        count += 1
        if fails:
            raise AgentError("no")

    async def look(paths: Sequence[Path]) -> Fingerprint:
        # Not in a thread, for which a clock that jumps would not wait.
        await trio.lowlevel.checkpoint()
        return fingerprint(paths)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow_files, lambda: paths, reload, fingerprint(paths), look)
            await trio.sleep(2.5 * LOOK_EVERY_S)
            await story(lambda: count)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("fails", [False, True])
def test_each_change_is_read_once_it_is_over(tmp_path: Path, fails: bool) -> None:
    file = tmp_path / "a.hcl"
    file.write_text("x")

    async def story(count: Callable[[], int]) -> None:
        assert 0 == count()
        for size in range(2, 5):
            file.write_text(size * "x")
            await trio.sleep(LOOK_EVERY_S)
            assert 0 == count()
        await trio.sleep(3 * LOOK_EVERY_S)
        assert 1 == count()
        file.write_text("y")
        await trio.sleep(3 * LOOK_EVERY_S)
        assert 2 == count()

    play([tmp_path], story, fails=fails)


def test_files_that_come_go_or_take_another_s_place_are_changes(tmp_path: Path) -> None:
    one, other = tmp_path / "a.hcl", tmp_path / "b.hcl"
    seen = [fingerprint([tmp_path])]
    one.write_text("x")
    seen.append(fingerprint([tmp_path]))
    other.write_text("y")
    os.utime(other, ns=(one.stat().st_atime_ns, one.stat().st_mtime_ns))
    other.rename(one)
    seen.append(fingerprint([tmp_path]))
    one.unlink()
    assert 3 == len(set(seen))
    assert seen[0] == fingerprint([tmp_path])


def test_file_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    assert () == fingerprint([tmp_path / "gone", tmp_path / "gone" / "x.hcl"])

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from nodedns.errors import DataDirError
from nodedns.net.files import DataDir, SnapshotFile, write_atomically
from nodedns.observe.metrics import Metrics
from nodedns.testing.processes import DEADLINE_S


def run_with(snapshot: SnapshotFile, body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(snapshot.run)
            await body()
            nursery.cancel_scope.cancel()

    trio.run(main)


async def wait_until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - a file has no event
            await trio.sleep(0.001)


def limit_file_size(size_bytes: int, body: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run ``body`` where no file can grow past ``size_bytes``: what a full disk does, without one."""
    program = (
        "import resource, signal, sys, trio\n"
        "from pathlib import Path\n"
        "from nodedns.net.files import *\n"
        "from nodedns.observe.metrics import Metrics\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size_bytes}, resource.RLIM_INFINITY))\n"
        "def no_limit():\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "path = Path(sys.argv[1])\n"
    ) + body
    return subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)


def test_atomic_write_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")

    assert b"new" == path.read_bytes()
    assert ["file"] == [entry.name for entry in tmp_path.iterdir()]
    assert 0o600 == path.stat().st_mode & 0o777


def test_atomic_write_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    body = "try:\n    write_atomically(path, b'x' * 10000)\nexcept OSError as error:\n    print(error.errno)\n"
    done = limit_file_size(4096, body, path)

    assert "27\n" == done.stdout, done.stderr
    assert b"old" == path.read_bytes()
    assert ["file"] == [entry.name for entry in tmp_path.iterdir()]


def test_atomic_write_that_is_said_to_have_failed_has_changed_nothing(tmp_path: Path) -> None:
    path = tmp_path / "own" / "file"
    path.parent.mkdir()
    write_atomically(path, b"old")
    # A directory that one may write to and not read cannot be flushed; root may read it all the same.
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from nodedns.net.files import write_atomically\n"
        "path = Path(sys.argv[1])\n"
        "if os.getuid() == 0:\n"
        "    for place in path.resolve().parents[1:-1]:\n"
        "        os.chmod(place, 0o755)\n"
        "    os.chown(path.parent, 65534, 65534)\n"
        "    os.setuid(65534)\n"
        "os.chmod(path.parent, 0o300)\n"
        "try:\n"
        "    write_atomically(path, b'new')\n"
        "except PermissionError:\n"
        "    print('refused')\n"
        "finally:\n"
        "    os.chmod(path.parent, 0o700)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)

    assert "refused\n" == done.stdout, done.stderr
    assert b"old" == path.read_bytes()
    assert ["file"] == [entry.name for entry in path.parent.iterdir()]


def test_snapshot_appends_in_order(tmp_path: Path) -> None:
    snapshot = SnapshotFile(tmp_path / "serf" / "local.snapshot", Metrics())

    async def body() -> None:
        snapshot.append(b"one\n")
        snapshot.append(b"two\n")
        await wait_until(lambda: snapshot.read() == b"one\ntwo\n")
        snapshot.append(b"three\n")
        await wait_until(lambda: snapshot.read() == b"one\ntwo\nthree\n")

    run_with(snapshot, body)


def test_snapshot_appends_after_what_an_earlier_run_left(tmp_path: Path) -> None:
    path = tmp_path / "local.snapshot"
    path.write_bytes(b"before\n")
    snapshot = SnapshotFile(path, Metrics())

    async def body() -> None:
        snapshot.append(b"after\n")

    run_with(snapshot, body)
    assert b"before\nafter\n" == path.read_bytes()


def test_snapshot_rewrite_replaces_file_and_queue(tmp_path: Path) -> None:
    path = tmp_path / "local.snapshot"
    path.write_bytes(b"before\n")
    snapshot = SnapshotFile(path, Metrics())

    async def body() -> None:
        snapshot.append(b"superseded\n")
        snapshot.rewrite(b"whole\n")
        snapshot.append(b"more\n")

    run_with(snapshot, body)
    assert b"whole\nmore\n" == path.read_bytes()


def test_snapshot_writes_the_rest_when_cancelled(tmp_path: Path) -> None:
    snapshot = SnapshotFile(tmp_path / "local.snapshot", Metrics())

    async def body() -> None:
        await trio.lowlevel.checkpoint()
        snapshot.append(b"last words\n")

    run_with(snapshot, body)
    assert b"last words\n" == snapshot.read()


def test_snapshot_that_cannot_be_written_is_kept_and_written_later(tmp_path: Path) -> None:
    blocker = tmp_path / "serf"
    blocker.write_text("a file where the directory should be")
    metrics = Metrics()
    snapshot = SnapshotFile(blocker / "local.snapshot", metrics)

    async def main() -> None:
        snapshot.append(b"one\n")
        assert not await snapshot.flush()
        assert snapshot.has_failed
        snapshot.append(b"two\n")
        assert not await snapshot.flush()
        blocker.unlink()
        assert await snapshot.flush()
        assert not snapshot.has_failed

    trio.run(main)
    assert b"one\ntwo\n" == snapshot.read()
    assert 2 == metrics.value("nodedns_snapshot_errors_total")


def test_snapshot_failure_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocker = tmp_path / "serf"
    blocker.write_text("in the way")
    snapshot = SnapshotFile(blocker / "local.snapshot", Metrics())

    async def main() -> None:
        snapshot.append(b"one\n")
        for _ in range(3):
            await snapshot.flush()

    trio.run(main)
    assert ["snapshot cannot be written, trying again"] == [record.message for record in caplog.records]


def test_snapshot_cuts_off_what_a_full_disk_took_in_part(tmp_path: Path) -> None:
    path = tmp_path / "local.snapshot"
    path.write_bytes(b"x" * 4000 + b"\n")
    body = (
        "async def main():\n"
        "    snapshot = SnapshotFile(path, Metrics())\n"
        "    snapshot.append(b'y' * 200 + b'\\n')\n"
        "    assert not await snapshot.flush()\n"
        "    assert path.stat().st_size == 4001, path.stat()\n"
        "    no_limit()\n"
        "    assert await snapshot.flush()\n"
        "    print(path.stat().st_size)\n"
        "trio.run(main)\n"
    )
    done = limit_file_size(4096, body, path)

    assert "4202\n" == done.stdout, done.stderr


def test_snapshot_cancelled_before_its_write_keeps_the_queue(tmp_path: Path) -> None:
    snapshot = SnapshotFile(tmp_path / "local.snapshot", Metrics())

    async def main() -> None:
        snapshot.append(b"kept\n")
        with trio.CancelScope() as scope:
            scope.cancel()
            await snapshot.flush()
        assert b"" == snapshot.read()
        assert await snapshot.flush()

    trio.run(main)
    assert b"kept\n" == snapshot.read()


def test_unreadable_snapshot_is_an_error_of_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "local.snapshot").mkdir()

    with pytest.raises(DataDirError, match=r"local\.snapshot: EISDIR"):
        SnapshotFile(tmp_path / "local.snapshot", Metrics()).read()


def test_data_directory_is_made(tmp_path: Path) -> None:
    with DataDir(tmp_path / "a" / "b") as directory:
        assert directory.path.is_dir()


def test_data_directory_in_use_is_refused_with_the_owner(tmp_path: Path) -> None:
    with DataDir(tmp_path), pytest.raises(DataDirError, match=f"in use by process {os.getpid()}; .*-data-dir"):
        DataDir(tmp_path).__enter__()


def test_data_directory_is_free_again_after_use(tmp_path: Path) -> None:
    with DataDir(tmp_path):
        pass
    with DataDir(tmp_path) as directory:
        assert tmp_path == directory.path


def test_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")

    with pytest.raises(DataDirError, match=r"EEXIST .*-data-dir"):
        DataDir(path).__enter__()


def test_small_file_comes_back_stripped(tmp_path: Path) -> None:
    directory = DataDir(tmp_path)
    directory.write_text("serf/node-id", "abc")

    assert "abc" == directory.read_text("serf/node-id")
    assert None is directory.read_text("nothing")
    assert b"abc\n" == (tmp_path / "serf" / "node-id").read_bytes()


def test_small_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "node-id").write_bytes(b"\xff\xfe")

    with pytest.raises(DataDirError, match="node-id"):
        DataDir(tmp_path).read_text("node-id")

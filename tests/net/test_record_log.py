"""Records on disk: written together and in order, never half, and written anew while others are written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import DataDirError
from nodedns.net import record_log
from nodedns.net.record_log import RecordLog
from nodedns.observe.metrics import SNAPSHOT_ERRORS, Metrics
from nodedns.testing.processes import DEADLINE_S

HEADING_BYTES = 24


@attrs.define
class Owner:
    """A state made of records: the last of each letter counts."""

    log: RecordLog
    state: dict[bytes, bytes] = attrs.field(factory=dict)

    def take(self, record: bytes) -> None:
        self.state[record[:1]] = record

    async def append(self, *records: bytes) -> None:
        def then() -> None:
            for record in records:
                self.take(record)

        await self.log.append(records, then)

    def note(self, record: bytes) -> None:
        self.take(record)
        self.log.note(record)

    def whole(self) -> list[bytes]:
        return list(self.state.values())


def opened(path: Path, metrics: Metrics | None = None) -> Owner:
    owner = Owner(RecordLog(path, metrics or Metrics()))
    for record in owner.log.load():
        owner.take(record)
    return owner


def append(owner: Owner, *records: bytes) -> None:
    trio.run(owner.append, *records)


def changes_of(path: Path, number: int = 0) -> Path:
    return path.with_name(f"{path.name}.changes.{number}")


async def until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - what a worker thread does tells nobody
            await trio.sleep(0.002)


async def beside(owner: Owner, main: Callable[[], Awaitable[None]]) -> None:
    """Run ``main`` while the log runs."""
    async with trio.open_nursery() as nursery:
        await nursery.start(owner.log.run, owner.whole)
        await main()
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_log, "NOTE_S", 0.01)
    monkeypatch.setattr(record_log, "RETRY_S", 0.01)
    monkeypatch.setattr(record_log, "REWRITE_RETRY_S", 0.0)


def test_there_are_no_records_without_a_file(tmp_path: Path) -> None:
    assert {} == opened(tmp_path / "log").state


def test_records_come_back_in_order(tmp_path: Path) -> None:
    owner = opened(tmp_path / "log")
    append(owner, b"a1", b"b1")
    append(owner, b"a2", b"")
    assert [b"a1", b"b1", b"a2", b""] == list(RecordLog(tmp_path / "log", Metrics()).load())


def test_nothing_counts_before_it_is_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "log"
    owner = opened(path)
    seen: list[bool] = []
    trio.run(owner.log.append, [b"a1"], lambda: seen.append(changes_of(path).read_bytes().endswith(b"a1")))
    assert [True] == seen


@pytest.mark.parametrize("cut_bytes", [1, 5, 7, 10])
def test_record_that_was_not_finished_never_was_and_is_written_over(tmp_path: Path, cut_bytes: int) -> None:
    path = tmp_path / "log"
    owner = opened(path)
    append(owner, b"a1")
    append(owner, b"b22")
    whole = changes_of(path).read_bytes()
    changes_of(path).write_bytes(whole[:-cut_bytes])
    again = opened(path)
    assert {b"a": b"a1"} == again.state
    append(again, b"b22")
    assert whole == changes_of(path).read_bytes()


@pytest.mark.parametrize("length", [0, 5, HEADING_BYTES - 1, HEADING_BYTES])
def test_file_that_ends_within_its_heading_is_empty(tmp_path: Path, length: int) -> None:
    path = tmp_path / "log"
    append(opened(path), b"a1")
    changes_of(path).write_bytes(changes_of(path).read_bytes()[:length])
    owner = opened(path)
    append(owner, b"b1")
    assert {b"b": b"b1"} == opened(path).state


@pytest.mark.parametrize("tail", [b"\xff" * 8, b"\0\0\0\1\0\0\0\0x"], ids=["length", "crc"])
def test_changes_with_a_senseless_record_are_put_aside_and_what_stood_before_is_kept(
    tmp_path: Path, tail: bytes
) -> None:
    path = tmp_path / "log"
    append(opened(path), b"a1", b"b1")
    content = changes_of(path).read_bytes() + tail
    changes_of(path).write_bytes(content)
    owner = opened(path)

    async def main() -> None:
        assert path.exists()  # before anything else is done
        await owner.append(b"c1")

    trio.run(beside, owner, main)
    assert {b"a": b"a1", b"b": b"b1", b"c": b"c1"} == opened(path).state
    assert content == (tmp_path / "log.changes.0.bad").read_bytes()


@pytest.mark.parametrize("content", [b"{}" * 20, b"nodedns log 2\n\n\n" + bytes(8), bytes(40), b"short"])
def test_document_of_another_format_is_put_aside_and_the_changes_count(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log"
    append(opened(path), b"a1")
    changes_of(path).rename(changes_of(path, 7))
    path.write_bytes(content)
    assert {b"a": b"a1"} == opened(path).state
    assert content == (tmp_path / "log.bad").read_bytes()


def test_records_appended_at_once_are_written_together_and_return_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    owner = opened(path)
    stored: list[int] = []
    returned: list[int] = []

    async def one(number: int) -> None:
        await owner.log.append([b"%d" % number], lambda: stored.append(number))
        returned.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(one, number)

    trio.run(main)
    assert sorted(stored) == list(range(20))
    assert returned == stored == [int(record) for record in RecordLog(path, Metrics()).load()]


def test_record_of_a_task_that_is_cancelled_is_kept_all_the_same(tmp_path: Path) -> None:
    owner = opened(tmp_path / "log")

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await owner.append(b"a1")

    trio.run(main)
    assert {b"a": b"a1"} == owner.state == opened(tmp_path / "log").state


def test_record_that_cannot_be_written_does_not_count_and_the_next_does(tmp_path: Path) -> None:
    path = tmp_path / "log"
    metrics = Metrics()
    owner = opened(path, metrics)
    changes_of(path).mkdir()
    with pytest.raises(DataDirError, match=r"^cannot write .*log.changes.0: EISDIR \(Is a directory\)$"):
        append(owner, b"a1")
    assert ({}, 1) == (owner.state, metrics.value(SNAPSHOT_ERRORS.name))
    changes_of(path).rmdir()
    append(owner, b"b1")
    assert {b"b": b"b1"} == opened(path).state


def test_what_is_noted_is_written_soon_and_before_what_is_appended_after_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    owner = opened(path)

    async def main() -> None:
        owner.note(b"a1")
        await owner.append(b"b1")
        assert [b"a1", b"b1"] == list(RecordLog(path, Metrics()).load())
        written = changes_of(path).stat().st_size
        owner.note(b"a2")
        await until(lambda: changes_of(path).stat().st_size > written)

    trio.run(beside, owner, main)
    assert {b"a": b"a2", b"b": b"b1"} == opened(path).state


def test_what_is_noted_is_written_at_the_end(tmp_path: Path) -> None:
    owner = opened(tmp_path / "log")

    async def main() -> None:
        owner.note(b"a1")

    trio.run(beside, owner, main)
    assert {b"a": b"a1"} == opened(tmp_path / "log").state


def test_what_is_noted_on_a_full_disk_is_written_in_order_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "log"
    owner = opened(path)
    changes_of(path).mkdir()

    async def main() -> None:
        owner.note(b"a1")
        assert not await owner.log.flush()
        owner.note(b"a2")
        with pytest.raises(DataDirError):
            await owner.append(b"c1")
        changes_of(path).rmdir()
        await owner.append(b"b1")

    trio.run(main)
    assert [b"a1", b"a2", b"b1"] == list(RecordLog(path, Metrics()).load())


def test_what_a_full_disk_has_no_room_for_is_let_go_and_all_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_log, "MAX_NOTED_BYTES", 20)
    path = tmp_path / "log"
    owner = opened(path)
    changes_of(path).mkdir()
    path.mkdir()

    async def main() -> None:
        for number in range(20):
            owner.note(b"a%02d" % number)
        with pytest.raises(DataDirError, match="has to be written first"):
            await owner.append(b"b1")
        changes_of(path).rmdir()
        path.rmdir()
        await until(lambda: not owner.log.is_lacking)
        await owner.append(b"c1")

    trio.run(beside, owner, main)
    assert {b"a": b"a19", b"c": b"c1"} == opened(path).state


def test_changes_that_outgrow_the_document_go_into_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_log, "MIN_CHANGES_BYTES", 60)
    path = tmp_path / "log"
    owner = opened(path)

    async def main() -> None:
        for number in range(4):
            await owner.append(b"a%d" % number)
        await owner.append(b"b1")
        owner.note(b"c1")
        await until(path.exists)
        await until(lambda: not changes_of(path).exists())
        await owner.append(b"d1")

    trio.run(beside, owner, main)
    assert {b"a": b"a3", b"b": b"b1", b"c": b"c1", b"d": b"d1"} == opened(path).state
    assert [b"a3", b"b1", b"c1", b"d1"] == list(RecordLog(path, Metrics()).load())


def test_document_that_cannot_be_written_keeps_nobody_waiting_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_log, "MIN_CHANGES_BYTES", 1)
    path = tmp_path / "log"
    metrics = Metrics()
    owner = opened(path, metrics)
    path.mkdir()

    async def main() -> None:
        await owner.append(b"a1", b"b1")
        owner.log.note(b"c1")
        await until(lambda: metrics.value(SNAPSHOT_ERRORS.name) >= 1)
        await owner.append(b"a2")
        owner.log.note(b"c2")
        await until(lambda: metrics.value(SNAPSHOT_ERRORS.name) >= 2)

    trio.run(beside, owner, main)
    path.rmdir()
    assert {b"a": b"a2", b"b": b"b1", b"c": b"c2"} == opened(path).state


def test_changes_that_a_document_stands_for_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_log, "MIN_CHANGES_BYTES", 1)
    path = tmp_path / "log"
    owner = opened(path)
    append(owner, b"a1")
    stale = changes_of(path).read_bytes()

    async def main() -> None:
        owner.note(b"b1")
        await until(lambda: path.exists() and not changes_of(path).exists())

    trio.run(beside, owner, main)
    changes_of(path).write_bytes(stale)
    assert [b"a1", b"b1"] == list(RecordLog(path, Metrics()).load())


RECORDS = st.lists(st.lists(st.binary(max_size=5), min_size=1, max_size=3), max_size=8)


@given(RECORDS, st.integers(0, 400))
def test_whatever_is_cut_off_what_is_left_is_a_beginning(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[bytes]], cut: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    owner = opened(path)
    for batch in batches:
        append(owner, *batch)
    written = changes_of(path).read_bytes() if batches else b""
    changes_of(path).write_bytes(written[:cut])
    flat = [record for batch in batches for record in batch]
    loaded = list(RecordLog(path, Metrics()).load())
    assert loaded == flat[: len(loaded)]
    assert len(loaded) == len(flat) or cut < len(written)


@given(RECORDS, st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_whatever_is_in_the_files_a_log_opens_and_takes_more(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[bytes]], at: int, patch: bytes
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    owner = opened(path)
    for batch in batches:
        append(owner, *batch)
    written = changes_of(path).read_bytes() if batches else b""
    changes_of(path).write_bytes(written[:at] + patch + written[at + len(patch) :])
    again = opened(path)

    async def main() -> None:
        await again.append(b"last")

    trio.run(beside, again, main)
    assert b"last" == opened(path).state[b"l"]

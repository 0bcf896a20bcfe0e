"""Records on disk: whole changes, written together, never half."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import DataDirError
from nodedns.net import record_file
from nodedns.net.record_file import Record, RecordChange, RecordFile

WEB: Record = {"name": "web", "port": 80}
BOTH = RecordChange({"web": WEB, "check:web": {"ttl": "10s"}})


def changes_beside(path: Path) -> Path:
    return path.with_name(path.name + ".changes")


def note(file: RecordFile, *changes: RecordChange) -> None:
    for change in changes:
        trio.run(file.note, change)


def test_records_are_none_without_a_file(tmp_path: Path) -> None:
    assert {} == RecordFile(tmp_path / "local.json").load()


def test_records_come_back_as_noted(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    note(RecordFile(path), BOTH, RecordChange({"web": {"name": "other"}}, ("check:web", "absent")))

    assert {"web": {"name": "other"}} == RecordFile(path).load()


def test_change_whose_line_was_not_finished_never_was_in_any_part(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    note(RecordFile(path), RecordChange({"first": {}}), BOTH)
    written = changes_beside(path).read_bytes()
    changes_beside(path).write_bytes(written[:-3])
    file = RecordFile(path)

    assert {"first": {}} == file.load()
    note(file, BOTH)
    assert written == changes_beside(path).read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"format": 2, "records": {}}',
        b'{"format": 1, "records": []}',
        b'{"format": 1, "records": {"web": 3}}',
        b"\xff",
        b"[" * 99999,
    ],
    ids=["empty", "torn", "list", "no-keys", "other-format", "no-map", "no-record", "not-text", "deep"],
)
def test_document_that_makes_no_sense_is_put_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "local.json"
    path.write_bytes(content)

    assert {} == RecordFile(path).load()
    assert content == (tmp_path / "local.json.bad").read_bytes()
    assert not path.exists()


@pytest.mark.parametrize("line", [b"7\n", b'{"put": 7}\n', b'{"drop": "web"}\n', b'{"put": {"x": []}}\n', b"\xff\n"])
def test_changes_that_make_no_sense_are_put_aside_and_those_before_kept(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "local.json"
    note(RecordFile(path), BOTH)
    with changes_beside(path).open("ab") as file:
        file.write(line)

    assert dict(BOTH.put) == RecordFile(path).load()
    assert (tmp_path / "local.json.changes.bad").exists()
    assert dict(BOTH.put) == RecordFile(path).load()


def test_changes_that_outnumber_the_records_go_into_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_file, "MIN_CHANGES", 3)
    path = tmp_path / "local.json"
    file = RecordFile(path)
    note(file, BOTH, BOTH, BOTH)
    assert not path.exists()
    note(file, RecordChange({"last": {}}))

    assert 1 == len(changes_beside(path).read_bytes().splitlines())
    assert {**BOTH.put, "last": {}} == RecordFile(path).load()


def test_changes_noted_at_once_are_written_together_and_return_in_order(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    file = RecordFile(path)
    keys = [f"web-{number}" for number in range(20)]
    returned: list[str] = []

    async def one(key: str) -> None:
        await file.note(RecordChange({key: WEB}))
        returned.append(key)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for key in keys:
                nursery.start_soon(one, key)

    trio.run(main)

    assert sorted(keys) == sorted(RecordFile(path).load())
    assert returned == list(RecordFile(path).load())


def test_change_noted_by_a_task_that_is_cancelled_is_kept_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    file = RecordFile(path)

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await file.note(BOTH)

    trio.run(main)

    assert dict(BOTH.put) == RecordFile(path).load()


def test_change_that_cannot_be_written_is_an_error_and_the_next_is_not(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    changes_beside(path).mkdir()
    file = RecordFile(path)
    with pytest.raises(DataDirError, match="EISDIR"):
        note(file, BOTH)
    changes_beside(path).rmdir()
    note(file, RecordChange({"web": WEB}))

    assert {"web": WEB} == RecordFile(path).load()


KEYS = st.sampled_from(["a", "b", "c"])
RECORDS = st.dictionaries(st.text(max_size=3), st.one_of(st.integers(), st.text(max_size=3)), max_size=2)
CHANGES = st.builds(RecordChange, st.dictionaries(KEYS, RECORDS, max_size=2), st.lists(KEYS, max_size=2).map(tuple))


@given(st.lists(CHANGES, max_size=12), st.integers(1, 6))
def test_records_come_back_as_the_changes_left_them(
    tmp_path_factory: pytest.TempPathFactory, changes: list[RecordChange], limit: int
) -> None:
    path = tmp_path_factory.mktemp("records") / "local.json"
    expected: dict[str, Record] = {}
    for change in changes:
        expected.update(change.put)
        for key in change.drop:
            expected.pop(key, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_file, "MIN_CHANGES", limit)
        note(RecordFile(path), *changes)

    assert expected == RecordFile(path).load()

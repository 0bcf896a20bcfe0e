from __future__ import annotations

from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import DataDirError
from nodedns.model.names import NodeName, fold
from nodedns.net import nodes_file
from nodedns.net.nodes_file import ExternalNodesFile
from nodedns.table.changes import ExternalNode, NodeDeregistered, NodeRegistered

ROUTER = ExternalNode(NodeName("router"), "", "10.0.0.254", {"lan": "10.0.0.254"}, {"rack": "3"})
PRINTER = ExternalNode(NodeName("printer"), "b5d5d1c8-0000-4000-8000-000000000001", "printer.example.org")


def changes_beside(path: Path) -> Path:
    return path.with_name(path.name + ".changes")


def note(file: ExternalNodesFile, *changes: NodeRegistered | NodeDeregistered) -> None:
    for change in changes:
        trio.run(file.note, change)


def test_external_nodes_come_back_as_saved(tmp_path: Path) -> None:
    file = ExternalNodesFile(tmp_path / "nodes.json")
    trio.run(file.save, [ROUTER, PRINTER])

    assert (ROUTER, PRINTER) == ExternalNodesFile(tmp_path / "nodes.json").load()


def test_external_nodes_are_none_without_a_file(tmp_path: Path) -> None:
    assert () == ExternalNodesFile(tmp_path / "nodes.json").load()


def test_external_nodes_saved_at_once_end_in_the_last_state(tmp_path: Path) -> None:
    file = ExternalNodesFile(tmp_path / "nodes.json")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(file.save, [ROUTER])
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(file.save, [ROUTER, PRINTER])

    trio.run(main)
    assert (ROUTER, PRINTER) == file.load()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"format": 2, "nodes": []}',
        b'{"format": 1, "nodes": [{"name": 3}]}',
        b"\xff",
        b"[" * 99999,
    ],
    ids=["empty", "torn", "list", "no-keys", "other-format", "wrong-type", "not-text", "deep"],
)
def test_external_nodes_that_make_no_sense_are_put_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nodes.json"
    path.write_bytes(content)

    assert () == ExternalNodesFile(path).load()
    assert content == (tmp_path / "nodes.json.bad").read_bytes()
    assert not path.exists()


def test_external_nodes_that_cannot_be_saved_leave_the_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    file = ExternalNodesFile(path)
    trio.run(file.save, [ROUTER])
    (tmp_path / "nodes.json.tmp").mkdir()

    with pytest.raises(DataDirError, match="EISDIR"):
        trio.run(file.save, [PRINTER])
    assert (ROUTER,) == file.load()


def test_changes_are_added_beside_the_document(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    file = ExternalNodesFile(path)
    trio.run(file.save, [ROUTER])
    document = path.read_bytes()
    note(file, NodeRegistered(PRINTER), NodeDeregistered(NodeName("Router")))

    assert document == path.read_bytes()
    assert 2 == len(changes_beside(path).read_bytes().splitlines())
    assert (PRINTER,) == ExternalNodesFile(path).load()


def test_change_whose_line_was_not_finished_never_was(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    note(ExternalNodesFile(path), NodeRegistered(ROUTER), NodeRegistered(PRINTER))
    written = changes_beside(path).read_bytes()
    changes_beside(path).write_bytes(written[:-3])
    file = ExternalNodesFile(path)

    assert (ROUTER,) == file.load()
    note(file, NodeRegistered(PRINTER))
    assert written == changes_beside(path).read_bytes()


def test_changes_that_make_no_sense_are_put_aside_and_those_before_kept(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    note(ExternalNodesFile(path), NodeRegistered(ROUTER))
    with changes_beside(path).open("ab") as file:
        file.write(b'{"registered": 7}\n')

    assert (ROUTER,) == ExternalNodesFile(path).load()
    assert (tmp_path / "nodes.json.changes.bad").exists()
    assert (ROUTER,) == ExternalNodesFile(path).load()


def test_changes_that_outnumber_the_nodes_go_into_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes_file, "MIN_CHANGES", 3)
    path = tmp_path / "nodes.json"
    file = ExternalNodesFile(path)
    for _ in range(3):
        trio.run(file.note, NodeRegistered(ROUTER))
    assert not path.exists()
    trio.run(file.note, NodeRegistered(PRINTER))

    assert 1 == len(changes_beside(path).read_bytes().splitlines())
    assert (ROUTER, PRINTER) == ExternalNodesFile(path).load()


def test_changes_left_behind_by_a_crash_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    file = ExternalNodesFile(path)
    note(file, NodeRegistered(ROUTER), NodeRegistered(PRINTER), NodeDeregistered(ROUTER.name))
    changes = changes_beside(path).read_bytes()
    trio.run(file.save, [PRINTER])
    changes_beside(path).write_bytes(changes)

    assert (PRINTER,) == ExternalNodesFile(path).load()


def test_changes_noted_at_once_are_written_together_and_return_in_order(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    file = ExternalNodesFile(path)
    nodes = [ExternalNode(NodeName(f"node-{number}"), "", "10.0.0.1") for number in range(20)]
    returned: list[ExternalNode] = []

    async def one(node: ExternalNode) -> None:
        await file.note(NodeRegistered(node))
        returned.append(node)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(one, node)

    trio.run(main)

    written = ExternalNodesFile(path).load()
    assert len(nodes) == len(written)
    assert returned == list(written)


def test_change_noted_by_a_task_that_is_cancelled_is_kept_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    file = ExternalNodesFile(path)

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await file.note(NodeRegistered(ROUTER))

    trio.run(main)

    assert (ROUTER,) == ExternalNodesFile(path).load()


def test_changes_that_could_not_be_written_together_fail_together(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    changes_beside(path).mkdir()
    file = ExternalNodesFile(path)
    failed: list[str] = []

    async def one(node: ExternalNode) -> None:
        with pytest.raises(DataDirError, match="EISDIR"):
            await file.note(NodeRegistered(node))
        failed.append(node.name)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, ROUTER)
            nursery.start_soon(one, PRINTER)

    trio.run(main)

    assert {"router", "printer"} == set(failed)


def test_change_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    changes_beside(path).mkdir()

    with pytest.raises(DataDirError, match="EISDIR"):
        note(ExternalNodesFile(path), NodeRegistered(ROUTER))


NAMES = st.sampled_from(["one", "ONE", "two", "three"]).map(NodeName)
CHANGES = st.one_of(
    NAMES.map(NodeDeregistered),
    st.builds(
        NodeRegistered,
        st.builds(ExternalNode, NAMES, st.just(""), st.sampled_from(["10.0.0.1", "::1", "a.example"])),
    ),
)


def applied(changes: list[NodeRegistered | NodeDeregistered]) -> dict[str, ExternalNode]:
    """What there is in the end."""
    nodes: dict[str, ExternalNode] = {}
    for change in changes:
        if isinstance(change, NodeRegistered):
            nodes[fold(change.node.name)] = change.node
        else:
            nodes.pop(fold(change.name), None)
    return nodes


@given(st.lists(CHANGES, max_size=12), st.integers(1, 6))
def test_nodes_come_back_as_the_changes_left_them(
    tmp_path_factory: pytest.TempPathFactory, changes: list[NodeRegistered | NodeDeregistered], limit: int
) -> None:
    path = tmp_path_factory.mktemp("nodes") / "nodes.json"
    file = ExternalNodesFile(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodes_file, "MIN_CHANGES", limit)
        note(file, *changes)

    loaded = {fold(node.name): node for node in ExternalNodesFile(path).load()}
    assert applied(changes) == loaded

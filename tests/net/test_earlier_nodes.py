"""External nodes as an earlier release left them on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodedns.model.names import NodeName
from nodedns.net.earlier_nodes import EarlierNodes
from nodedns.table.changes import ExternalNode

ROUTER = ExternalNode(NodeName("router"), "", "10.0.0.254", {"lan": "10.0.0.254"}, {"rack": "3"})
PRINTER = ExternalNode(NodeName("Printer"), "b5d5d1c8-0000-4000-8000-000000000001", "printer.example.org")
DOCUMENT = (
    b'{"format": 1, "nodes": [\n {"name": "router", "id": "", "address": "10.0.0.254",'
    b' "tagged_addresses": {"lan": "10.0.0.254"}, "meta": {"rack": "3"}}\n]}\n'
)
PRINTER_LINE = (
    b'{"registered": {"name": "Printer", "id": "b5d5d1c8-0000-4000-8000-000000000001",'
    b' "address": "printer.example.org", "tagged_addresses": {}, "meta": {}}}\n'
)


def kept(folder: Path, document: bytes | None, changes: bytes | None = None) -> EarlierNodes:
    if document is not None:
        (folder / "nodes.json").write_bytes(document)
    if changes is not None:
        (folder / "nodes.json.changes").write_bytes(changes)
    return EarlierNodes(folder / "nodes.json")


def test_there_are_no_nodes_without_a_file(tmp_path: Path) -> None:
    assert () == kept(tmp_path, None).load()


def test_nodes_of_the_document_and_of_the_changes_are_read(tmp_path: Path) -> None:
    assert (ROUTER, PRINTER) == kept(tmp_path, DOCUMENT, PRINTER_LINE).load()


def test_changes_count_without_a_document(tmp_path: Path) -> None:
    assert (PRINTER,) == kept(tmp_path, None, PRINTER_LINE).load()


def test_deregistered_node_is_gone_however_it_is_spelled(tmp_path: Path) -> None:
    gone = PRINTER_LINE + b'{"deregistered": "pRINTER"}\n'
    assert (ROUTER,) == kept(tmp_path, DOCUMENT, gone).load()


def test_last_line_without_its_end_is_passed_over(tmp_path: Path) -> None:
    assert (ROUTER, PRINTER) == kept(tmp_path, DOCUMENT, PRINTER_LINE + b'{"deregistered": "pr').load()


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"format": 2, "nodes": []}',
        b'{"format": 1, "nodes": [{}]}',
        json.dumps({"format": 1, "nodes": [{"name": 3}]}).encode(),
        b"\xff",
        b"[" * 99_999,
    ],
    ids=["torn", "list", "no-keys", "other-format", "no-node", "no-name", "not-text", "deep"],
)
def test_document_that_makes_no_sense_is_put_aside_and_the_changes_count(tmp_path: Path, content: bytes) -> None:
    assert (PRINTER,) == kept(tmp_path, content, PRINTER_LINE).load()
    assert content == (tmp_path / "nodes.json.bad").read_bytes()


@pytest.mark.parametrize("line", [b"7\n", b'{"registered": 7}\n', b'{"deregistered": 7}\n', b"{}\n", b"\xff\n"])
def test_changes_that_make_no_sense_are_put_aside_and_those_before_count(tmp_path: Path, line: bytes) -> None:
    assert (ROUTER, PRINTER) == kept(tmp_path, DOCUMENT, PRINTER_LINE + line).load()
    assert (tmp_path / "nodes.json.changes.bad").exists()


def test_retired_files_are_not_read_again_and_still_there(tmp_path: Path) -> None:
    nodes = kept(tmp_path, DOCUMENT, PRINTER_LINE)
    nodes.retire()
    assert () == nodes.load()
    assert DOCUMENT == (tmp_path / "nodes.json.old").read_bytes()
    assert PRINTER_LINE == (tmp_path / "nodes.json.changes.old").read_bytes()
    nodes.retire()

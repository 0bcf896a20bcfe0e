"""``ExternalNodesFile``: the registered nodes that run no agent, on disk before they are answered.

A document with all nodes, and beside it a file to which each change is added, so
that registering one node among ten thousand writes one line and not ten
thousand. What is noted while the disk is busy goes to it together, in one write.
When the changes outnumber the nodes, the document is written anew and the changes
begin again. Changes that are in the document already, as after a crash between
the two, do no harm: each says what is to be, not what to do.

A last line without its end was never confirmed to anybody, and is passed over.

Source: the write-ahead log of any database; Serf's snapshot grows and is compacted likewise.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import attrs
import trio

from nodedns.errors import DataDirError, shorten
from nodedns.model.names import NodeName, fold
from nodedns.net.files import GrowingFile
from nodedns.net.transport import errno_name
from nodedns.observe.logs import logger
from nodedns.table.changes import ExternalNode, NodeDeregistered, NodeRegistered

__all__ = ["ExternalNodesFile"]

NODES_FORMAT = 1
MIN_CHANGES = 1_000
"""Changes kept beside the document however few nodes there are; ours: 100 KB, read in ten milliseconds."""
_SENSELESS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)

_SNAPSHOT = logger("snapshot")


@attrs.define(eq=False)
class _Batch:
    """Changes that reach the disk in one write, or not at all."""

    changes: list[NodeRegistered | NodeDeregistered] = attrs.field(factory=list)
    is_done: bool = False
    problem: str = ""


class ExternalNodesFile:
    """The document at ``path``, and the changes since in a file beside it that ends in ``.changes``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes_path = path.with_name(path.name + ".changes")
        self._document = GrowingFile(path)
        self._changes = GrowingFile(self._changes_path)
        self._nodes: dict[str, ExternalNode] = {}
        self._noted = 0
        self._waiting = _Batch()
        self._writing = trio.Lock()

    def load(self) -> tuple[ExternalNode, ...]:
        """Return the nodes, none if there is no file. Blocks; for the start.

        A file that makes no sense is put aside under another name, and said so: names
        that can be registered again are no reason for an agent not to start.

        Raises:
            DataDirError: A file is there and cannot be read or put aside.
        """
        self._nodes.clear()
        self._noted = 0
        document = _read(self._path)
        if document is not None:
            try:
                self._nodes.update((fold(node.name), node) for node in _decode_nodes(document))
            except _SENSELESS as error:
                _put_aside(self._path, error)
        changes = _read(self._changes_path)
        if changes is not None:
            self._replay(changes)
        return tuple(self._nodes.values())

    def _replay(self, changes: bytes) -> None:
        end = changes.rfind(b"\n") + 1
        self._changes.cut(end)
        try:
            for line in changes[:end].splitlines():
                _apply(_decode_change(line), self._nodes)
                self._noted += 1
        except _SENSELESS as error:
            _put_aside(self._changes_path, error)
            # The changes before the senseless one are now in no file that is read.
            self._store(tuple(self._nodes.values()))

    async def save(self, nodes: Collection[ExternalNode]) -> None:
        """Replace everything; once this returns, ``kill -9`` does not lose them.

        Raises:
            DataDirError: The files are as they were.
        """
        with trio.CancelScope(shield=True):
            async with self._writing:
                await trio.to_thread.run_sync(self._store, tuple(nodes))
                self._nodes = {fold(node.name): node for node in nodes}

    async def note(self, change: NodeRegistered | NodeDeregistered) -> None:
        """Keep one change, over ``kill -9`` too; those who wait return in the order in which they came.

        Not cancelled on the way: who asked must hear what is on the disk now.

        Raises:
            DataDirError: The files say what they said.
        """
        batch = self._waiting
        batch.changes.append(change)
        with trio.CancelScope(shield=True):
            async with self._writing:
                if not batch.is_done:
                    self._waiting = _Batch()
                    await self._write(batch)
        if batch.problem:
            raise DataDirError(batch.problem)

    async def _write(self, batch: _Batch) -> None:
        lines = b"".join(map(_encode_change, batch.changes))
        batch.is_done = True
        batch.problem = f"cannot write {self._changes_path}: interrupted"
        try:
            if self._noted >= max(MIN_CHANGES, len(self._nodes)):
                await trio.to_thread.run_sync(self._store, tuple(self._nodes.values()))
            await trio.to_thread.run_sync(self._add, lines)
        except DataDirError as problem:
            batch.problem = str(problem)
            return
        batch.problem = ""
        self._noted += len(batch.changes)
        for change in batch.changes:
            _apply(change, self._nodes)

    # In a worker thread, one call at a time.
    def _add(self, lines: bytes) -> None:
        try:
            self._changes.append(lines)
        except OSError as error:
            raise _not_written(self._changes_path, error) from error

    def _store(self, nodes: Collection[ExternalNode]) -> None:
        try:
            self._document.replace(_encode_nodes(nodes))
        except OSError as error:
            raise _not_written(self._path, error) from error
        # From here on nothing can be lost: the changes are in the document, and doing them again changes nothing.
        try:
            self._changes_path.unlink(missing_ok=True)
        except OSError as error:
            _SNAPSHOT.warning("changes cannot be removed", path=self._changes_path, error=errno_name(error))
            return
        self._changes.cut(0)
        self._noted = 0


def _not_written(path: Path, error: OSError) -> DataDirError:
    _SNAPSHOT.error("external nodes cannot be written", path=path, error=errno_name(error))
    return DataDirError(f"cannot write {path}: {errno_name(error)} ({error.strerror})")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataDirError(f"cannot read {path}: {errno_name(error)} ({error.strerror})") from error


def _put_aside(path: Path, error: Exception) -> None:
    aside = path.with_name(path.name + ".bad")
    try:
        path.replace(aside)
    except OSError as failure:
        raise DataDirError(f"cannot put aside {path}: {errno_name(failure)}") from failure
    _SNAPSHOT.error("external nodes cannot be read, put aside", path=aside, error=shorten(str(error)))


def _encode_nodes(nodes: Collection[ExternalNode]) -> bytes:
    # One call for each node: while a worker thread is in one, nobody else gets a turn.
    listed = ",\n ".join(json.dumps(_shape(node)) for node in nodes)
    return f'{{"format": {NODES_FORMAT}, "nodes": [\n {listed}\n]}}\n'.encode()


def _encode_change(change: NodeRegistered | NodeDeregistered) -> bytes:
    if isinstance(change, NodeRegistered):
        return json.dumps({"registered": _shape(change.node)}).encode() + b"\n"
    return json.dumps({"deregistered": change.name}).encode() + b"\n"


def _shape(node: ExternalNode) -> dict[str, Any]:
    return {
        "name": node.name,
        "id": node.node_id,
        "address": node.address,
        "tagged_addresses": dict(node.tagged_addresses),
        "meta": dict(node.meta),
    }


def _decode_nodes(content: bytes) -> tuple[ExternalNode, ...]:
    document = json.loads(content)
    if document["format"] != NODES_FORMAT:
        raise ValueError(f"format {shorten(document['format'])} is not {NODES_FORMAT}")
    return tuple(map(_decode_node, document["nodes"]))


def _decode_change(line: bytes) -> NodeRegistered | NodeDeregistered:
    change = json.loads(line)
    if "registered" in change:
        return NodeRegistered(_decode_node(change["registered"]))
    return NodeDeregistered(NodeName(_text(change["deregistered"])))


def _apply(change: NodeRegistered | NodeDeregistered, nodes: dict[str, ExternalNode]) -> None:
    if isinstance(change, NodeRegistered):
        nodes[fold(change.node.name)] = change.node
    else:
        nodes.pop(fold(change.name), None)


def _decode_node(node: Any) -> ExternalNode:  # noqa: ANN401 - whatever stood in the file
    return ExternalNode(
        name=NodeName(_text(node["name"])),
        node_id=_text(node["id"]),
        address=_text(node["address"]),
        tagged_addresses={_text(key): _text(value) for key, value in node["tagged_addresses"].items()},
        meta={_text(key): _text(value) for key, value in node["meta"].items()},
    )


def _text(value: Any) -> str:  # noqa: ANN401 - whatever stood in the file
    if not isinstance(value, str):
        raise TypeError(f"{shorten(value)} is not text")
    return value

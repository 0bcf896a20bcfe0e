"""``EarlierNodes``: external nodes as agents kept them before there was replication; read once, then put aside.

A document of JSON with all nodes, and beside it a file of changes, a line of JSON each. Nobody writes
them any more. A last line without its end was never confirmed to anybody, and is passed over.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nodedns.errors import DataDirError, shorten
from nodedns.model.names import NodeName, fold
from nodedns.net.files import put_aside
from nodedns.net.transport import errno_name
from nodedns.observe.logs import logger
from nodedns.table.changes import ExternalNode

__all__ = ["EarlierNodes"]

NODES_FORMAT = 1
_SENSELESS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)

_SNAPSHOT = logger("snapshot")


class EarlierNodes:
    """The document at ``path``, and the changes since in a file beside it that ends in ``.changes``."""

    def __init__(self, path: Path) -> None:
        self._paths = (path, path.with_name(path.name + ".changes"))

    def load(self) -> tuple[ExternalNode, ...]:
        """Return the nodes, none if there is no file. Blocks; for the start.

        A file that makes no sense is put aside under another name, and said so: names
        that can be registered again are no reason for an agent not to start.

        Raises:
            DataDirError: A file is there and cannot be read or put aside.
        """
        nodes: dict[str, ExternalNode] = {}
        document, changes = self._paths
        try:
            for node in _decode_nodes(_read(document)):
                nodes[fold(node.name)] = node
        except _SENSELESS as error:
            _put_aside(document, error)
        content = _read(changes)
        try:
            for line in content[: content.rfind(b"\n") + 1].splitlines():
                _replay(line, nodes)
        except _SENSELESS as error:
            _put_aside(changes, error)
        return tuple(nodes.values())

    def retire(self) -> None:
        """Have the files not be read again: they get another name, under which an earlier release's are found."""
        for path in self._paths:
            try:
                path.replace(path.with_name(path.name + ".old"))
            except FileNotFoundError:
                continue
            except OSError as error:
                # It is read once more at the next start, and what has changed since would be as it was.
                _SNAPSHOT.error("cannot be renamed", path=path, error=errno_name(error))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise DataDirError(f"cannot read {path}: {errno_name(error)} ({error.strerror})") from error


def _put_aside(path: Path, error: Exception) -> None:
    aside = put_aside(path)
    _SNAPSHOT.error("external nodes cannot be read, put aside", path=aside, error=shorten(str(error)))


def _decode_nodes(content: bytes) -> tuple[ExternalNode, ...]:
    if not content:
        return ()
    document = json.loads(content)
    if document["format"] != NODES_FORMAT:
        raise ValueError(f"format {shorten(document['format'])} is not {NODES_FORMAT}")
    return tuple(map(_decode_node, document["nodes"]))


def _replay(line: bytes, nodes: dict[str, ExternalNode]) -> None:
    change = json.loads(line)
    if "registered" in change:
        node = _decode_node(change["registered"])
        nodes[fold(node.name)] = node
    else:
        nodes.pop(fold(_text(change["deregistered"])), None)


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

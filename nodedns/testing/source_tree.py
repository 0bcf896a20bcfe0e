"""The project's own files, read as text and syntax trees, for the tests of the conventions.

Strategy: conventions that a linter does not know are checked on the syntax
tree, without importing anything. ``SourceFile`` is one Python file with its
dotted name; ``project_root`` is where ``setup.cfg`` stands, so that a test of
the installed wheel still reads the tree it was built from.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs

__all__ = ["PURE_ROOMS", "Definition", "SourceFile", "package_files", "project_root", "public_definitions"]

PURE_ROOMS = ("errors", "model", "gossip", "serf", "table", "dns", "api")
"""The rooms that decide and do no I/O."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@attrs.frozen
class SourceFile:
    """One Python file of the package.

    Attributes:
        path: Where it lies.
        module: Its dotted name, e.g. ``nodedns.dns.codec``.
        text: Its source.
        tree: The same, parsed.
    """

    path: Path
    module: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The room it belongs to: ``dns`` for ``nodedns.dns.codec``; empty for the package itself."""
        _, _, rest = self.module.partition(".")
        return rest.partition(".")[0]


def project_root(start: Path) -> Path:
    """Return the nearest folder at or above ``start`` that holds ``setup.cfg``."""
    for folder in (start, *start.parents):
        if (folder / "setup.cfg").is_file():
            return folder
    msg = f"no setup.cfg at or above {start}"
    raise FileNotFoundError(msg)


@cache
def package_files(root: Path) -> tuple[SourceFile, ...]:
    """Return every Python file of the package under a project's root, sorted by path."""
    return tuple(_read(path, root) for path in sorted((root / "nodedns").rglob("*.py")))


def _read(path: Path, root: Path) -> SourceFile:
    parts = path.relative_to(root).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    text = path.read_text(encoding="utf-8")
    return SourceFile(path, ".".join(parts), text, ast.parse(text, str(path)))


def public_definitions(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    """Yield each class, function and method that a reader from outside may use, with its dotted name."""
    yield from _public(tree.body, "")


def _public(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, Definition]]:
    for statement in body:
        if isinstance(statement, Definition) and not statement.name.startswith("_"):
            yield prefix + statement.name, statement
            if isinstance(statement, ast.ClassDef):
                yield from _public(statement.body, f"{prefix}{statement.name}.")

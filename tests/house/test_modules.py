"""Every file of the package: documented, typed, with its public names said."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from nodedns.testing.source_tree import SourceFile, package_files, project_root, public_definitions

ROOT = project_root(Path(__file__))
FILES = package_files(ROOT)
MAX_LINES = 600

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.module)


def assigned_names(file: SourceFile) -> set[str]:
    """Names bound at the top of a file."""
    names: set[str] = set()
    for node in ast.walk(file.tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name)
    return names


def exported_names(file: SourceFile) -> list[str] | None:
    """What ``__all__`` lists; None where there is none."""
    for statement in file.tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                listed: list[str] = ast.literal_eval(value)
                return listed
    return None


def test_package_is_found() -> None:
    assert len(FILES) > 20


@each_file
def test_module_has_a_docstring(file: SourceFile) -> None:
    assert ast.get_docstring(file.tree)


@each_file
def test_module_with_code_says_its_public_names(file: SourceFile) -> None:
    if len(file.tree.body) <= 1:
        return
    exported = exported_names(file)
    if exported is None and file.path.name in {"__init__.py", "__main__.py"}:
        return

    assert exported is not None
    assert len(set(exported)) == len(exported)
    assert [] == [name for name in exported if name not in assigned_names(file)]


@each_file
def test_module_with_code_postpones_annotations(file: SourceFile) -> None:
    if len(file.tree.body) <= 1:
        return

    assert "from __future__ import annotations" in file.text


def is_overload(found: ast.AST) -> bool:
    """Whether it is but one of the types of a function, whose docstring stands with the function itself."""
    marks = getattr(found, "decorator_list", [])
    return any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in marks)


@each_file
def test_public_names_are_documented(file: SourceFile) -> None:
    definitions = [(name, found) for name, found in public_definitions(file.tree) if not is_overload(found)]
    assert [] == [name for name, found in definitions if not ast.get_docstring(found)]


def untyped_arguments(found: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Arguments without an annotation; the first of a method needs none."""
    spoken = [*found.args.posonlyargs, *found.args.args, *found.args.kwonlyargs, found.args.vararg, found.args.kwarg]
    return [each.arg for each in spoken if each and each.annotation is None and each.arg not in {"self", "cls"}]


@each_file
def test_public_functions_are_typed(file: SourceFile) -> None:
    untyped = [
        name
        for name, found in public_definitions(file.tree)
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
        and (found.returns is None or untyped_arguments(found))
    ]

    assert [] == untyped


@each_file
def test_module_fits_in_a_readers_head(file: SourceFile) -> None:
    assert len(file.text.splitlines()) <= MAX_LINES


def test_package_says_it_is_typed() -> None:
    assert (ROOT / "nodedns" / "py.typed").is_file()

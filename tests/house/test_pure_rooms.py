"""Pure rooms draw no chance and read no clock of their own, and take no order from hashing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.source_tree import PURE_ROOMS, SourceFile, package_files, project_root

PURE_FILES = [file for file in package_files(project_root(Path(__file__))) if file.room in PURE_ROOMS]
FROM_RANDOM = {"Random"}
CLOCK_CALLS = {"now", "utcnow", "today", "monotonic", "perf_counter", "current_time", "time_ns", "urandom"}
CHANCE_CALLS = {"uuid1", "uuid4", "token_bytes", "token_hex", "SystemRandom"}

each_file = pytest.mark.parametrize("file", PURE_FILES, ids=lambda file: file.module)


def random_attributes(tree: ast.Module) -> Iterator[str]:
    """What a file takes from the module ``random``."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="random"), attr=name):
                yield name
            case ast.ImportFrom(module="random", names=names):
                yield from (alias.name for alias in names)


def called_names(tree: ast.Module) -> Iterator[str]:
    """Last part of the name of everything a file calls."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
                yield name


def is_set(node: ast.expr) -> bool:
    """Whether an expression is a set, as far as can be seen where it stands."""
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
    return False


def iterated(tree: ast.Module) -> Iterator[ast.expr]:
    """Every expression whose order decides something."""
    for node in ast.walk(tree):
        match node:
            case ast.For(iter=source) | ast.comprehension(iter=source):
                yield source
            case ast.Call(func=ast.Name(id="list" | "tuple" | "enumerate" | "iter"), args=[source, *_]):
                yield source


def test_pure_files_are_found() -> None:
    assert {file.room for file in PURE_FILES} == set(PURE_ROOMS)


@each_file
def test_chance_is_passed_in(file: SourceFile) -> None:
    assert set() == set(random_attributes(file.tree)) - FROM_RANDOM
    assert set() == CHANCE_CALLS & set(called_names(file.tree))


@each_file
def test_time_is_passed_in(file: SourceFile) -> None:
    assert set() == CLOCK_CALLS & set(called_names(file.tree))


@each_file
def test_nothing_in_a_pure_room_is_async(file: SourceFile) -> None:
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)

    assert [] == [node.lineno for node in ast.walk(file.tree) if isinstance(node, waits)]


@each_file
def test_order_is_not_taken_from_a_set(file: SourceFile) -> None:
    assert [] == [source.lineno for source in iterated(file.tree) if is_set(source)]


def test_a_set_in_a_loop_is_seen() -> None:
    tree = ast.parse("for x in {1, 2}: pass\ny = [z for z in set(w)]\nv = list(frozenset(u))\n")

    assert [1, 2, 3] == sorted(source.lineno for source in iterated(tree) if is_set(source))

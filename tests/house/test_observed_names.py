"""Metric and logger names come from one table each; nobody invents one elsewhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from nodedns.observe import metrics
from nodedns.observe.logs import LOGGER_NAMES
from nodedns.testing.source_tree import SourceFile, package_files, project_root

FILES = package_files(project_root(Path(__file__)))
TABLE = "nodedns.observe.metrics"
LOGS = "nodedns.observe.logs"
SENTENCES = {("nodedns.agent.run", "warning"), ("nodedns.agent.reloading", "warning")}
"""The configuration's own warnings are whole sentences, which Consul logs as they are."""

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.module)


@each_file
def test_metric_names_stand_in_the_table_only(file: SourceFile) -> None:
    if file.module == TABLE:
        return
    spelled = [
        node.value
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("nodedns_")
        and node.value.endswith(("_total", "_seconds", "_bytes"))
    ]

    assert [] == spelled


def test_every_metric_is_counted_somewhere() -> None:
    named = {
        node.id for file in FILES if file.module != TABLE for node in ast.walk(file.tree) if isinstance(node, ast.Name)
    }
    specs = [name for name, value in vars(metrics).items() if isinstance(value, metrics.Spec)]

    assert [] == [name for name in specs if name not in named]


def named_loggers(tree: ast.Module) -> list[str]:
    """The arguments of ``logger(...)`` and ``getLogger(...)``, as source."""
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name(id="logger" | "getLogger") | ast.Attribute(attr="logger" | "getLogger"), args=args
            ):
                found.extend(ast.unparse(arg) for arg in args)
    return found


@each_file
def test_logger_names_come_from_the_table(file: SourceFile) -> None:
    if file.module == LOGS:
        return
    allowed = {"__name__", *(repr(prefix + name) for name in LOGGER_NAMES for prefix in ("", "nodedns."))}

    assert [] == [name for name in named_loggers(file.tree) if name not in allowed]


def is_log_call(node: ast.AST) -> bool:
    """Whether a node is a call of a logging method on something named like a log."""
    match node:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Name(id=name) | ast.Attribute(attr=name),
                attr="trace" | "debug" | "info" | "warning" | "error" | "exception",
            )
        ):
            return name.lower().lstrip("_") in {"log", "logger", "remote", "remote_log"}
    return False


@each_file
def test_log_messages_are_constant_text(file: SourceFile) -> None:
    calls = [node for node in ast.walk(file.tree) if is_log_call(node)]
    if file.module == LOGS:
        return
    first = [node.args[0] for node in calls if isinstance(node, ast.Call) and node.args]
    varying = [(file.module, ast.unparse(arg)) for arg in first if not isinstance(arg, ast.Constant)]

    assert [] == [place for place in varying if place not in SENTENCES]

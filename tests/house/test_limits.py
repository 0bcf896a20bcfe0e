"""Every knob and limit that a params class names is obeyed somewhere."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import attrs
import pytest

from nodedns.gossip.params import GossipParams
from nodedns.replica.params import ReplicaParams
from nodedns.serf.params import SerfParams
from nodedns.testing.source_tree import package_files, project_root

FILES = package_files(project_root(Path(__file__)))


@cache
def attributes_read_outside(module: str) -> frozenset[str]:
    """Attribute names read anywhere in the package but in one module and in the test tools."""
    return frozenset(
        node.attr
        for file in FILES
        if file.module != module and file.room != "testing"
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


@pytest.mark.parametrize("params", [GossipParams, ReplicaParams, SerfParams], ids=lambda params: params.__name__)
def test_every_knob_is_used(params: type[attrs.AttrsInstance]) -> None:
    used = attributes_read_outside(params.__module__)

    assert [] == [field.name for field in attrs.fields(params) if field.name not in used]


@pytest.mark.parametrize("params", [GossipParams, ReplicaParams, SerfParams], ids=lambda params: params.__name__)
def test_every_knob_is_explained(params: type[attrs.AttrsInstance]) -> None:
    file = next(file for file in FILES if file.module == params.__module__)
    body = next(node.body for node in file.tree.body if isinstance(node, ast.ClassDef) and node.name == params.__name__)
    unexplained = [
        node.target.id
        for node, after in zip(body, [*body[1:], None], strict=True)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
    ]

    assert [] == unexplained

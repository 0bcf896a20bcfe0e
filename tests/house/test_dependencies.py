"""What the package and its tests import is what the setup says they need, and the other way round."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from nodedns.testing.source_tree import package_files, project_root

ROOT = project_root(Path(__file__))
SETUP = configparser.ConfigParser(interpolation=None)
SETUP.read(ROOT / "setup.cfg")

MODULE_OF = {
    "dnspython": "dns",
    "grpcio": "grpc",
    "grpcio-health-checking": "grpc_health",
    "google-re2": "re2",
    "prometheus-client": "prometheus_client",
    "py-consul": "consul",
}
TOOLS = {"coverage", "import-linter", "pytest-trio"}
"""Needed by the tests without being imported by name."""


def required(listed: str) -> set[str]:
    names = {re.split(r"[<>=\[;]", line)[0].strip() for line in listed.strip().splitlines()}
    return {MODULE_OF.get(name, name) for name in names - TOOLS}


def imported(trees: Iterable[ast.Module]) -> set[str]:
    """Top-level modules that are neither Python's nor ours."""
    found: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    found.update(alias.name.partition(".")[0] for alias in names)
                case ast.ImportFrom(module=str(module), level=0):
                    found.add(module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"nodedns"}


def test_package_needs_what_it_imports_and_no_more() -> None:
    files = [file.tree for file in package_files(ROOT) if file.room != "testing"]

    assert required(SETUP["options"]["install_requires"]) == imported(files)


def test_tests_need_what_they_import_and_no_more() -> None:
    tools = [file.tree for file in package_files(ROOT) if file.room == "testing"]
    tests = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "tests").rglob("*.py"))]
    runtime = required(SETUP["options"]["install_requires"])

    assert required(SETUP["options.extras_require"]["test"]) == imported(tools + tests) - runtime

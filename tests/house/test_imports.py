"""Which room may import what: the contracts of ``setup.cfg``, and no circle that only shows at run time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nodedns.testing.source_tree import package_files, project_root

ROOT = project_root(Path(__file__))
OPTIONAL_ROOMS = ("nodedns.testing", "nodedns.__main__")
IMPORT_EACH_FIRST = """
import builtins, importlib, importlib.util, sys

really_import = builtins.__import__
edges = {}


def parents(name):
    return {name[:at] for at, letter in enumerate(name) if letter == "."}


def noting_import(name, globals=None, locals=None, fromlist=(), level=0):
    found = really_import(name, globals, locals, fromlist, level)
    importer = (globals or {}).get("__name__", "")
    whole = importlib.util.resolve_name("." * level + name, (globals or {}).get("__package__")) if level else name
    if importer.partition(".")[0] == whole.partition(".")[0] == "nodedns":
        told = {whole, *(f"{whole}.{part}" for part in fromlist or () if f"{whole}.{part}" in sys.modules)}
        above = set().union(*map(parents, told)) - parents(importer)
        edges.setdefault(importer, set()).update((told | above) - {importer})
    return found


def in_circles(edges):
    left = set(edges)
    while True:
        imported = set().union(*(edges[name] for name in left))
        kept = {name for name in left if name in imported and edges[name] & left}
        if kept == left:
            return sorted(left)
        left = kept


builtins.__import__ = noting_import
for module in sys.argv[1:]:
    importlib.import_module(module)
builtins.__import__ = really_import

# What is in no circle, and does import, can be imported first: it never meets a module that is not ready.
failed = []
for module in in_circles(edges):
    for name in [name for name in sys.modules if name.partition(".")[0] == "nodedns"]:
        del sys.modules[name]
    try:
        importlib.import_module(module)
    except Exception as error:
        failed.append(f"{module}: {error!r}")
print("\\n".join(failed))
"""


def test_contracts_between_rooms_are_kept() -> None:
    checked = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_module_can_be_the_first_one_imported() -> None:
    modules = [file.module for file in package_files(ROOT) if not file.module.startswith(OPTIONAL_ROOMS)]
    imported = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_EACH_FIRST, *modules],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert imported.stdout.strip() == "", imported.stdout
    assert imported.returncode == 0, imported.stderr


@pytest.mark.parametrize("heavy", ["trio", "dnslib", "cryptography", "prometheus_client"])
def test_a_command_that_asks_an_agent_does_not_load_the_agent(heavy: str) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", f"import sys, nodedns.cli.main, nodedns.cli.client; print({heavy!r} in sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (asked.returncode, asked.stdout.strip()) == (0, "False"), asked.stderr

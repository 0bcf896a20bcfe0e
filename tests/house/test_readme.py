"""The README's two commands are there, are what CI runs, and name what exists."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from nodedns.testing.source_tree import project_root
from nodedns.testing.ssh_pair import PROGRAMS

ROOT = project_root(Path(__file__))
README = (ROOT / "README.rst").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def literal_blocks(text: str) -> list[str]:
    """Every indented block after ``::`` or a code-block directive, without its indent."""
    found = re.findall(r"^(?:.*::|\.\. code-block:: \w+)\n\n((?: {4}.*\n|\n)+)", text, flags=re.MULTILINE)
    return ["\n".join(line[4:] for line in block.rstrip().splitlines()) for block in found]


def the_command(ending: str) -> str:
    """The one block of the README that ends in a word."""
    (only,) = [block for block in literal_blocks(README) if "\n" not in block and block.endswith(ending)]
    return only


def test_readme_sets_up_and_runs_the_demo_in_one_command() -> None:
    command = the_command("nodedns demo")

    assert "-m venv .venv" in command
    assert ".venv/bin/pip install" in command


def test_readme_sets_up_and_runs_the_tests_in_the_command_that_ci_runs() -> None:
    command = the_command(".venv/bin/tox")

    assert command in CI


def test_ci_installs_every_program_that_the_fixtures_name() -> None:
    named = re.findall(r'package="([a-z0-9-]+)"', (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    named += re.findall(r'package="([a-z0-9-]+)"', (ROOT / "nodedns/testing/programs.py").read_text(encoding="utf-8"))

    named += PROGRAMS.values()

    assert set(named)
    assert [] == [package for package in named if not re.search(rf"\b{re.escape(package)}\b", CI)]


def test_tox_runs_by_default_what_the_contributors_guide_says() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    guide = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")

    assert [] == [name for name in tox["tox"]["env_list"].split() if f"``{name}``" not in guide]


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"<((?:docs|conf\.d|bench)/[^>]+|[A-Z]+\.rst|LICENSE)>`", README)))
)
def test_readme_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()

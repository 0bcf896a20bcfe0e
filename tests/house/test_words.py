"""The project speaks of itself: no leftovers, no ticket numbers, no addresses of one machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.source_tree import project_root

ROOT = project_root(Path(__file__))
SUFFIXES = {".py", ".rst", ".cfg", ".toml", ".ini", ".hcl", ".json", ".sh", ""}
SKIPPED = {"build", "dist", "__pycache__", "golden"}
HERE = Path(__file__).name

LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP)\b")
TICKET = re.compile(r"\b(?:issue|ticket|bug|PR|GH)s? ?#?\d+\b|(?<![\w&#])#\d+\b", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root|work|opt|mnt)/")
INDEX_ADDRESS = re.compile(r"(?:index|extra-index)-url|pypi\.org/simple", re.IGNORECASE)


def is_ours(inside: tuple[str, ...]) -> bool:
    """Whether a path inside the tree is written by people rather than by tools."""
    hidden = any(part.startswith(".") and part != ".ci" for part in inside)
    return not hidden and not SKIPPED & set(inside) and not inside[0].endswith(".egg-info")


def project_files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        if is_ours(inside) and path.suffix in SUFFIXES and path.name not in {HERE, "LICENSE"} and path.is_file():
            yield path


def found(pattern: re.Pattern[str]) -> list[str]:
    """Every place where a pattern stands, as ``file:line: text``."""
    places: list[str] = []
    for path in project_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        places.extend(
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(lines, 1)
            if pattern.search(line)
        )
    return places


@pytest.mark.parametrize("pattern", [LEFTOVER, TICKET, MACHINE_PATH, INDEX_ADDRESS], ids=lambda each: each.pattern)
def test_nothing_is_left_over(pattern: re.Pattern[str]) -> None:
    assert [] == found(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(LEFTOVER, "# TODO: later"), (TICKET, "see issue 7"), (TICKET, "fixes #12"), (MACHINE_PATH, "cd /home/me")],
)
def test_a_leftover_would_be_seen(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)

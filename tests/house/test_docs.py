"""The documents name what exists: files, functions, metrics, endpoints and records."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.api.router import ROUTES
from nodedns.observe.metrics import METRICS, CounterSpec, GaugeSpec, HistogramSpec
from nodedns.testing.source_tree import package_files, project_root, public_definitions

ROOT = project_root(Path(__file__))
DOCS = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.rst"))}
PLACE = re.compile(r"``([a-z_/]+\.py)(?::([A-Za-z_.]+))?``")
PLACES = sorted({place for text in DOCS.values() for place in PLACE.findall(text)})


def names_of(path: Path) -> Iterator[str]:
    """Public names of a file, methods with their class, constants too."""
    (file,) = [each for each in package_files(ROOT) if each.path == path]
    yield from (name for name, _ in public_definitions(file.tree))
    for statement in file.tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def test_documents_name_places() -> None:
    assert len(PLACES) > 20


@pytest.mark.parametrize(("file", "name"), PLACES, ids=lambda part: part or "file")
def test_a_place_that_is_named_exists(file: str, name: str) -> None:
    path = next((base / file for base in (ROOT / "nodedns", ROOT) if (base / file).is_file()), None)

    assert path is not None
    if name:
        assert name in set(names_of(path))


def test_every_endpoint_is_in_the_table() -> None:
    listed = set(re.findall(r"``(/v1/[a-z/-]+?/?)[A-Z]*``", DOCS[ROOT / "docs" / "http.rst"]))

    assert [] == [route.path for route in ROUTES if route.path not in listed]
    assert set() == listed - {route.path for route in ROUTES}


def test_every_metric_is_in_the_table_with_its_kind_and_labels() -> None:
    row = re.compile(r"^   \* - ``(nodedns_[a-z_]+)``\n     - ([a-z]+)\n     -(.*)$", re.MULTILINE)
    listed = [
        (name, kind, tuple(re.findall("``([a-z]+)``", labels)))
        for name, kind, labels in row.findall(DOCS[ROOT / "docs" / "metrics.rst"])
    ]
    kinds = {CounterSpec: "counter", GaugeSpec: "gauge", HistogramSpec: "histogram"}

    assert [(spec.name, kinds[type(spec)], spec.labels) for spec in METRICS] == listed


def test_every_decision_is_listed() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.rst"))
    listed = DOCS[ROOT / "docs" / "adr" / "index.rst"]

    assert [] == [path.stem for path in records if path.stem not in listed]
    assert len(records) == len({path.stem[:4] for path in records})


@pytest.mark.parametrize("heading", ["Context", "Decision", "Consequences", "How it is checked"])
def test_every_decision_has_the_heading(heading: str) -> None:
    lacking = [path.stem for path in DOCS if path.name[:4].isdigit() and f"\n{heading}\n---" not in DOCS[path]]

    assert [] == lacking

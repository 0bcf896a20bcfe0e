"""A fresh pool for a test, and a lasting one for all of a file, of ``nodedns`` and Debian's ``serf``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.mixed_pool import MixedPool, mixed_pool


@pytest.fixture(scope="module")
def pool(serf_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MixedPool]:
    """An empty pool that lasts as long as the file."""
    with mixed_pool(serf_program, tmp_path_factory.mktemp("pool")) as made:
        yield made


@pytest.fixture
def own_pool(serf_program: Path, tmp_path: Path) -> Iterator[MixedPool]:
    """An empty pool for one test; no ``serf`` of it may have held anything against us."""
    with mixed_pool(serf_program, tmp_path) as made:
        yield made
        assert made.complaints() == []

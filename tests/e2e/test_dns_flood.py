"""A flood of DNS datagrams: the agent goes on answering, does not grow, and nobody takes it for dead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.flooded_pool import FloodedPool, flooded_pool

SIZE = 3
SHORT_S = 3.0
LONG_S = 60.0
PER_SECOND = 10_000
MAX_GROWTH_BYTES = 4 * 1024 * 1024  # what a garbage collector lets lie about; a byte a datagram would show in a minute
ALIVE = [f"agent-{number} alive" for number in range(SIZE)]


@pytest.fixture(scope="module")
def pool(dig_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FloodedPool]:
    with flooded_pool(tmp_path_factory.mktemp("pool"), SIZE) as made:
        yield made


@pytest.mark.parametrize("kind", ["bytes", "names"])
@pytest.mark.parametrize(
    "seconds", [pytest.param(SHORT_S, id="short"), pytest.param(LONG_S, id="minute", marks=pytest.mark.slow)]
)
def test_flood_is_survived(pool: FloodedPool, kind: str, seconds: float) -> None:
    report = pool.flood(kind, seconds, PER_SECOND)

    assert report.flooded.sent > 500 * seconds
    assert report.growth < MAX_GROWTH_BYTES
    assert [ALIVE] * SIZE == report.statuses
    assert ([], []) == (report.suspicions, report.faults)
    # dig asks a few times, and where the flood fills the socket's buffer, all of them may be lost.
    assert report.answered > report.asked / 2

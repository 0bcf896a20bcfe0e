"""The first-cluster tutorial's two machines, for the tests that type on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.first_cluster import FAST_GOSSIP, FirstCluster, first_cluster
from nodedns.testing.loopback import LoneAgent, lone_agent


@pytest.fixture
def machines(ip_program: Path, dig_program: Path) -> Iterator[FirstCluster]:
    """Two machines, nothing running."""
    with first_cluster() as cluster:
        yield cluster


@pytest.fixture
def tutorial(machines: FirstCluster) -> FirstCluster:
    """Both agents running and joined, by the tutorial's flags and nothing else."""
    machines.start_both()
    return machines


@pytest.fixture
def fast(machines: FirstCluster) -> FirstCluster:
    """Both agents running and joined, with a failure detector in a hurry."""
    machines.configure(FAST_GOSSIP, name="fast.hcl")
    machines.start_both()
    return machines


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[LoneAgent]:
    """An agent of its own, not started yet."""
    with lone_agent(tmp_path) as agent:
        yield agent

"""Secondaries with two agents as primaries follow either while the other is down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.fleet import Fleet, fleet, register
from nodedns.testing.manual_page import ManualPage
from nodedns.testing.source_tree import project_root

pytestmark = pytest.mark.usefixtures("dig_program")

RECIPES = ManualPage.at(project_root(Path(__file__)) / "docs" / "secondaries.rst").files()


@pytest.fixture
def of_two(tmp_path: Path) -> Iterator[Fleet]:
    """Two agents that have joined, and four secondaries."""
    with fleet(tmp_path, RECIPES, agents=2) as made:
        yield made


def test_secondaries_follow_either_of_two_agents(of_two: Fleet) -> None:
    one, two = of_two.agents
    register(one, "by-one", "10.9.0.1")
    of_two.wait_known("by-one.node.consul")

    one.process.kill()
    register(two, "without-one", "10.9.0.2")
    of_two.wait_known("without-one.node.consul")

    of_two.start(one, f"-retry-join={two.host}")
    two.process.kill()
    register(one, "without-two", "10.9.0.3")
    of_two.wait_known("without-two.node.consul")

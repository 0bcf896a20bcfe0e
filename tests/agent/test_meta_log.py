"""Meta that was meant to be an SSHFP record and is none is told of, where it came from others."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from nodedns.agent.live_table import LiveTable
from nodedns.agent.meta_log import MetaLog
from nodedns.model.names import NodeName
from nodedns.observe.logs import REMOTE_BURST
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import ExternalNode, NodeDeregistered, NodeRegistered
from nodedns.table.node_table import NodeTable
from nodedns.testing.log_lines import log_lines


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with log_lines("debug") as stream:
        yield stream


@pytest.fixture
def table() -> LiveTable:
    made = LiveTable(NodeTable("dc1", NodeName("own"), 1), Metrics())
    made.watch(MetaLog(lambda: 0.0).note)
    return made


def registered(name: str, **meta: str) -> NodeRegistered:
    return NodeRegistered(ExternalNode(NodeName(name), "", "10.0.0.1", {}, meta))


def test_line_says_which_node_and_what_it_should_be(table: LiveTable, log: io.StringIO) -> None:
    table.apply([registered("web", **{"sshfp-4-2": "xyz", "rack": "r1"})])
    (line,) = log.getvalue().splitlines()
    assert "the node has no such SSHFP record: from=10.0.0.1 node=" in line
    assert "'sshfp-4-2' is no fingerprint of an SSH host key: 'xyz'" in line


def test_it_is_told_once_for_each_change_of_the_meta(table: LiveTable, log: io.StringIO) -> None:
    table.apply([registered("web", **{"sshfp-4-2": "xyz"})])
    table.apply([NodeRegistered(ExternalNode(NodeName("web"), "", "10.0.0.2", {}, {"sshfp-4-2": "xyz"}))])
    table.apply([NodeDeregistered(NodeName("web"))])
    assert 1 == len(log.getvalue().splitlines())


def test_good_fingerprints_and_our_own_node_are_not_told_of(table: LiveTable, log: io.StringIO) -> None:
    table.apply([registered("web", **{"sshfp-4-2": 64 * "0"}), registered("own", **{"sshfp-4-2": "xyz"})])
    assert "" == log.getvalue()


def test_flood_of_bad_meta_does_not_flood_the_log(table: LiveTable, log: io.StringIO) -> None:
    table.apply([registered(f"web{number}", **{"sshfp-4-2": "xyz"}) for number in range(10 * REMOTE_BURST)])
    assert REMOTE_BURST == len(log.getvalue().splitlines())

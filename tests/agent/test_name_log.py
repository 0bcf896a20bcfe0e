"""Names that DNS cannot spell are told of, and few of them."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from nodedns.agent.name_log import NameLog
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.observe.logs import REMOTE_BURST
from nodedns.table.changes import ExternalNode, NodeRegistered, Registration, ServiceDeregistered, ServiceRegistered
from nodedns.testing.log_lines import log_lines

NODE = NodeName("a")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with log_lines("debug") as stream:
        yield stream


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (NodeRegistered(ExternalNode(NODE, "", "10.0.0.1")), 0),
        (NodeRegistered(ExternalNode(NodeName("a.example"), "", "10.0.0.1")), 0),
        (NodeRegistered(ExternalNode(NodeName("a b"), "", "10.0.0.1")), 1),
        (ServiceRegistered(NODE, Service("under_score", "web", ("v1",))), 0),
        (ServiceRegistered(NODE, Service("web", "under_score")), 1),
        (ServiceRegistered(NODE, Service("web", "web", ("a.b", "a..b", "ok", ""))), 2),
        (ServiceDeregistered(NODE, "a b"), 0),
    ],
)
def test_name_that_is_none_in_dns_is_told(log: io.StringIO, change: Registration, lines: int) -> None:
    NameLog(lambda: 0.0).note([change])
    assert lines == len(log.getvalue().splitlines())


def test_line_says_what_has_no_name(log: io.StringIO) -> None:
    NameLog(lambda: 0.0).note([ServiceRegistered(NODE, Service("web", "web", ("a b",)))])
    expected = "the tag has no name in DNS: it is no label, nor labels with dots between them: from=http node="
    assert expected in log.getvalue()
    assert "a b" in log.getvalue()


def test_flood_of_names_does_not_flood_the_log(log: io.StringIO) -> None:
    names = NameLog(lambda: 0.0)
    for number in range(10 * REMOTE_BURST):
        names.note([ServiceRegistered(NODE, Service(str(number), f"under_{number}"))])
    assert REMOTE_BURST == len(log.getvalue().splitlines())

"""What an alias says of the checks it stands for."""

from __future__ import annotations

import pytest

from nodedns.checks.alias import alias_outcome
from nodedns.checks.kinds import AliasKind
from nodedns.checks.outcome import Outcome
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import CheckRegistered, ExternalNode, NodeRegistered, ServiceRegistered
from nodedns.table.node_table import NodeTable
from nodedns.table.service_rows import NodeServices

PASSING, WARNING, CRITICAL = CheckStatus.PASSING, CheckStatus.WARNING, CheckStatus.CRITICAL
FOO = NodeName("foo")


def foo_with(*checks: Check) -> NodeServices:
    table = NodeTable("dc1", NodeName("self"), 100)
    table.apply([NodeRegistered(ExternalNode(FOO, "", "10.0.0.1")), ServiceRegistered(FOO, Service("web1", "web"))])
    table.apply([CheckRegistered(FOO, check) for check in checks])
    found = table.view.node_services("foo")
    assert found is not None
    return found


def of_web(name: str, status: CheckStatus, output: str = "") -> Check:
    return Check(name, name, status, output=output, service_id="web1", service_name="web")


@pytest.mark.parametrize(
    ("checks", "outcome"),
    [
        ((), Outcome(PASSING, "No checks found.")),
        ((of_web("a", PASSING),), Outcome(PASSING, "All checks passing.")),
        (
            (of_web("a", PASSING), of_web("b", WARNING, "hot"), of_web("c", PASSING)),
            Outcome(WARNING, 'Aliased check "b" failing: hot'),
        ),
        (
            (of_web("a", WARNING, "hot"), of_web("b", CRITICAL, "off"), of_web("c", CRITICAL, "gone")),
            Outcome(CRITICAL, 'Aliased check "b" failing: off'),
        ),
        ((Check("disk", "disk", CRITICAL, output="full"),), Outcome(CRITICAL, 'Aliased check "disk" failing: full')),
    ],
)
def test_an_alias_is_as_well_as_the_worst_of_the_service_and_its_node(
    checks: tuple[Check, ...], outcome: Outcome
) -> None:
    assert outcome == alias_outcome(AliasKind("web1"), "foo", foo_with(*checks), "")


def test_an_alias_of_a_node_heeds_the_checks_of_the_node_alone() -> None:
    found = foo_with(Check("disk", "disk", PASSING), of_web("a", CRITICAL))

    assert Outcome(PASSING, "All checks passing.") == alias_outcome(AliasKind(node="foo"), "foo", found, "")


def test_an_alias_does_not_count_itself() -> None:
    found = foo_with(of_web("self", CRITICAL, "off"), of_web("other", PASSING))

    assert CRITICAL is alias_outcome(AliasKind("web1"), "foo", found, "").status
    assert PASSING is alias_outcome(AliasKind("web1"), "foo", found, "self").status


@pytest.mark.parametrize("kind", [AliasKind("web1"), AliasKind(node="foo")])
def test_an_alias_does_not_count_the_other_aliases_of_the_node(kind: AliasKind) -> None:
    # Each would go on repeating the other after what they stand for is well again.
    found = foo_with(Check("follows db", "follows db", CRITICAL, type="alias"), of_web("a", PASSING))

    assert PASSING is alias_outcome(kind, "foo", found, "").status


def test_an_alias_counts_an_alias_that_the_service_has() -> None:
    found = foo_with(Check("a", "a", CRITICAL, service_id="web1", service_name="web", type="alias"))

    assert CRITICAL is alias_outcome(AliasKind("web1"), "foo", found, "").status


def test_an_alias_of_what_is_not_there_is_critical() -> None:
    gone = "Service gone could not be found on node foo"

    assert Outcome(CRITICAL, gone) == alias_outcome(AliasKind("gone"), "foo", foo_with(), "")
    assert Outcome(CRITICAL, gone) == alias_outcome(AliasKind("gone"), "foo", None, "")
    assert Outcome(CRITICAL, "Node foo could not be found") == alias_outcome(AliasKind(node="foo"), "foo", None, "")

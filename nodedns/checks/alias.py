"""What an alias says: the worst of the checks of another service or node.

Looks at what is registered, wherever it is registered: the checks of that node count for a
service on it, as they do in the catalog. Never counts the alias itself, nor an alias that is a check of the
node: it says how something else is, and two of them on one node would hold each other critical for good.

Source: Consul's CheckAlias (agent/checks/alias.go).
"""

from __future__ import annotations

from collections.abc import Iterable

from nodedns.checks.kinds import AliasKind, type_of
from nodedns.checks.outcome import Outcome
from nodedns.model.check import Check, CheckStatus
from nodedns.table.service_rows import NodeServices

__all__ = ["alias_outcome"]

ALIAS = type_of(AliasKind())


def alias_outcome(kind: AliasKind, node: str, found: NodeServices | None, own_id: str) -> Outcome:
    """Return what the alias says.

    Args:
        kind: What it stands for.
        node: The node that is, for people.
        found: What is registered there; None if there is no such node.
        own_id: The alias's own ID, if it is on that node; empty otherwise.
    """
    if found is None:
        missing = f"Service {kind.service} could not be found on node {node}" if kind.service else ""
        return Outcome(CheckStatus.CRITICAL, missing or f"Node {node} could not be found")
    if not kind.service:
        return _worst((row.check for row in found.node_checks), own_id)
    instance = found.instance(kind.service)
    if instance is None:
        return Outcome(CheckStatus.CRITICAL, f"Service {kind.service} could not be found on node {node}")
    return _worst((row.check for row in instance.checks), own_id)


def _worst(checks: Iterable[Check], own_id: str) -> Outcome:
    worst: Outcome | None = None
    for check in checks:
        if check.id == own_id or _is_alias_of_node(check):
            continue
        said = Outcome(check.status, f'Aliased check "{check.name}" failing: {check.output}')
        if check.status is CheckStatus.CRITICAL:
            return said
        if check.status is CheckStatus.WARNING:
            worst = said
        elif worst is None:
            worst = Outcome(CheckStatus.PASSING, "All checks passing.")
    return worst or Outcome(CheckStatus.PASSING, "No checks found.")


def _is_alias_of_node(check: Check) -> bool:
    return not check.service_id and check.type == ALIAS

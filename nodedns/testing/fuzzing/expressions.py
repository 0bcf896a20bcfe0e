"""Any text as a filter expression, on the checks of a node.

A filter chooses of what there is, its opposite chooses the rest, and nothing but ``ApiError`` is raised.
"""

from __future__ import annotations

from nodedns.api.filter_fields import CHECK_FIELDS
from nodedns.api.filters import compile_filter, kept
from nodedns.api.shapes import check_shape
from nodedns.errors import ApiError
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.table.changes import CheckRegistered, ExternalNode, NodeRegistered
from nodedns.testing.fuzzing.demands import demand
from nodedns.testing.table_agent import TableAgent

__all__ = ["checked_filter"]

NODE = NodeName("one")
CHECKS = (
    Check("c", "c", CheckStatus.PASSING, service_tags=("a", "b"), definition={"x": 1}),
    Check("d", "", CheckStatus.CRITICAL, notes='said "no"\n', output="\ufffd"),
)


def checked_filter(data: bytes) -> str:
    """Filter by ``data``; return how many are kept, or ``refused``.

    Raises:
        AssertionError: Something that must hold does not; any other error is one, too.
    """
    text = data.decode("utf-8", "surrogateescape")
    agent = TableAgent(NODE)
    agent.apply(NodeRegistered(ExternalNode(NODE, "", "10.0.0.1")), *(CheckRegistered(NODE, check) for check in CHECKS))
    services = agent.table.view.node_services(NODE)
    shapes = [] if services is None else [check_shape(services.row, check) for check in services.checks]
    demand(shapes, "nothing to choose from")
    try:
        wanted = compile_filter(text, CHECK_FIELDS)
    except ApiError as error:
        demand(error.status in {400, 500}, "a status that Consul has not")
        return "refused"
    found = kept(shapes, wanted)
    demand(all(shape in shapes for shape in found), "a filter adds")
    try:
        others = kept(shapes, compile_filter(f"not ({text})", CHECK_FIELDS))
    except ApiError:
        return "too long to be turned round"
    demand(not text.strip() or [shape for shape in shapes if shape not in found] == others, "not is not the opposite")
    return str(len(found))

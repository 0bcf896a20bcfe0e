"""``FiredEvent``: a user event as agents fire and list it: Consul's, with ID and filters, or a plain one of Serf's."""

from __future__ import annotations

import attrs

__all__ = ["FiredEvent"]


@attrs.frozen(kw_only=True)
class FiredEvent:
    """One user event.

    Attributes:
        event_id: UUID text, lower case; the same at every agent.
        name: What happened, without any prefix.
        payload: Anything; up to the name's limit and its own.
        node_filter: Only for nodes whose name has a match of this RE2 expression; empty for all.
        service_filter: Only for nodes with a service whose name has a match.
        tag_filter: Only where that service has a tag with a match.
        version: Of Consul's format; 0 for a plain Serf event.
        ltime: Lamport time at which it was fired; 0 before.
    """

    event_id: str
    name: str
    payload: bytes = b""
    node_filter: str = ""
    service_filter: str = ""
    tag_filter: str = ""
    version: int = 1
    ltime: int = 0

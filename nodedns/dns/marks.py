"""``Marks``: what changed in the table since zones were published last.

Strategy: of each thing that changed, what it was at first is kept, since that is what is published; what it is will be
seen in the table. So marks take no more room than the things themselves, however often these change.
"""

from __future__ import annotations

from collections.abc import Sequence

from nodedns.dns.dependency import moves_servers
from nodedns.table.node_row import NodeRow, RowChange
from nodedns.table.service_rows import ServiceChange, ServiceGroup

__all__ = ["Marks"]


class Marks:
    """Changes that are not published yet.

    Attributes:
        rows: Folded names of the nodes that changed, and what they were.
        services: Folded names of the services that changed, and what they were.
        ips: IPs that a node or a service took, gave up, or is called otherwise at.
        moves_servers: Whether the name servers, or their addresses, may be others.
    """

    __slots__ = ("ips", "moves_servers", "rows", "services")

    def __init__(self) -> None:
        self.rows: dict[str, NodeRow | None] = {}
        self.services: dict[str, ServiceGroup | None] = {}
        self.ips: dict[str, None] = {}
        self.moves_servers = False

    @property
    def is_any(self) -> bool:
        """Whether there are any."""
        return bool(self.rows or self.services)

    def add(self, rows: Sequence[RowChange], services: Sequence[ServiceChange]) -> None:
        """Add changes, later than those that are there."""
        for row in rows:
            self.rows.setdefault(row.folded, row.before)
            for state in (row.before, row.after):
                if state is not None:
                    self.ips |= dict.fromkeys(state.ip_texts)
            self.moves_servers = self.moves_servers or moves_servers(row)
        for service in services:
            if service.moves_instances:
                self.services.setdefault(service.folded, service.before)
                self.ips |= dict.fromkeys(service.moved_ips)

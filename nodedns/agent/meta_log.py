"""``MetaLog``: tells of node meta that was meant to be a record in DNS, and is none.

What others say comes by gossip, by replication and over HTTP, so the lines are limited like all that
strangers cause. Of our own meta the configuration tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nodedns.errors import shorten
from nodedns.model.host_key import meta_faults_of_fingerprints
from nodedns.observe.logs import RemoteLog, logger
from nodedns.table.node_row import RowChange
from nodedns.table.service_rows import ServiceChange

__all__ = ["MetaLog"]


class MetaLog:
    """Warns of the meta of nodes.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._remote = RemoteLog(logger("table"), clock)

    def note(self, rows: Sequence[RowChange], _services: Sequence[ServiceChange]) -> None:
        """Warn of every fingerprint of a host key that is none, once for each time the meta of its node changes."""
        for change in rows:
            row = change.after
            if row is None or change.is_local or (change.before is not None and change.before.meta == row.meta):
                continue
            for fault in meta_faults_of_fingerprints(row.meta):
                self._remote.warning(
                    "the node has no such SSHFP record", shorten(row.address)[1:-1], node=shorten(row.name), why=fault
                )

"""``NameLog``: tells of names that are registered over HTTP and that DNS cannot spell.

They are kept and shown over HTTP; only DNS has no name for them. A client may register any number of them,
so the lines are limited like all that strangers cause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nodedns.errors import shorten
from nodedns.model.names import is_dns_label, is_dotted_name
from nodedns.model.service import Service
from nodedns.observe.logs import RemoteLog, logger
from nodedns.table.changes import NodeRegistered, Registration, ServiceRegistered

__all__ = ["NameLog"]

SOURCE = "http"


class NameLog:
    """Warns of what is registered.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._remote = RemoteLog(logger("table"), clock)

    def note(self, changes: Sequence[Registration]) -> None:
        """Warn of every name among ``changes`` that DNS cannot spell."""
        for change in changes:
            match change:
                case NodeRegistered(node=node):
                    self._note_node(node.name)
                case ServiceRegistered(node=node_name, service=service):
                    self._note_service(node_name, service)
                case _:
                    pass  # what goes, or has no name in DNS

    def _note_node(self, name: str) -> None:
        if not is_dotted_name(name):
            self._remote.warning("the node has no name in DNS: its name is no domain name", SOURCE, node=shorten(name))

    def _note_service(self, node: str, service: Service) -> None:
        named = {"node": shorten(node), "service": shorten(service.name)}
        if not is_dns_label(service.name):
            self._remote.warning("the service has no name in DNS: its name is no label", SOURCE, **named)
        for tag in service.tags:
            if not is_dotted_name(tag):
                self._remote.warning(
                    "the tag has no name in DNS: it is no label, nor labels with dots between them",
                    SOURCE,
                    **named,
                    tag=shorten(tag),
                )

"""``TableView``: the pool at one moment; what DNS, HTTP and commands read.

Strategy: a view never changes, so readers need no lock and no copy. Rows that
did not change are the same objects from view to view, and views between which
no node changed share one ``NodeSet`` with its sorted list. Lookups by name and
by address are one dict access. Sorted lists are made when first asked for and
kept.

A view does not decide who has a row; ``NodeTable`` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import attrs

from nodedns.model.check import CheckStatus
from nodedns.model.member import MemberStatus, SerfMember
from nodedns.model.names import NodeName, fold
from nodedns.table.address_index import AddressIndex, Digits
from nodedns.table.node_row import NodeRow, ip_of
from nodedns.table.service_rows import Instance, NodeServices, ServiceGroup, ServiceSet

__all__ = ["NodeSet", "TableView"]


@attrs.frozen(eq=False)
class NodeSet:
    """The rows of one moment and their indexes; the dicts are never changed once here.

    Attributes:
        by_name: Folded name to row.
        by_ip: IP text to folded names, sorted; of rows that are not hidden, as are the next two.
        addresses: The keys of ``by_ip`` in order.
        parents: Each proper suffix of a dotted folded name, and how many names end in it.
    """

    by_name: Mapping[str, NodeRow]
    by_ip: Mapping[str, tuple[str, ...]]
    addresses: AddressIndex
    parents: Mapping[str, int]

    @cached_property
    def sorted_rows(self) -> tuple[NodeRow, ...]:
        """Every row by folded name."""
        return tuple(self.by_name[name] for name in sorted(self.by_name))

    @cached_property
    def alive_servers(self) -> tuple[NodeRow, ...]:
        """Rows of alive server agents by folded name."""
        # Picked first and sorted then: sorting all of 10,000 after a change takes longer than a DNS answer may.
        found = [name for name, row in self.by_name.items() if row.is_server and row.status is MemberStatus.ALIVE]
        return tuple(self.by_name[name] for name in sorted(found))


@attrs.frozen(eq=False)
class TableView:
    """The table at one index. Compare views by ``index``; build them with ``NodeTable``.

    Attributes:
        index: Rises by one with every effective change.
        nodes_index: Index of the last change to any row, status included; at least 1.
        catalog_index: Index of the last change to what the catalog shows of any node; at least 1.
        datacenter: Local datacenter.
        local_name: This agent's node name.
        cluster_known: Whether an absent name is known to be absent.
    """

    index: int
    nodes_index: int
    catalog_index: int
    datacenter: str
    local_name: NodeName
    cluster_known: bool
    _node_set: NodeSet
    _members: Mapping[str, SerfMember]
    _service_set: ServiceSet

    def node(self, name: str, datacenter: str | None = None) -> NodeRow | None:
        """Return the row of ``name``, ASCII case folded; None if there is none or for another datacenter."""
        if datacenter is not None and not self.is_local(datacenter):
            return None
        return self._node_set.by_name.get(fold(name))

    def node_folded(self, folded_name: str) -> NodeRow | None:
        """Return the row that DNS has for a name that is folded already; None if there is none or it is hidden."""
        row = self._node_set.by_name.get(folded_name)
        return row if row is not None and not row.is_hidden else None

    def has_names_under(self, folded_name: str) -> bool:
        """Whether some node's name ends in a dot and ``folded_name`` (RFC 8020: then it exists, empty)."""
        return folded_name in self._node_set.parents

    def nodes(self) -> tuple[NodeRow, ...]:
        """Return every row by folded name; the same tuple until a node changes."""
        return self._node_set.sorted_rows

    def servers(self) -> tuple[NodeRow, ...]:
        """Return the alive server agents by folded name."""
        return self._node_set.alive_servers

    def nodes_at(self, ip_text: str) -> tuple[NodeRow, ...]:
        """Return the rows that DNS gives ``ip_text`` for, by folded name; empty for what is no IP."""
        ip = ip_of(ip_text)
        node_set = self._node_set
        return tuple(node_set.by_name[name] for name in node_set.by_ip.get(str(ip), ()))

    def instances_at(self, ip_text: str) -> Iterator[Instance]:
        """Give the instances that have ``ip_text`` of their own, by folded names of service and node, and ID."""
        ip, service_set = ip_of(ip_text), self._service_set
        for name, node, service_id in service_set.addresses.by_ip.get(str(ip), ()):
            yield service_set.by_name[name].members[node, service_id]

    def has_addresses_under(self, prefix: Digits) -> bool:
        """Whether DNS gives some node or service an address that is, or begins with, ``prefix``."""
        return self._node_set.addresses.has_under(prefix) or self._service_set.addresses.addresses.has_under(prefix)

    def has_ip(self, ip_text: str) -> bool:
        """Whether DNS gives some node or service this IP, spelt as the standard library does."""
        return ip_text in self._node_set.by_ip or ip_text in self._service_set.addresses.by_ip

    def addresses_under(self, prefix: Digits) -> Iterator[Digits]:
        """Give each address that DNS gives for a node or a service and that is, or begins with, ``prefix``, once."""
        of_nodes, of_services = self._node_set.addresses, self._service_set.addresses.addresses
        for text in of_nodes.under(prefix):
            yield Digits(prefix.version, text)
        for text in of_services.under(prefix):
            address = Digits(prefix.version, text)
            if not of_nodes.has_under(address):
                yield address

    def prefixes(self, version: int, length: int) -> tuple[Digits, ...]:
        """Return the first ``length`` digits of those addresses of a family, each once."""
        indexes = (self._node_set.addresses, self._service_set.addresses.addresses)
        texts = dict.fromkeys(text for index in indexes for text in index.prefixes(version, length))
        return tuple(Digits(version, text) for text in texts)

    def member(self, name: str) -> SerfMember | None:
        """Return the member of exactly this name, left ones included."""
        return self._members.get(name)

    def members(self) -> tuple[SerfMember, ...]:
        """Return every member by name: alive, leaving, failed and left."""
        return self._sorted_members

    def services(self) -> tuple[ServiceGroup, ...]:
        """Return every service by folded name; the same tuple until a service changes."""
        return self._service_set.sorted_groups

    def service(self, name: str) -> ServiceGroup | None:
        """Return the instances of ``name``, ASCII case folded; None if there is none."""
        return self._service_set.by_name.get(fold(name))

    def service_folded(self, folded_name: str) -> ServiceGroup | None:
        """Return the instances of a service whose name is folded already; None if there is none."""
        return self._service_set.by_name.get(folded_name)

    def node_services(self, name: str) -> NodeServices | None:
        """Return what is registered on the node ``name``, ASCII case folded; None for a node without a row."""
        return self._service_set.by_node.get(fold(name))

    @property
    def services_index(self) -> int:
        """Index of the last change to which services there are, or to their tags; at least 1."""
        return self._service_set.names_index

    @property
    def registered_index(self) -> int:
        """Index of the last change to what is registered of any service, or to a node with one; at least 1."""
        return self._service_set.registered_index

    @property
    def checks_index(self) -> int:
        """Index of the last change to any check; at least 1."""
        return self._service_set.checks_index

    @property
    def instances_index(self) -> int:
        """Index of the last change to any instance, its status or its node; at least 1."""
        return self._service_set.instances_index

    def status_index(self, status: CheckStatus) -> int:
        """Return the index of the last change to the checks that have, or had, ``status``; at least 1."""
        return self._service_set.status_indexes[status]

    def datacenters(self) -> tuple[str, ...]:
        """Return the datacenters known: the local one."""
        return (self.datacenter,)

    def is_local(self, datacenter: str) -> bool:
        """Whether ``datacenter`` is the local one, in any letter case."""
        return fold(datacenter) == fold(self.datacenter)

    @cached_property
    def _sorted_members(self) -> tuple[SerfMember, ...]:
        return tuple(self._members[name] for name in sorted(self._members))

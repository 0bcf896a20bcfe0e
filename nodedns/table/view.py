"""``TableView``: the pool at one moment; what DNS, HTTP and commands read.

Strategy: a view never changes, so readers need no lock and no copy. Rows that
did not change are the same objects from view to view, and views between which
no node changed share one ``NodeSet`` with its sorted list. Lookups by name and
by address are one dict access. Sorted lists are made when first asked for and
kept.

A view does not decide who has a row; ``NodeTable`` does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import cached_property

import attrs

from nodedns.model.member import MemberStatus, SerfMember
from nodedns.model.names import NodeName, fold
from nodedns.table.address_index import AddressIndex, Digits

__all__ = ["NodeRow", "NodeSet", "RowChange", "TableView"]


@attrs.frozen
class NodeRow:
    """One node of the catalog.

    Attributes:
        name: In the spelling it was announced or registered in.
        node_id: UUID text; empty for an external node registered without one.
        address: IP text, or a host name (external nodes only).
        datacenter: Local datacenter.
        tagged_addresses: By tag: ``lan``, ``lan_ipv4``, ``wan`` and so on.
        meta: Node meta.
        is_member: Whether it is a member of the pool rather than an external node.
        status: Serf status; ``NONE`` for external nodes.
        is_server: Whether it is a server agent.
        dns_port: Port of its DNS server, 0 where unknown.
        create_index: Index at which the name appeared.
        modify_index: Index at which what the catalog shows of it last changed. Status is
            not part of that: Consul keeps it in a health check.
        is_hidden: Whether it is listed but not for DNS: a member that failed too long ago.
    """

    name: NodeName
    node_id: str
    address: str
    datacenter: str
    tagged_addresses: Mapping[str, str]
    meta: Mapping[str, str]
    is_member: bool
    status: MemberStatus
    is_server: bool
    dns_port: int
    create_index: int
    modify_index: int
    is_hidden: bool = False

    @cached_property
    def ipv4(self) -> bytes | None:
        """The IPv4 address for DNS, packed: tag ``lan_ipv4`` where it is one, else the address."""
        return _packed(self.tagged_addresses.get("lan_ipv4", ""), 4) or _packed(self.address, 4)

    @cached_property
    def ipv6(self) -> bytes | None:
        """The IPv6 address for DNS, packed: tag ``lan_ipv6`` where it is one, else the address."""
        return _packed(self.tagged_addresses.get("lan_ipv6", ""), 16) or _packed(self.address, 16)

    @cached_property
    def ip_texts(self) -> tuple[str, ...]:
        """Each IP under which DNS gives this node, as text, IPv4 first; none of a hidden one."""
        if self.is_hidden:
            return ()
        return tuple(str(ipaddress.ip_address(packed)) for packed in (self.ipv4, self.ipv6) if packed)


@attrs.frozen
class RowChange:
    """What happened to one row between two views.

    Attributes:
        folded: Folded name of the row.
        before: The row in the earlier view; None if it had none.
        after: The row in the later view; None if it has none.
        is_local: Whether it is this agent's own row.
    """

    folded: str
    before: NodeRow | None
    after: NodeRow | None
    is_local: bool


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
        ip = _ip(ip_text)
        node_set = self._node_set
        return tuple(node_set.by_name[name] for name in node_set.by_ip.get(str(ip), ()))

    def has_addresses_under(self, prefix: Digits) -> bool:
        """Whether DNS gives some node an address that is, or begins with, ``prefix``."""
        return self._node_set.addresses.has_under(prefix)

    def member(self, name: str) -> SerfMember | None:
        """Return the member of exactly this name, left ones included."""
        return self._members.get(name)

    def members(self) -> tuple[SerfMember, ...]:
        """Return every member by name: alive, leaving, failed and left."""
        return self._sorted_members

    def datacenters(self) -> tuple[str, ...]:
        """Return the datacenters known: the local one."""
        return (self.datacenter,)

    def is_local(self, datacenter: str) -> bool:
        """Whether ``datacenter`` is the local one, in any letter case."""
        return fold(datacenter) == fold(self.datacenter)

    @cached_property
    def _sorted_members(self) -> tuple[SerfMember, ...]:
        return tuple(self._members[name] for name in sorted(self._members))


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A v4-mapped address is IPv4 to Consul, and nobody could reach it by AAAA.
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def _packed(text: str, length: int) -> bytes | None:
    ip = _ip(text)
    return ip.packed if ip is not None and len(ip.packed) == length else None

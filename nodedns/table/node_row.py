"""``NodeRow``: one node of the catalog, as DNS, HTTP and commands read it.

A row never changes; who has one, ``NodeTable`` decides.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import cached_property

import attrs

from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName

__all__ = ["NodeRow", "RowChange", "ip_of"]


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
        server_port: Where server agents find it: a Consul server's RPC port, ours by gossip; 0 for other nodes.
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
    server_port: int = 0

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


def ip_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP that ``text`` is, a v4-mapped one as IPv4; None for what is no IP."""
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A v4-mapped address is IPv4 to Consul, and nobody could reach it by AAAA.
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def _packed(text: str, length: int) -> bytes | None:
    ip = ip_of(text)
    return ip.packed if ip is not None and len(ip.packed) == length else None

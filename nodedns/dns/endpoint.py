"""``Endpoint``: where one instance of a service is to be reached, in the words of DNS.

A service has an address of its own, an IP or a host name, or else its node's. SRV
names a target: ``HEX.addr`` for an IP of the service's own, ``NAME.node`` for the
node's, or a host name as it is. A node that DNS cannot spell is named by
its address, so that no instance is lost for its node's name. The domain in a target is
spelt as the zone is: SRV has no pointers to the question (RFC 2782), and who counts by
targets would count those of a resolver that asks in mixed letters anew each time.

An address that leads back to the service is no address: the node's counts then.

Source: RFC 2782; Consul's SRV records and choice of addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from nodedns.dns.apex import addr_owner, address_rrsets, node_owner
from nodedns.dns.asked import Asked
from nodedns.dns.distance import DistanceOf
from nodedns.dns.meta_text import meta_texts
from nodedns.dns.name import Labels, labels_of, text_bytes
from nodedns.dns.node_kind import alias_of
from nodedns.dns.question import RRType
from nodedns.dns.rrset import RRset, SrvData
from nodedns.table.service_rows import Instance

__all__ = ["Endpoint", "endpoint_of", "nearest_first", "remembered_endpoint"]

PRIORITY = 1
MAX_NUMBER = 0xFFFF
IPV6_BYTES = 16
MAX_REMEMBERED = 8
"""SRV records kept with an instance, which has one in each domain and for each named port; ours: for what is asked."""


@attrs.frozen
class Endpoint:
    """Where an instance is to be reached.

    Attributes:
        instance: The instance.
        ipv4: Its IPv4 address, packed; None for none.
        ipv6: Its IPv6 address, packed; None for none.
        alias: The host name that stands for it; None if it has an IP, or neither.
        is_own: Whether that is the service's own rather than its node's.
        rank: How many are nearer, not counting equals; 0 where nobody asks.
    """

    instance: Instance
    ipv4: bytes | None
    ipv6: bytes | None
    alias: Labels | None
    is_own: bool
    rank: int = 0

    def srv(self, asked: Asked, *, is_remembered: bool = False) -> SrvData | None:
        """Return its SRV record; None where DNS can spell no name for it.

        Args:
            asked: What is asked.
            is_remembered: Whether it is kept with the instance, and found there the next time: worth its memory where
                one change of a service has thousands of instances be told anew.
        """
        if not is_remembered:
            return self._srv(asked)
        made = self.instance.made
        key = (asked.zone, asked.place.port, asked.view.datacenter)
        known = made.get(key)
        if isinstance(known, SrvData):
            return known
        srv = self._srv(asked)
        if len(made) < MAX_REMEMBERED:
            made[key] = srv
        return srv

    def _srv(self, asked: Asked) -> SrvData | None:
        target = self._target(asked)
        if target is None:
            return None
        weight = min(max(self.instance.weight, 0), MAX_NUMBER)
        return SrvData(PRIORITY, weight, self._port(asked), target)

    def addresses(self, asked: Asked, owner: Labels, ttl_s: int) -> tuple[RRset, ...]:
        """Return the address records of ``owner``, the target that ``srv`` named; none of a host name."""
        if self.alias is not None:
            return ()
        if not self.is_own and owner == self._node_name(asked):
            return address_rrsets(self.instance.row, owner, RRType.ANY, ttl_s)
        packed = self.ipv6 or self.ipv4
        if packed is None:
            return ()
        return (RRset(owner, RRType.AAAA if len(packed) == IPV6_BYTES else RRType.A, ttl_s, (packed,)),)

    def texts(self, asked: Asked, ttl_s: int) -> tuple[RRset, ...]:
        """Return its node's meta as TXT of the node's name."""
        owner = self._node_name(asked)
        texts = meta_texts(self.instance.row.meta)
        return (RRset(owner, RRType.TXT, ttl_s, texts),) if texts and owner is not None else ()

    def _target(self, asked: Asked) -> Labels | None:
        if self.alias is not None:
            return self.alias
        named = None if self.is_own else self._node_name(asked)
        if named is not None:
            return named
        packed = self.ipv6 or self.ipv4
        return addr_owner(packed, asked.view.datacenter, asked.zone) if packed is not None else None

    def _node_name(self, asked: Asked) -> Labels | None:
        return node_owner(self.instance.row.name, asked.view.datacenter, asked.zone)

    def _port(self, asked: Asked) -> int:
        service, wanted = self.instance.service, asked.place.port
        if wanted is None:
            return service.default_port
        named = zip(service.folded_port_names, service.ports, strict=True)
        return next(port.port for name, port in named if text_bytes(name) == wanted)


def endpoint_of(instance: Instance, leads_back: Callable[[Labels], bool]) -> Endpoint:
    """Return where ``instance`` is to be reached.

    Args:
        instance: The instance.
        leads_back: Whether a host name is that of the service itself.
    """
    service, row = instance.service, instance.row
    ipv4, ipv6 = instance.own_ips
    if service.address:
        if ipv4 is not None or ipv6 is not None:
            return Endpoint(instance, ipv4, ipv6, None, is_own=True)
        alias = labels_of(service.address.removesuffix("."))
        if alias is not None and not leads_back(alias):
            return Endpoint(instance, None, None, alias, is_own=True)
    if ipv4 is not None or ipv6 is not None:
        return Endpoint(instance, ipv4 or row.ipv4, ipv6 or row.ipv6, None, is_own=True)
    return Endpoint(instance, row.ipv4, row.ipv6, alias_of(row), is_own=False)


def remembered_endpoint(instance: Instance, leads_back: Callable[[Labels], bool], key: object) -> Endpoint:
    """Return the same, kept with the instance under ``key``, which tells apart what ``leads_back`` goes by."""
    known = instance.made.get(key)
    if isinstance(known, tuple):
        return Endpoint(instance, *known)
    endpoint = endpoint_of(instance, leads_back)
    if len(instance.made) < MAX_REMEMBERED:
        # Not the endpoint, which has the instance: only the garbage collector would find both again.
        instance.made[key] = endpoint.ipv4, endpoint.ipv6, endpoint.alias, endpoint.is_own
    return endpoint


def nearest_first(endpoints: Iterable[Endpoint], distance_s: DistanceOf) -> list[Endpoint]:
    """Return ``endpoints`` by the distance of their nodes, each with its rank; equals in the order given."""
    far = [(distance_s(endpoint.instance.row.name), endpoint) for endpoint in endpoints]
    ranks = {apart: rank for rank, apart in enumerate(sorted({apart for apart, _ in far}))}
    return [attrs.evolve(endpoint, rank=ranks[apart]) for apart, endpoint in sorted(far, key=lambda pair: pair[0])]

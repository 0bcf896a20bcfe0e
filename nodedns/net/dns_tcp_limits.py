"""``StreamCensus``: who holds how many DNS connections, over all listeners of an agent, and how long one may be idle.

What a client can hold is bounded: connections in all and for each client, the
time it may be silent, the time it may take to read what it asked for, and the
replies it may have others asked for. A client is an IPv4 address, or an IPv6 /64:
who has one address of such a network out there usually has them all. Of unique local and
link-local networks, which a whole site shares, it is one address. Nearly full, less
silence is granted (RFC 7766 section 6.2.3, RFC 9210 section 4.4).

This closes nothing and knows no socket.
"""

from __future__ import annotations

from collections import Counter

import attrs

from nodedns.model.address import Address

__all__ = ["DnsTcpLimits", "StreamCensus", "client_key", "within_descriptors"]

DESCRIPTORS_SHARE = 4  # ours: strangers may hold a fourth of the process's files; gossip and the API need theirs
IPV4_BYTES = 4
IPV6_CLIENT_BYTES = 8  # a /64; NSD's rrl-ipv6-prefix-length


@attrs.frozen(kw_only=True)
class DnsTcpLimits:
    """What clients may hold. Times are seconds."""

    connections: int = 256
    """Connections in all, over all listeners (NSD's tcp-count is 100, BIND's tcp-clients 150)."""
    connections_per_client: int = 32
    """Connections of one client. RFC 7766 section 6.2.2 asks clients for one; dnsmasq opens up to 20."""
    idle_s: float = 10.0
    """Silence after which a connection is closed (RFC 7766 section 6.2.3: a few seconds; Knot's tcp-idle-timeout)."""
    busy_idle_s: float = 2.0
    """The longest silence while more than half of the connections are taken."""
    write_s: float = 5.0
    """Time in which a client must take what is there for it."""
    pending: int = 100
    """Replies of one connection that somebody else is asked for (Knot Resolver's net.tcp_pipeline)."""


def within_descriptors(limits: DnsTcpLimits, descriptors: int) -> DnsTcpLimits:
    """Return ``limits`` with no more connections than a process may hold that may have so many files open.

    Args:
        limits: As configured.
        descriptors: The process's limit of open files; negative for none.
    """
    most = max(descriptors // DESCRIPTORS_SHARE, 1)
    return attrs.evolve(limits, connections=most) if descriptors >= 0 and most < limits.connections else limits


class StreamCensus:
    """Counts connections; one for all listeners of an agent."""

    def __init__(self, limits: DnsTcpLimits | None = None) -> None:
        self.limits = limits or DnsTcpLimits()
        self._total = 0
        self._by_client: Counter[bytes] = Counter()

    @property
    def total(self) -> int:
        """How many connections are open."""
        return self._total

    def refusal(self, client: Address) -> str:
        """Return why ``client`` may not have another connection, empty if it may."""
        if self._total >= self.limits.connections:
            return "too-many-streams"
        if self._by_client[client_key(client)] >= self.limits.connections_per_client:
            return "too-many-streams-of-client"
        return ""

    def opened(self, client: Address) -> None:
        """Count a connection."""
        self._total += 1
        self._by_client[client_key(client)] += 1

    def closed(self, client: Address) -> None:
        """Count one less."""
        key = client_key(client)
        self._total -= 1
        self._by_client[key] -= 1
        if not self._by_client[key]:
            # Else there would soon be an entry for every address there is.
            del self._by_client[key]

    def idle_s(self) -> float:
        """Return the silence in force now, in seconds."""
        limits = self.limits
        is_busy = 2 * self._total > limits.connections
        return min(limits.busy_idle_s, limits.idle_s) if is_busy else limits.idle_s


def client_key(client: Address) -> bytes:
    """Return what is the same for all addresses that count as one client."""
    packed = client.packed
    if len(packed) == IPV4_BYTES or _is_of_a_site(packed):
        return packed
    return packed[:IPV6_CLIENT_BYTES]


def _is_of_a_site(packed: bytes) -> bool:
    """Whether an IPv6 address is unique local, fc00::/7 (RFC 4193), or link-local, fe80::/10."""
    return packed[0] & 0xFE == 0xFC or (packed[0] == 0xFE and packed[1] & 0xC0 == 0x80)

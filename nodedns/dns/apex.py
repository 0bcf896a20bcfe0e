"""``ZoneHead``: the records at a zone's apex, SOA and NS, and the names of nodes that they hold.

A forward zone holds names of its own domain, a reverse zone holds names of the
primary domain; all else is the same, the serial too: one table, one serial. But where zones are published for
secondaries (``published``), each has serials of its own, and its SOA names the node that counts them.

Source: RFC 1035 section 3.3.13, RFC 2308 sections 3 and 5.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import attrs

from nodedns.dns.grammar import KINDS, NAME_SERVER
from nodedns.dns.name import MAX_NAME_BYTES, Labels, labels_of, text_bytes, wire_bytes
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import RRType
from nodedns.dns.rrset import Rdata, RRset, SoaData
from nodedns.model.names import fold
from nodedns.table.node_row import NodeRow
from nodedns.table.view import TableView

__all__ = [
    "MAX_NAME_SERVERS",
    "SERIAL_MASK",
    "Edition",
    "EditionOf",
    "ZoneHead",
    "addr_owner",
    "address_rrsets",
    "node_owner",
    "primary_name",
    "service_owner",
    "soa_serial",
    "unpublished",
]

MAX_NAME_SERVERS = 13  # the root's precedent: what a reply of 512 bytes can hold

HOSTMASTER = b"hostmaster"

SERIAL_MASK = 0xFFFF_FFFF  # RFC 1982: serials are compared modulo 2**32


def soa_serial(view: TableView) -> int:
    """Return the serial of every zone made from ``view``; it moves when a node or an instance changes."""
    return max(view.nodes_index, view.instances_index) & SERIAL_MASK


@attrs.frozen
class Edition:
    """What a zone that is published says in its SOA instead of what follows from the table.

    Attributes:
        mname: The name of the node that publishes it.
        serial: Of the zone as published last.
    """

    mname: Labels
    serial: int


EditionOf = Callable[[Labels, Labels], Edition | None]
"""Tells the edition of the zone of this origin with names of this domain, both folded; None if none are published."""


def unpublished(_origin: Labels, _domain: Labels) -> Edition | None:
    """Tell that no zone is published."""
    return None


@attrs.frozen
class ZoneHead:
    """The apex of one zone, for one question.

    Attributes:
        origin: The zone's name, in the letter case it is to be shown in.
        domain: The domain that the names in its records belong to, likewise.
        view: The table of the moment.
        policy: Knobs.
        edition: As which the zone is published; None if it is not.
    """

    origin: Labels
    domain: Labels
    view: TableView
    policy: DnsPolicy
    edition: Edition | None = None

    def soa(self) -> RRset:
        """Return the SOA record, for the apex and for negative answers."""
        policy, edition = self.policy, self.edition
        soa = SoaData(
            mname=edition.mname if edition is not None else (NAME_SERVER, *self.domain),
            rname=(HOSTMASTER, *self.domain),
            serial=edition.serial if edition is not None else soa_serial(self.view),
            refresh_s=policy.soa_refresh_s,
            retry_s=policy.soa_retry_s,
            expire_s=policy.soa_expire_s,
            minimum_s=policy.soa_min_ttl_s,
        )
        # TTL and MINIMUM are one knob, so the TTL is always the lesser of both (RFC 2308 section 3).
        return RRset(self.origin, RRType.SOA, policy.soa_min_ttl_s, (soa,))

    def name_servers(self) -> tuple[RRset, tuple[RRset, ...]]:
        """Return the NS records, of the alive servers or else of the answering agent, and their addresses."""
        local = self.view.node(self.view.local_name)
        rows = self.view.servers() or ((local,) if local else ())
        owners = ((node_owner(fold(row.name), self.view.datacenter, self.domain), row) for row in rows)
        named = [(owner, row) for owner, row in owners if owner is not None][:MAX_NAME_SERVERS]
        names: tuple[Rdata, ...] = tuple(name for name, _ in named)
        if not named:
            # A zone has name servers. Ours may have a name that DNS cannot spell, but this one always works.
            own = (NAME_SERVER, *self.domain)
            names, named = (own,), [(own, local)] if local else []
        ttl_s = self.policy.node_ttl_s
        addresses = [rrset for name, row in named for rrset in address_rrsets(row, name, RRType.ANY, ttl_s)]
        return RRset(self.origin, RRType.NS, ttl_s, names), tuple(addresses)


def node_owner(name: str, datacenter: str, domain: Labels) -> Labels | None:
    """Return the name ``NAME.node.DC.DOMAIN``; None if DNS cannot spell it.

    A datacenter called like a kind is left out, because ``NAME.node.addr`` would mean an address.
    """
    return _owner(f"{name}.node", datacenter, domain)


def primary_name(local_name: str, datacenter: str, domain: Labels) -> Labels:
    """Return what a published zone's SOA calls the node it is published by: its own name, ``ns`` if that cannot be."""
    return node_owner(fold(local_name), datacenter, domain) or (NAME_SERVER, *domain)


def service_owner(name: str, datacenter: str, domain: Labels) -> Labels | None:
    """Return the name ``NAME.service.DC.DOMAIN``, with the same exceptions, and none for a name with dots."""
    return None if "." in name else _owner(f"{name}.service", datacenter, domain)


def addr_owner(packed: bytes, datacenter: str, domain: Labels) -> Labels | None:
    """Return the name ``HEX.addr.DC.DOMAIN`` of a packed address, with the same exceptions."""
    return _owner(f"{packed.hex()}.addr", datacenter, domain)


def _owner(start: str, datacenter: str, domain: Labels) -> Labels | None:
    relative = labels_of(start + _said_datacenter(datacenter))
    if relative is None:
        return None
    owner = relative + domain
    return owner if wire_bytes(owner) <= MAX_NAME_BYTES else None


@lru_cache(1)
def _said_datacenter(datacenter: str) -> str:
    """Return how the datacenter, which is always the same one, is said behind a name."""
    return "" if text_bytes(fold(datacenter)) in KINDS else f".{datacenter}"


def address_rrsets(row: NodeRow, owner: Labels, rtype: int, ttl_s: int) -> tuple[RRset, ...]:
    """Return the address records of a node that ``rtype`` asks for, as records of ``owner``."""
    rrsets: list[RRset] = []
    if row.ipv4 is not None and rtype in (RRType.A, RRType.ANY):
        rrsets.append(RRset(owner, RRType.A, ttl_s, (row.ipv4,)))
    if row.ipv6 is not None and rtype in (RRType.AAAA, RRType.ANY):
        rrsets.append(RRset(owner, RRType.AAAA, ttl_s, (row.ipv6,)))
    return tuple(rrsets)

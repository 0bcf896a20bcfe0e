"""``ReverseZones``: which node or service has an address, as PTR records.

Which zones there are:

* those listed in the configuration, whatever addresses there are; or
* without a list, the /24 of each IPv4 address and the /64 of each IPv6 address
  that DNS gives for a node or a service: the least that parents delegate and that resolvers are
  told to ask elsewhere for, so that little is denied that others know. They come and go
  with the addresses; nothing is kept for them, each question looks into the
  table's sorted addresses.

An address has one PTR record, whoever shares it: of an alive member before one
that is leaving, a registered node, and a failed member; then of the first name.
It names ``NAME.node.DC.DOMAIN`` in the spelling in which the node was announced. An
address that no node with such a name has, and an instance has for its own, names
``NAME.service.DC.DOMAIN``, of the first such service, be it well or not: a client that comes from there is still it.

Names that spell a prefix with addresses or another listed zone in it exist and are empty (RFC
8020); so does the name of an address whose nodes and services DNS cannot spell.

Source: RFC 1035 section 3.5, RFC 3596 section 2.5, RFC 2308, RFC 8020.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from nodedns.dns.apex import EditionOf, ZoneHead, node_owner, service_owner, unpublished
from nodedns.dns.dependency import SERVERS, ip_key, prefix_key
from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRType
from nodedns.dns.reverse_names import ReverseName, address_text, reverse_labels, spelt_by
from nodedns.dns.rrset import Answer, RRset
from nodedns.model.member import MemberStatus
from nodedns.table.address_index import Digits
from nodedns.table.view import TableView

__all__ = ["DERIVED_DIGITS", "ReverseZone", "ReverseZones"]

DERIVED_DIGITS = {4: 24 // 4, 6: 64 // 4}
"""Hex digits of a zone that is there because an address is."""

_RANK = {MemberStatus.ALIVE: 0, MemberStatus.LEAVING: 1, MemberStatus.NONE: 2, MemberStatus.FAILED: 3}
_UNKNOWN_RANK = len(_RANK)


@attrs.frozen
class ReverseZone:
    """The zone of one prefix.

    Attributes:
        prefix: What its addresses begin with.
        domain: The domain of the names that its records hold, folded.
        is_derived: Whether it is there only as long as an address is.
        ways: Prefixes of listed zones and above them, which are there whatever addresses there are.
        edition_of: As what zones are published, which their SOA tells.
        origin: Labels of its apex, folded.
    """

    prefix: Digits
    domain: Labels
    is_derived: bool
    ways: frozenset[Digits] = attrs.field(default=frozenset(), eq=False, repr=False)
    edition_of: EditionOf = attrs.field(default=unpublished, eq=False, repr=False)
    origin: Labels = attrs.field(init=False, eq=False)

    @origin.default
    def _named_by_prefix(self) -> Labels:
        return reverse_labels(self.prefix)

    def answer(self, question: Question, view: TableView, policy: DnsPolicy) -> Answer:
        """Answer ``question``, whose name lies in this zone and whose class was settled before."""
        spelt = spelt_by(question.folded)
        assert spelt is not None  # noqa: S101 - for the type checker; every name in the zone has its suffix
        is_apex = len(question.folded) == len(self.origin)
        edition = self.edition_of(self.origin, self.domain)
        head = ZoneHead(question.labels[-len(self.origin) :], self.domain, view, policy, edition)
        rrsets, extra = _apex(question.rtype, head) if is_apex else ((), ())
        if spelt.is_address and question.rtype in (RRType.PTR, RRType.ANY):
            rrsets += _pointer(spelt.prefix, question.labels, head)
        if rrsets:
            keys = self._keys(spelt, is_apex=is_apex, holds_records=True)
            return Answer(rcode=Rcode.NOERROR, authoritative=True, answer=rrsets, extra=extra, keys=keys)
        is_there = is_apex or (spelt.is_whole and self._is_above_something(spelt.prefix, view))
        return Answer(
            rcode=Rcode.NOERROR if is_there else Rcode.NXDOMAIN,
            authoritative=True,
            authority=(head.soa(),),
            keys=self._keys(spelt, is_apex=is_apex, holds_records=False),
        )

    def _is_above_something(self, prefix: Digits, view: TableView) -> bool:
        return prefix in self.ways or view.has_addresses_under(prefix)

    def _keys(self, spelt: ReverseName, *, is_apex: bool, holds_records: bool) -> tuple[str, ...]:
        keys = [SERVERS] if is_apex else []
        if spelt.is_address:
            keys.append(ip_key(address_text(spelt.prefix)))
        elif spelt.is_whole and not is_apex:
            keys.append(prefix_key(spelt.prefix))
        if self.is_derived and (is_apex or not holds_records):
            keys.append(prefix_key(self.prefix))  # a PTR record's own address keeps its zone there
        return tuple(keys)


@attrs.frozen
class ReverseZones:
    """Every reverse zone that an agent serves.

    Attributes:
        domain: The domain of the names that their records hold, folded.
        listed: The zones by prefix; None for those of the nodes' addresses.
        edition_of: As what zones are published, which their SOA tells.
    """

    domain: Labels
    listed: Mapping[Digits, ReverseZone] | None
    edition_of: EditionOf = attrs.field(default=unpublished, eq=False, repr=False)

    @classmethod
    def of_prefixes(
        cls, prefixes: Iterable[Digits] | None, domain: Labels, edition_of: EditionOf = unpublished
    ) -> ReverseZones:
        """Return those of exactly these prefixes, none at all without any; None: those of the table's addresses."""
        if prefixes is None:
            return cls(domain, None, edition_of)
        listed = tuple(prefixes)
        ways = _prefixes_to(listed)
        zones = {prefix: ReverseZone(prefix, domain, False, ways, edition_of) for prefix in listed}
        return cls(domain, zones, edition_of)

    def covering(self, folded: Labels, view: TableView) -> ReverseZone | None:
        """Return the zone with the longest origin that is ``folded`` or above it; None where there is none."""
        spelt = spelt_by(folded)
        if spelt is None:
            return None
        version, text = spelt.prefix.version, spelt.prefix.text
        if self.listed is None:
            prefix = Digits(version, text[: DERIVED_DIGITS[version]])
            is_there = len(prefix.text) == DERIVED_DIGITS[version] and view.has_addresses_under(prefix)
            return ReverseZone(prefix, self.domain, True, edition_of=self.edition_of) if is_there else None
        found = (self.listed.get(Digits(version, text[:length])) for length in range(len(text), -1, -1))
        return next((zone for zone in found if zone is not None), None)


def _prefixes_to(listed: Iterable[Digits]) -> frozenset[Digits]:
    return frozenset(
        Digits(zone.version, zone.text[:length]) for zone in listed for length in range(len(zone.text) + 1)
    )


def _apex(rtype: int, head: ZoneHead) -> tuple[tuple[RRset, ...], tuple[RRset, ...]]:
    soa = (head.soa(),) if rtype in (RRType.SOA, RRType.ANY) else ()
    if rtype not in (RRType.NS, RRType.ANY):
        return soa, ()
    name_servers, addresses = head.name_servers()
    return (*soa, name_servers), addresses


def _pointer(address: Digits, owner: Labels, head: ZoneHead) -> tuple[RRset, ...]:
    target, least = None, _UNKNOWN_RANK + 1
    for row in head.view.nodes_at(address_text(address)):
        # Thousands of nodes may share an address, and are neither sorted nor named.
        rank = _RANK.get(row.status, _UNKNOWN_RANK)
        if rank < least and (named := node_owner(row.name, row.datacenter, head.domain)) is not None:
            target, least = named, rank
            if not rank:
                break
    if target is None:
        target = _service_at(address, head)
    return (RRset(owner, RRType.PTR, head.policy.ptr_ttl_s, (target,)),) if target is not None else ()


def _service_at(address: Digits, head: ZoneHead) -> Labels | None:
    named = (
        service_owner(instance.service.name, head.view.datacenter, head.domain)
        for instance in head.view.instances_at(address_text(address))
    )
    return next((owner for owner in named if owner is not None), None)

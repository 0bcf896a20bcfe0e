"""``Zone``: a question against a table view gives an answer.

The names of a zone, DC being the local datacenter:

    DOMAIN                                  SOA and NS
    ns.DOMAIN                               the answering agent, whom the SOA names
    NAME.node.DOMAIN                        a node
    [TAG.]NAME.service.DOMAIN               the instances of a service
    _NAME._TAG[.service].DOMAIN             the same
    INSTANCE._NAME._tcp.DOMAIN ...          one of them, and what DNS-SD browses by
    HEX.addr.DOMAIN                         the address that HEX spells
    ....DC.DOMAIN, ....DC.dc.DOMAIN         all these, with the datacenter said
    node.DOMAIN, DC.DOMAIN, dc.DOMAIN ...   exist and are empty

``grammar`` parts a name, and each kind of name has a file that answers for it.
Letter case is folded to find a name and kept in what is answered, the zone's
own names included.

Where Consul breaks an RFC, the RFC is followed: each negative answer has the
SOA, a name that is there never gets NXDOMAIN, one that is not always does.

This does not know of sizes, transports or flags; ``codec`` and ``responder`` do.
Source: RFC 1034, 2308, 8020; Consul's name grammar and record contents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from nodedns.dns.addr_kind import answer_addr
from nodedns.dns.apex import EditionOf, address_rrsets, unpublished
from nodedns.dns.asked import Asked
from nodedns.dns.dependency import SERVERS
from nodedns.dns.distance import DistanceOf, nowhere
from nodedns.dns.grammar import (
    ADDR,
    HERE,
    NAME_SERVER,
    NODE,
    PORT,
    SERVICE,
    TYPE,
    Place,
    is_empty_name,
    parse_place,
    parse_relative,
)
from nodedns.dns.name import Labels, fold_labels, labels_of
from nodedns.dns.node_kind import answer_node
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRType
from nodedns.dns.rrset import Answer, RRset
from nodedns.dns.service_kind import answer_service
from nodedns.dns.type_kind import answer_type
from nodedns.errors import LocalProtocolError
from nodedns.table.view import TableView

__all__ = ["Zone"]

_ANSWERS: Final[Mapping[bytes, Callable[[Asked, Labels], Answer]]] = {
    NODE: answer_node,
    ADDR: answer_addr,
    SERVICE: answer_service,
    TYPE: answer_type,
}
_WITH_PORTS: Final = frozenset({SERVICE, TYPE})


@attrs.frozen
class Zone:
    """One domain whose names we are the authority for.

    Attributes:
        origin: Labels of the domain, folded.
        cuts: Names of this zone, without its origin, that other domains of ours lie at or below.
        distance_s: How far a node is from this one, by its name, for answers that are by distance. Answers hold until
            it changes (``dependency.DISTANCES``).
        edition_of: As what zones are published, which their SOA tells.
    """

    origin: Labels
    cuts: frozenset[Labels] = frozenset()
    distance_s: DistanceOf = attrs.field(default=nowhere, eq=False, repr=False)
    edition_of: EditionOf = attrs.field(default=unpublished, eq=False, repr=False)

    @classmethod
    def of_domain(cls, domain: str) -> Zone:
        """Build the zone of ``domain``, given with or without its final dot.

        Raises:
            LocalProtocolError: No domain name is spelt so.
        """
        return cls(_origin_of(domain))

    @classmethod
    def of_domains(
        cls, domains: Sequence[str], distance_s: DistanceOf = nowhere, edition_of: EditionOf = unpublished
    ) -> tuple[Zone, ...]:
        """Build a zone for each of ``domains``, those that lie inside another told to that one.

        Args:
            domains: Each with or without its final dot.
            distance_s: As the attribute.
            edition_of: As the attribute.

        Raises:
            LocalProtocolError: One is no domain name.
        """
        origins = [_origin_of(domain) for domain in domains]
        return tuple(cls(origin, _cuts_below(origin, origins), distance_s, edition_of) for origin in origins)

    def answer(self, question: Question, view: TableView, policy: DnsPolicy) -> Answer:
        """Answer ``question``, whose name the zone covers and whose class was settled before."""
        relative = question.folded[: -len(self.origin)]
        name = parse_relative(relative, view.datacenter)
        place = parse_place(name.locality, view.datacenter) if name.kind is not None else None
        asked = Asked(question, self.origin, view, policy, place or HERE, self.distance_s, self.edition_of)
        if not relative:
            return _answer_apex(asked)
        if relative == (NAME_SERVER,):
            return _answer_name_server(asked)
        if relative in self.cuts:
            return asked.no_data()
        if is_empty_name(name, view.datacenter):
            # Kept only if there are few of them: any word may be the name of a port.
            return asked.no_data(None if PORT in name.locality else ())
        if name.kind is None or not name.query or place is None or not _may_say(name.kind, place):
            return asked.no_name()
        return _ANSWERS[name.kind](asked, name.query)


def _may_say(kind: bytes, place: Place) -> bool:
    return place.port is None or kind in _WITH_PORTS


def _origin_of(domain: str) -> Labels:
    labels = labels_of(domain.removesuffix("."))
    if labels is None:
        raise LocalProtocolError(f"not a domain name: {domain!r}")
    return fold_labels(labels)


def _cuts_below(origin: Labels, origins: Sequence[Labels]) -> frozenset[Labels]:
    """Return the names below ``origin`` that exist because zones of ours lie there (RFC 8020)."""
    depth = len(origin)
    inside = [other[:-depth] for other in origins if len(other) > depth and other[-depth:] == origin]
    return frozenset(relative[position:] for relative in inside for position in range(len(relative)))


def _answer_apex(asked: Asked) -> Answer:
    rtype = asked.question.rtype
    rrsets: list[RRset] = []
    glue: tuple[RRset, ...] = ()
    if rtype in (RRType.SOA, RRType.ANY):
        rrsets.append(asked.head.soa())
    if rtype in (RRType.NS, RRType.ANY):
        name_servers, glue = asked.head.name_servers()
        rrsets.append(name_servers)
    if not rrsets:
        return asked.no_data()
    return Answer(rcode=Rcode.NOERROR, authoritative=True, answer=tuple(rrsets), glue=glue, keys=(SERVERS,))


def _answer_name_server(asked: Asked) -> Answer:
    row = asked.view.node(asked.view.local_name)
    labels, rtype = asked.question.labels, asked.question.rtype
    return asked.found(address_rrsets(row, labels, rtype, asked.policy.node_ttl_s) if row else (), (SERVERS,))

"""``Zone``: a question against a table view gives an answer.

The names of a zone, DC being the local datacenter:

    DOMAIN                                  SOA and NS
    ns.DOMAIN                               the answering agent, whom the SOA names
    NAME.node.DOMAIN                        a node
    HEX.addr.DOMAIN                         the address that HEX spells
    ....DC.DOMAIN, ....DC.dc.DOMAIN         the same two, with the datacenter said
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
from nodedns.dns.apex import address_rrsets
from nodedns.dns.asked import Asked
from nodedns.dns.dependency import SERVERS
from nodedns.dns.grammar import ADDR, NAME_SERVER, NODE, is_empty_name, is_here, parse_relative
from nodedns.dns.name import Labels, fold_labels, labels_of
from nodedns.dns.node_kind import answer_node
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRType
from nodedns.dns.rrset import Answer, RRset
from nodedns.errors import LocalProtocolError
from nodedns.table.view import TableView

__all__ = ["Zone"]

_ANSWERS: Final[Mapping[bytes, Callable[[Asked, Labels], Answer]]] = {NODE: answer_node, ADDR: answer_addr}


@attrs.frozen
class Zone:
    """One domain whose names we are the authority for.

    Attributes:
        origin: Labels of the domain, folded.
        cuts: Names of this zone, without its origin, that other domains of ours lie at or below.
    """

    origin: Labels
    cuts: frozenset[Labels] = frozenset()

    @classmethod
    def of_domain(cls, domain: str) -> Zone:
        """Build the zone of ``domain``, given with or without its final dot.

        Raises:
            LocalProtocolError: No domain name is spelt so.
        """
        return cls(_origin_of(domain))

    @classmethod
    def of_domains(cls, domains: Sequence[str]) -> tuple[Zone, ...]:
        """Build a zone for each of ``domains``, those that lie inside another told to that one.

        Raises:
            LocalProtocolError: One is no domain name.
        """
        origins = [_origin_of(domain) for domain in domains]
        return tuple(cls(origin, _cuts_below(origin, origins)) for origin in origins)

    def answer(self, question: Question, view: TableView, policy: DnsPolicy) -> Answer:
        """Answer ``question``, whose name the zone covers and whose class was settled before."""
        asked = Asked(question, self.origin, view, policy)
        relative = question.folded[: -len(self.origin)]
        if not relative:
            return _answer_apex(asked)
        if relative == (NAME_SERVER,):
            return _answer_name_server(asked)
        name = parse_relative(relative)
        if relative in self.cuts or is_empty_name(name, view.datacenter):
            return asked.no_data()
        if name.kind is None or not name.query or not is_here(name.locality, view.datacenter):
            return asked.no_name()
        return _ANSWERS[name.kind](asked, name.query)


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

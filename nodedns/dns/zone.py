"""``Zone``: a question against a table view gives an answer.

The names of a zone, DC being the local datacenter:

    DOMAIN                                  SOA and NS
    ns.DOMAIN                               the answering agent, whom the SOA names
    NAME.node.DOMAIN                        a node
    NAME.node.DC.DOMAIN                     the same node
    NAME.node.DC.dc.DOMAIN                  the same node
    node.DOMAIN, DC.DOMAIN, dc.DOMAIN ...   exist and are empty

NAME may have dots; then every name between it and ``node`` exists as well
(RFC 8020). As in Consul the rightmost ``node`` is the one that counts, and what
stands right of it says where. Letter case is folded to find a name and kept in
what is answered, the zone's own names included.

Where Consul breaks an RFC, the RFC is followed: each negative answer has the
SOA, a name that is there never gets NXDOMAIN, one that is not always does.

This does not know of sizes, transports or flags; ``codec`` and ``responder`` do.
Source: RFC 1034, 2308, 8020; Consul's name grammar and record contents.
"""

from __future__ import annotations

import attrs

from nodedns.dns.apex import NAME_SERVER, ZoneHead, address_rrsets
from nodedns.dns.dependency import SERVERS, node_key
from nodedns.dns.meta_text import meta_texts
from nodedns.dns.name import Labels, fold_labels, labels_of, text_bytes
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRType
from nodedns.dns.rrset import Answer, Rdata, RRset
from nodedns.errors import LocalProtocolError
from nodedns.model.names import fold
from nodedns.table.view import NodeRow, TableView

__all__ = ["Zone"]

KIND_NODE = b"node"
DATACENTER = b"dc"


@attrs.frozen
class Zone:
    """One domain whose names we are the authority for.

    Attributes:
        origin: Labels of the domain, folded.
    """

    origin: Labels

    @classmethod
    def of_domain(cls, domain: str) -> Zone:
        """Build the zone of ``domain``, given with or without its final dot.

        Raises:
            LocalProtocolError: No domain name is spelt so.
        """
        labels = labels_of(domain.removesuffix("."))
        if labels is None:
            raise LocalProtocolError(f"not a domain name: {domain!r}")
        return cls(fold_labels(labels))

    def answer(self, question: Question, view: TableView, policy: DnsPolicy) -> Answer:
        """Answer ``question``, whose name the zone covers and whose class was settled before."""
        asked = _Asked(question, self.origin, view, policy)
        relative = question.folded[: -len(self.origin)]
        if not relative:
            return attrs.evolve(asked.apex(), keys=(SERVERS,))
        if relative == (NAME_SERVER,):
            return attrs.evolve(asked.name_server(), keys=(SERVERS,))
        try:
            kind_at = len(relative) - 1 - relative[::-1].index(KIND_NODE)
        except ValueError:
            return asked.no_data() if _is_locality(relative, view) else asked.no_name()
        locality = relative[kind_at + 1 :]
        if locality and not _names_local_datacenter(locality, view):
            return asked.no_name()
        name = _node_name(relative[:kind_at])
        return attrs.evolve(asked.node(name), keys=(node_key(name),)) if name is not None else asked.no_name()


def _node_name(labels: Labels) -> str | None:
    """Return the node name that ``labels`` spell, empty for none; None if no node can be meant."""
    if any(b"." in label for label in labels):
        return None  # a dot inside a label parts nothing
    return b".".join(labels).decode("utf-8", "surrogateescape")


def _is_locality(labels: Labels, view: TableView) -> bool:
    return labels == (DATACENTER,) or _names_local_datacenter(labels, view)


def _names_local_datacenter(labels: Labels, view: TableView) -> bool:
    if len(labels) == 2 and labels[1] != DATACENTER:
        return False
    return len(labels) in (1, 2) and labels[0] == text_bytes(fold(view.datacenter))


@attrs.frozen
class _Asked:
    """One question with all that is needed to answer it."""

    question: Question
    folded_origin: Labels
    view: TableView
    policy: DnsPolicy

    @property
    def origin(self) -> Labels:
        """The zone's name in the letter case of the question."""
        return self.question.labels[-len(self.folded_origin) :]

    @property
    def head(self) -> ZoneHead:
        """SOA and NS; the names in them are the zone's own."""
        return ZoneHead(self.origin, self.origin, self.view, self.policy)

    def apex(self) -> Answer:
        rtype = self.question.rtype
        rrsets: list[RRset] = []
        glue: tuple[RRset, ...] = ()
        if rtype in (RRType.SOA, RRType.ANY):
            rrsets.append(self.head.soa())
        if rtype in (RRType.NS, RRType.ANY):
            name_servers, glue = self.head.name_servers()
            rrsets.append(name_servers)
        if not rrsets:
            return self.no_data()
        return Answer(rcode=Rcode.NOERROR, authoritative=True, answer=tuple(rrsets), glue=glue)

    def name_server(self) -> Answer:
        row = self.view.node(self.view.local_name)
        return self._positive(self._addresses(row, self.question.labels, self.question.rtype) if row else ())

    def node(self, name: str) -> Answer:
        if not name:
            return self.no_data()
        row = self.view.node_folded(name)
        if row is not None:
            return self._node_answer(row)
        return self.no_data() if self.view.has_names_under(name) else self.no_name()

    def no_data(self) -> Answer:
        return Answer(rcode=Rcode.NOERROR, authoritative=True, authority=(self.head.soa(),), keys=())

    def no_name(self) -> Answer:
        return Answer(rcode=Rcode.NXDOMAIN, authoritative=True, authority=(self.head.soa(),), keys=())

    def _positive(self, rrsets: tuple[RRset, ...], extra: tuple[RRset, ...] = ()) -> Answer:
        if not rrsets:
            return self.no_data()
        return Answer(rcode=Rcode.NOERROR, authoritative=True, answer=rrsets, extra=extra)

    def _node_answer(self, row: NodeRow) -> Answer:
        owner, rtype = self.question.labels, self.question.rtype
        alias = _host_name(row)
        if alias is not None:
            # RFC 1034 section 3.6.2: where a CNAME is, nothing else is, so every type gets it.
            return self._positive((self._rrset(owner, RRType.CNAME, (alias,)),))
        addresses = self._addresses(row, owner, rtype)
        if rtype in (RRType.A, RRType.AAAA):
            is_wanted = self.policy.enable_additional_node_meta_txt
            return self._positive(addresses, self._texts(row) if is_wanted else ())
        if rtype in (RRType.TXT, RRType.ANY):
            return self._positive(addresses + self._texts(row))
        return self.no_data()

    def _addresses(self, row: NodeRow, owner: Labels, rtype: int) -> tuple[RRset, ...]:
        return address_rrsets(row, owner, rtype, self.policy.node_ttl_s)

    def _texts(self, row: NodeRow) -> tuple[RRset, ...]:
        texts = meta_texts(row.meta) if row.meta else ()
        return (self._rrset(self.question.labels, RRType.TXT, texts),) if texts else ()

    def _rrset(self, owner: Labels, rtype: RRType, rdatas: tuple[Rdata, ...]) -> RRset:
        return RRset(owner, rtype, self.policy.node_ttl_s, rdatas)


def _host_name(row: NodeRow) -> Labels | None:
    if row.ipv4 is not None or row.ipv6 is not None:
        return None
    return labels_of(row.address.removesuffix("."))

"""``Asked``: one question to one zone, with all that is needed to answer it, and the shapes that answers have."""

from __future__ import annotations

import attrs

from nodedns.dns.apex import EditionOf, ZoneHead, unpublished
from nodedns.dns.distance import DistanceOf, nowhere
from nodedns.dns.grammar import HERE, Place
from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRType
from nodedns.dns.rrset import Answer, Rdata, RRset
from nodedns.table.view import TableView

__all__ = ["Asked"]


@attrs.frozen
class Asked:
    """One question to one zone.

    Attributes:
        question: What is asked; its name lies in the zone.
        zone: Labels of the zone's name, folded.
        view: The table of the moment.
        policy: Knobs.
        place: What the name says of where it is.
        distance_s: How far a node is from this one, by its name.
        edition_of: As what the zone is published.
    """

    question: Question
    zone: Labels
    view: TableView
    policy: DnsPolicy
    place: Place = HERE
    distance_s: DistanceOf = nowhere
    edition_of: EditionOf = unpublished

    @property
    def origin(self) -> Labels:
        """The zone's name in the letter case of the question."""
        return self.question.labels[-len(self.zone) :]

    @property
    def head(self) -> ZoneHead:
        """SOA and NS of the zone; the names in them are its own."""
        origin = self.origin
        return ZoneHead(origin, origin, self.view, self.policy, self.edition_of(self.zone, self.zone))

    def rrset(self, rtype: RRType, rdatas: tuple[Rdata, ...]) -> RRset:
        """Return records of the name asked for."""
        return RRset(self.question.labels, rtype, self.policy.node_ttl_s, rdatas)

    def found(self, rrsets: tuple[RRset, ...], keys: tuple[str, ...], *, extra: tuple[RRset, ...] = ()) -> Answer:
        """Answer with records; with NOERROR and the SOA if there are none, since the name exists."""
        if not rrsets:
            return self.no_data(keys)
        return Answer(rcode=Rcode.NOERROR, authoritative=True, answer=rrsets, extra=extra, keys=keys)

    def no_data(self, keys: tuple[str, ...] | None = (), *, extra: tuple[RRset, ...] = ()) -> Answer:
        """Answer that the name exists and has no such records."""
        soa = (self.head.soa(),)
        return Answer(rcode=Rcode.NOERROR, authoritative=True, authority=soa, extra=extra, keys=keys)

    def no_name(self, keys: tuple[str, ...] = ()) -> Answer:
        """Answer that there is no such name, nor any below it."""
        return Answer(rcode=Rcode.NXDOMAIN, authoritative=True, authority=(self.head.soa(),), keys=keys)

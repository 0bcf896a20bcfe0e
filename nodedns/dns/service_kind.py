"""The kind ``service``: the instances of a service that are well, by its name, and a tag or a port.

    NAME.service   TAG.NAME.service   _NAME._TAG.service

A TAG may have dots; ``_tcp`` asks for any. What stands between such a tag and the
service exists then, and is empty (RFC 8020). So does each underscored label directly
below ``service``: which tags there are, only reading every service would tell, and
a wrong denial there would deny what lies below.

Which instances count: none that is critical, none with a warning where only passing
ones are wanted. A name of which none is left does not exist: a zone holds what is
to be used, so whoever asked is told the same for every type, and for all names below.

A host name for an address is a CNAME, if no instance has an IP: a name with a CNAME has nothing
else (RFC 1034 section 3.6.2). SRV names such a host as its target all the same, as in Consul, since without
a port nobody would be helped. That breaks the rule, so the CNAME's TTL is 0; some caches hold it for the
rest of the second even so. At ``_NAME._TAG``, which is for SRV, there never is a CNAME.

Source: RFC 1034, RFC 2782, RFC 8020; Consul's service look-ups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TypeVar

import attrs

from nodedns.dns.asked import Asked
from nodedns.dns.dependency import DISTANCES, part_key, service_key
from nodedns.dns.endpoint import Endpoint, endpoint_of, nearest_first, remembered_endpoint
from nodedns.dns.grammar import SERVICE, UNDERSCORE, parse_relative
from nodedns.dns.name import Labels, fold_labels, text_bytes
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import RRType
from nodedns.dns.rrset import Answer, RRset, SrvData
from nodedns.model.check import CheckStatus
from nodedns.table.service_rows import Instance, ServiceGroup
from nodedns.table.view import TableView

__all__ = ["Wanted", "answer_instances", "answer_service", "endpoints_of", "is_service_there", "is_usable", "usable_of"]

ANY_TAG = "tcp"
ANY_LABEL = b"_tcp"
PAIR = 2
_Said = TypeVar("_Said", bytes, Labels)

MANY_INSTANCES = 64
"""Instances of a service past which what is made of each is kept with it; ours: fewer take a millisecond at most."""
MAX_REPLY_BYTES = 65_535  # over TCP
LEAST_RECORD_BYTES = 12  # of a record without its data: a pointer for the owner, type, class, TTL, length
MAX_PLAIN_RECORDS = 8  # Consul's: where udp_answer_limit is more than that, that counts


@attrs.frozen
class Wanted:
    """Which instances a name asks for, folded.

    Attributes:
        service: Name of the service.
        tag: What each must have; None for any.
        port: Name of the port that each must have; None for any.
    """

    service: str
    tag: str | None = None
    port: bytes | None = None

    @classmethod
    def of_labels(cls, query: Labels, port: bytes | None) -> Wanted | None:
        """Return what labels left of ``service`` ask for; None if nothing can be meant."""
        if any(b"." in label for label in query):
            return None  # a dot inside a label parts nothing
        words = [label.decode("utf-8", "surrogateescape") for label in query]
        if len(words) == PAIR and all(len(word) > 1 and word[0] == "_" for word in words):
            return cls(words[0][1:], None if words[1][1:] == ANY_TAG else words[1][1:], port)
        return cls(words[-1], ".".join(words[:-1]) or None, port)

    def fits(self, instance: Instance) -> bool:
        """Whether ``instance`` is one of them, being one of the service."""
        service = instance.service
        if self.tag is not None and self.tag not in service.folded_tags:
            return False
        return self.port is None or self.port in map(text_bytes, service.folded_port_names)

    @property
    def is_any(self) -> bool:
        """Whether every instance is one of them."""
        return self.tag is None and self.port is None


def answer_service(asked: Asked, query: Labels) -> Answer:
    """Answer for the service that ``query``, not empty, spells."""
    wanted = Wanted.of_labels(query, asked.place.port)
    if wanted is None:
        return asked.no_name()
    usable = usable_of(asked.view.service_folded(wanted.service), asked.policy)
    chosen = usable if wanted.is_any else [instance for instance in usable if wanted.fits(instance)]
    is_plain = len(query) == 1
    keys = (service_key(wanted.service) if is_plain else part_key(wanted.service),)
    if chosen:
        return answer_instances(asked, wanted.service, chosen, keys)
    if wanted.tag is not None and _is_above_tag(filter(attrs.evolve(wanted, tag=None).fits, usable), wanted.tag):
        return asked.no_data(keys)
    if is_plain and query[0].startswith(UNDERSCORE):
        # Kept it is for this one only: a stranger can make up as many of these as there are letters.
        return asked.no_data(keys if query == (ANY_LABEL,) else None)
    return asked.no_name(keys)


def is_service_there(view: TableView, folded_label: str, policy: DnsPolicy) -> bool:
    """Whether ``LABEL.service``, with or without a place, may exist. False is for sure."""
    return folded_label.startswith("_") or any(True for _ in usable_of(view.service_folded(folded_label), policy))


def usable_of(group: ServiceGroup | None, policy: DnsPolicy) -> Sequence[Instance]:
    """Return the instances that DNS answers with, in the group's order."""
    if group is None:
        return ()
    return [instance for instance in group.instances if is_usable(instance, only_passing=policy.only_passing)]


def answer_instances(asked: Asked, service: str, instances: Sequence[Instance], keys: tuple[str, ...]) -> Answer:
    """Answer with the records of ``instances``, at least one, that the question is for.

    Args:
        asked: What is asked.
        service: Folded name of the service.
        instances: Those to tell of.
        keys: What they depend on.
    """
    rtype, ttl_s = asked.question.rtype, asked.policy.service_ttl.of(service)
    endpoints = endpoints_of(asked, service, instances)
    if asked.policy.nearest_first and len(endpoints) > 1:
        endpoints, keys = nearest_first(endpoints, asked.distance_s), (*keys, DISTANCES)
    if rtype == RRType.SRV:
        return _answer_srv(asked, endpoints, ttl_s, keys)
    ipv4 = _ranked((each.ipv4, each.rank) for each in endpoints)
    ipv6 = _ranked((each.ipv6, each.rank) for each in endpoints)
    if not ipv4 and not ipv6:
        ranked = _ranked((each.alias, each.rank) for each in endpoints)
        aliases = tuple(alias for alias, rank in ranked.items() if rank == min(ranked.values()))
        cname = RRset(asked.question.labels, RRType.CNAME, 0, aliases, is_spread=len(aliases) > 1)
        return asked.found((cname,) if aliases and not _is_for_srv(asked) else (), keys)
    rrsets = tuple(
        RRset(
            asked.question.labels,
            kind,
            ttl_s,
            tuple(ranked),
            is_spread=len(ipv4) + len(ipv6) > 1,
            ranks=tuple(ranked.values()),
        )
        for kind, ranked in ((RRType.A, ipv4), (RRType.AAAA, ipv6))
        if ranked and rtype in (kind, RRType.ANY)
    )
    policy = asked.policy
    found = asked.found(rrsets, keys)
    return attrs.evolve(found, most_spread=policy.a_record_limit, most_plain=_most_plain(policy))


def endpoints_of(asked: Asked, service: str, instances: Sequence[Instance]) -> list[Endpoint]:
    """Return where each instance of a service is to be reached."""
    leads_back = partial(_leads_back, asked, service)
    if len(instances) <= MANY_INSTANCES:
        return [endpoint_of(instance, leads_back) for instance in instances]
    key = ("endpoint", asked.zone, asked.view.datacenter)
    return [remembered_endpoint(instance, leads_back, key) for instance in instances]


def _answer_srv(asked: Asked, endpoints: Sequence[Endpoint], ttl_s: int, keys: tuple[str, ...]) -> Answer:
    is_large = len(endpoints) > MANY_INSTANCES
    named = [(each, srv) for each in endpoints if (srv := each.srv(asked, is_remembered=is_large)) is not None]
    records: dict[tuple[Labels, int], tuple[SrvData, int]] = {}
    for endpoint, srv in named:
        records.setdefault(srv.place, (srv, endpoint.rank))
    srvs = tuple([srv for srv, _ in records.values()])
    ranks = tuple([rank for _, rank in records.values()])
    rrset = RRset(asked.question.labels, RRType.SRV, ttl_s, srvs, is_spread=len(srvs) > 1, ranks=ranks)
    found = asked.found((rrset,) if srvs else (), keys)
    if sum(len(srv.packed) for srv in srvs) + len(srvs) * LEAST_RECORD_BYTES <= MAX_REPLY_BYTES:
        found = _with_addresses(found, asked, named, ttl_s)
    return attrs.evolve(found, most_plain=_most_plain(asked.policy))


def _with_addresses(found: Answer, asked: Asked, named: Sequence[tuple[Endpoint, SrvData]], ttl_s: int) -> Answer:
    """Return ``found`` with what is to be told of the targets besides."""
    addresses: dict[tuple[Labels, int], RRset] = {}
    texts: dict[Labels, RRset] = {}
    leads: dict[Labels, None] = {}
    for endpoint, srv in named:
        rrsets = endpoint.addresses(asked, srv.target, ttl_s)
        if not rrsets:
            leads[srv.target] = None
        for rrset in rrsets:
            addresses.setdefault((fold_labels(rrset.owner), rrset.rtype), rrset)
        if asked.policy.enable_additional_node_meta_txt:
            texts |= {fold_labels(rrset.owner): rrset for rrset in endpoint.texts(asked, ttl_s)}
    known = {owner for owner, _ in addresses}
    extra = (*addresses.values(), *texts.values())
    return attrs.evolve(found, extra=extra, leads=tuple(each for each in leads if fold_labels(each) not in known))


def _ranked(found: Iterable[tuple[_Said | None, int]]) -> dict[_Said, int]:
    """Return each thing once, with the rank that it is first found with."""
    ranked: dict[_Said, int] = {}
    for said, rank in found:
        if said is not None:
            ranked.setdefault(said, rank)
    return ranked


def _is_for_srv(asked: Asked) -> bool:
    return asked.question.folded[0].startswith(UNDERSCORE)


def _most_plain(policy: DnsPolicy) -> int:
    return min(policy.udp_answer_limit, MAX_PLAIN_RECORDS)


def is_usable(instance: Instance, *, only_passing: bool) -> bool:
    """Whether DNS answers with ``instance``."""
    if instance.row.is_hidden:
        return False
    status = instance.status
    return status is CheckStatus.PASSING or (status is CheckStatus.WARNING and not only_passing)


def _is_above_tag(instances: Iterable[Instance], tag: str) -> bool:
    end = "." + tag
    return any(other.endswith(end) for instance in instances for other in instance.service.folded_tags)


def _leads_back(asked: Asked, service: str, alias: Labels) -> bool:
    """Whether a host name is a name of this service in this zone."""
    folded = fold_labels(alias)
    if folded[-len(asked.zone) :] != asked.zone:
        return False
    name = parse_relative(folded[: -len(asked.zone)], asked.view.datacenter)
    wanted = Wanted.of_labels(name.query, None) if name.kind == SERVICE and name.query else None
    return wanted is not None and wanted.service == service

"""Names of service types, which begin with an underscore: RFC 2782's look-ups, and DNS-SD to browse by (RFC 6763).

    _NAME._TAG                      as _NAME._TAG.service; where TAG is a protocol, PTR as well, to
    INSTANCE._NAME._tcp             one instance: SRV, TXT
    TAG._sub._NAME._tcp             PTR to the instances with a tag
    _services._dns-sd._udp          PTR to the types that there are
    b, db, lb._dns-sd._udp          PTR to the domain to browse

An instance is ``_tcp`` unless it has the tag ``udp``; with both tags it is both. Its own name is its node's, and
with an ID other than the service's name ``NODE:ID``: one label, whatever is in it. One too long for a label is cut, and
ends in a digest of all of it. Of those that differ in letter case alone the first has the name.

Only names that RFC 6335 allows for a service are told as types, since browsers need not take others; these
have their records all the same, for whoever asks. Which tags there are is not looked up for the label
of a tag alone: it exists and is empty, for the reason that ``service_kind`` gives.

Source: RFC 6763 sections 4 to 7, 9, 11 and 12; RFC 6335 section 5.1; RFC 2782.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import attrs

from nodedns.dns.asked import Asked
from nodedns.dns.dependency import SERVICES, part_key
from nodedns.dns.endpoint import Endpoint
from nodedns.dns.instance_text import instance_text
from nodedns.dns.name import MAX_NAME_BYTES, Labels, text_bytes, wire_bytes
from nodedns.dns.question import RRType
from nodedns.dns.rrset import Answer, Rdata, RRset, SrvData
from nodedns.dns.service_kind import answer_service, endpoints_of, is_usable, usable_of
from nodedns.model.names import MAX_LABEL_BYTES, fold
from nodedns.model.service import Service
from nodedns.table.service_rows import Instance, ServiceGroup

__all__ = [
    "BROWSED",
    "MAX_DESCRIBED",
    "MAX_LISTED",
    "META",
    "PROTOCOLS",
    "SUB",
    "TYPES",
    "answer_type",
    "instance_label",
]

MAX_LISTED: Final = 2_048
"""Types, or instances, told in one answer; ours: a reply over TCP holds hardly more."""
MAX_DESCRIBED: Final = 64
"""Instances that are described in an answer that lists them; ours: more than a UDP reply of 4,096 bytes holds."""

MAX_REMEMBERED: Final = 4
"""Services whose instances are known by label; ours: whoever asks for each instance asks for one after the other."""

META: Final = (b"_dns-sd", b"_udp")
TYPES: Final = b"_services"
BROWSED: Final = (b"b", b"db", b"lb")
SUB: Final = b"_sub"
TCP, UDP = "tcp", "udp"
PROTOCOLS: Final = {b"_tcp": TCP, b"_udp": UDP}
PAIR: Final = 2
DIGEST_BYTES: Final = 4

_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
_SERVICE_NAME = re.compile(r"(?=[a-z0-9-]{1,15}\Z)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*", re.IGNORECASE | re.ASCII)


def answer_type(asked: Asked, query: Labels) -> Answer:
    """Answer for ``query``, whose last label is underscored."""
    start, ends = query[:-PAIR], query[-PAIR:]
    if len(query) == 1:
        # Kept only if there are few of them.
        return asked.no_data(() if query[0] in PROTOCOLS else None)
    if not ends[0].startswith(b"_"):
        return asked.no_name()
    if ends == META:
        return _answer_meta(asked, start) if asked.place.port is None else asked.no_name()
    if start:
        return _answer_inside(asked, start, ends)
    is_browsed = asked.question.rtype == RRType.PTR and asked.place.port is None
    listed = _Type.of_labels(asked, ends) if is_browsed else None
    return listed.answer(listed.instances) if listed is not None else answer_service(asked, ends)


def instance_label(instance: Instance) -> bytes | None:
    """Return the name of an instance within its service's type; None for one that RFC 6763 section 4.1.1 forbids."""
    service, node = instance.service, instance.row.name
    text = node if fold(service.id) == fold(service.name) else f"{node}:{service.id}"
    label = text_bytes(text)
    if _CONTROLS.search(label):
        return None
    if len(label) <= MAX_LABEL_BYTES:
        return label
    digest = b"~" + hashlib.blake2s(label, digest_size=DIGEST_BYTES).hexdigest().encode()
    return label[: MAX_LABEL_BYTES - len(digest)].decode("utf-8", "ignore").encode() + digest


@lru_cache(MAX_REMEMBERED)
def _by_label(group: ServiceGroup, protocol: str, *, only_passing: bool) -> Mapping[bytes, Instance]:
    """Return the instances that speak ``protocol`` and are well, by label. A group never changes."""
    instances: dict[bytes, Instance] = {}
    for instance in group.instances:
        is_one = is_usable(instance, only_passing=only_passing) and _speaks(instance.service, protocol)
        label = instance_label(instance) if is_one else None
        if label is not None:
            instances.setdefault(label.lower(), instance)
    return instances


def _answer_meta(asked: Asked, start: Labels) -> Answer:
    if not start:
        return asked.no_data()
    if start == (TYPES,):
        return _answer_pointers(asked, _types(asked), asked.policy.service_ttl.of(""), (SERVICES,))
    if len(start) == 1 and start[0] in BROWSED:
        domain = asked.question.labels[len(start) + PAIR :]
        return _answer_pointers(asked, (domain,), asked.policy.service_ttl.of(""), ())
    return asked.no_name()


def _answer_pointers(asked: Asked, names: Sequence[Labels], ttl_s: int, keys: tuple[str, ...]) -> Answer:
    is_wanted = names and asked.question.rtype in (RRType.PTR, RRType.ANY)
    pointers = RRset(asked.question.labels, RRType.PTR, ttl_s, tuple(names))
    return asked.found((pointers,) if is_wanted else (), keys)


def _types(asked: Asked) -> list[Labels]:
    domain = asked.question.labels[1 + PAIR :]
    found: list[Labels] = []
    for group in asked.view.services():
        if len(found) >= MAX_LISTED:
            break
        if _SERVICE_NAME.fullmatch(group.name):
            protocols = _protocols_of(usable_of(group, asked.policy))
            found += [(b"_" + group.name.encode(), label, *domain) for label in protocols]
    return found


def _protocols_of(instances: Iterable[Instance]) -> list[bytes]:
    services = [instance.service for instance in instances]
    return [label for label, protocol in PROTOCOLS.items() if any(_speaks(each, protocol) for each in services)]


def _speaks(service: Service, protocol: str) -> bool:
    tags = service.folded_tags
    return protocol in tags or (protocol == TCP and UDP not in tags)


def _answer_inside(asked: Asked, start: Labels, ends: Labels) -> Answer:
    """Answer for a name below a type's."""
    found = _Type.of_labels(asked, ends) if asked.place.port is None else None
    if found is None:
        return asked.no_name()
    if start[-1] == SUB and len(start) <= PAIR:
        return found.answer_tag(start[:-1])
    return found.answer_instance(start[0]) if len(start) == 1 else asked.no_name(found.keys)


@attrs.frozen
class _Type:
    """A service's type, and what is to be listed of it.

    Attributes:
        asked: What is asked; its name is the type's or below it.
        name: Folded name of the service.
        instances: Those that speak its protocol and are well, by label.
    """

    asked: Asked
    name: str
    instances: Mapping[bytes, Instance]

    @classmethod
    def of_labels(cls, asked: Asked, ends: Labels) -> _Type | None:
        """Return the type of these two labels; None if the second is no protocol."""
        protocol = PROTOCOLS.get(ends[1])
        if protocol is None:
            return None
        name = ends[0][1:].decode("utf-8", "surrogateescape")
        group: ServiceGroup | None = asked.view.service_folded(name)
        instances = {} if group is None else _by_label(group, protocol, only_passing=asked.policy.only_passing)
        return cls(asked, name, instances)

    @property
    def keys(self) -> tuple[str, ...]:
        return (part_key(self.name),)

    @property
    def _ttl_s(self) -> int:
        return self.asked.policy.service_ttl.of(self.name)

    def answer(self, instances: Mapping[bytes, Instance], depth: int = 0) -> Answer:
        """List instances, of which there may be none, as PTR records of the name asked.

        Args:
            instances: Which.
            depth: How many labels the name asked has before the type.
        """
        if not instances and not depth:
            query = self.asked.question.folded[:PAIR]
            return answer_service(self.asked, query)
        owner = self.asked.question.labels[depth:]
        named = [(name, each) for each in instances.values() if (name := _name_of(each, owner)) is not None]
        named = named[:MAX_LISTED]
        listed = _answer_pointers(self.asked, [name for name, _ in named], self._ttl_s, self.keys)
        if not listed.answer:
            return listed
        described = [self._described(name, each) for name, each in named[:MAX_DESCRIBED]]
        # RFC 6763 section 12.1: what browsers ask for next.
        firsts = [rrset for records, _ in described for rrset in records]
        addresses = {(rrset.owner, rrset.rtype): rrset for _, targets in described for rrset in targets}
        return attrs.evolve(listed, extra=(*firsts, *addresses.values()))

    def answer_tag(self, tag: Labels) -> Answer:
        """List the instances with a tag; without one the name merely exists, if there is any."""
        if not tag:
            is_there = any(instance.service.tags for instance in self.instances.values())
            return self.asked.no_data(self.keys) if is_there else self.asked.no_name(self.keys)
        wanted = tag[0].decode("utf-8", "surrogateescape")
        found = {label: each for label, each in self.instances.items() if wanted in each.service.folded_tags}
        return self.answer(found, len(tag) + 1) if found else self.asked.no_name(self.keys)

    def answer_instance(self, label: bytes) -> Answer:
        """Answer for one instance."""
        instance = self.instances.get(label)
        if instance is None:
            return self.asked.no_name(self.keys)
        records, addresses = self._described(self.asked.question.labels, instance)
        rtype = self.asked.question.rtype
        wanted = tuple(rrset for rrset in records if rtype in (rrset.rtype, RRType.ANY))
        if rtype != RRType.SRV:
            return self.asked.found(wanted, self.keys)
        leads = tuple(rdata.target for rrset in wanted for rdata in rrset.rdatas if isinstance(rdata, SrvData))
        found = self.asked.found(wanted, self.keys, extra=addresses)
        return found if addresses else attrs.evolve(found, leads=leads)

    def _described(self, name: Labels, instance: Instance) -> tuple[list[RRset], tuple[RRset, ...]]:
        """Return the records of an instance's name, and the addresses that they lead to."""
        endpoint: Endpoint
        (endpoint,) = endpoints_of(self.asked, self.name, (instance,))
        strings: Rdata = instance_text(instance.service.meta)
        text = RRset(name, RRType.TXT, self._ttl_s, (strings,))
        srv = endpoint.srv(self.asked)
        if srv is None:
            return [text], ()
        addresses = endpoint.addresses(self.asked, srv.target, self._ttl_s)
        return [RRset(name, RRType.SRV, self._ttl_s, (srv,)), text], addresses


def _name_of(instance: Instance, type_name: Labels) -> Labels | None:
    label = instance_label(instance)
    assert label is not None  # noqa: S101 - for the type checker; those without are in no list
    name = (label, *type_name)
    return name if wire_bytes(name) <= MAX_NAME_BYTES else None

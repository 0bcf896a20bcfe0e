"""Which names of a forward zone have records, told from the nodes, services and addresses they come from.

Strategy: each thing of the table has a few names, in each spelling of place. They are told without looking whether
the zone has anything to say of them: whoever wants to know asks the zone. So a name may be told in vain, or twice, and
none may be left out, which a property test holds against the zone's own answers.

Of a service that changed, only those names are told that stand for instances which changed. Names with a tag and a
port are told for those that one instance has; how many there may be is said by ``model/limits``.

Names that merely exist because others end in them are not told, nor are those that exist for any word (``WORD.port``,
``_WORD``). Names are folded and without the domain. Source: ``grammar``, and the files of the kinds.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import attrs

from nodedns.dns.grammar import ADDR, DATACENTER, NAME_SERVER, NODE, PORT, SERVICE
from nodedns.dns.name import Labels, text_bytes
from nodedns.dns.type_kind import BROWSED, META, PROTOCOLS, SUB, TYPES, instance_label
from nodedns.model.names import MAX_LABEL_BYTES, fold
from nodedns.table.service_rows import Instance, ServiceGroup

__all__ = ["ZoneNames", "is_carried", "moved_instances"]

WILDCARD: Final = b"*"


@attrs.frozen
class ZoneNames:
    """The names of one datacenter's things, the same in each domain.

    Attributes:
        datacenter: Its name as a folded label.
    """

    datacenter: bytes

    @classmethod
    def of_datacenter(cls, datacenter: str) -> ZoneNames:
        """Return the names in ``datacenter``, given in any letter case."""
        return cls(text_bytes(fold(datacenter)))

    def of_zone(self) -> Iterator[Labels]:
        """Give the names that are there whatever the table holds: the apex, the name server, what is browsed first."""
        yield ()
        yield (NAME_SERVER,)
        for word in BROWSED:
            yield from self._placed((word, *META))

    def of_types(self) -> Iterator[Labels]:
        """Give the names that list the types of services."""
        return self._placed((TYPES, *META))

    def of_node(self, folded: str) -> Iterator[Labels]:
        """Give the names of a node, by its folded name."""
        return self._placed((*text_bytes(folded).split(b"."), NODE))

    def of_address(self, ip_text: str) -> Iterator[Labels]:
        """Give the names that spell an IP."""
        return self._placed((ipaddress.ip_address(ip_text).packed.hex().encode(), ADDR))

    def of_service(self, folded: str, moved: Iterable[Instance]) -> Iterator[Labels]:
        """Give the names that stand for a service as a whole, or for some of ``moved``.

        Args:
            folded: Folded name of the service.
            moved: Instances that it has or had.
        """
        name = text_bytes(folded)
        ports: dict[bytes, None] = {}
        labels: dict[bytes, None] = {}
        ports_by_tag: dict[str, dict[bytes, None]] = {}
        for instance in moved:
            tags, own = instance.service.tags, [text_bytes(fold(port.name)) for port in instance.service.ports]
            ports |= dict.fromkeys(own)
            for tag in tags:
                ports_by_tag.setdefault(fold(tag), {}).update(dict.fromkeys(own))
            label = instance_label(instance)
            if label is not None:
                labels[label.lower()] = None
        yield from self._everywhere(_starts(name), ports)
        for tag, with_it in ports_by_tag.items():
            yield from self._everywhere(_starts_with_tag(name, tag), with_it)
        insides = [*((label,) for label in labels), *((text_bytes(tag), SUB) for tag in ports_by_tag)]
        for inside in insides:
            for protocol in PROTOCOLS:
                yield from self._placed((*inside, b"_" + name, protocol))

    def _everywhere(self, starts: Iterator[Labels], ports: Iterable[bytes]) -> Iterator[Labels]:
        places = [*self._places(), *chain.from_iterable(map(self._places_of_port, ports))]
        for start in starts:
            for place in places:
                yield (*start, *place)

    def _places(self) -> tuple[Labels, ...]:
        return (), (self.datacenter,), (self.datacenter, DATACENTER)

    def _places_of_port(self, port: bytes) -> tuple[Labels, ...]:
        said, here = (port, PORT), (self.datacenter, DATACENTER)
        return said, (*said, *here), (*here, *said)

    def _placed(self, start: Labels) -> Iterator[Labels]:
        for place in self._places():
            yield (*start, *place)


def moved_instances(before: ServiceGroup | None, after: ServiceGroup | None) -> Iterator[Instance]:
    """Give the instances, in both states, that are not the same in two states of a service."""
    old = before.members if before is not None else {}
    new = after.members if after is not None else {}
    for key, instance in old.items():
        if new.get(key) is not instance:
            yield instance
    for key, instance in new.items():
        if old.get(key) is not instance:
            yield instance


def is_carried(relative: Labels) -> bool:
    """Whether a zone can hold the name: its labels are no longer than they may be, and none makes it a wildcard.

    A label ``*`` would make one wherever it stands: the name that begins with it exists then (RFC 4592 section 2.2.2).
    """
    return all(0 < len(label) <= MAX_LABEL_BYTES and label != WILDCARD for label in relative)


def _starts(name: bytes) -> Iterator[Labels]:
    yield (name, SERVICE)
    for protocol in PROTOCOLS:
        yield (b"_" + name, protocol)
        yield (b"_" + name, protocol, SERVICE)


def _starts_with_tag(name: bytes, tag: str) -> Iterator[Labels]:
    said = text_bytes(tag)
    yield (*said.split(b"."), name, SERVICE)
    yield (b"_" + name, b"_" + said, SERVICE)
    yield (b"_" + name, b"_" + said)
    # A tag and a service that begin with underscores look like a service and a tag.
    if said.startswith(b"_") and name.startswith(b"_"):
        yield (said, name)

"""The grammar of names below a domain: what is asked for, and in which place.

Strategy: labels are read from the right until one names a kind (``node``,
``service``, ``addr``) or begins with an underscore. What stands left of it says which
one, what stands right of it says where. The rightmost kind is the one that counts, so
a node may be called ``node``, or ``x.addr``.

    NAME.node   NAME.node.DC   NAME.node.DC.dc   HEX.addr ...
    [TAG.]NAME.service   _NAME._TAG.service   ... .DC   ... .DC.dc   ... .PORT.port
    _NAME._TAG   INSTANCE._NAME._tcp   ... the same places

An underscored label is a kind by itself, the last of the name of a service's type
(RFC 2782, RFC 6763); a datacenter is none, though it may begin with an underscore.

A further kind is one more word in ``KINDS`` and one more function in ``zone``.
Whether anything of that name exists is not known here. Source: Consul's name grammar.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import attrs

from nodedns.dns.name import Labels, text_bytes
from nodedns.model.names import fold

__all__ = [
    "ADDR",
    "DATACENTER",
    "HERE",
    "KINDS",
    "NAME_SERVER",
    "NODE",
    "PORT",
    "RESERVED_WORDS",
    "SERVICE",
    "TYPE",
    "UNDERSCORE",
    "Meaning",
    "Place",
    "RelativeName",
    "is_empty_name",
    "meaning_of",
    "parse_place",
    "parse_relative",
]

NODE: Final = b"node"
ADDR: Final = b"addr"
SERVICE: Final = b"service"
TYPE: Final = b"_"
"""Stands for the kind of a name whose rightmost word is underscored; that word is part of what is asked for."""
KINDS: Final = frozenset({NODE, ADDR, SERVICE})
DATACENTER: Final = b"dc"
PORT: Final = b"port"
NAME_SERVER: Final = b"ns"
UNDERSCORE: Final = b"_"

RESERVED_WORDS: Final = (
    "service",
    "connect",
    "node",
    "query",
    "addr",
    "virtual",
    "ingress",
    "peer",
    "port",
    "dc",
    "ns",
)
"""First labels below a domain that are, in Consul or here, the domain's own."""


@attrs.frozen
class RelativeName:
    """A folded name without its domain, parted.

    Attributes:
        kind: One of ``KINDS``, or ``TYPE``; None where none is in it.
        query: Labels left of the kind; with ``TYPE`` its own label as well.
        locality: Labels right of the kind; the whole name where there is none.
    """

    kind: bytes | None
    query: Labels
    locality: Labels


@attrs.frozen
class Place:
    """Where a name says that something is, which is always here: there is one datacenter.

    Attributes:
        port: Which of several ports of a service, folded; None where that is not said.
    """

    port: bytes | None = None


HERE: Final = Place()


@lru_cache(1)
def _label_of(datacenter: str) -> bytes:
    """Return the datacenter, which is always the same one, as a folded label."""
    return text_bytes(fold(datacenter))


def parse_relative(labels: Labels, datacenter: str) -> RelativeName:
    """Part folded labels at the rightmost kind."""
    own = _label_of(datacenter)
    for position in range(len(labels) - 1, -1, -1):
        label = labels[position]
        if label in KINDS:
            return RelativeName(label, labels[:position], labels[position + 1 :])
        if label.startswith(UNDERSCORE) and label != own:
            return RelativeName(TYPE, labels[: position + 1], labels[position + 1 :])
    return RelativeName(None, (), labels)


def parse_place(locality: Labels, datacenter: str) -> Place | None:
    """Return what the labels right of a kind mean; None if they mean no place that we know of.

    Nothing and the local datacenter mean the same, as do ``DC`` and ``DC.dc``; ``PORT.port`` may stand beside the
    latter, before or behind it.
    """
    own = _label_of(datacenter)
    if len(locality) <= 1:
        return Place() if locality in ((), (own,)) else None
    said = dict(zip(locality[1::2], locality[::2], strict=False))
    if len(locality) != 2 * len(said) or not said.keys() <= {DATACENTER, PORT}:
        return None
    return Place(said.get(PORT)) if said.get(DATACENTER, own) == own else None


Meaning = tuple[bytes, Labels, Place]
"""A kind, what is asked for, and where."""


def meaning_of(labels: Labels, datacenter: str) -> Meaning | None:
    """Return what a name means, which is the same for each spelling of its place; None if it means nothing."""
    name = parse_relative(labels, datacenter)
    place = parse_place(name.locality, datacenter) if name.kind is not None else None
    return None if name.kind is None or place is None else (name.kind, name.query, place)


def is_empty_name(name: RelativeName, datacenter: str) -> bool:
    """Whether ``name`` itself names nothing, but names that mean something end in it (RFC 8020)."""
    if name.query:
        return False
    if name.kind is not None:
        place = parse_place(name.locality, datacenter)
        return place is not None and (place.port is None or name.kind == SERVICE)
    # What ends in ``dc`` or ``port`` without the word before it may be the end of a place.
    begun = ((), (_label_of(datacenter),))
    return any(parse_place((*start, *name.locality), datacenter) is not None for start in begun)

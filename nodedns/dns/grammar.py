"""The grammar of names below a domain: what is asked for, and in which place.

Strategy: labels are read from the right until one names a kind (``node``,
``addr``). What stands left of it says which one, what stands right of it says
where: nothing, ``DC`` or ``DC.dc``. The rightmost kind is the one that counts, so
a node may be called ``node``, or ``x.addr``.

    NAME.node   NAME.node.DC   NAME.node.DC.dc   HEX.addr ...

A further kind is one more word in ``KINDS`` and one more function in ``zone``.
Whether anything of that name exists is not known here. Source: Consul's name grammar.
"""

from __future__ import annotations

from typing import Final

import attrs

from nodedns.dns.name import Labels, text_bytes
from nodedns.model.names import fold

__all__ = [
    "ADDR",
    "DATACENTER",
    "KINDS",
    "NAME_SERVER",
    "NODE",
    "RESERVED_WORDS",
    "RelativeName",
    "is_empty_name",
    "is_here",
    "parse_relative",
]

NODE: Final = b"node"
ADDR: Final = b"addr"
KINDS: Final = frozenset({NODE, ADDR})
DATACENTER: Final = b"dc"
NAME_SERVER: Final = b"ns"

RESERVED_WORDS: Final = ("service", "connect", "node", "query", "addr", "virtual", "ingress", "peer", "dc", "ns")
"""First labels below a domain that are, in Consul or here, the domain's own."""


@attrs.frozen
class RelativeName:
    """A folded name without its domain, parted.

    Attributes:
        kind: One of ``KINDS``; None where none is in it.
        query: Labels left of the kind.
        locality: Labels right of the kind; the whole name where there is none.
    """

    kind: bytes | None
    query: Labels
    locality: Labels


def parse_relative(labels: Labels) -> RelativeName:
    """Part folded labels at the rightmost kind."""
    for position in range(len(labels) - 1, -1, -1):
        if labels[position] in KINDS:
            return RelativeName(labels[position], labels[:position], labels[position + 1 :])
    return RelativeName(None, (), labels)


def is_here(locality: Labels, datacenter: str) -> bool:
    """Whether ``locality`` means the local datacenter; saying nothing does."""
    if not locality:
        return True
    if len(locality) > 2 or (len(locality) == 2 and locality[1] != DATACENTER):
        return False
    return locality[0] == text_bytes(fold(datacenter))


def is_empty_name(name: RelativeName, datacenter: str) -> bool:
    """Whether ``name`` itself names nothing, but names that mean something end in it (RFC 8020)."""
    if name.query:
        return False
    return is_here(name.locality, datacenter) or (name.kind is None and name.locality == (DATACENTER,))

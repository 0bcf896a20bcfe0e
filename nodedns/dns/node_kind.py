"""The kind ``node``: ``NAME.node`` is a node of the table, by its name.

NAME may have dots; then every name between it and ``node`` exists as well, and
is empty (RFC 8020). A name below a node's is none.

A node whose address is a host name is a CNAME to it. Following that is for
whoever can ask others; ``alias_of`` tells where it leads.
"""

from __future__ import annotations

from nodedns.dns.apex import address_rrsets
from nodedns.dns.asked import Asked
from nodedns.dns.dependency import node_key
from nodedns.dns.meta_text import meta_texts
from nodedns.dns.name import Labels, labels_of
from nodedns.dns.question import RRType
from nodedns.dns.rrset import Answer, RRset
from nodedns.model.host_key import meta_fingerprints
from nodedns.table.node_row import NodeRow

__all__ = ["alias_of", "answer_node"]


def answer_node(asked: Asked, query: Labels) -> Answer:
    """Answer for the node that ``query``, not empty, spells."""
    if any(b"." in label for label in query):
        return asked.no_name()  # a dot inside a label parts nothing, so no node can be meant
    name = b".".join(query).decode("utf-8", "surrogateescape")
    row = asked.view.node_folded(name)
    keys = (node_key(name),)
    if row is not None:
        return _answer_row(asked, row, keys)
    return asked.no_data(keys) if asked.view.has_names_under(name) else asked.no_name(keys)


def alias_of(row: NodeRow) -> Labels | None:
    """Return the name that a node's CNAME leads to; None for a node with an IP, or with neither."""
    if row.ipv4 is not None or row.ipv6 is not None:
        return None
    return labels_of(row.address.removesuffix("."))


def _answer_row(asked: Asked, row: NodeRow, keys: tuple[str, ...]) -> Answer:
    alias = alias_of(row)
    if alias is not None:
        # RFC 1034 section 3.6.2: where a CNAME is, nothing else is, so every type gets it.
        return asked.found((asked.rrset(RRType.CNAME, (alias,)),), keys)
    rtype = asked.question.rtype
    addresses = address_rrsets(row, asked.question.labels, rtype, asked.policy.node_ttl_s)
    if rtype in (RRType.A, RRType.AAAA):
        is_wanted = asked.policy.enable_additional_node_meta_txt
        return asked.found(addresses, keys, extra=_texts(asked, row) if is_wanted else ())
    if rtype in (RRType.TXT, RRType.SSHFP, RRType.ANY):
        texts = _texts(asked, row) if rtype != RRType.SSHFP else ()
        host_keys = _host_keys(asked, row) if rtype != RRType.TXT else ()
        return asked.found(addresses + texts + host_keys, keys)
    return asked.no_data(keys)


def _texts(asked: Asked, row: NodeRow) -> tuple[RRset, ...]:
    texts = meta_texts(row.meta) if row.meta else ()
    return (asked.rrset(RRType.TXT, texts),) if texts else ()


def _host_keys(asked: Asked, row: NodeRow) -> tuple[RRset, ...]:
    rdatas = tuple(each.rdata for each in meta_fingerprints(row.meta))
    return (asked.rrset(RRType.SSHFP, rdatas),) if rdatas else ()

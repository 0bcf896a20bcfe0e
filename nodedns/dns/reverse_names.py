"""Names under ``in-addr.arpa`` and ``ip6.arpa``: which address or prefix a name spells, and the name of a prefix.

Each label is one octet in decimal (IPv4) or one nibble in hex (IPv6), the least
significant first. An octet has one spelling: ``01`` is a label like any other, and no
address has it. There is no name for a prefix that ends within an octet or a
nibble, so one is cut into those of the next border: a /20 into sixteen /24, a
/26 into 64 of one address each.

The names by which RFC 2317 delegates parts of a /24 (``0/26.2.0.192.in-addr.arpa``) are
not known here: they work by CNAME in the parent's zone, and any name would do.

Source: RFC 1035 section 3.5, RFC 3596 section 2.5.
"""

from __future__ import annotations

import ipaddress

import attrs

from nodedns.dns.name import Labels, fold_labels, labels_of
from nodedns.errors import LocalProtocolError, shorten
from nodedns.table.address_index import Digits

__all__ = ["ReverseName", "address_text", "cut_reverse_zone", "reverse_labels", "spelt_by"]

ADDRESS_DIGITS = {4: 8, 6: 32}
ADDRESS_LABELS = {4: 4, 6: 32}
LABEL_BITS = {4: 8, 6: 4}
BITS_PER_DIGIT = 4
MAPPED_BITS = 96  # RFC 4291 section 2.5.5.2: of an IPv6 address, before the IPv4 address mapped into it

_SUFFIXES: dict[Labels, int] = {(b"in-addr", b"arpa"): 4, (b"ip6", b"arpa"): 6}
_LABELS = {4: {b"%d" % octet: f"{octet:02x}" for octet in range(256)}, 6: {b"%x" % n: f"{n:x}" for n in range(16)}}
_SUFFIX_OF = {version: suffix for suffix, version in _SUFFIXES.items()}
_LABEL_OF = {version: {digits: label for label, digits in known.items()} for version, known in _LABELS.items()}


@attrs.frozen
class ReverseName:
    """What a name under one of the two suffixes spells.

    Attributes:
        prefix: The longest prefix that it spells, read from the suffix on.
        is_whole: Whether all its labels are of that; else the name is below the prefix and spells nothing.
    """

    prefix: Digits
    is_whole: bool

    @property
    def is_address(self) -> bool:
        """Whether it spells one address."""
        return self.is_whole and len(self.prefix.text) == ADDRESS_DIGITS[self.prefix.version]


def spelt_by(folded: Labels) -> ReverseName | None:
    """Return what a folded name spells; None outside both suffixes."""
    version = _SUFFIXES.get(folded[-2:])
    if version is None:
        return None
    known, digits = _LABELS[version], ""
    labels = folded[-3::-1]
    for label in labels[: ADDRESS_LABELS[version]]:
        part = known.get(label)
        if part is None:
            break
        digits += part
    is_whole = len(digits) * BITS_PER_DIGIT == len(labels) * LABEL_BITS[version]
    return ReverseName(Digits(version, digits), is_whole)


def reverse_labels(prefix: Digits) -> Labels:
    """Return the name of a prefix that ends at a border of labels."""
    step = LABEL_BITS[prefix.version] // BITS_PER_DIGIT
    parts = [prefix.text[at : at + step] for at in range(0, len(prefix.text), step)]
    return tuple(_LABEL_OF[prefix.version][part] for part in reversed(parts)) + _SUFFIX_OF[prefix.version]


def address_text(address: Digits) -> str:
    """Return the address that all digits are there of, as text."""
    return str(ipaddress.ip_address(bytes.fromhex(address.text)))


def cut_reverse_zone(text: str) -> tuple[Digits, ...]:
    """Return the zones that a prefix (``10.1.0.0/16``) or a zone's name (``1.10.in-addr.arpa``) stands for.

    Raises:
        LocalProtocolError: It stands for none; the message says what to write.
    """
    if "/" not in text and (labels := labels_of(text.removesuffix("."))) is not None:
        name = spelt_by(fold_labels(labels))
        if name is not None and name.is_whole:
            return (name.prefix,)
    if text.lower().removesuffix(".").endswith("arpa"):
        raise LocalProtocolError(f"{shorten(text)} is no zone of whole octets or nibbles; write it as a prefix")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        advice = "write a prefix such as 10.1.0.0/16, or a zone such as 1.10.in-addr.arpa"
        raise LocalProtocolError(f"{shorten(text)} is no prefix; {advice}") from None
    _check_spelling(text, network)
    return tuple(
        Digits(network.version, part.network_address.packed.hex()[: part.prefixlen // BITS_PER_DIGIT])
        for part in network.subnets(new_prefix=_next_border(network))
    )


def _check_spelling(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    first = network.network_address
    if "/" not in text:
        raise LocalProtocolError(f"{text} has no length; write {network}, or the prefix that it is in")
    if ipaddress.ip_address(text.partition("/")[0]) != first:
        raise LocalProtocolError(f"{text} has bits beyond its length; write {network}")
    if isinstance(first, ipaddress.IPv6Address) and first.ipv4_mapped and network.prefixlen >= MAPPED_BITS:
        raise LocalProtocolError(f"{text} is IPv4; write {first.ipv4_mapped}/{network.prefixlen - MAPPED_BITS}")


def _next_border(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> int:
    step = LABEL_BITS[network.version]
    return -(-network.prefixlen // step) * step

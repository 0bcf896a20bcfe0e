"""``AddressIndex``: the addresses of all nodes in order, so that any prefix can be asked for.

Strategy: an address is written as hex digits, most significant first; a prefix
that ends at a nibble is then a prefix of the text. The texts of one family
stand in one sorted list, and whether an address lies in a prefix is a binary
search. An index never changes: the next one is a copy of the list with the
difference put in, tens of microseconds at 10,000 addresses. Counting addresses for each
prefix instead would take up to 31 dict entries for each IPv6 address.

It does not know who has an address; the table's own dict does.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence

import attrs

__all__ = ["AddressIndex", "Digits", "digits_of"]


@attrs.frozen
class Digits:
    """An address, or the beginning of one.

    Attributes:
        version: 4 or 6.
        text: Hex digits in lower case, most significant first: at most 8, or 32.
    """

    version: int
    text: str


def digits_of(ip_text: str) -> Digits:
    """Return an address, given as an IP in text, as digits."""
    ip = ipaddress.ip_address(ip_text)
    return Digits(ip.version, ip.packed.hex())


@attrs.frozen(eq=False)
class AddressIndex:
    """Addresses of nodes; the lists are never changed once here.

    Attributes:
        ipv4: Digits of every IPv4 address, sorted.
        ipv6: Likewise.
    """

    ipv4: Sequence[str] = ()
    ipv6: Sequence[str] = ()

    def has_under(self, prefix: Digits) -> bool:
        """Whether some address is, or begins with, ``prefix``."""
        texts = self.ipv4 if prefix.version == 4 else self.ipv6
        position = bisect_left(texts, prefix.text)
        return position < len(texts) and texts[position].startswith(prefix.text)

    def under(self, prefix: Digits) -> Sequence[str]:
        """Return the digits of every address that is, or begins with, ``prefix``, sorted."""
        texts = self.ipv4 if prefix.version == 4 else self.ipv6
        first = bisect_left(texts, prefix.text)
        # The letter behind the last digit: what begins with the prefix is before that.
        return texts[first : bisect_left(texts, prefix.text + "g", lo=first)]

    def prefixes(self, version: int, length: int) -> Iterator[str]:
        """Give the first ``length`` digits of the addresses of a family, each once, sorted."""
        texts = self.ipv4 if version == 4 else self.ipv6
        position = 0
        while position < len(texts):
            prefix = texts[position][:length]
            yield prefix
            position = bisect_left(texts, prefix + "g", lo=position)

    def changed(self, gone: Iterable[Digits], come: Iterable[Digits]) -> AddressIndex:
        """Return the index without ``gone``, all of which it has, and with ``come``, none of which it has."""
        lists = {4: list(self.ipv4), 6: list(self.ipv6)}
        for digits in gone:
            texts = lists[digits.version]
            del texts[bisect_left(texts, digits.text)]
        for digits in come:
            insort(lists[digits.version], digits.text)
        return AddressIndex(lists[4], lists[6])

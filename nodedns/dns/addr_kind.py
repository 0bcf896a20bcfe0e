"""The kind ``addr``: ``7f000001.addr`` is 127.0.0.1; 32 hexadecimal digits are an IPv6 address.

Such names stand for addresses that no node has a name for, as targets of other
records. The answer lies in the name alone, whatever the table holds. A type
that the name does not have gets the address as an additional record, as in
Consul, and the SOA, as RFC 2308 has it.
"""

from __future__ import annotations

from typing import Final

from nodedns.dns.asked import Asked
from nodedns.dns.name import Labels
from nodedns.dns.question import RRType
from nodedns.dns.rrset import Answer

__all__ = ["answer_addr"]

_TYPE_OF_DIGITS: Final = {8: RRType.A, 32: RRType.AAAA}
_DIGITS: Final = frozenset(b"0123456789abcdef")


def answer_addr(asked: Asked, query: Labels) -> Answer:
    """Answer for the address that ``query``, not empty, spells."""
    digits = query[0]
    rtype = _TYPE_OF_DIGITS.get(len(digits))
    if rtype is None or len(query) > 1 or not _DIGITS.issuperset(digits):
        return asked.no_name()
    address = asked.rrset(rtype, (bytes.fromhex(digits.decode("ascii")),))
    if asked.question.rtype in (rtype, RRType.ANY):
        return asked.found((address,), ())
    return asked.no_data(extra=(address,))

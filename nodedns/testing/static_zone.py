"""``StaticZone``: a zone file's worth of records and the rules by which any DNS server answers from it.

It stands for a secondary: it reads packed records with dnspython, behind the question of a zone transfer, and knows
nothing of nodes or services. What it does not do: wildcards, DNAME, DNSSEC, and following aliases.

Source: RFC 1034 section 4.3.2, RFC 8020.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs
import dns.message

from nodedns.dns.name import Labels, packed_name
from nodedns.dns.question import Rcode, RRType

__all__ = ["Record", "StaticAnswer", "StaticZone", "read_records"]

Record = tuple[Labels, int, int, str]
"""Owner in lower case, type, TTL in seconds, and what it says, as in a zone file."""
MAX_READ = 256
"""Records read as one message, so that it is none longer than a message may be."""


@attrs.frozen
class StaticAnswer:
    """What a server says.

    Attributes:
        rcode: Its response code.
        records: The answer section.
        is_referral: Whether it sends the client on to other servers instead.
    """

    rcode: Rcode
    records: frozenset[Record] = frozenset()
    is_referral: bool = False


def read_records(origin: Labels, records: Sequence[bytes]) -> Iterator[Record]:
    """Read records as they stand in messages whose question is the transfer of ``origin``."""
    question = packed_name(origin) + b"\x00\xfc\x00\x01"
    for start in range(0, len(records), MAX_READ):
        some = records[start : start + MAX_READ]
        header = b"\0\0\x84\0\0\1" + len(some).to_bytes(2, "big") + b"\0\0\0\0"
        message = dns.message.from_wire(header + question + b"".join(some), one_rr_per_rrset=True)
        for rrset in message.answer:
            owner = tuple(label.lower() for label in rrset.name.labels[:-1])
            yield owner, int(rrset.rdtype), rrset.ttl, rrset[0].to_text()


class StaticZone:
    """A zone.

    Args:
        origin: Its name, folded.
        records: All its records.

    Raises:
        ValueError: A server would refuse to load it.
    """

    def __init__(self, origin: Labels, records: Iterable[Record]) -> None:
        self.origin = origin
        self.sets: dict[Labels, dict[int, set[Record]]] = {}
        for record in records:
            self.sets.setdefault(record[0], {}).setdefault(record[1], set()).add(record)
        self._existing = {name[start:] for name in self.sets for start in range(len(name) - len(origin) + 1)}
        self._check()

    def _check(self) -> None:
        for name, sets in self.sets.items():
            if name[-len(self.origin) :] != self.origin:
                raise ValueError(f"{name} is not in the zone")
            if b"*" in name:
                raise ValueError(f"{name} is a wildcard")
            if RRType.CNAME in sets and (len(sets) > 1 or len(sets[RRType.CNAME]) > 1):
                raise ValueError(f"{name} has a CNAME and other data")
            for records in sets.values():
                if len({ttl_s for _, _, ttl_s, _ in records}) > 1:
                    raise ValueError(f"{name} has records of one type with several TTLs")
        if RRType.NS not in self.sets.get(self.origin, {}):
            raise ValueError("no name servers")

    @property
    def names(self) -> set[Labels]:
        """Every name that exists, those without records included."""
        return self._existing

    def look_up(self, name: Labels, rtype: int) -> StaticAnswer:
        """Return what a server of this zone says of a folded name in it."""
        for depth in range(len(self.origin) + 1, len(name) + 1):
            is_cut = RRType.NS in self.sets.get(name[-depth:], {})
            if is_cut and not (depth == len(name) and rtype == RRType.DS):
                return StaticAnswer(Rcode.NOERROR, is_referral=True)
        if name not in self._existing:
            return StaticAnswer(Rcode.NXDOMAIN)
        sets = self.sets.get(name, {})
        if RRType.CNAME in sets:
            return StaticAnswer(Rcode.NOERROR, frozenset(sets[RRType.CNAME]))
        wanted = sets.values() if rtype == RRType.ANY else [sets.get(rtype, set())]
        return StaticAnswer(Rcode.NOERROR, frozenset(record for records in wanted for record in records))

"""The names of record types, for metrics and logs: those that clients ask for in practice.

A type without a name here is ``TYPE`` and its number in text (RFC 3597 section
5), and ``other`` in metrics: a stranger may ask for any of 65,536 types, which
as labels would crowd out the rest.

Source: IANA's registry of resource record types.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TYPE_NAMES", "type_label", "type_text"]

TYPE_NAMES: Mapping[int, str] = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    12: "PTR",
    13: "HINFO",
    15: "MX",
    16: "TXT",
    28: "AAAA",
    33: "SRV",
    35: "NAPTR",
    39: "DNAME",
    41: "OPT",
    43: "DS",
    44: "SSHFP",
    46: "RRSIG",
    47: "NSEC",
    48: "DNSKEY",
    52: "TLSA",
    64: "SVCB",
    65: "HTTPS",
    99: "SPF",
    250: "TSIG",
    251: "IXFR",
    252: "AXFR",
    255: "ANY",
    256: "URI",
    257: "CAA",
}


def type_text(rtype: int) -> str:
    """Return the name of a type, ``TYPE`` and its number where it has none here."""
    return TYPE_NAMES.get(rtype) or f"TYPE{rtype}"


def type_label(rtype: int | None) -> str:
    """Return the ``qtype`` label of a type: its name, ``other``, or ``none`` where the question was not read."""
    return "none" if rtype is None else TYPE_NAMES.get(rtype, "other")

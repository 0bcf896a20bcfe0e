"""A signed root of a test's own, beside which a validating resolver can be seen to validate.

Strategy: the zones of the root, of ``example.`` and of ``broken.`` are served by one server, to which a resolver
forwards everything; that is all of the DNS there is. ``example.`` is delegated as unsigned and ``broken.``
as signed, which it is not, so a resolver that believes in the key finds the first and refuses the second. That
there is no other top-level domain is signed too. Keys and signatures are made by BIND's tools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from nodedns.testing.processes import run_program
from nodedns.testing.programs import require_program

__all__ = ["SignedRoot", "signed_root"]

KEY_ALGORITHM = "ECDSAP256SHA256"
_ROOT = """\
. 300 IN SOA ns.example. root.example. 1 300 300 300 300
. 300 IN NS ns.example.
example. 300 IN NS ns.example.
ns.example. 300 IN A 192.0.2.53
broken. 300 IN NS ns.example.
broken. 300 IN DS 12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
"""


@attrs.frozen
class SignedRoot:
    """The zones, and what to believe in.

    Attributes:
        zones: The lines of each zone, by its name.
        key: The root's DNSKEY record without owner and class: flags, protocol, algorithm, key.
        ds: Its DS record likewise.
    """

    zones: Mapping[str, Sequence[str]]
    key: str
    ds: str


def signed_root(folder: Path) -> SignedRoot:
    """Make one, or skip the test where BIND's tools are missing.

    Args:
        folder: For its files; empty.
    """
    keygen = require_program("dnssec-keygen", package="bind9-utils")
    signzone = require_program("dnssec-signzone", package="bind9-utils")
    ds_of = require_program("dnssec-dsfromkey", package="bind9-utils")
    name = _run(keygen, "-q", "-K", folder, "-a", KEY_ALGORITHM, "-f", "KSK", ".").strip()
    plain, signed = folder / "root", folder / "root.signed"
    plain.write_text(_ROOT, encoding="ascii")
    _run(signzone, "-q", "-z", "-S", "-K", folder, "-d", folder, "-o", ".", "-O", "full", "-f", signed, plain)
    key = next(line for line in (folder / f"{name}.key").read_text().splitlines() if "DNSKEY" in line)
    return SignedRoot(
        {
            ".": signed.read_text(encoding="ascii").splitlines(),
            "example": _unsigned("example", "www.example. 300 IN A 198.18.0.80"),
            "broken": _unsigned("broken", "www.broken. 300 IN A 198.18.0.81"),
        },
        key.split(" DNSKEY ", 1)[1],
        _run(ds_of, "-2", folder / f"{name}.key").split(" DS ", 1)[1].strip(),
    )


def _unsigned(zone: str, record: str) -> list[str]:
    return [
        f"{zone}. 300 IN SOA ns.example. root.example. 1 300 300 300 300",
        f"{zone}. 300 IN NS ns.example.",
        record,
    ]


def _run(*argv: str | Path) -> str:
    done = run_program(argv)
    if done.code != 0:
        raise AssertionError(f"{argv}: {done}")
    return done.out

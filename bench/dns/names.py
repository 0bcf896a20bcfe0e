"""``Names``: what the servers hold and what they are asked, the same for all.

One zone, ``consul``; ``host-0000.node.consul`` and so on with one A record each.
Names that do not exist are drawn anew for each round, so that nobody has seen
one before. Nothing asks with EDNS, so answers are alike to the byte.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

__all__ = [
    "ASKED",
    "ORIGIN",
    "TYPE_A",
    "address_of",
    "host_name",
    "missing_names",
    "query",
    "write_questions",
    "write_wires",
]

ORIGIN = "consul"
ASKED = 1_000
"""Names asked for; a server may hold more."""
TYPE_A = 1
FIRST_ADDRESS = int(ipaddress.IPv4Address("10.1.0.1"))


def host_name(number: int) -> str:
    return f"host-{number:04d}.node.{ORIGIN}"


def address_of(number: int) -> str:
    return str(ipaddress.IPv4Address(FIRST_ADDRESS + number))


def missing_names(count: int, seed: str) -> list[str]:
    """Names that no server holds, all different, as long as those that exist."""
    rng = Random(seed)  # noqa: S311 - names, not secrets
    return [f"m{number:x}-{rng.getrandbits(20):05x}.node.{ORIGIN}" for number in range(count)]


def query(name: str, identity: int = 0x1234) -> bytes:
    """Return the bytes of a question for an A record, RD set as resolvers and dnsperf set it."""
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split("."))
    return struct.pack("!6H", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", TYPE_A, 1)


def write_questions(path: Path, names: Iterable[str]) -> Path:
    """Write a data file of dnsperf."""
    path.write_text("".join(f"{name} A\n" for name in names), encoding="ascii")
    return path


def write_wires(path: Path, names: Sequence[str]) -> Path:
    """Write what ``ping.c`` reads: each query behind its length in two bytes."""
    wires = [query(name) for name in names]
    path.write_bytes(b"".join(struct.pack("!H", len(wire)) + wire for wire in wires))
    return path

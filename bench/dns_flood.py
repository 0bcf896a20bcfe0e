"""Agents under a flood of DNS datagrams: memory, answers and suspicions.

    python bench/dns_flood.py [--seconds 60] [--per-second 50000] [--agents 3]

Real agents on loopback addresses of their own, joined; one of them is sent first
bytes that are no query, then queries for names that do not exist, each another
one. Prints one line a flood. Nothing is sent to any other address.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from nodedns.testing.flooded_pool import flooded_pool

MIB = 1024 * 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--per-second", type=int, default=50_000)
    parser.add_argument("--agents", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, flooded_pool(Path(folder), options.agents) as pool:
        for kind in ("bytes", "names"):
            report = pool.flood(kind, options.seconds, options.per_second)
            flooded = report.flooded
            print(
                f"{kind:6} sent {flooded.sent} ({flooded.sent / options.seconds:.0f}/s), replies {flooded.received}, "
                f"memory {report.resident_before / MIB:.1f} -> {report.resident_after / MIB:.1f} MiB, "
                f"dig {report.answered}/{report.asked}, "
                f"suspicions {len(report.suspicions)}, faults {len(report.faults)}"
            )


if __name__ == "__main__":
    main()

"""Keep of what a fuzzer found the few inputs that reach what no kept one reaches.

    python fuzz/keep.py TARGET FOLDER...

Each is run with its branches traced. Those that add branches of the package to what ``fuzz/corpus/TARGET`` reaches are
copied there, the one that adds most first, as ``found-`` and a part of their hash. Nothing is removed.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import coverage

import nodedns
from nodedns.testing.fuzzing.targets import TARGETS, Check

PACKAGE = Path(nodedns.__file__).parent
CORPUS = Path(__file__).resolve().parent / "corpus"
NAME_BYTES = 5
REPEATS = 2  # the first time fills caches
LEAST_ADDED = 3
"""What adds fewer branches is found again in a moment."""

Branches = frozenset[tuple[str, int, int]]


def branches_of(check: Check, data: bytes) -> Branches:
    """Return the branches that an input goes through, of the package without its test tools."""
    for _ in range(REPEATS):
        traced = coverage.Coverage(
            data_file=None, config_file=False, branch=True, include=[f"{PACKAGE}/*"], omit=["*/testing/*"]
        )
        traced.start()
        try:
            check(data)
        finally:
            traced.stop()
    found = traced.get_data()
    return frozenset((file, *arc) for file in found.measured_files() for arc in found.arcs(file) or ())


def chosen(candidates: dict[bytes, Branches], reached: Branches) -> Iterator[tuple[bytes, int]]:
    """Yield inputs and how many branches each adds, the most first; of several the shortest."""
    while candidates:
        data = max(candidates, key=lambda each: (len(candidates[each] - reached), -len(each), each))
        added = candidates.pop(data) - reached
        if len(added) < LEAST_ADDED:
            return
        reached |= added
        yield data, len(added)


def main() -> None:
    name, *folders = sys.argv[1:]
    check = TARGETS[name].check()
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    reached = frozenset().union(*(branches_of(check, path.read_bytes()) for path in sorted(kept.glob("*.bin"))))
    found = {path.read_bytes() for folder in folders for path in Path(folder).iterdir()}
    candidates = {data: branches_of(check, data) for data in sorted(found)}
    for data, added in chosen(candidates, reached):
        path = kept / f"found-{hashlib.sha256(data).hexdigest()[: 2 * NAME_BYTES]}.bin"
        path.write_bytes(data)
        print(f"{added:6} {path.name}")


if __name__ == "__main__":
    main()

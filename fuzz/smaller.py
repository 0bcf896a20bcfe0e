"""Make an input smaller that breaks something, as long as it breaks the same.

    python fuzz/smaller.py TARGET FILE

Bytes are left out, many at once at first, and those that stay are made zero, while the error is of the same type and
from the same line. The result is written beside ``FILE``, as ``FILE.small``. libFuzzer's ``-minimize_crash``
starts a program of its own, which a script is not.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from nodedns.testing.fuzzing.targets import TARGETS, Check

Fault = tuple[str, str, int | None]


def fault_of(check: Check, data: bytes) -> Fault | None:
    """Return what breaks and where; None if nothing does."""
    try:
        check(data)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = str(error) if isinstance(error, AssertionError) else ""
        return type(error).__name__ + text, last.filename, last.lineno
    return None


def smaller_ones(data: bytes) -> Iterator[bytes]:
    """Yield inputs that are shorter, or as long with a byte that is zero, the smallest first."""
    size = len(data)
    while size := size // 2:
        for start in range(0, len(data), size):
            yield data[:start] + data[start + size :]
    for at, byte in enumerate(data):
        if byte:
            yield data[:at] + b"\0" + data[at + 1 :]


def smallest(data: bytes, breaks: Callable[[bytes], bool]) -> bytes:
    """Return an input from which nothing more can be taken."""
    while (found := next(filter(breaks, smaller_ones(data)), None)) is not None:
        data = found
    return data


def main() -> None:
    logging.disable()
    name, place = sys.argv[1:]
    path, check = Path(place), TARGETS[name].check()
    data = path.read_bytes()
    fault = fault_of(check, data)
    if fault is None:
        sys.exit(f"{path} breaks nothing")
    small = smallest(data, lambda each: fault_of(check, each) == fault)
    path.with_name(f"{path.name}.small").write_bytes(small)
    print(f"{fault}\n{len(data)} bytes made {len(small)}: {small!r}")


if __name__ == "__main__":
    main()

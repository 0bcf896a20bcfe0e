"""Fuzz one target with atheris, which looks for input that reaches code not reached before.

    python fuzz/run.py TARGET [libFuzzer's arguments]
    python fuzz/run.py --list

What is found is added to a copy of ``fuzz/corpus/TARGET``, in ``fuzz/found/TARGET`` unless another folder is named.
What breaks something is written to the working directory as ``crash-...``, and the fuzzer stops.
"""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path

import atheris

LOOKED_INTO = ["nodedns", "h11"]  # whatever decides
CHECKS = ["nodedns.testing"]

with atheris.instrument_imports(include=LOOKED_INTO, exclude=CHECKS):
    from nodedns.testing.fuzzing.targets import TARGETS

HERE = Path(__file__).resolve().parent


def main() -> None:
    logging.disable()  # a line for each broken input would be most of the work
    name, *arguments = sys.argv[1:] or ["--list"]
    if name == "--list":
        print("\n".join(f"{each:10} {target.about}" for each, target in TARGETS.items()))
        return
    if name not in TARGETS:
        sys.exit(f"there is no target {name!r}: --list tells them")
    target = TARGETS[name]
    with atheris.instrument_imports(include=LOOKED_INTO, exclude=CHECKS):
        check = target.check()
        check(b"")  # some imports wait until they are needed

    def one_input(data: bytes) -> None:
        check(data)

    if all(argument.startswith("-") for argument in arguments):
        found = HERE / "found" / name
        shutil.copytree(HERE / "corpus" / name, found, dirs_exist_ok=True)
        arguments.append(str(found))
    atheris.Setup([sys.argv[0], f"-max_len={target.max_bytes}", *arguments], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

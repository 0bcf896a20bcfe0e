"""What a figure was measured on: the machine, and the version of each program."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.dns.competitors import COMPETITORS
from nodedns import __version__

__all__ = ["machine", "versions"]

_VERSION = re.compile(r"\d+\.\d+[\w.]*")


def machine() -> dict[str, str]:
    cpus = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": cpus[0] if cpus else platform.machine(),
        "cpus": str(len(cpus)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the version of each server among ``names`` that is installed, and dnsperf's."""
    asked = {name: each.version for name, each in COMPETITORS.items() if name in names and shutil.which(each.program)}
    found = {name: _version(command) for name, command in {**asked, "dnsperf": ("dnsperf", "-h")}.items()}
    return {"nodedns": __version__, **found}


def _version(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    match = _VERSION.search(done.stdout + done.stderr)
    return match[0] if match else "unknown"

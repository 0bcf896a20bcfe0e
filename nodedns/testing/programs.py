"""Real programs that a test talks to: found, or named with the Debian package that brings them.

Strategy: a test that needs ``serf``, ``dig`` or a network namespace asks here.
On a developer's machine a missing program skips the test and says which
package to install. Under ``CI=true`` it fails instead, so that a green run
never means a test that did not run. Nothing is installed from here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["is_ci", "require_network_namespaces", "require_node_package", "require_program"]

NAMESPACE_TRY_S = 10


def is_ci() -> bool:
    """Whether a missing program is a failure here rather than a reason to skip."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def require_program(name: str, *, package: str, further: str = "") -> Path:
    """Return the path of a program, or end the calling test.

    Args:
        name: Program as it stands on the search path, e.g. ``serf``.
        package: Debian package that brings it, told to the reader.
        further: Directories beyond those where programs are, with colons between.

    Returns:
        The program's full path.
    """
    found = shutil.which(name) or shutil.which(name, path=f"/usr/local/sbin:/usr/sbin:/sbin:{further}")
    if found is None:
        _missing(f"{name} is not installed (Debian package {package})")
    return Path(found)


def require_node_package(name: str) -> tuple[Path, Path]:
    """Return ``node`` and the folder of packages that were installed with ``npm install -g``, or end the calling test.

    Args:
        name: A package that must be among them.
    """
    node = require_program("node", package="nodejs")
    npm = require_program("npm", package="npm")
    folder = Path(_run(npm, "root", "--global").stdout.strip())
    if not (folder / name / "package.json").is_file():
        _missing(f"the npm package {name} is not installed (npm install -g {name})")
    return node, folder


def require_network_namespaces() -> Path:
    """Return the path of ``ip`` if this user may make network namespaces, or end the calling test."""
    program = require_program("ip", package="iproute2")
    name = f"nodedns-try-{os.getpid()}"
    added = _run(program, "netns", "add", name)
    if added.returncode != 0:
        _missing(f"network namespaces cannot be made here (needs root): {added.stderr.strip()}")
    _run(program, "netns", "delete", name)
    return program


def _run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a fixed command on a name of ours
        [program, *arguments], capture_output=True, text=True, timeout=NAMESPACE_TRY_S, check=False
    )


def _missing(reason: str) -> NoReturn:
    if is_ci():
        pytest.fail(f"{reason}; under CI nothing is skipped", pytrace=False)
    pytest.skip(reason)

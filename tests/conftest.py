"""What every test shares: Hypothesis profiles, and fixtures for the real programs some tests talk to.

A fixture for a program skips the test that asks for it where the program is
missing, and names its Debian package; under ``CI=true`` it fails instead.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from nodedns.testing.programs import is_ci, require_network_namespaces, require_program

RESOLVED_PLACES = "/usr/lib/systemd:/usr/local/lib/systemd-resolved/lib/systemd"

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=50,
    derandomize=True,  # a run is judged by the change under test, not by its luck
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("nightly", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if is_ci() else "dev"))


@pytest.fixture(scope="session")
def gcc_program() -> Path:
    """The compiler of the clients that ``bench/dns`` brings along."""
    return require_program("gcc", package="gcc")


@pytest.fixture(scope="session")
def serf_program() -> Path:
    """Debian's ``serf``, the real peer of the gossip."""
    return require_program("serf", package="serf")


@pytest.fixture(scope="session")
def dig_program() -> Path:
    """BIND's ``dig``."""
    return require_program("dig", package="bind9-dnsutils")


@pytest.fixture(scope="session")
def kdig_program() -> Path:
    """Knot DNS's ``kdig``."""
    return require_program("kdig", package="knot-dnsutils")


@pytest.fixture(scope="session")
def unbound_program() -> Path:
    """The resolver ``unbound``."""
    return require_program("unbound", package="unbound")


@pytest.fixture(scope="session")
def systemd_resolved_program() -> Path:
    """The resolver ``systemd-resolved``, installed or only unpacked."""
    return require_program("systemd-resolved", package="systemd-resolved", further=RESOLVED_PLACES)


@pytest.fixture(scope="session")
def prometheus_program() -> Path:
    """Debian's ``prometheus``, a real server that scrapes."""
    return require_program("prometheus", package="prometheus")


@pytest.fixture(scope="session")
def promtool_program() -> Path:
    """Its ``promtool``, which checks what is exposed."""
    return require_program("promtool", package="prometheus")


@pytest.fixture(scope="session")
def ip_program() -> Path:
    """Linux's ``ip``, on a machine where this user may make network namespaces."""
    return require_network_namespaces()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Have what a test starts die of SIGINT: who runs the tests in the background of a script has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

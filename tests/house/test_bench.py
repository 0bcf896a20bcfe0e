"""The measuring programs still start; what they measure is no test, but they must not rot between two runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nodedns.testing.source_tree import project_root

ROOT = project_root(Path(__file__))
SCRIPTS = sorted((ROOT / "bench").glob("*.py"))
DEADLINE_S = 60.0
IMPORT_ALL = "import runpy, sys; [runpy.run_path(path, run_name='imported') for path in sys.argv[1:]]"


def run(*arguments: str | Path) -> str:
    """Run Python at the top of the project; what it says."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "bench")])}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_scripts_import_what_there_is() -> None:
    assert len(SCRIPTS) > 5
    run("-c", IMPORT_ALL, *SCRIPTS)


def test_dns_bench_says_what_it_can_do() -> None:
    said = run("-m", "bench.dns", "--help")

    assert "--workloads" in said


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a CPU for the server and one for the client")
def test_dns_bench_measures_the_loop_that_it_compiles(gcc_program: Path) -> None:
    said = run("-m", "bench.dns", "--servers", "C loop", "--workloads", "flight", "--seconds", "0.2", "--rounds", "1")

    assert gcc_program.exists()
    assert "WITHOUT" not in said
    assert "flight-together" in said


def test_dns_bench_reads_the_samples_that_are_kept() -> None:
    said = run("-m", "bench.dns", "--read")

    assert "CPU a query, 1,000 hot names" in said

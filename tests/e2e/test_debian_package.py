"""The Debian package: built by its one command, and installed on a machine that systemd has booted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.machine import Machine, booted_machine
from nodedns.testing.processes import DEADLINE_S, poll, run_program
from nodedns.testing.programs import is_ci, require_program
from nodedns.testing.source_tree import project_root

SOURCE_TREE = project_root(Path(__file__))
BUILD_S = 600.0
NET_BIND_SERVICE = f"{1 << 10:016x}"
MAX_EXPOSURE = 20
"""In tenths, as systemd-analyze counts them; 16 when this was written."""
MORE = r"""
ports { dns = 53 }
encrypt = "KEY"
enable_local_script_checks = true
check {
  name     = "variables are not for scripts"
  args     = ["/bin/sh", "-c", "test -z \"$NOTIFY_SOCKET$WATCHDOG_USEC$LISTEN_FDS\""]
  interval = "1s"
}
"""
"""What the sandbox must leave room for: a low port, cryptography, a program that is started."""
UNIT = SOURCE_TREE / "packaging" / "systemd" / "nodedns.service"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_program("dpkg-deb", package="dpkg")
    if run_program(["/usr/bin/python3", "-c", "import ensurepip"]).code and not is_ci():
        pytest.skip("python3-venv is not installed")
    folder = tmp_path_factory.mktemp("deb")
    built = run_program([SOURCE_TREE / "packaging" / "build-deb", folder], deadline_s=BUILD_S)
    assert 0 == built.code, built.err
    return Path(built.out.strip())


@pytest.fixture(scope="module")
def machine(package: Path) -> Iterator[Machine]:
    with booted_machine() as booted:
        inside = booted.path("/nodedns.deb")
        inside.write_bytes(package.read_bytes())
        booted.check("dpkg", "--no-triggers", "--force-unsafe-io", "--install", "/nodedns.deb")
        yield booted


def contents(package: Path) -> dict[str, str]:
    """Return the mode and owner of each path."""
    rows = (line.split(maxsplit=5) for line in run_program(["dpkg-deb", "--contents", package]).out.splitlines())
    return {row[5].removeprefix("."): f"{row[0]} {row[1]}" for row in rows}


def test_package_has_what_a_package_has(package: Path) -> None:
    found = contents(package)
    wanted = [
        "/etc/nodedns/nodedns.hcl",
        "/lib/systemd/system/nodedns-dns.socket",
        "/lib/systemd/system/nodedns.service",
        "/usr/bin/nodedns",
        "/usr/share/bash-completion/completions/nodedns",
        "/usr/share/doc/nodedns/changelog.Debian.gz",
        "/usr/share/doc/nodedns/copyright",
        "/usr/share/fish/vendor_completions.d/nodedns.fish",
        "/usr/share/man/man1/nodedns.1.gz",
        "/usr/share/zsh/vendor-completions/_nodedns",
    ]
    assert wanted == [path for path in sorted(found) if path in wanted]
    assert {"root/root"} == {mode.split()[1] for mode in found.values()}
    assert [] == [path for path, mode in found.items() if mode[8] == "w" and mode[0] != "l"]
    assert [] == [path for path in found if re.search(r"/(tests?|__pycache__)/$|\.py[cio]$", path) and "/dns" in path]
    fields = run_program(["dpkg-deb", "--field", package]).out
    assert re.search(r"^Depends: python3 \(>= 3\.\d+\), python3 \(<< 3\.\d+\), adduser", fields, re.MULTILINE)
    assert "/etc/nodedns/nodedns.hcl\n" == run_program(["dpkg-deb", "--info", package, "conffiles"]).out


def test_versions_of_all_libraries_and_of_no_others_are_fixed(package: Path) -> None:
    held = re.findall(r"/usr/lib/nodedns/([^/]+)-([^/-]+)\.dist-info/$", "\n".join(contents(package)), re.MULTILINE)
    lines = (SOURCE_TREE / "packaging" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    fixed = {line.replace("-", "_") for line in lines if not line.startswith("#")}
    assert fixed == {f"{name.lower()}=={version}" for name, version in held if name != "nodedns"}


def test_program_runs_from_anywhere_and_takes_no_library_from_elsewhere(package: Path, tmp_path: Path) -> None:
    run_program(["dpkg-deb", "--extract", package, tmp_path / "root"])
    (tmp_path / "click.py").write_text("raise SystemExit('a stranger')", encoding="utf-8")
    done = run_program(
        [tmp_path / "root/usr/bin/nodedns", "version"],
        environment={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert (0, "") == (done.code, done.err)
    assert done.out.startswith("nodedns v")


def test_exposure_of_the_service_is_bounded() -> None:
    analyze = require_program("systemd-analyze", package="systemd")
    done = run_program([analyze, "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", UNIT])
    assert 0 == done.code, done.out


def test_units_are_found_right_by_systemd(machine: Machine) -> None:
    done = machine.run("systemd-analyze", "verify", "--man=no", "nodedns.service", "nodedns-dns.socket")
    assert (0, []) == (done.code, [line for line in done.err.splitlines() if "nodedns" in line])


def write(machine: Machine, path: str, text: str) -> None:
    inside = machine.path(path)
    inside.parent.mkdir(parents=True, exist_ok=True)
    inside.write_text(text, encoding="utf-8")


def dig(machine: Machine, port: int, name: str, *more: str, server: str = "127.0.0.1") -> str:
    patient = ("+short", "+tries=1", f"+timeout={DEADLINE_S / 2:.0f}")
    return machine.run("dig", f"@{server}", "-p", str(port), *patient, *more, name).out.strip()


def node_name(machine: Machine) -> str:
    return f"{machine.check('hostname').lower()}.node.consul"


def journal(machine: Machine) -> str:
    return machine.check("journalctl", "--no-pager", "--unit=nodedns", "--output=cat")


def test_service_lives_through_start_reload_watchdog_and_stop(machine: Machine) -> None:
    name = node_name(machine)
    assert "disabled" == machine.run("systemctl", "is-enabled", "nodedns.service").out.strip()
    write(machine, "/etc/nodedns/50-more.hcl", MORE.replace("KEY", machine.check("nodedns", "keygen")))
    machine.check("chgrp", "nodedns", "/etc/nodedns/50-more.hcl")
    # With the port that takes the one right it has. It returns when the agent has said that it is ready.
    machine.check("systemctl", "enable", "--now", "nodedns.service")
    assert machine.address == dig(machine, 53, name)
    assert machine.address == dig(machine, 53, name, "+tcp")
    assert "already exists but the mode is different" not in journal(machine)
    assert ["active", "running", "nodedns"] == machine.show("nodedns", "ActiveState", "SubState", "User")
    assert machine.show("nodedns", "StatusText")[0].endswith(" serves 1 alive member")
    status = machine.path(f"/proc/{machine.show('nodedns', 'MainPID')[0]}/status").read_text(encoding="ascii")
    sandbox = dict(line.split(":\t") for line in status.splitlines())
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        assert NET_BIND_SERVICE == sandbox[kind], kind
    assert ("1", "2") == (sandbox["NoNewPrivs"], sandbox["Seccomp"])

    poll(lambda: '"passing"' in machine.run("nodedns", "watch", "-type=checks").out, "the script check passes")

    machine.check("systemctl", "reload", "nodedns")
    poll(lambda: "configuration reloaded" in journal(machine), "the reload is over")
    write(machine, "/etc/nodedns/60-wrong.hcl", "nonsense = 1\n")
    machine.check("systemctl", "reload", "nodedns")
    poll(lambda: "configuration not reloaded" in journal(machine), "the reload has failed")
    poll(lambda: ["running"] == machine.show("nodedns", "SubState"), "it serves again")
    machine.path("/etc/nodedns/60-wrong.hcl").unlink()

    # A loop that hangs gives no sign of life. Two seconds here instead of thirty.
    write(machine, "/etc/systemd/system/nodedns.service.d/test.conf", "[Service]\nWatchdogSec=2\nRestartSec=0.1\n")
    machine.check("systemctl", "daemon-reload")
    machine.check("systemctl", "restart", "nodedns")
    before = machine.show("nodedns", "MainPID")
    machine.check("kill", "-STOP", before[0])
    poll(lambda: ["0"] != machine.show("nodedns", "NRestarts"), "the watchdog has had it started anew")
    poll(lambda: machine.show("nodedns", "SubState") == ["running"], "it runs again")
    assert before != machine.show("nodedns", "MainPID")
    assert "watchdog" in journal(machine).lower()
    assert machine.address == dig(machine, 53, name)

    machine.check("systemctl", "disable", "--now", "nodedns.service")
    assert ["inactive", "success"] == machine.show("nodedns", "ActiveState", "Result")
    machine.path("/etc/nodedns/50-more.hcl").unlink()


@pytest.mark.parametrize("server", ["127.0.0.1", "::1"])
def test_socket_of_port_53_starts_the_service_at_the_first_query(machine: Machine, server: str) -> None:
    machine.run("systemctl", "stop", "nodedns.service", "nodedns-dns.socket")
    machine.check("systemctl", "start", "nodedns-dns.socket")
    assert ["inactive"] == machine.show("nodedns", "ActiveState")
    assert machine.address == dig(machine, 53, node_name(machine), server=server)
    assert machine.address == dig(machine, 53, node_name(machine), "+tcp", server=server)
    assert machine.address == dig(machine, 8600, node_name(machine))
    machine.check("systemctl", "stop", "nodedns-dns.socket", "nodedns.service")


def test_purge_leaves_nothing(machine: Machine) -> None:
    machine.check("dpkg", "--no-triggers", "--force-unsafe-io", "--purge", "nodedns")
    for path in ("/etc/nodedns", "/var/lib/nodedns", "/usr/lib/nodedns", "/usr/bin/nodedns"):
        assert not machine.path(path).exists(), path
    assert 2 == machine.run("getent", "passwd", "nodedns").code
    assert "not-found" == machine.show("nodedns", "LoadState")[0]

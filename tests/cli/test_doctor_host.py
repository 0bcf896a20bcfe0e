"""This host's files and resolvers, in a directory that stands for the root."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodedns.cli.doctor.examine_host import examine_host, look_up
from nodedns.cli.doctor.examine_servers import Plan
from nodedns.cli.doctor.facts import HostFacts
from nodedns.cli.doctor.listening import Listeners
from nodedns.cli.doctor.patience import Patience
from nodedns.cli.doctor.subject import subject_of
from nodedns.testing.loopback import free_hosts

NOBODY = next(free_hosts(53))
SUBJECT = subject_of("localhost", "one", ["localhost"])


def examine(root: Path) -> HostFacts:
    return examine_host(SUBJECT, Plan(name=SUBJECT.name), Listeners(), Patience(lambda: 0.0, 20.0), root=root)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "etc/nsswitch.conf", "hosts: files resolve [!UNAVAIL=return] dns\n")
    write(tmp_path, "etc/resolv.conf", f"nameserver {NOBODY}\nsearch example.org\n")
    return tmp_path


def test_files_are_read_and_nameservers_asked(root: Path) -> None:
    facts = examine(root)

    assert ("files", "resolve", "[!UNAVAIL=return]", "dns") == facts.sources
    assert ("example.org",) == facts.search
    assert [(NOBODY, True, False)] == [(one.host, one.is_silent, one.is_up) for one in facts.nameservers]
    assert facts.system is not None
    assert "" == facts.system.error
    assert facts.resolved is None


def test_resolved_is_read_where_it_runs(root: Path) -> None:
    write(root, "run/systemd/resolve/resolv.conf", f"nameserver {NOBODY}\nnameserver 127.0.0.9\n")
    write(root, "etc/systemd/resolved.conf", "[Resolve]\nDomains=~example.net\n")
    write(root, "etc/systemd/resolved.conf.d/consul.conf", "[Resolve]\nDNS=127.0.0.1:8600\nDomains=~consul\n")

    resolved = examine(root).resolved

    assert resolved is not None
    assert (("example.net", "consul"), ("127.0.0.1:8600",)) == (resolved.routes, resolved.servers)
    assert ["127.0.0.9"] == [upstream.host for upstream in resolved.upstreams]


def test_resolved_without_upstreams_has_none(root: Path) -> None:
    write(root, "run/systemd/resolve/resolv.conf", "search .\n")

    resolved = examine(root).resolved

    assert resolved is not None
    assert () == resolved.upstreams


def test_resolved_that_is_not_on_the_way_is_left_out(root: Path) -> None:
    write(root, "etc/nsswitch.conf", "hosts: files dns\n")
    write(root, "run/systemd/resolve/resolv.conf", "nameserver 127.0.0.9\n")

    assert examine(root).resolved is None


def test_file_that_cannot_be_read_is_said(root: Path) -> None:
    (root / "etc/resolv.conf").unlink()
    (root / "etc/resolv.conf").mkdir()

    facts = examine(root)

    assert [f"{root}/etc/resolv.conf: is a directory"] == list(facts.unreadable)


def test_host_without_files_asks_itself(tmp_path: Path) -> None:
    facts = examine(tmp_path)

    assert (("files", "dns"), ["127.0.0.1"]) == (facts.sources, [one.host for one in facts.nameservers])


def test_lookup_takes_any_name() -> None:
    assert "" != look_up("a..b").error
    assert "" != look_up(f"{'x' * 300}.invalid").error

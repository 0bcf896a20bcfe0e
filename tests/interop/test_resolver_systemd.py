"""systemd-resolved, set up by ``nodedns resolver-config -apply`` on a host of its own, and asked as programs ask.

It runs without systemd and without a bus, as it does early at boot. That there is a link with a server, it is told
by the file in which systemd-networkd would say so. It validates, beginning with a key of the test's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from nodedns.testing.dig import DigAnswer
from nodedns.testing.hosts import Host, host_pair
from nodedns.testing.nsd import nsd_settings
from nodedns.testing.processes import DEADLINE_S, nodedns_program, poll
from nodedns.testing.programs import require_program
from nodedns.testing.signed_root import signed_root

ADDRESSES = ("172.20.20.10", "172.20.20.11")
STUB = "127.0.0.53"
CAPABILITIES = "+net_raw,+net_bind_service,+setpcap"
NOBODY = "65534"


@pytest.fixture(scope="module")
def host(
    dig_program: Path, ip_program: Path, systemd_resolved_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """One with an agent, a resolver that was told of it, and a link whose server knows all else."""
    root = signed_root(tmp_path_factory.mktemp("keys"))
    with ExitStack() as undo:
        one, two = undo.enter_context(host_pair(ADDRESSES))
        settings = nsd_settings(tmp_path_factory.mktemp("nsd"), root.zones, ADDRESSES[1], 53)
        undo.enter_context(two.start(require_program("nsd", package="nsd"), "-d", "-c", settings)).wait_line("started")
        flags = ["agent", "-dev", "-node=agent-one", f"-bind={ADDRESSES[0]}"]
        undo.enter_context(one.start(nodedns_program(), *flags)).wait_line("nodedns agent running!")
        _prepare(one, root.ds)
        assert 0 == one.nodedns("resolver-config", "-search", "-apply", "-yes", "systemd-resolved").code
        rights = [f"--inh-caps={CAPABILITIES}", f"--ambient-caps={CAPABILITIES}"]
        setpriv = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *rights]
        resolved = undo.enter_context(one.start(*setpriv, systemd_resolved_program))
        poll(lambda: resolved.is_running and of(one, "www.example", "A")[1], f"it answers: {resolved.output}")
        yield one


def _prepare(host: Host, ds: str) -> None:
    """Give it directories of its own for what this changes, as they are on a machine with the program."""
    script = f"""set -e
        mount -t tmpfs tmpfs /run
        mkdir -p /run/systemd/resolve /run/systemd/netif/links
        chown {NOBODY} /run/systemd/resolve
        index=$(ip -o link show eth0 | cut -d: -f1)
        printf 'ADMIN_STATE=configured\\nOPER_STATE=routable\\nDNS={ADDRESSES[1]}\\n' > /run/systemd/netif/links/$index
        rm -rf /etc/systemd /etc/dnssec-trust-anchors.d /etc/resolv.conf
        mkdir -p /etc/systemd /etc/dnssec-trust-anchors.d
        printf '[Resolve]\\nDNSSEC=yes\\nLLMNR=no\\n' > /etc/systemd/resolved.conf
        echo '. IN DS {ds}' > /etc/dnssec-trust-anchors.d/root.positive
        ln -s /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf"""
    host.check("sh", "-c", script)


def of(host: Host, *what: str) -> tuple[str, list[str]]:
    answer = DigAnswer.of_text(host.run("dig", f"@{STUB}", f"+timeout={DEADLINE_S / 2:.0f}", "+tries=1", *what).out)
    return answer.status, answer.data


def test_names_and_addresses_of_nodes_are_found(host: Host) -> None:
    assert ("NOERROR", [ADDRESSES[0]]) == of(host, "agent-one.node.consul", "A")
    assert ("NOERROR", ["agent-one.node.dc1.consul."]) == of(host, "-x", ADDRESSES[0])


def test_what_is_not_there_is_denied_and_not_failed(host: Host) -> None:
    assert ["NXDOMAIN"] * 2 == [of(host, *what)[0] for what in [("agent-two.node.consul", "A"), ("-x", "172.20.20.99")]]


def test_other_names_are_still_asked_elsewhere_and_validated(host: Host) -> None:
    assert ("NOERROR", ["198.18.0.80"]) == of(host, "www.example", "A")
    assert ["NXDOMAIN", "SERVFAIL"] == [of(host, name, "A")[0] for name in ("nobody.nowhere", "www.broken")]


@pytest.mark.parametrize("name", ["agent-one.node.consul", "agent-one"])
def test_programs_find_the_whole_name_and_the_node_name_alone(host: Host, name: str) -> None:
    assert [ADDRESSES[0], "agent-one.node.consul"] == host.check("getent", "hosts", name).split()


def test_doctor_finds_nothing_wrong_with_it(host: Host) -> None:
    done = host.nodedns("doctor", "agent-one.node.consul")

    assert (0, "All is well.") == (done.code, done.out.splitlines()[-1]), done.out
    assert "its files send consul to 127.0.0.1:8600" in done.out
    assert f"upstream {ADDRESSES[1]}" in done.out


def test_command_that_fails_is_named_with_the_way_back(host: Host) -> None:
    done = host.nodedns("resolver-config", "-search", "-apply", "-yes", "-reload", "systemd-resolved")

    assert 1 == done.code
    assert "systemctl restart systemd-resolved ended with 1; the files are written; take them back with" in done.err


def test_commands_are_run_once_the_files_are_written_and_once_they_are_taken_back(host: Host, tmp_path: Path) -> None:
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n')
    (tmp_path / "systemctl").chmod(0o755)
    path = f"PATH={tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"
    command: list[str | Path] = ["env", path, nodedns_program(), "resolver-config", "-yes", "-reload"]
    written = host.path("/etc/systemd/resolved.conf.d/nodedns.conf")

    host.check(*command, "-apply", "-tool-version=252", "systemd-resolved")
    assert "DNS=127.0.0.1:8600\nDomains=~consul" in written.read_text()
    host.check(*command, "-undo", "systemd-resolved")
    assert not written.parent.exists()
    assert ["restart systemd-resolved"] * 2 == (tmp_path / "called").read_text().splitlines()

"""What an agent keeps: over kill -9, over a full disk, over torn files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nodedns.testing.first_cluster import ONE, TWO, FirstCluster
from nodedns.testing.hosts import Host
from nodedns.testing.loopback import LoneAgent
from nodedns.testing.processes import poll

PRINTER = {"Node": "printer", "Address": "10.0.0.9", "NodeMeta": {"floor": "2"}}
SCANNER = {"Node": "scanner", "Address": "10.0.0.10"}
# Too large for what is left of the page in which the first one stands.
LARGE_SCANNER = {**SCANNER, "NodeMeta": {f"page-{number}": "x" * 500 for number in range(10)}}
DATA = "/tmp/consul"  # noqa: S108 - the tutorial's, on hosts of which each has its own
SNAPSHOT = f"{DATA}/serf/local.snapshot"
PAGE_BYTES = 4096  # what a file on tmpfs takes, as soon as it has one byte in it
OWN_LINE = b"alive: agent-one 172.20.20.10:8301\n"
REQUEST = """
import sys, urllib.error, urllib.request
method, url, body = sys.argv[1:]
request = urllib.request.Request(url, body.encode() or None, method=method)
try:
    with urllib.request.urlopen(request, timeout=10) as response:
        print(response.status, response.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


def request(host: Host, method: str, path: str, body: object = None) -> tuple[int, str]:
    """Ask the agent on a host over HTTP, from that host."""
    sent = "" if body is None else json.dumps(body)
    printed = host.check(sys.executable, "-c", REQUEST, method, f"http://127.0.0.1:8500{path}", sent)
    status, _, text = printed.partition(" ")
    return int(status), text.rstrip("\n")


# --- kill -9 -----------------------------------------------------------------------------


def test_registered_nodes_survive_kill_9(lone: LoneAgent, dig_program: Path) -> None:
    lone.start()
    assert (200, "true") == lone.http("PUT", "/v1/catalog/register", PRINTER)
    lone.process.kill()

    lone.start()

    assert ["10.0.0.9"] == lone.dig("printer.node.consul").data
    assert ['"floor=2"'] == lone.dig("printer.node.consul", "TXT").data
    assert ["lone", "printer"] == [node["Node"] for node in json.loads(lone.http("GET", "/v1/catalog/nodes")[1])]


def test_deregistered_node_does_not_come_back_after_kill_9(lone: LoneAgent, dig_program: Path) -> None:
    lone.start()
    lone.http("PUT", "/v1/catalog/register", PRINTER)
    assert 200 == lone.http("PUT", "/v1/catalog/deregister", {"Node": "printer"})[0]
    lone.process.kill()

    lone.start()

    assert "NXDOMAIN" == lone.dig("printer.node.consul").status


def test_node_id_survives_a_restart(lone: LoneAgent) -> None:
    def node_id() -> str:
        return str(json.loads(lone.http("GET", "/v1/agent/self")[1])["Config"]["NodeID"])

    lone.start()
    first = node_id()
    lone.process.kill()

    lone.start()

    assert first == node_id()


# --- torn files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        b"alive: lone 127.0.0.1:8301\nalive: gone 127.0.0.1:4",
        b"alive: nobody\nclock: many\nnot a line at all\nclock: -7\n",
        bytes(range(256)) * 20,
    ],
    ids=["empty", "half a line", "nonsense", "binary"],
)
def test_torn_snapshot_does_not_hinder_the_start(lone: LoneAgent, dig_program: Path, torn: bytes) -> None:
    lone.start()
    lone.http("PUT", "/v1/catalog/register", PRINTER)
    snapshot = lone.data / "serf" / "local.snapshot"
    poll(snapshot.is_file, "a snapshot")
    lone.process.kill()
    snapshot.write_bytes(torn)

    lone.start()

    assert "alive" == lone.statuses()["lone"]
    assert ["10.0.0.9"] == lone.dig("printer.node.consul").data


def test_torn_end_of_the_registrations_is_cut_off(lone: LoneAgent, dig_program: Path) -> None:
    lone.start()
    lone.http("PUT", "/v1/catalog/register", PRINTER)
    lone.process.kill()
    with (lone.data / "registrations.changes.0").open("ab") as file:
        file.write(b"\0\0\1\0torn")

    lone.start()

    assert ["10.0.0.9"] == lone.dig("printer.node.consul").data
    assert (200, "true") == lone.http("PUT", "/v1/catalog/register", SCANNER)


def test_registrations_that_make_no_sense_are_put_aside_and_said(lone: LoneAgent) -> None:
    lone.start()
    lone.http("PUT", "/v1/catalog/register", PRINTER)
    lone.process.kill()
    path = lone.data / "registrations.changes.0"
    path.write_bytes(b"nonsense, and long enough to be a heading")

    process = lone.start()

    process.wait_line("registrations cannot be read, put aside")
    assert b"nonsense" in path.with_name("registrations.changes.0.bad").read_bytes()
    assert (200, "true") == lone.http("PUT", "/v1/catalog/register", SCANNER)


def test_nodes_that_an_earlier_release_kept_are_taken_over_once(lone: LoneAgent, dig_program: Path) -> None:
    lone.data.mkdir()
    shape = {"name": "printer", "id": "", "address": "10.0.0.9", "tagged_addresses": {}, "meta": {"floor": "2"}}
    earlier = lone.data / "external-nodes.json"
    earlier.write_text(json.dumps({"format": 1, "nodes": [shape]}))
    lone.start()
    assert ["10.0.0.9"] == lone.dig("printer.node.consul").data
    assert not earlier.exists()
    lone.process.kill()

    lone.start()

    assert ['"floor=2"'] == lone.dig("printer.node.consul", "TXT").data
    assert 200 == lone.http("PUT", "/v1/catalog/deregister", {"Node": "printer"})[0]
    lone.process.kill()
    lone.start()
    assert "NXDOMAIN" == lone.dig("printer.node.consul").status


def test_snapshot_that_ends_within_a_line_is_written_on_whole(tmp_path: Path, tutorial: FirstCluster) -> None:
    tutorial.wait_remembered(TWO, "agent-one")
    tutorial.agent(TWO).kill()
    snapshot = tutorial.hosts[TWO].path(SNAPSHOT)
    snapshot.write_bytes(snapshot.read_bytes() + b"alive: agent-th")

    tutorial.start(TWO)

    tutorial.wait_statuses(TWO, {"agent-one": "alive", "agent-two": "alive"})
    poll(lambda: snapshot.read_bytes().endswith(b"\n"), "a whole last line")
    assert b"alive: agent-thalive" not in snapshot.read_bytes()


# --- a full disk ------------------------------------------------------------------------------


def test_full_disk_stops_nothing_but_what_must_be_kept(machines: FirstCluster) -> None:
    one = machines.hosts[ONE]
    one.check("mkdir", DATA)
    one.check("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", DATA)
    nearly_fill_a_page(one.path(SNAPSHOT), len(OWN_LINE))
    agent = machines.start(ONE)
    assert (200, "true") == request(one, "PUT", "/v1/catalog/register", PRINTER)
    machines.wait_remembered(ONE, "agent-one")
    one.run("dd", "if=/dev/zero", f"of={DATA}/filler", "bs=1k")

    status, text = request(one, "PUT", "/v1/catalog/register", LARGE_SCANNER)

    assert 500 == status
    assert "ENOSPC" in text
    assert "NXDOMAIN" == machines.dig(ONE, "scanner.node.consul").status
    assert ["10.0.0.9"] == machines.dig(ONE, "printer.node.consul").data

    # Members still come and go; that the snapshot cannot follow is said once, not each time it is tried.
    machines.start(TWO, f"-join={ONE}")
    agent.wait_line("snapshot cannot be written")
    machines.wait_statuses(ONE, {"agent-one": "alive", "agent-two": "alive"})
    assert [TWO] == machines.dig(ONE, "agent-two.node.consul").data
    assert 1 == len(agent.lines("snapshot cannot be written"))

    # Nothing that was stored is lost by the tries that failed, and with room everything works again.
    one.check("rm", f"{DATA}/filler")
    agent.wait_line("snapshot is written again")
    assert (200, "true") == request(one, "PUT", "/v1/catalog/register", LARGE_SCANNER)
    agent.kill()
    machines.start(ONE)
    assert ["10.0.0.9"] == machines.dig(ONE, "printer.node.consul").data
    assert ["10.0.0.10"] == machines.dig(ONE, "scanner.node.consul").data
    machines.wait_statuses(ONE, {"agent-one": "alive", "agent-two": "alive"})


def nearly_fill_a_page(snapshot: Path, added_bytes: int) -> None:
    """Begin a snapshot with a comment so long that, ``added_bytes`` on, next to nothing is left of its first page."""
    snapshot.parent.mkdir()
    snapshot.write_bytes(b"#".ljust(PAGE_BYTES - added_bytes - 10, b"-") + b"\n")


def test_read_only_data_directory_is_named_at_the_start(machines: FirstCluster) -> None:
    one = machines.hosts[ONE]
    one.check("mkdir", DATA)
    one.check("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", DATA)

    refused = one.nodedns("agent", "-server", f"-data-dir={DATA}", "-node=one", f"-bind={ONE}")

    assert 1 == refused.code
    assert f"==> data directory {DATA} cannot be used: EROFS " in refused.err

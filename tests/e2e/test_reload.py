"""A running agent takes what its files say now: by SIGHUP and by command, under load, wholly or not at all."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodedns.testing.dns_queries import OPT, query_wire
from nodedns.testing.loopback import DNS_PORT, LoneAgent
from nodedns.testing.processes import DEADLINE_S, Stopwatch, nodedns_program, poll, run_program

RELOADS = 10
ALONE = 'log_level = "debug"\n'
QUERY = query_wire("lone.node.consul", opt=OPT)


class Asker:
    """Asks one question over and over until told to stop, and keeps every answer.

    Args:
        host: Where.
    """

    def __init__(self, host: str) -> None:
        self.replies: dict[bytes, int] = {}
        self.lost = 0
        self.slowest_s = 0.0
        self._target = (host, DNS_PORT)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def count(self) -> int:
        """How many answers there were."""
        return sum(self.replies.values())

    def wait_more(self, count: int) -> None:
        """Return once there are so many more answers than now."""
        wanted = self.count + count
        poll(lambda: self.count >= wanted, "more answers")

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(DEADLINE_S / 3)
            while not self._is_over.is_set():
                asked = Stopwatch()
                client.sendto(QUERY, self._target)
                try:
                    reply = client.recv(65_535)
                except TimeoutError:
                    self.lost += 1
                    continue
                self.slowest_s = max(self.slowest_s, asked.elapsed_s)
                self.replies[reply] = self.replies.get(reply, 0) + 1

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask meanwhile."""
        self._thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._thread.join(DEADLINE_S)


class Configured:
    """An agent that reads one directory."""

    def __init__(self, agent: LoneAgent, folder: Path) -> None:
        self.agent = agent
        self.folder = folder / "conf.d"
        self.folder.mkdir()

    def write(self, text: str, name: str = "a.hcl") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, text: str) -> None:
        self.write(text)
        self.agent.start(f"-config-dir={self.folder}")

    def ttl(self) -> int:
        (record,) = self.agent.dig("lone.node.consul").answer
        return record.ttl_s


@pytest.fixture
def site(lone: LoneAgent, tmp_path: Path, dig_program: Path) -> Configured:
    return Configured(lone, tmp_path)


def ttls_of(reply: bytes) -> int:
    # Behind header and question a pointer, type and class, then the TTL of the first record.
    at = len(QUERY) - len(OPT) + 6
    return int.from_bytes(reply[at : at + 4], "big")


def test_no_query_is_lost_or_answered_wrongly_while_the_configuration_changes(site: Configured) -> None:
    site.start('dns_config { node_ttl = "1s" }')
    asker = Asker(site.agent.host)
    with asker.asking():
        for number in range(2, RELOADS + 2):
            asker.wait_more(20)
            site.write(f'dns_config {{ node_ttl = "{number}s" }}\nnode_meta {{ round = "{number}" }}')
            assert 0 == site.agent.command("reload").code
            assert number == site.ttl()
        asker.wait_more(20)
    assert 0 == asker.lost
    assert {0} == {reply[3] & 0x0F for reply in asker.replies}
    assert set(range(1, RELOADS + 2)) == {ttls_of(reply) for reply in asker.replies}


def test_hangup_and_command_and_request_do_the_same(site: Configured) -> None:
    site.start(ALONE)
    site.write(ALONE + 'dns_config { node_ttl = "3s" }')
    site.agent.process.send(signal.SIGHUP)
    site.agent.process.wait_line("configuration reloaded: changed=dns_config.node_ttl")
    assert 3 == site.ttl()
    site.write(ALONE + 'dns_config { node_ttl = "4s" }')
    done = site.agent.command("reload")
    assert (0, "Configuration reload triggered\n", "") == (done.code, done.out, done.err)
    assert 4 == site.ttl()
    site.write(ALONE)
    assert (200, "") == site.agent.http("PUT", "/v1/agent/reload")
    assert 0 == site.ttl()


def test_meta_log_level_and_rights_change(site: Configured) -> None:
    site.start('node_meta { rack = "a" }')
    assert [] == site.agent.process.lines("DEBUG")
    site.write('node_meta { rack = "b" }\nlog_level = "debug"\nhttp_config { block_endpoints = ["/v1/agent/version"] }')
    assert 0 == site.agent.command("reload").code
    poll(lambda: json.loads(site.agent.http("GET", "/v1/agent/self")[1])["Meta"] == {"rack": "b"}, "the new meta")
    assert 403 == site.agent.http("GET", "/v1/agent/version")[0]
    site.write('log_level = "error"')
    assert 0 == site.agent.command("reload").code
    site.write('log_level = "error"\ndns_config { node_ttl = "4s" }')
    assert 0 == site.agent.command("reload").code
    assert 4 == site.ttl()
    site.agent.process.kill()
    # The second reload tells of its beginning alone, the third of nothing.
    assert [2, 1] == [len(site.agent.process.lines(line)) for line in ("Reloading config", "configuration reloaded")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('dns_config { node_ttl = "soon" }', 'dns_config.node_ttl: invalid duration: "soon"'),
        ("dns_config {", "failed to parse"),
        ('service { name = "web" port = -1 }', "service.port: port must be between 0 and 65535"),
        ('node_meta { k = "' + 510 * "x" + '" }', "node_meta does not fit into gossip"),
    ],
    ids=["value", "syntax", "service", "too long"],
)
def test_file_that_is_wrong_leaves_everything_as_it_was(site: Configured, text: str, problem: str) -> None:
    site.start('dns_config { node_ttl = "7s" }')
    site.write('dns_config { node_ttl = "8s" }')
    broken = site.write(text, "b.hcl")
    done = site.agent.command("reload")
    assert (1, "", 1) == (done.code, done.out, len(done.err.splitlines()))
    assert problem in done.err
    line = site.agent.process.wait_line("configuration not reloaded, nothing has changed")
    assert problem.replace('"', '\\"') in line
    if "gossip" not in problem:
        assert str(broken) in done.err
        assert str(broken) in line
    assert 7 == site.ttl()
    assert 1 == run_program([nodedns_program(), "validate", site.folder]).code or "gossip" in problem
    broken.unlink()
    assert 0 == site.agent.command("reload").code
    assert 8 == site.ttl()


def test_what_takes_a_restart_is_named_and_not_begun(site: Configured) -> None:
    site.start("")
    site.write('ports { dns = 8601 }\ndatacenter = "dc2"\nretry_join = ["192.0.2.1"]\ndns_config { node_ttl = "4s" }')
    assert 0 == site.agent.command("reload").code
    line = site.agent.process.wait_line("takes a restart")
    assert line.endswith("what was changed here takes a restart: keys=datacenter,ports.dns,retry_join")
    assert 4 == site.ttl()
    assert [] == site.agent.process.lines("Joining cluster")
    about = json.loads(site.agent.http("GET", "/v1/agent/self")[1])
    assert ("dc1", 8600) == (about["Config"]["Datacenter"], about["DebugConfig"]["dns_port"])


def test_file_that_changes_is_read_unasked_where_that_is_wanted(site: Configured) -> None:
    site.start("auto_reload_config = true")
    site.write('auto_reload_config = true\ndns_config { node_ttl = "6s" }')
    site.agent.process.wait_line("configuration reloaded")
    assert 6 == site.ttl()


WEB = 'service { name = "web" port = %d check { name = "alive" ttl = "10m" } }\n'
DB = 'service { name = "db" port = 5432 }\n'


def ports(site: Configured, service: str) -> list[str]:
    return [record.data.split()[2] for record in site.agent.dig(f"{service}.service.consul", "SRV").answer]


def test_services_come_change_and_go_and_checks_keep_what_they_said(site: Configured) -> None:
    site.start(WEB % 80)
    assert 200 == site.agent.http("PUT", "/v1/agent/service/register", {"Name": "api", "Port": 1})[0]
    assert 200 == site.agent.http("PUT", "/v1/agent/check/pass/service:web?note=fine")[0]
    poll(lambda: ports(site, "web") == ["80"], "the service of the file")

    site.write(WEB % 8080 + DB)
    assert 0 == site.agent.command("reload").code
    poll(lambda: [ports(site, name) for name in ("web", "db", "api")] == [["8080"], ["5432"], ["1"]], "what changed")
    check = json.loads(site.agent.http("GET", "/v1/agent/checks")[1])["service:web"]
    assert ("passing", "fine") == (check["Status"], check["Output"])

    site.write(DB)
    assert 0 == site.agent.command("reload").code
    poll(lambda: [ports(site, name) for name in ("web", "db", "api")] == [[], ["5432"], ["1"]], "what is gone")
    assert ["api", "db"] == sorted(json.loads(site.agent.http("GET", "/v1/agent/services")[1]))

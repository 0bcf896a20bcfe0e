"""``nodedns reachability`` where a way is really blocked: a host's routing rules drop some of the UDP that comes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.hosts import Host, host_pair
from nodedns.testing.mixed_pool import ask_until
from nodedns.testing.processes import DEADLINE_S, Process, nodedns_program, poll

OURS, BLOCKED, RELAY = "10.44.0.1", "10.44.0.2", "10.44.0.3"
PORT = 7946


class Blockable:
    """``dns`` of nodedns and ``relay`` of serf on one host, ``blocked`` of serf on the other."""

    def __init__(self, here: Host, there: Host, ip: Path, serf: Path) -> None:
        self._here = here
        self._ip = ip
        here.check(ip, "address", "add", f"{RELAY}/24", "dev", "eth0")
        # The table of local addresses comes first otherwise, and no rule could get before it.
        here.check(ip, "rule", "add", "pref", "100", "lookup", "local")
        here.check(ip, "rule", "del", "pref", "0")
        self.processes = [
            self._serf(here, serf, "relay", RELAY),
            self._serf(there, serf, "blocked", BLOCKED),
            here.start(
                nodedns_program(), "agent", "-dev", "-node=dns", f"-bind={OURS}", f"-client={OURS}",
                f"-serf-lan-port={PORT}",
            ),
        ]  # fmt: skip
        self.processes[2].wait_line("nodedns agent running!")
        for address in (RELAY, BLOCKED):
            poll(lambda address=address: self.command("join", f"{address}:{PORT}")[0] == 0, "joined")  # type: ignore[misc]
        poll(lambda: self.command("reachability")[0] == 0, "everybody reached")

    @staticmethod
    def _serf(host: Host, serf: Path, name: str, address: str) -> Process:
        return host.start(serf, "agent", f"-node={name}", f"-bind={address}:{PORT}", f"-rpc-addr={address}:7373")

    def stop_udp(self, *selector: str) -> None:
        self._here.check(self._ip, "rule", "add", "pref", "50", *selector, "ipproto", "udp", "blackhole")

    def command(self, *words: str) -> tuple[int, str]:
        name, *rest = words
        done = self._here.nodedns(name, f"-http-addr={OURS}:8500", *rest, deadline_s=3 * DEADLINE_S)
        return done.code, done.out


@pytest.fixture
def blockable(serf_program: Path, ip_program: Path) -> Iterator[Blockable]:
    with host_pair([OURS, BLOCKED]) as (here, there):
        made = Blockable(here, there, ip_program, serf_program)
        yield made
        for process in made.processes:
            process.kill()


def test_member_whose_packets_to_us_are_stopped_is_reached_through_others(blockable: Blockable) -> None:
    blockable.stop_udp("from", BLOCKED, "to", OURS)

    def told() -> tuple[int, str]:
        code, out = blockable.command("reachability")
        return code, out.splitlines()[-1].removeprefix(f"\tblocked ({BLOCKED}:{PORT}): ").partition(";")[0]

    wanted = (1, "its ack comes through other members only")
    assert wanted == ask_until(told, wanted)


def test_member_whose_packets_to_all_are_stopped_does_not_ack(blockable: Blockable) -> None:
    blockable.stop_udp("from", BLOCKED)

    code, out = blockable.command("reachability")

    assert 1 == code
    assert "Missing acks from:\n\tblocked\n" in out
    assert "through other members" not in out

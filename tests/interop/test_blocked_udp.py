"""A firewall that lets TCP pass and UDP not: the agent names the peer, the direction and the port.

Agent-one is on a machine of its own; agent-two, real ``serf`` or ``nodedns``, and a third member share
the other, under addresses of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from nodedns.testing.hosts import Host, host_pair
from nodedns.testing.processes import Process, nodedns_program, poll
from nodedns.testing.programs import require_program

ONE, TWO, THREE = "172.20.20.10", "172.20.20.11", "172.20.20.12"
FOUND_S = 90.0  # half a minute after the check at the join, a few probes, and the check's six seconds
TO_TWO = f"UDP from agent-one to agent-two ({TWO}:8301) does not arrive, while UDP the other way does: "
FROM_TWO = f"UDP from agent-two to agent-one ({ONE}:8301) does not arrive, while UDP the other way does: "
NEITHER = (
    f"UDP from agent-two to agent-one ({ONE}:8301) does not arrive, while TCP between the two does, and nothing "
    f"shows that UDP from agent-one to agent-two ({TWO}:8301) does: "
)
CASES = [
    pytest.param(((ONE, TWO),), TO_TWO + "allow UDP port 8301 to agent-two", id="to"),
    pytest.param(((TWO, ONE),), FROM_TWO + "allow UDP port 8301 to agent-one", id="from"),
    pytest.param(((ONE, TWO), (TWO, ONE)), NEITHER + "allow UDP port 8301 in both directions", id="neither"),
]


class Machines:
    """Agent-one here, agent-two and agent-three there."""

    def __init__(self, hosts: Sequence[Host], nft: Path) -> None:
        self.here, self.there = hosts
        self.there.check("ip", "address", "add", f"{THREE}/24", "dev", "eth0")
        self._nft = nft
        self._running: list[Process] = []
        for host in hosts:
            host.check(nft, "add table inet test; add chain inet test in { type filter hook input priority 0; }")

    def block(self, source: str, destination: str) -> None:
        """Drop UDP from one address to another where it arrives."""
        host = self.here if destination == ONE else self.there
        host.check(self._nft, f"add rule inet test in ip saddr {source} ip daddr {destination} udp dport 8301 drop")

    def unblock(self) -> None:
        for host in (self.here, self.there):
            host.check(self._nft, "flush chain inet test in")

    def start_nodedns(self, host: Host, name: str, address: str) -> Process:
        flags = (f"-node={name}", f"-bind={address}", f"-client={address}", f"-data-dir=/tmp/consul/{name}")
        agent = host.start(nodedns_program(), "agent", *flags)
        self._running.append(agent)
        agent.wait_line("nodedns agent running!")
        return agent

    def start_serf(self, serf: Path, name: str, address: str) -> None:
        agent = self.there.start(
            serf, "agent", f"-node={name}", f"-bind={address}:8301", f"-rpc-addr={address}:7373", "-log-level=debug"
        )
        self._running.append(agent)
        agent.wait_line("agent: Serf agent starting")
        poll(lambda: self.there.run(serf, "members", f"-rpc-addr={address}:7373").code == 0, f"{name} answers")

    def join(self, host: Host, address: str) -> None:
        host.check(nodedns_program(), "join", f"-http-addr={address}:8500", TWO)

    def why(self) -> str:
        return self.here.nodedns("why", f"-http-addr={ONE}:8500", "agent-two").out

    def close(self) -> None:
        for process in self._running:
            process.kill()


@pytest.fixture
def machines(ip_program: Path) -> Iterator[Machines]:
    nft = require_program("nft", package="nftables")
    with host_pair((ONE, TWO)) as hosts, ExitStack() as undo:
        made = Machines(hosts, nft)
        undo.callback(made.close)
        yield made


@pytest.fixture(params=["nodedns", "serf"])
def agent_one(request: pytest.FixtureRequest, machines: Machines) -> Process:
    """Agent-one, still alone; the others have joined."""
    if request.param == "serf":
        serf = require_program("serf", package="serf")
        machines.start_serf(serf, "agent-two", TWO)
    else:
        machines.start_nodedns(machines.there, "agent-two", TWO)
    machines.start_nodedns(machines.there, "agent-three", THREE)
    machines.join(machines.there, THREE)
    return machines.start_nodedns(machines.here, "agent-one", ONE)


@pytest.mark.parametrize(("blocked", "finding"), CASES)
def test_agent_that_joins_over_tcp_only_is_told_which_way_udp_is_blocked(
    machines: Machines, agent_one: Process, blocked: tuple[tuple[str, str], ...], finding: str
) -> None:
    for source, destination in blocked:
        machines.block(source, destination)

    machines.join(machines.here, ONE)

    agent_one.wait_line(re.escape(finding), deadline_s=FOUND_S)
    why = poll(lambda: finding in (told := machines.why()) and told, "the story has it")
    assert f"hint: {finding}" in str(why)


@pytest.mark.parametrize("agent_one", ["nodedns"], indirect=True)
def test_udp_blocked_later_is_told_and_so_is_its_end(machines: Machines, agent_one: Process) -> None:
    machines.join(machines.here, ONE)
    agent_one.wait_line("EventMemberJoin: name=agent-three")
    machines.block(ONE, TWO)

    agent_one.wait_line(re.escape(TO_TWO), deadline_s=FOUND_S)
    machines.unblock()

    again = "in both directions"
    why = poll(lambda: again in (told := machines.why()) and told, "open again", deadline_s=FOUND_S)
    assert "hint:" not in str(why)

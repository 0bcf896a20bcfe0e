"""``FirstCluster``: the two machines of the first-cluster tutorial, and the commands typed on them.

The flags are those of Consul's own tutorial, to the letter. ``FAST_GOSSIP`` is
for tests that wait for a failure and do not measure it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from nodedns.testing.dig import DigAnswer
from nodedns.testing.hosts import Host, host_pair
from nodedns.testing.loopback import HTTP_PORT, MEMBERS, members_of
from nodedns.testing.processes import Process, nodedns_program, poll

__all__ = ["FAST_GOSSIP", "FLAGS", "ONE", "RUNNING", "TWO", "FirstCluster", "first_cluster"]

ONE = "172.20.20.10"
TWO = "172.20.20.11"
COMMON = ("-enable-script-checks=true", "-config-dir=/etc/consul.d")
FLAGS = {
    ONE: ("-server", "-bootstrap-expect=1", "-data-dir=/tmp/consul", "-node=agent-one", f"-bind={ONE}", *COMMON),
    TWO: ("-data-dir=/tmp/consul", "-node=agent-two", f"-bind={TWO}", *COMMON),
}
RUNNING = "nodedns agent running!"
FAST_GOSSIP = """
gossip_lan {
  gossip_interval = "50ms"
  probe_interval = "200ms"
  probe_timeout = "100ms"
  suspicion_mult = 3
}
"""


class FirstCluster:
    """Two hosts, with an agent on each or on none.

    Args:
        hosts: On which the tutorial is typed.
    """

    def __init__(self, hosts: tuple[Host, Host]) -> None:
        self.hosts = {ONE: hosts[0], TWO: hosts[1]}
        self._agents: dict[str, Process] = {}
        self._started: list[Process] = []
        for host in hosts:
            host.check("mkdir", "/etc/consul.d")

    def configure(self, text: str, *addresses: str, name: str = "extra.hcl") -> None:
        """Put a file into the configuration directory of these hosts, of both if none is named."""
        for address in addresses or (ONE, TWO):
            self.hosts[address].path(f"/etc/consul.d/{name}").write_text(text, encoding="utf-8")

    def start(self, address: str, *more: str) -> Process:
        """Start the tutorial's agent of a host, with flags beyond the tutorial's; return it once it runs."""
        agent = self._begin(address, *more)
        agent.wait_line(RUNNING)
        return agent

    def start_both(self) -> None:
        """Start both and join them."""
        one, two = self._begin(ONE), self._begin(TWO)
        for agent in (one, two):
            agent.wait_line(RUNNING)
        self.hosts[ONE].check(nodedns_program(), "join", TWO)
        one.wait_line("EventMemberJoin: name=agent-two")
        two.wait_line("EventMemberJoin: name=agent-one")

    def _begin(self, address: str, *more: str) -> Process:
        agent = self.hosts[address].start(nodedns_program(), "agent", *FLAGS[address], *more)
        self._agents[address] = agent
        self._started.append(agent)
        return agent

    def agent(self, address: str) -> Process:
        """Return the agent last started on a host."""
        return self._agents[address]

    def members(self, address: str) -> list[list[str]]:
        """Return the cells of the table that ``nodedns members`` prints on a host."""
        printed = self.hosts[address].nodedns("members").out
        return [line.split() for line in printed.splitlines()]

    def statuses(self, address: str) -> dict[str, str]:
        """Return the members by name, with their status, as a host sees them; none where no agent answers."""
        return members_of(self.hosts[address].run("curl", "-s", f"http://127.0.0.1:{HTTP_PORT}{MEMBERS}").out)

    def wait_statuses(self, address: str, wanted: dict[str, str]) -> None:
        """Wait until a host sees the members so."""
        seen: dict[str, str] = {}

        def is_so() -> bool:
            seen.clear()
            seen.update(self.statuses(address))
            return seen == wanted

        try:
            poll(is_so, f"members {wanted} on {address}")
        except AssertionError as late:
            log = self._agents[address].output
            raise AssertionError(f"{late}; saw {seen}; log of {address}:\n{log}") from None

    def wait_remembered(self, address: str, name: str) -> None:
        """Wait until a host's snapshot tells of a member; lines may wait half a second before they are written."""
        snapshot = self.hosts[address].path("/tmp/consul/serf/local.snapshot")  # noqa: S108 - the tutorial's
        poll(
            lambda: snapshot.is_file() and f"alive: {name} " in snapshot.read_text(), f"{name} in {address}'s snapshot"
        )

    def dig(self, address: str, *arguments: str) -> DigAnswer:
        """Ask the agent on a host, from that host."""
        printed = self.hosts[address].run("dig", "@127.0.0.1", "-p", "8600", *arguments)
        return DigAnswer.of_text(printed.out)

    def kill_agents(self) -> None:
        """End whatever runs."""
        for agent in self._started:
            agent.kill()


@contextmanager
def first_cluster() -> Iterator[FirstCluster]:
    """Yield the two machines, nothing running; whatever the test starts there ends with it."""
    with host_pair((ONE, TWO)) as (one, two), ExitStack() as undo:
        cluster = FirstCluster((one, two))
        undo.callback(cluster.kill_agents)
        yield cluster

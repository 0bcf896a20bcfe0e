"""``run_demo``: two agents on loopback addresses in one process, joined, for newcomers.

They are ordinary agents, wired as ``nodedns agent`` wires them, but for the data
directory: nothing is kept. If the first two addresses are taken, by a running
agent perhaps, the next two are tried. (dig is in Debian's package bind9-dnsutils.) Ctrl-C ends both.
"""

from __future__ import annotations

import shutil
import signal
import sys
from contextlib import ExitStack

import attrs
import trio

from nodedns.agent.agent import EXIT_FAILED, EXIT_OK, Agent
from nodedns.agent.run import prepare_agent
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import AgentError, BindError
from nodedns.gossip.params import LOCAL
from nodedns.observe.logs import configure

__all__ = ["demo_configs", "run_demo"]

ADDRESS_PAIRS = (("127.0.0.1", "127.0.0.2"), ("127.0.0.3", "127.0.0.4"), ("127.0.0.5", "127.0.0.6"))
"""Tried in order; on Linux the whole of 127.0.0.0/8 is this machine."""


def demo_configs(first: str, second: str) -> tuple[AgentConfig, AgentConfig]:
    """Return the configurations of agent-one, a server on ``first``, and agent-two, a client on ``second``."""
    one, two = (
        load(ConfigSources(dev=True, flags={"node": name, "bind": host, "client": host}))
        for name, host in (("agent-one", first), ("agent-two", second))
    )
    one = attrs.evolve(one, gossip=LOCAL, node_meta={"rack": "a1", "os": "debian"})
    two = attrs.evolve(two, gossip=LOCAL, server=False, retry_join=(first,), node_meta={"rack": "b2"})
    return one, two


def run_demo() -> int:
    """Run both agents until interrupted; return the exit code. Prints what to try."""
    configure("warn", as_json=False, stream=sys.stdout)
    try:
        return trio.run(_demo)
    except AgentError as problem:
        sys.stderr.write(f"==> {problem}\n")
        return EXIT_FAILED


async def _demo() -> int:
    for attempt, (first, second) in enumerate(ADDRESS_PAIRS, start=1):
        one, two = demo_configs(first, second)
        try:
            with ExitStack() as stack:
                agents = [stack.enter_context(prepare_agent(config))[0] for config in (one, two)]
                await _run_both(agents, one, two)
            break
        except BindError:
            if attempt == len(ADDRESS_PAIRS):
                raise
    return EXIT_OK


async def _run_both(agents: list[Agent], one: AgentConfig, two: AgentConfig) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            for agent in agents:
                await nursery.start(agent.run)
            await agents[0].table.wait_member(two.node_name)
            sys.stdout.write(_welcome(one, two))
            sys.stdout.flush()
            async for _ in signals:
                break
            sys.stdout.write("\nBoth agents are stopping.\n")
            for agent in agents:
                agent.stop(EXIT_OK)


def _welcome(one: AgentConfig, two: AgentConfig) -> str:
    host, other, port = one.dns_addrs[0], two.dns_addrs[0], one.dns_port
    api = "" if host == "127.0.0.1" else f" -http-addr={host}:{one.http_port}"
    # What is printed must work as it is, also from a virtual environment that is not active.
    command = "nodedns" if shutil.which("nodedns") else sys.argv[0]
    return f"""\
Two agents have found each other by gossip:

    {one.node_name} (server, {host})  <-- gossip, port {one.serf_lan_port} -->  {two.node_name} (client, {other})
        DNS  {host}:{port}                                    DNS  {other}:{port}
        HTTP {host}:{one.http_port}                                    HTTP {other}:{two.http_port}

Each answers for the other. In another terminal, try:

    {command} members{api}
    dig @{host} -p {port} {two.node_name}.node.{one.domain}
    dig @{other} -p {port} {one.node_name}.node.{one.datacenter}.{one.domain}
    dig @{host} -p {port} {two.node_name}.node.{one.domain} TXT
    curl http://{host}:{one.http_port}/v1/catalog/nodes

(dig is in Debian's package bind9-dnsutils.) Ctrl-C ends both.
"""

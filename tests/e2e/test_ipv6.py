"""A pool that has nothing but IPv6: two hosts, a nodedns agent on each and Debian's serf beside one, encrypted."""

from __future__ import annotations

from pathlib import Path

from nodedns.testing.hosts import host_pair
from nodedns.testing.mixed_pool import ask_until
from nodedns.testing.processes import nodedns_program, poll

ONE, TWO = "fd00:20::10", "fd00:20::11"
IPV4 = ("172.20.20.10", "172.20.20.11")
KEY = "cg8StVXbQJ0gPvMd9o7yrg=="
RUNNING = "nodedns agent running!"


def test_pool_of_ipv6_alone_answers_for_nodedns_and_serf(
    ip_program: Path, dig_program: Path, serf_program: Path
) -> None:
    with host_pair(IPV4) as (one, two):
        for host, address in ((one, ONE), (two, TWO)):
            host.check(ip_program, "address", "flush", "dev", "eth0")
            host.check(ip_program, "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        common = (nodedns_program(), "agent", "-data-dir=/tmp/consul", f"-encrypt={KEY}")
        agents = [one.start(*common, "-node=agent-one", "-server", "-bootstrap", f"-bind={ONE}")]
        try:
            agents[0].wait_line(RUNNING)
            agents.append(two.start(*common, "-node=agent-two", "-bind=::", f"-retry-join=[{ONE}]"))
            joined = f"-join=[{ONE}]:8301"
            agents.append(
                two.start(serf_program, "agent", "-node=by-serf", f"-bind=[{TWO}]:7946", f"-encrypt={KEY}", joined)
            )
            for host in (one, two):
                poll(lambda host=host: 3 == host.nodedns("members").out.count("alive"), "three members")  # type: ignore[misc]
                members = host.nodedns("members").out
                assert f"[{TWO}]:8301" in members
                assert f"[{TWO}]:7946" in members
                for name, address in (("agent-one", ONE), ("agent-two", TWO), ("by-serf", TWO)):
                    asked = ("@127.0.0.1", "-p", "8600", "+short", f"{name}.node.consul", "AAAA")
                    assert f"{address}\n" == host.check(dig_program, *asked)
            assert 0 == ask_until(lambda: one.nodedns("reachability").code, 0)
        finally:
            for agent in agents:
                agent.kill()

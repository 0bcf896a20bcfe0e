"""Time of one ``respond()``, without sockets: a hit, a miss, and a name outside, at 1,000 nodes; and a large service.

Run: ``python bench/dns_respond.py [NODES]``. Prints microseconds a call, best of five runs; of a service with 5,000
instances milliseconds of CPU, the first time and the best of five, each after one instance has changed.
"""

from __future__ import annotations

import struct
import sys
import time
import timeit
from functools import partial
from random import Random

import attrs
from zone import member

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext, respond
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import ServiceRegistered
from nodedns.table.node_table import NodeTable

CALLS = 2_000
RUNS = 5
INSTANCES = 5_000


def query(name: str, rtype: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 4711, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", rtype, 1)


def main() -> None:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    table = NodeTable("dc1", NodeName("node-0"), 1)
    table.apply([member(number) for number in range(nodes)])
    bare = DnsPolicy(enable_additional_node_meta_txt=False)
    rng = Random(0)  # noqa: S311 - a seed, not a secret
    context = QueryContext(None, Transport.UDP, table.view, Zones((Zone.of_domain("consul"),)), bare, rng)
    with_meta = attrs.evolve(context, policy=DnsPolicy())
    probes = [
        ("hit, A", query(f"node-{nodes // 2}.node.consul"), context),
        ("hit, A and meta TXT", query(f"node-{nodes // 2}.node.consul"), with_meta),
        ("miss, NXDOMAIN and SOA", query("no-such-node.node.consul"), context),
        ("outside, REFUSED", query("www.example.com"), context),
    ]
    for what, wire, ctx in probes:
        best = min(timeit.repeat(partial(respond, wire, ctx), number=CALLS, repeat=RUNS))
        print(f"{what:<24} {best / CALLS * 1e6:8.1f} us  ({nodes} nodes)")


def instance(number: int, tags: tuple[str, ...] = ("v1",)) -> ServiceRegistered:
    return ServiceRegistered(NodeName(f"node-{number}"), Service("web", "web", port=8080, tags=tags))


def large() -> None:
    """Print what a service with an instance on each of many nodes takes, after one of them has changed."""
    table = NodeTable("dc1", NodeName("node-0"), 1)
    table.apply([member(number) for number in range(INSTANCES)])
    table.apply([instance(number) for number in range(INSTANCES)])
    rng = Random(0)  # noqa: S311 - a seed, not a secret
    zones = Zones((Zone.of_domain("consul"),))
    probes = [("A", "web", 1), ("SRV", "web", 33), ("A of a tag", "v1.web", 1)]
    for what, name, rtype in probes:
        for transport in (Transport.UDP, Transport.TCP):
            times: list[float] = []
            for turn in range(RUNS + 1):
                table.apply([instance(7, ("v1", f"turn-{turn}"))])
                context = QueryContext(None, transport, table.view, zones, DnsPolicy(), rng)
                started = time.thread_time()
                respond(query(f"{name}.service.consul", rtype), context)
                times.append(time.thread_time() - started)
            took = f"first {times[0] * 1e3:6.1f} ms, then {min(times[1:]) * 1e3:6.1f} ms"
            print(f"{what:<10} {transport.name}  {took}  ({INSTANCES} instances)")


if __name__ == "__main__":
    main()
    large()

"""What publishing zones for secondaries takes: the first time, and after changes; its longest step, and memory.

    python bench/zone.py [NODES] [SERVICE_INSTANCES]

No agent and no sockets: a table, and ``Publications`` with the forward zone and the listed reverse zone 10.0.0.0/8.
One instance of ``web``, with a tag and a named port, is on each of the first SERVICE_INSTANCES nodes. A step is what is
done between two turns of others; the longest is what a DNS answer may have to wait for. Times are of the CPU, of one
run each.
"""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import count

from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.publications import Publications
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.reverse_names import cut_reverse_zone
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service
from nodedns.table.changes import Change, ExternalNode, MemberUpserted, NodeRegistered, ServiceRegistered
from nodedns.table.member_facts import tags_for
from nodedns.table.node_table import NodeTable

NODES, INSTANCES = 10_000, 100
CHANGES = 300
FORWARD = Zone.of_domain("consul")
ZONES = Zones((FORWARD,), ReverseZones.of_prefixes(cut_reverse_zone("10.0.0.0/8"), FORWARD.origin))
MIB = 1024 * 1024


def host(number: int) -> str:
    return f"10.{number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


def member(number: int) -> Change:
    tags = tags_for(
        version="0.1.0",
        datacenter="dc1",
        node_id="",
        is_server=number == 0,
        dns_port=8600,
        meta={"rack": str(number % 40)},
    )
    address = Address.from_text(host(number), 8301)
    return MemberUpserted(SerfMember(NodeName(f"node-{number}"), address, tags, MemberStatus.ALIVE, Versions(b"")))


def instance(number: int, name: str = "web", service_id: str = "") -> Change:
    service = Service(
        service_id or name, name, port=8080, tags=("v1",), ports=(NamedPort("http", 80), NamedPort("admin", 81))
    )
    return ServiceRegistered(NodeName(f"node-{number}"), service)


def external(name: str, address: str) -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address, {}, {}))


class Bench:
    """A table and its published zones."""

    def __init__(self) -> None:
        self.table = NodeTable("dc1", NodeName("node-0"), 1)
        self.kept = Publications("node-0", "dc1", 1)
        self._seconds: Iterator[int] = count(1_000)

    def apply(self, changes: Sequence[Change]) -> None:
        before = self.table.view
        if self.table.apply(changes) is not before:
            self.kept.mark(self.table.row_changes, self.table.service_changes)

    def publish(self, what: str, policy: DnsPolicy) -> None:
        """Publish, and print what that took."""
        longest = total = 0.0
        steps = 0
        moved: list[Labels] = []
        gc.collect()
        gc.freeze()
        works = self.kept.publish(ZONES, self.table.view, policy, next(self._seconds))
        while True:
            started = time.thread_time()
            step = next(works, None)
            took = time.thread_time() - started
            total, longest = total + took, max(longest, took)
            if step is None:
                break
            steps += 1
            moved += step
        print(f"{what:<44} {total * 1e3:9.1f} ms in {steps:6} steps, the longest {longest * 1e3:6.2f} ms")


def main() -> None:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else NODES
    instances = int(sys.argv[2]) if len(sys.argv) > 2 else INSTANCES
    bench = Bench()
    bench.apply([member(number) for number in range(nodes)])
    bench.apply([instance(number) for number in range(instances)])
    policy = DnsPolicy()
    bench.publish(f"{nodes} nodes, {instances} instances: the first time", policy)
    bench.apply([external("new", "10.200.0.1")])
    bench.publish("one node more", policy)
    bench.apply([external(f"new-{number}", f"10.201.1.{number % 250}") for number in range(CHANGES)])
    bench.publish(f"{CHANGES} nodes more", policy)
    bench.apply([instance(number, "lone", f"lone-{number}") for number in range(CHANGES)])
    bench.publish(f"{CHANGES} instances of one new service", policy)
    bench.apply([instance(number, f"own-{number}") for number in range(CHANGES)])
    bench.publish(f"{CHANGES} services of one instance", policy)
    bench.apply([instance(instances)])
    bench.publish(f"one instance more beside {instances}", policy)
    for origin in bench.kept.origins:
        zone = bench.kept.zone(origin)
        assert zone is not None  # noqa: S101 - for the type checker; it is one of the origins
        started = time.thread_time()
        records = zone.records()
        took_ms = (time.thread_time() - started) * 1e3
        size = f"{len(records):8} records, {zone.wire_bytes / MIB:6.2f} MiB"
        print(f"{b'.'.join(origin).decode():<20} {size}, listed in {took_ms:.1f} ms")
    tracemalloc.start()
    other = Publications("node-0", "dc1", 1)
    for _ in other.publish(ZONES, bench.table.view, policy, 1):
        pass
    gc.collect()
    print(f"memory of what is published: {tracemalloc.get_traced_memory()[0] / MIB:.1f} MiB")


if __name__ == "__main__":
    main()

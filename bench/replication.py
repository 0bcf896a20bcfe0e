"""What replication costs and how long it takes: replicators alone, in virtual time.

Run ``python -m bench.replication``; a minute or two of one core (``--sizes 50`` is quick). It prints the tables of
``docs/replication.rst``. Bytes are those of messages with the headers of IP, UDP and TCP, without encryption.
"""

from __future__ import annotations

import argparse
import gc
import platform
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from random import Random

from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.replica.params import ReplicaParams
from nodedns.replica.replicator import Replicator
from nodedns.replica.wire import encode_behind
from nodedns.table.changes import ExternalNode, NodeRegistered, ServiceRegistered
from nodedns.testing.replica_pool import Link, ReplicaAgent, ReplicaPool

SIZES = (50, 200)
SERVICES = 5
LOSSES = (0.0, 0.1)
PATIENCE_S = 60.0
WRITES = 20
LOAD_SIZES, LOAD_WRITES, LOAD_RATE = (2, 20), 6_000, 500
LARGE_NODES, LARGE_SERVICES = 5_000, 25_000


def service(agent: ReplicaAgent, number: int) -> ServiceRegistered:
    meta = {"version": "1.2.3", "team": "platform"}
    return ServiceRegistered(
        agent.name, Service(f"web-{number}", "web", tags=("v1", "primary"), port=8000 + number, meta=meta)
    )


def know(pool: ReplicaPool, entries: int) -> bool:
    return all(len(agent.table) == entries for agent in pool.agents)


def pool_figures(size: int, loss: float) -> None:
    begun = time.process_time()
    pool = ReplicaPool(size, f"bench/{size}/{loss}", link=Link(loss=loss))
    pool.start()
    for agent in pool.agents:
        agent.write(*[service(agent, number) for number in range(SERVICES)])
    entries = size * SERVICES
    cold_s = pool.run_until(lambda: know(pool, entries), PATIENCE_S)
    cold = pool.sent_bytes / size
    pool.run(10)
    rest = _bytes_over(pool, 30.0) / 30.0 / size
    latencies, each = [], []
    for number in range(WRITES):
        agent = pool.agents[number * 7 % size]
        before = pool.sent_bytes
        agent.write(service(agent, 100 + number))
        entries += 1
        latencies.append(pool.run_until(lambda wanted=entries: know(pool, wanted), PATIENCE_S, 0.01))  # type: ignore[misc]
        pool.run(3.0)
        each.append((pool.sent_bytes - before) / size - 3.0 * rest)
    print(f"{size:4} agents, {loss:.0%} lost, {SERVICES} services each")
    print(f"  all start at once: all know all after {cold_s:.1f} s; {cold / 1024:,.0f} KiB sent by each")
    print(f"  at rest: {rest:.0f} bytes/s sent by each")
    latencies.sort()
    print(
        f"  one write: known to all after {latencies[len(latencies) // 2]:.2f} s (longest of {WRITES}: "
        f"{latencies[-1]:.2f} s); {sum(each) / len(each):,.0f} bytes sent by each"
    )
    _fresh(pool, size)
    _partition(pool, size, entries)
    print(f"  ({time.process_time() - begun:.0f} s of CPU)", flush=True)


def _bytes_over(pool: ReplicaPool, seconds: float) -> int:
    before = pool.sent_bytes
    pool.run(seconds)
    return pool.sent_bytes - before


def _fresh(pool: ReplicaPool, size: int) -> None:
    agent = pool.agents[-1]
    entries = len(agent.table)
    agent.kill(lost_records=len(agent.disk))
    agent.start()
    before = pool.sent_bytes
    pool.introduce()
    took_s = pool.run_until(lambda: len(agent.table) == entries, PATIENCE_S, 0.01)
    print(f"  a fresh agent: complete after {took_s:.2f} s; {(pool.sent_bytes - before) / 1024:,.0f} KiB sent by all")


def _partition(pool: ReplicaPool, size: int, entries: int) -> None:
    pool.part(pool.agents[: size // 2], pool.agents[size // 2 :])
    for agent in pool.agents:
        agent.write(service(agent, 500))
    pool.run(20.0)
    before = pool.sent_bytes
    pool.heal()
    took_s = pool.run_until(lambda: know(pool, entries + size), PATIENCE_S)
    print(
        f"  halves of a partition with {size} writes: healed after {took_s:.1f} s; "
        f"{(pool.sent_bytes - before) / 1024 / size:,.0f} KiB sent by each"
    )


def load_figures(size: int) -> None:
    pool = ReplicaPool(size, f"bench/load/{size}")
    pool.start()
    pool.run(5.0)
    one = pool.agents[0]
    before = pool.sent_bytes
    for number in range(LOAD_WRITES):
        one.write(service(one, number))
        pool.run(1.0 / LOAD_RATE)
    behind = LOAD_WRITES - min(len(agent.table) for agent in pool.agents)
    took_s = pool.run_until(lambda: know(pool, LOAD_WRITES), PATIENCE_S)
    print(f"{LOAD_WRITES:,} services, {LOAD_RATE} a second, written to one of {size} agents")
    print(f"  the last of the others is {behind} behind at the end, and has all {took_s:.1f} s later")
    rate = (pool.sent_bytes - before) / 1024 / (LOAD_WRITES / LOAD_RATE + took_s) / size
    print(f"  {rate:,.0f} KiB/s sent by each", flush=True)


def large_figures() -> None:
    one = Replicator(ReplicaParams(), bytes(16), Random("one"))  # noqa: S311 - decides whom to talk to
    one.start(0.0, 10**12)
    begun = time.perf_counter()
    for number in range(LARGE_NODES):
        one.write([NodeRegistered(ExternalNode(NodeName(f"node{number}"), "", "10.0.0.1"))], 0.0, 10**12)
        for each in range(LARGE_SERVICES // LARGE_NODES):
            web = Service(f"web-{each}", f"web-{number % 97}", tags=("v1", "primary"), port=80, meta={"version": "1"})
            one.write([ServiceRegistered(NodeName(f"node{number}"), web)], 0.0, 10**12)
    total = LARGE_NODES + LARGE_SERVICES
    print(f"{LARGE_NODES:,} nodes and {LARGE_SERVICES:,} services, registered one by one")
    print(f"  written: {(time.perf_counter() - begun) / total * 1e6:.0f} µs each")
    one.take_changes()
    one.take_records()
    begun = time.perf_counter()
    records = list(one.snapshot_records())
    print(f"  snapshot: {sum(map(len, records)) / 2**20:.1f} MiB in {time.perf_counter() - begun:.2f} s")
    census_figures(one)
    tracemalloc.start()
    other = Replicator(ReplicaParams(), bytes(range(16)), Random("other"))  # noqa: S311
    begun = time.perf_counter()
    for record in records:
        other.restore(record)
    other.start(0.0, 10**12)
    other.take_changes()
    mebibytes = tracemalloc.get_traced_memory()[0] / 2**20
    print(f"  restored in {time.perf_counter() - begun:.2f} s (traced), {mebibytes:.0f} MiB")
    tracemalloc.stop()


def census_figures(teller: Replicator) -> None:
    """Print the longest step of who tells all that it holds, and of who takes it in, in CPU time."""
    taker = Replicator(ReplicaParams(), bytes(range(1, 17)), Random("taker"))  # noqa: S311
    taker.start(0.0, 10**12)
    names = {"teller": NodeName("taker"), "taker": NodeName("teller")}
    sides = {"teller": teller, "taker": taker}
    longest = dict.fromkeys(sides, 0.0)

    def timed(side: str, step: Callable[[], object]) -> None:
        begun = time.thread_time()
        step()
        sides[side].take_changed()
        longest[side] = max(longest[side], time.thread_time() - begun)

    gc.collect()
    gc.freeze()  # a full look at all that the bench itself holds is not their work
    taker.receive(encode_behind(), NodeName("teller"), 0.0, 10**12)
    while not taker.statistics().censuses_taken:
        for side, other in (("taker", "teller"), ("teller", "taker")):
            for message in sides[side].messages_to_send():
                timed(other, partial(sides[other].receive, message.payload, names[other], 0.0, 10**12))
        if taker.next_deadline() == 0.0:
            timed("taker", lambda: taker.handle_timer(0.0, 10**12))
    print(f"  census: longest step of the teller {longest['teller'] * 1e3:.0f} ms", end="")
    print(f", of the taker {longest['taker'] * 1e3:.0f} ms")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    chosen = options.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, {sys.platform}")
    for size in chosen.sizes:
        for loss in LOSSES:
            pool_figures(size, loss)
    for size in LOAD_SIZES:
        load_figures(size)
    large_figures()


if __name__ == "__main__":
    main()

"""DNS of services beside nodes: what a query costs the server, with one, three and thirty instances in its answer.

    python -m bench.dns_services
    python -m bench.dns_services --seconds 3 --rounds 5 --write

One server, the DNS of an agent, on one CPU; dnsperf on the other asks for a hundred
names of each kind, in turn, with EDNS. CPU is the server's own, by ``/proc``; the ratio is to nodes
in the same round, and the median of the rounds is shown, beside it the ratio of the least
figures of both. At the end three thousand answers are counted by their first
address. ``--write`` keeps the table that ``docs/performance.rst`` shows.
"""

from __future__ import annotations

import argparse
import csv
import json
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.dns.load import Sample, flood, need_dnsperf
from bench.dns.machine import machine
from bench.dns.processes import Pinned, need_two_cpus
from bench.dns.servers import NODEDNS, Server
from nodedns.testing.loopback import DNS_PORT, free_hosts

__all__ = ["main"]

NAMES = 100
NODES = "nodes, A"
KEPT = Path(__file__).parent.parent / "docs" / "figures" / "dns-services.csv"
HEAD = ("", "a second", "CPU a query, µs", "CPU / a node's", "of the least")
COUNTED = 3_000
START_S = 30.0


def kinds() -> dict[str, list[str]]:
    """Return what is asked, by the row of the table that it is."""
    return {
        NODES: [f"host-{number:03}.node.consul A" for number in range(NAMES)],
        "nodes, TXT, as long as 30 A": [f"long-{number:03}.node.consul TXT" for number in range(NAMES)],
        "services of 1, A": [f"one-{number:03}.service.consul A" for number in range(NAMES)],
        "services of 3, A": [f"three-{number:03}.service.consul A" for number in range(NAMES)],
        "services of 30, A": [f"thirty-{number:03}.service.consul A" for number in range(NAMES)],
        "services of 1, SRV": [f"one-{number:03}.service.consul SRV" for number in range(NAMES)],
        "services of 3, SRV": [f"three-{number:03}.service.consul SRV" for number in range(NAMES)],
    }


def table() -> dict[str, Any]:
    """Return what the server is to hold."""
    nodes: list[dict[str, Any]] = []
    for number in range(NAMES):
        services = [{"Service": f"one-{number:03}", "Port": 80}]
        services += [{"Service": f"three-{(number + step) % NAMES:03}", "Port": 80} for step in range(3)]
        services += [{"Service": f"thirty-{(number + step) % NAMES:03}", "Port": 80} for step in range(30)]
        nodes.append({"Node": f"host-{number:03}", "Address": f"10.1.0.{number + 1}", "Services": services})
        # Two records of 242 bytes are about as long as thirty of 16.
        texts = dict.fromkeys("ab", "x" * 225)
        nodes.append({"Node": f"long-{number:03}", "Address": f"10.2.0.{number + 1}", "Meta": texts})
    return {"nodes": nodes, "settings": {}}


def first_addresses(host: str, name: str) -> Counter[str]:
    """Ask one name many times; return how often each address came first."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)
    found: Counter[str] = Counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2.0)
        sock.connect((host, DNS_PORT))
        for _ in range(COUNTED):
            sock.send(query)
            reply = sock.recv(4096)
            found[socket.inet_ntoa(reply[len(query) + 12 : len(query) + 16])] += 1
    return found


def rows(samples: dict[str, list[Sample]]) -> list[list[str]]:
    """Return a row for each kind: medians of the rounds, and of the ratios to nodes in them; the ratio of the least."""
    made: list[list[str]] = []
    least_node_us = min(sample.cpu_us for sample in samples[NODES])
    for kind, taken in samples.items():
        ratios = [sample.cpu_us / node.cpu_us for sample, node in zip(taken, samples[NODES], strict=True)]
        qps = statistics.median(sample.qps for sample in taken)
        cpu_us = statistics.median(sample.cpu_us for sample in taken)
        least = min(sample.cpu_us for sample in taken) / least_node_us
        made.append([kind, f"{qps:,.0f}", f"{cpu_us:.2f}", f"{statistics.median(ratios):.2f}", f"{least:.2f}"])
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.dns_services", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of one sample (default 3)")
    parser.add_argument("--rounds", type=int, default=5, help="samples of each kind (default 5)")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {KEPT.name}")
    chosen = parser.parse_args()
    need_two_cpus()
    need_dnsperf()
    with tempfile.TemporaryDirectory(prefix="bench-dns-services-") as directory:
        folder = Path(directory)
        file, output = folder / "table.json", folder / "output"
        file.write_text(json.dumps(table()), encoding="utf-8")
        asked = {kind: folder / f"questions-{number}" for number, kind in enumerate(kinds())}
        for kind, lines in kinds().items():
            asked[kind].write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        host = next(free_hosts(DNS_PORT))
        command = [sys.executable, "-m", "nodedns.testing.service_server", host, str(DNS_PORT), file]
        samples: dict[str, list[Sample]] = {kind: [] for kind in asked}
        with Pinned(command, output) as process:
            server = Server(NODEDNS, host, DNS_PORT, process, folder)
            deadline_s = time.monotonic() + START_S
            while not server.ask("host-000.node.consul") and process.wait_until(deadline_s):
                pass
            for turn in range(chosen.rounds):
                for kind, questions in asked.items():
                    sample = flood(server, questions, chosen.seconds, ("-e",))
                    samples[kind].append(sample)
                    print(f"round {turn + 1}  {kind:<20} {sample.qps:9,.0f} qps {sample.cpu_us:7.2f} us", flush=True)
            firsts = first_addresses(host, "three-050.service.consul")
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    made = rows(samples)
    for row in (HEAD, *made):
        print("{:<30}{:>12}{:>18}{:>16}{:>14}".format(*row))
    print(f"first of {COUNTED} answers: {', '.join(f'{address} {count}' for address, count in sorted(firsts.items()))}")
    if chosen.write:
        with KEPT.open("w", encoding="utf-8", newline="") as kept:
            written = csv.writer(kept, lineterminator="\n")
            written.writerows((HEAD, *made))


if __name__ == "__main__":
    main()

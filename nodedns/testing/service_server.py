"""``ServiceServer``: the DNS servers of an agent over a table that a test writes as a file, in a process of its own.

For clients that are programs, where all that matters is what DNS says: services come
and go by writing the file anew, without gossip, checks or HTTP. The file is JSON:
an object with ``nodes``, each with ``Node``, ``Address``, ``Meta`` and ``Services``, and for
``dns_config`` what the configuration has. ``Status`` of a service is that of a check of it.

``python -m nodedns.testing.service_server ADDRESS FILE``; SIGHUP has it read again, and
each time it has done so it prints ``table`` and how often that was.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import trio

from nodedns.agent.dns_answers import DnsAnswers
from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.agent.query_log import QueryLog
from nodedns.dns.cookies import Cookies
from nodedns.dns.missing_names import MissingNames
from nodedns.dns.policy import DnsPolicy, ServiceTtls
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.net.dns_limits import DnsLimits
from nodedns.net.dns_tcp import TcpDnsServer
from nodedns.net.dns_tcp_limits import DnsTcpLimits, StreamCensus
from nodedns.net.dns_tcp_listener import bind_dns_tcp
from nodedns.net.dns_udp import UdpDnsServer, bind_dns_udp
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import (
    Change,
    CheckRegistered,
    ExternalNode,
    NodeDeregistered,
    NodeRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.table.node_table import NodeTable
from nodedns.testing.dig import DigAnswer
from nodedns.testing.loopback import DNS_PORT, free_hosts
from nodedns.testing.processes import Process, run_program

__all__ = ["ServiceServer", "service_server"]

DATACENTER = "dc1"
FIRST_INDEX = 1_700_000_000
WALL_CLOCK_S = 1_700_000_000.0

Spec = Mapping[str, Any]


class ServiceServer:
    """A running server.

    Args:
        host: Its address.
        file: What it reads.
        process: Its process.
    """

    def __init__(self, host: str, file: Path, process: Process) -> None:
        self.host = host
        self._file = file
        self._process = process
        self._reads = 1

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def show(self, nodes: Sequence[Spec], **settings: object) -> None:
        """Have exactly these nodes be there, and return when they are."""
        _write(self._file, nodes, settings)
        self._reads += 1
        self._process.send(signal.SIGHUP)
        self._process.wait_line(f"^table {self._reads}$")

    def dig(self, *arguments: str) -> DigAnswer:
        """Ask it with ``dig``."""
        return DigAnswer.of_text(run_program(["dig", f"@{self.host}", "-p", str(DNS_PORT), *arguments]).out)


@contextmanager
def service_server(
    folder: Path, nodes: Sequence[Spec], port: int = DNS_PORT, **settings: object
) -> Iterator[ServiceServer]:
    """Run a server of ``nodes``; yield it once it answers."""
    host, file = next(free_hosts(port)), folder / "table.json"
    _write(file, nodes, settings)
    with Process([sys.executable, "-m", "nodedns.testing.service_server", host, str(port), file]) as process:
        process.wait_line("^table 1$")
        yield ServiceServer(host, file, process)


def _write(file: Path, nodes: Sequence[Spec], settings: Mapping[str, object]) -> None:
    file.write_text(json.dumps({"nodes": list(nodes), "settings": dict(settings)}), encoding="utf-8")


def _changes_to(spec: Spec) -> list[Change]:
    changes: list[Change] = []
    for node in spec["nodes"]:
        name = NodeName(node["Node"])
        changes.append(NodeRegistered(ExternalNode(name, "", node["Address"], {}, node.get("Meta", {}))))
        for given in node.get("Services", ()):
            service_id = given.get("ID", given["Service"])
            service = Service(
                service_id,
                given["Service"],
                tuple(given.get("Tags", ())),
                given.get("Address", ""),
                given.get("Port", 0),
                given.get("Meta", {}),
            )
            status = CheckStatus(given.get("Status", "passing"))
            check = Check(f"service:{service_id}", "check", status, service_id=service_id)
            changes += [ServiceRegistered(name, service), CheckRegistered(name, check)]
    return changes


def _ends(before: Spec, after: Spec) -> list[Change]:
    """Return the ends of what is in ``before`` alone."""
    kept = {node["Node"]: _ids(node) for node in after["nodes"]}
    changes: list[Change] = []
    for node in before["nodes"]:
        name = NodeName(node["Node"])
        changes += [ServiceDeregistered(name, gone) for gone in _ids(node) if gone not in kept.get(name, ())]
        if name not in kept:
            changes.append(NodeDeregistered(name))
    return changes


def _ids(node: Spec) -> list[str]:
    return [given.get("ID", given["Service"]) for given in node.get("Services", ())]


async def _serve(host: str, port: int, file: Path) -> None:
    metrics, clock = Metrics(), trio.current_time
    spec = json.loads(file.read_text(encoding="utf-8"))  # noqa: ASYNC240 - nobody else runs yet
    settings = dict(spec["settings"])
    ttls = ServiceTtls(settings.pop("service_ttl", {}))
    policy = DnsPolicy(service_ttl=ttls, **settings)
    table = LiveTable(NodeTable(DATACENTER, NodeName("server"), FIRST_INDEX), metrics)
    table.apply(_changes_to(spec))
    rng = Random(int.from_bytes(os.urandom(8), "big"))  # noqa: S311, TID251 - other orders each time
    ledger = DnsLedger(metrics, MissingNames(rng), QueryLog(clock))
    limits = DnsLimits(policy, bytes(16), metrics, clock)
    zones = Zones(Zone.of_domains(("consul",)))
    cookies = Cookies.with_secrets((bytes(16),), lambda: WALL_CLOCK_S, is_required=False)
    answers = DnsAnswers(table, zones, policy, rng, ledger, limits=limits, clock=clock, cookies=cookies)
    udp = UdpDnsServer(bind_dns_udp(host, port), answers.respond, metrics, answers, limits)
    census = StreamCensus(DnsTcpLimits())
    tcp = TcpDnsServer(bind_dns_tcp(host, port), answers.respond, metrics, census, answers.over_tcp)
    async with trio.open_nursery() as nursery:
        await nursery.start(udp.serve)
        await nursery.start(tcp.serve)
        with trio.open_signal_receiver(signal.SIGHUP) as hangups:
            print("table 1", flush=True)  # noqa: T201 - for whoever started it
            reads = 1
            async for _ in hangups:
                before, spec = spec, json.loads(file.read_text(encoding="utf-8"))  # noqa: ASYNC240
                table.apply([*_ends(before, spec), *_changes_to(spec)])
                reads += 1
                print(f"table {reads}", flush=True)  # noqa: T201 - likewise


if __name__ == "__main__":
    trio.run(_serve, sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))

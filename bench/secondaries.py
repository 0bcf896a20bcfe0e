"""Figures of an agent with secondaries: NSD, Knot, BIND and PowerDNS, set up as ``docs/secondaries.rst`` says.

    python -m bench.secondaries [--runs 5] [--nodes 10000] [--seconds 5] [--json FILE]

- a join: from the request to the name being answered by each of the four
- the transfer of a large zone, read by a client that parses nothing; meanwhile one DNS query after the other,
  each timed, and as many with no transfer under way for comparison
- changes in quick succession over HTTP (nodes, each with a service: two changes a request): NOTIFYs that NSD heard,
  and the time from the last change to each having all
- queries a second of NSD, as a secondary, beside nodedns itself, by dnsperf

All programs share the machine with the clients. Nothing is sent beyond loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import dns.message
import dns.tsigkeyring

from nodedns.testing.fleet import KEY_NAME, SECRET, Fleet, fleet
from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.manual_page import ManualPage
from nodedns.testing.secondaries import Secondary

__all__ = ["main"]

PAGE = Path(__file__).parent.parent / "docs" / "secondaries.rst"
DEADLINE_S = 120.0
POLL_S = 0.002
REQUESTS, CONNECTIONS = 500, 4
PING_S = 0.001
Figures = dict[str, Any]


def seconds_until(condition: Callable[[], bool]) -> float:
    started = time.perf_counter()
    while not condition():
        if time.perf_counter() - started > DEADLINE_S:
            raise SystemExit(f"not within two minutes: {condition}")
        time.sleep(POLL_S)
    return time.perf_counter() - started


def query_wire(name: str, query_id: int = 7) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", query_id, 0, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def answers(place: tuple[str, int], name: str) -> bool:
    """Whether a server has an address for a name now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.connect(place)
        try:
            sock.send(query_wire(name))
            reply = sock.recv(4096)
        except OSError:
            return False
    return reply[3] & 0x0F == 0 and reply[6:8] != b"\0\0"


def seconds_to_all(secondaries: Sequence[Secondary], name: str) -> dict[str, float]:
    """Return after how many seconds each answers for a name."""
    with ThreadPoolExecutor(len(secondaries)) as pool:
        waits = [pool.submit(seconds_until, partial(answers, each.place, name)) for each in secondaries]
        return {each.kind: wait.result() for each, wait in zip(secondaries, waits, strict=True)}


# --- a join --------------------------------------------------------------------------------------


def join_seconds(running: Fleet, number: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        joining = LoneAgent(f"late{number}", next(free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT)), Path(folder))
        try:
            joining.start()
            started = time.perf_counter()
            status, text = running.agent.http("PUT", f"/v1/agent/join/{joining.host}")
            if status != 200:
                raise SystemExit(f"join: {status} {text}")
            asked = time.perf_counter() - started
            found = seconds_to_all(running.secondaries, f"late{number}.node.consul")
            joining.command("leave")
            return {kind: asked + seconds for kind, seconds in found.items()}
        finally:
            joining.close()


# --- a large zone --------------------------------------------------------------------------------


class Client:
    """One HTTP connection."""

    def __init__(self, host: str) -> None:
        self._connection = http.client.HTTPConnection(host, HTTP_PORT, timeout=DEADLINE_S)

    def register(self, name: str, address: str, **more: object) -> None:
        body = json.dumps({"Node": name, "Address": address, **more})
        self._connection.request("PUT", "/v1/catalog/register", body)
        response = self._connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise SystemExit(f"register: {response.status} {text!r}")


def address_of(number: int) -> str:
    return f"10.{number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


def fill(host: str, nodes: int) -> None:
    def some(first: int) -> None:
        client = Client(host)
        for number in range(first, nodes, CONNECTIONS):
            client.register(f"node-{number}", address_of(number), NodeMeta={"rack": str(number % 40)})

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(some, range(CONNECTIONS)))


def transfer(host: str) -> tuple[float, int, int]:
    """Fetch the zone; return the seconds, the bytes and the records."""
    query = dns.message.make_query("consul", "AXFR")
    query.use_tsig(dns.tsigkeyring.from_text({KEY_NAME: SECRET}))
    wire = query.to_wire()
    started = time.perf_counter()
    with socket.create_connection((host, DNS_PORT), DEADLINE_S) as sock, sock.makefile("rb") as stream:
        sock.sendall(struct.pack("!H", len(wire)) + wire)
        size = records = 0
        soa = b""
        while True:
            message = stream.read(int.from_bytes(stream.read(2), "big"))
            size, records = size + len(message), records + int.from_bytes(message[6:8], "big")
            # The first record is the SOA, behind the question; its data again is the end.
            start = len(query_wire("consul"))
            first, soa = not soa, soa or message[start + 12 : start + 60]
            if message.count(soa) > first:
                return time.perf_counter() - started, size, records


PINGER = """
import socket, sys, time
host, port, seconds, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
wire = bytes.fromhex(sys.argv[5])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(10)
sock.connect((host, port))
took, end = [], time.perf_counter() + seconds
print("ready", flush=True)
while time.perf_counter() < end:
    started = time.perf_counter()
    sock.send(wire)
    sock.recv(4096)
    took.append(time.perf_counter() - started)
    time.sleep(pause)
took.sort()
print(took[len(took) // 2] * 1e3, took[int(len(took) * 0.99)] * 1e3, took[-1] * 1e3)
"""


@contextlib.contextmanager
def pinging(host: str, seconds: float) -> Iterator[list[float]]:
    """Ask one query after the other meanwhile; at the end the list has median, 99 % and the longest, in ms."""
    wire = query_wire("one.node.consul").hex()
    argv = [sys.executable, "-c", PINGER, host, str(DNS_PORT), str(seconds), str(PING_S), wire]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        process.stdout.readline()
        found: list[float] = []
        yield found
        found += map(float, process.stdout.readline().split())


def transfers(host: str, seconds: float) -> Figures:
    with pinging(host, seconds) as quiet:
        pass
    took: list[float] = []
    with pinging(host, seconds) as meanwhile:
        end = time.perf_counter() + seconds - 0.5
        while time.perf_counter() < end:
            taken, size, records = transfer(host)
            took.append(taken)
    return {
        "seconds": took, "bytes": size, "records": records,
        "ms_without": quiet, "ms_meanwhile": meanwhile,
    }  # fmt: skip


# --- changes in quick succession ------------------------------------------------------------------


def churn(running: Fleet, turn: int) -> Figures:
    nsd = next(each for each in running.secondaries if each.kind == "nsd")
    heard = len(nsd.process.lines("notify for consul"))

    def some(first: int) -> None:
        client = Client(running.agent.host)
        for number in range(first, REQUESTS, CONNECTIONS):
            service = {"Service": f"s{number % 20}", "Port": 8000}
            client.register(f"c{turn}-{number}", f"10.200.{number // 250}.{number % 250 + 1}", Service=service)

    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(some, range(CONNECTIONS)))
    Client(running.agent.host).register(f"c{turn}-last", "10.200.9.9")
    took = time.perf_counter() - started
    behind = seconds_to_all(running.secondaries, f"c{turn}-last.node.consul")
    return {"seconds": took, "notifies": len(nsd.process.lines("notify for consul")) - heard, "behind": behind}


# --- queries a second -----------------------------------------------------------------------------


def queries_a_second(place: tuple[str, int], nodes: int, seconds: float, folder: Path) -> float:
    questions = folder / "questions"
    questions.write_text("".join(f"node-{number % nodes}.node.consul A\n" for number in range(1_000)))
    argv = [
        "dnsperf",
        "-s",
        place[0],
        "-p",
        str(place[1]),
        "-d",
        questions,
        "-l",
        f"{seconds:g}",
        "-c",
        "8",
        "-q",
        "160",
    ]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Queries per second:\s+([\d.]+)", said)
    if found is None:
        raise SystemExit(f"dnsperf: {said}")
    return float(found[1])


# --- all of it --------------------------------------------------------------------------------------


def show(what: str, values: Sequence[float], unit: str, bar: str = "") -> None:
    spread = f"(of {len(values)}: {min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
    print(f"{what:<60} {statistics.median(values):10.2f} {unit:<4} {spread} {bar and f'wanted {bar}'}", flush=True)


def measure(options: argparse.Namespace, folder: Path) -> Figures:
    figures: Figures = {}
    recipes = ManualPage.at(PAGE).files()
    with fleet(folder / "all", recipes) as running:
        figures["join"] = joins = [join_seconds(running, number) for number in range(options.runs)]
        for kind in joins[0]:
            show(f"a join, until {kind} answers", [join[kind] for join in joins], "s")
        show("a join, until all answer", [max(join.values()) for join in joins], "s", "<= 2")
        figures["churn"] = churns = [churn(running, turn) for turn in range(options.runs)]
        show("1,000 changes took", [each["seconds"] for each in churns], "s")
        show("NOTIFYs of them that NSD heard", [each["notifies"] for each in churns], "", "one a second")
        for kind in churns[0]["behind"]:
            show(f"and then, until {kind} has all", [each["behind"][kind] for each in churns], "s", "<= 3")
    # PowerDNS gets each state of a zone whole, so it would take all the CPU while the zone grows.
    with fleet(folder / "large", recipes, kinds=("nsd",)) as running:
        fill(running.agent.host, options.nodes)
        running.wait_followed()
        figures["transfer"] = found = transfers(running.agent.host, max(options.seconds, 5.0))
        print(f"zone of {options.nodes:,} nodes: {found['records']:,} records, {found['bytes']:,} bytes")
        show("its transfer", found["seconds"], "s", "<= 1.5")
        for when, key in (("with no transfer", "ms_without"), ("while transfers go on", "ms_meanwhile")):
            for what, value in zip(("median", "99 %", "longest"), found[key], strict=True):
                show(f"a DNS answer {when}, {what}", [value], "ms", "<= 20" if what == "longest" else "")
        nsd = next(each for each in running.secondaries if each.kind == "nsd")
        places = {"nodedns": (running.agent.host, DNS_PORT), "nsd as its secondary": nsd.place}
        for name, place in places.items():
            figures[name] = [queries_a_second(place, options.nodes, options.seconds, folder) for _ in range(3)]
            show(f"queries a second, {name}", figures[name], "")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.secondaries", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="of joins, and of changes (default 5)")
    parser.add_argument("--nodes", type=int, default=10_000, help="of the large zone (default 10000)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of transfers, and of dnsperf (default 5)")
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-secondaries-") as directory:
        for name in ("all", "large"):
            (Path(directory) / name).mkdir()
        figures = measure(options, Path(directory))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

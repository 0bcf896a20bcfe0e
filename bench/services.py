"""How long a registration and a failed check take to show in the DNS of another agent.

    python -m bench.services [--rounds 40] [--write]

Two real agents on loopback addresses. Services are registered with the one and
asked of the other, by UDP, one query after the other: the time counts from the
reply of the HTTP API to the query that was first answered otherwise. The failed check is a script
that leaves the time of each run in a file; the time counts from its first run
that failed. ``--write`` puts the figures into ``docs/figures/services.csv``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.processes import DEADLINE_S, poll

FIGURES = Path(__file__).parent.parent / "docs" / "figures" / "services.csv"
REACH_S = 1.0
PAUSE_S = 0.002  # between queries, so that asking does not take the agent's time
HEADER = struct.Struct("!HHHHHH")
RCODE_MASK = 0x0F


def count_answers(asker: socket.socket, name: str) -> int:
    """Return how many records an A query for ``name`` is answered with."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    asker.send(HEADER.pack(1, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\x01\0\x01")
    reply = asker.recv(4096)
    _, flags, _, answers, _, _ = HEADER.unpack_from(reply)
    if flags & RCODE_MASK not in (0, 3):
        raise SystemExit(f"{name}: rcode {flags & RCODE_MASK}")
    return answers


def wait_answers(asker: socket.socket, name: str, wanted: int) -> float:
    """Ask until there are ``wanted`` records; return the time of the reply that had them, in seconds since 1970."""
    ends = time.time() + DEADLINE_S
    while count_answers(asker, name) != wanted:
        time.sleep(PAUSE_S)
        if time.time() > ends:
            raise SystemExit(f"{name}: no {wanted} records within {DEADLINE_S} s")
    return time.time()


def put(client: http.client.HTTPConnection, path: str, body: object = None) -> float:
    """Have the API do something; return when it had answered."""
    client.request("PUT", path, json.dumps(body) if body is not None else None)
    reply = client.getresponse()
    text = reply.read()
    answered_at = time.time()
    if reply.status != 200:
        raise SystemExit(f"{path}: {reply.status} {text!r}")
    return answered_at


def registered(client: http.client.HTTPConnection, asker: socket.socket, number: int) -> float:
    """Return the seconds from a registration's reply to its answer elsewhere."""
    name = f"bench-{number}"
    count_answers(asker, f"{name}.service.consul")  # so that there is an answer to be dropped
    answered_at = put(client, "/v1/agent/service/register", {"Name": name, "Port": 80})
    return max(0.0, wait_answers(asker, f"{name}.service.consul", 1) - answered_at)


def failed(client: http.client.HTTPConnection, asker: socket.socket, folder: Path, number: int) -> float:
    """Return the seconds from a check's first failed run to its service being gone elsewhere."""
    name = f"checked-{number}"
    is_well, runs = folder / f"{name}.well", folder / f"{name}.runs"
    is_well.touch()
    # The time is taken when the script is about to end: its run counts from then on.
    script = f"test -e {is_well}; code=$?; echo $code $(date +%s.%N) >> {runs}; exit $((code * 2))"
    check = {"Args": ["/bin/sh", "-c", script], "Interval": "1s", "Status": "passing"}
    put(client, "/v1/agent/service/register", {"Name": name, "Port": 80, "Check": check})
    wait_answers(asker, f"{name}.service.consul", 1)
    is_well.unlink()
    gone_at = wait_answers(asker, f"{name}.service.consul", 0)
    first = next(line.split() for line in runs.read_text(encoding="ascii").splitlines() if line[0] != "0")
    put(client, f"/v1/agent/service/deregister/{name}")
    return gone_at - float(first[1])


def figures(rounds: int, measure: Callable[[int], float]) -> list[float]:
    """Return ``rounds`` measurements, sorted."""
    return sorted(measure(number) for number in range(rounds))


def report(what: str, seconds: list[float]) -> str:
    """Return one line of the table, in milliseconds."""
    at_most = f"{seconds[-1] * 1000:.0f}"
    print(f"{what:42} median {statistics.median(seconds) * 1000:6.0f} ms, longest {at_most:>5} ms, of {len(seconds)}")
    return f"{what},{statistics.median(seconds) * 1000:.0f},{at_most},{REACH_S * 1000:.0f},{len(seconds)}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    hosts = free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT)
    with tempfile.TemporaryDirectory() as text, ExitStack() as undo:
        folder = Path(text)
        one, two = (LoneAgent(f"agent-{number}", next(hosts), folder / str(number)) for number in (1, 2))
        for agent, more in ((one, ("-enable-script-checks",)), (two, (f"-retry-join={one.host}",))):
            undo.callback(agent.close)
            agent.start(*more)
        poll(lambda: list(two.statuses().values()) == ["alive", "alive"], "both agents alive")
        client = http.client.HTTPConnection(one.host, HTTP_PORT)
        asker = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        asker.settimeout(DEADLINE_S)
        asker.connect((two.host, DNS_PORT))
        lines = [
            report("registered -> answered elsewhere", figures(options.rounds, lambda n: registered(client, asker, n))),
            report(
                "check failed -> gone elsewhere",
                figures(max(3, options.rounds // 4), lambda n: failed(client, asker, folder, n)),
            ),
        ]
    if options.write:
        FIGURES.write_text("\n".join(["what,median ms,longest ms,reach ms,of", *lines, ""]), encoding="ascii")


if __name__ == "__main__":
    main()

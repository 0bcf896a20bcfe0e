"""A process of its own that changes nodes over HTTP at a steady rate, half of them names that are asked for.

    python -m bench.dns.changer HOST PORT RATE SECONDS

In turn: a host gets another address, a node that nobody asks for is registered,
the host gets its first address back, the other node is deregistered. Prints one
JSON object: how many changes were made in how many seconds, and how long the
agent took to answer.
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator

from bench.dns.names import ASKED, ORIGIN, address_of, host_name

__all__ = ["Catalog", "main"]

CONNECTIONS = 16
OTHER_ADDRESS = "10.99.0.1"
TIMEOUT_S = 20.0


class Catalog:
    """One kept connection to an agent's catalog."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)

    def register(self, name: str, address: str) -> None:
        self._put("register", {"Node": name.removesuffix(f".node.{ORIGIN}"), "Address": address})

    def deregister(self, name: str) -> None:
        self._put("deregister", {"Node": name.removesuffix(f".node.{ORIGIN}")})

    def _put(self, action: str, body: dict[str, str]) -> None:
        self._connection.request("PUT", f"/v1/catalog/{action}", json.dumps(body))
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{action} {body}: {answer.status} {text!r}")


def _changes(catalog: Catalog, worker: int) -> Iterator[None]:
    """Make one change at each step."""
    number = worker
    while True:
        host, other = host_name(number % ASKED), f"changing-{worker}"
        yield catalog.register(host, OTHER_ADDRESS)
        yield catalog.register(other, OTHER_ADDRESS)
        yield catalog.register(host, address_of(number % ASKED))
        yield catalog.deregister(other)
        number += CONNECTIONS


def _work(changes: Iterator[None], first_due: float, interval_s: float, until: float, took: list[float]) -> None:
    due = first_due
    while (now := time.monotonic()) < until and due < until:
        if now < due:
            time.sleep(due - now)
        asked = time.monotonic()
        next(changes)
        took.append(time.monotonic() - asked)
        due += interval_s


def main() -> None:
    host, port, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    took: list[float] = []
    begun = time.monotonic()
    workers = [
        threading.Thread(
            target=_work,
            args=(
                _changes(Catalog(host, port), number),
                begun + number / rate,
                CONNECTIONS / rate,
                begun + seconds,
                took,
            ),
        )
        for number in range(CONNECTIONS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    elapsed = time.monotonic() - begun
    print(
        json.dumps(
            {
                "changes": len(took),
                "seconds": elapsed,
                "rate": len(took) / elapsed,
                "median_ms": 1e3 * statistics.median(took),
                "longest_ms": 1e3 * max(took),
            }
        )
    )


if __name__ == "__main__":
    main()

"""``DnsFlood``: a bounded stream of DNS datagrams from one address, and what comes back to that address.

    python -m nodedns.testing.dns_flood TARGET PORT KIND --source IP --seconds S --per-second N

Strategy: a program of its own, since the one that asks must be able to stand on
another host and must not slow the tests down. It sends at an even rate for a
time that it is told, or until SIGTERM, takes what comes back in between, and prints one line
of JSON. For an agent on this machine, or on a host that the tests made.

Kinds: ``names`` asks for names that do not exist, each another one; ``bytes``
sends what is no query at all, of every length; anything else is a name, asked
for again and again.
"""

from __future__ import annotations

import argparse
import json
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from random import Random
from threading import Event

import attrs

from nodedns.dns.name import packed_name
from nodedns.testing.processes import Stopwatch

__all__ = ["MAX_PER_SECOND", "MAX_SECONDS", "Flooded", "datagrams", "flood", "flood_argv"]

MAX_SECONDS = 120.0
MAX_PER_SECOND = 100_000
LINGER_S = 0.5  # for replies to the last datagrams
MAX_REPLY_BYTES = 65_535
MAX_RANDOM_BYTES = 600
TICK_S = 0.002
FLAG_TC = 0x02

_HEADER = struct.Struct("!6H")


@attrs.frozen
class Flooded:
    """What a flood came to.

    Attributes:
        sent: Datagrams.
        sent_bytes: Their content.
        received: Replies.
        received_bytes: Their content.
        truncated: Replies with TC set.
        seconds: How long it was sent.
    """

    sent: int
    sent_bytes: int
    received: int
    received_bytes: int
    truncated: int
    seconds: float

    @classmethod
    def of_text(cls, text: str) -> Flooded:
        """Read what the program printed."""
        return cls(**json.loads(text))


def _query(labels: list[bytes], query_id: int) -> bytes:
    name = packed_name(tuple(labels))
    return _HEADER.pack(query_id, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1"


def datagrams(kind: str, rng: Random) -> Callable[[], bytes]:
    """Return what makes one datagram after the other; ``kind`` as in the module's docstring."""
    if kind == "bytes":
        return lambda: rng.randbytes(rng.randrange(MAX_RANDOM_BYTES))
    if kind == "names":
        return lambda: _query([b"%016x" % rng.getrandbits(64), b"node", b"consul"], rng.getrandbits(16))
    labels = [label.encode() for label in kind.removesuffix(".").split(".")]
    return lambda: _query(labels, rng.getrandbits(16))


def flood_argv(target: str, port: int, kind: str, *, source: str, seconds: float, per_second: int) -> list[str]:
    """Return the command line of a flood; it prints a ``Flooded``."""
    return [
        *(sys.executable, "-m", __name__, target, str(port), kind),
        *("--source", source, "--seconds", str(seconds), "--per-second", str(per_second)),
    ]


def flood(
    sock: socket.socket,
    make: Callable[[], bytes],
    *,
    seconds: float,
    per_second: int,
    is_over: Callable[[], bool] = lambda: False,
) -> Flooded:
    """Send from a connected, non-blocking socket, at most as long and as fast as the limits of this file.

    Args:
        sock: The socket; datagrams that it does not take are left out.
        make: Makes one datagram.
        seconds: How long.
        per_second: How many each second; a machine that is too slow sends fewer.
        is_over: Whether to end sooner.
    """
    seconds, per_second = min(seconds, MAX_SECONDS), min(per_second, MAX_PER_SECOND)
    watch = Stopwatch()
    tried = sent = sent_bytes = 0
    replies: list[tuple[int, bool]] = []
    while (elapsed_s := watch.elapsed_s) < seconds and not is_over():
        while tried < elapsed_s * per_second:
            wire = make()
            tried += 1
            try:
                sock.send(wire)
            except OSError:
                break  # the buffer is full, or the other end said that it is not there
            sent += 1
            sent_bytes += len(wire)
        _take(sock, TICK_S, replies)
    last = watch.elapsed_s
    while watch.elapsed_s < last + LINGER_S:
        _take(sock, LINGER_S / 10, replies)
    return Flooded(
        sent, sent_bytes, len(replies), sum(size for size, _ in replies), sum(is_cut for _, is_cut in replies), last
    )


def _take(sock: socket.socket, wait_s: float, replies: list[tuple[int, bool]]) -> None:
    select.select([sock], [], [], wait_s)
    while True:
        try:
            wire = sock.recv(MAX_REPLY_BYTES)
        except OSError:
            return
        replies.append((len(wire), len(wire) > 2 and bool(wire[2] & FLAG_TC)))


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("port", type=int)
    parser.add_argument("kind")
    parser.add_argument("--source", default="")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--per-second", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ended = Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    family = socket.AF_INET6 if ":" in options.target else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((options.source, 0))
        sock.connect((options.target, options.port))
        make = datagrams(options.kind, Random(options.seed))  # noqa: S311 - a flood that can be repeated
        found = flood(sock, make, seconds=options.seconds, per_second=options.per_second, is_over=ended.is_set)
    sys.stdout.write(json.dumps(attrs.asdict(found)) + "\n")


if __name__ == "__main__":
    _main()

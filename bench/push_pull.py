"""How late an agent answers pings while it joins a pool of thousands, and while a member of it asks for its state.

    python bench/push_pull.py --members 5000

The pool is played by this process (``nodedns.testing.puppets``); the agent is a process of its own, and so
is who pings it every 20 ms and takes the time of each ack. The state comes plain, compressed, and compressed
and encrypted. On a busy machine the first line, of an agent at rest, says how much of the rest is the machine's.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nodedns.gossip.envelope import Envelope
from nodedns.gossip.keyring import Keyring
from nodedns.gossip.messages import Ack, Ping
from nodedns.gossip.wire import decode_packet_untrusted, encode_message
from nodedns.model.address import Address
from nodedns.testing.chance import seeded_entropy, seeded_random
from nodedns.testing.puppets import PuppetPool

AGENT = Address.from_text("127.9.9.9", 28301)
HTTP_PORT = 28500
DNS_PORT = 28600
PUPPET_NETWORK = "127.40"
PUPPET_PORT = 27946
KEY = "bm9kZWRucyBiZW5jaG1rcw=="
PING_EVERY_S = 0.02
LOST_AFTER_S = 3.0
REST_S = 3.0
SETTLE_S = 5.0
START_DEADLINE_S = 30.0
REACH_MS = 200.0
TRY_MS = 50.0


ahead_of_others: list[str] = []  # what commands begin with, for the scheduler


def envelope(key: str) -> Envelope:
    return Envelope(keyring=Keyring([base64.b64decode(key)]) if key else None, entropy=seeded_entropy("bench"))


# --- the process that pings -----------------------------------------------------------------


def probe(seconds: float, key: str) -> None:
    """Ping the agent for so long; print the latencies as JSON: [seconds since the start, milliseconds]."""
    wrapping = envelope(key)
    sent: dict[int, float] = {}
    found: list[tuple[float, float]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.9.9.8", 0))
        host, port = sock.getsockname()
        source = Address.from_text(host, port)
        begun = next_at = time.monotonic()
        number = 0
        while (now := time.monotonic()) < begun + seconds + (LOST_AFTER_S if sent else 0):
            if now >= next_at and now < begun + seconds:
                number += 1
                next_at += PING_EVERY_S
                sent[number] = now
                ping = Ping(number, "", source.packed, source.port, "prober")
                sock.sendto(wrapping.seal_packet(encode_message(ping)), (AGENT.host, AGENT.port))
            ready, _, _ = select.select([sock], [], [], max(0.0, min(next_at - time.monotonic(), PING_EVERY_S)))
            if not ready:
                continue
            packet = wrapping.open_packet_untrusted(sock.recv(65_536))
            for message in decode_packet_untrusted(packet, lambda _problem: None):
                if isinstance(message, Ack) and message.seq_no in sent:
                    at = sent.pop(message.seq_no)
                    found.append((at - begun, 1000 * (time.monotonic() - at)))
    found += [(at - begun, 1000 * LOST_AFTER_S) for at in sent.values()]
    print(json.dumps(found))


@contextmanager
def probing(seconds: float, key: str) -> Iterator[Callable[[], list[float]]]:
    """Ping meanwhile; what is yielded waits for the end and returns the latencies in milliseconds."""
    command = [*ahead_of_others, sys.executable, __file__, "--probe-for", str(seconds), "--key", key]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:

        def result() -> list[float]:
            return [latency for _, latency in json.loads(process.communicate()[0])]

        yield result


# --- the agent and the pool -------------------------------------------------------------------


@contextmanager
def agent(key: str) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryDirectory() as directory:
        command = [
            *ahead_of_others, sys.executable, "-m", "nodedns", "agent", "-node=real",
            f"-bind={AGENT.host}", f"-client={AGENT.host}", f"-serf-lan-port={AGENT.port}",
            f"-dns-port={DNS_PORT}", f"-http-port={HTTP_PORT}", f"-data-dir={directory}",
            *([f"-encrypt={key}"] if key else []),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: ask("GET", "/v1/agent/self") == 200)
            yield process
        finally:
            process.kill()
            process.wait()


def can_encrypt() -> bool:
    shown = subprocess.run([sys.executable, "-m", "nodedns", "agent", "--help"], capture_output=True, check=False)
    return b"-encrypt" in shown.stdout + shown.stderr


def ask(method: str, path: str) -> int:
    connection = http.client.HTTPConnection(AGENT.host, HTTP_PORT, timeout=START_DEADLINE_S)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + START_DEADLINE_S
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("the agent did not get there in time")
        time.sleep(0.02)


@contextmanager
def serving(pool: PuppetPool) -> Iterator[None]:
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            pool.serve(time.monotonic, time.monotonic() + 0.1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


# --- figures ------------------------------------------------------------------------------------


def report(what: str, took_s: float, latencies: list[float]) -> bool:
    latencies.sort()
    worst, middle = latencies[-1], latencies[len(latencies) // 2]
    late = sum(latency > TRY_MS for latency in latencies)
    p99 = latencies[int(0.99 * (len(latencies) - 1))]
    print(
        f"{what:<46} took {took_s:5.2f} s  acks of {len(latencies)} pings: median {middle:5.1f} ms, "
        f"99th {p99:6.1f}, longest {worst:6.1f}, later than {TRY_MS:.0f} ms: {late}",
        flush=True,
    )
    return worst <= REACH_MS


def measure(members: int, how: str, *, compression: bool, key: str) -> bool:
    """Print the figures of one way to wrap; return whether all of them are within reach."""
    rng = seeded_random("bench")
    with (
        PuppetPool(members, PUPPET_NETWORK, PUPPET_PORT, rng, envelope=envelope(key), compression=compression) as pool,
        agent(key),
        serving(pool),
    ):
        if how == "plain":
            with probing(REST_S, key) as latencies:
                report("at rest, alone", REST_S, latencies())
        with probing(SETTLE_S, key) as latencies:
            time.sleep(1.0)
            begun = time.monotonic()
            if ask("PUT", f"/v1/agent/join/{pool.address(0)}") != 200:
                raise SystemExit("the agent could not join")
            took_s = time.monotonic() - begun
            good = report(f"joins {members}, {how}", took_s, latencies())
        with probing(SETTLE_S, key) as latencies:
            time.sleep(1.0)
            begun = time.monotonic()
            pool.push_pull_with(AGENT)
            took_s = time.monotonic() - begun
            return report(f"is asked by one of {members}, {how}", took_s, latencies()) and good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=5000)
    parser.add_argument("--ahead", action="store_true", help="ahead of the machine's other work (as root)")
    parser.add_argument("--probe-for", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--key", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe_for is not None:
        probe(options.probe_for, options.key)
        return
    if options.ahead:
        ahead_of_others.extend(("nice", "-n", "-15"))
    print(f"to be reached: no ack later than {REACH_MS:.0f} ms; tried for: {TRY_MS:.0f} ms")
    results = [
        measure(options.members, "plain", compression=False, key=""),
        measure(options.members, "compressed", compression=True, key=""),
    ]
    if can_encrypt():
        results.append(measure(options.members, "compressed and encrypted", compression=True, key=KEY))
    else:
        print("not measured: compressed and encrypted; this agent has no -encrypt")
    raise SystemExit(0 if all(results) else 1)


if __name__ == "__main__":
    main()

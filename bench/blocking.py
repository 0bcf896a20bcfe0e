"""Blocking queries: what hundreds that wait cost, and how soon they are woken.

    python -m bench.blocking
    python -m bench.blocking --waiters 500 --rounds 50 --changes 2000

One agent on 127.0.0.1 with ports of its own, with one service for each waiter, five on a node. The clients
come from several loopback addresses, because an agent takes 200 connections from each. Prints one line for each figure:

* memory of the agent with the waiters, less its memory with their connections not yet open;
* a change of one service, until its one waiter has the answer, timed from the moment the change is sent;
* one change that all wait for, until the last has its answer;
* CPU of the agent for a change that nobody waits for, without waiters and with them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, Popen

import trio

HOST = "127.0.0.1"
HTTP_PORT = 28520
DNS_PORT = 28620
GOSSIP_PORT = 28321
CONNECTIONS_OF_ONE = 150
REQUESTS_OF_ONE = 500
SERVICES_OF_ONE = 5
START_S = 60.0
SETTLE_S = 1.0
READ_BYTES = 65_536
TICKS = os.sysconf("SC_CLK_TCK")


class Client:
    """One connection to the agent, from the loopback address of its number."""

    def __init__(self, number: int) -> None:
        self._source = f"127.0.0.{2 + number // CONNECTIONS_OF_ONE}"
        self._open: trio.SocketStream | None = None
        self._asked = 0

    async def open(self) -> None:
        self._asked = 0
        self._open = await trio.open_tcp_stream(HOST, HTTP_PORT, local_address=self._source)

    @property
    def _stream(self) -> trio.SocketStream:
        if self._open is None:
            raise SystemExit("a connection is used before it is open")
        return self._open

    async def send(self, method: str, path: str, body: object = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(content)}\r\n\r\n"
        await self._stream.send_all(head.encode() + content)

    async def _read(self) -> bytes:
        data = await self._stream.receive_some(READ_BYTES)
        if not data:
            raise SystemExit("the agent closed a connection")
        return bytes(data)

    async def receive(self) -> tuple[int, int]:
        """Return the status and the index of one answer."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += await self._read()
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        left = int(headers["content-length"]) - len(rest)
        while left > 0:
            left -= len(await self._read())
        return int(lines[0].split()[1]), int(headers.get("x-consul-index", "0"))

    async def ask(self, method: str, path: str, body: object = None) -> int:
        self._asked += 1
        if self._asked > REQUESTS_OF_ONE:
            # The server ends a connection after a thousand.
            await self.aclose()
            await self.open()
        await self.send(method, path, body)
        status, index = await self.receive()
        if status != 200:
            raise SystemExit(f"{method} {path} was answered with {status}")
        return index

    async def aclose(self) -> None:
        await self._stream.aclose()


def registration(service: str, number: int, turn: int) -> dict[str, object]:
    node = f"node-{number // SERVICES_OF_ONE}"
    return {"Node": node, "Address": "10.0.0.7", "Service": {"Service": service, "Port": turn % 65_536}}


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status", flush=True).read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("the agent is gone")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def show(what: str, seconds: Sequence[float]) -> None:
    print(
        f"{what:<58} median {statistics.median(seconds) * 1e3:7.1f} ms   most {max(seconds) * 1e3:7.1f} ms", flush=True
    )


class Bench:
    """The clients of one agent."""

    def __init__(self, pid: int, waiters: int) -> None:
        self._pid = pid
        self._writer = Client(10 * CONNECTIONS_OF_ONE)
        self._clients = [Client(number) for number in range(waiters)]
        self._turn = 0

    async def prepare(self) -> None:
        with trio.fail_after(START_S):
            while True:
                try:
                    await self._writer.open()
                    break
                except OSError:
                    await trio.sleep(0.05)
        for number in range(len(self._clients)):
            await self.change(f"s{number}", number)

    async def change(self, service: str, number: int) -> float:
        """Change a service on the node that has the service of this number, and return when it was sent."""
        self._turn += 1
        sent_at = time.perf_counter()
        await self._writer.ask("PUT", "/v1/catalog/register", registration(service, number, self._turn))
        return sent_at

    async def wait_for(self, number: int, service: str) -> None:
        """Have a client wait for the next change of a service."""
        client = self._clients[number]
        path = f"/v1/health/service/{service}"
        index = await client.ask("GET", path)
        await client.send("GET", f"{path}?index={index}&wait=10m")

    async def all_wait(self, service: str = "") -> None:
        async with trio.open_nursery() as nursery:
            for number in range(len(self._clients)):
                nursery.start_soon(self.wait_for, number, service or f"s{number}")
        await trio.sleep(SETTLE_S)

    async def all_answered(self, service: str) -> list[float]:
        """Change a service that every client waits for; return the seconds after which each had its answer."""
        times: list[float] = []

        async def receive(client: Client) -> None:
            await client.receive()
            times.append(time.perf_counter())

        async with trio.open_nursery() as nursery:
            for client in self._clients:
                nursery.start_soon(receive, client)
            await trio.lowlevel.checkpoint()
            sent_at = await self.change(service, 0)
        return [at - sent_at for at in times]

    async def cost_of_changes(self, changes: int) -> float:
        """Return the CPU seconds of a change that nobody waits for."""
        before = cpu_s(self._pid)
        for _ in range(changes):
            await self.change("nobody", len(self._clients))
        return (cpu_s(self._pid) - before) / changes

    async def run(self, rounds: int, changes: int) -> None:
        await self.prepare()
        await self.cost_of_changes(changes // 10)
        alone_s = await self.cost_of_changes(changes)
        before = resident_bytes(self._pid)
        for client in self._clients:
            await client.open()
        await self.all_wait()
        waiters = len(self._clients)
        grown = (resident_bytes(self._pid) - before) / 2**20
        print(f"{f'memory of {waiters} blocking queries':<58} {grown:14.1f} MiB", flush=True)
        with_waiters_s = await self.cost_of_changes(changes)
        print(f"{'CPU of a change that nobody waits for, no waiters':<58} {alone_s * 1e6:14.0f} us", flush=True)
        print(f"{f'CPU of the same with {waiters} waiters':<58} {with_waiters_s * 1e6:14.0f} us", flush=True)
        woken = []
        for turn in range(rounds):
            number = turn * 7 % waiters
            sent_at = await self.change(f"s{number}", number)
            await self._clients[number].receive()
            woken.append(time.perf_counter() - sent_at)
            await self.wait_for(number, f"s{number}")
        show("change sent until its one waiter has the answer", woken)
        for client in self._clients:
            await client.aclose()
            await client.open()
        last, first = [], []
        for _ in range(max(rounds // 10, 1)):
            await self.all_wait("s0")
            times = await self.all_answered("s0")
            first.append(min(times))
            last.append(max(times))
        show(f"change that all {waiters} wait for, until the first is answered", first)
        show(f"change that all {waiters} wait for, until the last is answered", last)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiters", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--changes", type=int, default=1_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-m", "nodedns", "agent", "-server", "-bootstrap", "-node=bench-agent", f"-bind={HOST}"]
        argv += [f"-client={HOST}", f"-data-dir={folder}", f"-http-port={HTTP_PORT}", f"-dns-port={DNS_PORT}"]
        argv += [f"-serf-lan-port={GOSSIP_PORT}"]
        with Popen(argv, stdout=DEVNULL, stderr=DEVNULL) as agent:
            try:
                trio.run(Bench(agent.pid, args.waiters).run, args.rounds, args.changes)
            finally:
                agent.terminate()


if __name__ == "__main__":
    main()

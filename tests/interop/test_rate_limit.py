"""A flood in a client's name, from its own network: the victim gets little, and the client its answer."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest

from nodedns.testing.dig import DigAnswer
from nodedns.testing.dns_flood import Flooded, flood_argv
from nodedns.testing.hosts import Host, host_pair
from nodedns.testing.loopback import DNS_PORT
from nodedns.testing.processes import Process, nodedns_program, poll

SERVER, CLIENT, VICTIM, ELSEWHERE = "172.20.20.10", "172.20.20.11", "172.20.20.66", "172.20.21.5"
LOOPBACK = "127.0.0.1"
NAME = "one.node.consul"
MISSING = "nobody.node.consul"
RATE = 50
WINDOW_S = 2
PER_SECOND = 1_000
LONGEST_S = 100.0
"""Of a flood that nobody ends."""
FEW_S = 3.0
FEW_PER_SECOND = 150
"""In all of ``FEW_S`` no more than the socket's buffer holds, so that none is lost however long the agent waits."""
TRIES = 30
"""Of a client among limited ones, of which every second one has no answer."""
CONFIG = {"dns_config": {"rate_limit": {"responses_per_second": RATE, "window": f"{WINDOW_S}s"}}}
BY_UDP, BY_TCP = "(UDP)", "(TCP)"


@attrs.frozen
class Wire:
    """An agent on one host; on the other a client, a victim in the client's network, and somebody elsewhere."""

    here: Host
    there: Host
    agent: Process

    def dig(self, *arguments: str, source: str = CLIENT) -> DigAnswer:
        asked = ("dig", "-b", source, f"@{SERVER}", "-p", str(DNS_PORT), f"+tries={TRIES}", "+timeout=1", "+nocookie")
        return DigAnswer.of_text(self.there.run(*asked, *arguments).out)

    def flood(self, kind: str) -> Flooding:
        argv = flood_argv(SERVER, DNS_PORT, kind, source=VICTIM, seconds=LONGEST_S, per_second=PER_SECOND)
        return Flooding(self.there.start(*argv))

    def limited(self) -> dict[str, int]:
        lines = self.here.nodedns("info").out.splitlines()
        found = [line.strip().partition(" = ") for line in lines if "dns_limited" in line]
        return {name: int(count) for name, _, count in found}

    def wait_limited(self, count: int = 1) -> None:
        wanted = sum(self.limited().values()) + count
        poll(lambda: sum(self.limited().values()) >= wanted, f"{count} responses are limited")


@attrs.frozen
class Flooding:
    """A flood under way."""

    process: Process

    def end(self) -> Flooded:
        with self.process:
            self.process.send(signal.SIGTERM)
            assert 0 == self.process.wait_exit()
            return Flooded.of_text(self.process.output)


@pytest.fixture
def wire(ip_program: Path, dig_program: Path) -> Iterator[Wire]:
    with ExitStack() as undo:
        here, there = undo.enter_context(host_pair([SERVER, CLIENT]))
        there.check("ip", "address", "add", f"{VICTIM}/24", "dev", "eth0")
        there.check("ip", "address", "add", f"{ELSEWHERE}/24", "dev", "eth0")
        here.check("ip", "route", "add", "172.20.21.0/24", "dev", "eth0")
        here.check("mkdir", "/etc/consul.d")
        here.path("/etc/consul.d/limit.json").write_text(json.dumps(CONFIG), encoding="utf-8")
        flags = ("-server", "-bootstrap", "-data-dir=/tmp/consul", "-config-dir=/etc/consul.d", "-node=one")
        listen = (f"-bind={SERVER}", f"-client={SERVER} {LOOPBACK}", f"-node-meta=about:{'x' * 60}")
        agent = undo.enter_context(here.start(nodedns_program(), "agent", *flags, *listen))
        agent.wait_line("nodedns agent running!")
        yield Wire(here, there, agent)


def transport_of(answer: DigAnswer) -> str:
    return next(word for line in answer.text.splitlines() if line.startswith(";; SERVER") for word in line.split()[-1:])


@pytest.mark.parametrize(("kind", "status"), [(NAME, "NOERROR"), ("names", "NXDOMAIN")])
def test_victim_gets_little_and_the_client_beside_it_its_answer(wire: Wire, kind: str, status: str) -> None:
    asked = NAME if kind == NAME else MISSING
    assert (status, BY_UDP) == (wire.dig(asked).status, transport_of(wire.dig(asked)))
    flooding = wire.flood(kind)
    wire.wait_limited()

    beside, elsewhere = wire.dig(asked), wire.dig(asked, source=ELSEWHERE)
    wire.wait_limited(20 * RATE)  # so that the first second's worth is but a part of it
    flooded = flooding.end()

    assert (status, BY_TCP) == (beside.status, transport_of(beside))
    assert ([SERVER] if kind == NAME else []) == beside.data
    assert (status, BY_UDP) == (elsewhere.status, transport_of(elsewhere))
    assert flooded.sent > 4 * RATE * flooded.seconds
    # A second's worth at first; from then on every second response, and no longer than its query.
    whole = flooded.received - flooded.truncated
    assert whole <= RATE * (flooded.seconds + 1)
    assert flooded.truncated <= flooded.sent / 2 + 1
    assert flooded.received_bytes < 0.75 * flooded.sent_bytes
    assert [] != wire.agent.lines(f"responses limited: from={VICTIM}")


def test_other_answers_for_the_same_network_are_not_limited(wire: Wire) -> None:
    flooding = wire.flood("names")
    wire.wait_limited()
    answer = wire.dig(NAME)
    flooding.end()
    assert ([SERVER], BY_UDP) == (answer.data, transport_of(answer))


def test_flood_is_forgotten_after_its_window(wire: Wire) -> None:
    flooding = wire.flood(NAME)
    wire.wait_limited()
    flooding.end()
    poll(lambda: transport_of(wire.dig(NAME)) == BY_UDP, "UDP is enough again")


def test_clients_on_the_same_machine_are_never_limited(wire: Wire) -> None:
    argv = flood_argv(LOOPBACK, DNS_PORT, NAME, source=LOOPBACK, seconds=FEW_S, per_second=FEW_PER_SECOND)
    flooded = Flooded.of_text(wire.here.check(*argv))
    assert flooded.sent > 2 * RATE * flooded.seconds
    assert {"dns_limited_drop": 0, "dns_limited_slip": 0} == wire.limited()
    assert 0 == flooded.truncated
    assert flooded.received == flooded.sent


def test_additional_records_are_left_out_without_a_word_and_more_with_tc(wire: Wire) -> None:
    short = wire.dig("+noedns", "+ignore", NAME)
    assert ([SERVER], []) == (short.data, list(short.additional))
    assert "tc" not in short.flags
    cut = wire.dig("+noedns", "+ignore", "consul", "SOA")
    assert ([], True) == (list(cut.answer), "tc" in cut.flags)
    whole = wire.dig("+noedns", "consul", "SOA")
    assert (["SOA"], BY_TCP) == ([record.kind for record in whole.answer], transport_of(whole))

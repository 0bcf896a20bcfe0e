"""SRV look-ups against a name server of our own, over UDP."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import trio

from nodedns.errors import JoinError
from nodedns.net.srv_lookup import MAX_TARGETS, SrvTarget, look_up_srv, order_targets
from nodedns.testing.name_server import name_server
from nodedns.testing.processes import DEADLINE_S

NAME = "_gossip._tcp.pool.example"

Server = tuple[str, int]


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    file = tmp_path / "zone"
    file.write_text("", encoding="ascii")
    return file


@pytest.fixture
def server(zone: Path) -> Iterator[Server]:
    with name_server(zone) as address:
        yield address


def look_up(server: Server, name: str = NAME, timeout_s: float = DEADLINE_S) -> list[SrvTarget]:
    async def main() -> list[SrvTarget]:
        return await look_up_srv(name, timeout_s, Random(1), server=server)

    return trio.run(main)


def refusal(server: Server, name: str = NAME, timeout_s: float = DEADLINE_S) -> str:
    with pytest.raises(JoinError) as caught:
        look_up(server, name, timeout_s)
    (attempt,) = caught.value.attempts
    assert name == attempt[0]
    return attempt[1]


def test_targets_come_by_priority_with_their_ports(zone: Path, server: Server) -> None:
    zone.write_text("_gossip._tcp 60 SRV 20 0 8302 b.pool.example.\n_gossip._tcp 60 SRV 10 5 8301 a\n", "ascii")
    assert [
        SrvTarget(10, 5, "a.pool.example", 8301),
        SrvTarget(20, 0, "b.pool.example", 8302),
    ] == look_up(server)


def test_each_look_up_asks_anew(zone: Path, server: Server) -> None:
    zone.write_text("_gossip._tcp 3600 SRV 1 1 1 a\n", "ascii")
    assert ["a.pool.example"] == [target.host for target in look_up(server)]
    zone.write_text("_gossip._tcp 3600 SRV 1 1 1 b\n", "ascii")
    assert ["b.pool.example"] == [target.host for target in look_up(server)]


def test_target_that_is_the_root_means_that_there_is_no_such_service(zone: Path, server: Server) -> None:
    zone.write_text("_gossip._tcp 60 SRV 0 0 0 .\n", "ascii")
    assert "its SRV record says that the service is not available there" == refusal(server)


def test_root_target_beside_others_is_passed_over(zone: Path, server: Server) -> None:
    zone.write_text("_gossip._tcp 60 SRV 0 0 0 .\n_gossip._tcp 60 SRV 1 0 1 a\n", "ascii")
    assert ["a.pool.example"] == [target.host for target in look_up(server)]


@pytest.mark.parametrize(
    ("text", "reason"), [("", "there is no such name"), ("_gossip._tcp 60 TXT x\n", "the name has no SRV records")]
)
def test_name_without_records_says_so(zone: Path, server: Server, text: str, reason: str) -> None:
    zone.write_text(text, "ascii")
    assert f"looking up SRV records of '{NAME}' failed: '{reason}'" == refusal(server)


def test_silent_server_is_given_up_in_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert f"looking up '{NAME}' took longer than 0.2s" == refusal(silent.getsockname(), timeout_s=0.2)


@pytest.mark.parametrize("name", ["_a._b." + "x" * 70, "_a._b..c", "_a._b." + "x." * 200])
def test_name_that_no_zone_can_have_is_an_error_with_a_reason(server: Server, name: str) -> None:
    assert refusal(server, name).startswith("looking up SRV records of ")


def test_number_of_targets_is_bounded(zone: Path, server: Server) -> None:
    zone.write_text("".join(f"_gossip._tcp 60 SRV 1 1 {port} a\n" for port in range(1, 101)), "ascii")
    assert MAX_TARGETS == len({target.port for target in look_up(server)})


def target(priority: int, weight: int, host: str) -> SrvTarget:
    return SrvTarget(priority, weight, host, 1)


def test_order_is_by_priority_whatever_the_weights() -> None:
    targets = [target(2, 100, "c"), target(1, 0, "a"), target(3, 9, "d"), target(1, 9, "b")]
    for seed in range(50):
        hosts = [found.host for found in order_targets(targets, Random(seed))]
        assert {"a", "b"} == set(hosts[:2])
        assert ["c", "d"] == hosts[2:]


def test_heavier_targets_come_first_more_often_in_their_proportion() -> None:
    targets = [target(1, 3, "heavy"), target(1, 1, "light")]
    rng = Random(7)
    first = [order_targets(targets, rng)[0].host for _ in range(4000)]
    # Both the sum and zero can be drawn, so it is not quite three to one.
    assert 0.55 < first.count("heavy") / len(first) < 0.85


def test_weightless_targets_keep_a_small_chance() -> None:
    targets = [target(1, 99, "heavy"), target(1, 0, "none")]
    rng = Random(7)
    first = [order_targets(targets, rng)[0].host for _ in range(4000)]
    assert 0 < first.count("none") < 200


def test_library_is_not_loaded_before_it_is_needed() -> None:
    code = "import nodedns.agent.run, sys; sys.exit('dns' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode

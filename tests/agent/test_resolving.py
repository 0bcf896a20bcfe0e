"""What a user types as an address to join."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
import trio

from nodedns.agent.resolving import RESOLVE_TIMEOUT_S, Resolved, Resolver, parse_join_address
from nodedns.errors import JoinError
from nodedns.model.address import Address
from nodedns.net.srv_lookup import SrvTarget

SERVICE = "_gossip._tcp.pool.example"


def address(host: str, port: int) -> Address:
    return Address.from_text(host, port)


class Zone:
    """Stands for the DNS: each look-up gives the next of some answers, the last one again and again."""

    def __init__(self, *answers: list[SrvTarget] | str) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def look_up(self, name: str, timeout_s: float, rng: Random) -> list[SrvTarget]:
        del rng
        assert timeout_s == RESOLVE_TIMEOUT_S
        self.asked.append(name)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, str):
            raise JoinError([(name, answer)])
        return answer


def resolve(texts: Sequence[str], zone: Zone | None = None) -> Resolved:
    async def main() -> Resolved:
        resolver = Resolver(8301, Random(1), (zone or Zone("not to be asked")).look_up)
        return await resolver.resolve_all(texts)

    return trio.run(main)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", 8301)),
        ("10.0.0.1:7946", ("10.0.0.1", 7946)),
        ("::1", ("::1", 8301)),
        ("[::1]", ("::1", 8301)),
        ("[::1]:7946", ("::1", 7946)),
        ("host.example", ("host.example", 8301)),
        (" host.example:9000 ", ("host.example", 9000)),
        (SERVICE, (SERVICE, 8301)),
        ("_just-a-host.example:9000", ("_just-a-host.example", 9000)),
    ],
)
def test_port_is_optional_and_ipv6_takes_brackets_with_one(text: str, expected: tuple[str, int]) -> None:
    assert expected == parse_join_address(text, 8301)


@pytest.mark.parametrize(
    "text", ["", ":8301", "host:port", "host:0", "host:65536", "host:123456789", "host:00655350", f"host:1{'0' * 5000}"]
)
def test_what_is_no_address_says_so(text: str) -> None:
    with pytest.raises(JoinError):
        parse_join_address(text, 8301)


def test_service_with_a_port_is_told_that_its_records_say_the_port() -> None:
    with pytest.raises(JoinError, match="is looked up as SRV, and its records say the port; leave it out"):
        parse_join_address(f"{SERVICE}:8301", 8301)


def test_good_addresses_are_kept_beside_bad_ones_and_none_twice() -> None:
    found = resolve(["127.0.0.1", "127.0.0.1:8301", "bad:port", "[::1]:9"])
    assert (address("127.0.0.1", 8301), address("::1", 9)) == found.addresses
    assert ["bad:port"] == [where for where, _ in found.failures]


def test_name_that_does_not_exist_is_a_failure_with_its_reason() -> None:
    found = resolve(["no-such-host.invalid"])
    assert () == found.addresses
    assert "looking up 'no-such-host.invalid' failed" in found.failures[0][1]


def test_service_stands_for_its_targets_in_their_order_with_their_ports() -> None:
    zone = Zone([SrvTarget(1, 0, "127.0.0.3", 7), SrvTarget(2, 0, "127.0.0.2", 8)])
    found = resolve(["127.0.0.9", SERVICE], zone)
    assert (address("127.0.0.9", 8301), address("127.0.0.3", 7), address("127.0.0.2", 8)) == found.addresses
    assert [SERVICE] == zone.asked


def test_target_that_cannot_be_used_does_not_spoil_the_others() -> None:
    targets = [SrvTarget(1, 0, "no-such-host.invalid", 7), SrvTarget(1, 0, "127.0.0.1", 0)]
    found = resolve([SERVICE], Zone([*targets, SrvTarget(2, 0, "127.0.0.2", 8)]))
    assert (address("127.0.0.2", 8),) == found.addresses
    assert ["no-such-host.invalid:7", "127.0.0.1:0"] == [where for where, _ in found.failures]


def test_service_that_cannot_be_looked_up_is_a_failure_with_its_reason() -> None:
    assert Resolved((), ((SERVICE, "there is no such name"),)) == resolve([SERVICE], Zone("there is no such name"))


def test_every_call_looks_up_anew() -> None:
    zone = Zone("not yet", [SrvTarget(1, 0, "127.0.0.2", 8)])

    async def main() -> list[Resolved]:
        resolver = Resolver(8301, Random(1), zone.look_up)
        return [await resolver.resolve_all([SERVICE]) for _ in range(2)]

    first, second = trio.run(main)
    assert ((), (address("127.0.0.2", 8),)) == (first.addresses, second.addresses)

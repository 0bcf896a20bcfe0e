"""The check of UDP by directions, among real cores on a network that lets TCP pass and UDP as told."""

from __future__ import annotations

import pytest

from nodedns.gossip.events import StreamWanted
from nodedns.gossip.params import LAN
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.events import SerfEvent, UdpChecked
from nodedns.serf.outgoing_queries import MAX_OPEN_QUERIES, QueryParams
from nodedns.serf.params import SerfParams
from nodedns.serf.serf import Serf
from nodedns.serf.udp_check import CHECK_S, MAX_CHECKS
from nodedns.serf.udp_text import udp_text
from nodedns.testing.chance import seeded_random
from nodedns.testing.engine import Engine, EngineNode
from nodedns.testing.network import Conditions, SimNetwork

NO_UDP = Conditions(mtu_bytes=0)


def address(number: int) -> Address:
    return Address(bytes([10, 0, 0, number]), 8301)


class Pool:
    """Members n1 to nN, all joined; what n1 is told is kept."""

    def __init__(self, size: int, conditions: Conditions | None = None) -> None:
        self.engine = Engine()
        self.network = SimNetwork(self.engine, 1, conditions or Conditions())
        self.told: list[SerfEvent] = []
        self.serfs: list[Serf] = []
        self.nodes: list[EngineNode[SerfEvent]] = []
        for number in range(1, size + 1):
            self._add(number)
        self.engine.run_until(5.0)

    def _add(self, number: int) -> None:
        rng = seeded_random("udp", number)
        serf = Serf(SerfParams(), LAN, NodeName(f"n{number}"), address(number), {}, rng, rng.randbytes)
        take = self.told.append if number == 1 else self._ignore
        node: EngineNode[SerfEvent] = EngineNode(self.engine, self.network, address(number), serf, take)
        node.start()
        if number > 1:
            serf.join([address(1)], self.engine.now)
            node.wake()
        self.serfs.append(serf)
        self.nodes.append(node)

    def _ignore(self, event: SerfEvent) -> None:
        del event

    def block(self, source: int, destination: int) -> None:
        self.network.set_link(address(source), address(destination), NO_UDP)

    def begin(self, name: str = "n2") -> bool:
        began = self.serfs[0].check_udp(NodeName(name), self.engine.now)
        self.nodes[0].wake()
        return began

    def check(self) -> UdpChecked:
        """Check n2 from n1 and return what was found."""
        assert self.begin()
        self.engine.run_until(self.engine.now + CHECK_S + 0.1)
        (checked,) = (event for event in self.told if isinstance(event, UdpChecked))
        return checked


def test_open_way_is_found_open_at_once() -> None:
    pool = Pool(2)
    pool.begin()
    pool.engine.run_until(pool.engine.now + 0.1)
    (checked,) = (event for event in pool.told if isinstance(event, UdpChecked))
    assert (True, True, True, False) == (checked.sent, checked.received, checked.is_open, checked.is_blocked)


@pytest.mark.parametrize("size", [2, 3])
def test_way_to_the_member_is_told_even_without_a_third(size: int) -> None:
    pool = Pool(size)
    pool.block(1, 2)
    checked = pool.check()
    assert (False, True, True) == (checked.sent, checked.received, checked.is_blocked)
    assert (
        "UDP from n1 to n2 (10.0.0.2:8301) does not arrive, while UDP the other way does: allow UDP port 8301 to n2"
    ) == udp_text(checked)


def test_way_from_the_member_is_told_by_way_of_a_third() -> None:
    pool = Pool(3)
    pool.block(2, 1)
    checked = pool.check()
    assert (True, False) == (checked.sent, checked.received)
    assert (
        "UDP from n2 to n1 (10.0.0.1:8301) does not arrive, while UDP the other way does: allow UDP port 8301 to n1"
    ) == udp_text(checked)


@pytest.mark.parametrize(("size", "blocked"), [(2, ((2, 1),)), (2, ((1, 2), (2, 1))), (3, ((1, 2), (2, 1)))])
def test_what_nothing_shows_is_not_claimed(size: int, blocked: tuple[tuple[int, int], ...]) -> None:
    pool = Pool(size)
    for source, destination in blocked:
        pool.block(source, destination)
    checked = pool.check()
    assert (None, False, True) == (checked.sent, checked.received, checked.is_blocked)
    assert (
        "UDP from n2 to n1 (10.0.0.1:8301) does not arrive, while TCP between the two does, and nothing shows that "
        "UDP from n1 to n2 (10.0.0.2:8301) does: allow UDP port 8301 in both directions"
    ) == udp_text(checked)


def test_member_that_is_down_is_not_called_blocked() -> None:
    pool = Pool(3)
    pool.nodes[1].kill()
    checked = pool.check()
    assert (None, None, False, False) == (checked.sent, checked.received, checked.is_open, checked.is_blocked)
    assert "UDP between n1 and n2 (10.0.0.2:8301) was tried without a result" == udp_text(checked)


def test_stopped_process_whose_kernel_takes_connections_is_not_called_blocked() -> None:
    pool = Pool(3)
    pool.nodes[1].pause()
    checked = pool.check()
    assert (None, None, False) == (checked.sent, checked.received, checked.is_blocked)


@pytest.mark.parametrize("seed", range(10))
def test_a_third_of_all_datagrams_lost_is_not_called_blocked(seed: int) -> None:
    pool = Pool(3)
    pool.network.set_link(address(1), address(2), Conditions(loss=0.3))
    pool.network.set_link(address(2), address(1), Conditions(loss=0.3))
    pool.engine.run_until(pool.engine.now + seed)
    assert pool.check().is_open


def test_check_reaches_nobody_but_the_member() -> None:
    pool = Pool(4)
    before = [serf.statistics().query_time for serf in pool.serfs]
    pool.check()
    after = [serf.statistics().query_time for serf in pool.serfs]
    assert before[2:] == after[2:]


def test_checks_under_way_are_bounded_and_one_of_a_kind() -> None:
    pool = Pool(MAX_CHECKS + 3)
    for number in range(2, MAX_CHECKS + 4):
        pool.block(1, number)
    names = [f"n{number}" for number in range(2, MAX_CHECKS + 4)]
    assert [True] * MAX_CHECKS + [False] * 2 == [pool.begin(name) for name in names]
    assert not pool.begin("n2")


def test_neither_ourselves_nor_a_stranger_can_be_checked() -> None:
    pool = Pool(2)
    assert [False, False] == [pool.begin("n1"), pool.begin("nobody")]


def test_full_desk_of_queries_leaves_all_unknown() -> None:
    pool = Pool(3)
    for _ in range(MAX_OPEN_QUERIES):
        pool.serfs[0].query(QueryParams(name="busy", timeout_s=60.0), pool.engine.now)
    checked = pool.check()
    assert (None, None) == (checked.sent, checked.received)


def test_lone_streams_are_not_left_open() -> None:
    pool = Pool(2)
    pool.block(1, 2)
    pool.told.clear()
    pool.check()
    assert not [event for event in pool.told if isinstance(event, StreamWanted)]
    assert 0 == pool.serfs[1].swim.statistics().inbound_streams

from __future__ import annotations

import attrs
import pytest

from nodedns.model.address import Address
from nodedns.testing.builders import address_number
from nodedns.testing.engine import Engine
from nodedns.testing.network import Conditions, Port, SimNetwork
from nodedns.testing.streams import STREAM_WINDOW_BYTES, StreamEnd

ONE, TWO, THREE = (address_number(number) for number in (1, 2, 3))


@attrs.define
class Listener:
    """An endpoint that keeps what arrives."""

    engine: Engine
    got: list[tuple[float, bytes]] = attrs.Factory(list)
    streams: list[Talker] = attrs.Factory(list)

    def receive_datagram(self, payload: bytes, source: Address) -> None:
        self.got.append((self.engine.now, payload))

    def receive_stream(self, end: StreamEnd) -> None:
        self.streams.append(Talker(end))


@attrs.define
class Talker:
    """The owner of a stream end that keeps what arrives."""

    end: StreamEnd
    got: bytes = b""
    is_finished: bool = False
    is_reset: bool = False
    drained: int = 0

    def __attrs_post_init__(self) -> None:
        self.end.owner = self

    def stream_received(self, data: bytes) -> None:
        self.got += data
        self.is_finished = self.is_finished or not data

    def stream_reset(self) -> None:
        self.is_reset = True

    def stream_drained(self) -> None:
        self.drained += 1


@attrs.define
class World:
    conditions: Conditions = attrs.Factory(Conditions)
    seed: int = 1
    engine: Engine = attrs.Factory(Engine)
    network: SimNetwork = attrs.field(init=False)
    listeners: list[Listener] = attrs.field(init=False)
    ports: list[Port] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.network = SimNetwork(self.engine, self.seed, self.conditions)
        self.listeners = [Listener(self.engine) for _ in range(3)]
        self.ports = [
            self.network.attach(address, listener)
            for address, listener in zip((ONE, TWO, THREE), self.listeners, strict=True)
        ]

    def send(self, count: int, to: Address = TWO, source: int = 0) -> None:
        for number in range(count):
            self.ports[source].send(number.to_bytes(2, "big"), to)

    def received(self, listener: int = 1) -> list[bytes]:
        self.engine.run_until(self.engine.now + 10)
        return [payload for _, payload in self.listeners[listener].got]

    def dial(self, to: Address = TWO) -> Talker | None:
        dialled: list[Talker] = []
        refused: list[bool] = []
        self.ports[0].connect(to, lambda end: dialled.append(Talker(end)), lambda: refused.append(True))
        self.engine.run_until(self.engine.now + 1)
        assert len(dialled) + len(refused) <= 1
        return dialled[0] if dialled else None


def test_nothing_is_lost_on_a_quiet_network() -> None:
    world = World()
    world.send(1000)
    assert 1000 == len(world.received())
    counted = world.network.statistics()
    assert (1000, 1000, 0, 2000) == (counted.sent, counted.delivered, counted.lost, counted.sent_bytes)


def test_nothing_arrives_at_once() -> None:
    world = World()
    world.send(1)
    assert [] == world.listeners[1].got
    world.engine.run_until(1)
    assert 0 < world.listeners[1].got[0][0] < 0.1


def test_loss_is_of_the_share_asked_for() -> None:
    world = World(Conditions(loss=0.3))
    world.send(2000)
    assert len(world.received()) == pytest.approx(1400, abs=80)


def test_duplicates_are_of_the_share_asked_for() -> None:
    world = World(Conditions(duplicate_share=0.2))
    world.send(2000)
    assert len(world.received()) == pytest.approx(2400, abs=80)


def test_delay_has_a_slow_tail() -> None:
    world = World(Conditions(delay_s=0.01, slow_share=0.1, slow_factor=50.0))
    world.send(1000)
    world.received()
    slow = [when for when, _ in world.listeners[1].got if when > 0.1]
    assert len(slow) == pytest.approx(100, abs=40)


def test_reordering_lets_others_overtake() -> None:
    world = World(Conditions(delay_s=0.0, reorder_share=0.1))
    world.send(500)
    arrived = world.received()
    assert arrived != sorted(arrived)
    assert 500 == len(set(arrived))


def test_too_long_a_datagram_vanishes() -> None:
    world = World(Conditions(mtu_bytes=100))
    world.ports[0].send(bytes(100), TWO)
    world.ports[0].send(bytes(101), TWO)
    assert [bytes(100)] == world.received()


def test_cut_works_both_ways_unless_told_otherwise() -> None:
    world = World()
    world.network.cut([ONE], [TWO])
    world.send(1)
    world.send(1, to=ONE, source=1)
    world.send(1, to=THREE)
    assert ([], [], [bytes(2)]) == (world.received(0), world.received(1), world.received(2))


def test_one_way_cut_lets_the_other_way_pass() -> None:
    world = World()
    world.network.cut([ONE], [TWO], one_way=True)
    world.send(1)
    world.send(1, to=ONE, source=1)
    assert ([bytes(2)], []) == (world.received(0), world.received(1))


def test_heal_ends_every_fault() -> None:
    world = World()
    world.network.cut([ONE], [TWO])
    world.network.slow(TWO, 5.0)
    world.network.set_loss(1.0)
    world.network.set_link(ONE, TWO, Conditions(loss=1.0))
    world.network.heal()
    world.send(1)
    world.engine.run_until(0.1)
    assert 1 == len(world.listeners[1].got)


def test_link_has_conditions_of_its_own() -> None:
    world = World()
    world.network.set_link(ONE, TWO, Conditions(loss=1.0))
    world.send(1)
    world.send(1, to=ONE, source=1)
    assert ([bytes(2)], []) == (world.received(0), world.received(1))


def test_slow_host_is_slow_both_ways() -> None:
    world = World()
    world.network.slow(TWO, 2.0)
    world.send(1)
    world.send(1, to=ONE, source=1)
    world.received()
    assert min(world.listeners[0].got[0][0], world.listeners[1].got[0][0]) > 2.0


def test_what_one_host_sends_does_not_shift_the_chances_of_another() -> None:
    quiet, busy = World(Conditions(loss=0.5)), World(Conditions(loss=0.5))
    busy.send(500, to=THREE, source=1)
    for world in (quiet, busy):
        world.send(200)
    assert quiet.received() == busy.received()


def test_seed_decides_what_is_lost() -> None:
    lost = []
    for seed in (1, 1, 2):
        world = World(Conditions(loss=0.5), seed)
        world.send(200)
        lost.append(world.received())
    assert lost[0] == lost[1] != lost[2]


def test_address_is_taken_until_its_port_is_closed() -> None:
    world = World()
    with pytest.raises(ValueError, match="taken"):
        world.network.attach(ONE, world.listeners[0])
    world.ports[0].close()
    world.network.attach(ONE, world.listeners[0])


def test_datagram_to_a_closed_port_is_lost() -> None:
    world = World()
    world.send(1)
    world.ports[1].close()
    assert [] == world.received()


def test_stream_is_refused_where_nobody_listens() -> None:
    world = World()
    world.ports[1].close()
    assert None is world.dial()


def test_stream_carries_bytes_in_order_under_loss() -> None:
    world = World()
    near = world.dial()
    assert near is not None
    world.network.set_loss(0.4)
    sent = bytes(range(256)) * 800
    near.end.send(sent)
    near.end.finish()
    world.engine.run_until(300)
    far = world.listeners[1].streams[0]
    assert sent == far.got
    assert far.is_finished


def test_stream_waits_out_a_partition() -> None:
    world = World()
    near = world.dial()
    assert near is not None
    world.network.cut([ONE], [TWO])
    near.end.send(b"hello")
    world.engine.run_until(20)
    assert b"" == world.listeners[1].streams[0].got
    world.network.heal()
    world.engine.run_until(30)
    assert b"hello" == world.listeners[1].streams[0].got


def test_connection_waits_out_a_partition_too() -> None:
    world = World()
    world.network.cut([TWO], [ONE], one_way=True)
    assert None is world.dial()
    world.network.heal()
    world.engine.run_until(5)
    assert 1 == len(world.listeners[1].streams)


def test_killed_process_resets_its_streams() -> None:
    world = World()
    near = world.dial()
    assert near is not None
    world.ports[1].close()
    world.engine.run_until(5)
    assert near.is_reset
    assert near.end.is_closed


def test_window_closes_and_opens_with_the_reader() -> None:
    world = World()
    near = world.dial()
    assert near is not None
    near.end.send(bytes(STREAM_WINDOW_BYTES))
    world.engine.run_until(5)
    assert 0 == near.end.window_bytes
    world.listeners[1].streams[0].end.consumed(1000)
    assert 1000 == near.end.window_bytes
    assert 1 == near.drained


def test_bytes_sent_to_a_closed_end_reset_the_sender() -> None:
    world = World()
    near = world.dial()
    assert near is not None
    world.listeners[1].streams[0].end.close()
    near.end.send(b"too late")
    world.engine.run_until(5)
    assert near.is_finished
    assert near.is_reset

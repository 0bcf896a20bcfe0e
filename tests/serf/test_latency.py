from __future__ import annotations

from random import Random

import attrs
import pytest

from nodedns.gossip.events import Dropped, PingCompleted
from nodedns.model.address import Address
from nodedns.model.coordinate import ORIGIN, Coordinate
from nodedns.model.member import Member, MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.serf.coordinate import decode_ping_payload_untrusted, encode_ping_payload
from nodedns.serf.events import MemberChanged, MemberChangeKind
from nodedns.serf.latency import Latency

THERE = Coordinate((0.01, *[0.0] * 7))
PEER = Member(NodeName("x"), Address(bytes([10, 0, 0, 2]), 7946), b"", Versions(bytes([1, 5, 2, 2, 5, 5])))


def test_probe_moves_the_coordinate_that_acks_carry() -> None:
    told: list[Dropped] = []
    latency = Latency(Random(1), told.append, "me")  # a seeded test
    before = latency.ack_payload()
    latency.ping_completed(PingCompleted(PEER, 0.02, encode_ping_payload(ORIGIN)))
    assert before != latency.ack_payload()
    assert decode_ping_payload_untrusted(latency.ack_payload()) == latency.coordinate
    assert told == []


def test_peer_without_a_coordinate_is_fine() -> None:
    told: list[Dropped] = []
    latency = Latency(Random(1), told.append, "me")  # a seeded test
    latency.ping_completed(PingCompleted(PEER, 0.02, b""))
    assert latency.coordinate == ORIGIN
    assert told == []


@pytest.mark.parametrize(
    "payload",
    [
        b"\x02",
        b"\x01\x80",
        encode_ping_payload(Coordinate((1e200,) * 8)),
        encode_ping_payload(Coordinate((1e300,) * 8, height=1e308)),
    ],
)
def test_bad_coordinate_is_dropped_or_reset_and_never_raises(payload: bytes) -> None:
    told: list[Dropped] = []
    latency = Latency(Random(1), told.append, "me")  # a seeded test
    latency.ping_completed(PingCompleted(PEER, 0.02, payload))
    assert latency.coordinate == ORIGIN
    assert latency.resets + len(told) == 1


def test_round_trip_beyond_reason_is_dropped() -> None:
    told: list[Dropped] = []
    latency = Latency(Random(1), told.append, "me")  # a seeded test
    latency.ping_completed(PingCompleted(PEER, 11.0, encode_ping_payload(ORIGIN)))
    assert [event.reason for event in told] == ["bad-coordinate"]


def test_reaped_member_is_forgotten() -> None:
    latency = Latency(Random(1), lambda _event: None, "me")  # a seeded test
    latency.ping_completed(PingCompleted(PEER, 0.02, encode_ping_payload(THERE)))
    assert (1, THERE) == (latency._vivaldi.statistics().peers, latency.coordinate_of(PEER.name))
    version = latency.version
    gone = SerfMember(PEER.name, PEER.address, {}, MemberStatus.LEFT, PEER.versions)
    latency.note(MemberChanged(MemberChangeKind.LEAVE, gone))
    assert THERE == latency.coordinate_of(PEER.name)
    latency.note(MemberChanged(MemberChangeKind.REAP, gone))
    assert (0, None) == (latency._vivaldi.statistics().peers, latency.coordinate_of(PEER.name))
    assert version < latency.version


def test_last_coordinate_of_a_probed_member_is_known_and_our_own_is_the_newest() -> None:
    latency = Latency(Random(1), lambda _event: None, "me")  # a seeded test
    assert (None, ORIGIN) == (latency.coordinate_of(PEER.name), latency.coordinate_of("me"))
    version = latency.version
    latency.ping_completed(PingCompleted(PEER, 0.02, encode_ping_payload(ORIGIN)))
    latency.ping_completed(PingCompleted(PEER, 0.02, encode_ping_payload(THERE)))
    assert (THERE, latency.coordinate) == (latency.coordinate_of(PEER.name), latency.coordinate_of("me"))
    assert ORIGIN != latency.coordinate
    assert version + 2 == latency.version


@pytest.mark.parametrize("payload", [b"", b"\x02", b"\x01\x80"])
def test_probe_that_brings_no_coordinate_leaves_the_known_ones(payload: bytes) -> None:
    latency = Latency(Random(1), lambda _event: None, "me")  # a seeded test
    latency.ping_completed(PingCompleted(PEER, 0.02, encode_ping_payload(THERE)))
    version = latency.version
    latency.ping_completed(PingCompleted(PEER, 0.02, payload))
    assert (THERE, version) == (latency.coordinate_of(PEER.name), latency.version)


def test_coordinates_of_others_are_bounded() -> None:
    latency = Latency(Random(1), lambda _event: None, "me", max_coordinates=1)  # a seeded test
    late = attrs.evolve(PEER, name=NodeName("late"))
    for member in (PEER, late, PEER):
        latency.ping_completed(PingCompleted(member, 0.02, encode_ping_payload(THERE)))
    assert (THERE, None) == (latency.coordinate_of(PEER.name), latency.coordinate_of("late"))


def test_turned_off_it_tells_nothing_and_learns_nothing() -> None:
    told: list[Dropped] = []
    latency = Latency(Random(1), told.append, "me", is_enabled=False)  # a seeded test
    for payload in (encode_ping_payload(THERE), b"\x02"):
        latency.ping_completed(PingCompleted(PEER, 0.02, payload))
    assert (None, None, None) == (latency.coordinate, latency.coordinate_of("me"), latency.coordinate_of(PEER.name))
    assert (b"", 0, []) == (latency.ack_payload(), latency.version, told)

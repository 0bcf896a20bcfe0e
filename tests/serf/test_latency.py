from __future__ import annotations

from random import Random

import pytest

from nodedns.gossip.events import Dropped, PingCompleted
from nodedns.model.address import Address
from nodedns.model.member import Member, MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.serf.coordinate import ORIGIN, Coordinate, decode_ping_payload_untrusted, encode_ping_payload
from nodedns.serf.events import MemberChanged, MemberChangeKind
from nodedns.serf.latency import Latency

PEER = Member(NodeName("x"), Address(bytes([10, 0, 0, 2]), 7946), b"", Versions(bytes([1, 5, 2, 2, 5, 5])))


def test_probe_moves_the_coordinate_that_acks_carry() -> None:
    told: list[Dropped] = []
    latency = Latency(Random(1), told.append)  # a seeded test
    before = latency.ack_payload()
    latency.ping_completed(PingCompleted(PEER, 0.02, encode_ping_payload(ORIGIN)))
    assert before != latency.ack_payload()
    assert decode_ping_payload_untrusted(latency.ack_payload()) == latency.coordinate
    assert told == []


def test_peer_without_a_coordinate_is_fine() -> None:
    told: list[Dropped] = []
    latency = Latency(Random(1), told.append)  # a seeded test
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
    latency = Latency(Random(1), told.append)  # a seeded test
    latency.ping_completed(PingCompleted(PEER, 0.02, payload))
    assert latency.coordinate == ORIGIN
    assert latency.resets + len(told) == 1


def test_round_trip_beyond_reason_is_dropped() -> None:
    told: list[Dropped] = []
    latency = Latency(Random(1), told.append)  # a seeded test
    latency.ping_completed(PingCompleted(PEER, 11.0, encode_ping_payload(ORIGIN)))
    assert [event.reason for event in told] == ["bad-coordinate"]


def test_round_trips_of_a_reaped_member_are_forgotten() -> None:
    latency = Latency(Random(1), lambda _event: None)  # a seeded test
    latency.ping_completed(PingCompleted(PEER, 0.02, encode_ping_payload(ORIGIN)))
    assert latency._vivaldi.statistics().peers == 1
    gone = SerfMember(PEER.name, PEER.address, {}, MemberStatus.LEFT, PEER.versions)
    latency.note(MemberChanged(MemberChangeKind.REAP, gone))
    assert latency._vivaldi.statistics().peers == 0

"""Members outside the networks allowed are not let in, whoever announces them."""

from __future__ import annotations

import ipaddress
from random import Random

import attrs
import pytest

from nodedns.gossip.delegate import NullDelegate
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.events import Dropped
from nodedns.gossip.messages import Alive, PushPullNode
from nodedns.gossip.params import LAN
from nodedns.gossip.swim import Swim
from nodedns.gossip.wire import encode_message, encode_push_pull
from nodedns.model.address import Address
from nodedns.model.member import Member, NodeState, Versions
from nodedns.model.names import NodeName

VERSIONS = bytes([1, 5, 2, 2, 5, 5])
NETWORKS = (ipaddress.ip_network("10.0.0.0/24"), ipaddress.ip_network("fd00::/8"))
INSIDE, OUTSIDE = Address.from_text("10.0.0.2", 7946), Address.from_text("10.0.1.2", 7946)
MAPPED = Address(ipaddress.ip_address("::ffff:10.0.0.2").packed, 7946)
INSIDE_6, OUTSIDE_6 = Address.from_text("fd00::2", 7946), Address.from_text("2001:db8::2", 7946)


def core(*networks: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Swim:
    params = attrs.evolve(LAN, allowed_cidrs=networks)
    member = Member(NodeName("me"), Address.from_text("10.0.0.1", 7946), b"\xff\x80", Versions(VERSIONS))
    swim = Swim(params, member, NullDelegate(), Random(1), Envelope())
    swim.start(0.0)
    return swim


def alive(at: Address, incarnation: int = 1) -> bytes:
    return encode_message(Alive(incarnation, "x", at.packed, at.port, b"\xff\x80", VERSIONS))


def drops(swim: Swim) -> list[str]:
    events = iter(swim.next_event, None)
    return [event.reason for event in events if isinstance(event, Dropped)]


@pytest.mark.parametrize("at", [INSIDE, MAPPED, INSIDE_6])
def test_member_inside_is_let_in(at: Address) -> None:
    swim = core(*NETWORKS)
    swim.receive_datagram(alive(at), INSIDE, 1.0)
    assert swim.node("x") is not None
    assert [] == drops(swim)


@pytest.mark.parametrize("at", [OUTSIDE, OUTSIDE_6])
def test_member_outside_is_not_let_in_and_counted(at: Address) -> None:
    swim = core(*NETWORKS)
    swim.receive_datagram(alive(at), INSIDE, 1.0)
    assert swim.node("x") is None
    assert ["address-not-allowed"] == drops(swim)


def test_claim_sent_from_outside_is_not_taken() -> None:
    swim = core(*NETWORKS)
    swim.receive_datagram(alive(INSIDE), OUTSIDE, 1.0)
    assert swim.node("x") is None
    assert ["address-not-allowed"] == drops(swim)


def test_known_member_does_not_move_outside() -> None:
    swim = core(*NETWORKS)
    swim.receive_datagram(alive(INSIDE), INSIDE, 1.0)
    swim.receive_datagram(alive(OUTSIDE, 2), INSIDE, 2.0)
    known = swim.node("x")
    assert known is not None
    assert INSIDE == known[0].address


def test_without_networks_everybody_is_let_in() -> None:
    swim = core()
    swim.receive_datagram(alive(OUTSIDE), OUTSIDE, 1.0)
    assert swim.node("x") is not None


def test_push_pull_brings_those_inside_only() -> None:
    swim = core(*NETWORKS)
    nodes = [
        PushPullNode(name, at.packed, at.port, b"\xff\x80", 1, int(NodeState.ALIVE), VERSIONS)
        for name, at in (("in", INSIDE), ("out", OUTSIDE))
    ]
    exchange = swim.accept_stream(OUTSIDE, 1.0)
    assert exchange is not None
    exchange.receive_data(encode_push_pull(False, nodes, b""), 1.0)
    assert ["in", "me"] == sorted(member.name for member, _ in swim.nodes())

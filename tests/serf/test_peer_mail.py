"""Messages between nodedns members, among real cores: who gets them, who does not, and what is dropped."""

from __future__ import annotations

import zlib

import pytest

from nodedns.errors import TooBig
from nodedns.gossip.envelope import Envelope, Keyring
from nodedns.gossip.events import Dropped, StreamWanted
from nodedns.gossip.params import LOCAL
from nodedns.model.address import Address
from nodedns.model.member import NODEDNS_TAG
from nodedns.model.names import NodeName
from nodedns.serf.events import PeerMessage, SerfEvent
from nodedns.serf.messages import PeerData, encode_message
from nodedns.serf.params import SerfParams
from nodedns.serf.peer_mail import MAX_PEER_STREAM_BYTES, MAX_PEER_STREAMS
from nodedns.serf.serf import Serf
from nodedns.testing.chance import seeded_random
from nodedns.testing.engine import Engine, EngineNode
from nodedns.testing.network import Conditions, SimNetwork

OURS = {NODEDNS_TAG: "0.1"}
ONE, TWO, PLAIN = NodeName("n1"), NodeName("n2"), NodeName("n3")
NOISE = seeded_random("noise", 0).randbytes(600)


def address(number: int) -> Address:
    return Address(bytes([10, 0, 0, number]), 8301)


class Pool:
    """n1 and n2 are nodedns, n3 is plain Serf; all joined, with a key."""

    def __init__(self, key: bytes | None = b"k" * 16) -> None:
        self.engine = Engine()
        self.network = SimNetwork(self.engine, 1, Conditions())
        self.told: dict[NodeName, list[SerfEvent]] = {ONE: [], TWO: [], PLAIN: []}
        self.serfs: dict[NodeName, Serf] = {}
        self.nodes: dict[NodeName, EngineNode[SerfEvent]] = {}
        for number, name in enumerate(self.told, start=1):
            self._add(name, address(number), key)
        self.engine.run_until(3.0)

    def _add(self, name: NodeName, where: Address, key: bytes | None) -> None:
        rng = seeded_random("peers", where.port)
        envelope = Envelope(entropy=rng.randbytes, keyring=Keyring([key]) if key else None)
        tags = {} if name == PLAIN else OURS
        serf = Serf(SerfParams(), LOCAL, name, where, tags, rng, rng.randbytes, envelope=envelope)
        self.serfs[name] = serf
        self.nodes[name] = EngineNode(self.engine, self.network, where, serf, self.told[name].append)
        self.nodes[name].start()
        if name != ONE:
            serf.join([address(1)], self.engine.now)
            self.nodes[name].wake()

    def send(self, to: NodeName, payload: bytes, *, by_stream: bool = False, sender: NodeName = ONE) -> bool:
        was_sent = self.serfs[sender].send_peer_message(to, payload, self.engine.now, by_stream=by_stream)
        self.nodes[sender].wake()
        self.engine.run_until(self.engine.now + 1.0)
        return was_sent

    def arrived(self, name: NodeName) -> list[tuple[NodeName, bytes]]:
        return [(event.sender, event.payload) for event in self.told[name] if isinstance(event, PeerMessage)]

    def drops(self, name: NodeName) -> list[str]:
        return [event.reason for event in self.told[name] if isinstance(event, Dropped)]

    def hear(self, message: PeerData, name: NodeName = ONE) -> None:
        """Have n1 hear a peer message as it would come in a packet."""
        self.serfs[name].receive_datagram(b"\x08" + encode_message(message), address(9), self.engine.now)
        self.nodes[name].wake()


@pytest.mark.parametrize("payload", [b"", b"short", b"long " * 100, NOISE], ids=["empty", "short", "packed", "noise"])
@pytest.mark.parametrize("by_stream", [False, True])
def test_peer_message_arrives_as_it_was_sent(payload: bytes, by_stream: bool) -> None:
    pool = Pool()
    assert pool.send(TWO, payload, by_stream=by_stream)
    assert pool.arrived(TWO) == [(ONE, payload)]


def test_nobody_but_the_nodedns_member_meant_hears_of_a_peer_message() -> None:
    pool = Pool()
    pool.send(TWO, b"for n2")
    assert (pool.arrived(ONE), pool.arrived(PLAIN), pool.drops(PLAIN)) == ([], [], [])


@pytest.mark.parametrize("to", [PLAIN, NodeName("nobody"), ONE], ids=["plain", "unknown", "ourselves"])
@pytest.mark.parametrize("by_stream", [False, True])
def test_nothing_is_sent_to_whoever_is_no_other_nodedns_member(to: NodeName, by_stream: bool) -> None:
    pool = Pool()
    assert not pool.send(to, b"x", by_stream=by_stream)
    assert {name: pool.arrived(name) for name in pool.told} == {ONE: [], TWO: [], PLAIN: []}


def test_nothing_is_sent_to_a_member_that_has_failed() -> None:
    pool = Pool()
    pool.nodes[TWO].kill()
    pool.engine.run_until(pool.engine.now + 60.0)
    assert not pool.send(TWO, b"x")


def test_message_of_a_member_that_is_not_nodedns_is_dropped() -> None:
    pool = Pool(key=None)
    pool.hear(PeerData(PLAIN, b"x"))
    pool.hear(PeerData("nobody", b"x"))
    assert (pool.arrived(ONE), pool.drops(ONE)) == ([], ["peer-message-of-stranger"] * 2)


@pytest.mark.parametrize(
    "message",
    [
        PeerData(TWO, zlib.compress(b"x" * 10), 11),
        PeerData(TWO, zlib.compress(b"x" * 10)[:-6], 10),
        PeerData(TWO, b"not packed", 10),
        PeerData(TWO, zlib.compress(b"x"), MAX_PEER_STREAM_BYTES + 1),
    ],
    ids=["shorter", "cut", "garbage", "too long"],
)
def test_message_that_does_not_unpack_to_its_size_is_dropped(message: PeerData) -> None:
    pool = Pool(key=None)
    pool.hear(message)
    assert (pool.arrived(ONE), pool.drops(ONE)) == ([], ["bad-peer-message"])


def test_message_that_unpacks_to_more_than_it_says_is_cut_at_its_size() -> None:
    pool = Pool(key=None)
    pool.hear(PeerData(TWO, zlib.compress(b"x" * 1_000_000), 10))
    assert pool.arrived(ONE) == [(TWO, b"x" * 10)]


@pytest.mark.parametrize("key", [None, b"k" * 32], ids=["plain", "encrypted"])
def test_longest_datagram_fits_into_a_packet_whatever_it_holds(key: bytes | None) -> None:
    pool = Pool(key)
    longest = pool.serfs[ONE].max_peer_datagram_bytes
    noise = seeded_random("noise", 1).randbytes(longest)
    pool.serfs[ONE].send_peer_message(TWO, noise, pool.engine.now, by_stream=False)
    datagrams = pool.serfs[ONE].datagrams_to_send(pool.engine.now)
    assert LOCAL.udp_payload_bytes >= max(len(datagram.payload) for datagram in datagrams) > longest


def test_message_too_long_for_a_stream_is_refused() -> None:
    pool = Pool()
    with pytest.raises(TooBig):
        pool.send(TWO, b"x" * (MAX_PEER_STREAM_BYTES + 1), by_stream=True)
    assert pool.send(TWO, b"x" * MAX_PEER_STREAM_BYTES, by_stream=True)
    assert [MAX_PEER_STREAM_BYTES] == [len(payload) for _, payload in pool.arrived(TWO)]


def test_message_that_does_not_fit_into_a_packet_is_refused_and_one_that_can_be_packed_is_not() -> None:
    pool = Pool()
    longer = pool.serfs[ONE].max_peer_datagram_bytes + 64
    with pytest.raises(TooBig):
        pool.send(TWO, seeded_random("noise", 2).randbytes(longer))
    assert pool.send(TWO, b"x" * longer)


def test_streams_that_wait_for_a_connection_are_bounded_and_their_place_is_given_back() -> None:
    pool = Pool()
    serf, now = pool.serfs[ONE], pool.engine.now
    sent = [serf.send_peer_message(TWO, b"x", now, by_stream=True) for _ in range(MAX_PEER_STREAMS + 1)]
    assert sent == [True] * MAX_PEER_STREAMS + [False]
    while (event := serf.next_event()) is not None:
        if isinstance(event, StreamWanted):
            serf.stream_failed(event, "refused", now)
    assert serf.send_peer_message(TWO, b"x", now, by_stream=True)

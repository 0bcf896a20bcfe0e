"""``PuppetPool``: thousands of members for one real agent, played by one process on loopback.

Strategy: every puppet has an address of its own in 127.0.0.0/8, and one UDP
socket and one TCP listener, bound to all addresses, serve them all; the kernel
tells which puppet was meant (IP_PKTINFO). Puppets share one table. To the agent
they behave as a pool at rest: they answer its pings, direct and indirect, take
its gossip, answer its push/pulls and stream pings, and ping it as often as so
many members would, once a second in all. On request one of them announces
other tags, which reaches the agent as often as gossip would bring it.

What they do not do: suspect anybody, die, or keep a table each, so this
measures the agent, not the protocol; for that there is the engine.
"""

from __future__ import annotations

import ipaddress
import math
import selectors
import socket
import struct
from collections.abc import Callable
from random import Random
from types import TracebackType

import attrs

from nodedns.errors import GossipWireError
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.messages import Ack, Alive, IndirectPing, Message, Ping, PushPullNode
from nodedns.gossip.params import LAN
from nodedns.gossip.stream_reader import PushPullState, StreamReader
from nodedns.gossip.wire import compress, decode_packet_untrusted, encode_compound, encode_message, encode_push_pull
from nodedns.model.address import Address
from nodedns.model.coordinate import ORIGIN
from nodedns.model.member import NodeState
from nodedns.serf.coordinate import encode_ping_payload
from nodedns.serf.messages import SerfState, encode_state
from nodedns.serf.serf import SERF_VERSIONS
from nodedns.serf.tags import encode_tags
from nodedns.testing.exchanges import read_message

__all__ = ["MAX_PUPPETS", "PuppetPool"]

MAX_PUPPETS = 60_000  # one /16 network of loopback addresses, and some room
MAX_PORT_TRIES = 20  # a port is taken for one of the two about once in a hundred tries on a busy machine
IP_PKTINFO = 8  # Linux; the socket module has no name for it before Python 3.14
# * interface index | the local address | the destination address
_PKTINFO = struct.Struct("@I4s4s")
RECEIVE_BYTES = 65_536
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
STREAM_TIMEOUT_S = 10.0
COPIES_EVERY_S = 0.2  # the gossip interval of a LAN
PACKET_BYTES = 1_300  # of memberlist's 1,400, the rest being lengths and a seal


@attrs.frozen
class _Planned:
    at: float
    payload: bytes
    source: int


def _packed_as_gossip(due: list[_Planned]) -> list[tuple[int, list[bytes]]]:
    """Put into packets what is sent at one time: as much as fits, but a piece of news once in each."""
    packets: list[tuple[int, list[bytes]]] = []
    for planned in due:
        for _, payloads in packets:
            fits = sum(map(len, payloads)) + len(planned.payload) <= PACKET_BYTES
            if fits and planned.payload not in payloads:
                payloads.append(planned.payload)
                break
        else:
            packets.append((planned.source, [planned.payload]))
    return packets


def _sockets(port: int) -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a TCP socket on one port of every address, since the puppets are at many."""
    for tries_left in reversed(range(MAX_PORT_TRIES)):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        try:
            udp.bind(("0.0.0.0", port))  # noqa: S104 - all of them are loopback addresses of this process
            tcp = socket.create_server(("0.0.0.0", udp.getsockname()[1]))  # noqa: S104
        except OSError:
            udp.close()
            # A port that is free for UDP may be some TCP client's.
            if port or not tries_left:
                raise
        else:
            udp.setblocking(False)
            return udp, tcp
    raise AssertionError("the last try raises")


class PuppetPool:
    """So many puppets on ``network``.0.0/16, all on one port.

    Args:
        size: How many, up to ``MAX_PUPPETS``.
        network: The first two numbers of their addresses, such as ``127.40``.
        port: Nothing else may listen on it, on any address; 0: one that is free.
        rng: Chooses who pings and who gossips.
        envelope: Label and encryption; None: neither.
        compression: Whether their states are compressed.
    """

    def __init__(
        self,
        size: int,
        network: str,
        port: int,
        rng: Random,
        *,
        envelope: Envelope | None = None,
        compression: bool = False,
    ) -> None:
        if not 0 < size <= MAX_PUPPETS:
            raise ValueError(f"{size} puppets; 1 to {MAX_PUPPETS} are possible")
        self._size = size
        self._udp, self._tcp = _sockets(port)
        self._port = self._udp.getsockname()[1]
        self._rng = rng
        self._envelope = envelope or Envelope()
        self._compression = compression
        self._first = int(ipaddress.IPv4Address(f"{network}.0.0")) + 1
        self._incarnations = [1] * size
        self._nodes = [self._node(index) for index in range(size)]
        self._user_state = encode_state(
            SerfState(
                ltime=2,
                status_ltimes=dict.fromkeys(self.names(), 1),
                left_members=(),
                event_ltime=1,
                events=(),
                query_ltime=1,
            )
        )
        self._ack_payload = encode_ping_payload(ORIGIN)
        self._agent: Address | None = None
        self._planned: list[_Planned] = []
        self.pinged = 0
        self.acks: dict[int, float] = {}
        self.pings_answered = 0
        self.push_pulls_answered = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._udp, selectors.EVENT_READ, self._receive_all)
        self._selector.register(self._tcp, selectors.EVENT_READ, self._accept)

    def __enter__(self) -> PuppetPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets."""
        self._selector.close()
        self._udp.close()
        self._tcp.close()

    def names(self) -> list[str]:
        """Return the names of all puppets."""
        return [f"puppet-{index:05d}" for index in range(self._size)]

    def address(self, index: int) -> str:
        """Return ``ip:port`` of one puppet, to join."""
        return f"{ipaddress.IPv4Address(self._first + index)}:{self._port}"

    def state(self) -> bytes:
        """Return the push/pull message that a puppet answers with."""
        return encode_push_pull(False, self._nodes, self._user_state)

    # --- running -----------------------------------------------------------------------

    def ping_agent(self, agent: Address) -> int:
        """Have one puppet ping ``agent``; return the sequence number, under which ``acks`` tells when the ack came."""
        self._agent = agent
        self.pinged += 1
        index = self._rng.randrange(self._size)
        ping = Ping(self.pinged, "", self._packed(index), self._port, f"puppet-{index:05d}")
        self._send(encode_message(ping), self._first + index, agent)
        return self.pinged

    def update_one(self, now: float) -> None:
        """Have one puppet announce other tags; others bring it to the agent as often as gossip would."""
        index = self._rng.randrange(self._size)
        self._incarnations[index] += 1
        node = self._nodes[index] = self._node(index)
        alive = Alive(node.incarnation, node.name, node.addr, node.port, node.meta, node.vsn)
        copies = LAN.retransmit_mult * math.ceil(math.log10(self._size + 1))
        for copy in range(copies):
            at = now + COPIES_EVERY_S * (1 + copy / LAN.gossip_nodes)
            self._planned.append(_Planned(at, encode_message(alive), self._rng.randrange(self._size)))

    def serve(self, now: Callable[[], float], until: float) -> None:
        """Answer the agent until ``until``, in seconds of ``now()``."""
        while (here := now()) < until:
            self._send_planned(here)
            wait_s = COPIES_EVERY_S if self._planned else until - here
            for key, _ in self._selector.select(min(wait_s, until - here)):
                key.data(now)

    def _send_planned(self, here: float) -> None:
        due = [planned for planned in self._planned if planned.at <= here]
        if due and self._agent is not None:
            self._planned = [planned for planned in self._planned if planned.at > here]
            for source, payloads in _packed_as_gossip(due):
                packet = payloads[0] if len(payloads) == 1 else encode_compound(payloads)
                self._send(packet, self._first + source, self._agent)

    # --- datagrams -------------------------------------------------------------------------

    def _receive_all(self, now: Callable[[], float]) -> None:
        while True:
            try:
                payload, ancillary, _, sender = self._udp.recvmsg(RECEIVE_BYTES, socket.CMSG_SPACE(_PKTINFO.size))
            except BlockingIOError:
                return
            _, local, _ = _PKTINFO.unpack(ancillary[0][2][: _PKTINFO.size])
            source = Address.from_text(sender[0], sender[1])
            packet = self._envelope.open_packet_untrusted(payload)
            for message in decode_packet_untrusted(packet, lambda _problem: None):
                self._take(message, int.from_bytes(local), source, now())

    def _take(self, message: Message, puppet: int, source: Address, now: float) -> None:
        match message:
            case Ping():
                self.pings_answered += 1
                self._send(encode_message(Ack(message.seq_no, self._ack_payload)), puppet, source)
            case IndirectPing():
                self._send(encode_message(Ack(message.seq_no)), puppet, source)
            case Ack():
                self.acks[message.seq_no] = now
            case _:
                pass  # gossip; puppets have heard it already

    def _send(self, payload: bytes, puppet: int, destination: Address) -> None:
        info = _PKTINFO.pack(0, puppet.to_bytes(4), bytes(4))
        ancillary = [(socket.IPPROTO_IP, IP_PKTINFO, info)]
        self._udp.sendmsg([self._envelope.seal_packet(payload)], ancillary, 0, (destination.host, destination.port))

    # --- streams ------------------------------------------------------------------------------

    def _accept(self, _now: Callable[[], float]) -> None:
        stream, _ = self._tcp.accept()
        with stream:
            stream.settimeout(STREAM_TIMEOUT_S)
            reader = StreamReader(LAN, self._envelope, is_reply=False)
            try:
                message = read_message(reader, lambda: stream.recv(RECEIVE_BYTES))
                stream.sendall(self._answer(message))
            except (OSError, GossipWireError):
                return  # the agent was killed in the middle, or speaks what puppets do not

    def _answer(self, message: object) -> bytes:
        if isinstance(message, Ping):
            return self._envelope.seal_stream(encode_message(Ack(message.seq_no)))
        if isinstance(message, PushPullState):
            self.push_pulls_answered += 1
            return self._wrapped_state()
        return b""

    def push_pull_with(self, agent: Address) -> int:
        """Exchange states with the agent, dialling it; return how many members it told of."""
        request = self._wrapped_state()
        reader = StreamReader(LAN, self._envelope, is_reply=True)
        with socket.create_connection((agent.host, agent.port), STREAM_TIMEOUT_S) as stream:
            stream.sendall(self._envelope.stream_header() + request)
            answer = read_message(reader, lambda: stream.recv(RECEIVE_BYTES))
        return len(answer.nodes) if isinstance(answer, PushPullState) else 0

    def _wrapped_state(self) -> bytes:
        state = self.state()
        return self._envelope.seal_stream(compress(state) if self._compression else state)

    # --- puppets --------------------------------------------------------------------------------

    def _packed(self, index: int) -> bytes:
        return (self._first + index).to_bytes(4)

    def _node(self, index: int) -> PushPullNode:
        incarnation = self._incarnations[index]
        tags = {
            "role": "node",
            "dc": "dc1",
            "id": f"7a1c0000-0000-4000-8000-{index:012x}",
            "vsn": "2",
            "vsn_min": "2",
            "vsn_max": "3",
            "build": "0.1.0:nodedns",
            "segment": "",
            "rack": f"r{index % 40}-{incarnation}",
        }
        return PushPullNode(
            name=f"puppet-{index:05d}",
            addr=self._packed(index),
            port=self._port,
            meta=encode_tags(tags),
            incarnation=incarnation,
            state=int(NodeState.ALIVE),
            vsn=SERF_VERSIONS.packed,
        )

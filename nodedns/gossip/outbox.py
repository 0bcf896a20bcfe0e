"""``Outbox``: turns messages into datagrams within the packet budget, broadcasts riding along.

Every message we send takes queued broadcasts with it as far as they fit:
memberlist's own first, then what the delegate (Serf) offers. One message goes
as it is, several as a compound. Then, from the inside out: compression, where
that is on and the packet gets shorter; a checksum, where the member written to
is known and understands it; encryption and label.

Pings, acks and nacks are never compressed: somebody is timing them, a packet of
1,400 bytes takes 0.3 ms here and as much at the other end, and no message more
fits in for it. Source: memberlist's getBroadcasts, sendMsg and rawSendMsgPacket.
"""

from __future__ import annotations

from nodedns.gossip.broadcast import BroadcastQueue
from nodedns.gossip.delegate import Delegate
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.events import Datagram
from nodedns.gossip.messages import MessageType
from nodedns.gossip.params import GossipParams
from nodedns.gossip.wire import add_crc, compress, encode_compound
from nodedns.model.address import Address
from nodedns.model.member import Member

__all__ = ["Outbox", "largest_user_broadcast_bytes"]

COMPOUND_HEADER_BYTES = 2
COMPOUND_PART_BYTES = 2
USER_TYPE_BYTES = 1
MAX_COMPOUND_PARTS = 255
COMPRESS_FROM_BYTES = 512
"""Ours; below, the time is spent for nothing: 200 bytes of gossip stay as long as they were, 400 get to be 350."""
CRC_VERSION = 5
"""From this memberlist protocol on a member understands checksums."""

_USER = bytes([MessageType.USER])


def largest_user_broadcast_bytes(params: GossipParams, envelope: Envelope) -> int:
    """Return how long a delegate's broadcast may be; a longer one fits into no packet and would wait for ever."""
    budget = params.udp_payload_bytes - COMPOUND_HEADER_BYTES - envelope.packet_overhead
    return budget - COMPOUND_PART_BYTES - USER_TYPE_BYTES


class Outbox:
    """Datagrams waiting to be sent, and the way in which they are filled.

    Args:
        params: The packet budget.
        envelope: Seals what leaves.
        queue: memberlist's own broadcasts.
        delegate: Offers user broadcasts for the room that is left.
    """

    def __init__(self, params: GossipParams, envelope: Envelope, queue: BroadcastQueue, delegate: Delegate) -> None:
        self._envelope = envelope
        self._queue = queue
        self._delegate = delegate
        self._budget = params.udp_payload_bytes - COMPOUND_HEADER_BYTES - envelope.packet_overhead
        self._compresses = params.compression
        self._datagrams: list[Datagram] = []

    def send(self, message: bytes, destination: Address, members: int) -> None:
        """Send an encoded message with as many broadcasts as fit beside it."""
        extra = self.take_broadcasts(self._budget - len(message), members, MAX_COMPOUND_PARTS - 1)
        self.send_alone(_joined([message, *extra]), destination)

    def send_alone(self, message: bytes, destination: Address, *, may_compress: bool = False) -> None:
        """Send an encoded message with nothing beside it, to whom we may know nothing of."""
        self._post(message, destination, may_compress=may_compress, has_crc=False)

    def send_packet(self, messages: list[bytes], member: Member, *, may_compress: bool = False) -> None:
        """Send encoded messages in one datagram to a member."""
        has_crc = member.versions.protocol_max >= CRC_VERSION
        self._post(_joined(messages), member.address, may_compress=may_compress, has_crc=has_crc)

    def _post(self, packet: bytes, destination: Address, *, may_compress: bool, has_crc: bool) -> None:
        if may_compress and self._compresses and len(packet) >= COMPRESS_FROM_BYTES:
            packet = min(packet, compress(packet), key=len)
        if has_crc:
            packet = add_crc(packet)
        self._datagrams.append(Datagram(self._envelope.seal_packet(packet), destination))

    def take_batch(self, members: int) -> list[bytes]:
        """Return the broadcasts for one whole packet, each counted as transmitted."""
        return self.take_broadcasts(self._budget, members, MAX_COMPOUND_PARTS)

    def take_broadcasts(self, room: int, members: int, max_parts: int) -> list[bytes]:
        """Return broadcasts that fit into ``room`` bytes, memberlist's before the delegate's."""
        if room <= COMPOUND_PART_BYTES:
            return []
        taken = self._queue.take(COMPOUND_PART_BYTES, room, members)
        room -= sum(map(len, taken)) + COMPOUND_PART_BYTES * len(taken)
        overhead = COMPOUND_PART_BYTES + USER_TYPE_BYTES
        if room > overhead:
            taken += [_USER + message for message in self._delegate.broadcasts(overhead, room)]
        # The smallest message has over 8 bytes, so 1400 bytes never hold more parts than a compound may.
        return taken[:max_parts]

    def drain(self) -> list[Datagram]:
        """Return the datagrams waiting, oldest first, and forget them."""
        datagrams = self._datagrams
        self._datagrams = []
        return datagrams


def _joined(messages: list[bytes]) -> bytes:
    return messages[0] if len(messages) == 1 else encode_compound(messages)

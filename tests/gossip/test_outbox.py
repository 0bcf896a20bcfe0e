"""What leaves in datagrams, and what it is wrapped in."""

from __future__ import annotations

import zlib
from random import Random

import attrs
import pytest

from nodedns.gossip.broadcast import BroadcastQueue
from nodedns.gossip.delegate import NullDelegate
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.keyring import Keyring
from nodedns.gossip.messages import Ack, Message, MessageType, Ping, Suspect
from nodedns.gossip.outbox import COMPRESS_FROM_BYTES, Outbox
from nodedns.gossip.params import LAN, GossipParams
from nodedns.gossip.wire import decode_packet_untrusted, decompress_untrusted, encode_compound, encode_message
from nodedns.model.address import Address
from nodedns.model.member import Member, Versions
from nodedns.model.names import NodeName

KEY = b"0123456789abcdef"
THERE = Address(bytes([10, 0, 0, 2]), 7946)
NEW = Member(NodeName("new"), THERE, b"", Versions(bytes([1, 5, 2, 2, 5, 5])))
OLD = Member(NodeName("old"), THERE, b"", Versions(bytes([1, 4, 2, 2, 5, 5])))
GOSSIP = [encode_message(Suspect(1, f"member-{number}", "accuser")) for number in range(30)]


def outbox(envelope: Envelope | None = None, params: GossipParams = LAN) -> Outbox:
    return Outbox(params, envelope or Envelope(), BroadcastQueue(4, 100), NullDelegate())


def sent(box: Outbox) -> bytes:
    (datagram,) = box.drain()
    assert THERE == datagram.destination
    return datagram.payload


def messages_of(packet: bytes) -> list[Message]:
    bad: list[Exception] = []
    messages = decode_packet_untrusted(packet, bad.append)
    assert [] == bad
    return messages


def test_gossip_is_wrapped_in_order_compound_compression_checksum_seal_label() -> None:
    keyring = Keyring([KEY])
    box = outbox(Envelope(b"pool", keyring, entropy=Random(1).randbytes))
    box.send_packet(GOSSIP, NEW, may_compress=True)
    packet = sent(box)
    assert b"\xf4\x04pool" == packet[:6]
    checked = keyring.open_untrusted(packet[6:], b"pool")
    assert MessageType.HAS_CRC == checked[0]
    compressed = checked[5:]
    assert zlib.crc32(compressed) == int.from_bytes(checked[1:5], "big")
    assert MessageType.COMPRESS == compressed[0]
    assert encode_compound(GOSSIP) == decompress_untrusted(compressed[1:])


@pytest.mark.parametrize(("member", "lead"), [(NEW, MessageType.HAS_CRC), (OLD, MessageType.COMPOUND)])
def test_checksum_is_added_for_members_that_understand_it(member: Member, lead: MessageType) -> None:
    box = outbox(params=attrs.evolve(LAN, compression=False))
    box.send_packet(GOSSIP, member, may_compress=True)
    packet = sent(box)
    assert lead == packet[0]
    assert len(GOSSIP) == len(messages_of(packet))


def test_checksum_is_not_added_for_addresses_of_whom_nothing_is_known() -> None:
    box = outbox()
    box.send(encode_message(Ack(1)), THERE, 3)
    assert MessageType.ACK == sent(box)[0]


def test_ack_is_not_compressed_however_much_rides_along() -> None:
    queue = BroadcastQueue(4, 100)
    for number, message in enumerate(GOSSIP):
        queue.queue(str(number), message)
    box = Outbox(LAN, Envelope(), queue, NullDelegate())
    box.send(encode_message(Ack(1)), THERE, 3)
    packet = sent(box)
    assert len(packet) > COMPRESS_FROM_BYTES
    assert MessageType.COMPOUND == packet[0]


def test_ping_of_a_suspect_has_a_checksum_and_is_not_compressed() -> None:
    box = outbox()
    box.send_packet([encode_message(Ping(1, "new")), GOSSIP[0]], NEW)
    packet = sent(box)
    assert (MessageType.HAS_CRC, MessageType.COMPOUND) == (packet[0], packet[5])


@pytest.mark.parametrize(
    "message",
    [GOSSIP[0], b"\x08" + Random(1).randbytes(1300)],
    ids=["short", "would grow"],
)
def test_what_gets_no_shorter_is_not_compressed(message: bytes) -> None:
    box = outbox()
    box.send_alone(message, THERE, may_compress=True)
    assert message == sent(box)

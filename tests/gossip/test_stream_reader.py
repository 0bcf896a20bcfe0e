"""What a stream's message costs to read, which is what the slices are cut by."""

from __future__ import annotations

from nodedns.gossip import lzw
from nodedns.gossip.bodies import encode_body
from nodedns.gossip.compression import INFLATE_PIECE_US
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.messages import Compressed
from nodedns.gossip.params import GossipParams
from nodedns.gossip.stream_reader import StreamReader

EIGHT_CLEAR_CODES = sum(256 << 9 * place for place in range(8)).to_bytes(9, "little")


def test_clear_codes_give_no_bytes_but_cost_what_others_do() -> None:
    pieces = 8
    deflated = EIGHT_CLEAR_CODES * (pieces * lzw.PIECE_CODES // 8)
    reader = StreamReader(GossipParams(), Envelope(), is_reply=False)
    reader.feed(b"\x09" + encode_body(Compressed(0, deflated)))
    steps = reader.read()
    costs = [next(steps), *(steps.send(0.0) for _ in range(pieces - 1))]
    assert [INFLATE_PIECE_US] * (pieces - 1) == costs[1:]
    assert lzw.PIECE_CODES <= INFLATE_PIECE_US

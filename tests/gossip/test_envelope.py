from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip.envelope import MAX_SEALED_BYTES, Envelope, StreamOpener
from nodedns.gossip.keyring import MAX_KEYS, Keyring

KEY = b"0123456789abcdef"
OTHER_KEY = b"fedcba9876543210" * 2
PLAIN = b"\x00\x80 a message"


class Entropy:
    """Counts, so that no nonce comes twice."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, count: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(count, "big")


def envelope(label: bytes = b"", *keys: bytes, verify_incoming: bool = True, verify_outgoing: bool = True) -> Envelope:
    return Envelope(
        label,
        Keyring(keys),
        verify_incoming=verify_incoming,
        verify_outgoing=verify_outgoing,
        entropy=Entropy(),
    )


def opened(opener: StreamOpener, data: bytes, step: int) -> bytes:
    return b"".join(opener.feed(data[at : at + step]) for at in range(0, len(data), step))


# --- keyring -----------------------------------------------------------------


def test_keys_keep_their_order_and_duplicates_are_ignored() -> None:
    keyring = Keyring([KEY, OTHER_KEY, KEY])
    assert (KEY, OTHER_KEY) == keyring.keys
    assert KEY == keyring.primary


def test_used_key_becomes_the_primary() -> None:
    keyring = Keyring([KEY, OTHER_KEY])
    keyring.use(OTHER_KEY)
    assert (OTHER_KEY, KEY) == keyring.keys


def test_unknown_key_cannot_be_used() -> None:
    with pytest.raises(LocalProtocolError, match="Requested key is not in the keyring"):
        Keyring([KEY]).use(OTHER_KEY)


def test_primary_key_cannot_be_removed_and_others_can() -> None:
    keyring = Keyring([KEY, OTHER_KEY])
    keyring.remove(OTHER_KEY)
    keyring.remove(OTHER_KEY)
    assert (KEY,) == keyring.keys
    with pytest.raises(LocalProtocolError, match="Removing the primary key is not allowed"):
        keyring.remove(KEY)


@pytest.mark.parametrize("size", [0, 15, 17, 33])
def test_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(LocalProtocolError, match="key size must be 16, 24 or 32 bytes"):
        Keyring([bytes(size)])


def test_keyring_is_bounded() -> None:
    keyring = Keyring([number.to_bytes(16, "big") for number in range(MAX_KEYS)])
    with pytest.raises(LocalProtocolError, match="64 keys already"):
        keyring.install(OTHER_KEY)


def test_empty_keyring_seals_nothing() -> None:
    with pytest.raises(LocalProtocolError):
        Keyring().seal(PLAIN, bytes(12), b"")


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17])
def test_padded_version_opens_whatever_the_length(size: int) -> None:
    keyring = Keyring([KEY])
    assert bytes(size) == keyring.open_untrusted(keyring.seal(bytes(size), bytes(12), b"", version=0), b"")


@pytest.mark.parametrize("padded", [bytes(16), b"x" * 15 + b"\x11", b"x" * 14 + b"\x03\x02"])
def test_bad_padding_is_refused(padded: bytes) -> None:
    keyring = Keyring([KEY])
    # Version 1 pads nothing, so the block can be made by hand.
    sealed = b"\x00" + keyring.seal(padded, bytes(12), b"")[1:]
    with pytest.raises(GossipWireError, match="bad padding"):
        keyring.open_untrusted(sealed, b"")


@pytest.mark.parametrize(
    ("sealed", "reason"),
    [
        (b"", "unknown version nothing"),
        (b"\x02" + bytes(60), "unknown version 02"),
        (b"\x01" + bytes(27), "shorter than 29 bytes"),
        (b"\x00" + bytes(43), "shorter than 45 bytes"),
        (b"\x01" + bytes(28), "not in our keyring"),
    ],
)
def test_block_that_cannot_be_opened_says_why(sealed: bytes, reason: str) -> None:
    with pytest.raises(GossipWireError, match=reason):
        Keyring([KEY]).open_untrusted(sealed, b"")


# --- packets -----------------------------------------------------------------


def test_without_label_and_keys_all_passes_through() -> None:
    bare = Envelope()
    assert PLAIN == bare.seal_packet(PLAIN) == bare.open_packet_untrusted(PLAIN)
    assert PLAIN == bare.seal_stream(PLAIN)
    assert PLAIN == opened(bare.stream_opener(is_reply=False), PLAIN, 1)
    assert (b"", 0, False) == (bare.stream_header(), bare.packet_overhead, bare.is_encrypted)


def test_bare_envelope_does_not_load_the_cryptography_package() -> None:
    code = "import sys, nodedns.gossip.envelope as e; e.Envelope(); sys.exit('cryptography' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


labels = st.binary(max_size=20)
keys = st.sampled_from([(), (KEY,), (OTHER_KEY, KEY)])


@given(st.binary(min_size=1, max_size=100).filter(lambda data: data[0] != 244), labels, keys)
def test_packet_survives_a_round_trip(data: bytes, label: bytes, ring: tuple[bytes, ...]) -> None:
    both = envelope(label, *ring)
    sealed = both.seal_packet(data)
    assert data == both.open_packet_untrusted(sealed)
    assert len(data) + both.packet_overhead == len(sealed)


@given(st.binary(max_size=50), st.data())
def test_tampered_packet_is_refused(data: bytes, draw: st.DataObject) -> None:
    both = envelope(b"blue", KEY)
    sealed = bytearray(both.seal_packet(data))
    sealed[draw.draw(st.integers(0, len(sealed) - 1))] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(GossipWireError):
        both.open_packet_untrusted(bytes(sealed))


@given(st.binary(max_size=100), labels, keys)
def test_any_packet_gives_bytes_or_a_wire_error(data: bytes, label: bytes, ring: tuple[bytes, ...]) -> None:
    with suppress(GossipWireError):
        envelope(label, *ring).open_packet_untrusted(data)


def test_each_packet_has_a_nonce_of_its_own() -> None:
    both = envelope(b"", KEY)
    assert both.seal_packet(PLAIN) != both.seal_packet(PLAIN)


def test_wrong_key_opens_nothing() -> None:
    with pytest.raises(GossipWireError, match="not in our keyring"):
        envelope(b"", OTHER_KEY).open_packet_untrusted(envelope(b"", KEY).seal_packet(PLAIN))


def test_old_key_opens_until_it_is_removed() -> None:
    keyring = Keyring([KEY])
    both = Envelope(keyring=keyring, entropy=Entropy())
    before = both.seal_packet(PLAIN)
    keyring.install(OTHER_KEY)
    keyring.use(OTHER_KEY)
    assert PLAIN == both.open_packet_untrusted(before)
    assert PLAIN == envelope(b"", OTHER_KEY).open_packet_untrusted(both.seal_packet(PLAIN))
    keyring.remove(KEY)
    with pytest.raises(GossipWireError):
        both.open_packet_untrusted(before)


def test_plain_packet_is_refused_where_encryption_is_verified() -> None:
    with pytest.raises(GossipWireError):
        envelope(b"", KEY).open_packet_untrusted(PLAIN)
    assert PLAIN == envelope(b"", KEY, verify_incoming=False).open_packet_untrusted(PLAIN)


def test_outgoing_is_plain_while_it_is_not_verified() -> None:
    moving = envelope(b"blue", KEY, verify_outgoing=False)
    assert b"\xf4\x04blue" + PLAIN == moving.seal_packet(PLAIN)
    assert PLAIN == moving.seal_stream(PLAIN)
    assert 6 == moving.packet_overhead


@pytest.mark.parametrize(
    ("ours", "packet", "reason"),
    [
        (b"", b"", "empty"),
        (b"", b"\xf4\x04blue\x00", "another label"),
        (b"", b"\xf4\x00\x00", "another label"),
        (b"blue", b"\x00\x80", "another label"),
        (b"blue", b"\xf4\x04gray\x00", "another label"),
        (b"blue", b"\xf4\x05blues\x00", "another label"),
        (b"blue", b"\xf4\x04blu", "cut off"),
        (b"blue", b"\xf4", "cut off"),
        (b"blue", b"", "cut off"),
        (b"blue", b"\xf4\x04blue", "empty"),
    ],
)
def test_packet_of_another_label_is_refused(ours: bytes, packet: bytes, reason: str) -> None:
    with pytest.raises(GossipWireError, match=reason):
        Envelope(ours).open_packet_untrusted(packet)


def test_label_is_covered_by_the_tag() -> None:
    sealed = envelope(b"blue", KEY).seal_packet(PLAIN)
    with pytest.raises(GossipWireError, match="not in our keyring"):
        envelope(b"gray", KEY).open_packet_untrusted(b"\xf4\x04gray" + sealed[6:])


def test_label_and_entropy_are_checked_at_once() -> None:
    with pytest.raises(LocalProtocolError, match="not 256"):
        Envelope(bytes(256))
    with pytest.raises(LocalProtocolError, match="entropy"):
        Envelope(keyring=Keyring([KEY]))


# --- streams -----------------------------------------------------------------


@given(st.binary(min_size=1, max_size=80), labels, keys, st.integers(1, 90))
def test_stream_opens_the_same_however_it_is_cut(
    message: bytes, label: bytes, ring: tuple[bytes, ...], step: int
) -> None:
    message = b"\x06" + message
    both = envelope(label, *ring)
    request = both.stream_header() + both.seal_stream(message)
    assert message == opened(both.stream_opener(is_reply=False), request, step)
    assert message == opened(both.stream_opener(is_reply=True), both.seal_stream(message), step)


@given(st.lists(st.binary(max_size=30), max_size=4), labels, keys, st.booleans())
def test_any_stream_gives_bytes_or_a_wire_error(
    pieces: list[bytes], label: bytes, ring: tuple[bytes, ...], is_reply: bool
) -> None:
    opener = envelope(label, *ring).stream_opener(is_reply=is_reply)
    with suppress(GossipWireError):
        for piece in pieces:
            opener.feed(piece)


def test_reply_has_no_label_header() -> None:
    both = envelope(b"blue", KEY)
    with pytest.raises(GossipWireError):
        both.stream_opener(is_reply=True).feed(both.stream_header() + both.seal_stream(PLAIN))


def test_stream_without_our_label_is_refused() -> None:
    with pytest.raises(GossipWireError, match="another label"):
        Envelope(b"blue").stream_opener(is_reply=False).feed(PLAIN)


def test_plain_stream_is_refused_where_encryption_is_verified() -> None:
    with pytest.raises(GossipWireError, match="not encrypted"):
        envelope(b"", KEY).stream_opener(is_reply=False).feed(PLAIN)
    assert PLAIN == envelope(b"", KEY, verify_incoming=False).stream_opener(is_reply=False).feed(PLAIN)


def test_encrypted_stream_is_refused_without_a_key() -> None:
    with pytest.raises(GossipWireError, match="we have no key"):
        Envelope().stream_opener(is_reply=False).feed(envelope(b"", KEY).seal_stream(PLAIN))


def test_what_follows_an_encrypted_block_is_ignored() -> None:
    both = envelope(b"", KEY)
    opener = both.stream_opener(is_reply=False)
    assert PLAIN == opener.feed(both.seal_stream(PLAIN) + b"more")
    assert b"" == opener.feed(b"and more")


def test_encrypted_block_is_bounded_both_ways() -> None:
    both = envelope(b"", KEY)
    with pytest.raises(GossipWireError, match=f"block of {MAX_SEALED_BYTES + 1} bytes"):
        both.stream_opener(is_reply=False).feed(b"\x0a" + (MAX_SEALED_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(LocalProtocolError, match="more than"):
        both.seal_stream(bytes(MAX_SEALED_BYTES))


def test_length_of_a_block_is_covered_by_the_tag() -> None:
    both = envelope(b"", KEY)
    sealed = both.seal_stream(PLAIN)
    shorter = sealed[:1] + (len(sealed) - 6).to_bytes(4, "big") + sealed[5:]
    with pytest.raises(GossipWireError, match="not in our keyring"):
        both.stream_opener(is_reply=False).feed(shorter)

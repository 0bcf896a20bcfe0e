"""``Envelope``: what surrounds every packet and stream of a cluster: its label and its encryption.

Strategy: with neither a label nor keys every function passes bytes through. A
label goes before all else, in the clear, and is covered by the encryption's
tag. A stream carries it once, at the start of what the dialling side sends.

Layouts:
* label header: 0xf4 | length u8 (1..255) | label
* encrypted packet: [label header] | sealed block
* encrypted stream message: 0x0a | length u32be | sealed block; these five bytes
  and the label are covered by the tag

What it doesn't do: CRC and compression, which are inside (``gossip/wire.py``).
Source: memberlist 0.5.4; labels are unknown to memberlist 0.2.2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from nodedns.errors import ForeignGossip, GossipWireError, LocalProtocolError
from nodedns.gossip.keyring import NONCE_BYTES, SEAL_OVERHEAD_BYTES, SEALED_VERSIONS, Keyring
from nodedns.gossip.messages import MessageType

__all__ = ["MAX_LABEL_BYTES", "MAX_SEALED_BYTES", "Envelope", "Keyring", "StreamOpener"]

MAX_LABEL_BYTES = 255  # its length is one byte
MAX_SEALED_BYTES = 20 * 1024 * 1024  # memberlist's limit on an encrypted block

LABEL_HEADER_BYTES = 2
OTHER_LABEL = "the peer's gossip has another label or none: check gossip_label here and there"
NOT_ENCRYPTED = "the peer's gossip is not encrypted and ours is: give that agent the cluster's key (encrypt)"
NO_KEY = "the peer's gossip is encrypted and we have no key: give this agent the cluster's key (encrypt)"
# * 0x0a | length of the sealed block u32be
_BLOCK = struct.Struct(">BI")


class Envelope:
    """Label and encryption of one gossip pool.

    Args:
        label: Must equal the peers'; empty for none.
        keyring: Keys to seal and open with; None or an empty one for no encryption.
        verify_incoming: Whether what is not encrypted is refused.
        verify_outgoing: Whether what is sent is encrypted; off only while a cluster moves to encryption.
        entropy: Returns that many unpredictable bytes; needed with a keyring.

    Raises:
        LocalProtocolError: A label above 255 bytes, or a keyring without entropy.
    """

    __slots__ = ("_entropy", "_header", "_keyring", "_label", "_verify_incoming", "_verify_outgoing")

    def __init__(
        self,
        label: bytes = b"",
        keyring: Keyring | None = None,
        *,
        verify_incoming: bool = True,
        verify_outgoing: bool = True,
        entropy: Callable[[int], bytes] | None = None,
    ) -> None:
        if len(label) > MAX_LABEL_BYTES:
            raise LocalProtocolError(f"a label has at most {MAX_LABEL_BYTES} bytes, not {len(label)}")
        if keyring is not None and entropy is None:
            raise LocalProtocolError("encryption needs entropy")
        self._label = label
        self._header = bytes([MessageType.LABEL, len(label)]) + label if label else b""
        self._keyring = keyring
        self._verify_incoming = verify_incoming
        self._verify_outgoing = verify_outgoing
        self._entropy = entropy

    @property
    def keyring(self) -> Keyring | None:
        """The keyring handed in; changing its keys changes what is sealed from then on."""
        return self._keyring

    @property
    def is_encrypted(self) -> bool:
        """Whether there is a key."""
        return self._keyring is not None and self._keyring.primary is not None

    @property
    def exposes_keys(self) -> bool:
        """Whether there is a key, and yet gossip is taken or sent without: strangers could ask for keys."""
        return self.is_encrypted and not (self._verify_incoming and self._verify_outgoing)

    @property
    def packet_overhead(self) -> int:
        """How many bytes a packet grows by."""
        sealed = self.is_encrypted and self._verify_outgoing
        return len(self._header) + (SEAL_OVERHEAD_BYTES if sealed else 0)

    def seal_packet(self, data: bytes) -> bytes:
        """Return the datagram that carries ``data``."""
        return self._header + self._seal(data, self._label)

    def _seal(self, data: bytes, associated: bytes) -> bytes:
        keyring, entropy = self._keyring, self._entropy
        if keyring is None or entropy is None or not self.is_encrypted or not self._verify_outgoing:
            return data
        return keyring.seal(data, entropy(NONCE_BYTES), associated)

    def open_packet_untrusted(self, data: bytes) -> bytes:
        """Return what a datagram carries.

        Raises:
            GossipWireError: Empty; ``ForeignGossip``: another label, or not encrypted with one of our keys.
        """
        inner = self._strip_label_untrusted(data)
        if not inner:
            raise GossipWireError("packet", len(data), "empty")
        if self._keyring is None or not self.is_encrypted:
            return inner
        try:
            if inner[0] not in SEALED_VERSIONS:
                raise ForeignGossip("not-encrypted", NOT_ENCRYPTED)
            return self._keyring.open_untrusted(inner, self._label)
        except GossipWireError:
            if self._verify_incoming:
                raise
            return inner

    def _strip_label_untrusted(self, data: bytes) -> bytes:
        start = self._label_end_untrusted(data)
        if start is None:
            raise GossipWireError("packet", len(data), "the label is cut off")
        return data[start:]

    def _label_end_untrusted(self, data: bytes) -> int | None:
        """Return where ``data`` goes on after the label, or None where that is cut off."""
        if not data:
            return None if self._label else 0
        if data[0] != MessageType.LABEL:
            if self._label:
                raise ForeignGossip("other-label", OTHER_LABEL)
            return 0
        if len(data) < LABEL_HEADER_BYTES:
            return None
        end = LABEL_HEADER_BYTES + data[1]
        if len(data) < end:
            return None
        # An empty label has no header, so a header of length 0 is not ours either.
        if not data[1] or data[LABEL_HEADER_BYTES:end] != self._label:
            raise ForeignGossip("other-label", OTHER_LABEL)
        return end

    def stream_header(self) -> bytes:
        """Return what the dialling side sends once, before anything else."""
        return self._header

    def seal_stream(self, message: bytes) -> bytes:
        """Return ``message`` as a stream carries it, in either direction.

        Raises:
            LocalProtocolError: ``message`` is longer than an encrypted block may be.
        """
        if not self.is_encrypted or not self._verify_outgoing:
            return message
        size = len(message) + SEAL_OVERHEAD_BYTES
        if size > MAX_SEALED_BYTES:
            raise LocalProtocolError(f"a block of {size} bytes, more than {MAX_SEALED_BYTES}")
        head = _BLOCK.pack(MessageType.ENCRYPT, size)
        return head + self._seal(message, head + self._label)

    def stream_opener(self, *, is_reply: bool) -> StreamOpener:
        """Return the opener for one direction of a stream; a reply has no label header."""
        return StreamOpener(self, is_reply=is_reply)


class StreamOpener:
    """Takes the envelope off one direction of a stream.

    Args:
        envelope: The pool's.
        is_reply: Whether we dialled.
    """

    __slots__ = ("_buffer", "_envelope", "_is_over", "_is_plain", "_wants_label")

    def __init__(self, envelope: Envelope, *, is_reply: bool) -> None:
        self._envelope = envelope
        self._buffer = bytearray()
        self._wants_label = not is_reply
        self._is_plain = False
        self._is_over = False

    def feed(self, data: bytes) -> bytes:
        """Return the plaintext that ``data`` completes, which may be none yet.

        What follows an encrypted block is ignored, as memberlist does.

        Raises:
            GossipWireError: A malformed block; ``ForeignGossip``: another label, a block that none of our
                keys opens, or plaintext where encryption is asked for.
        """
        if self._is_over:
            return b""
        if self._is_plain:
            return data
        self._buffer += data
        if self._wants_label and not self._take_label():
            return b""
        if not self._buffer:
            return b""
        if self._buffer[0] == MessageType.ENCRYPT:
            return self._open_block()
        if self._envelope.is_encrypted and self._envelope._verify_incoming:  # noqa: SLF001  # one concept, two classes
            raise ForeignGossip("not-encrypted", NOT_ENCRYPTED)
        self._is_plain = True
        plain = bytes(self._buffer)
        self._buffer.clear()
        return plain

    def _take_label(self) -> bool:
        """Drop the label once it is all there; say whether it is."""
        end = self._envelope._label_end_untrusted(bytes(self._buffer[: LABEL_HEADER_BYTES + MAX_LABEL_BYTES]))  # noqa: SLF001
        if end is None or not self._buffer:
            return False
        del self._buffer[:end]
        self._wants_label = False
        return True

    def _open_block(self) -> bytes:
        keyring = self._envelope.keyring
        if keyring is None or not self._envelope.is_encrypted:
            raise ForeignGossip("no-key", NO_KEY)
        if len(self._buffer) < _BLOCK.size:
            return b""
        size = _BLOCK.unpack_from(self._buffer)[1]
        if size > MAX_SEALED_BYTES:
            raise GossipWireError("stream", 1, f"an encrypted block of {size} bytes")
        end = _BLOCK.size + size
        if len(self._buffer) < end:
            return b""
        self._is_over = True
        associated = bytes(self._buffer[: _BLOCK.size]) + self._envelope._label  # noqa: SLF001
        sealed = bytes(self._buffer[_BLOCK.size : end])
        self._buffer.clear()
        return keyring.open_untrusted(sealed, associated)

"""``Keyring``: the keys of an encrypted cluster, and sealing and opening with them.

Strategy: AES-GCM. The first key, the primary, seals; to open, all are tried in
order, so that keys can be changed while the cluster runs.

Layout of a sealed block:
* version u8 (1; 0 pads the plaintext to 16 bytes, PKCS#7)
* nonce, 12 bytes
* ciphertext, as long as the plaintext
* tag, 16 bytes

``cryptography`` is imported when the first keyring is made: a cluster without
encryption never loads it.

What it doesn't do: framing and labels (``gossip/envelope.py``), files
(``serf/keyring_file.py``). Source: memberlist's encryption, versions 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from nodedns.errors import GossipWireError, LocalProtocolError

__all__ = ["KEY_SIZES_BYTES", "NONCE_BYTES", "SEAL_OVERHEAD_BYTES", "Keyring"]

KEY_SIZES_BYTES = (16, 24, 32)  # AES-128, AES-192, AES-256
MAX_KEYS = 64  # ours; Serf's list of keys fits about twenty into an answer
NONCE_BYTES = 12
TAG_BYTES = 16
PADDED_BLOCK_BYTES = 16
SEAL_OVERHEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES

VERSION_PADDED = 0
VERSION_PLAIN = 1

_SMALLEST_BYTES = {VERSION_PADDED: SEAL_OVERHEAD_BYTES + PADDED_BLOCK_BYTES, VERSION_PLAIN: SEAL_OVERHEAD_BYTES}


class _Aead(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


def _load_cipher() -> tuple[Callable[[bytes], _Aead], type[Exception]]:
    # Imported here because most clusters never encrypt, and it is by far the slowest import of the package.
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM, InvalidTag


class Keyring:
    """An ordered list of keys, the primary first.

    Args:
        keys: 16, 24 or 32 bytes each; duplicates are ignored. Without any, nothing is encrypted.

    Raises:
        LocalProtocolError: A key of another length, or more than 64 keys.
    """

    __slots__ = ("_ciphers", "_invalid_tag", "_make")

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._make, self._invalid_tag = _load_cipher()
        self._ciphers: dict[bytes, _Aead] = {}  # insertion order is the order of trying
        for key in keys:
            self.install(key)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys, the primary first."""
        return tuple(self._ciphers)

    @property
    def primary(self) -> bytes | None:
        """The key that seals; None in an empty keyring."""
        return next(iter(self._ciphers), None)

    def install(self, key: bytes) -> None:
        """Add ``key`` behind the others; one that is there already changes nothing.

        Raises:
            LocalProtocolError: A wrong length, or the keyring is full.
        """
        if len(key) not in KEY_SIZES_BYTES:
            raise LocalProtocolError(f"a key has 16, 24 or 32 bytes, not {len(key)}")
        if key in self._ciphers:
            return
        if len(self._ciphers) >= MAX_KEYS:
            raise LocalProtocolError(f"the keyring holds {MAX_KEYS} keys already")
        self._ciphers[key] = self._make(key)

    def use(self, key: bytes) -> None:
        """Make ``key`` the primary.

        Raises:
            LocalProtocolError: It is not in the keyring.
        """
        if key not in self._ciphers:
            raise LocalProtocolError("the key is not in the keyring")
        self._ciphers = {key: self._ciphers[key]} | self._ciphers

    def remove(self, key: bytes) -> None:
        """Forget ``key``; one that isn't there changes nothing.

        Raises:
            LocalProtocolError: It is the primary.
        """
        if key == self.primary:
            raise LocalProtocolError("the primary key cannot be removed")
        self._ciphers.pop(key, None)

    def seal(self, plaintext: bytes, nonce: bytes, associated: bytes, version: int = VERSION_PLAIN) -> bytes:
        """Return ``plaintext`` sealed with the primary key.

        Args:
            plaintext: What to hide.
            nonce: 12 bytes, never used twice with one key.
            associated: Covered by the tag, though not sent; may be empty.
            version: 1, or 0 for peers whose memberlist protocol is 1.

        Raises:
            LocalProtocolError: The keyring is empty.
        """
        cipher = next(iter(self._ciphers.values()), None)
        if cipher is None:
            raise LocalProtocolError("an empty keyring seals nothing")
        if version == VERSION_PADDED:
            padding = PADDED_BLOCK_BYTES - len(plaintext) % PADDED_BLOCK_BYTES
            plaintext += bytes([padding]) * padding
        return bytes([version]) + nonce + cipher.encrypt(nonce, plaintext, associated or None)

    def open_untrusted(self, sealed: bytes, associated: bytes) -> bytes:
        """Return the plaintext of a sealed block.

        Raises:
            GossipWireError: An unknown version, too short, bad padding, or no key opens it.
        """
        smallest = _SMALLEST_BYTES.get(sealed[0]) if sealed else None
        if smallest is None:
            raise GossipWireError("sealed block", 0, f"unknown version {sealed[:1].hex() or 'nothing'}")
        if len(sealed) < smallest:
            raise GossipWireError("sealed block", len(sealed), f"shorter than {smallest} bytes")
        nonce, hidden = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        for cipher in self._ciphers.values():
            try:
                plaintext = cipher.decrypt(nonce, hidden, associated or None)
            except self._invalid_tag:
                continue
            return _unpad(plaintext) if sealed[0] == VERSION_PADDED else plaintext
        raise GossipWireError("sealed block", 0, "no key opens it")


def _unpad(plaintext: bytes) -> bytes:
    padding = plaintext[-1] if plaintext else 0
    if not 1 <= padding <= PADDED_BLOCK_BYTES or not plaintext.endswith(bytes([padding]) * padding):
        raise GossipWireError("sealed block", len(plaintext), "bad padding")
    return plaintext[:-padding]

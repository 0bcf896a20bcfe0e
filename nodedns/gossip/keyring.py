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

A change is a function from keys to keys, which refuses with memberlist's
words, so that one can be checked and stored before it counts.

What it doesn't do: framing and labels (``gossip/envelope.py``), files
(``serf/keyring_file.py``). Source: memberlist's encryption, versions 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from nodedns.errors import ForeignGossip, GossipWireError, LocalProtocolError
from nodedns.gossip.key_text import check_key

__all__ = [
    "MAX_KEYS",
    "NONCE_BYTES",
    "SEALED_VERSIONS",
    "SEAL_OVERHEAD_BYTES",
    "Keyring",
    "with_installed",
    "with_removed",
    "with_used",
]

MAX_KEYS = 64  # ours; Serf's list of keys fits about twenty into an answer
NONCE_BYTES = 12
TAG_BYTES = 16
PADDED_BLOCK_BYTES = 16
SEAL_OVERHEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES

VERSION_PADDED = 0
VERSION_PLAIN = 1

WRONG_KEY = "the peer's gossip is encrypted with a key that is not in our keyring: check encrypt here and there"

SEALED_VERSIONS = (VERSION_PADDED, VERSION_PLAIN)
"""What a sealed block begins with."""

_SMALLEST_BYTES = {VERSION_PADDED: SEAL_OVERHEAD_BYTES + PADDED_BLOCK_BYTES, VERSION_PLAIN: SEAL_OVERHEAD_BYTES}


class _Aead(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


def _load_cipher() -> tuple[Callable[[bytes], _Aead], type[Exception]]:
    # Imported here because most clusters never encrypt, and it is by far the slowest import of the package.
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM, InvalidTag


def with_installed(keys: Sequence[bytes], key: bytes) -> tuple[bytes, ...]:
    """Return ``keys`` with ``key`` behind the others; one that is there already changes nothing.

    Raises:
        LocalProtocolError: A wrong length, or there are 64 keys.
    """
    check_key(key)
    if key in keys:
        return tuple(keys)
    if len(keys) >= MAX_KEYS:
        raise LocalProtocolError(f"the keyring holds {MAX_KEYS} keys already")
    return (*keys, key)


def with_used(keys: Sequence[bytes], key: bytes) -> tuple[bytes, ...]:
    """Return ``keys`` with ``key`` as the primary.

    Raises:
        LocalProtocolError: It is not among them.
    """
    if key not in keys:
        raise LocalProtocolError("Requested key is not in the keyring")
    return (key, *(other for other in keys if other != key))


def with_removed(keys: Sequence[bytes], key: bytes) -> tuple[bytes, ...]:
    """Return ``keys`` without ``key``; one that isn't there changes nothing.

    Raises:
        LocalProtocolError: It is the primary.
    """
    if keys and key == keys[0]:
        raise LocalProtocolError("Removing the primary key is not allowed")
    return tuple(other for other in keys if other != key)


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
        """Do as ``with_installed``."""
        self.replace(with_installed(self.keys, key))

    def use(self, key: bytes) -> None:
        """Do as ``with_used``."""
        self.replace(with_used(self.keys, key))

    def remove(self, key: bytes) -> None:
        """Do as ``with_removed``."""
        self.replace(with_removed(self.keys, key))

    def replace(self, keys: Sequence[bytes]) -> None:
        """Hold these keys from now on, the primary first.

        Args:
            keys: As ``with_installed`` and its kin return them.
        """
        self._ciphers = {key: self._ciphers.get(key) or self._make(key) for key in keys}

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
            GossipWireError: An unknown version, too short, bad padding, or no key opens it (``ForeignGossip``).
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
        raise ForeignGossip("wrong-key", WRONG_KEY)


def _unpad(plaintext: bytes) -> bytes:
    padding = plaintext[-1] if plaintext else 0
    if not 1 <= padding <= PADDED_BLOCK_BYTES or not plaintext.endswith(bytes([padding]) * padding):
        raise GossipWireError("sealed block", len(plaintext), "bad padding")
    return plaintext[:-padding]

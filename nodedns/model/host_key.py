"""``Fingerprint``: what a node's SSH server shows of its host key, as DNS publishes it in an SSHFP record.

Strategy: it has three spellings, and all are here. In node meta, where anybody may put it, it is a pair of its own,
``sshfp-4-2`` = hex: the numbers of algorithm and hash as in the record. In gossip, where all tags of a member have 512
bytes, those that an agent read from its host keys share one tag, packed and in base64: three keys are 132 letters,
as pairs of meta they would be 237. And a public key file of OpenSSH has the key that the fingerprint is made of.

A pair of meta that begins as one and is none is no fault of ours: it stays meta.

This looks at no file, and says nothing of whether the key is the node's.

Source: RFC 4255 (the record), RFC 6594 (SHA-256 and ECDSA), RFC 7479 (Ed25519), RFC 8709 (Ed448), RFC 4253 section 6.6
(the public key).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping

import attrs

from nodedns.errors import WireError, shorten

__all__ = [
    "MAX_FINGERPRINTS",
    "MAX_KEY_LINE_CHARS",
    "META_PREFIX",
    "SHA256",
    "Fingerprint",
    "decode_tag_untrusted",
    "encode_tag",
    "fingerprint_of_public_key",
    "is_fingerprint_pair",
    "meta_faults_of_fingerprints",
    "meta_fingerprints",
    "meta_of",
]

META_PREFIX = "sshfp-"
SHA1, SHA256 = 1, 2
MAX_FINGERPRINTS = 16
"""Of one node; ours: a host has three or four keys, and while they are changed twice that."""
MAX_KEY_LINE_CHARS = 16_384
"""Of a public key file; ours: an RSA key of 16,384 bits, OpenSSH's longest, has less than 3,000."""

# What RFC 4255 section 3.1.1 and its followers number, by the name of the public key (RFC 4253 section 6.6, RFC 5656).
_ALGORITHMS: Mapping[bytes, int] = {
    b"ssh-rsa": 1,
    b"ssh-dss": 2,
    b"ecdsa-sha2-nistp256": 3,
    b"ecdsa-sha2-nistp384": 3,
    b"ecdsa-sha2-nistp521": 3,
    b"ssh-ed25519": 4,
    b"ssh-ed448": 6,
}
_NUMBERS = frozenset(_ALGORITHMS.values())
_DIGEST_BYTES: Mapping[int, int] = {SHA1: 20, SHA256: 32}
_KEY = re.compile(r"sshfp-([0-9])-([0-9])")
_BETWEEN = re.compile(r"[ ,]+")
_WHAT = "SSH public key"


@attrs.frozen(order=True)
class Fingerprint:
    """One fingerprint of one key; they stand in the order of their fields.

    Attributes:
        algorithm: Of the key: 1 RSA, 2 DSA, 3 ECDSA, 4 Ed25519, 6 Ed448.
        kind: The hash: 1 SHA-1, 2 SHA-256.
        digest: The hash of the public key, 20 or 32 bytes.
    """

    algorithm: int
    kind: int
    digest: bytes

    @property
    def rdata(self) -> bytes:
        """The RDATA of its SSHFP record (RFC 4255 section 3.1)."""
        return bytes((self.algorithm, self.kind)) + self.digest


def meta_fingerprints(meta: Mapping[str, str]) -> tuple[Fingerprint, ...]:
    """Return the fingerprints in node meta, sorted, each once, at most ``MAX_FINGERPRINTS``."""
    found = [each for key in meta if key.startswith(META_PREFIX) for each in _read_pair(key, meta[key]) or ()]
    return tuple(sorted(dict.fromkeys(found))[:MAX_FINGERPRINTS]) if found else ()


def is_fingerprint_pair(key: str, value: str) -> bool:
    """Whether a pair of meta is a fingerprint, or several."""
    return key.startswith(META_PREFIX) and _read_pair(key, value) is not None


def meta_faults_of_fingerprints(meta: Mapping[str, str]) -> list[str]:
    """Return a sentence about each pair that begins as a fingerprint and is none."""
    return [
        f"{shorten(key)} is no fingerprint of an SSH host key: {shorten(meta[key])}; a pair such as sshfp-4-2 has the "
        "algorithm (1, 2, 3, 4, 6), the hash (1: SHA-1, 2: SHA-256), and 40 or 64 hex digits"
        for key in sorted(meta)
        if key.startswith(META_PREFIX) and _read_pair(key, meta[key]) is None
    ]


def meta_of(fingerprints: Iterable[Fingerprint]) -> dict[str, str]:
    """Return the pairs that say the same as ``fingerprints``; keys of one algorithm share a pair."""
    pairs: dict[str, str] = {}
    for each in fingerprints:
        key = f"{META_PREFIX}{each.algorithm}-{each.kind}"
        pairs[key] = f"{pairs[key]} {each.digest.hex()}" if key in pairs else each.digest.hex()
    return pairs


def _read_pair(key: str, value: str) -> list[Fingerprint] | None:
    named = _KEY.fullmatch(key)
    if named is None:
        return None
    algorithm, kind = map(int, named.groups())
    length = _DIGEST_BYTES.get(kind)
    if algorithm not in _NUMBERS or length is None:
        return None
    digests = [_hex(text, length) for text in _BETWEEN.split(value.strip(" ,"))]
    found = [Fingerprint(algorithm, kind, digest) for digest in digests if digest is not None]
    return found if len(found) == len(digests) else None


def _hex(text: str, length: int) -> bytes | None:
    try:
        # bytes.fromhex would skip blanks of every kind.
        return binascii.unhexlify(text) if len(text) == 2 * length else None
    except ValueError:
        return None


# --- the tag -------------------------------------------------------------------------------


def encode_tag(fingerprints: Iterable[Fingerprint]) -> str:
    """Return the text of a member's tag with these, which are SHA-256; ``decode_tag_untrusted`` reads it back.

    ============  =====================
    1 byte        algorithm
    32 bytes      SHA-256 of the key
    ============  =====================

    and so on for each, in base64 without padding.
    """
    packed = b"".join(bytes((each.algorithm,)) + each.digest for each in fingerprints)
    return base64.b64encode(packed).rstrip(b"=").decode("ascii")


def decode_tag_untrusted(text: str) -> tuple[Fingerprint, ...]:
    """Return the fingerprints in a tag; none of a tag that is no such text."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return ()
    size = 1 + _DIGEST_BYTES[SHA256]
    count, rest = divmod(len(packed), size)
    if rest or count > MAX_FINGERPRINTS:
        return ()
    starts = range(0, len(packed), size)
    found = [Fingerprint(packed[at], SHA256, packed[at + 1 : at + size]) for at in starts]
    return tuple(found) if all(each.algorithm in _NUMBERS for each in found) else ()


# --- the file ------------------------------------------------------------------------------


def fingerprint_of_public_key(line: str) -> Fingerprint:
    """Return the SHA-256 fingerprint of a public key as OpenSSH writes it: its name, the key in base64, a comment.

    Raises:
        WireError: It is no public key, or of an algorithm that has no number for SSHFP.
    """
    name, _, rest = line[:MAX_KEY_LINE_CHARS].strip().partition(" ")
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
    except ValueError:
        raise WireError(_WHAT, len(name), "no base64 behind the name of the algorithm") from None
    said = name.encode(errors="replace")
    # RFC 4251 section 5: a string has its length before it. The key says its algorithm too, and that is what counts.
    if not blob.startswith(len(said).to_bytes(4, "big") + said):
        raise WireError(_WHAT, 0, f"{shorten(name)} is not what the key itself says")
    if said not in _ALGORITHMS:
        raise WireError(_WHAT, 0, f"{shorten(name)} has no number for SSHFP")
    return Fingerprint(_ALGORITHMS[said], SHA256, hashlib.sha256(blob).digest())

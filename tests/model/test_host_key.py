"""Fingerprints of SSH host keys: as meta, as a tag, and from the files of a real ``ssh-keygen``."""

from __future__ import annotations

import base64

import pytest

from nodedns.errors import WireError
from nodedns.model.host_key import (
    MAX_FINGERPRINTS,
    Fingerprint,
    decode_tag_untrusted,
    encode_tag,
    fingerprint_of_public_key,
    is_fingerprint_pair,
    meta_faults_of_fingerprints,
    meta_fingerprints,
    meta_of,
)

# What ssh-keygen made, and what its option -r said of it.
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEBwjHVBAEAXq19IBqvn418MHLpjNg/N9yHKeqoEbLvO test"
ED25519_SHA256 = "09e4748e16b8ac18073e340f0e087a7ffb28cd1d4253a5b37c5133d6ee7d7daf"
ED25519_SHA1 = "b31a69c9d9b1f329a0ed2a6aa12eec770a273041"

OWN = Fingerprint(4, 2, bytes.fromhex(ED25519_SHA256))


def test_public_key_has_the_fingerprint_that_openssh_says() -> None:
    assert OWN == fingerprint_of_public_key(ED25519 + "\n")


def test_rdata_is_two_numbers_and_the_hash() -> None:
    assert "0402" + ED25519_SHA256 == OWN.rdata.hex()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "is not what the key itself says"),
        ("ssh-ed25519", "is not what the key itself says"),
        ("ssh-ed25519 %%%", "no base64"),
        (ED25519.replace("ssh-ed25519", "ssh-rsa"), "'ssh-rsa' is not what the key itself says"),
        ("ssh-new " + base64.b64encode(b"\0\0\0\7ssh-new").decode(), "'ssh-new' has no number for SSHFP"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "no base64"),
    ],
)
def test_what_is_no_public_key_says_why(line: str, why: str) -> None:
    with pytest.raises(WireError, match=why):
        fingerprint_of_public_key(line)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("sshfp-4-2", ED25519_SHA256, [OWN]),
        ("sshfp-4-2", ED25519_SHA256.upper(), [OWN]),
        ("sshfp-4-1", ED25519_SHA1, [Fingerprint(4, 1, bytes.fromhex(ED25519_SHA1))]),
        ("sshfp-3-1", f" {40 * '1'}, {40 * '0'} ", [Fingerprint(3, 1, bytes(20)), Fingerprint(3, 1, 20 * b"\x11")]),
        ("sshfp-4-2", f"{ED25519_SHA256} {ED25519_SHA256}", [OWN]),
    ],
)
def test_pair_of_meta_is_read(key: str, value: str, expected: list[Fingerprint]) -> None:
    assert tuple(expected) == meta_fingerprints({"rack": "r1", key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sshfp-4-2", ""),
        ("sshfp-4-2", ED25519_SHA1),
        ("sshfp-4-2", ED25519_SHA256[:-1]),
        ("sshfp-4-2", ED25519_SHA256[:-1] + "g"),
        ("sshfp-4-2", ED25519_SHA256[:-2] + "\n "),
        ("sshfp-4-2", f"{ED25519_SHA256}, no"),
        ("sshfp-0-2", ED25519_SHA256),
        ("sshfp-5-2", ED25519_SHA256),
        ("sshfp-4-0", ED25519_SHA256),
        ("sshfp-4-3", ED25519_SHA256),
        ("sshfp-04-2", ED25519_SHA256),
        ("sshfp-4", ED25519_SHA256),
        ("sshfp-", ED25519_SHA256),
        ("sshfp-4-\N{ARABIC-INDIC DIGIT TWO}", ED25519_SHA256),
    ],
)
def test_pair_that_is_none_is_told_of_and_stays_meta(key: str, value: str) -> None:
    assert ((), False, 1) == (
        meta_fingerprints({key: value}),
        is_fingerprint_pair(key, value),
        len(meta_faults_of_fingerprints({key: value})),
    )


def test_other_meta_is_no_fault() -> None:
    assert [] == meta_faults_of_fingerprints({"sshfp": "x", "rack": "r1", "sshfp-4-2": ED25519_SHA256})


def test_more_fingerprints_than_a_host_has_are_cut() -> None:
    many = " ".join(f"{number:040x}" for number in range(2 * MAX_FINGERPRINTS))
    assert MAX_FINGERPRINTS == len(meta_fingerprints({"sshfp-1-1": many}))


def test_three_keys_are_132_letters() -> None:
    assert 132 == len(encode_tag([Fingerprint(algorithm, 2, bytes(32)) for algorithm in (1, 3, 4)]))


@pytest.mark.parametrize(
    "text",
    [
        encode_tag([OWN])[:-1],
        encode_tag([OWN]) + "AAAA",
        encode_tag([OWN]) + "%",
        encode_tag([Fingerprint(5, 2, bytes(32))]),
        encode_tag((MAX_FINGERPRINTS + 1) * [OWN]),
        "ü",
        "=",
    ],
)
def test_tag_that_is_no_list_of_fingerprints_has_none(text: str) -> None:
    assert () == decode_tag_untrusted(text)


def test_keys_of_one_algorithm_share_a_pair() -> None:
    two = (Fingerprint(3, 2, bytes(32)), Fingerprint(3, 2, 32 * b"\1"), OWN)
    assert {"sshfp-3-2": f"{64 * '0'} {32 * '01'}", "sshfp-4-2": ED25519_SHA256} == meta_of(two)

"""Fingerprints survive each of their spellings, and no text from outside is worse than none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.host_key import (
    MAX_FINGERPRINTS,
    Fingerprint,
    decode_tag_untrusted,
    encode_tag,
    is_fingerprint_pair,
    meta_faults_of_fingerprints,
    meta_fingerprints,
    meta_of,
)

sha256 = st.builds(Fingerprint, st.sampled_from([1, 2, 3, 4, 6]), st.just(2), st.binary(min_size=32, max_size=32))
sha1 = st.builds(Fingerprint, st.sampled_from([1, 2, 3, 4, 6]), st.just(1), st.binary(min_size=20, max_size=20))
keys = st.one_of(st.text(), st.from_regex(r"sshfp-[0-9]-[0-9]", fullmatch=True))
values = st.one_of(st.text(), st.text("0123456789abcdef ,", min_size=40, max_size=140))


@given(st.lists(sha256, max_size=MAX_FINGERPRINTS))
def test_tag_is_read_back(fingerprints: list[Fingerprint]) -> None:
    assert tuple(fingerprints) == decode_tag_untrusted(encode_tag(fingerprints))


@given(st.lists(st.one_of(sha256, sha1), max_size=MAX_FINGERPRINTS, unique=True))
def test_meta_is_read_back_sorted(fingerprints: list[Fingerprint]) -> None:
    assert tuple(sorted(fingerprints)) == meta_fingerprints(meta_of(fingerprints))


@given(st.text())
def test_any_tag_gives_fingerprints_or_none(text: str) -> None:
    assert len(decode_tag_untrusted(text)) <= MAX_FINGERPRINTS


@given(st.dictionaries(keys, values))
def test_each_pair_is_a_fingerprint_or_at_fault_or_something_else(meta: dict[str, str]) -> None:
    fingerprints = sum(is_fingerprint_pair(key, value) for key, value in meta.items())
    begun = sum(key.startswith("sshfp-") for key in meta)
    assert begun == fingerprints + len(meta_faults_of_fingerprints(meta))
    assert (fingerprints > 0) == bool(meta_fingerprints(meta))

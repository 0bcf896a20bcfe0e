"""RFC 1464 escaping and TXT strings."""

from __future__ import annotations

import pytest

from nodedns.dns.meta_text import MAX_TEXT_BYTES, meta_texts


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("color", "blue", "color=blue"),
        ("equation", "a=4", "equation=a=4"),
        ("a=a", "true", "a`=a=true"),
        ("=", "\\=", "`==\\="),
        ("string", '"Cat"', 'string="Cat"'),
        ("string2", "`abc`", "string2=``abc``"),
        ("novalue", "", "novalue="),
        ("a b", "c d", "a b=c d"),
        ("abc ", "123 ", "abc` =123 "),
        (" abc", " 321", "` abc= 321"),
        ("`a", "b", "``a=b"),
        ("  ", "x", "` ` =x"),
        ("", "x", "=x"),
        ("rfc1035-00", "value0", "value0"),
        ("RFC1035-x", "a=`b`", "a=`b`"),
        ("rfc1035", "x", "rfc1035=x"),
        ("rfc1035-empty", "", ""),
    ],
)
def test_pair_is_escaped(key: str, value: str, expected: str) -> None:
    assert ((expected.encode(),),) == meta_texts({key: value})


def test_pairs_go_by_key() -> None:
    assert ((b"A=1",), (b"a=2",), (b"b=3",)) == meta_texts({"b": "3", "a": "2", "A": "1"})


def test_equal_texts_are_one_record() -> None:
    assert ((b"same",),) == meta_texts({"rfc1035-0": "same", "rfc1035-1": "same"})


@pytest.mark.parametrize(
    ("length", "expected"), [(255, [255]), (256, [255, 1]), (510, [255, 255]), (512, [255, 255, 2])]
)
def test_long_text_is_cut_into_strings(length: int, expected: list[int]) -> None:
    strings = meta_texts({"rfc1035-x": "v" * length})[0]
    assert expected == [len(string) for string in strings]


def test_text_beyond_the_limit_has_no_record() -> None:
    assert 1 == len(meta_texts({"rfc1035-fits": "v" * MAX_TEXT_BYTES, "rfc1035-not": "w" * (MAX_TEXT_BYTES + 1)}))


def test_bytes_that_are_not_utf8_come_back_as_they_were() -> None:
    received = b"\xff\xfe".decode("utf-8", "surrogateescape")
    assert ((b"k=\xff\xfe",),) == meta_texts({"k": received})


def test_lone_surrogate_of_json_does_not_raise() -> None:
    assert ((b"k=?",),) == meta_texts({"k": chr(0xD800)})


def test_fingerprint_of_a_host_key_is_no_text_and_what_is_none_is() -> None:
    assert ((b"sshfp-4-2=no",),) == meta_texts({"sshfp-1-2": 64 * "0", "sshfp-4-2": "no"})

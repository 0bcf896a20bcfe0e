from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nodedns.serf.regex import BadPattern, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^web$", "web"),
        ("eb", "web1"),
        ("", "anything"),
        ("^(web|db)-[0-9]{1,3}$", "db-42"),
        ("(?i)^WEB$", "wEb"),
        ("(?i:W)eb", "web"),
        ("a.c", "abc"),
        ("(?s)a.c", "a\nc"),
        ("(?m)^b$", "a\nb\nc"),
        (r"\bweb\b", "a web b"),
        (r"^\d+\.\d+$", "1.22"),
        ("^[[:alpha:]]+$", "abc"),
        ("^[^[:digit:]]+$", "abc"),
        ("^[]a]+$", "]a"),
        (r"\Qa.b*\E", "xa.b*"),
        (r"^\x41\x{42}\103$", "ABC"),
        ("(?P<name>w)eb", "web"),
        ("a{2}", "aa"),
        ("a{,2}", "a{,2}"),
        ("x*?y", "y"),
        ("a||b", ""),
    ],
)
def test_pattern_matches_as_in_re2(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).search(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^web$", "web1"),
        ("^web$", "web\n"),
        ("a.c", "a\nc"),
        ("a{3}", "aa"),
        ("(?i)[^a]", "A"),
        (r"\Bweb", "web"),
        ("(?i)a(?-i)b", "AB"),
    ],
)
def test_pattern_does_not_match_as_in_re2(pattern: str, text: str) -> None:
    assert not compile_pattern(pattern).search(text)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(a)\1", "(?P=name)", "a**", "a{2}{3}", "*a", "(a", "a)", "[a",
        "[z-a]", r"\Z", r"\pL", "a{1001}", "a{2,1}", "[[:no:]]", r"\x{110000}", "\\", "(?P<a b>c)", "(?x)a", r"[a-\d]",
        "(?",
    ],
)  # fmt: skip
def test_what_re2_lacks_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", ["a" * 2000, "(" * 100 + ")" * 100, "(a{100}){100}", "((((){1000}){1000}){1000})"])
def test_pattern_beyond_a_bound_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


def test_pattern_that_would_backtrack_for_ever_is_answered() -> None:
    assert not compile_pattern("^(a+)+$").search("a" * 500 + "b")


@given(st.text(alphabet="ab.*+?()|[]^-{}12,\\dwb:", max_size=12), st.text(alphabet="ab12-\n.", max_size=8))
def test_whatever_both_accept_matches_as_in_python(pattern: str, text: str) -> None:
    # Python reads these differently from RE2: possessive repeats, open braces, nested sets.
    assume(not re.search(r"[*+?}]\+|\{,|\[[^\]]*\[|--|&&|\|\||~~", pattern))
    try:
        ours = compile_pattern(pattern)
        theirs = re.compile(pattern, re.ASCII)
    except (BadPattern, re.error):
        return
    assert (theirs.search(text) is not None) == ours.search(text)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_pattern_is_compiled_or_refused(pattern: str, text: str) -> None:
    with contextlib.suppress(BadPattern):
        compile_pattern(pattern).search(text)

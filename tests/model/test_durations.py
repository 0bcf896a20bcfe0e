from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("10s", 10.0),
        ("200ms", 0.2),
        ("1.5h", 5400.0),
        ("1h30m", 5400.0),
        (".5s", 0.5),
        ("-3s", -3.0),
        ("+3s", 3.0),
        ("250us", 0.00025),
        ("250\u00b5s", 0.00025),
        ("1000000ns", 0.001),
        ("120000ms", 120.0),
        ("1.s", 1.0),
    ],
)
def test_duration_of_go_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("s", 'time: invalid duration "s"'),
        ("-", 'time: invalid duration "-"'),
        ("10", 'time: missing unit in duration "10"'),
        ("1h2", 'time: missing unit in duration "1h2"'),
        ("5x", 'time: unknown unit "x" in duration "5x"'),
        ("10 s", 'time: unknown unit " s" in duration "10 s"'),
        ("3000000h", 'time: invalid duration "3000000h"'),
        ("5s ", 'time: unknown unit "s " in duration "5s "'),
        ("--5s", 'time: invalid duration "--5s"'),
        ("1e3s", 'time: unknown unit "e" in duration "1e3s"'),
        (".s", 'time: invalid duration ".s"'),
        ("\u0663s", 'time: invalid duration "\u0663s"'),
    ],
)
def test_bad_duration_is_refused_in_go_words(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^time: ") as refusal:
        parse_duration(text)
    assert message == str(refusal.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1, "1s"),
        (1.5, "1.5s"),
        (60, "1m0s"),
        (61.25, "1m1.25s"),
        (8 * 3600, "8h0m0s"),
        (100 * 3600 + 60, "100h1m0s"),
        (0.3, "300ms"),
        (0.0015, "1.5ms"),
        (0.00025, "250\u00b5s"),
        (3e-9, "3ns"),
        (-90, "-1m30s"),
    ],
)
def test_duration_is_printed_as_go_prints_it(seconds: float, text: str) -> None:
    assert text == format_duration(seconds)


@given(st.integers(-(2**62), 2**62))
def test_printed_duration_is_read_back(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds / 1e9)) == pytest.approx(nanoseconds / 1e9, abs=1e-9, rel=1e-12)


@given(st.text(alphabet="0123456789.+-nu\u00b5msh ", max_size=30))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(text) == pytest.approx(-parse_duration("-" + text.lstrip("+")))


def test_two_spellings_of_one_duration_are_equal() -> None:
    assert 0.7 == parse_duration("700ms") == parse_duration("0.7s") == parse_duration("700000us")

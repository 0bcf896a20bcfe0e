from __future__ import annotations

import pytest

from nodedns.config.durations import parse_duration


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
    ],
)
def test_bad_duration_is_refused_in_go_words(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^time: ") as refusal:
        parse_duration(text)
    assert message == str(refusal.value)

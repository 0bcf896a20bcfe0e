from __future__ import annotations

import pytest

from nodedns.serf.durations import parse_go_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("72h", 259_200.0), ("1h30m", 5400.0), ("1.5h", 5400.0), ("500ms", 0.5), (".5s", 0.5), ("+10s", 10.0), ("0", 0.0)],
)
def test_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert seconds == parse_go_duration_s(text)


@pytest.mark.parametrize("text", ["", "+", "72", "-1h", "h", "1 h", "1d", "1h ", "x" * 100, "1" * 70 + "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    assert parse_go_duration_s(text) is None

"""What results mean over time."""

from __future__ import annotations

from random import Random

import pytest

from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.definition import CheckDefinition
from nodedns.checks.outcome import Outcome, OutputTail, cut_note
from nodedns.checks.rules import CriticalSince, Thresholds, expired_output, first_delay_s
from nodedns.model.check import CheckStatus

SAYS = {"p": CheckStatus.PASSING, "w": CheckStatus.WARNING, "c": CheckStatus.CRITICAL}


def check(**keys: object) -> CheckDefinition:
    return decode_check_untrusted({"name": "it", "ttl": "10s", **keys})


@pytest.mark.parametrize(
    ("needs", "results", "said"),
    [
        ((0, 0, 0), "pwcp", "pwcp"),
        ((2, 0, 0), "pppcp", "-ppc-"),
        ((2, 0, 0), "pw", "-w"),
        ((0, 0, 3), "cccc", "--cc"),
        ((0, 0, 3), "ccpccc", "--p--c"),
        ((0, 1, 3), "cccpc", "wwcpw"),
        ((0, 2, 3), "cccp", "-wcp"),
        ((3, 2, 2), "cpcpcppp", "-------p"),
    ],
)
def test_a_status_changes_when_there_are_enough_results_in_a_row(
    needs: tuple[int, int, int], results: str, said: str
) -> None:
    keys = ("success_before_passing", "failures_before_warning", "failures_before_critical")
    thresholds = Thresholds(check(**dict(zip(keys, needs, strict=True))))
    found = [thresholds.apply(Outcome(SAYS[result], result)) for result in results]

    assert list(said) == ["-" if outcome is None else outcome.status.value[0] for outcome in found]


def test_first_runs_are_spread_over_the_interval() -> None:
    definition = decode_check_untrusted({"name": "it", "args": ["x"], "interval": "10s"})
    rng = Random(1)
    delays = [first_delay_s(definition, rng) for _ in range(1000)]

    assert 0 <= min(delays) < 0.1
    assert 9.9 < max(delays) < 10


@pytest.mark.parametrize(
    ("last", "output"),
    [
        ("", "TTL expired"),
        ("here", "TTL expired (last output before timeout follows): here"),
        ("TTL expired", "TTL expired"),
        ("TTL expired (last output before timeout follows): x", "TTL expired (last output before timeout follows): x"),
    ],
)
def test_expiry_says_what_was_said_last(last: str, output: str) -> None:
    assert output == expired_output(last)


def test_a_service_is_due_once_its_check_was_critical_for_longer_than_asked() -> None:
    since = CriticalSince()
    web = check(service_id="web", deregister_critical_service_after="90s")
    since.note(web, CheckStatus.CRITICAL, 0.0)
    since.note(web, CheckStatus.CRITICAL, 80.0)

    assert ([], ["it"]) == (since.overdue(90.0), since.overdue(90.1))
    since.note(web, CheckStatus.WARNING, 95.0)
    since.note(web, CheckStatus.CRITICAL, 96.0)
    assert ([], ["it"]) == (since.overdue(186.0), since.overdue(187.0))
    since.forget("it")
    assert [] == since.overdue(1e9)


def test_a_check_that_asks_for_nothing_gives_nothing_up() -> None:
    since = CriticalSince()
    since.note(check(service_id="web"), CheckStatus.CRITICAL, 0.0)
    since.note(check(deregister_critical_service_after="90s"), CheckStatus.CRITICAL, 0.0)

    assert [] == since.overdue(1e9)


def tail_of(limit: int, *parts: bytes) -> str:
    tail = OutputTail(limit)
    for part in parts:
        tail.add(part)
    return tail.text()


def test_the_end_of_an_output_is_kept_and_what_is_missing_is_said() -> None:
    assert "abcd" == tail_of(4, b"ab", b"cd")
    assert "Captured 4 of 6 bytes\n...\ncdef" == tail_of(4, b"ab", b"cdef")
    assert "Captured 4 of 3000000 bytes\n...\nxxxx" == tail_of(4, b"x" * 1_000_000, b"x" * 2_000_000)


def test_what_is_no_text_is_marked() -> None:
    assert "a\ufffd\x00\x1b[31m" == tail_of(100, b"a\xff\x00\x1b[31m")


def test_a_note_is_cut_between_characters() -> None:
    assert "h\u00e4" == cut_note("h\u00e4", 3)
    assert "h ... (captured 2 of 4 bytes)" == cut_note("h\u00e4h", 2)
    assert "?" == cut_note("\udc80", 10)

"""Programs are run for those alone who may have them run."""

from __future__ import annotations

import pytest

from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.scripts import ScriptRights

SCRIPT = decode_check_untrusted({"name": "s", "args": ["x"], "interval": "1s"})
TTL = decode_check_untrusted({"name": "t", "ttl": "1s"})


@pytest.mark.parametrize(
    ("rights", "of_file", "of_request"),
    [
        (ScriptRights(), False, False),
        (ScriptRights(from_files=True), True, False),
        (ScriptRights(from_anywhere=True), True, True),
    ],
)
def test_scripts_are_taken_from_where_they_may_come(rights: ScriptRights, of_file: bool, of_request: bool) -> None:
    assert (of_file, of_request) == (
        not rights.refusal([TTL, SCRIPT], is_remote=False),
        not rights.refusal([TTL, SCRIPT], is_remote=True),
    )


def test_a_refusal_says_what_to_configure() -> None:
    assert "remote calls" in ScriptRights(from_files=True).refusal([SCRIPT], is_remote=True)
    assert "'enable_local_script_checks'" in ScriptRights().refusal([SCRIPT], is_remote=False)


def test_a_check_that_runs_no_program_is_taken_from_anywhere() -> None:
    assert "" == ScriptRights().refusal([TTL], is_remote=True)

"""What of a log of ``serf`` is held against the members of a pool."""

from __future__ import annotations

import pytest

from nodedns.testing.mixed_pool import is_of_an_end

ENDED = [("gone", "127.1.2.3")]


@pytest.mark.parametrize(
    "line",
    [
        "[ERR] memberlist: Push/Pull with gone failed: EOF",
        "[ERR] memberlist: failed to receive: read tcp 127.1.2.9:7946->127.1.2.3:40112: read: connection reset by peer",
    ],
)
def test_exchange_that_broke_off_with_its_member_is_held_against_nobody(line: str) -> None:
    assert is_of_an_end(line, ENDED)
    assert not is_of_an_end(line, [])


@pytest.mark.parametrize(
    "line",
    [
        "[ERR] memberlist: Push/Pull with there failed: EOF",
        "[ERR] memberlist: failed to receive: unexpected EOF from=127.1.2.33:40112",
        "[ERR] memberlist: failed to receive: msg type (9) not supported from=127.1.2.3:40112",
    ],
)
def test_what_another_sent_or_what_was_wrong_in_itself_still_is(line: str) -> None:
    assert not is_of_an_end(line, ENDED)

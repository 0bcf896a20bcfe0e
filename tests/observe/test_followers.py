"""Followers of the log: each at its own level, bounded, and never in the way of what is written."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator

import pytest

from nodedns.observe.followers import MAX_FOLLOWERS, MAX_QUEUED_LINES, LogFollowers
from nodedns.observe.logs import configure, logger, set_level

LOG = logger("agent")


def nothing() -> None:
    pass


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure("info", as_json=False, stream=stream)
    yield stream
    configure("info", as_json=False, stream=io.StringIO())


def texts(data: bytes) -> list[str]:
    return [line.partition("agent: ")[2] for line in data.decode().splitlines()]


def test_follower_gets_what_is_written(written: io.StringIO) -> None:
    with LogFollowers().following("info", nothing, as_json=False) as follower:
        assert follower is not None
        LOG.info("one", key="a b")
        LOG.debug("two")
        assert written.getvalue().encode() == follower.take()
        assert b"" == follower.take()
    LOG.info("three")
    assert b"" == follower.take()


def test_finer_lines_are_made_for_followers_alone(written: io.StringIO) -> None:
    followers = LogFollowers()
    with (
        followers.following("debug", nothing, as_json=False) as fine,
        followers.following("warn", nothing, as_json=False) as coarse,
    ):
        assert fine is not None
        assert coarse is not None
        for tell in (LOG.trace, LOG.debug, LOG.info, LOG.warning):
            tell(tell.__name__)
        assert ["debug", "info", "warning"] == texts(fine.take())
        assert ["warning"] == texts(coarse.take())
    assert ["info", "warning"] == texts(written.getvalue().encode())
    assert not LOG.is_enabled(10)


def test_level_of_the_agent_may_change_meanwhile(written: io.StringIO) -> None:
    with LogFollowers().following("debug", nothing, as_json=False) as follower:
        assert follower is not None
        set_level("warn")
        LOG.info("one")
        LOG.warning("two")
        assert ["one", "two"] == texts(follower.take())
    LOG.info("three")
    assert ["two"] == texts(written.getvalue().encode())


def test_logger_that_is_let_through_is_written_whatever_the_level(written: io.StringIO) -> None:
    set_level("error")
    LOG.let_through(20)
    try:
        with LogFollowers().following("debug", nothing, as_json=False):
            LOG.info("one")
    finally:
        LOG.let_through(None)
    assert ["one"] == texts(written.getvalue().encode())


def test_json_is_one_object_a_line(written: io.StringIO) -> None:
    with LogFollowers().following("info", nothing, as_json=True) as follower:
        assert follower is not None
        LOG.info("one", key="a\nb")
        (line,) = follower.take().splitlines()
    assert ("one", "a\nb") == (json.loads(line)["@message"], json.loads(line)["key"])


def test_lines_that_do_not_fit_are_counted_and_told_behind_the_others(written: io.StringIO) -> None:
    with LogFollowers().following("info", nothing, as_json=False) as follower:
        assert follower is not None
        for number in range(MAX_QUEUED_LINES + 3):
            LOG.info("line", number=number)
        lines = follower.take().splitlines()
        assert MAX_QUEUED_LINES + 1 == len(lines)
        assert lines[-1].endswith(b"3 log lines dropped: the reader is too slow")
        assert 3 == follower.dropped
        LOG.info("after")
        assert ["after"] == texts(follower.take())


def test_followers_are_bounded(written: io.StringIO) -> None:
    followers = LogFollowers()
    held = [followers.following("info", nothing, as_json=False) for _ in range(MAX_FOLLOWERS)]
    for each in held:
        assert each.__enter__() is not None
    with followers.following("trace", nothing, as_json=False) as one_more:
        assert one_more is None
        assert not LOG.is_enabled(10)
    for each in held:
        each.__exit__(None, None, None)
    assert 0 == len(followers)


def test_follower_is_woken_by_its_own_thread_alone(written: io.StringIO) -> None:
    woken: list[str] = []
    with LogFollowers().following("info", lambda: woken.append("woken"), as_json=False) as follower:
        assert follower is not None
        other = threading.Thread(target=lambda: LOG.info("elsewhere"))
        other.start()
        other.join()
        assert [] == woken
        LOG.info("here")
        assert (["woken"], ["elsewhere", "here"]) == (woken, texts(follower.take()))

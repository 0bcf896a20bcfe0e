from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.serf.lamport import Clocks
from nodedns.serf.snapshot import SnapshotLog, SnapshotState, parse_address_text, replay_snapshot

# Written by Serf 0.9.4; "node a" shows that the address stands after the last space.
SERF_FILE = (
    b"alive: real 127.0.0.1:17950\n"
    b"alive: node a 127.0.0.1:18501\n"
    b"clock: 9\n"
    b"leave\n"
    b"clock: 10\n"
)  # fmt: skip


def member(name: str, port: int = 7946, host: str = "127.0.0.1") -> SerfMember:
    versions = Versions(bytes([1, 5, 2, 2, 5, 5]))
    return SerfMember(NodeName(name), Address.from_text(host, port), {}, MemberStatus.ALIVE, versions)


def log_of(
    clocks: Clocks, remembered: SnapshotState | None = None, *, rejoin: bool = False, min_bytes: int = 1 << 17
) -> SnapshotLog:
    return SnapshotLog(clocks, remembered or SnapshotState(), min_bytes, rejoin_after_leave=rejoin)


def test_serf_file_after_a_leave_remembers_nobody() -> None:
    state = replay_snapshot(SERF_FILE, rejoin_after_leave=False)
    assert state == SnapshotState(alive={}, clock=10, has_left=True, size_bytes=len(SERF_FILE))


def test_serf_file_after_a_leave_remembers_members_where_rejoining_is_wanted() -> None:
    state = replay_snapshot(SERF_FILE, rejoin_after_leave=True)
    assert dict(state.alive) == {"real": "127.0.0.1:17950", "node a": "127.0.0.1:18501"}
    assert state.clock == 10


def test_log_writes_the_bytes_that_serf_writes() -> None:
    clocks = Clocks()
    log = log_of(clocks)
    log.note_alive(member("real", 17950))
    log.note_alive(member("node a", 18501))
    clocks.member.witness(9)
    log.note_clock()
    log.note_leave()
    clocks.member.increment()
    assert log.take() == (SERF_FILE, False)


def test_leave_zeroes_the_clocks_that_stood_before_it() -> None:
    data = b"clock: 5\nevent-clock: 6\nquery-clock: 7\nleave\n"
    state = replay_snapshot(data, rejoin_after_leave=False)
    assert (state.clock, state.event_clock, state.query_clock) == (0, 0, 0)


def test_member_that_went_is_not_remembered() -> None:
    state = replay_snapshot(b"alive: a 10.0.0.1:1\nalive: b 10.0.0.2:1\nnot-alive: a\n", rejoin_after_leave=False)
    assert list(state.alive) == ["b"]


def test_member_that_failed_is_remembered_in_a_comment() -> None:
    log = log_of(Clocks())
    log.note_alive(member("node a", 18501))
    log.note_failed(member("node a", 18501))
    data = log.take()[0]
    assert data == b"alive: node a 127.0.0.1:18501\nnot-alive: node a\n# failed: node a 127.0.0.1:18501\n"
    state = replay_snapshot(data, rejoin_after_leave=False)
    assert ({}, {"node a": "127.0.0.1:18501"}) == (state.alive, state.failed)


def test_member_that_failed_and_came_back_is_alive_only() -> None:
    state = replay_snapshot(b"# failed: a 10.0.0.1:1\nalive: a 10.0.0.2:1\n", rejoin_after_leave=False)
    assert ({"a": "10.0.0.2:1"}, {}) == (state.alive, state.failed)


def test_member_that_failed_and_then_left_or_was_reaped_is_forgotten() -> None:
    log = log_of(Clocks())
    log.note_failed(member("a"))
    log.note_gone("a")
    state = replay_snapshot(log.take()[0], rejoin_after_leave=False)
    assert ({}, {}) == (state.alive, state.failed)


def test_who_is_not_remembered_needs_no_line_to_be_forgotten() -> None:
    log = log_of(Clocks())
    log.note_gone("a")
    assert not log.is_dirty


@pytest.mark.parametrize(("rejoin", "failed"), [(False, {}), (True, {"a": "10.0.0.1:1"})])
def test_leave_forgets_the_failed_unless_rejoining_is_wanted(rejoin: bool, failed: dict[str, str]) -> None:
    assert failed == replay_snapshot(b"# failed: a 10.0.0.1:1\nleave\n", rejoin_after_leave=rejoin).failed


def test_failed_members_outlive_the_writing_anew() -> None:
    log = log_of(Clocks(), SnapshotState(failed={"a": "10.0.0.1:1"}), min_bytes=0)
    for _ in range(40):
        log.note_alive(member("b"))
    data, replaces = log.take()
    assert replaces
    assert b"alive: b 127.0.0.1:7946\n# failed: a 10.0.0.1:1\nclock: 0" in data


def test_failed_member_of_a_forging_name_or_without_an_address_is_not_recorded_as_failed() -> None:
    log = log_of(Clocks())
    log.note_failed(member("x\nleave"))
    log.note_failed(attrs.evolve(member("a"), address=Address(b"x", 1)))
    assert log.take()[0] == b"not-alive: a\n"


@pytest.mark.parametrize("line", [b"# failed:", b"# failed: ", b"# failed: a", b"#failed: a 1.1.1.1:1", b"# a note"])
def test_comment_that_names_nobody_is_only_a_comment(line: bytes) -> None:
    state = replay_snapshot(line + b"\n", rejoin_after_leave=False)
    assert ({}, 0) == (state.failed, state.bad_lines)


def test_comments_and_coordinates_are_ignored_and_nonsense_is_counted() -> None:
    data = b"# hello\ncoordinate: {}\nalive: nospace\nclock: -1\nclock: 99999999999999999999\nwhat\n"
    assert replay_snapshot(data, rejoin_after_leave=False).bad_lines == 4


def test_last_line_without_newline_is_ignored_and_told() -> None:
    state = replay_snapshot(b"alive: a 10.0.0.1:1\nalive: b 10.0", rejoin_after_leave=False)
    assert list(state.alive) == ["a"]
    assert state.is_torn


def test_torn_file_is_written_anew_before_anything_is_appended() -> None:
    clocks = Clocks()
    clocks.member.witness(4)
    state = replay_snapshot(b"alive: a 10.0.0.1:1\nclock: 4\nalive: b 10.0", rejoin_after_leave=False)
    data, replaces = log_of(clocks, state).take()
    assert replaces
    assert data == b"alive: a 10.0.0.1:1\nclock: 4\nevent-clock: 0\nquery-clock: 0\n"


def test_event_and_query_clocks_are_recorded_as_they_rise() -> None:
    log = log_of(Clocks())
    for ltime in (3, 2, 5):
        log.note_event(ltime)
        log.note_query(ltime)
    assert log.take()[0] == b"event-clock: 3\nquery-clock: 3\nevent-clock: 5\nquery-clock: 5\n"


def test_after_a_leave_only_the_clock_is_recorded() -> None:
    clocks = Clocks()
    log = log_of(clocks)
    log.note_leave()
    log.note_alive(member("a"))
    log.note_gone("a")
    log.note_event(5)
    log.note_query(5)
    clocks.member.increment()
    assert log.take()[0] == b"leave\nclock: 1\n"


def test_name_with_a_newline_cannot_forge_a_record() -> None:
    log = log_of(Clocks())
    log.note_alive(member("x\nleave"))
    assert log.take() == (b"", False)


def test_ipv6_address_is_written_in_brackets() -> None:
    log = log_of(Clocks())
    log.note_alive(member("a", 7946, "2001:db8::1"))
    assert log.take()[0] == b"alive: a [2001:db8::1]:7946\n"


def test_file_that_grew_beyond_its_bound_is_written_anew() -> None:
    log = log_of(Clocks(), min_bytes=60)
    log.note_alive(member("a"))
    assert log.take() == (b"alive: a 127.0.0.1:7946\n", False)
    for _ in range(20):
        log.note_gone("a")
        log.note_alive(member("a"))
    data, replaces = log.take()
    assert replaces
    assert data == b"alive: a 127.0.0.1:7946\nclock: 0\nevent-clock: 0\nquery-clock: 0\n"


def test_file_of_long_names_is_not_written_anew_each_time() -> None:
    log = log_of(Clocks(), min_bytes=0)
    for number in range(100):
        log.note_alive(member(f"{number}-{'x' * 400}"))
    log.take()
    log.note_failed(member(f"1-{'x' * 400}"))
    assert log.take()[1] is False


def test_leave_outlives_the_writing_anew() -> None:
    log = log_of(Clocks(), min_bytes=0, rejoin=True)
    for _ in range(30):
        log.note_alive(member("a"))
    log.note_event(7)
    log.note_leave()
    data, replaces = log.take()
    assert replaces
    state = replay_snapshot(data, rejoin_after_leave=True)
    assert (True, ["a"], 7) == (state.has_left, list(state.alive), state.event_clock)


def test_clean_log_has_nothing_to_write() -> None:
    log = log_of(Clocks())
    assert not log.is_dirty
    assert log.take() == (b"", False)


def test_growing_clock_makes_the_log_dirty() -> None:
    clocks = Clocks()
    log = log_of(clocks)
    clocks.member.increment()
    assert log.is_dirty
    assert log.take()[0] == b"clock: 1\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:7946", Address(bytes([10, 0, 0, 1]), 7946)),
        ("[::1]:1", Address(bytes(15) + b"\x01", 1)),
        ("10.0.0.1", None),
        ("10.0.0.1:", None),
        ("10.0.0.1:70000", None),
        ("host:7946", None),
        ("", None),
    ],
)
def test_address_text_is_read_or_refused(text: str, address: Address | None) -> None:
    assert address == parse_address_text(text)


NAMES = st.text(alphabet="ab \u00e9", min_size=1, max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("alive"), NAMES),
        st.tuples(st.just("failed"), NAMES),
        st.tuples(st.just("gone"), NAMES),
        st.tuples(st.just("clock"), st.integers(0, 50)),
        st.tuples(st.just("event"), st.integers(0, 50)),
        st.tuples(st.just("flush"), st.none()),
    ),
    max_size=40,
)


@given(STEPS, st.integers(0, 200))
def test_replay_gives_back_what_was_logged_however_often_it_was_rewritten(
    steps: list[tuple[str, object]], min_bytes: int
) -> None:
    clocks = Clocks()
    log = log_of(clocks, min_bytes=min_bytes)
    alive: dict[str, str] = {}
    failed: dict[str, str] = {}
    event_clock = 0
    file = b""
    for what, value in [*steps, ("flush", None)]:
        if what == "alive":
            log.note_alive(member(str(value)))
            alive[str(value)] = "127.0.0.1:7946"
            failed.pop(str(value), None)
        elif what == "failed":
            log.note_failed(member(str(value)))
            alive.pop(str(value), None)
            failed[str(value)] = "127.0.0.1:7946"
        elif what == "gone":
            log.note_gone(str(value))
            alive.pop(str(value), None)
            failed.pop(str(value), None)
        elif what == "clock" and isinstance(value, int):
            clocks.member.witness(value)
        elif what == "event" and isinstance(value, int):
            log.note_event(value)
            event_clock = max(event_clock, value)
        else:
            data, replaces = log.take()
            file = data if replaces else file + data
    state = replay_snapshot(file, rejoin_after_leave=False)
    assert (alive, failed) == (state.alive, state.failed)
    assert (clocks.member.time - 1, event_clock, 0) == (state.clock, state.event_clock, state.bad_lines)


@given(st.binary(max_size=200))
def test_any_bytes_are_replayed_without_harm(data: bytes) -> None:
    state = replay_snapshot(data, rejoin_after_leave=False)
    assert len(data) == state.size_bytes


@given(st.integers(0, len(SERF_FILE)))
def test_file_cut_anywhere_replays_its_whole_lines(length: int) -> None:
    whole = SERF_FILE[:length].rpartition(b"\n")[0]
    expected = replay_snapshot(whole + b"\n" if whole else b"", rejoin_after_leave=True)
    state = replay_snapshot(SERF_FILE[:length], rejoin_after_leave=True)
    assert (dict(expected.alive), expected.clock) == (dict(state.alive), state.clock)

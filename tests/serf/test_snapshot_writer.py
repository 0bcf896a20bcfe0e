"""What of the events goes into the snapshot, and how soon."""

from __future__ import annotations

import pytest

from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.serf.events import MemberChanged, MemberChangeKind, SerfEvent, SnapshotAppend
from nodedns.serf.lamport import Clocks
from nodedns.serf.snapshot import SnapshotLog, SnapshotState
from nodedns.serf.snapshot_writer import SnapshotWriter

FLUSH_S = 0.5
KIND = MemberChangeKind


def member(name: str, status: MemberStatus = MemberStatus.ALIVE, port: int = 7946) -> SerfMember:
    versions = Versions(bytes([1, 5, 2, 2, 5, 5]))
    return SerfMember(NodeName(name), Address.from_text("10.0.0.1", port), {}, status, versions)


class Bench:
    """A writer, and what it has written."""

    def __init__(self) -> None:
        self.now = 100.0
        self.is_alone = False
        self.timers = TimerHeap()
        self.clocks = Clocks()
        self.written: list[SerfEvent] = []
        self.writer = SnapshotWriter(
            SnapshotLog(self.clocks, SnapshotState(), 1 << 17, rejoin_after_leave=False),
            local_name=NodeName("me"),
            is_alone=lambda: self.is_alone,
            flush_interval_s=FLUSH_S,
            timers=self.timers,
            emit=self.written.append,
        )

    def tell(self, kind: MemberChangeKind, told: SerfMember) -> None:
        self.writer.note(MemberChanged(kind, told))
        self.writer.schedule(self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.timers.fire(self.now)
        self.writer.schedule(self.now)

    def lines(self) -> list[bytes]:
        data = b"".join(event.data for event in self.written if isinstance(event, SnapshotAppend))
        return data.splitlines()


def test_other_member_is_written_at_once() -> None:
    bench = Bench()
    bench.tell(KIND.JOIN, member("two"))
    assert [b"alive: two 10.0.0.1:7946"] == bench.lines()


def test_we_ourselves_are_in_no_hurry_and_hold_nobody_up() -> None:
    bench = Bench()
    bench.tell(KIND.JOIN, member("me"))
    assert [] == bench.lines()
    bench.tell(KIND.JOIN, member("two"))
    assert [b"alive: me 10.0.0.1:7946", b"alive: two 10.0.0.1:7946"] == bench.lines()


def test_many_that_join_together_are_written_together() -> None:
    bench = Bench()
    for number in range(1000):
        bench.tell(KIND.JOIN, member(str(number)))
    assert 1 == len(bench.written)
    bench.pass_time(FLUSH_S)
    assert (2, 1000) == (len(bench.written), len(bench.lines()))


def test_clock_waits_for_the_interval() -> None:
    bench = Bench()
    bench.clocks.member.increment()
    bench.writer.schedule(bench.now)
    assert [] == bench.lines()
    bench.pass_time(FLUSH_S)
    assert [b"clock: 1"] == bench.lines()


def test_member_that_moves_is_written_with_its_new_address() -> None:
    bench = Bench()
    bench.tell(KIND.JOIN, member("two"))
    bench.tell(KIND.UPDATE, member("two"))
    bench.tell(KIND.UPDATE, member("two", port=9))
    bench.pass_time(FLUSH_S)
    assert [b"alive: two 10.0.0.1:7946", b"alive: two 10.0.0.1:9"] == bench.lines()


@pytest.mark.parametrize(
    ("is_alone", "status", "is_forgotten"),
    [
        (False, MemberStatus.FAILED, True),
        (True, MemberStatus.FAILED, False),
        (True, MemberStatus.LEFT, True),
    ],
)
def test_reaped_member_is_forgotten_unless_it_failed_and_we_are_alone(
    is_alone: bool, status: MemberStatus, is_forgotten: bool
) -> None:
    bench = Bench()
    bench.tell(KIND.FAILED, member("two", MemberStatus.FAILED))
    bench.pass_time(FLUSH_S)
    bench.is_alone = is_alone
    bench.tell(KIND.REAP, member("two", status))
    bench.pass_time(FLUSH_S)
    expected = [b"not-alive: two", b"# failed: two 10.0.0.1:7946"] + [b"not-alive: two"] * is_forgotten
    assert expected == bench.lines()


def test_member_that_failed_and_left_is_forgotten() -> None:
    bench = Bench()
    bench.tell(KIND.JOIN, member("two"))
    bench.tell(KIND.LEAVE, member("two", MemberStatus.LEFT))
    bench.pass_time(FLUSH_S)
    assert b"not-alive: two" == bench.lines()[-1]

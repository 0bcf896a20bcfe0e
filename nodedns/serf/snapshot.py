"""The snapshot: what a restarted agent remembers, in Serf's own file format.

Text, one record a line, appended as things happen: ``alive: NAME IP:PORT``,
``not-alive: NAME``, ``clock: N``, ``event-clock: N``, ``query-clock: N`` and
``leave``. ``replay_snapshot`` reads a file's bytes, ``SnapshotLog`` gathers new
lines and says when the file has grown enough to be written anew. Neither does
I/O: the lines leave as events, for the shell to write.

Ours is ``# failed: NAME IP:PORT`` behind the ``not-alive`` of a member that failed:
to Serf a comment, to us somebody to be tried again.

After a leave only clocks are recorded. A last line without its newline was torn
by a crash: it is ignored, and the file written anew before anything is appended
to the stump.

Source: Serf's snapshot.go; files written by Serf 0.9.4 (gossip-protocol 4.14).
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from nodedns.model.address import Address
from nodedns.model.member import SerfMember
from nodedns.serf.lamport import MAX_LTIME, Clocks
from nodedns.serf.remembered import RememberedPeers

__all__ = ["SnapshotLog", "SnapshotState", "parse_address_text", "replay_snapshot"]

BYTES_PER_NODE = 128  # Serf's estimate of what a member costs in the file
FAILED = "# failed: "  # a line that begins so is a comment to Serf
COMPACTION_FACTOR = 2  # Serf: the file may be this often larger than that


@attrs.frozen(kw_only=True)
class SnapshotState:
    """What a snapshot file says.

    Attributes:
        alive: Address text of each member last seen alive, by name, in the file's order.
        failed: Likewise of each member last seen failed.
        clock: Member clock, 0 if never written; likewise the other two.
        event_clock: Event clock.
        query_clock: Query clock.
        has_left: Whether the agent left on purpose and has seen no member since.
        size_bytes: Length of the file.
        is_torn: Whether the last line was cut off.
        bad_lines: Lines that are no record.
    """

    alive: Mapping[str, str] = attrs.field(factory=dict)
    failed: Mapping[str, str] = attrs.field(factory=dict)
    clock: int = 0
    event_clock: int = 0
    query_clock: int = 0
    has_left: bool = False
    size_bytes: int = 0
    is_torn: bool = False
    bad_lines: int = 0


class _Replay:
    def __init__(self, *, rejoin_after_leave: bool) -> None:
        self._rejoin_after_leave = rejoin_after_leave
        self.peers = RememberedPeers()
        self.clocks = {"clock": 0, "event-clock": 0, "query-clock": 0}
        self.has_left = False

    def apply(self, line: str) -> bool:
        """Apply one record; return False if it is none."""
        if line == "leave":
            self._leave()
            return True
        if line.startswith("#"):
            self._apply_comment(line)
            return True
        key, separator, value = line.partition(": ")
        if not separator:
            return False
        if key in self.clocks:
            return self._set_clock(key, value)
        if key == "alive":
            name, space, address = value.rpartition(" ")
            if not space:
                return False
            self.peers.note_alive(name, address)
            self.has_left = False
            return True
        if key == "not-alive":
            self.peers.forget(value)
            return True
        return key == "coordinate"

    def _apply_comment(self, line: str) -> None:
        if line.startswith(FAILED):
            name, space, address = line.removeprefix(FAILED).rpartition(" ")
            if space:
                self.peers.note_failed(name, address)

    def _set_clock(self, key: str, value: str) -> bool:
        if not (0 < len(value) <= 20 and value.isascii() and value.isdigit()) or int(value) > MAX_LTIME:
            return False
        self.clocks[key] = int(value)
        return True

    def _leave(self) -> None:
        self.has_left = True
        if not self._rejoin_after_leave:
            self.peers.clear()
            self.clocks = dict.fromkeys(self.clocks, 0)


def replay_snapshot(data: bytes, *, rejoin_after_leave: bool) -> SnapshotState:
    """Read a snapshot file's bytes; lines that make no sense are counted and skipped.

    Args:
        data: The whole file.
        rejoin_after_leave: Whether the members known before a graceful leave still count.
    """
    replay = _Replay(rejoin_after_leave=rejoin_after_leave)
    *lines, tail = data.split(b"\n")
    bad_lines = sum(not replay.apply(line.decode("utf-8", "surrogateescape")) for line in lines)
    return SnapshotState(
        alive=replay.peers.alive,
        failed=replay.peers.failed,
        clock=replay.clocks["clock"],
        event_clock=replay.clocks["event-clock"],
        query_clock=replay.clocks["query-clock"],
        has_left=replay.has_left,
        size_bytes=len(data),
        is_torn=bool(tail),
        bad_lines=bad_lines,
    )


def parse_address_text(text: str) -> Address | None:
    """Return the address that ``IP:PORT`` or ``[IPv6]:PORT`` names, or None."""
    host, _, port = text.rpartition(":")
    if not (0 < len(port) <= 5 and port.isascii() and port.isdigit()) or int(port) > 0xFFFF:
        return None
    try:
        return Address.from_text(host.removeprefix("[").removesuffix("]"), int(port))
    except ValueError:
        return None


class SnapshotLog:
    """Gathers lines, and knows the whole state for when the file is to be written anew.

    Args:
        clocks: The agent's clocks; the member clock is recorded as it grows.
        remembered: What the file says already.
        min_compact_bytes: The file is not written anew below this size.
        rejoin_after_leave: Whether a leave keeps the members for the next start.
    """

    def __init__(
        self, clocks: Clocks, remembered: SnapshotState, min_compact_bytes: int, *, rejoin_after_leave: bool
    ) -> None:
        self._clocks = clocks
        self._min_compact_bytes = min_compact_bytes
        self._rejoin_after_leave = rejoin_after_leave
        self._peers = RememberedPeers(remembered.alive, remembered.failed)
        self._clock = remembered.clock
        self._event_clock = remembered.event_clock
        self._query_clock = remembered.query_clock
        self._size_bytes = remembered.size_bytes
        self._compact_bytes = 0  # what the file had when it was last written anew
        self._must_rewrite = remembered.is_torn
        self._pending: list[str] = []
        self._has_left = False

    @property
    def peers(self) -> RememberedPeers:
        """Who is remembered, as the file would say once everything is written."""
        return self._peers

    @property
    def is_dirty(self) -> bool:
        """Whether there is something to write."""
        return bool(self._pending) or self._must_rewrite or self._clocks.member.time - 1 > self._clock

    def note_alive(self, member: SerfMember) -> None:
        """Record that a member is alive, and where."""
        # A name with a newline would be read back as a record of its choosing.
        if self._has_left or "\n" in member.name or not member.address.is_valid:
            return
        address = str(member.address)
        self._peers.note_alive(member.name, address)
        self._append(f"alive: {member.name} {address}")
        self.note_clock()

    def note_failed(self, member: SerfMember) -> None:
        """Record that a member failed; it stays remembered."""
        if self._has_left or "\n" in member.name:
            return
        self._append(f"not-alive: {member.name}")
        self._peers.forget(member.name)
        if member.address.is_valid:
            address = str(member.address)
            self._peers.note_failed(member.name, address)
            self._append(f"{FAILED}{member.name} {address}")
        self.note_clock()

    def note_gone(self, name: str) -> None:
        """Record that a member left or is forgotten, if it was remembered."""
        if not self._has_left and self._peers.forget(name):
            self._append(f"not-alive: {name}")
            self.note_clock()

    def note_clock(self) -> None:
        """Record the member clock, if it grew."""
        seen = self._clocks.member.time - 1
        if seen > self._clock:
            self._clock = seen
            self._append(f"clock: {seen}")

    def note_event(self, ltime: int) -> None:
        """Record the Lamport time of a delivered event, if it is the highest."""
        if ltime > self._event_clock and not self._has_left:
            self._event_clock = ltime
            self._append(f"event-clock: {ltime}")

    def note_query(self, ltime: int) -> None:
        """Record the Lamport time of a delivered query, if it is the highest."""
        if ltime > self._query_clock and not self._has_left:
            self._query_clock = ltime
            self._append(f"query-clock: {ltime}")

    def note_leave(self) -> None:
        """Record that we leave on purpose."""
        if not self._rejoin_after_leave:
            self._peers.clear()
        self._has_left = True
        self._append("leave")

    def take(self) -> tuple[bytes, bool]:
        """Return what is to be written now, and whether it replaces the file (else it is appended)."""
        self.note_clock()
        data = _encoded(self._pending)
        usual_bytes = max(len(self._peers) * BYTES_PER_NODE, self._compact_bytes)  # names may be longer than usual
        limit = max(self._min_compact_bytes, usual_bytes * COMPACTION_FACTOR)
        self._pending.clear()
        if not self._must_rewrite and self._size_bytes + len(data) <= limit:
            self._size_bytes += len(data)
            return data, False
        self._must_rewrite = False
        whole = self._whole()
        self._size_bytes = self._compact_bytes = len(whole)
        return whole, True

    def _whole(self) -> bytes:
        lines = [f"alive: {name} {address}" for name, address in self._peers.alive.items()]
        lines += [f"{FAILED}{name} {address}" for name, address in self._peers.failed.items()]
        if self._has_left:
            lines.append("leave")  # before the clocks, which it would zero
        lines.append(f"clock: {self._clock}")
        lines.append(f"event-clock: {self._event_clock}")
        lines.append(f"query-clock: {self._query_clock}")
        return _encoded(lines)

    def _append(self, line: str) -> None:
        self._pending.append(line)


def _encoded(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")

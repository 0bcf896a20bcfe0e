"""``Replicator``: one agent's replica of what gossip does not carry, without I/O.

Writes become entries of our own stream and are told as rumours, at once and then
by whoever hears them. What rumours miss is found by comparing digests with a
random peer every second. Nobody leads; any agent can tell anybody's entries.

Its owner sends the messages, knows which peers there are and where, keeps the
records on disk, and hands the changes to the table. After any call he drains
messages, records and changes, and reads the deadline anew.

Source: van Renesse, Dumitriu, Gough, Thomas, "Efficient Reconciliation and Flow
Control for Anti-Entropy Protocols" (Scuttlebutt), 2008; docs/replication.rst.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from random import Random

from nodedns.errors import LocalProtocolError, WireError
from nodedns.model.names import NodeName, fold
from nodedns.replica.census import CensusTaking, census_parts
from nodedns.replica.clock import COUNTER_BITS, MAX_VERSION, HybridClock
from nodedns.replica.conversation import Conversation
from nodedns.replica.early import EarlyRanges
from nodedns.replica.entry import (
    NODE_ID_BYTES,
    Entry,
    Key,
    Kind,
    Origin,
    Registration,
    Value,
    change_of,
    new_origin,
    target_of,
)
from nodedns.replica.exchange import range_pieces
from nodedns.replica.messages import Census, CensusPart, Delta, Digest, Outgoing, Range, Rumours
from nodedns.replica.outbox import Outbox
from nodedns.replica.params import (
    DATAGRAM_BYTES,
    MAX_ENTRIES,
    MAX_MEMORY_BYTES,
    MAX_RUMOURS,
    MAX_STREAM_ENTRIES,
    RUMOUR_BYTES_A_TICK,
    ReplicaParams,
)
from nodedns.replica.records import (
    CensusRecord,
    Intent,
    RangesRecord,
    decode_record,
    encode_census_record,
    encode_ranges_record,
)
from nodedns.replica.rumours import RumourQueue, rumour_packets
from nodedns.replica.state import Outcome, ReplicaState
from nodedns.replica.statistics import ReplicaStatistics
from nodedns.replica.wire import (
    decode_message_untrusted,
    encode_census,
    encode_entry,
    encode_own_entry,
    encode_range,
)

__all__ = ["Replicator"]

RUMOUR_BYTES = DATAGRAM_BYTES - 100  # entries of one rumour, so that with its head it fits a datagram
_Target = tuple[Key, NodeName, Value | None]
_NEVER = float("inf")
MAX_HELD = 64
"""Messages that wait for a census to be taken in; with more, that is done at once. Ours: what comes in that time."""
HELD_A_SLICE = 4
"""Of these taken in a slice; ours: four chunks take as long as a digest's answer may be."""


class Replicator:
    """The replica of one agent.

    Args:
        params: Knobs.
        node_id: Our node ID, 16 bytes.
        rng: Decides whom we talk to.
        max_memory_bytes: Above this, no more entries are taken.
    """

    def __init__(
        self, params: ReplicaParams, node_id: bytes, rng: Random, *, max_memory_bytes: int = MAX_MEMORY_BYTES
    ) -> None:
        if len(node_id) != NODE_ID_BYTES:
            raise LocalProtocolError(f"a node ID of {len(node_id)} bytes")
        self._params = params
        self._node_id = node_id
        self._rng = rng
        self._clock = HybridClock(round(params.ahead_s * 1000))
        self._state = ReplicaState(max_memory_bytes)
        self._outbox = Outbox()
        self._counts: Counter[str] = Counter()
        self._conversation = Conversation(params, rng, self._state, self._outbox, self._counts)
        self._rumours = RumourQueue(params.retransmit_mult, MAX_RUMOURS)
        self._early = EarlyRanges()
        self._origin: Origin | None = None
        self._own_version = 0
        self._last_beyond: Entry | None = None
        self._intents: list[Registration] = []
        self._peers: tuple[NodeName, ...] = ()
        self._records: list[bytes] = []
        self._leaving: dict[str, tuple[float, NodeName]] = {}
        self._census: Iterator[int] | None = None
        self._census_at = _NEVER
        self._held: deque[tuple[bytes, NodeName]] = deque()
        self._told_at = self._tick_at = self._exchange_at = self._gap_at = self._collect_at = _NEVER

    # --- starting -------------------------------------------------------------------------------------

    def restore(self, record: bytes) -> None:
        """Take in a record of an earlier run; all of them, in order, before ``start``.

        Raises:
            WireError: It makes no sense, and nothing has changed.
        """
        match decode_record(record):
            case RangesRecord(ranges):
                for told in ranges:
                    self._state.apply(told, MAX_VERSION, is_owed=True)
                    self._fulfil(told.entries)
            case CensusRecord(messages):
                parts = [part for message in messages for part in message.parts]
                for _ in self._state.commit_census(parts, is_owed=True):
                    pass
            case Intent(change):
                self._intents.append(change)

    def _fulfil(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if self._intents and self._is_ours(entry.origin):
                done = change_of(entry)
                if done in self._intents:
                    self._intents.remove(done)

    def start(self, now: float, wall_ms: int) -> None:
        """Begin a run: what was restored becomes changes, and what was about to be written is written.

        Drain after calling.
        """
        self._clock.witness(self._state.newest())
        self._told_at = now - self._params.tick_s
        self._collect_at = now
        self._begin_run(wall_ms)
        self._disown_future(now, wall_ms)
        intents, self._intents = self._intents, []
        for change in intents:
            self.write([change], now, wall_ms)

    def _begin_run(self, wall_ms: int) -> None:
        self._origin = new_origin(self._node_id, wall_ms, self._rng.getrandbits(COUNTER_BITS))
        self._own_version = 0

    def _is_ours(self, origin: Origin) -> bool:
        return origin[:NODE_ID_BYTES] == self._node_id

    # --- writing --------------------------------------------------------------------------------------

    def write(self, changes: Sequence[Registration], now: float, wall_ms: int) -> None:
        """Have things be as told, from now on and everywhere; all of ``changes`` or, if it raises, none.

        Drain after calling.

        Args:
            changes: In order; of two about the same thing the later holds.
            now: Monotonic seconds.
            wall_ms: Unix time in milliseconds.

        Raises:
            TooBig: One is longer than may be replicated.
            LocalProtocolError: A value cannot be encoded, there are too many, or ``start`` was not called.
        """
        self._write([target_of(change) for change in changes], now, wall_ms)

    def ensure(self, changes: Sequence[Registration], now: float, wall_ms: int) -> int:
        """Write those of ``changes`` that are not so already; otherwise as ``write``.

        For who says again what is true anyway. A registration that is to outlive another agent's earlier
        one that is not known here yet must be written.

        Returns:
            How many were written.
        """
        self._finish_census()
        targets = [target for target in map(target_of, changes) if not self._is_so(*target)]
        self._write(targets, now, wall_ms)
        return len(targets)

    def _is_so(self, key: Key, node: NodeName, value: Value | None) -> bool:
        held = self._state.get(key)
        if held is None:
            return value is None
        return held.value == value and (value is None or held.node == node)

    def _write(self, targets: Sequence[_Target], now: float, wall_ms: int) -> None:
        if not targets:
            return
        self._finish_census()
        self._disown_future(now, wall_ms)
        self._require_room(targets)
        origin = self._run_for(len(targets), wall_ms)
        entries = [Entry(key, node, self._clock.next_version(wall_ms), origin, value) for key, node, value in targets]
        encoded = [(entry.version, encode_own_entry(entry)) for entry in entries]
        after, upto = self._own_version, entries[-1].version
        pieces = list(range_pieces(origin, after, upto, encoded, RUMOUR_BYTES))
        self._state.admit(origin)
        self._state.apply(Range(origin, after, upto, tuple(entries), b""), MAX_VERSION, is_owed=True)
        self._own_version = upto
        self._counts["written"] += len(entries)
        self._records.append(encode_ranges_record([raw for _, raw in pieces]))
        for end, raw in pieces:
            self._rumours.queue(origin, end, raw)
        self._plan_tick(now)

    def _require_room(self, targets: Sequence[_Target]) -> None:
        # Only what is new needs room: a full replica can still be changed, and things deleted from it.
        wanted = len(self._state) + sum(self._state.get(key) is None for key, _, _ in targets)
        if wanted > max(MAX_ENTRIES, len(self._state)):
            raise LocalProtocolError(f"{wanted} registrations, more than {MAX_ENTRIES}")

    def _run_for(self, count: int, wall_ms: int) -> Origin:
        """Return the origin of our writes; one that is full, or was forgotten for being empty, is not gone on with."""
        if self._origin is None:
            raise LocalProtocolError("write before start")
        is_forgotten = self._own_version != self._state.known(self._origin)
        if is_forgotten or self._state.length(self._origin) + count > MAX_STREAM_ENTRIES:
            self._begin_run(wall_ms)
        return self._origin

    def forget(self, node: NodeName, now: float) -> None:
        """Delete what is registered under a member's name that is gone for good, a little later.

        All agents are told that it is gone; whoever comes first deletes, and the others find it done. What is under
        the name of an external node stays. The member itself, should it come back, registers anew.
        """
        self._leaving[fold(node)] = (now + self._rng.random() * self._params.forget_spread_s, node)

    def keep(self, node: NodeName) -> None:
        """Take ``forget`` back: the member is there again."""
        self._leaving.pop(fold(node), None)

    def _forget_due(self, now: float, wall_ms: int) -> None:
        due = [folded for folded, (when, _) in self._leaving.items() if when <= now]
        for folded in due:
            _, node = self._leaving.pop(folded)
            held = self.entries_of(node)
            if not any(entry.key[0] is Kind.NODE for entry in held):
                self._write([(entry.key, entry.node, None) for entry in held], now, wall_ms)

    # --- hearing --------------------------------------------------------------------------------------

    def set_peers(self, peers: Iterable[NodeName], now: float) -> None:
        """Know whom there is to talk to: the other members that replicate. Drain after calling."""
        had = bool(self._peers)
        self._peers = tuple(sorted(peers))
        if not self._peers:
            self._exchange_at = self._tick_at = _NEVER
        elif not had:
            self._exchange_at = now
        self._plan_tick(now)

    def receive(self, payload: bytes, source: NodeName, now: float, wall_ms: int) -> WireError | None:
        """Take a message from a peer. Drain after calling.

        One that comes while a census is taken in waits until that is done.

        Returns:
            What is wrong with it; None where it was taken, or waits.
        """
        if self._census is None and not self._held:
            return self._receive(payload, source, now, wall_ms)
        self._held.append((payload, source))
        while len(self._held) > MAX_HELD:
            self._finish_census()
            self._receive(*self._held.popleft(), now, wall_ms)
        return None

    def _receive(self, payload: bytes, source: NodeName, now: float, wall_ms: int) -> WireError | None:
        try:
            message = decode_message_untrusted(payload, self._state.known)
        except WireError as problem:
            self._counts["malformed"] += 1
            return problem
        match message:
            case Rumours(ranges):
                self._take_in(ranges, source, now, wall_ms, is_rumour=True)
            case Delta(more, ranges):
                if self._take_in(ranges, source, now, wall_ms, is_rumour=False) and more:
                    self._conversation.ask(source, more)
            case Census():
                self._take_census(message, source, now, wall_ms)
            case Digest(lines=lines) as digest:
                for origin, known in lines.items():
                    self._look_at_claim(origin, known, wall_ms)
                self._conversation.answer(digest, source, now)
            case _:
                self._conversation.answer(message, source, now)
        return None

    def _look_at_claim(self, origin: Origin, known: int, wall_ms: int) -> None:
        """Begin a new run if somebody knows more of ours than we do: two of us must not share a stream."""
        if origin == self._origin and known > self._own_version:
            self._counts["renewed"] += 1
            self._begin_run(wall_ms)

    def _take_in(self, ranges: Sequence[Range], source: NodeName, now: float, wall_ms: int, *, is_rumour: bool) -> bool:
        """Take in ranges and what waited for them; returns whether there was anything new."""
        furthest = self._clock.furthest(wall_ms)
        applied: list[bytes] = []
        for told in ranges:
            self._look_at_claim(told.origin, told.upto, wall_ms)
            waiting: Range | None = told
            while waiting is not None:
                if not self._take_range(waiting, source, furthest, now, is_rumour=is_rumour):
                    break
                applied.append(self._as_taken(waiting))
                waiting = self._early.take_next(waiting.origin, self._state.known(waiting.origin))
        if applied:
            self._clock.witness(min(self._state.newest_of(told.origin for told in ranges), furthest))
            self._records.append(encode_ranges_record(applied))
        return bool(applied)

    def _as_taken(self, told: Range) -> bytes:
        """Return a range encoded, as far as it was taken in: the disk refuses nothing of what it holds."""
        known = self._state.known(told.origin)
        if told.upto <= known:
            return told.raw
        taken = [encode_entry(entry) for entry in told.entries if entry.version <= known]
        return encode_range(told.origin, told.after, known, taken)

    def _take_range(self, told: Range, source: NodeName, furthest: int, now: float, *, is_rumour: bool) -> bool:
        before = self._state.known(told.origin)
        match self._state.apply(told, furthest):
            case Outcome.APPLIED:
                self._counts["ranges"] += 1
                self._look_at_limits(told.entries)
                if is_rumour:
                    self._rumours.queue(told.origin, told.upto, told.raw)
                    self._plan_tick(now)
                return True
            case Outcome.GAP:
                self._counts["gaps"] += 1
                self._early.keep(told, source)
                self._gap_at = min(self._gap_at, now + self._params.gap_wait_s)
            case Outcome.KNOWN:
                self._rumours.heard(told.origin, told.upto)
            case refused:
                self._counts[refused.value] += 1
        return self._state.known(told.origin) > before

    def _look_at_limits(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.excess:
                self._counts["beyond"] += 1
                self._last_beyond = entry

    def _take_census(self, message: Census, source: NodeName, now: float, wall_ms: int) -> None:
        taken = self._conversation.take_census(message, source, now)
        if taken is None:
            return
        if taken.furthest() > self._clock.furthest(wall_ms):
            self._counts[Outcome.FUTURE.value] += 1
            return
        parts = taken.parts
        for part in parts:
            self._look_at_claim(part.origin, part.upto, wall_ms)
            self._look_at_limits(part.entries)
        self._census, self._census_at = self._commit(taken, parts), now
        self._go_on_with_census()

    def _commit(self, taken: CensusTaking, parts: Sequence[CensusPart]) -> Iterator[int]:
        self._counts["census_drops"] += yield from self._state.commit_census(parts)
        self._counts["censuses_taken"] += 1
        self._clock.witness(taken.furthest())
        self._records.append(encode_census_record([part.raw for part in taken.messages]))

    def _go_on_with_census(self) -> None:
        """Take in as much of a census as a slice has."""
        left = self._params.slice_entries
        while self._census is not None and left > 0:
            step = next(self._census, None)
            if step is None:
                self._census = None
            else:
                left -= step

    def _finish_census(self) -> None:
        """Take in the rest of a census at once, where something is asked or written that must not find half of it."""
        while self._census is not None:
            self._go_on_with_census()

    def _take_held(self, now: float, wall_ms: int) -> None:
        """Take what came while a census was taken in, a few messages at a time."""
        for _ in range(min(HELD_A_SLICE, len(self._held))):
            if self._census is None:
                self._receive(*self._held.popleft(), now, wall_ms)

    def _plan_tick(self, now: float) -> None:
        if self._peers and len(self._rumours) and self._tick_at == _NEVER:
            self._tick_at = max(now, self._told_at + self._params.tick_s)

    # --- time -----------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When ``handle_timer`` is to be called next, in monotonic seconds; None: not before something happens."""
        if self._census is not None or self._held:
            return self._census_at
        leaving = min((when for when, _ in self._leaving.values()), default=_NEVER)
        deadline = min(self._tick_at, self._exchange_at, self._gap_at, self._collect_at, leaving)
        return None if deadline == _NEVER else deadline

    def handle_timer(self, now: float, wall_ms: int) -> None:
        """Do what is due; a slice of work where there is a census to be taken in. Drain after calling."""
        if self._census is not None or self._held:
            self._go_on_with_census()
            self._take_held(now, wall_ms)
            return
        self._forget_due(now, wall_ms)
        if self._collect_at <= now:
            self._collect_at = now + self._params.collect_s
            self._collect(now, wall_ms)
        if self._gap_at <= now:
            self._gap_at = _NEVER
            for teller in self._early.take_tellers():
                self._conversation.catch_up(teller)
        if self._exchange_at <= now:
            self._exchange_at = now + self._params.exchange_s * self._rng.uniform(0.75, 1.25)
            self._conversation.begin(self._rng.choice(self._peers))
        if self._tick_at <= now:
            self._tell_rumours(now)

    def _tell_rumours(self, now: float) -> None:
        self._tick_at, self._told_at = _NEVER, now
        listeners = self._rng.sample(self._peers, min(self._params.fanout, len(self._peers)))
        raws = self._rumours.take(RUMOUR_BYTES_A_TICK, len(listeners), len(self._peers))
        for payload in rumour_packets(raws):
            for peer in listeners:
                self._outbox.send(peer, payload)
        self._plan_tick(now)

    def _collect(self, now: float, wall_ms: int) -> None:
        self._disown_future(now, wall_ms)
        self._conversation.give_up_late(now)
        self._counts["forgotten_tombstones"] += self._state.forget_tombstones(
            _version_before(wall_ms, self._params.tombstone_s)
        )
        self._conversation.expired = _version_before(wall_ms, self._params.stream_s)
        self._state.forget_streams(self._conversation.expired)

    def _disown_future(self, now: float, wall_ms: int) -> None:
        """Let go of versions from when our clock was far ahead, which nobody else believes; ours are written anew."""
        furthest = self._clock.furthest(wall_ms)
        if self._clock.last <= furthest:
            return
        gone = self._state.cut(furthest)
        self._clock.step_back(min(self._state.newest(), furthest))
        self._begin_run(wall_ms)
        ours = [(entry.key, entry.node, entry.value) for entry in gone if self._is_ours(entry.origin)]
        self._write(ours, now, wall_ms)

    # --- draining -------------------------------------------------------------------------------------

    def messages_to_send(self) -> list[Outgoing]:
        """Return the messages to be sent, in order; a lost one does no harm."""
        return self._outbox.take()

    def take_changes(self) -> list[Registration]:
        """Return how what is registered changed since the last call, our own writes included.

        What is gone comes first (checks, services, nodes), then what is there (nodes, services, checks).
        """
        return [change_of(entry) for entry in self.take_changed().values()]

    def take_changed(self) -> dict[Key, Entry]:
        """Return the same as entries, for whoever makes changes of them later; nothing as long as half a census is in.

        What is gone is an entry without a value.
        """
        return {} if self._census is not None else self._state.take_changed()

    def take_records(self) -> list[bytes]:
        """Return what to add to the file, in order. The first call after ``start`` has what that wrote."""
        records, self._records = self._records, []
        return records

    def snapshot_records(self) -> Iterator[bytes]:
        """Return records that can replace all made so far, of about 64 KiB each.

        What they say is fixed now; they are made as they are taken. Intents that are not written yet are not in them.
        """
        self._finish_census()
        parts = census_parts(self._state, {})
        return (encode_census_record([encode_census(0, 0, [part], is_last=False)]) for part in parts)

    # --- looking --------------------------------------------------------------------------------------

    @property
    def entry_count(self) -> int:
        """How many things are known, tombstones included."""
        return len(self._state)

    @property
    def memory_bytes(self) -> int:
        """About how much memory these take."""
        return self._state.memory_bytes

    @property
    def is_heavy(self) -> bool:
        """Whether that is as much as may be, so that others take nothing new, and nobody should write it."""
        return self._state.is_heavy

    def entry(self, key: Key) -> Entry | None:
        """Return what is known of one thing, a tombstone too; None: nothing."""
        self._finish_census()
        return self._state.get(key)

    def entries_of(self, node: NodeName) -> tuple[Entry, ...]:
        """Return what is registered under a node's name, however spelled."""
        self._finish_census()
        return tuple(entry for entry in self._state.of_node(node) if entry.value is not None)

    def entries(self) -> tuple[Entry, ...]:
        """Return all that is registered."""
        self._finish_census()
        return tuple(entry for entry in self._state.entries() if entry.value is not None)

    @property
    def fingerprint(self) -> tuple[int, int]:
        """Two numbers that are the same on two agents that know and hold the same."""
        self._finish_census()
        return (self._state.digest_hash, self._state.content_hash)

    def lines(self) -> dict[Origin, int]:
        """Return the digest: up to which version each origin is known."""
        self._finish_census()
        return dict(self._state.lines())

    @property
    def refused_ahead(self) -> int:
        """How many ranges were cut short because a version was too far ahead of our clock."""
        return self._counts[Outcome.FUTURE.value]

    @property
    def refused_full(self) -> int:
        """How many ranges were cut short because a limit was reached."""
        return self._counts[Outcome.FULL.value]

    def take_beyond(self) -> Entry | None:
        """Return the last entry heard since the last call that is beyond a limit, and counts as a deletion for it."""
        entry, self._last_beyond = self._last_beyond, None
        return entry

    def statistics(self) -> ReplicaStatistics:
        """Return the numbers of this moment."""
        counts = self._counts
        return ReplicaStatistics(
            entries=self.entry_count,
            memory_bytes=self.memory_bytes,
            tombstones=self._state.tombstones,
            streams=self._state.streams,
            rumours=len(self._rumours),
            early=len(self._early),
            written=counts["written"],
            ranges=counts["ranges"],
            gaps=counts["gaps"],
            future=self.refused_ahead,
            full=self.refused_full,
            beyond=counts["beyond"],
            malformed=counts["malformed"],
            exchanges=counts["exchanges"],
            deltas=counts["deltas"],
            disagreements=counts["disagreements"],
            censuses_told=counts["censuses_told"],
            censuses_taken=counts["censuses_taken"],
            census_drops=counts["census_drops"],
            forgotten_tombstones=counts["forgotten_tombstones"],
            renewed=counts["renewed"],
            rumours_dropped=self._rumours.dropped,
            unsent=self._outbox.dropped,
        )


def _version_before(wall_ms: int, age_s: float) -> int:
    return max(0, wall_ms - round(age_s * 1000)) << COUNTER_BITS

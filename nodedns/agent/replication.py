"""``Replication``: the replica of a running agent, between its peers, its disk and its table.

Strategy: ``Replicator`` decides; this file hands it what peers say and when it is
time, and after each call takes what it has to say: changes go to the table,
records to the log, messages to peers. Peers are the members of our datacenter that are alive and
carry the nodedns tag.

A write of ours that somebody waits for goes to the disk first, as an intent, and
counts once it is there; what it becomes, and what others wrote, is on the disk a
moment later. So nothing that was confirmed is lost by ``kill -9``, and the disk
keeps nobody waiting who did not ask.

What is registered on a member goes when the pool forgets the member; on a name that no member
has had for ``FORGET_S``, likewise. External nodes stay until they are deregistered.

Source: docs/adr/0031; Consul's reconnect timeout of 72 hours.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from random import Random

import attrs
import trio

from nodedns.agent.live_table import LiveTable
from nodedns.agent.memory import Memory
from nodedns.errors import TooBig, WireError, shorten
from nodedns.model.member import NODEDNS_TAG, MemberStatus, SerfMember
from nodedns.model.names import NodeName, fold
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import (
    REPLICA_BYTES_RECEIVED,
    REPLICA_BYTES_SENT,
    REPLICA_ENTRIES,
    REPLICA_MEMORY,
    REPLICA_MESSAGES_RECEIVED,
    REPLICA_MESSAGES_SENT,
    REPLICA_PEERS,
    REPLICA_REFUSED,
    REPLICA_SILENCE,
    REPLICA_TOMBSTONES,
    Metrics,
)
from nodedns.replica.entry import Entry, Key, Kind, change_of, target_of
from nodedns.replica.messages import Outgoing
from nodedns.replica.params import MAX_ENTRIES, MAX_MEMORY_BYTES, ReplicaParams
from nodedns.replica.records import encode_intent
from nodedns.replica.replicator import Replicator
from nodedns.serf.events import MemberChanged, MemberChangeKind, PeerMessage, SerfEvent
from nodedns.serf.serf import Serf
from nodedns.table.changes import NodeRegistered, Registration

__all__ = ["FORGET_S", "Replication"]

FORGET_S = 72 * 3600.0
"""For how long registrations are kept under a name that no member and no external node has (Consul's reconnect
timeout)."""
TABLE_CHANGES = 64
"""Changes from others that enter the table at once; ours: a few milliseconds, between which others have a turn."""
SWEEP_S = 3600.0
"""Time between two looks for such names."""
REFUSALS = ("malformed", "future", "full", "beyond", "unsent", "rumours_dropped")
"""What a replicator refused or could not pass on, by the names of its statistics."""

_LOG = logger("replica")


class Replication:
    """Runs a replicator.

    Args:
        memory: Where it is kept; what is kept already enters the table now.
        table: Where it is answered from.
        serf: Knows the members, and carries messages.
        wake: Has what was given to ``serf`` sent.
        metrics: Where messages are counted.
        datacenter: Members of another one are no peers.
        rng: Decides whom to talk to.
        wall_clock: Seconds since 1970.
        max_memory_bytes: What all registrations may take, about.
    """

    def __init__(
        self,
        memory: Memory,
        table: LiveTable,
        serf: Serf,
        wake: Callable[[], None],
        metrics: Metrics,
        *,
        datacenter: str,
        rng: Random,
        wall_clock: Callable[[], float],
        max_memory_bytes: int = MAX_MEMORY_BYTES,
    ) -> None:
        self._memory = memory
        self._table = table
        self._serf = serf
        self._wake = wake
        self._metrics = metrics
        self._datacenter = fold(datacenter)
        self._local_name = table.view.local_name
        self._wall_clock = wall_clock
        self._remote = RemoteLog(_LOG, trio.current_time)
        self._max_memory_bytes = max_memory_bytes
        node_id = uuid.UUID(memory.node_id).bytes
        self._replicator = Replicator(ReplicaParams(), node_id, rng, max_memory_bytes=max_memory_bytes)
        self._peers: dict[NodeName, None] = {}
        self._are_peers_new = False
        self._heard_at: float | None = None
        self._coming = 0
        self._unowned_since: dict[str, float] = {}
        # By what they are about, so that what comes later takes the place of what waits.
        self._for_table: dict[Key, Entry] = {}
        self._sweep_at = math.inf
        self._wakes_at = math.inf
        self._deadline_moved = trio.Event()
        self._restore()
        self._expose()

    def _restore(self) -> None:
        log = self._memory.registrations
        if log is not None:
            for record in log.load():
                try:
                    self._replicator.restore(record)
                except WireError as problem:
                    _LOG.error("a record of registrations makes no sense", error=problem)
        now = trio.current_time()
        self._sweep_at = now + SWEEP_S
        self._replicator.start(now, self._wall_ms())
        earlier = [NodeRegistered(node) for node in self._memory.earlier_external_nodes()]
        self._replicator.ensure(earlier, now, self._wall_ms())
        self._drain(is_ours=True)

    def _expose(self) -> None:
        self._metrics.set_by(REPLICA_PEERS, lambda: len(self._peers))
        self._metrics.set_by(REPLICA_ENTRIES, lambda: self._replicator.entry_count)
        self._metrics.set_by(REPLICA_MEMORY, lambda: self._replicator.memory_bytes)
        self._metrics.set_by(REPLICA_TOMBSTONES, lambda: self._replicator.statistics().tombstones)
        self._metrics.set_by(REPLICA_SILENCE, self._heard_s)
        for reason in REFUSALS:
            self._metrics.set_by(REPLICA_REFUSED, partial(self._refused, reason), reason=reason)

    def _refused(self, reason: str) -> int:
        return int(getattr(self._replicator.statistics(), reason))

    def _heard_s(self) -> float:
        return -1.0 if self._heard_at is None else trio.current_time() - self._heard_at

    # --- writing -----------------------------------------------------------------

    def entries_of(self, node: NodeName) -> tuple[Entry, ...]:
        """Return what is registered under a node's name, however it is spelled."""
        return self._replicator.entries_of(node)

    def holds(self, key: Key) -> bool:
        """Whether this thing is registered."""
        entry = self._replicator.entry(key)
        return entry is not None and entry.value is not None

    def _is_new(self, change: Registration) -> bool:
        return self._replicator.entry(target_of(change)[0]) is None

    @property
    def is_writing(self) -> bool:
        """Whether something is on its way to the disk that does not count yet."""
        return self._coming > 0

    async def write(self, intents: Sequence[Registration], changes_of: Callable[[], Sequence[Registration]]) -> None:
        """Have things be as told once that is on the disk; nobody hears of it before.

        Args:
            intents: What is to be; after a crash this is done, or where that was in the middle of writing a part of it.
            changes_of: Returns what is done, as of the moment in which it is.

        Raises:
            TooBig: One is longer than may be replicated, or there are too many entries.
            DataDirError: It cannot be stored; nothing has changed.
        """
        records = [encode_intent(change) for change in intents]
        coming = self._coming + len(intents)
        wanted = self._replicator.entry_count + coming
        if wanted > MAX_ENTRIES:
            raise TooBig("the pool's registrations", wanted, MAX_ENTRIES)
        if self._replicator.is_heavy and any(self._is_new(change) for change in intents):
            raise TooBig(
                "the memory of the pool's registrations", self._replicator.memory_bytes, self._max_memory_bytes
            )
        log = self._memory.registrations
        if log is None:
            self.write_soon(changes_of())
            return
        self._coming = coming
        try:
            await log.append(records, lambda: self.write_soon(changes_of()))
        finally:
            self._coming -= len(intents)

    def write_soon(self, changes: Sequence[Registration]) -> None:
        """Have things be as told at once; they are on the disk soon. Raises ``TooBig``."""
        self._replicator.write(changes, trio.current_time(), self._wall_ms())
        self._drain(is_ours=True)

    def ensure(self, changes: Sequence[Registration]) -> None:
        """Have things be as told at once, where they are not; they are on the disk soon. Raises ``TooBig``."""
        self._replicator.ensure(changes, trio.current_time(), self._wall_ms())
        self._drain(is_ours=True)

    # --- hearing -----------------------------------------------------------------

    def note(self, event: SerfEvent) -> None:
        """Take what the Serf layer tells."""
        if isinstance(event, PeerMessage):
            self._receive(event)
        elif isinstance(event, MemberChanged):
            self._member_changed(event)

    def _receive(self, message: PeerMessage) -> None:
        now = trio.current_time()
        self._metrics.count(REPLICA_MESSAGES_RECEIVED)
        self._metrics.count(REPLICA_BYTES_RECEIVED, len(message.payload))
        if message.sender not in self._peers:
            return  # of another datacenter, or gone this moment
        self._heard_at = now
        refused_before, full_before = self._replicator.refused_ahead, self._replicator.refused_full
        problem = self._replicator.receive(message.payload, message.sender, now, self._wall_ms())
        if self._replicator.refused_ahead > refused_before:
            self._remote.warning(
                "registrations are dated more than a day ahead of our clock and not taken; are all clocks right?",
                message.sender,
            )
        if self._replicator.refused_full > full_before:
            self._remote.warning("registrations are more than an agent holds and not taken", message.sender)
        beyond = self._replicator.take_beyond()
        if beyond is not None:
            self._remote.warning(
                "a registration is beyond a limit and counts as deregistered",
                message.sender,
                node=shorten(beyond.node),
                id=shorten(beyond.key[2]),
                why=beyond.excess,
            )
        if problem is not None:
            self._remote.warning("message of a replica makes no sense", message.sender, detail=problem)
        self._drain()

    def _member_changed(self, event: MemberChanged) -> None:
        member = event.member
        if event.kind is MemberChangeKind.REAP:
            self._replicator.forget(member.name, trio.current_time())
            self._look_at_deadline()
        else:
            self._replicator.keep(member.name)
        if self._is_peer(member) and event.kind is not MemberChangeKind.REAP:
            self._are_peers_new |= member.name not in self._peers
            self._peers[member.name] = None
        elif member.name in self._peers:
            del self._peers[member.name]
            self._are_peers_new = True
        if self._are_peers_new:
            self._deadline_moved.set()  # told once to the replicator, however many come at a time

    def _is_peer(self, member: SerfMember) -> bool:
        return (
            member.status is MemberStatus.ALIVE
            and NODEDNS_TAG in member.tags
            and fold(member.tags.get("dc", "")) == self._datacenter
            and member.name != self._local_name
        )

    # --- time --------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Replicate until cancelled; then write what is still to be written."""
        async with trio.open_nursery() as nursery:
            log = self._memory.registrations
            if log is not None:
                await nursery.start(log.run, self._replicator.snapshot_records)
                if await log.flush():
                    self._memory.retire_earlier_external_nodes()
            task_status.started()
            while True:
                await self._wait()
                now = trio.current_time()
                if self._are_peers_new:
                    self._are_peers_new = False
                    self._replicator.set_peers(self._peers, now)
                if self._sweep_at <= now:
                    self._sweep_at = now + SWEEP_S
                    self._sweep(now)
                deadline = self._replicator.next_deadline()
                if deadline is not None and deadline <= now:
                    self._replicator.handle_timer(now, self._wall_ms())
                self._drain()
                self._take_in_some()
                await trio.lowlevel.checkpoint()

    async def _wait(self) -> None:
        deadline = self._replicator.next_deadline()
        self._wakes_at = min(math.inf if deadline is None else deadline, self._sweep_at)
        if self._are_peers_new or self._for_table:
            return
        self._deadline_moved = trio.Event()
        with trio.move_on_at(self._wakes_at):
            await self._deadline_moved.wait()

    def _look_at_deadline(self) -> None:
        deadline = self._replicator.next_deadline()
        if deadline is not None and deadline < self._wakes_at:
            self._deadline_moved.set()

    def _sweep(self, now: float) -> None:
        """Have what nobody owns any more forgotten once that has lasted."""
        entries = self._replicator.entries()
        owned = {entry.key[1] for entry in entries if entry.key[0] is Kind.NODE}
        owned.update(fold(member.name) for member in self._table.view.members())
        unowned = {entry.key[1]: entry.node for entry in entries if entry.key[1] not in owned}
        self._unowned_since = {folded: self._unowned_since.get(folded, now) for folded in unowned}
        for folded, since in self._unowned_since.items():
            if now - since >= FORGET_S:
                self._replicator.forget(unowned[folded], now)

    # --- draining ----------------------------------------------------------------

    def _drain(self, *, is_ours: bool = False) -> None:
        changed = self._replicator.take_changed()
        log = self._memory.registrations
        for record in self._replicator.take_records():
            if log is not None:
                log.note(record)
        self._take_in(changed, is_ours=is_ours)
        messages = self._replicator.messages_to_send()
        for message in messages:
            self._send(message)
        if messages:
            self._wake()
        self._look_at_deadline()

    def _take_in(self, changed: Mapping[Key, Entry], *, is_ours: bool) -> None:
        """Have the table know: what we write at once, because it was promised, and many changes of others in turns."""
        if self._for_table:
            for key in changed:
                self._for_table.pop(key, None)
        if is_ours or len(changed) <= TABLE_CHANGES:
            if changed:
                self._table.apply([change_of(entry) for entry in changed.values()])
            return
        self._for_table |= changed
        self._deadline_moved.set()

    def _take_in_some(self) -> None:
        some = list(islice(self._for_table, TABLE_CHANGES))
        if some:
            self._table.apply([change_of(self._for_table.pop(key)) for key in some])

    def _send(self, message: Outgoing) -> None:
        now = trio.current_time()
        by_stream = not message.is_datagram
        try:
            was_sent = self._serf.send_peer_message(message.peer, message.payload, now, by_stream=by_stream)
        except TooBig:
            # With a key, a label and a long name of ours it does not fit by some bytes.
            by_stream = True
            was_sent = self._serf.send_peer_message(message.peer, message.payload, now, by_stream=True)
        if was_sent:
            self._metrics.count(REPLICA_MESSAGES_SENT, way="stream" if by_stream else "datagram")
            self._metrics.count(REPLICA_BYTES_SENT, len(message.payload))

    def _wall_ms(self) -> int:
        return round(self._wall_clock() * 1000)

    def statistics(self) -> dict[str, int]:
        """Return the figures of this moment, for ``info``."""
        counted: dict[str, int] = attrs.asdict(self._replicator.statistics())
        return {"peers": len(self._peers), "last_heard_s": round(self._heard_s()), **counted}

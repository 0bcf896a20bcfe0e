"""``Prober``: asks one member after the other whether it is there, and the probes we relay for others.

One probe is a small machine: a direct ping; after the probe timeout pings
through other members and a ping over TCP; at the end of the (health-scaled)
probe interval the verdict. Any ack with its sequence number saves the member.
Only one probe runs at a time, as in memberlist.

Relayed pings share the sequence numbers and the table of pending acks.

Source: SWIM paper section 3.1, Lifeguard section IV.A, memberlist's probeNode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from nodedns.gossip.awareness import Awareness
from nodedns.gossip.events import GossipEvent, PingCompleted, ProbeFailed, ProbeHelped, TcpOnlyAck
from nodedns.gossip.members import Listed, MemberTable
from nodedns.gossip.messages import Ack, IndirectPing, Message, Nack, Ping, Suspect
from nodedns.gossip.params import GossipParams
from nodedns.gossip.timers import Timer, TimerHeap
from nodedns.model.address import Address
from nodedns.model.history import ProbeReport
from nodedns.model.member import Member, NodeState
from nodedns.model.names import NodeName

__all__ = ["MAX_TCP_ERROR_CHARS", "ProbeHost", "Prober"]

TCP_PING_VERSION = 3
NACK_VERSION = 4
NACK_AFTER = 0.8
"""Share of the probe timeout after which a helper says that it has heard nothing (Lifeguard paper, LHA-Probe).

With all of it, as memberlist has it, the nack comes one round trip after a LAN asker's verdict, every time.
"""
SEQUENCE_MASK = 0xFFFF_FFFF
MAX_TCP_ERROR_CHARS = 160  # some of them are in the peer's own words
TCP_ACKED = "acked"
TCP_UNANSWERED = "no answer in time"


class ProbeHost(Protocol):
    """What the prober needs of the core around it."""

    def send_message(self, message: Message, destination: Address) -> None:
        """Send ``message`` with broadcasts beside it."""
        ...

    def send_pair(self, first: Message, second: Message, member: Member) -> None:
        """Send two messages in one datagram with nothing beside them."""
        ...

    def want_tcp_ping(self, ping: Ping, address: Address, deadline: float, on_over: Callable[[str], None]) -> None:
        """Ask for a TCP stream that carries ``ping``; ``on_over`` gets an error, or nothing for its ack."""
        ...

    def emit(self, event: GossipEvent) -> None:
        """Queue an event for the owner."""
        ...

    def suspect(self, suspect: Suspect, now: float) -> None:
        """Apply our own suspicion."""
        ...


class _Probe:
    """One running probe."""

    __slots__ = (
        "direct_until",
        "expected_nacks",
        "helpers",
        "incarnation",
        "nacks",
        "row",
        "sent_at",
        "seq_no",
        "tcp",
        "timers",
        "verdict_at",
    )

    def __init__(self, row: Listed, seq_no: int, sent_at: float, direct_until: float, verdict_at: float) -> None:
        self.row = row
        self.seq_no = seq_no
        self.incarnation = row.incarnation
        self.sent_at = sent_at
        self.direct_until = direct_until
        self.verdict_at = verdict_at
        self.expected_nacks = 0
        self.nacks = 0
        self.helpers: tuple[Member, ...] = ()
        self.tcp = ""
        self.timers: list[Timer] = []

    def note_tcp(self, error: str) -> None:
        self.tcp = error[:MAX_TCP_ERROR_CHARS] or TCP_ACKED

    def report(self, now: float, health_score: int) -> ProbeReport:
        """What is known of it once it is over; made for those only that went unanswered."""
        return ProbeReport(
            target=self.row.member.address,
            timeout_s=self.direct_until - self.sent_at,
            waited_s=now - self.sent_at,
            helpers=tuple(helper.name for helper in self.helpers),
            nacks=self.nacks,
            expected_nacks=self.expected_nacks,
            tcp=self.tcp,
            health_score=health_score,
        )

    @property
    def is_hopeless(self) -> bool:
        """Whether nobody is left who might still bring an ack: each helper has said no, and so has TCP."""
        all_said_no = 0 < self.nacks == len(self.helpers)
        return all_said_no and self.tcp not in ("", TCP_ACKED, TCP_UNANSWERED)

    def helper_at(self, source: Address | None) -> NodeName:
        for helper in self.helpers:
            if source is not None and helper.address.same_endpoint(source):
                return helper.name
        return NodeName("")


class _Relay:
    """One ping made for somebody else."""

    __slots__ = ("asker", "asker_seq_no", "timer")

    def __init__(self, asker: Address, asker_seq_no: int, timer: Timer) -> None:
        self.asker = asker
        self.asker_seq_no = asker_seq_no
        self.timer = timer


class _Expected:
    """An ack that a part outside of this file waits for."""

    __slots__ = ("on_ack",)

    def __init__(self, on_ack: Callable[[float], None]) -> None:
        self.on_ack = on_ack


class Prober:
    """Walks the member table, one probe at a time.

    Args:
        host: The core around it.
        params: Intervals and limits.
        local: Our own identity, for the source fields of pings.
        table: Whom to probe.
        awareness: Our health score, moved by the outcome of probes.
        timers: Where deadlines are set.
    """

    def __init__(
        self,
        *,
        host: ProbeHost,
        params: GossipParams,
        local: Member,
        table: MemberTable,
        awareness: Awareness,
        timers: TimerHeap,
    ) -> None:
        self._host = host
        self._params = params
        self._local = local
        self._table = table
        self._awareness = awareness
        self._timers = timers
        self._index = 0
        self._sequence = 0
        self._current: _Probe | None = None
        self._tick_missed = False
        self._pending: dict[int, _Probe | _Relay | _Expected] = {}

    @property
    def pending(self) -> int:
        """How many acks are awaited, relayed pings included."""
        return len(self._pending)

    def tick(self, now: float) -> None:
        """Probe the next member; a tick during a probe is made up for when that ends."""
        if self._current is not None:
            self._tick_missed = True
            return
        row = self._next_row(now)
        if row is not None:
            self._begin(row, now)

    def _next_row(self, now: float) -> Listed | None:
        checked = 0
        while checked < len(self._table):
            if self._index >= len(self._table):
                self._table.reap_and_shuffle(now)
                self._index = 0
                checked += 1
                continue
            row = self._table[self._index]
            self._index += 1
            if row.member.name != self._local.name and not row.is_gone:
                return row
            checked += 1
        return None

    # --- our own probe -------------------------------------------------------

    def _begin(self, row: Listed, now: float) -> None:
        interval_s = self._awareness.scale(self._params.probe_interval_s)
        probe = _Probe(row, self._next_seq_no(), now, now + self._params.probe_timeout_s, now + interval_s)
        self._current = probe
        self._pending[probe.seq_no] = probe
        probe.timers = [
            self._timers.set(probe.direct_until, self._direct_timeout),
            self._timers.set(probe.verdict_at, self._verdict),
        ]
        ping = self._ping(probe.seq_no, row.member.name)
        if row.state == NodeState.SUSPECT and self._params.buddy_system:
            # It learns of the suspicion with the ping, so that it can refute at once.
            suspect = Suspect(row.incarnation, row.member.name, self._local.name)
            self._host.send_pair(ping, suspect, row.member)
        else:
            self._host.send_message(ping, row.member.address)

    def _direct_timeout(self, now: float) -> None:
        probe = self._current
        if probe is None or now >= probe.verdict_at:
            return
        member = probe.row.member
        helpers = self._table.pick(self._params.indirect_checks, self._is_helper)
        probe.helpers = tuple(helper.member for helper in helpers)
        for helper in helpers:
            wants_nack = helper.member.versions.protocol_max >= NACK_VERSION
            probe.expected_nacks += wants_nack
            address = member.address
            self._host.send_message(
                IndirectPing(
                    probe.seq_no, address.packed, address.port, member.name, wants_nack, *self._source_fields()
                ),
                helper.member.address,
            )
        if self._params.tcp_pings and member.versions.protocol_max >= TCP_PING_VERSION:
            ping = self._ping(probe.seq_no, member.name)
            probe.tcp = TCP_UNANSWERED
            self._host.want_tcp_ping(ping, member.address, probe.verdict_at, probe.note_tcp)

    def _is_helper(self, row: Listed) -> bool:
        probe = self._current
        is_target = probe is not None and row is probe.row
        return row.state == NodeState.ALIVE and not is_target and row.member.name != self._local.name

    def _verdict(self, now: float) -> None:
        probe = self._current
        if probe is None:
            return
        self._finish(probe, now)
        report = probe.report(now, self._awareness.score)
        if probe.tcp == TCP_ACKED:
            self._awareness.apply_delta(-1)
            self._host.emit(TcpOnlyAck(probe.row.member, report))
            return
        self._host.emit(ProbeFailed(probe.row.member, report))
        # A missing nack says that the way from us is bad, rather than that the member is gone.
        missing = probe.expected_nacks - probe.nacks if probe.expected_nacks else 1
        self._awareness.apply_delta(missing)
        self._host.suspect(Suspect(probe.incarnation, probe.row.member.name, self._local.name), now)

    def _finish(self, probe: _Probe, now: float) -> None:
        for timer in probe.timers:
            timer.cancel()
        self._pending.pop(probe.seq_no, None)
        self._current = None
        if self._tick_missed:
            self._tick_missed = False
            self._timers.set(now, self.tick)

    # --- acks ------------------------------------------------------------------

    def handle_ack(self, ack: Ack, now: float, source: Address | None = None) -> bool:
        """Take an ack, whoever sent it (``source``); return whether anybody waited for it."""
        waiting = self._pending.get(ack.seq_no)
        if waiting is None:
            return False
        if isinstance(waiting, _Relay):
            del self._pending[ack.seq_no]
            waiting.timer.cancel()
            self._host.send_message(Ack(waiting.asker_seq_no), waiting.asker)
            return True
        if isinstance(waiting, _Expected):
            waiting.on_ack(now)
            return True
        self._finish(waiting, now)
        self._awareness.apply_delta(-1)
        if now <= waiting.direct_until:
            self._host.emit(PingCompleted(waiting.row.member, now - waiting.sent_at, ack.payload))
        else:
            self._host.emit(ProbeHelped(waiting.row.member, waiting.helper_at(source)))
        return True

    def handle_nack(self, nack: Nack, now: float) -> bool:
        """Take a nack; return whether a probe of ours waited for it."""
        waiting = self._pending.get(nack.seq_no)
        if not isinstance(waiting, _Probe):
            return False
        waiting.nacks = min(waiting.nacks + 1, waiting.expected_nacks)
        if waiting.is_hopeless:
            self._verdict(now)
        return True

    # --- acks for other parts ------------------------------------------------------

    def expect_ack(self, on_ack: Callable[[float], None]) -> int:
        """Return a sequence number whose acks, whoever sends them, are handed to ``on_ack`` until ``forget_ack``."""
        seq_no = self._next_seq_no()
        self._pending[seq_no] = _Expected(on_ack)
        return seq_no

    def forget_ack(self, seq_no: int) -> None:
        """Wait no more for the acks of ``seq_no``."""
        self._pending.pop(seq_no, None)

    # --- probes for others -------------------------------------------------------

    def relay(self, request: IndirectPing, asker: Address, now: float) -> bool:
        """Ping a member for somebody else; return False when too many are under way."""
        if len(self._pending) >= self._params.max_relayed_pings:
            return False
        seq_no = self._next_seq_no()
        timeout_s = self._params.probe_timeout_s

        def give_up(_now: float) -> None:
            del self._pending[seq_no]

        def nothing_yet(_now: float) -> None:
            if request.nack:
                self._host.send_message(Nack(request.seq_no), asker)
            # An ack that comes after all is still passed on.
            relay.timer = self._timers.set(now + timeout_s, give_up)

        timer = self._timers.set(now + timeout_s * NACK_AFTER, nothing_yet)
        relay = self._pending[seq_no] = _Relay(asker, request.seq_no, timer)
        self._host.send_message(self._ping(seq_no, request.node), Address(request.target, request.port))
        return True

    # --- inside --------------------------------------------------------------------

    def _next_seq_no(self) -> int:
        self._sequence = (self._sequence + 1) & SEQUENCE_MASK
        while self._sequence in self._pending:
            self._sequence = (self._sequence + 1) & SEQUENCE_MASK
        return self._sequence

    def _source_fields(self) -> tuple[bytes, int, str]:
        return self._local.address.packed, self._local.address.port, self._local.name

    def _ping(self, seq_no: int, node: str) -> Ping:
        return Ping(seq_no, node, *self._source_fields())

"""``UdpChecks``: finds out whether UDP passes between us and one member, each direction by itself.

Strategy: three questions, Serf's own ``_serf_ping``, which every agent acks over UDP and none
passes on. Each goes to the one member alone, a few times over, since UDP may lose any of them:

- over UDP: its ack comes if both directions are open;
- over TCP: its ack comes if the direction from the member to us is open;
- over UDP, the ack to be relayed by others too: it comes if the direction from us to the member is open.

A ping over TCP besides, answered over TCP, tells a member that is there from one that is down or stopped.
What no ack proves stays unknown. memberlist's indirect ping, sent to the very member with us as the target,
would prove nothing that its direct ping does not: the request itself takes the direction that is in doubt.

It does not decide when to check; ``udp_watch`` does.

Source: Serf's query flags, relayed responses and internal ping query (gossip-protocol 4.7, 4.8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs

from nodedns.errors import LocalProtocolError, TooBig
from nodedns.gossip.timers import Timer, TimerHeap
from nodedns.model.address import Address
from nodedns.model.member import Member
from nodedns.model.names import NodeName
from nodedns.serf.events import SerfEvent, UdpChecked
from nodedns.serf.messages import QueryFlag, encode_message
from nodedns.serf.outgoing_queries import OutgoingQueries, QueryParams

__all__ = ["CHECK_S", "MAX_CHECKS", "TRIES", "UdpChecks", "UdpSender"]

PING = "_serf_ping"
TRIES = 5
"""Ours: at 20 % loss one way, all five acks of a question over TCP are lost three times in ten thousand."""
TRY_INTERVAL_S = 1.0
CHECK_S = 6.0
"""From the first try to the verdict: the last try has two seconds for its way."""
MAX_CHECKS = 4
"""Ours: checks under way; each has up to 15 queries open."""
RELAYS = 3
"""As many as are asked to ping for us (memberlist's IndirectChecks)."""


class UdpSender(Protocol):
    """What a check needs of the gossip core."""

    def send_user(self, payload: bytes, destination: Address) -> None:
        """Send one user message over UDP."""
        ...

    def send_user_stream(self, payload: bytes, destination: Address, deadline: float) -> None:
        """Send one user message over TCP."""
        ...

    def ping_by_stream(self, member: Member, deadline: float, on_ack: Callable[[], None]) -> None:
        """Ping over TCP; ``on_ack`` once the member has answered."""
        ...


class _Sink:
    """Takes the ack of one question."""

    __slots__ = ("_name", "_on_ack")

    def __init__(self, name: NodeName, on_ack: Callable[[], None]) -> None:
        self._name = name
        self._on_ack = on_ack

    def acked(self, node: NodeName) -> None:
        """Take an ack; only the member's own counts."""
        if node == self._name:
            self._on_ack()

    def answered(self, node: NodeName, payload: bytes) -> None:
        """A ping has no answer."""


@attrs.define(eq=False)
class _Check:
    """One check under way, and what has come back so far."""

    member: Member
    ends_at: float
    came_straight: bool = False
    came_by_tcp: bool = False
    came_by_relay: bool = False
    answers_tcp: bool = False
    tries: int = 0
    timers: list[Timer] = attrs.field(factory=list)

    @property
    def sent(self) -> bool | None:
        """Whether UDP from us reaches the member; None: cannot be told."""
        if self.came_straight or self.came_by_relay:
            return True
        # Had it arrived, its ack would have come back the way that is open.
        return False if self.came_by_tcp else None

    @property
    def received(self) -> bool | None:
        """Whether UDP from the member reaches us; None: cannot be told."""
        if self.came_straight or self.came_by_tcp:
            return True
        return False if self.came_by_relay or self.answers_tcp else None


class UdpChecks:
    """Checks under way.

    Args:
        local: Our identity.
        sender: The gossip core.
        outgoing: Knows the acks to our questions.
        member_count: How many members are listed: with fewer than three, nobody could relay.
        timers: For tries and verdicts.
        emit: Takes ``UdpChecked``.
    """

    def __init__(
        self,
        *,
        local: Member,
        sender: UdpSender,
        outgoing: OutgoingQueries,
        member_count: Callable[[], int],
        timers: TimerHeap,
        emit: Callable[[SerfEvent], None],
    ) -> None:
        self._local = local
        self._sender = sender
        self._outgoing = outgoing
        self._member_count = member_count
        self._timers = timers
        self._emit = emit
        self._running: dict[NodeName, _Check] = {}

    def check(self, member: Member, now: float) -> bool:
        """Begin a check; ``UdpChecked`` follows. Return False where it, or too many others, are under way."""
        if member.name in self._running or len(self._running) >= MAX_CHECKS or member.name == self._local.name:
            return False
        check = self._running[member.name] = _Check(member, now + CHECK_S)
        check.timers.append(self._timers.set(check.ends_at, lambda _now: self._finish(check)))
        self._try(check, now)
        return True

    def _try(self, check: _Check, now: float) -> None:
        check.tries += 1
        if check.tries < TRIES:
            check.timers.append(self._timers.set(now + TRY_INTERVAL_S, lambda now: self._try(check, now)))
        address = check.member.address

        def send(data: bytes) -> None:
            self._sender.send_user(data, address)

        def came_straight() -> None:
            check.came_straight = True
            self._finish(check)

        def came_by_relay() -> None:
            check.came_by_relay = True

        self._ask(check, send, came_straight, now)
        relays = min(RELAYS, self._member_count() - 1)
        # A lone relay could be we ourselves.
        if relays > 1 and not check.came_by_relay:
            self._ask(check, send, came_by_relay, now, relays=relays)
        if not check.came_by_tcp:
            self._ask_by_tcp(check, now)

    def _ask_by_tcp(self, check: _Check, now: float) -> None:
        def came_by_tcp() -> None:
            check.came_by_tcp = True

        def answers_tcp() -> None:
            check.answers_tcp = True

        def send_by_tcp(data: bytes) -> None:
            self._sender.send_user_stream(data, check.member.address, check.ends_at)
            if not check.answers_tcp:
                self._sender.ping_by_stream(check.member, check.ends_at, answers_tcp)

        self._ask(check, send_by_tcp, came_by_tcp, now)

    def _ask(
        self,
        check: _Check,
        send: Callable[[bytes], None],
        on_ack: Callable[[], None],
        now: float,
        *,
        relays: int = 0,
    ) -> None:
        question = QueryParams(name=PING, nodes=(check.member.name,), wants_acks=True, relay_factor=relays)
        try:
            query = self._outgoing.ask(
                question,
                query_id=self._outgoing.new_id(),
                timeout_s=check.ends_at - now,
                sink=_Sink(check.member.name, on_ack),
                on_closed=_do_nothing,
                now=now,
            )
        except (LocalProtocolError, TooBig):
            return  # queries of the application's fill the desk, or its name fills the query: this fact stays unknown
        send(encode_message(attrs.evolve(query, flags=query.flags | QueryFlag.NO_BROADCAST)))

    def _finish(self, check: _Check) -> None:
        if self._running.get(check.member.name) is not check:
            return
        del self._running[check.member.name]
        for timer in check.timers:
            timer.cancel()
        self._emit(UdpChecked(check.member, self._local, sent=check.sent, received=check.received))


def _do_nothing(_acks: int, _answers: int) -> None:
    pass

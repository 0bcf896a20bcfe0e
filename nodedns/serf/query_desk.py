"""``QueryDesk``: queries in and out as one part, and the vote about our own name that rests on both.

It wires ``IncomingQueries``, ``OutgoingQueries``, ``Answers`` and
``InternalQueries`` together; a query of ours is handled here like any other's,
which also has it broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from nodedns.errors import LocalProtocolError
from nodedns.gossip.events import ConflictOver, ConflictSeen
from nodedns.gossip.keyring import Keyring
from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.member import Member
from nodedns.model.names import NodeName
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.conflict import ConflictVote
from nodedns.serf.events import ConflictLost, ConflictWon, QueryClosed, SerfEvent
from nodedns.serf.internal_queries import CONFLICT, InternalQueries
from nodedns.serf.key_changes import KeyChanges
from nodedns.serf.lamport import LamportClock
from nodedns.serf.members import MemberTable
from nodedns.serf.messages import encode_message
from nodedns.serf.outgoing_queries import EventSink, OutgoingQueries, QueryParams, QuerySink
from nodedns.serf.params import SerfParams
from nodedns.serf.queries import Answers, IncomingQueries

__all__ = ["QueryDesk"]


class QueryDesk:
    """Everything about queries.

    Args:
        local: Our identity.
        params: Limits, and whether conflicts are put to the vote.
        clock: The query clock.
        table: The members we know.
        broadcasts: Where queries are queued.
        keyring: The encryption keys, or None.
        is_keyring_stored: Whether the owner keeps a keyring file.
        exposes_keys: Whether gossip is taken or sent without encryption although there are keys.
        rng: For IDs and relays.
        timers: For timeouts.
        emit: Takes the events.
        send: Sends one user message straight to an address.
        default_timeout_s: Returns Serf's default timeout for the cluster's size.
        on_delivered: Called with the Lamport time of each query that was for us.
        look_again: Asks again whether a rival for our name answers; returns False where it is none any more.
    """

    def __init__(
        self,
        *,
        local: Member,
        params: SerfParams,
        clock: LamportClock,
        table: MemberTable,
        broadcasts: Broadcasts,
        keyring: Keyring | None,
        is_keyring_stored: bool,
        exposes_keys: bool,
        rng: Random,
        timers: TimerHeap,
        emit: Callable[[SerfEvent], None],
        send: Callable[[bytes, Address], None],
        default_timeout_s: Callable[[], float],
        on_delivered: Callable[[int], None],
        look_again: Callable[[Address, float], bool],
    ) -> None:
        self._local = local
        self._table = table
        self._resolves_conflicts = params.resolve_conflicts
        self._emit = emit
        self._default_timeout_s = default_timeout_s
        self._vote: ConflictVote | None = None
        self._lost_vote: ConflictVote | None = None  # lost, unless the rival turns out to be gone
        self._is_vote_due = False
        self._look_again = look_again
        self.has_lost_name = False
        """Whether the vote about our own name went to another agent."""
        self.key_changes = KeyChanges(keyring, is_stored=is_keyring_stored, emit=emit, is_exposed=exposes_keys)
        limit = params.query_response_limit_bytes
        self.incoming = IncomingQueries(
            local_name=local.name,
            slots=params.query_buffer_slots,
            clock=clock,
            table=table,
            broadcasts=broadcasts,
            answers=Answers(local_name=local.name, limit_bytes=limit, table=table, rng=rng, send=send),
            internal=InternalQueries(
                local_name=local.name, table=table, keyring=keyring, changes=self.key_changes, limit_bytes=limit
            ),
            emit=emit,
            on_delivered=on_delivered,
        )
        self.outgoing = OutgoingQueries(
            local_name=local.name,
            local_address=local.address,
            limit_bytes=params.query_limit_bytes,
            clock=clock,
            rng=rng,
            timers=timers,
            emit=emit,
        )

    def ask(self, params: QueryParams, now: float) -> int:
        """Ask everyone; events with the returned id bring acks, answers and the end.

        Raises:
            TooBig: The encoded query exceeds the limit.
            LocalProtocolError: Too many queries are open.
        """
        query_id = self.outgoing.new_id()

        def closed(acks: int, answers: int) -> None:
            self._emit(QueryClosed(query_id, acks, answers))

        self._ask(params, query_id, EventSink(query_id, self._emit), closed, now)
        return query_id

    def handle_conflict(self, conflict: ConflictSeen, now: float) -> None:
        """Take that two addresses answer for one name; put it to the vote if it is ours."""
        if conflict.existing.name != self._local.name or not self._resolves_conflicts:
            return
        if self._lost_vote is not None:
            lost, self._lost_vote = self._lost_vote, None
            self.has_lost_name = True
            self._emit(ConflictLost(lost.matching, lost.responses))
        elif conflict.is_new or self._is_vote_due:
            self._hold_vote(conflict.claimant.address, now)

    def handle_conflict_over(self, conflict: ConflictOver) -> None:
        """Take that such a conflict is none any more: a vote about our own name is void."""
        if conflict.name == self._local.name:
            self._lost_vote = None

    def _hold_vote(self, rival: Address, now: float) -> None:
        if self._vote is not None:
            return
        vote = self._vote = ConflictVote(self._local.address, self._may_vote)
        timeout_s = self._default_timeout_s()

        def closed(_acks: int, _answers: int) -> None:
            self._vote = None
            if vote.is_won:
                self._emit(ConflictWon(vote.matching, vote.responses))
                return
            # The others may not have missed an earlier life of ours yet, or the rival has stopped meanwhile.
            self._lost_vote = vote
            if not self._look_again(rival, now + timeout_s):
                self._lost_vote = None

        name = self._local.name.encode("utf-8", "surrogateescape")
        question = QueryParams(name=CONFLICT, payload=name, timeout_s=timeout_s)
        try:
            self._ask(question, self.outgoing.new_id(), vote, closed, now)
        except LocalProtocolError:
            self._vote = None
            self._is_vote_due = True  # too many queries of the application's are open; asked when next told
        else:
            self._is_vote_due = False

    def _may_vote(self, name: NodeName) -> bool:
        # Whoever answers lives, so a status is not asked for; we ourselves do not answer.
        return self._table.get(name) is not None and name != self._local.name

    def _ask(
        self,
        params: QueryParams,
        query_id: int,
        sink: QuerySink,
        on_closed: Callable[[int, int], None],
        now: float,
    ) -> None:
        timeout_s = params.timeout_s or self._default_timeout_s()
        query = self.outgoing.ask(
            params, query_id=query_id, timeout_s=timeout_s, sink=sink, on_closed=on_closed, now=now
        )
        self.incoming.receive(query, encode_message(query), None, now)

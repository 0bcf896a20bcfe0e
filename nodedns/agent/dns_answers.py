"""``DnsAnswers``: the DNS room asked with the table of the moment; answers counted, and packed to be given again.

What is for recursors is asked of them by a function that the wiring brings, and
comes later. RA tells each client whether it may have that; packed answers are
kept without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache, partial
from random import Random

import attrs

from nodedns.agent.distances import Distances
from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.agent.packed_cookies import PackedWithCookies
from nodedns.agent.packed_tcp import PackedOverTcp
from nodedns.agent.packed_truth import PackedTruth, PublishedSerials, TableSerials
from nodedns.agent.transfer_desk import TransferDesk
from nodedns.dns.cookies import Cookies
from nodedns.dns.dependency import DISTANCES, NODE_KEY, SERVICE_KEY, keys_of_change, keys_of_service_change
from nodedns.dns.forward import Forward
from nodedns.dns.lone_cookie import LoneCookie, find_lone_cookie
from nodedns.dns.packed import PackedAnswers
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.recursion import NO_RECURSION, Recursion, with_ra
from nodedns.dns.responder import Drop, QueryContext, Reply, respond
from nodedns.dns.service_kind import is_service_there
from nodedns.dns.transfer import NO_TRANSFERS
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.net.dns_guard import Later
from nodedns.net.dns_limits import DnsLimits
from nodedns.net.dns_stream import ReplyStream
from nodedns.table.node_row import RowChange
from nodedns.table.service_rows import ServiceChange

__all__ = ["Ask", "DnsAnswers"]

Ask = Callable[[Forward, Address], Awaitable[Reply]]
"""Gets the reply to a query that is for recursors."""

MAX_REMEMBERED_CLIENTS = 4_096  # of whom it is known whether they may have recursion; some 600 kB


class DnsAnswers:
    """What the DNS servers call for each message.

    Args:
        table: Answers come from its view of the moment.
        zones: The zones served.
        policy: Knobs.
        rng: Chance, for answers that have a choice.
        ledger: Counts and tells what each message came to.
        limits: What clients over UDP may not have.
        clock: Monotonic seconds, to say how long answers take.
        cookies: Judges DNS cookies; None if they are turned off.
        keepalive_s: How long a TCP connection may be silent, in seconds; clients that ask are told.
        recursion: For whom recursors are asked.
        ask: Asks them; without it there is no recursion.
        denies_names: Whether our names are refused now.
        distances: What ``zones`` order instances by; None if that never changes.
        desk: Says who may have which zone, and bounds that; None if nobody may, and no key is known.
        serials: What ``zones`` tell as their serials; unless given, they follow the table.

    Attributes:
        over_tcp: The packed answers over TCP; those over UDP are in here.
    """

    def __init__(
        self,
        table: LiveTable,
        zones: Zones,
        policy: DnsPolicy,
        rng: Random,
        ledger: DnsLedger,
        *,
        limits: DnsLimits,
        clock: Callable[[], float],
        cookies: Cookies | None = None,
        keepalive_s: Callable[[], float] | None = None,
        recursion: Recursion = NO_RECURSION,
        ask: Ask | None = None,
        denies_names: Callable[[], bool] = lambda: False,
        distances: Distances | None = None,
        desk: TransferDesk | None = None,
        serials: PublishedSerials | None = None,
    ) -> None:
        serials = serials or TableSerials()
        self._table = table
        self._zones = zones
        self._policy = policy
        self._rng = rng
        self._ledger = ledger
        self._limits = limits
        self._clock = clock
        self._cookies = cookies
        self._keepalive_s = keepalive_s
        self._distances = distances
        self._desk = desk
        self._serves = lru_cache(MAX_REMEMBERED_CLIENTS)(lambda packed: self._recursion.serves(Address(packed, 0)))
        self._truth = PackedTruth(table, ledger, Transport.UDP, denies_names, catch_up=self._catch_up, serials=serials)
        self._is_there = {NODE_KEY: self._is_node_there, SERVICE_KEY: self._is_service_there}
        self._packed = PackedAnswers(self._is_there, rng)
        self._begin_bounded()
        self.over_tcp = PackedOverTcp(
            table,
            ledger,
            self._is_there,
            rng,
            offers_recursion=self.offers_recursion,
            denies_names=denies_names,
            catch_up=self._catch_up,
            serials=serials,
        )
        ledger.count_packed(lambda: sum(map(len, self._kept)) + len(self.over_tcp))
        table.watch(self._drop_changed)
        self._recursion = recursion if ask else NO_RECURSION
        self._ask = ask
        self._denies_names = denies_names
        self._with_cookies = PackedWithCookies(cookies, limits, policy.udp_payload_bytes) if cookies else None

    def _begin_bounded(self) -> None:
        # What is left out of a reply because its client may be forged is not left out for others.
        is_bounded = self._limits.amplification_limit
        self._bounded = PackedAnswers(self._is_there, self._rng) if is_bounded else self._packed
        self._kept = (self._packed, self._bounded) if is_bounded else (self._packed,)

    def update(self, zones: Zones, policy: DnsPolicy, cookies: Cookies | None, recursion: Recursion) -> None:
        """Answer by other rules from the next message on; nothing that was packed is given again.

        ``limits`` must have taken its own of ``policy`` before.
        """
        self._zones = zones
        self._policy = policy
        self._cookies = cookies
        self._with_cookies = PackedWithCookies(cookies, self._limits, policy.udp_payload_bytes) if cookies else None
        self._recursion = recursion if self._ask else NO_RECURSION
        self._serves.cache_clear()
        self._packed.clear()
        self._begin_bounded()
        self.over_tcp.clear()

    def respond(self, wire: bytes, client: Address, is_tcp: bool) -> bytes | Later | ReplyStream | None:
        """Return the reply to one message, None for silence, or what comes later (``nodedns.net``'s ``Respond``)."""
        started = self._clock()
        lone = None if is_tcp or self._with_cookies is None else find_lone_cookie(wire)
        if lone is not None:
            reply = self._find_with_cookie(lone, client, started)
            if reply is not None:
                return reply
        self._catch_up()
        transport = Transport.TCP if is_tcp else Transport.UDP
        limits = self._limits
        is_bounded = not limits.is_exempt(client.packed)
        context = QueryContext(
            client,
            transport,
            self._table.view,
            self._zones,
            self._policy,
            self._rng,
            cookies=self._cookies,
            keepalive_s=self._keepalive_s() if is_tcp and self._keepalive_s is not None else None,
            recursion=self._recursion,
            amplification_limit=limits.amplification_limit if is_bounded else 0,
            denies_names=self._denies_names(),
            transfers=NO_TRANSFERS if self._desk is None else self._desk.transfers,
        )
        outcome = respond(wire, context)
        if isinstance(outcome, Forward):
            assert self._ask is not None  # noqa: S101 - for the type checker; without it there is no recursion
            return partial(self._forwarded, self._ask, outcome, wire, client, started)
        if isinstance(outcome, Reply):
            if is_tcp:
                self.over_tcp.keep(wire, outcome)
            else:
                self._keep(wire, outcome, self._bounded if is_bounded else self._packed)
                if lone is not None and outcome.is_general:
                    self._keep_without_cookie(lone, context)
            if not outcome.is_sealed and self._recursion.serves(client):
                outcome = attrs.evolve(outcome, wire=with_ra(outcome.wire))
            if self._desk is not None and self._desk.concerns(outcome):
                settled = self._desk.settled(wire, outcome, client)
                if isinstance(settled, ReplyStream):
                    self._ledger.note(wire, client, transport, outcome, self._clock() - started)
                    return settled
                outcome = settled
        self._ledger.note(wire, client, transport, outcome, self._clock() - started)
        return None if isinstance(outcome, Drop) else limits.passed(outcome, client, len(wire))

    def _find_with_cookie(self, lone: LoneCookie, client: Address, started: float) -> bytes | None:
        packed = self.packed_now()
        if packed is None or self._with_cookies is None:
            return None
        reply = self._with_cookies.find(packed, lone, client)
        if reply is None:
            return None
        self.note_packed(((self._clock() - started, 1),), 0)
        return with_ra(reply) if self._recursion.serves(client) else reply

    def _keep_without_cookie(self, lone: LoneCookie, context: QueryContext) -> None:
        """Make the reply to a query without its cookie, for the same query with other cookies."""
        bare = respond(lone.query, attrs.evolve(context, amplification_limit=0))
        if isinstance(bare, Reply):
            self._keep(lone.query, bare, self._packed)

    async def _forwarded(
        self, ask: Ask, forward: Forward, wire: bytes, client: Address, started: float
    ) -> bytes | None:
        reply = await ask(forward, client)
        self._ledger.note(wire, client, forward.transport, reply, self._clock() - started)
        return self._limits.passed(reply, client, len(wire))

    def _keep(self, wire: bytes, reply: Reply, kept: PackedAnswers) -> None:
        tally = self._ledger.again(Transport.UDP, reply)
        kept.keep(wire, reply, tally, self._limits.class_key(reply.kind))

    # --- nodedns.net's FastPath --------------------------------------------------------

    def packed_now(self) -> PackedAnswers | None:
        """Return the packed answers over UDP that are true now; None while each query is to be logged."""
        return self._truth.now(self._packed)

    def bounded_now(self) -> PackedAnswers | None:
        """Return the same for clients that the amplification limit is for."""
        return self._truth.now(self._bounded)

    def offers_recursion(self) -> Callable[[bytes], bool] | None:
        """Return what says whether a client, by its packed IP, may have recursion; None if nobody may."""
        return self._serves if self._recursion.recursors else None

    def note_packed(self, batches: Sequence[tuple[float, int]], misses: int) -> None:
        """Count batches; the answers given have raised their own counts."""
        self._truth.note(self._kept, batches, misses)

    def _is_node_there(self, folded_label: str) -> bool:
        view = self._table.view
        return view.node_folded(folded_label) is not None or view.has_names_under(folded_label)

    def _is_service_there(self, folded_label: str) -> bool:
        return is_service_there(self._table.view, folded_label, self._policy)

    def _catch_up(self) -> None:
        if self._policy.nearest_first and self._distances is not None and self._distances.have_moved():
            self._drop((DISTANCES,))

    def _drop_changed(self, changes: Sequence[RowChange], services: Sequence[ServiceChange]) -> None:
        for row in changes:
            self._drop(keys_of_change(row))
        for change in services:
            self._drop(keys_of_service_change(change))

    def _drop(self, keys: Sequence[str]) -> None:
        for kept in self._kept:
            kept.drop(keys)
        self.over_tcp.drop(keys)

"""``DnsLedger``: what is counted and told of every DNS message, whichever path answered it.

Strategy: each series is asked for once and kept, so that counting an answer is
two look-ups and two additions. Paths that answer in bulk take the same series
from ``queries``, ``seconds`` and ``truncated``, add a batch at a time, hand
names that do not exist to ``missing``, and leave queries to ``note`` while
``query_log`` is on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nodedns.agent.query_log import QueryLog
from nodedns.dns.decode import HEADER_BYTES
from nodedns.dns.missing_names import MissingNames
from nodedns.dns.name import name_end
from nodedns.dns.question import Rcode, Transport
from nodedns.dns.responder import Drop, Reply
from nodedns.dns.type_names import type_label
from nodedns.model.address import Address
from nodedns.observe.metrics import (
    DNS_ANSWER_SECONDS,
    DNS_BOUNDED,
    DNS_DROPPED,
    DNS_PACKED_ANSWERS,
    DNS_PACKED_HITS,
    DNS_PACKED_MISSES,
    DNS_QUERIES,
    DNS_TRUNCATED,
    Metrics,
)
from nodedns.observe.series import Spread, Tally

__all__ = ["DnsLedger"]


class DnsLedger:
    """Counts answers and drops of one agent.

    Args:
        metrics: Where they are counted.
        missing: Counts the names that do not exist.
        query_log: Tells of each query, while it is on.
    """

    def __init__(self, metrics: Metrics, missing: MissingNames, query_log: QueryLog) -> None:
        self.missing = missing
        self.query_log = query_log
        self._metrics = metrics
        self._queries: dict[tuple[bool, str, Rcode], Tally] = {}
        self._cut: dict[tuple[bool, str, Rcode, bool], Tally] = {}
        self._packed_hits = metrics.tally(DNS_PACKED_HITS)
        self._packed_misses = metrics.tally(DNS_PACKED_MISSES)
        # By name: an enum's hash is a call, and these are asked for with each batch.
        self._seconds_udp = metrics.spread(DNS_ANSWER_SECONDS, transport=Transport.UDP.value)
        self._seconds_tcp = metrics.spread(DNS_ANSWER_SECONDS, transport=Transport.TCP.value)
        self._truncated = {
            transport: metrics.tally(DNS_TRUNCATED, transport=transport.value) for transport in Transport
        }
        self._bounded = metrics.tally(DNS_BOUNDED)

    def queries(self, transport: Transport, qtype: int | None, rcode: Rcode) -> Tally:
        """Return the series of answered queries of one kind, to be kept and added to."""
        # By label and not by number: a stranger may ask for any of 65,536 types.
        # The transport as a bool: an enum's hash is a call.
        key = (transport is Transport.TCP, type_label(qtype), rcode)
        found = self._queries.get(key)
        if found is None:
            found = self._metrics.tally(DNS_QUERIES, transport=transport.value, qtype=key[1], rcode=rcode.name)
            self._queries[key] = found
        return found

    def again(self, transport: Transport, reply: Reply) -> Tally:
        """Return what to raise each time ``reply`` is given again; one addition counts the query, and TC if set."""
        queries = self.queries(transport, reply.qtype, reply.rcode)
        if not reply.is_truncated:
            return queries
        key = (transport is Transport.TCP, type_label(reply.qtype), reply.rcode, reply.is_bounded)
        found = self._cut.get(key)
        if found is None:
            found = self._cut[key] = Tally()
            queries.include(found)
            self._truncated[transport].include(found)
            if reply.is_bounded:
                self._bounded.include(found)
        return found

    def seconds(self, transport: Transport) -> Spread:
        """Return the series of answering times."""
        return self._seconds_tcp if transport is Transport.TCP else self._seconds_udp

    def truncated(self, transport: Transport) -> Tally:
        """Return the series of answers with TC set."""
        return self._truncated[transport]

    def count_packed(self, size: Callable[[], int]) -> None:
        """Have ``size`` asked for how many answers are kept packed."""
        self._metrics.set_by(DNS_PACKED_ANSWERS, size)

    def note_packed(
        self, batches: Sequence[tuple[float, int]], misses: int, transport: Transport = Transport.UDP
    ) -> None:
        """Count queries that were looked for in packed answers.

        Args:
            batches: Of each batch, the seconds from reading it to those answers ready, which are the same for each
                of them, and how many those are; the series of ``queries`` have been raised already.
            misses: Queries without a packed answer.
            transport: How they came.
        """
        observe_many = self.seconds(transport).observe_many
        hits = 0
        for took_s, count in batches:
            hits += count
            observe_many(took_s, count)
        self._packed_hits.count += hits
        self._packed_misses.count += misses

    def note(self, wire: bytes, client: Address, transport: Transport, outcome: Reply | Drop, took_s: float) -> None:
        """Count and tell what one message came to.

        Args:
            wire: The message.
            client: Who sent it.
            transport: How it came.
            outcome: The reply, or why there is none.
            took_s: Seconds from the message read to its outcome.
        """
        if isinstance(outcome, Drop):
            self._metrics.count(DNS_DROPPED, reason=outcome.reason.value)
        else:
            self._count(wire, client, transport, outcome, took_s)
        if self.query_log.is_on:
            self.query_log.note(wire, client, transport, outcome, took_s)

    def _count(self, wire: bytes, client: Address, transport: Transport, reply: Reply, took_s: float) -> None:
        self.queries(transport, reply.qtype, reply.rcode).count += 1
        self.seconds(transport).observe(took_s)
        if reply.is_truncated:
            self._truncated[transport].count += 1
            self._bounded.count += reply.is_bounded
        if reply.rcode is Rcode.NXDOMAIN:
            name = wire[HEADER_BYTES : name_end(wire, HEADER_BYTES)]
            self.missing.note(name.lower(), client=client)

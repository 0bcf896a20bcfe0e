"""``DnsLedger``: what is counted of every DNS message, whichever path answered it.

Strategy: each series is asked for once and kept, so that counting an answer is
two look-ups and two additions. Paths that answer in bulk take the same series
from ``queries`` and ``seconds`` and add a batch at a time.
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.dns.question import Rcode, Transport
from nodedns.dns.responder import Drop, Reply
from nodedns.dns.type_names import type_label
from nodedns.observe.metrics import (
    DNS_ANSWER_SECONDS,
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
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._queries: dict[tuple[Transport, str, Rcode], Tally] = {}
        self._seconds = {
            transport: metrics.spread(DNS_ANSWER_SECONDS, transport=transport.value) for transport in Transport
        }
        self._packed_hits = metrics.tally(DNS_PACKED_HITS)
        self._packed_misses = metrics.tally(DNS_PACKED_MISSES)
        self._truncated = {
            transport: metrics.tally(DNS_TRUNCATED, transport=transport.value) for transport in Transport
        }

    def queries(self, transport: Transport, qtype: int | None, rcode: Rcode) -> Tally:
        """Return the series of answered queries of one kind, to be kept and added to."""
        # By label and not by number: a stranger may ask for any of 65,536 types.
        key = (transport, type_label(qtype), rcode)
        found = self._queries.get(key)
        if found is None:
            found = self._metrics.tally(DNS_QUERIES, transport=transport.value, qtype=key[1], rcode=rcode.name)
            self._queries[key] = found
        return found

    def seconds(self, transport: Transport) -> Spread:
        """Return the series of answering times."""
        return self._seconds[transport]

    def truncated(self, transport: Transport) -> Tally:
        """Return the series of answers with TC set."""
        return self._truncated[transport]

    def count_packed(self, size: Callable[[], int]) -> None:
        """Have ``size`` asked for how many answers are kept packed."""
        self._metrics.set_by(DNS_PACKED_ANSWERS, size)

    def note_packed(self, hits: int, misses: int, took_s: float) -> None:
        """Count a batch of queries over UDP of which ``hits`` were answered from packed answers.

        Args:
            hits: Queries answered so; the series of ``queries`` have been raised already.
            misses: Queries that were not.
            took_s: Seconds from the batch read to those answers ready, the same for each.
        """
        self._packed_hits.count += hits
        self._packed_misses.count += misses
        self._seconds[Transport.UDP].observe_many(took_s, hits)

    def note(self, outcome: Reply | Drop, transport: Transport, took_s: float) -> None:
        """Count what one message came to.

        Args:
            outcome: The reply, or why there is none.
            transport: How the message came.
            took_s: Seconds from the message read to its outcome.
        """
        if isinstance(outcome, Drop):
            self._metrics.count(DNS_DROPPED, reason=outcome.reason.value)
            return
        self.queries(transport, outcome.qtype, outcome.rcode).count += 1
        self._seconds[transport].observe(took_s)
        if outcome.is_truncated:
            self._truncated[transport].count += 1

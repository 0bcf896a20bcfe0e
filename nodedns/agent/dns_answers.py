"""``DnsAnswers``: the DNS room asked with the table of the moment, and every answer counted."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import Drop, QueryContext, respond
from nodedns.dns.zones import Zones
from nodedns.model.address import Address

__all__ = ["DnsAnswers"]


class DnsAnswers:
    """What the DNS servers call for each message.

    Args:
        table: Answers come from its view of the moment.
        zones: The zones served.
        policy: Knobs.
        rng: Chance, for answers that have a choice.
        ledger: Counts answers and drops.
        clock: Monotonic seconds, to say how long answers take.
    """

    def __init__(
        self,
        table: LiveTable,
        zones: Zones,
        policy: DnsPolicy,
        rng: Random,
        ledger: DnsLedger,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._table = table
        self._zones = zones
        self._policy = policy
        self._rng = rng
        self._ledger = ledger
        self._clock = clock

    def respond(self, wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        """Return the reply to one message, or None for silence (``nodedns.net``'s ``Respond``)."""
        started = self._clock()
        transport = Transport.TCP if is_tcp else Transport.UDP
        context = QueryContext(client, transport, self._table.view, self._zones, self._policy, self._rng)
        outcome = respond(wire, context)
        self._ledger.note(outcome, transport, self._clock() - started)
        return None if isinstance(outcome, Drop) else outcome.wire

"""``DnsAnswers``: the DNS room asked with the table of the moment, and every answer counted."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.dns.cookies import Cookies
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
        cookies: Judges DNS cookies; None if they are turned off.
        keepalive_s: How long a TCP connection may be silent, in seconds; clients that ask are told.
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
        cookies: Cookies | None = None,
        keepalive_s: Callable[[], float] | None = None,
    ) -> None:
        self._table = table
        self._zones = zones
        self._policy = policy
        self._rng = rng
        self._ledger = ledger
        self._clock = clock
        self._cookies = cookies
        self._keepalive_s = keepalive_s

    def respond(self, wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        """Return the reply to one message, or None for silence (``nodedns.net``'s ``Respond``)."""
        started = self._clock()
        transport = Transport.TCP if is_tcp else Transport.UDP
        context = QueryContext(
            client,
            transport,
            self._table.view,
            self._zones,
            self._policy,
            self._rng,
            cookies=self._cookies,
            keepalive_s=self._keepalive_s() if is_tcp and self._keepalive_s is not None else None,
        )
        outcome = respond(wire, context)
        self._ledger.note(outcome, transport, self._clock() - started)
        return None if isinstance(outcome, Drop) else outcome.wire

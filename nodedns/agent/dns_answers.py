"""``DnsAnswers``: the DNS room asked with the table of the moment, and every answer counted."""

from __future__ import annotations

from random import Random

from nodedns.agent.live_table import LiveTable
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import RRType, Transport
from nodedns.dns.responder import Drop, QueryContext, respond
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.observe.metrics import DNS_DROPPED, DNS_QUERIES, Metrics

__all__ = ["DnsAnswers"]


class DnsAnswers:
    """What the DNS servers call for each message.

    Args:
        table: Answers come from its view of the moment.
        zones: The zones served.
        policy: Knobs.
        rng: Chance, for answers that have a choice.
        metrics: Counts answers and drops.
    """

    def __init__(self, table: LiveTable, zones: Zones, policy: DnsPolicy, rng: Random, metrics: Metrics) -> None:
        self._table = table
        self._zones = zones
        self._policy = policy
        self._rng = rng
        self._metrics = metrics

    def respond(self, wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        """Return the reply to one message, or None for silence (``nodedns.net``'s ``Respond``)."""
        transport = Transport.TCP if is_tcp else Transport.UDP
        context = QueryContext(client, transport, self._table.view, self._zones, self._policy, self._rng)
        outcome = respond(wire, context)
        if isinstance(outcome, Drop):
            self._metrics.count(DNS_DROPPED, reason=outcome.reason.value)
            return None
        self._metrics.count(
            DNS_QUERIES,
            transport="tcp" if is_tcp else "udp",
            qtype=_type_name(outcome.qtype),
            rcode=outcome.rcode.name,
        )
        return outcome.wire


def _type_name(qtype: int | None) -> str:
    if qtype is None:
        return "none"
    try:
        return RRType(qtype).name
    except ValueError:
        # A stranger may ask for any of 65,536 types; as labels they would crowd out the rest.
        return "other"

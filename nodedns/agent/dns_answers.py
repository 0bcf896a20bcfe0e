"""``DnsAnswers``: the DNS room asked with the table of the moment; answers counted, and packed to be given again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.dns.apex import soa_serial
from nodedns.dns.cookies import Cookies
from nodedns.dns.dependency import keys_of_change
from nodedns.dns.packed import PackedAnswers
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import Drop, QueryContext, respond
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.table.view import RowChange

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
        self._packed = PackedAnswers(self._is_there)
        ledger.count_packed(lambda: len(self._packed))
        table.watch(self._drop_changed)

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
        if isinstance(outcome, Drop):
            return None
        if not is_tcp:
            self._packed.keep(wire, outcome, self._ledger.queries(transport, outcome.qtype, outcome.rcode))
        return outcome.wire

    # --- nodedns.net's FastPath --------------------------------------------------------

    def packed_now(self) -> PackedAnswers | None:
        """Return the packed answers over UDP that are true now."""
        # Reading the view applies what waits, which drops what that changes.
        self._packed.set_serial(soa_serial(self._table.view))
        return self._packed

    def note_packed(self, hits: int, misses: int, took_s: float) -> None:
        """Count a batch; the answers given have raised their own counts."""
        self._ledger.note_packed(hits, misses, took_s)

    def _is_there(self, folded_name: str) -> bool:
        view = self._table.view
        return view.node_folded(folded_name) is not None or view.has_names_under(folded_name)

    def _drop_changed(self, changes: Sequence[RowChange]) -> None:
        for change in changes:
            self._packed.drop(keys_of_change(change))

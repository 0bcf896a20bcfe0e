"""``Monitoring``: what HTTP may read of an agent's metrics and of its DNS service, and the task that ends intervals."""

from __future__ import annotations

from collections.abc import Callable

import trio

from nodedns.agent.dns_ledger import DnsLedger
from nodedns.api.context import DnsReadings, MetricsReadings
from nodedns.observe.intervals import INTERVAL_S, Intervals
from nodedns.observe.metrics import Metrics

__all__ = ["Monitoring"]

SHORTEST_S = 1.0


class Monitoring:
    """Reads for others what is counted.

    Args:
        metrics: The agent's metrics.
        ledger: What is counted of DNS besides.
        wall_clock: Seconds since 1970.
    """

    def __init__(self, metrics: Metrics, ledger: DnsLedger, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._intervals = Intervals(metrics, wall_clock())
        self.dns = DnsReadings(top_missing=ledger.missing.top, query_log=ledger.query_log.state)
        self.metrics = MetricsReadings(
            text=metrics.expose, open_text=metrics.expose_open, interval=lambda: self._intervals.shown(wall_clock())
        )

    async def run(self) -> None:
        """End each interval at its time, on whole multiples of its length, as Consul does; never returns."""
        while True:
            left_s = INTERVAL_S - self._wall_clock() % INTERVAL_S
            # The two clocks may disagree by a hair, which would make an interval of nothing.
            await trio.sleep(left_s if left_s > SHORTEST_S else left_s + INTERVAL_S)
            self._intervals.end(self._wall_clock())

"""What HTTP may read of an agent, and when its intervals end."""

from __future__ import annotations

import trio
import trio.testing

from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.monitoring import Monitoring
from nodedns.agent.query_log import QueryLog
from nodedns.dns.missing_names import MissingNames
from nodedns.observe.metrics import DNS_DROPPED, Metrics
from nodedns.testing.chance import seeded_random


def make(metrics: Metrics, offset_s: float) -> Monitoring:
    ledger = DnsLedger(metrics, MissingNames(seeded_random("monitoring")), QueryLog(trio.current_time))
    ledger.missing.note(b"\x03web\x00")
    return Monitoring(metrics, ledger, lambda: trio.current_time() + offset_s)


async def test_intervals_end_on_whole_multiples(autojump_clock: trio.testing.MockClock) -> None:
    metrics = Metrics()
    monitoring = make(metrics, 1_003.0 - trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitoring.run)
        await trio.sleep(8)
        metrics.count(DNS_DROPPED, 30, reason="short")
        await trio.sleep(10)
        shown = monitoring.metrics.interval()
        nursery.cancel_scope.cancel()

    assert 1_010.0 == round(shown.started, 6)
    assert 3.0 == round(shown.counters[0].rate, 6)


async def test_an_interval_is_never_a_hair_long(autojump_clock: trio.testing.MockClock) -> None:
    metrics = Metrics()
    monitoring = make(metrics, 1_009.9999 - trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitoring.run)
        await trio.sleep(5)
        assert 1_010 == round(monitoring.metrics.interval().started)
        await trio.sleep(10)
        assert 1_010 == round(monitoring.metrics.interval().started)
        nursery.cancel_scope.cancel()


async def test_what_is_read_is_that_of_the_ledger() -> None:
    metrics = Metrics()
    monitoring = make(metrics, 0.0)
    metrics.count(DNS_DROPPED, reason="short")

    assert ["web."] == [each.name for each in monitoring.dns.top_missing(5).names]
    assert not monitoring.dns.query_log().is_on
    assert b'nodedns_dns_dropped_total{reason="short"} 1.0' in monitoring.metrics.text()
    assert monitoring.metrics.open_text().endswith(b"# EOF\n")

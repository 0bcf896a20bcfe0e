"""What is counted of DNS messages, and that the series kept are those that are exposed."""

from __future__ import annotations

from nodedns.agent.dns_ledger import DnsLedger
from nodedns.dns.question import Rcode, RRType, Transport
from nodedns.dns.responder import Drop, DropReason, Reply
from nodedns.observe.metrics import Metrics


def test_an_answer_is_counted_by_transport_type_and_code() -> None:
    metrics = Metrics()
    ledger = DnsLedger(metrics)

    ledger.note(Reply(b"", Rcode.NXDOMAIN, RRType.AAAA), Transport.UDP, 0.0003)
    ledger.note(Reply(b"", Rcode.NXDOMAIN, RRType.AAAA), Transport.UDP, 0.0003)
    ledger.note(Reply(b"", Rcode.NOERROR, RRType.AAAA), Transport.TCP, 0.0003)

    name = "nodedns_dns_queries_total"
    assert metrics.value(name, transport="udp", qtype="AAAA", rcode="NXDOMAIN") == 2
    assert metrics.value(name, transport="tcp", qtype="AAAA", rcode="NOERROR") == 1


def test_the_time_an_answer_took_is_in_its_bucket() -> None:
    metrics = Metrics()

    DnsLedger(metrics).note(Reply(b"", Rcode.NOERROR, RRType.A), Transport.TCP, 0.0003)

    assert metrics.value("nodedns_dns_answer_seconds_bucket", transport="tcp", le="0.00025") == 0
    assert metrics.value("nodedns_dns_answer_seconds_bucket", transport="tcp", le="0.0005") == 1
    assert metrics.value("nodedns_dns_answer_seconds_count", transport="udp") == 0


def test_a_truncated_answer_is_counted_as_that_too() -> None:
    metrics = Metrics()
    ledger = DnsLedger(metrics)

    ledger.note(Reply(b"", Rcode.NOERROR, RRType.TXT, is_truncated=True), Transport.UDP, 0.0)
    ledger.note(Reply(b"", Rcode.NOERROR, RRType.TXT), Transport.UDP, 0.0)

    assert metrics.value("nodedns_dns_truncated_total", transport="udp") == 1


def test_a_drop_is_no_answer() -> None:
    metrics = Metrics()

    DnsLedger(metrics).note(Drop(DropReason.SHORT), Transport.UDP, 0.0)

    assert metrics.value("nodedns_dns_dropped_total", reason="short") == 1
    assert metrics.value("nodedns_dns_answer_seconds_count", transport="udp") == 0


def test_every_type_without_a_name_is_one_series() -> None:
    ledger = DnsLedger(Metrics())

    kinds = {id(ledger.queries(Transport.UDP, qtype, Rcode.REFUSED)) for qtype in range(60_000, 60_100)}

    assert len(kinds) == 1


def test_what_is_added_to_a_series_in_bulk_is_exposed() -> None:
    metrics = Metrics()
    ledger = DnsLedger(metrics)

    ledger.queries(Transport.UDP, RRType.A, Rcode.NOERROR).count += 64
    ledger.seconds(Transport.UDP).observe_many(0.000001, 64)

    assert metrics.value("nodedns_dns_queries_total", transport="udp", qtype="A", rcode="NOERROR") == 64
    assert metrics.value("nodedns_dns_answer_seconds_bucket", transport="udp", le="2e-06") == 64

"""What is counted of DNS messages, and that the series kept are those that are exposed."""

from __future__ import annotations

import attrs
import pytest

from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.query_log import QueryLog
from nodedns.dns.missing_names import MissingNames
from nodedns.dns.question import Rcode, RRType, Transport
from nodedns.dns.responder import Drop, DropReason, Reply
from nodedns.model.address import Address
from nodedns.observe.metrics import DNS_TRUNCATED, Metrics
from nodedns.testing.chance import seeded_random

CLIENT = Address.from_text("192.0.2.7", 5353)
QUERY = bytes.fromhex("1234 0100 0001 0000 0000 0000") + b"\x03WeB\x04node\x06consul\x00" + b"\x00\x01\x00\x01"


@attrs.frozen
class Book:
    """A ledger and where it counts."""

    ledger: DnsLedger
    metrics: Metrics

    def note(self, outcome: Reply | Drop, transport: Transport = Transport.UDP, took_s: float = 0.0) -> None:
        self.ledger.note(QUERY, CLIENT, transport, outcome, took_s)


@pytest.fixture
def book() -> Book:
    metrics = Metrics()
    return Book(DnsLedger(metrics, MissingNames(seeded_random("ledger")), QueryLog(lambda: 0.0)), metrics)


def test_an_answer_is_counted_by_transport_type_and_code(book: Book) -> None:
    book.note(Reply(b"", Rcode.REFUSED, RRType.AAAA))
    book.note(Reply(b"", Rcode.REFUSED, RRType.AAAA))
    book.note(Reply(b"", Rcode.NOERROR, RRType.AAAA), Transport.TCP)

    name = "nodedns_dns_queries_total"
    assert book.metrics.value(name, transport="udp", qtype="AAAA", rcode="REFUSED") == 2
    assert book.metrics.value(name, transport="tcp", qtype="AAAA", rcode="NOERROR") == 1


def test_the_time_an_answer_took_is_in_its_bucket(book: Book) -> None:
    book.note(Reply(b"", Rcode.NOERROR, RRType.A), Transport.TCP, 0.0003)

    assert book.metrics.value("nodedns_dns_answer_seconds_bucket", transport="tcp", le="0.00025") == 0
    assert book.metrics.value("nodedns_dns_answer_seconds_bucket", transport="tcp", le="0.0005") == 1
    assert book.metrics.value("nodedns_dns_answer_seconds_count", transport="udp") == 0


def test_a_truncated_answer_is_counted_as_that_too(book: Book) -> None:
    book.note(Reply(b"", Rcode.NOERROR, RRType.TXT, is_truncated=True))
    book.note(Reply(b"", Rcode.NOERROR, RRType.TXT))

    assert book.metrics.value("nodedns_dns_truncated_total", transport="udp") == 1


def test_a_truncated_answer_given_again_counts_twice_with_one_addition(book: Book) -> None:
    reply = Reply(b"", Rcode.NOERROR, RRType.TXT, is_truncated=True)
    book.note(reply)

    book.ledger.again(Transport.UDP, reply).count += 1
    book.ledger.again(Transport.UDP, reply).count += 1

    assert book.metrics.value("nodedns_dns_truncated_total", transport="udp") == 3
    assert book.metrics.value("nodedns_dns_queries_total", transport="udp", qtype="TXT", rcode="NOERROR") == 3
    assert book.metrics.counts(DNS_TRUNCATED) == {"tcp": 0, "udp": 3}


def test_a_whole_answer_given_again_is_not_cut(book: Book) -> None:
    book.ledger.again(Transport.UDP, Reply(b"", Rcode.NOERROR, RRType.TXT)).count += 1

    assert book.metrics.value("nodedns_dns_truncated_total", transport="udp") == 0
    assert book.metrics.value("nodedns_dns_queries_total", transport="udp", qtype="TXT", rcode="NOERROR") == 1


def test_a_drop_is_no_answer(book: Book) -> None:
    book.note(Drop(DropReason.SHORT))

    assert book.metrics.value("nodedns_dns_dropped_total", reason="short") == 1
    assert book.metrics.value("nodedns_dns_answer_seconds_count", transport="udp") == 0


def test_every_type_without_a_name_is_one_series(book: Book) -> None:
    kinds = {id(book.ledger.queries(Transport.UDP, qtype, Rcode.REFUSED)) for qtype in range(60_000, 60_100)}

    assert len(kinds) == 1


def test_what_is_added_to_a_series_in_bulk_is_exposed(book: Book) -> None:
    book.ledger.queries(Transport.UDP, RRType.A, Rcode.NOERROR).count += 64
    book.ledger.seconds(Transport.UDP).observe_many(0.000001, 64)
    book.ledger.truncated(Transport.UDP).count += 2

    assert book.metrics.value("nodedns_dns_queries_total", transport="udp", qtype="A", rcode="NOERROR") == 64
    assert book.metrics.value("nodedns_dns_answer_seconds_bucket", transport="udp", le="2e-06") == 64
    assert book.metrics.value("nodedns_dns_truncated_total", transport="udp") == 2


@pytest.mark.parametrize(("rcode", "names"), [(Rcode.NXDOMAIN, ["web.node.consul."]), (Rcode.NOERROR, [])])
def test_only_names_that_do_not_exist_are_noted_and_in_lower_case(book: Book, rcode: Rcode, names: list[str]) -> None:
    book.note(Reply(b"", rcode, RRType.A))

    assert names == [each.name for each in book.ledger.missing.top(10).names]


def test_the_client_of_a_missing_name_is_noted(book: Book) -> None:
    book.note(Reply(b"", Rcode.NXDOMAIN, RRType.A))

    assert "192.0.2.7" == book.ledger.missing.top(1).names[0].client


def test_queries_are_told_only_while_the_query_log_is_on(book: Book) -> None:
    book.note(Reply(b"", Rcode.NOERROR, RRType.A))
    book.ledger.query_log.switch(is_on=True)
    book.note(Reply(b"", Rcode.NOERROR, RRType.A))
    book.ledger.query_log.switch(is_on=False)
    book.note(Reply(b"", Rcode.NOERROR, RRType.A))

    assert 1 == book.ledger.query_log.state().lines

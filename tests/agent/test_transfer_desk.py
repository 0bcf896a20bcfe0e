"""Zone transfers of an agent: how many at once, what is counted of each, and what the log says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from random import Random
from typing import Any

import attrs
import dns.message
import pytest

from nodedns.agent.transfer_desk import MAX_TRANSFERS, MAX_TRANSFERS_OF_CLIENT, TransferDesk
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Rcode, Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.transfer import Transfers
from nodedns.dns.transfer_params import AllowedClient, TransferParams
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.net.dns_stream import ReplyStream
from nodedns.observe.metrics import Metrics
from nodedns.table.node_table import NodeTable
from nodedns.testing.signing import KEYS, TSIG_256, peer_key, signed_query

NOW = 1_800_000_000
AXFR = dns.message.make_query("consul", "AXFR")


@attrs.frozen
class OneZone:
    """A zone of as many large records as wanted."""

    count: int
    origin: tuple[bytes, ...] = (b"consul",)
    serial: int = 7
    soa: bytes = b"\xc0\x0c\0\6\0\1\0\0\0\0\0\x18\xc0\x0c\xc0\x0c" + bytes(20)

    def each_record(self) -> Iterator[bytes]:
        return iter((b"\xc0\x0c\0\x10\0\1\0\0\0\0\x01\x00\xff" + bytes(255),) * self.count)

    def since(self, serial: int, mname: tuple[bytes, ...]) -> None:
        return None


class Office:
    """A desk, and a clock that is set by hand."""

    def __init__(self, records: int = 1_000) -> None:
        self.now = 100.0
        self.metrics = Metrics()
        zone = OneZone(records)
        params = TransferParams(keys=KEYS, allow=(AllowedClient(None, TSIG_256.name),))
        transfers = Transfers(params, lambda origin: zone if origin == zone.origin else None, lambda: NOW)
        self.desk = TransferDesk(transfers, self.metrics, lambda: self.now)
        table = NodeTable("dc1", NodeName("me"), 1)
        zones = Zones((Zone.of_domain("consul"),))
        self.context = QueryContext(
            None, Transport.TCP, table.view, zones, DnsPolicy(), Random(0), transfers=self.desk.transfers
        )

    def ask(self, host: str, query: dns.message.Message = AXFR, **how: Any) -> Reply | ReplyStream:
        wire = signed_query(query, peer_key(TSIG_256), NOW, **how).wire
        return self.settled(wire, host)

    def settled(self, wire: bytes, host: str) -> Reply | ReplyStream:
        reply = respond(wire, self.context)
        assert isinstance(reply, Reply)
        assert self.desk.concerns(reply)
        return self.desk.settled(wire, reply, Address.from_text(host, 5))

    def begun(self, host: str) -> ReplyStream:
        stream = self.ask(host)
        assert isinstance(stream, ReplyStream)
        return stream

    def count(self, outcome: str, kind: str = "axfr") -> float:
        return self.metrics.value("nodedns_dns_transfers_total", kind=kind, outcome=outcome)

    @property
    def open(self) -> float:
        return self.metrics.value("nodedns_dns_transfers_open")


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, object]]]:
    return [(record.getMessage(), vars(record)["nodedns_fields"]) for record in caplog.records]


@pytest.fixture(autouse=True)
def _at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nodedns.dns")


def test_transfer_of_one_message_is_a_reply_and_takes_no_place() -> None:
    office = Office(records=3)
    for _ in range(MAX_TRANSFERS + 1):
        assert isinstance(office.ask("10.0.0.1"), Reply)
    assert (MAX_TRANSFERS + 1, 0) == (office.count("done"), office.open)


def test_transfer_of_many_messages_is_counted_and_told_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    stream = office.begun("10.0.0.1")
    messages = 0
    while stream.next_message() is not None:
        messages += 1
        assert (1, 0) == (office.open, office.count("done"))
        office.now += 0.25
    assert (0, 1) == (office.open, office.count("done"))
    sent = office.metrics.value("nodedns_dns_transfer_bytes_total", kind="axfr")
    assert 65_535 * (messages - 1) - 1_000 * messages < sent < 65_535 * messages
    told = {
        "from": "10.0.0.1",
        "zone": "consul.",
        "kind": "axfr",
        "from_serial": "-",
        "serial": 7,
        "key": TSIG_256.name,
        "records": 1_002,
        "messages": messages,
        "bytes": sent,
        "took": "1.250s",
    }
    assert [("zone transferred", told)] == lines(caplog)


def test_transfer_that_is_broken_off_gives_its_place_back(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    stream = office.begun("10.0.0.1")
    stream.next_message()
    stream.close()
    stream.close()
    assert (0, 0, 1) == (office.open, office.count("done"), office.count("aborted"))
    assert "zone transfer broken off" in caplog.text


def test_one_client_has_half_of_the_places_and_the_others_the_rest() -> None:
    office = Office()
    streams = [office.begun("10.0.0.1") for _ in range(MAX_TRANSFERS_OF_CLIENT)]
    refused = office.ask("10.0.0.1")
    assert isinstance(refused, Reply)
    assert (Rcode.SERVFAIL, None) == (refused.rcode, refused.transfer)
    streams += [office.begun(f"10.0.1.{number}") for number in range(MAX_TRANSFERS - MAX_TRANSFERS_OF_CLIENT)]
    assert isinstance(office.ask("10.0.2.1"), Reply)
    assert (MAX_TRANSFERS, 2) == (office.open, office.count("busy"))
    streams[0].close()
    assert isinstance(office.ask("10.0.0.1"), ReplyStream)


def test_addresses_of_one_ipv6_network_are_one_client() -> None:
    office = Office()
    for number in range(MAX_TRANSFERS_OF_CLIENT):
        office.begun(f"2001:db8::{number:x}")
    assert isinstance(office.ask("2001:db8::ffff"), Reply)
    assert isinstance(office.ask("2001:db8:0:1::1"), ReplyStream)


def test_who_finds_no_place_is_told_so_signed() -> None:
    office = Office()
    for _ in range(MAX_TRANSFERS_OF_CLIENT):
        office.begun("10.0.0.1")
    asked = signed_query(AXFR, peer_key(TSIG_256), NOW)
    reply = office.settled(asked.wire, "10.0.0.1")
    assert isinstance(reply, Reply)
    message = asked.read(reply.wire)
    assert (2, AXFR.question, []) == (message.rcode(), message.question, message.answer)


def test_stranger_is_counted_and_told_at_a_bounded_rate(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    for _ in range(100):
        office.settled(AXFR.to_wire(), "10.9.9.9")
    assert 100 == office.count("refused")
    line = ("zone transfer refused", {"from": "10.9.9.9", "zone": "consul.", "kind": "axfr", "rcode": "REFUSED"})
    assert [line] * 10 == lines(caplog)


def test_signature_that_is_not_good_is_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    office.ask("10.0.0.1", mac_bytes=16)
    assert 1 == office.metrics.value("nodedns_dns_tsig_errors_total", error="BADTRUNC")
    assert 0 == office.count("refused")
    assert [("signed query refused", {"from": "10.0.0.1", "error": "BADTRUNC"})] == lines(caplog)


def test_ordinary_queries_do_not_concern_it() -> None:
    office = Office()
    reply = respond(dns.message.make_query("consul", "SOA").to_wire(), office.context)
    assert isinstance(reply, Reply)
    assert not office.desk.concerns(reply)

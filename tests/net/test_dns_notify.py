"""NOTIFY on real sockets: where it comes from, what is heard, counted and told."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import dns.message
import dns.rcode
import pytest
import trio
from trio.testing import MockClock

from nodedns.dns.name import packed_name
from nodedns.dns.notify import NotifyDesk, Recipient
from nodedns.model.address import Address
from nodedns.net.dns_notify import Notifier, source_for
from nodedns.net.udp import UdpTransport, bind_udp
from nodedns.observe.metrics import DNS_NOTIFIES, Metrics

ZONE = (b"consul",)
RDATA = packed_name((b"ns", b"consul")) * 2 + b"".join(number.to_bytes(4, "big") for number in (7, 3600, 600, 9, 5))
SOA = b"\xc0\x0c\0\6\0\1\0\0\0\5" + len(RDATA).to_bytes(2, "big") + RDATA


@pytest.fixture(autouse=True)
def _all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nodedns")


class Secondary:
    """Hears what it is told, and answers as it is asked to."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.transport = UdpTransport(bind_udp(host, 0, "-x"))

    @property
    def address(self) -> Address:
        return self.transport.local_address

    async def hear(self, rcode: dns.rcode.Rcode | None = dns.rcode.NOERROR) -> tuple[dns.message.Message, Address]:
        data, source = await self.transport.receive()
        message = dns.message.from_wire(data)
        if rcode is not None:
            response = dns.message.make_response(message)
            response.set_rcode(rcode)
            await self.transport.send(response.to_wire(), source)
        return message, source


class Desk:
    """A notifier of one secondary."""

    def __init__(self, *own_hosts: str) -> None:
        self.metrics = Metrics()
        numbers = count(1)
        desk = NotifyDesk(lambda: next(numbers))
        self.notifier = Notifier(desk, own_hosts or ("127.0.0.1",), self.metrics, lambda: 1_700_000_000.5)

    def events(self) -> dict[str, int]:
        return self.metrics.counts(DNS_NOTIFIES)

    async def wait_events(self, **expected: int) -> None:
        while self.events() != expected:
            await trio.testing.wait_all_tasks_blocked(0.001)


@asynccontextmanager
async def telling(secondary: Secondary, *own_hosts: str) -> AsyncIterator[Desk]:
    """A notifier that runs and has a zone to tell of."""
    desk = Desk(*own_hosts)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.notifier.run)
        desk.notifier.update([Recipient(secondary.address)])
        desk.notifier.publish(ZONE, 7, SOA)
        with trio.fail_after(30):
            yield desk
        nursery.cancel_scope.cancel()
    secondary.transport.close()


async def test_a_secondary_is_told_and_its_acknowledgement_heard(caplog: pytest.LogCaptureFixture) -> None:
    secondary = Secondary()
    async with telling(secondary) as desk:
        message, _ = await secondary.hear()
        await desk.wait_events(sent=1, acknowledged=1)

    assert ["consul. IN SOA"] == [str(each) for each in message.question]
    assert 0.0 == desk.metrics.value("nodedns_dns_notifies_waiting")
    assert ["secondary acknowledges NOTIFY"] == [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(("host", "own"), [("127.0.0.1", "127.0.0.3"), ("::1", "::1")])
async def test_a_notice_comes_from_where_dns_is_served(host: str, own: str) -> None:
    secondary = Secondary(host)
    async with telling(secondary, own):
        _, source = await secondary.hear()

    assert ipaddress.ip_address(own) == source.ip


async def test_a_refusal_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    secondary = Secondary()
    async with telling(secondary) as desk:
        await secondary.hear(dns.rcode.NOTAUTH)
        await desk.wait_events(sent=1, refused=1)
        desk.notifier.publish(ZONE, 8, SOA)
        await secondary.hear(dns.rcode.NOTAUTH)
        await desk.wait_events(sent=2, refused=2)

    assert ["secondary refuses NOTIFY"] == [record.getMessage() for record in caplog.records]
    assert {"rcode": "NOTAUTH", "zone": "consul."}.items() <= vars(caplog.records[0])["nodedns_fields"].items()


async def test_an_address_that_is_not_ours_is_told_and_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    secondary = Secondary()
    async with telling(secondary, "192.0.2.77") as desk:
        await desk.wait_events(sent=1)

    assert ["no socket for NOTIFY"] == [record.getMessage() for record in caplog.records]


async def test_what_cannot_be_sent_is_told_and_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    secondary = Secondary()
    async with telling(secondary) as desk:
        desk.notifier.update([Recipient(Address.from_text("255.255.255.255", 53))])
        while not caplog.records:
            await trio.testing.wait_all_tasks_blocked(0.001)

    assert "NOTIFY cannot be sent" == caplog.records[0].getMessage()
    assert 1.0 == desk.metrics.value("nodedns_dns_notifies_waiting")


async def test_rubbish_is_counted_and_harms_nothing() -> None:
    secondary = Secondary()
    async with telling(secondary) as desk:
        _, source = await secondary.hear(None)
        await secondary.transport.send(b"rubbish", source)
        await desk.wait_events(sent=1, stray=1)
        await secondary.hear()
        await desk.wait_events(sent=1, stray=1, repeated=1, acknowledged=1)


async def test_silence_is_told_once_it_lasts_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture, mock_clock: MockClock
) -> None:
    mock_clock.rate = 200
    secondary = Secondary()
    desk = Desk()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.notifier.run)
        desk.notifier.update([Recipient(secondary.address)])
        desk.notifier.publish(ZONE, 7, SOA)
        for _ in range(5):
            await secondary.hear(None)
        await secondary.hear()
        await desk.wait_events(sent=1, repeated=5, acknowledged=1)
        nursery.cancel_scope.cancel()
    secondary.transport.close()

    assert [
        "secondary does not answer NOTIFY",
        "secondary acknowledges NOTIFY",
        "secondary answers NOTIFY again, or is told no more",
    ] == [record.getMessage() for record in caplog.records]


async def test_a_zone_that_is_withdrawn_is_not_told_to_who_comes_later() -> None:
    secondary, late = Secondary(), Secondary()
    async with telling(secondary) as desk:
        await secondary.hear()
        await desk.wait_events(sent=1, acknowledged=1)
        desk.notifier.withdraw(ZONE)
        desk.notifier.update([Recipient(late.address)])
        await trio.testing.wait_all_tasks_blocked()
    late.transport.close()

    assert {"sent": 1, "acknowledged": 1} == desk.events()


@pytest.mark.parametrize(
    ("recipient", "own_hosts", "source"),
    [
        ("192.0.2.20", ["10.0.0.1"], "10.0.0.1"),
        ("192.0.2.20", ["127.0.0.1", "10.0.0.1"], "10.0.0.1"),
        ("127.0.0.53", ["10.0.0.1", "127.0.0.1"], "127.0.0.1"),
        ("127.0.0.53", ["10.0.0.1"], "10.0.0.1"),
        ("192.0.2.20", ["127.0.0.1"], "0.0.0.0"),
        ("192.0.2.20", ["0.0.0.0"], "0.0.0.0"),
        ("192.0.2.20", ["::"], "0.0.0.0"),
        ("192.0.2.20", ["fd00::1"], "0.0.0.0"),
        ("fd00::20", ["0.0.0.0", "fd00::1"], "fd00::1"),
        ("fd00::20", ["10.0.0.1", "::"], "::"),
        ("fd00::20", ["10.0.0.1"], "::"),
        ("fd00::20", ["fe80::1%lo"], "fe80::1%lo"),
        ("192.0.2.20", [], "0.0.0.0"),
    ],
)
def test_source_is_an_address_that_the_secondary_knows_us_by(recipient: str, own_hosts: list[str], source: str) -> None:
    assert source == source_for(ipaddress.ip_address(recipient), own_hosts)

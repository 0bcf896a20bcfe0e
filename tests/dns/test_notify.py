"""NOTIFY: who is told what and when, and what counts as having heard."""

from __future__ import annotations

from itertools import count

import attrs
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset
import pytest

from nodedns.dns.name import packed_name
from nodedns.dns.notify import MAX_BATCH, Heard, NotifyDesk, NotifyStatistics, Recipient, Verdict
from nodedns.model.address import Address

ZONE = (b"consul",)
REVERSE = (b"10", b"in-addr", b"arpa")
ONE = Address.from_text("192.0.2.20", 53)
TWO = Address.from_text("2001:db8::20", 5300)
WALL_S = 1_700_000_000


def soa(serial: int) -> bytes:
    """A SOA record whose owner is the origin at offset 12, and whose names are written out."""
    names = packed_name((b"one", b"node", b"dc1", b"consul")) + packed_name((b"hostmaster", b"consul"))
    rdata = names + b"".join(number.to_bytes(4, "big") for number in (serial, 3600, 600, 86400, 5))
    return b"\xc0\x0c\0\6\0\1\0\0\0\5" + len(rdata).to_bytes(2, "big") + rdata


def desk_of(*recipients: Recipient) -> NotifyDesk:
    numbers = count(100)
    desk = NotifyDesk(lambda: next(numbers))
    desk.update_recipients(recipients or [Recipient(ONE)], 0.0)
    return desk


def sent(desk: NotifyDesk, now: float) -> list[tuple[Address, str, int]]:
    """What goes out now: to whom, of which zone, with which serial."""
    found = []
    for each in desk.datagrams_to_send(now, WALL_S):
        message = dns.message.from_wire(each.data)
        found.append((each.address, str(message.question[0].name), int(message.answer[0][0].serial)))
    return found


def response_to(data: bytes, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(data))
    message.set_rcode(rcode)
    return message.to_wire()


def published(serial: int = 7) -> tuple[NotifyDesk, bytes]:
    """A desk that has sent its first datagram, and that."""
    desk = desk_of()
    desk.publish(ZONE, serial, soa(serial), 0.0)
    (only,) = desk.datagrams_to_send(0.0, WALL_S)
    return desk, only.data


def acquainted() -> tuple[NotifyDesk, bytes]:
    """A desk whose only secondary has acknowledged both first notices, and has been sent a third, and that."""
    desk, data = published(5)
    desk.receive_untrusted(response_to(data), ONE, WALL_S)
    (again,) = desk.datagrams_to_send(2.0, WALL_S)
    desk.receive_untrusted(response_to(again.data), ONE, WALL_S)
    desk.publish(ZONE, 7, soa(7), 10.0)
    (only,) = desk.datagrams_to_send(10.0, WALL_S)
    return desk, only.data


def test_a_notice_asks_for_the_soa_and_has_it_in_its_answer() -> None:
    _, data = published()
    message = dns.message.from_wire(data)

    assert dns.opcode.NOTIFY == message.opcode()
    assert dns.flags.AA == message.flags & (dns.flags.QR | dns.flags.AA | dns.flags.RD)
    assert ["consul. IN SOA"] == [str(each) for each in message.question]
    assert ["consul. 5 IN SOA one.node.dc1.consul. hostmaster.consul. 7 3600 600 86400 5"] == [
        str(each) for each in message.answer
    ]
    assert 100 == message.id


def test_nothing_is_due_before_a_zone_is_published() -> None:
    desk = desk_of()

    assert desk.next_deadline() is None
    assert [] == sent(desk, 1.0)


def test_each_recipient_is_told_of_each_zone() -> None:
    desk = desk_of(Recipient(ONE), Recipient(TWO))
    desk.publish(ZONE, 7, soa(7), 0.0)
    desk.publish(REVERSE, 9, soa(9), 0.0)

    assert [
        (ONE, "consul.", 7),
        (TWO, "consul.", 7),
        (ONE, "10.in-addr.arpa.", 9),
        (TWO, "10.in-addr.arpa.", 9),
    ] == sent(desk, 0.0)


def test_what_is_not_acknowledged_is_sent_again_ever_less_often_and_without_end() -> None:
    desk, data = published()
    times: list[float] = []
    while len(times) < 10:
        now = desk.next_deadline()
        assert now is not None
        (again,) = desk.datagrams_to_send(now, WALL_S)
        assert (data, True) == (again.data, again.is_repeated)
        times.append(now)

    assert [1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 123.0, 183.0, 243.0, 303.0] == times


def test_an_acknowledgement_ends_the_errand() -> None:
    desk, data = acquainted()

    assert Heard(Verdict.ACKNOWLEDGED, ZONE, 7, 0) == desk.receive_untrusted(response_to(data), ONE, WALL_S)
    assert desk.next_deadline() is None


def test_the_first_notice_that_is_acknowledged_is_sent_once_more() -> None:
    desk, data = published()
    heard = desk.receive_untrusted(response_to(data), ONE, WALL_S)

    assert Heard(Verdict.ACKNOWLEDGED, ZONE, 7, 0, is_news=True) == heard
    assert (2.0, NotifyStatistics(waiting=0, silent=())) == (desk.next_deadline(), desk.statistics())
    (again,) = desk.datagrams_to_send(2.0, WALL_S)
    assert (data, True) == (again.data, again.is_repeated)
    assert 4.0 == desk.next_deadline()

    assert Verdict.ACKNOWLEDGED is desk.receive_untrusted(response_to(data), ONE, WALL_S).verdict
    assert desk.next_deadline() is None


def test_a_change_takes_the_place_of_the_first_notice_sent_once_more() -> None:
    desk, data = published()
    desk.receive_untrusted(response_to(data), ONE, WALL_S)
    desk.publish(ZONE, 8, soa(8), 1.5)
    (changed,) = desk.datagrams_to_send(1.5, WALL_S)
    desk.receive_untrusted(response_to(changed.data), ONE, WALL_S)

    assert desk.next_deadline() is None


def test_a_notice_that_was_refused_is_not_sent_once_more() -> None:
    desk, data = published()
    desk.receive_untrusted(response_to(data, dns.rcode.REFUSED), ONE, WALL_S)

    assert desk.next_deadline() is None


def test_a_second_copy_of_an_acknowledgement_is_a_stray() -> None:
    desk, data = published()
    desk.receive_untrusted(response_to(data), ONE, WALL_S)

    assert Heard(Verdict.STRAY) == desk.receive_untrusted(response_to(data), ONE, WALL_S)


def test_an_error_code_acknowledges_as_well_and_is_news_once() -> None:
    desk, data = published()
    first = desk.receive_untrusted(response_to(data, dns.rcode.REFUSED), ONE, WALL_S)
    desk.publish(ZONE, 8, soa(8), 5.0)
    (again,) = desk.datagrams_to_send(5.0, WALL_S)
    second = desk.receive_untrusted(response_to(again.data, dns.rcode.REFUSED), ONE, WALL_S)

    assert Heard(Verdict.REFUSED, ZONE, 7, 5, is_news=True) == first
    assert Heard(Verdict.REFUSED, ZONE, 8, 5, is_news=False) == second
    assert desk.next_deadline() is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:11],
        lambda _: b"",
        lambda data: b"\0\1" + data[2:],
        lambda data: data[:2] + b"\x24\0" + data[4:],
        lambda data: data[:2] + b"\x84\0" + data[4:],
    ],
    ids=["short", "empty", "another ID", "a request", "another opcode"],
)
def test_what_is_no_response_to_it_is_a_stray(spoil: object) -> None:
    desk, data = published()
    assert callable(spoil)

    assert Heard(Verdict.STRAY) == desk.receive_untrusted(spoil(response_to(data)), ONE, WALL_S)
    assert 1.0 == desk.next_deadline()


@pytest.mark.parametrize("source", [Address.from_text("192.0.2.21", 53), Address.from_text("192.0.2.20", 54)])
def test_a_response_from_elsewhere_is_a_stray(source: Address) -> None:
    desk, data = published()

    assert Heard(Verdict.STRAY) == desk.receive_untrusted(response_to(data), source, WALL_S)


def test_a_response_before_the_request_was_sent_is_a_stray() -> None:
    desk = desk_of()
    desk.publish(ZONE, 7, soa(7), 0.0)

    assert Heard(Verdict.STRAY) == desk.receive_untrusted(b"\0\x64\xa4\0" + bytes(8), ONE, WALL_S)


def test_changes_in_quick_succession_become_one_notice_of_the_newest() -> None:
    desk, data = published()
    desk.receive_untrusted(response_to(data), ONE, WALL_S)
    for serial in (8, 9, 10):
        desk.publish(ZONE, serial, soa(serial), serial / 100)

    assert 1.0 == desk.next_deadline()
    assert [] == sent(desk, 0.99)
    assert [(ONE, "consul.", 10)] == sent(desk, 1.0)


def test_a_change_after_a_quiet_second_is_told_at_once() -> None:
    desk, data = published()
    desk.receive_untrusted(response_to(data), ONE, WALL_S)
    desk.publish(ZONE, 8, soa(8), 1.5)

    assert [(ONE, "consul.", 8)] == sent(desk, 1.5)


def test_a_newer_serial_takes_the_place_of_one_that_nobody_acknowledged() -> None:
    desk, data = published()
    for now in (1.0, 3.0, 7.0, 15.0):
        desk.datagrams_to_send(now, WALL_S)
    desk.publish(ZONE, 8, soa(8), 20.0)

    assert [(ONE, "consul.", 8)] == sent(desk, 20.0)
    assert 21.0 == desk.next_deadline()
    assert Heard(Verdict.STRAY) == desk.receive_untrusted(response_to(data), ONE, WALL_S)


def test_one_zone_does_not_wait_for_another() -> None:
    desk, _ = published()
    desk.publish(REVERSE, 8, soa(8), 0.1)

    assert [(ONE, "10.in-addr.arpa.", 8)] == sent(desk, 0.1)


def test_a_recipient_that_is_added_is_told_of_all_zones_and_one_that_is_gone_of_none() -> None:
    desk, data = published()
    desk.update_recipients([Recipient(TWO)], 0.5)

    assert [(TWO, "consul.", 7)] == sent(desk, 0.5)
    assert Heard(Verdict.STRAY) == desk.receive_untrusted(response_to(data), ONE, WALL_S)


def test_a_recipient_that_stays_is_not_told_again() -> None:
    desk, data = acquainted()
    desk.receive_untrusted(response_to(data), ONE, WALL_S)
    desk.update_recipients([Recipient(ONE), Recipient(ONE)], 15.0)

    assert desk.next_deadline() is None


def test_a_zone_that_is_withdrawn_is_told_of_no_more() -> None:
    desk, data = published()
    desk.withdraw(ZONE)
    desk.update_recipients([Recipient(TWO)], 1.0)

    assert desk.next_deadline() is None
    assert Heard(Verdict.STRAY) == desk.receive_untrusted(response_to(data), ONE, WALL_S)


def test_a_great_many_are_told_in_batches() -> None:
    desk = desk_of(*(Recipient(Address(bytes((10, 0, number >> 8, number & 255)), 53)) for number in range(300)))
    desk.publish(ZONE, 7, soa(7), 0.0)
    batches = [len(desk.datagrams_to_send(0.0, WALL_S)) for _ in range(4)]

    assert [MAX_BATCH, MAX_BATCH, 300 - 2 * MAX_BATCH, 0] == batches


def test_an_id_is_not_used_for_two_zones_at_a_time() -> None:
    drawn = iter([5, 5, 5, 6])
    desk = NotifyDesk(lambda: next(drawn))
    desk.update_recipients([Recipient(ONE)], 0.0)
    desk.publish(ZONE, 7, soa(7), 0.0)
    desk.publish(REVERSE, 7, soa(7), 0.0)

    assert [5, 6] == [dns.message.from_wire(each.data).id for each in desk.datagrams_to_send(0.0, WALL_S)]


def test_statistics_say_who_is_silent_once_it_is_so_for_a_while() -> None:
    desk, _ = published()
    for now in (1.0, 3.0, 7.0):
        desk.datagrams_to_send(now, WALL_S)
    before = desk.statistics()
    (last,) = desk.datagrams_to_send(15.0, WALL_S)
    silent = desk.statistics()
    desk.receive_untrusted(response_to(last.data), ONE, WALL_S)

    assert [
        NotifyStatistics(waiting=1, silent=()),
        NotifyStatistics(waiting=1, silent=(ONE,)),
        NotifyStatistics(waiting=0, silent=()),
    ] == [before, silent, desk.statistics()]


# --- with a key --------------------------------------------------------------------------------


@attrs.frozen
class Stamp:
    """Signs with the time, and proves what ends with the MAC of the request."""

    word: bytes = b"stamp"

    def sign(self, message: bytes, wall_s: int) -> tuple[bytes, bytes]:
        """Append the MAC."""
        mac = self.word + wall_s.to_bytes(4, "big")
        return message + mac, mac

    def proves(self, reply: bytes, request_mac: bytes, wall_s: int) -> bool:
        """Look for it at the end."""
        return reply.endswith(request_mac) and request_mac.endswith(wall_s.to_bytes(4, "big"))


def signed() -> tuple[NotifyDesk, bytes]:
    desk = desk_of(Recipient(ONE, Stamp()))
    desk.publish(ZONE, 7, soa(7), 0.0)
    (only,) = desk.datagrams_to_send(0.0, WALL_S)
    assert only.data.endswith(b"stamp" + WALL_S.to_bytes(4, "big"))
    return desk, response_to(only.data[:-9])


def test_a_signed_response_acknowledges() -> None:
    desk, reply = signed()

    assert (
        Verdict.ACKNOWLEDGED
        is desk.receive_untrusted(reply + b"stamp" + WALL_S.to_bytes(4, "big"), ONE, WALL_S).verdict
    )


def test_an_unsigned_response_acknowledges_nothing_and_is_news_once() -> None:
    desk, reply = signed()
    first, second = (desk.receive_untrusted(reply, ONE, WALL_S) for _ in range(2))

    assert Heard(Verdict.UNSIGNED, ZONE, 7, 0, is_news=True) == first
    assert Heard(Verdict.UNSIGNED, ZONE, 7, 0, is_news=False) == second
    assert 1.0 == desk.next_deadline()


def test_a_late_response_to_an_earlier_datagram_of_the_same_errand_acknowledges() -> None:
    desk = desk_of(Recipient(ONE, _Numbered()))
    desk.publish(ZONE, 7, soa(7), 0.0)
    data = [desk.datagrams_to_send(now, WALL_S)[0].data for now in (0.0, 1.0, 3.0, 7.0, 15.0)]
    reply = response_to(data[0][:-1])

    assert Verdict.UNSIGNED is desk.receive_untrusted(reply + data[0][-1:], ONE, WALL_S).verdict
    assert Verdict.ACKNOWLEDGED is desk.receive_untrusted(reply + data[1][-1:], ONE, WALL_S).verdict


@attrs.define(eq=False)
class _Numbered:
    """Signs with a number that rises."""

    count: int = 0

    def sign(self, message: bytes, wall_s: int) -> tuple[bytes, bytes]:
        """Append the number."""
        self.count += 1
        mac = bytes((self.count,))
        return message + mac, mac

    def proves(self, reply: bytes, request_mac: bytes, wall_s: int) -> bool:
        """Look for it at the end."""
        return reply.endswith(request_mac)


def test_a_response_to_the_serial_before_is_no_proof_for_the_new_one() -> None:
    desk, reply = signed()
    desk.publish(ZONE, 8, soa(8), 0.5)

    assert Heard(Verdict.STRAY) == desk.receive_untrusted(reply + b"stamp" + WALL_S.to_bytes(4, "big"), ONE, WALL_S)

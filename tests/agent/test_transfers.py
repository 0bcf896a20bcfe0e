"""Zones are published as the table changes, in virtual time."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from nodedns.agent.index_ceiling import CeilingFile
from nodedns.agent.live_table import LiveTable
from nodedns.agent.memory import KeptCeiling
from nodedns.agent.transfers import (
    FAILED_PAUSE_S,
    GATHER_S,
    MIN_SPACING_S,
    RETRY_LOOK_S,
    SERIAL_STEP,
    LiveTransfers,
)
from nodedns.config.load import load
from nodedns.config.sources import ConfigSources
from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.publications import LARGE_PAUSE_S, MAX_ZONE_BYTES
from nodedns.dns.question import Question
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.rrset import Answer
from nodedns.dns.transfer_params import NO_TRANSFER, AllowedClient, NotifyTarget, TransferParams, TsigKey
from nodedns.dns.zone import Zone
from nodedns.dns.zone_works import MAX_DERIVED_ZONES
from nodedns.dns.zones import Zones
from nodedns.model.names import NodeName
from nodedns.model.secret import Secret
from nodedns.net.files import DataDir
from nodedns.observe.metrics import DNS_NOTIFIES, DNS_PUBLISH_SECONDS, DNS_ZONES_UNPUBLISHED, Metrics
from nodedns.table.address_index import Digits
from nodedns.table.changes import ClusterKnown, ExternalNode, NodeDeregistered, NodeRegistered
from nodedns.table.node_table import NodeTable
from nodedns.table.view import TableView

WALL_S = 1_700_000_000
ANYBODY = TransferParams(allow=(AllowedClient(None, "some"),))
DEV = load(ConfigSources(dev=True, flags={"node": "me"}))
ZONE: Labels = (b"consul",)
REVERSE: Labels = (b"10", b"in-addr", b"arpa")


def notifying(port: int, secret: bytes) -> TransferParams:
    """Return the wish to have one secondary told, as it would be read from a file anew."""
    key = TsigKey(name="k", secret=Secret(secret))
    return TransferParams(keys=(key,), notify=(NotifyTarget("127.0.0.1", port, key.name),))


class Desk:
    """Transfers of a live table."""

    def __init__(
        self,
        transfer: TransferParams = ANYBODY,
        kept_in: CeilingFile | None = None,
        *,
        is_known: bool = True,
        max_zone_bytes: int = MAX_ZONE_BYTES,
    ) -> None:
        self.metrics = Metrics()
        self.table = LiveTable(NodeTable("dc1", NodeName("me"), 1, cluster_known=is_known), self.metrics)
        self.config = attrs.evolve(DEV, transfer=transfer)
        self.transfers = LiveTransfers(
            self.config,
            self.table,
            kept_in or KeptCeiling(None, "zone-serial"),
            self.metrics,
            entropy=Random(1).randbytes,
            wall_clock=lambda: WALL_S + trio.current_time(),
            max_zone_bytes=max_zone_bytes,
        )

    def serve(self, *prefixes: Digits, **changes: Any) -> None:
        """Serve the domain and these reverse zones."""
        self.config = attrs.evolve(self.config, **changes)
        edition_of = self.transfers.edition
        forward = Zone.of_domains(("consul",), edition_of=edition_of)
        self.transfers.serve(self.config, Zones(forward, ReverseZones.of_prefixes(prefixes, ZONE, edition_of)))

    def serve_derived(self) -> None:
        """Serve the domain and the reverse zones that follow the addresses."""
        edition_of = self.transfers.edition
        forward = Zone.of_domains(("consul",), edition_of=edition_of)
        self.transfers.serve(self.config, Zones(forward, ReverseZones.of_prefixes(None, ZONE, edition_of)))

    def register(self, name: str, host: str = "10.0.0.1") -> None:
        """Take a change as the agent does."""
        self.table.note(NodeRegistered(ExternalNode(NodeName(name), "", host, {}, {})))

    def serial(self, origin: Labels = ZONE) -> int:
        """Return the serial of a published zone; 0 for one that is not."""
        zone = self.transfers.published(origin)
        return zone.serial if zone is not None else 0

    def has(self, name: str) -> bool:
        """Whether a node is in the zone."""
        zone = self.transfers.published(ZONE)
        return zone is not None and any(name.encode() in record for record in zone.records())

    def publishings(self) -> int:
        """Return how many times publishing was done."""
        return int(self.metrics.value(f"{DNS_PUBLISH_SECONDS.name}_count"))


def play(story: Callable[[Desk], Awaitable[None]], make: Callable[[], Desk] = Desk) -> None:
    """Run the story on a desk in virtual time, at first at rest."""

    async def main() -> None:
        desk = make()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.transfers.run)
            await story(desk)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0.002))


def test_zones_are_published_once_they_are_served() -> None:
    async def story(desk: Desk) -> None:
        assert 0 == desk.serial()
        desk.serve(Digits(4, "0a"))
        await trio.sleep(1.5)
        assert [WALL_S + 1, WALL_S + 1] == [desk.serial(), desk.serial(REVERSE)]

    play(story)


def test_no_serial_is_ahead_of_the_clock_that_a_run_which_keeps_nothing_begins_at() -> None:
    async def story(desk: Desk) -> None:
        desk.serve()
        for number in range(25):
            desk.register(f"n{number}")
            await trio.sleep(0.2)
            assert desk.serial() <= WALL_S + trio.current_time()
        assert desk.serial() >= WALL_S + 4

    play(story)


class BrokenOnce:
    """A zone with a fault in it, which shows at the first question."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._is_broken = True
        self.origin = zone.origin

    def answer(self, question: Question, view: TableView, policy: DnsPolicy) -> Answer:
        if self._is_broken:
            self._is_broken = False
            raise ValueError("a fault")
        return self._zone.answer(question, view, policy)


def test_a_fault_in_a_zone_ends_nothing_and_is_tried_again() -> None:
    async def story(desk: Desk) -> None:
        (zone,) = Zone.of_domains(("consul",), edition_of=desk.transfers.edition)
        desk.transfers.serve(desk.config, Zones((BrokenOnce(zone),)))
        desk.register("a")
        await trio.sleep(FAILED_PAUSE_S / 2)
        assert 0 == desk.publishings()
        await trio.sleep(FAILED_PAUSE_S)
        assert desk.has("a")
        desk.register("b")
        await trio.sleep(2 * MIN_SPACING_S)
        assert desk.has("b")

    play(story)


class SlowZone:
    """A zone of which each question takes a while."""

    def __init__(self, zone: Zone, clock: MockClock, answer_s: float) -> None:
        self._zone = zone
        self._clock = clock
        self._answer_s = answer_s
        self.origin = zone.origin

    def answer(self, question: Question, view: TableView, policy: DnsPolicy) -> Answer:
        self._clock.jump(self._answer_s)
        return self._zone.answer(question, view, policy)


@pytest.mark.parametrize("answer_s", [0.001, 0.2, 20.0])
def test_publishing_rests_for_longer_than_it_works_but_not_for_ever(answer_s: float) -> None:
    desk_clock = MockClock(autojump_threshold=0.002)

    async def main() -> None:
        desk = Desk()
        (zone,) = Zone.of_domains(("consul",), edition_of=desk.transfers.edition)
        desk.transfers.serve(desk.config, Zones((SlowZone(zone, desk_clock, answer_s),)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.transfers.run)
            while not desk.publishings():  # noqa: ASYNC110 - a metric has no event
                await trio.sleep(0.01)
            done_at, total = trio.current_time(), f"{DNS_PUBLISH_SECONDS.name}_sum"
            worked_s = desk.metrics.value(total)
            desk.register("a")
            while desk.publishings() < 2:  # noqa: ASYNC110
                await trio.sleep(0.01)
            rested_s = trio.current_time() - (desk.metrics.value(total) - worked_s) - done_at
            assert min(2.0 * worked_s, 10.0) <= rested_s + 0.01
            assert rested_s <= min(2.0 * worked_s, 10.0) + 2 * MIN_SPACING_S
            nursery.cancel_scope.cancel()

    trio.run(main, clock=desk_clock)


def test_nothing_is_published_where_nobody_may_have_it() -> None:
    async def story(desk: Desk) -> None:
        desk.serve()
        desk.register("a")
        await trio.sleep(10)
        assert not desk.transfers.is_on
        assert desk.transfers.edition(ZONE, ZONE) is None
        assert (0, 0, 0) == (desk.serial(), desk.publishings(), desk.table.waited_parts)

    play(story, lambda: Desk(NO_TRANSFER))


def test_nothing_is_published_before_the_cluster_is_known() -> None:
    async def story(desk: Desk) -> None:
        desk.serve()
        desk.register("a")
        await trio.sleep(5)
        assert 0 == desk.publishings()
        desk.table.apply([ClusterKnown()])
        await trio.sleep(0.1)
        assert desk.has("a")

    play(story, lambda: Desk(is_known=False))


def test_a_change_after_quiet_is_published_within_a_moment_with_what_comes_along() -> None:
    async def story(desk: Desk) -> None:
        desk.serve()
        await trio.sleep(10)
        before = desk.publishings()
        desk.register("a")
        await trio.sleep(GATHER_S / 2)
        desk.register("b", "10.0.0.2")
        await trio.sleep(GATHER_S)
        assert (True, True, before + 1) == (desk.has("a"), desk.has("b"), desk.publishings())

    play(story)


def test_changes_without_end_are_published_once_a_second() -> None:
    async def story(desk: Desk) -> None:
        desk.serve()
        await trio.sleep(10)
        before = desk.publishings()
        for number in range(500):
            desk.register(f"n{number}", f"10.0.{number // 250}.{number % 250}")
            await trio.sleep(0.01)
        assert before + 5 == desk.publishings()
        await trio.sleep(MIN_SPACING_S)
        assert desk.has("n499")

    play(story)


def test_a_serial_is_the_second_of_publishing() -> None:
    async def story(desk: Desk) -> None:
        desk.serve()
        await trio.sleep(100)
        desk.register("a")
        await trio.sleep(0.5)
        assert WALL_S + 100 == desk.serial()
        assert float(desk.serial()) == desk.metrics.value("nodedns_dns_zone_serial", zone="consul.")

    play(story)


def test_a_zone_that_did_not_change_keeps_its_serial() -> None:
    async def story(desk: Desk) -> None:
        desk.serve(Digits(4, "0a"))
        await trio.sleep(10)
        desk.register("a", "192.0.2.7")
        await trio.sleep(0.5)
        assert [WALL_S + 10, WALL_S + 1] == [desk.serial(), desk.serial(REVERSE)]

    play(story)


def test_packed_answers_hear_of_a_serial_that_moved() -> None:
    async def story(desk: Desk) -> None:
        versions = [desk.transfers.serials_version]
        assert desk.transfers.serial_of(ZONE) is None
        desk.serve()
        versions.append(desk.transfers.serials_version)
        await trio.sleep(10)
        versions.append(desk.transfers.serials_version)
        desk.register("a")
        await trio.sleep(0.5)
        versions.append(desk.transfers.serials_version)
        assert desk.serial() == desk.transfers.serial_of(ZONE)
        desk.serve(transfer=NO_TRANSFER)
        versions.append(desk.transfers.serials_version)
        assert len(versions) == len(set(versions))
        assert desk.transfers.serial_of(ZONE) is None

    play(story)


def test_a_soa_says_what_is_published() -> None:
    async def story(desk: Desk) -> None:
        desk.serve()
        await trio.sleep(1.5)
        edition = desk.transfers.edition(ZONE, ZONE)
        assert edition is not None
        assert ((b"me", b"node", b"dc1", b"consul"), desk.serial()) == (edition.mname, edition.serial)

    play(story)


def test_turned_off_and_on_again_serials_rise() -> None:
    async def story(desk: Desk) -> None:
        desk.serve()
        await trio.sleep(0.5)
        first = desk.serial()
        desk.serve(transfer=NO_TRANSFER)
        await trio.sleep(0.5)
        assert (0, False) == (desk.serial(), desk.transfers.is_on)
        desk.serve(transfer=ANYBODY)
        await trio.sleep(2)
        assert first < desk.serial()

    play(story)


def test_a_reverse_zone_that_is_served_no_more_is_published_no_more() -> None:
    async def story(desk: Desk) -> None:
        desk.serve(Digits(4, "0a"))
        await trio.sleep(0.5)
        desk.serve()
        await trio.sleep(2)
        assert (True, 0) == (desk.serial() > 0, desk.serial(REVERSE))

    play(story)


def test_another_ttl_is_published() -> None:
    async def story(desk: Desk) -> None:
        desk.register("a")
        desk.serve()
        await trio.sleep(10)
        before = desk.serial()
        desk.serve(dns=attrs.evolve(desk.config.dns, node_ttl_s=77))
        await trio.sleep(0.5)
        assert before < desk.serial()

    play(story)


def test_a_reload_that_changes_no_secondary_notifies_none_and_one_with_another_secret_does() -> None:
    async def story(desk: Desk) -> None:
        def told(event: str) -> int:
            return int(desk.metrics.value(DNS_NOTIFIES.name, event=event))

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            desk.serve(transfer=notifying(silent.getsockname()[1], b"s" * 32))
            await trio.sleep(2.5)
            assert (1, 1) == (told("sent"), told("repeated"))
            desk.serve(transfer=notifying(silent.getsockname()[1], b"s" * 32))
            await trio.sleep(7)
            assert (1, 3) == (told("sent"), told("repeated"))
            desk.serve(transfer=notifying(silent.getsockname()[1], b"t" * 32))
            await trio.sleep(0.5)
            assert 2 == told("sent")

    play(story)


def test_serials_rise_over_a_restart_with_the_clock_set_back(tmp_path: Path) -> None:
    serials: list[int] = []

    async def story(desk: Desk) -> None:
        desk.serve()
        for number in range(30):
            desk.register(f"n{number}")
            await trio.sleep(1)
        serials.append(desk.serial())

    async def again(desk: Desk) -> None:
        desk.serve()
        await trio.sleep(0.5)
        serials.append(desk.serial())

    with DataDir(tmp_path) as directory:
        kept_in = KeptCeiling(directory, "zone-serial")
        play(story, lambda: Desk(kept_in=kept_in))
        play(again, lambda: Desk(kept_in=kept_in))

    before, after = serials
    assert before < after <= before + SERIAL_STEP + 1


SMALL_ZONE_BYTES = 2_500


def unpublished(desk: Desk) -> tuple[float, ...]:
    """Return how many zones are not published for their size, and for their number."""
    return tuple(desk.metrics.value(DNS_ZONES_UNPUBLISHED.name, reason=reason) for reason in ("size", "number"))


def lines(caplog: pytest.LogCaptureFixture, text: str) -> list[object]:
    """Return the fields of the log lines that say so."""
    return [vars(record)["nodedns_fields"] for record in caplog.records if text in record.getMessage()]


def test_a_zone_that_is_too_large_is_published_no_more_until_it_is_small_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(desk: Desk) -> None:
        desk.serve(Digits(4, "0a"))
        desk.register("first")
        await trio.sleep(1.5)
        before = desk.serial()
        for number in range(30):
            desk.register(f"n{number}")
        await trio.sleep(2)
        assert (0, (1.0, 0.0)) == (desk.serial(), unpublished(desk))
        told = desk.transfers.serial_of(ZONE)
        assert told is not None
        assert before < told
        reverse = desk.serial(REVERSE)
        desk.register("last", "10.0.0.9")
        await trio.sleep(2)
        assert (0, True) == (desk.serial(), desk.serial(REVERSE) > reverse)

        for number in range(30):
            desk.table.note(NodeDeregistered(NodeName(f"n{number}")))
        await trio.sleep(LARGE_PAUSE_S / 2)
        assert 0 == desk.serial()
        await trio.sleep(LARGE_PAUSE_S / 2 + RETRY_LOOK_S)
        assert (True, True, (0.0, 0.0)) == (desk.serial() > told, desk.has("last"), unpublished(desk))

    caplog.set_level("ERROR", "nodedns")
    play(story, lambda: Desk(max_zone_bytes=SMALL_ZONE_BYTES))
    assert [{"zone": "consul.", "limit_bytes": SMALL_ZONE_BYTES}] == lines(caplog, "too large")


def test_a_zone_that_stays_too_large_is_told_of_once_and_not_asked_for_at_each_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(desk: Desk) -> None:
        desk.serve()
        for number in range(40):
            desk.register(f"n{number}")
        await trio.sleep(5)
        desk.register("more")
        await trio.sleep(3 * LARGE_PAUSE_S)
        assert (0, 3, (1.0, 0.0)) == (desk.serial(), desk.publishings() - 1, unpublished(desk))

    caplog.set_level("ERROR", "nodedns")
    play(story, lambda: Desk(max_zone_bytes=SMALL_ZONE_BYTES))
    assert 1 == len(lines(caplog, "too large"))


def test_reverse_zones_beyond_those_that_are_published_are_told_of_when_their_number_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(desk: Desk) -> None:
        desk.serve_derived()
        for number in range(MAX_DERIVED_ZONES + 2):
            desk.register(f"n{number}", f"10.{number // 256}.{number % 256}.1")
        await trio.sleep(1.5)
        desk.register("elsewhere", "10.9.9.9")
        await trio.sleep(1.5)
        desk.register("beside", "10.9.9.8")
        await trio.sleep(1.5)
        assert (0.0, 3.0) == unpublished(desk)
        for number in range(3):
            desk.table.note(NodeDeregistered(NodeName(f"n{number}")))
        await trio.sleep(1.5)
        assert (0.0, 0.0) == unpublished(desk)

    caplog.set_level("WARNING", "nodedns")
    play(story)
    expected = [{"unpublished": number, "limit": MAX_DERIVED_ZONES} for number in (2, 3)]
    assert expected == lines(caplog, "are not published")

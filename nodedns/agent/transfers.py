"""``LiveTransfers``: the zones of a running agent as secondaries get them: published as the table changes, and told of.

Strategy: after a quiet second the first change is published at once, together with what comes within
a moment; under load there is one publishing a second, and fewer where one takes long: it rests for twice the time that
it worked. Publishing is a walk in short steps, with all
other tasks having a turn after each, so no query waits for it. Each zone that has a new serial is
told to the secondaries (``Notifier``).

Serials are Unix seconds, so those of several agents can be compared. That they rise over restarts, whatever became of
the clock, is seen to by a number in the data directory that no serial of this run has passed. It is never far ahead:
for as long as one agent's serials are ahead of another's, a secondary of both takes no changes from the other.

Where nobody may have a zone nor is told of one, nothing is published, and none of this costs anything.
Who may have a zone is not decided here.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

import trio

from nodedns.agent.index_ceiling import CeilingFile, IndexCeiling
from nodedns.agent.live_table import LiveTable
from nodedns.config.schema import AgentConfig
from nodedns.dns.apex import Edition
from nodedns.dns.name import Labels, packed_name, presentation
from nodedns.dns.notify import NotifyDesk, Recipient
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.publications import MAX_ZONE_BYTES, Publications
from nodedns.dns.published import PublishedZone
from nodedns.dns.transfer_params import TransferParams
from nodedns.dns.tsig import RequestSigner
from nodedns.dns.zone_works import MAX_DERIVED_ZONES
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.net.dns_notify import Notifier
from nodedns.observe.logs import logger
from nodedns.observe.metrics import DNS_PUBLISH_SECONDS, DNS_ZONE_SERIAL, DNS_ZONES_UNPUBLISHED, Metrics
from nodedns.table.node_row import RowChange
from nodedns.table.service_rows import ServiceChange

__all__ = [
    "FAILED_PAUSE_S",
    "GATHER_S",
    "MAX_REST_S",
    "MIN_SPACING_S",
    "REST_SHARE",
    "RETRY_LOOK_S",
    "SERIAL_STEP",
    "LiveTransfers",
]

GATHER_S: Final = 0.05
"""From a change to its publishing, after quiet; ours: a join and its registrations come within that."""
MIN_SPACING_S: Final = 1.0
"""Between two publishings. A serial is a second; NSD takes a zone in once a second (``xfrd-reload-timeout``)."""
REST_SHARE: Final = 2.0
"""Rest after a publishing, in times of what it worked; ours: what changes all the time takes a third of a core."""
MAX_REST_S: Final = 10.0
"""The longest rest; ours: what secondaries say is never much older than that."""
RETRY_LOOK_S: Final = 60.0
"""Between two looks whether a zone that was too large is to be tried again; ours: a tenth of the pause."""
FAILED_PAUSE_S: Final = 60.0
"""After a publishing that failed; ours: a fault that stays takes a look at the whole table each time."""
SERIAL_STEP: Final = 16
"""How far ahead of the serials the number is that is kept, and the most by which a restart skips ahead."""
ID_BYTES: Final = 2

_DNS = logger("dns")


class LiveTransfers:
    """Publishes an agent's zones and tells secondaries, while ``run`` runs.

    Args:
        config: Of the agent; ``serve`` takes the next one.
        table: What is published.
        kept_in: Where the ceiling of serials is kept.
        metrics: Counts.
        entropy: Random bytes that nobody can foresee, for the IDs of notices.
        wall_clock: Seconds since 1970.
        max_zone_bytes: Above this a zone is too large to be published.
    """

    def __init__(
        self,
        config: AgentConfig,
        table: LiveTable,
        kept_in: CeilingFile,
        metrics: Metrics,
        *,
        entropy: Callable[[int], bytes],
        wall_clock: Callable[[], float],
        max_zone_bytes: int = MAX_ZONE_BYTES,
    ) -> None:
        self._node_name = config.node_name
        self._datacenter = config.datacenter
        self._table = table
        self._kept_in = kept_in
        self._metrics = metrics
        self._wall_clock = wall_clock
        self._max_zone_bytes = max_zone_bytes
        desk = NotifyDesk(lambda: int.from_bytes(entropy(ID_BYTES), "big"))
        self._notifier = Notifier(desk, config.dns_addrs, metrics, wall_clock)
        self._publications: Publications | None = None
        self._ceiling: IndexCeiling | None = None
        self._served: tuple[Zones, DnsPolicy] | None = None
        self._is_stale = False
        self._served_anew = trio.Event()
        self._past_versions = 0
        self._left_out = 0
        self._too_large: tuple[Labels, ...] = ()
        table.watch(self._mark)

    # --- what DNS asks ----------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """Whether zones are published."""
        return self._publications is not None

    def edition(self, origin: Labels, domain: Labels) -> Edition | None:
        """Return what a zone's SOA is to say; None while none are published (an ``EditionOf``)."""
        return self._publications.edition(origin, domain) if self._publications is not None else None

    def published(self, origin: Labels) -> PublishedZone | None:
        """Return a zone as it was published last, by its folded name; None if it was not."""
        return self._publications.zone(origin) if self._publications is not None else None

    @property
    def serials_version(self) -> int:
        """Moves whenever a serial does, and when publishing is turned on or off (as ``PublishedSerials`` wants)."""
        return self._past_versions + (self._publications.serials_version if self._publications is not None else 0)

    def serial_of(self, origin: Labels) -> int | None:
        """Return the serial of a zone, by its folded name; None where it follows the table."""
        return self._publications.serial_of(origin) if self._publications is not None else None

    def serve(self, config: AgentConfig, zones: Zones) -> None:
        """Publish these zones by these knobs from now on, and tell these secondaries.

        Args:
            config: With another node name or datacenter, a restart is needed.
            zones: What is served; their ``edition_of`` is ``edition``.
        """
        if config.transfer.is_on is not self.is_on:
            self._switch(is_on=config.transfer.is_on)
        self._served = zones, config.dns
        self._notifier.update(_recipients(config.transfer))
        self._is_stale = True
        self._served_anew.set()

    def _switch(self, *, is_on: bool) -> None:
        self._past_versions = self.serials_version + 1
        before, self._publications = self._publications, None
        if before is not None:
            for origin in before.origins:
                self._notifier.withdraw(origin)
        if is_on:
            self._ceiling = IndexCeiling(self._kept_in, int(self._wall_clock()), step=SERIAL_STEP)
            self._publications = Publications(
                self._node_name, self._datacenter, self._ceiling.first, max_zone_bytes=self._max_zone_bytes
            )
        self._tell_unpublished((), 0)

    def _mark(self, rows: Sequence[RowChange], services: Sequence[ServiceChange]) -> None:
        if self._publications is not None:
            self._publications.mark(rows, services)

    # --- the task ---------------------------------------------------------------------

    async def run(self) -> None:
        """Publish and tell, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._notifier.run)
            not_before = trio.current_time()
            while True:
                await self._wait_due()
                await trio.sleep_until(max(trio.current_time() + GATHER_S, not_before))
                await self._wait_second()
                not_before = trio.current_time() + MIN_SPACING_S
                try:
                    worked_s = await self._publish()
                    rest_s = min(worked_s * REST_SHARE, MAX_REST_S)
                    not_before = max(not_before, trio.current_time() + rest_s)
                except Exception as error:
                    # What others register must not end the agent; secondaries keep what they have.
                    _DNS.exception("the zones could not be published, and are tried again in a minute", error)
                    if self._publications is not None:
                        self._publications.start_over()
                    await trio.sleep(FAILED_PAUSE_S)

    async def _wait_second(self) -> None:
        """Wait until the clock has reached the next serial, if that is within a second.

        A run that keeps nothing begins at the clock. Were its last serial ahead of that, one that begins within the
        same second could give it to another state.
        """
        if self._publications is not None:
            ahead_s = self._publications.highest_serial + 1 - self._wall_clock()
            await trio.sleep(ahead_s if 0 < ahead_s <= MIN_SPACING_S else 0)

    async def _wait_due(self) -> None:
        """Return once there is something to publish."""
        while True:
            self._served_anew = trio.Event()
            view = self._table.view
            if self._publications is None or self._served is None:
                await self._served_anew.wait()
            elif view.cluster_known and self._is_due(self._publications):
                return
            else:
                with trio.move_on_after(RETRY_LOOK_S if self._publications.too_large else math.inf):
                    await self._wait_changed(view.index)

    def _is_due(self, publications: Publications) -> bool:
        return self._is_stale or publications.is_due or publications.is_retry_due(self._wall_clock())

    async def _wait_changed(self, index: int) -> None:
        async with trio.open_nursery() as nursery:

            async def first_of(wait: Callable[[], Awaitable[None]]) -> None:
                await wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(first_of, lambda: self._table.wait_changed(index))
            nursery.start_soon(first_of, self._served_anew.wait)

    async def _publish(self) -> float:
        """Publish, and return for how many seconds nobody else had a turn."""
        publications, served = self._publications, self._served
        if publications is None or served is None or self._ceiling is None:
            return 0.0  # turned off in the meantime
        self._is_stale = False
        zones, policy = served
        before = publications.origins
        started = turn = trio.current_time()
        worked_s = 0.0
        for origins in publications.publish(zones, self._table.view, policy, int(self._wall_clock())):
            if publications is not self._publications:
                return worked_s
            for origin in origins:
                self._tell(publications, origin, is_first=origin not in before)
            worked_s += trio.current_time() - turn
            await trio.lowlevel.checkpoint()
            turn = trio.current_time()
        self._metrics.observe(DNS_PUBLISH_SECONDS, trio.current_time() - started)
        self._forget(frozenset(before) - frozenset(publications.origins))
        self._tell_unpublished(publications.too_large, publications.left_out)
        if self._ceiling.is_near(publications.highest_serial):
            await trio.to_thread.run_sync(self._ceiling.note, publications.highest_serial)
        return worked_s

    def _tell(self, publications: Publications, origin: Labels, *, is_first: bool) -> None:
        zone = publications.zone(origin)
        if zone is None:
            return
        name = presentation(packed_name(origin))
        if is_first:
            _DNS.info("zone published for the first time", zone=name, serial=zone.serial, bytes=zone.wire_bytes)
        else:
            _DNS.debug("zone published", zone=name, serial=zone.serial, bytes=zone.wire_bytes)
        self._metrics.set(DNS_ZONE_SERIAL, zone.serial, zone=name)
        self._notifier.publish(origin, zone.serial, zone.soa)

    def _forget(self, origins: frozenset[Labels]) -> None:
        for origin in sorted(origins):
            self._notifier.withdraw(origin)
            _DNS.info("zone is not published any more", zone=presentation(packed_name(origin)))

    def _tell_unpublished(self, too_large: Collection[Labels], left_out: int) -> None:
        """Say which zones secondaries cannot have, whenever they are others than before."""
        for origin in too_large:
            if origin not in self._too_large:
                name, limit = presentation(packed_name(origin)), self._max_zone_bytes
                _DNS.error("zone is too large to be published, and is tried again later", zone=name, limit_bytes=limit)
        if left_out not in (0, self._left_out):
            _DNS.warning(
                "some reverse zones that follow the addresses are not published; list larger ones in reverse_zones",
                unpublished=left_out,
                limit=MAX_DERIVED_ZONES,
            )
        self._too_large, self._left_out = tuple(too_large), left_out
        self._metrics.set(DNS_ZONES_UNPUBLISHED, len(too_large), reason="size")
        self._metrics.set(DNS_ZONES_UNPUBLISHED, left_out, reason="number")


def _recipients(params: TransferParams) -> tuple[Recipient, ...]:
    signers = {key.name: RequestSigner(key) for key in params.keys}
    return tuple(
        Recipient(Address.from_text(target.host, target.port), signers.get(target.key)) for target in params.notify
    )

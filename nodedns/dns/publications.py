"""``Publications``: the zones as they are published for secondaries, kept up with the table.

Strategy: what a zone holds is what our own zones answer, asked name by name (``zone_records``), so that a secondary
answers as we do. The first time all names are asked (``zone_names``), then those that a change of the table touches:
changes are marked as they come, in no more room than the table has, and publishing takes the marks.

Publishing is done in steps of a few hundred microseconds, between which others have their turn; it is of the table
as it was when it began, and each zone shows its new state at once, at its end.

Serials are Unix seconds at publishing, so that those of several agents can be compared, and at least one more than
before. A zone that is not published yet has a serial below its first. Who publishes when is not decided here, and who
may have a zone neither.

A zone that grows beyond ``MAX_ZONE_BYTES`` is published no more, rather than in part: secondaries cannot fetch it, keep
the state that they have, and give it up when it expires. After a while it is tried again. Source: RFC 1982, RFC 1995.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from nodedns.dns.apex import SERIAL_MASK, Edition, ZoneHead, primary_name
from nodedns.dns.journal import Difference
from nodedns.dns.marks import Marks
from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.published import PublishedZone
from nodedns.dns.zone_content import ZoneWork
from nodedns.dns.zone_draft import ZoneDraft
from nodedns.dns.zone_records import Sets, packed_records
from nodedns.dns.zone_works import ZoneWorks
from nodedns.dns.zones import Zones
from nodedns.table.node_row import RowChange
from nodedns.table.service_rows import ServiceChange
from nodedns.table.view import TableView

__all__ = ["LARGE_PAUSE_S", "MAX_ZONE_BYTES", "Publications"]

MAX_ZONE_BYTES: Final = 256 * 1024 * 1024
"""Of the records of one zone; ours: twelve times what 1,000 nodes with 5 services each take. In memory it is two to
three times as much."""
LARGE_PAUSE_S: Final = 600
"""Until a zone that was too large is tried again; ours: asking for so many names takes minutes, in short steps."""


class Publications:
    """The published zones of one agent.

    Args:
        local_name: Name of its node, which the zones' SOA records name.
        datacenter: Its datacenter.
        first_serial: No serial that any earlier run of it gave is above this; Unix seconds now, at least.
        max_zone_bytes: Above this a zone is too large.

    Attributes:
        highest_serial: The highest serial given so far, or told of a zone not published yet.
        serials_version: Moves whenever the serial of a zone does.
        left_out: How many zones that follow the addresses were not published last for being too many.
    """

    def __init__(
        self, local_name: str, datacenter: str, first_serial: int, *, max_zone_bytes: int = MAX_ZONE_BYTES
    ) -> None:
        self._local_name = local_name
        self._datacenter = datacenter
        self._zones: dict[Labels, PublishedZone] = {}
        self._mnames: dict[Labels, Labels] = {}
        self._counts: dict[Labels, int] = {}
        self._floor = first_serial
        self.highest_serial = first_serial
        self.serials_version = 1
        self.left_out = 0
        self._max_zone_bytes = max_zone_bytes
        self._tried_again_at: dict[Labels, int] = {}
        self._delegated: dict[Labels, tuple[bytes, ...]] = {}
        self._marks = Marks()
        self._rules: tuple[object, ...] | None = None

    @property
    def origins(self) -> tuple[Labels, ...]:
        """The names of the zones that are published, in the order in which they came."""
        return tuple(self._zones)

    @property
    def is_due(self) -> bool:
        """Whether the table changed since ``publish`` was called last, or it never was."""
        return self._rules is None or self._marks.is_any

    @property
    def too_large(self) -> tuple[Labels, ...]:
        """The names of the zones that are not published for being too large."""
        return tuple(self._tried_again_at)

    def is_retry_due(self, now_unix: float) -> bool:
        """Whether a zone that was too large is to be tried again."""
        return any(not self._waits(origin, now_unix) for origin in self._tried_again_at)

    def _waits(self, origin: Labels, now_unix: float) -> bool:
        # A clock that was set back must not make a pause longer than it is.
        return 0 < self._tried_again_at.get(origin, 0) - now_unix <= LARGE_PAUSE_S

    def zone(self, origin_folded: Labels) -> PublishedZone | None:
        """Return the zone of this name as it was published last; None if it is none of ours, or not published yet."""
        return self._zones.get(origin_folded)

    def edition(self, origin: Labels, domain: Labels) -> Edition:
        """Return what a zone's SOA is to say (an ``EditionOf``).

        Args:
            origin: The zone, folded.
            domain: Of the names in its records, folded.
        """
        mname = self._mnames.get(domain)
        if mname is None:
            mname = self._mnames[domain] = primary_name(self._local_name, self._datacenter, domain)
        return Edition(mname, self.serial_of(origin))

    def serial_of(self, origin: Labels) -> int:
        """Return the serial of a zone, by its folded name; below its first if it is not published yet."""
        published = self._zones.get(origin)
        return published.serial if published is not None else self._floor & SERIAL_MASK

    def mark(self, rows: Sequence[RowChange], services: Sequence[ServiceChange]) -> None:
        """Take note of changes of the table, for ``publish`` to take."""
        if self._rules is not None:
            self._marks.add(rows, services)

    def start_over(self) -> None:
        """Have the next publishing ask everything anew, after one whose steps were not gone through to the end."""
        self._rules = None
        self._marks = Marks()

    def publish(self, zones: Zones, view: TableView, policy: DnsPolicy, now_unix: int) -> Iterator[tuple[Labels, ...]]:
        """Publish ``view``, in steps.

        Changes marked before this call are in it, later ones wait for the next. The steps must be gone through to the
        end before this is called again. A cluster that is not known yet is not published.

        Args:
            zones: The zones to publish.
            view: The table now, with every change that was marked.
            policy: Knobs; with others than before, everything is asked anew.
            now_unix: Seconds since 1970.

        Returns:
            Steps, to be taken one after the other; each gives the origins of the zones that have a new serial by it.
        """
        if not view.cluster_known:
            return iter(())
        marks, self._marks = self._marks, Marks()
        rules = _rules(zones, policy)
        is_whole, self._rules = rules != self._rules, rules
        # No orders, and no additional records, which no zone has and which take longer than the others.
        plain = attrs.evolve(policy, nearest_first=False, enable_additional_node_meta_txt=False)
        works = ZoneWorks(zones, view, plain, None if is_whole else marks, tuple(self._zones))
        return self._steps(works, now_unix)

    def _steps(self, works: ZoneWorks, now_unix: int) -> Iterator[tuple[Labels, ...]]:
        for origin in works.gone((*self._zones, *self._tried_again_at)):
            self._forget(origin)
        self.left_out = works.left_out
        for _ in works.prepare():
            yield ()
        for work in works.works():
            if self._waits(work.origin, now_unix):
                continue
            before = self._zones.get(work.origin) or PublishedZone(work.origin, 0, (), b"", 0, {})
            draft = ZoneDraft(before, is_whole=work.is_whole)
            draft.put(self._delegations(work))
            for step in work.steps():
                draft.put(step)
                yield ()
                if draft.wire_bytes > self._max_zone_bytes:
                    self._give_up(work.origin, now_unix)
                    break
            else:
                for _ in draft.end():
                    yield ()
                yield (work.origin,) if self._commit(work, before, draft, now_unix) else ()

    def _forget(self, origin: Labels) -> None:
        self._zones.pop(origin, None)
        self._delegated.pop(origin, None)
        self._tried_again_at.pop(origin, None)
        # Should it come again, it must not have a serial that it had.
        self._floor = max(self._floor, self._counts.pop(origin, 0))
        self.serials_version += 1

    def _give_up(self, origin: Labels, now_unix: int) -> None:
        """Publish a zone no more, for now; its SOA says that there is more than any secondary has."""
        self._forget(origin)
        self._floor += 1
        self.highest_serial = max(self.highest_serial, self._floor)
        self._tried_again_at[origin] = now_unix + LARGE_PAUSE_S

    def _delegations(self, work: ZoneWork) -> Sets:
        """Return the names of delegations that changed, those that are gone without records."""
        if work.delegations is None:
            return {}
        known, self._delegated[work.origin] = self._delegated.get(work.origin, ()), tuple(work.delegations)
        return dict.fromkeys(known, ()) | work.delegations

    def _commit(self, work: ZoneWork, before: PublishedZone, draft: ZoneDraft, now_unix: int) -> bool:
        """Have a zone's new state be its state; return whether it differs from the one before."""
        origin, removed, added = work.origin, tuple(draft.removed), tuple(draft.added)
        edition = self.edition(origin, work.domain)
        if before.soa and not removed and not added and before.soa == _packed_soa(work, edition):
            return False
        count = max(now_unix, self._counts.get(origin, self._floor) + 1)
        serial = count & SERIAL_MASK
        soa = _packed_soa(work, attrs.evolve(edition, serial=serial))
        self._tried_again_at.pop(origin, None)
        journal = before.journal
        if before.soa:
            difference = Difference(before.soa, removed, soa, added, before.serial, serial)
            journal = journal.with_next(difference, draft.wire_bytes)
        self._counts[origin] = count
        self.highest_serial = max(self.highest_serial, count)
        self.serials_version += 1
        self._zones[origin] = PublishedZone(origin, serial, edition.mname, soa, draft.wire_bytes, draft.sets(), journal)
        return True


def _rules(zones: Zones, policy: DnsPolicy) -> tuple[object, ...]:
    """Return all that what is published depends on besides the table."""
    listed = zones.reverse.listed
    return (
        tuple(zone.origin for zone in zones.forward),
        zones.reverse.domain,
        None if listed is None else tuple(listed),
        (policy.node_ttl_s, policy.ptr_ttl_s, policy.service_ttl, policy.only_passing),
        (policy.soa_refresh_s, policy.soa_retry_s, policy.soa_expire_s, policy.soa_min_ttl_s),
    )


def _packed_soa(work: ZoneWork, edition: Edition) -> bytes:
    head = ZoneHead(work.origin, work.domain, work.view, work.policy, edition)
    (soa,) = packed_records(head.soa(), work.origin)
    return soa

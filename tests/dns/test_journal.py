"""The journal of a zone: what it keeps, and what it knows of the way to now."""

from __future__ import annotations

from nodedns.dns.journal import MAX_DIFFERENCES, Difference, Journal

LARGE = 10**9


def difference(before: int, *added: bytes) -> Difference:
    return Difference(b"soa", (), b"soa", added, before, before + 1)


def journal(differences: int, zone_bytes: int = LARGE) -> Journal:
    kept = Journal()
    for serial in range(differences):
        kept = kept.with_next(difference(serial, b"record"), zone_bytes)
    return kept


def test_everything_since_a_serial_is_told_in_order() -> None:
    assert [2, 3, 4] == [each.before for each in journal(5).since(2) or ()]


def test_serial_that_is_not_known_leads_nowhere() -> None:
    assert (None, None) == (journal(5).since(5), Journal().since(0))


def test_oldest_goes_where_there_are_too_many() -> None:
    kept = journal(MAX_DIFFERENCES + 2)
    assert (MAX_DIFFERENCES, None) == (len(kept.differences), kept.since(1))
    assert MAX_DIFFERENCES == len(kept.since(2) or ())


def test_oldest_goes_where_they_are_longer_than_the_zone() -> None:
    size = difference(0, b"record").wire_bytes
    assert [3, 4] == [each.before for each in journal(5, 2 * size).differences]
    assert () == journal(5, size - 1).differences

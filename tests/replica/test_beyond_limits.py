"""What a member writes beyond the limits of a registration counts as a deletion, and what it writes next is heard."""

from __future__ import annotations

import pytest

from nodedns.errors import LocalProtocolError, WireError
from nodedns.model.check import Check, CheckStatus
from nodedns.model.limits import MAX_TAGS
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.replica.entry import ORIGIN_BYTES, Entry, Kind, Origin, Value
from nodedns.replica.params import ReplicaParams
from nodedns.replica.records import decode_record
from nodedns.replica.wire import (
    decode_ranges_untrusted,
    encode_entry,
    encode_own_entry,
    encode_range,
    encode_rumours,
    join_ranges,
)
from nodedns.table.changes import ExternalNode, ServiceRegistered
from nodedns.testing.replica_pool import WALL_MS, ReplicaAgent, ReplicaPool

HOSTILE = NodeName("hostile")
NODE = NodeName("n0")
ORIGIN = Origin(b"h" * ORIGIN_BYTES)
FIRST = WALL_MS << 16
FEW, MANY = Service("web", "web", ("t",)), Service("web", "web", tuple(f"t{n}" for n in range(MAX_TAGS + 1)))
AFTER = Service("after", "after")
BEYOND: list[tuple[Kind, str, Value]] = [
    (Kind.NODE, "", ExternalNode(NODE, "", "a" * 513)),
    (Kind.SERVICE, "web", MANY),
    (Kind.CHECK, "ink", Check("ink", "ink", CheckStatus.PASSING, service_tags=MANY.tags)),
]


def entry(kind: Kind, item: str, version: int, value: Value) -> Entry:
    return Entry((kind, NODE, item), NODE, version, ORIGIN, value)


def told(*entries: Entry) -> bytes:
    """A rumour as whoever wrote his own agent may send it: nothing of it was looked at."""
    return encode_range(ORIGIN, 0, entries[-1].version, [encode_entry(each) for each in entries])


def hostile_range() -> bytes:
    return told(*(entry(Kind.SERVICE, s.id, FIRST + at, s) for at, s in enumerate((FEW, MANY, AFTER), 1)))


def names(agent: ReplicaAgent) -> list[str]:
    return sorted(key[2] for key in agent.table)


def converge(pool: ReplicaPool) -> None:
    assert pool.run_until(lambda: pool.has_converged, 20.0) < 20.0


@pytest.mark.parametrize(("kind", "item", "value"), BEYOND, ids=["node", "service", "check"])
def test_entry_beyond_a_limit_is_read_as_a_deletion_that_says_why(kind: Kind, item: str, value: Value) -> None:
    (found,) = decode_ranges_untrusted(join_ranges([told(entry(kind, item, 1, value))]))

    assert [None] == [each.value for each in found.entries]
    assert "" != found.entries[0].excess


@pytest.mark.parametrize(("kind", "item", "value"), BEYOND, ids=["node", "service", "check"])
def test_our_own_entry_beyond_a_limit_is_refused(kind: Kind, item: str, value: Value) -> None:
    with pytest.raises(LocalProtocolError, match="is beyond a limit: "):
        encode_own_entry(entry(kind, item, 1, value))


def test_an_intent_beyond_a_limit_is_no_intent_to_delete() -> None:
    with pytest.raises(WireError, match="no such record"):
        decode_record(b"I" + join_ranges([told(entry(*BEYOND[1][:2], 1, MANY))]))


def test_all_agree_on_what_is_beyond_a_limit_however_they_hear_of_it() -> None:
    pool = ReplicaPool(4, "beyond", ReplicaParams(tombstone_s=30.0, collect_s=5.0))
    pool.start()
    by_rumour, of_its_disk, by_digest, by_census = pool.agents
    pool.part(pool.agents[:2], [by_digest], [by_census])
    by_rumour.receive(encode_rumours([hostile_range()]), HOSTILE)
    converge_two = pool.run_until(lambda: ["after"] == names(of_its_disk), 5.0)
    of_its_disk.kill()
    of_its_disk.start()
    pool.part(pool.agents[:3], [by_census])
    pool.run(5.0)
    assert converge_two < 5.0
    assert [["after"]] * 3 == [names(agent) for agent in pool.agents[:3]]
    pool.run(60.0)
    pool.heal()
    converge(pool)

    assert [["after"]] * 4 == [names(agent) for agent in pool.agents]
    assert 1 == by_rumour.replicator.statistics().beyond
    beyond = by_rumour.replicator.take_beyond()
    assert beyond is not None
    assert ("web", "Service.Tags cannot contain more than 256 tags") == (beyond.key[2], beyond.excess)
    assert by_rumour.replicator.take_beyond() is None


def test_who_knew_the_service_before_has_it_gone_and_may_register_it_again() -> None:
    pool = ReplicaPool(2, "again")
    pool.start()
    pool.agents[1].write(ServiceRegistered(NODE, FEW))
    converge(pool)
    later = entry(Kind.SERVICE, "web", FIRST + (3_600_000 << 16), MANY)
    pool.agents[0].receive(encode_rumours([told(later)]), HOSTILE)
    converge(pool)
    assert [[], []] == [names(agent) for agent in pool.agents]

    pool.agents[1].write(ServiceRegistered(NODE, FEW))
    converge(pool)

    assert [["web"], ["web"]] == [names(agent) for agent in pool.agents]

"""Long absences, wrong clocks, lost disks, members gone for good."""

from __future__ import annotations

import pytest

from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.replica.params import ReplicaParams
from nodedns.replica.wire import encode_census, encode_delta, encode_range
from nodedns.table.changes import ExternalNode, NodeRegistered, ServiceDeregistered, ServiceRegistered
from nodedns.testing.replica_pool import Link, ReplicaAgent, ReplicaPool

HOUR_S = 3_600.0
DAY_MS = 86_400_000
QUICK = ReplicaParams(tombstone_s=30.0, collect_s=5.0, slice_entries=2)


def service(name: str, port: int = 80, node: str = "n0") -> ServiceRegistered:
    return ServiceRegistered(NodeName(node), Service(id=name, name=name, port=port))


def gone(name: str, node: str = "n0") -> ServiceDeregistered:
    return ServiceDeregistered(NodeName(node), name)


def pool_of(size: int, params: ReplicaParams = QUICK, *, loss: float = 0.0) -> ReplicaPool:
    pool = ReplicaPool(size, "healing", params, Link(loss=loss))
    pool.start()
    return pool


def names(agent: ReplicaAgent) -> list[str]:
    return sorted(key[2] or key[1] for key in agent.table)


def converge(pool: ReplicaPool, limit_s: float = 20.0) -> None:
    assert pool.run_until(lambda: pool.has_converged, limit_s) < limit_s


def test_what_was_deleted_during_a_long_absence_is_not_brought_back() -> None:
    pool = pool_of(3)
    pool.agents[0].write(service("kept"), service("deleted"))
    converge(pool)
    pool.part([pool.agents[2]])
    pool.agents[1].write(gone("deleted"))
    pool.agents[2].write(service("news"))
    pool.run(120.0)
    assert 0 == pool.agents[0].replicator.statistics().tombstones
    pool.heal()
    converge(pool)
    assert [["kept", "news"]] * 3 == [names(agent) for agent in pool.agents]
    assert 1 == pool.agents[2].replicator.statistics().census_drops


def test_both_sides_of_a_long_partition_delete_and_neither_brings_anything_back() -> None:
    pool = pool_of(4)
    pool.agents[0].write(*[service(name) for name in ("a", "b", "c")])
    converge(pool)
    pool.part(pool.agents[:2], pool.agents[2:])
    pool.agents[0].write(gone("a"), service("left"))
    pool.agents[3].write(gone("b"), service("right"))
    pool.run(120.0)
    pool.heal()
    converge(pool)
    assert [["c", "left", "right"]] * 4 == [names(agent) for agent in pool.agents]


def test_a_deletion_that_one_forgot_and_another_did_not_leaves_them_agreed() -> None:
    pool = pool_of(3)
    writer, deleter, late = pool.agents
    late.clock_error_ms = -20_000  # it forgets later than the others
    pool.part([writer], [deleter, late])
    writer.write(service("unseen"))
    pool.run(1.0)
    deleter.write(gone("unseen"))
    pool.run(38.0)
    pool.part([writer, deleter], [late])
    pool.run(3.0)
    assert [["unseen"], ["unseen"], []] == [names(agent) for agent in pool.agents]
    assert [0, 0, 1] == [agent.replicator.statistics().tombstones for agent in pool.agents]
    pool.heal()
    converge(pool, 8.0)
    assert [[]] * 3 == [names(agent) for agent in pool.agents]


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_census_of_many_parts_is_taken_in_whole(loss: float) -> None:
    pool = pool_of(2, loss=loss)
    pool.part([pool.agents[1]])
    pool.agents[0].write(service("deleted"), *[service(f"s{number}") for number in range(3_000)])
    pool.agents[0].write(gone("deleted"))
    pool.run(120.0)
    pool.heal()
    converge(pool)
    assert 3_000 == len(pool.agents[1].table)
    assert 1 <= pool.agents[1].replicator.statistics().censuses_taken


def test_a_census_is_there_after_a_restart() -> None:
    pool = pool_of(2)
    pool.agents[0].write(service("kept"), service("deleted"))
    converge(pool)
    pool.part([pool.agents[1]])
    pool.agents[0].write(gone("deleted"))
    pool.run(120.0)
    pool.heal()
    converge(pool)
    pool.agents[1].kill()
    pool.agents[1].start()
    assert ["kept"] == names(pool.agents[1])
    assert pool.has_converged


def test_a_census_that_nobody_asked_for_is_ignored() -> None:
    pool = pool_of(2)
    pool.agents[0].write(service("kept"))
    pool.agents[0].receive(encode_census(1, 0, [], is_last=True), NodeName("n1"))
    assert ["kept"] == names(pool.agents[0])
    assert 0 == pool.agents[0].replicator.statistics().censuses_taken


def test_a_census_that_stops_is_given_up_and_asked_for_again() -> None:
    pool = pool_of(2)
    pool.agents[0].write(*[service(f"s{number}") for number in range(3_000)], service("x"))
    pool.agents[0].write(gone("x"))
    pool.part([pool.agents[1]])
    pool.agents[1].kill(lost_records=len(pool.agents[1].disk))
    pool.run(120.0)
    pool.agents[1].start()
    pool.heal()
    pool.run(0.005)  # the census is under way
    pool.part([pool.agents[1]])
    pool.run(20.0)
    pool.heal()
    converge(pool)
    assert 3_000 == len(pool.agents[1].table)


def test_a_compacted_disk_brings_the_same_back() -> None:
    pool = pool_of(2)
    for port in range(50):
        pool.agents[0].write(service("web", port))
    converge(pool)
    pool.agents[1].write(service("other"), gone("web"))
    converge(pool)
    before = pool.agents[0].replicator.fingerprint
    pool.agents[0].compact()
    pool.agents[0].kill()
    pool.agents[0].start()
    assert ["other"] == names(pool.agents[0])
    assert before == pool.agents[0].replicator.fingerprint


def test_who_lost_its_disk_gets_its_own_registrations_back() -> None:
    pool = pool_of(3)
    pool.agents[0].write(service("web"), NodeRegistered(ExternalNode(NodeName("printer"), "", "10.0.0.9")))
    converge(pool)
    pool.agents[0].kill(lost_records=len(pool.agents[0].disk))
    pool.agents[0].clock_error_ms = -60_000
    pool.agents[0].start()
    pool.agents[0].write(service("news"))
    pool.introduce()
    converge(pool)
    assert [["news", "printer", "web"]] * 3 == [names(agent) for agent in pool.agents]


def test_a_version_from_a_clock_far_ahead_is_refused_and_counted_and_the_rest_is_heard() -> None:
    pool = pool_of(2)
    pool.agents[0].write(service("before"))
    pool.agents[0].clock_error_ms = 3 * DAY_MS
    pool.agents[0].write(service("ahead"))
    pool.run(5.0)
    assert ["before"] == names(pool.agents[1])
    assert 0 < pool.agents[1].replicator.statistics().future
    pool.agents[1].write(service("other"))
    pool.run(5.0)
    assert ["ahead", "before", "other"] == names(pool.agents[0])


def test_who_comes_back_from_the_future_writes_its_own_again() -> None:
    pool = pool_of(2)
    pool.agents[0].clock_error_ms = 3 * DAY_MS
    pool.agents[0].write(service("ahead"))
    pool.run(5.0)
    pool.agents[0].clock_error_ms = 0
    converge(pool)
    assert ["ahead"] == names(pool.agents[1])
    pool.agents[1].write(gone("ahead"))
    converge(pool)
    assert [] == names(pool.agents[0])


def test_a_clock_that_goes_back_never_makes_a_version_go_back() -> None:
    pool = pool_of(2)
    pool.agents[0].write(service("web", 1))
    converge(pool)
    pool.agents[1].clock_error_ms = -3_600_000
    pool.agents[1].write(service("web", 2))
    pool.agents[1].write(service("web", 3))
    converge(pool)
    assert [3, 3] == [next(iter(agent.table.values())).port for agent in pool.agents]  # type: ignore[union-attr]


def test_two_that_share_a_stream_are_told_apart() -> None:
    pool = pool_of(2)
    pool.agents[0].write(service("web"))
    (origin,) = pool.agents[0].replicator.lines()
    known = pool.agents[0].replicator.lines()[origin]
    claim = encode_delta(0, [encode_range(origin, known, known + 1, [])])
    pool.agents[0].receive(claim, NodeName("n1"))
    pool.agents[0].write(service("next"))
    assert 1 == pool.agents[0].replicator.statistics().renewed
    assert 2 == len(pool.agents[0].replicator.lines())
    converge(pool)
    assert ["next", "web"] == names(pool.agents[1])


def test_what_belongs_to_a_member_that_is_gone_is_deleted_once() -> None:
    pool = pool_of(3)
    pool.agents[2].write(service("web", node="n2"), service("web", node="printer"))
    converge(pool)
    pool.agents[2].kill()
    pool.introduce()
    for agent in pool.agents[:2]:
        agent.replicator.forget(NodeName("N2"), pool.engine.now)
        agent.settle()
    pool.run(90.0)
    assert [("printer", "web")] == [key[1:] for key in pool.agents[0].table]
    assert 1 == sum(agent.replicator.statistics().written for agent in pool.agents[:2])


def test_a_member_that_is_back_in_time_keeps_what_it_has() -> None:
    pool = pool_of(2)
    pool.agents[0].write(service("web", node="n1"))
    pool.agents[0].replicator.forget(NodeName("n1"), pool.engine.now)
    pool.agents[0].replicator.keep(NodeName("n1"))
    pool.run(90.0)
    assert ["web"] == names(pool.agents[0])


def test_services_of_an_external_node_stay_when_a_member_of_its_name_is_gone() -> None:
    pool = pool_of(2)
    pool.agents[0].write(NodeRegistered(ExternalNode(NodeName("n9"), "", "10.0.0.9")), service("web", node="n9"))
    pool.agents[0].replicator.forget(NodeName("n9"), pool.engine.now)
    pool.run(90.0)
    assert ["n9", "web"] == names(pool.agents[0])


def test_an_origin_without_entries_is_forgotten_in_the_end_and_can_write_again() -> None:
    pool = pool_of(2, ReplicaParams(tombstone_s=30.0, stream_s=100.0, collect_s=5.0))
    pool.agents[0].write(service("web"))
    pool.agents[0].write(gone("web"))
    pool.run(200.0)
    assert [0, 0] == [agent.replicator.statistics().streams for agent in pool.agents]
    pool.agents[0].write(service("again"))
    converge(pool)
    assert ["again"] == names(pool.agents[1])


def test_ensure_writes_only_what_is_not_so() -> None:
    pool = pool_of(1)
    agent = pool.agents[0]
    agent.write(service("web"))
    assert 0 == agent.replicator.ensure([service("web"), gone("other")], 1.0, agent.wall_ms)
    assert 1 == agent.replicator.ensure([service("web", 81)], 1.0, agent.wall_ms)
    assert 1 == agent.replicator.ensure([gone("web")], 1.0, agent.wall_ms)


def test_a_rumour_behind_a_gap_is_followed_by_what_was_lost() -> None:
    pool = pool_of(2, ReplicaParams(exchange_s=HOUR_S))
    pool.run(1.0)
    pool.link = Link(loss=1.0)
    pool.agents[0].write(service("lost"))
    pool.run(5.0)
    assert [] == names(pool.agents[1])
    pool.link = Link()
    pool.agents[0].write(service("heard"))
    pool.run(0.5)
    assert ["heard", "lost"] == names(pool.agents[1])


def test_many_more_than_fit_in_one_reply_arrive_within_seconds() -> None:
    pool = pool_of(2, ReplicaParams(exchange_s=HOUR_S))
    pool.part([pool.agents[1]])
    pool.agents[0].write(*[service(f"s{number}") for number in range(8_000)])
    pool.run(10.0)
    pool.heal()
    converge(pool, 2.0)
    assert 8_000 == len(pool.agents[1].table)

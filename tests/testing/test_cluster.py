from __future__ import annotations

import pytest

from nodedns.gossip.params import LAN
from nodedns.model.member import MemberStatus
from nodedns.serf.params import SerfParams
from nodedns.testing.builders import address_number, names_of, serf_members, swim_members
from nodedns.testing.runners import engine_cluster
from nodedns.testing.trace import Trace


def test_addresses_are_of_the_simulated_network() -> None:
    assert "10.1.0.1:8301" == str(address_number(1))
    assert "10.1.4.1:8301" == str(address_number(1025))


def test_names_sort_as_their_numbers() -> None:
    names = names_of("n", range(120))
    assert list(names) == sorted(names)


def test_member_keeps_address_and_disk_over_a_restart() -> None:
    engine, cluster = engine_cluster(serf_members(), seed=1)
    cluster.start("a")
    cluster.start("b", "a")
    engine.run_until(3)
    cluster.kill("b")
    written = bytes(cluster.disk("b").snapshot)
    address = cluster.address("b")
    cluster.start("b")
    engine.run_until(3.1)
    assert b"alive: a 10.1.0.1:8301\n" in written
    assert bytes(cluster.disk("b").snapshot).startswith(written)
    assert address == cluster.address("b")


def test_running_member_cannot_be_started() -> None:
    _, cluster = engine_cluster(swim_members(), seed=1)
    cluster.start("a")
    with pytest.raises(ValueError, match="a is running"):
        cluster.start("a")


def test_member_that_has_left_runs_no_more() -> None:
    engine, cluster = engine_cluster(serf_members(LAN, SerfParams(leave_propagate_delay_s=1.0)), seed=1)
    cluster.start("a")
    cluster.start("b", "a")
    engine.run_until(2)
    cluster.leave("b")
    assert ["a"] == list(cluster.in_touch())
    assert ["a", "b"] == list(cluster.running)
    engine.run_until(12)
    assert ["a"] == list(cluster.running)
    assert {"a": MemberStatus.ALIVE, "b": MemberStatus.LEFT} == cluster.views()["a"]


def test_join_of_one_who_does_not_run_any_more_does_nothing() -> None:
    engine, cluster = engine_cluster(swim_members(), seed=1)
    cluster.start("a")
    cluster.start("b", "a")
    cluster.kill("b")
    engine.run_until(1)
    assert ["a"] == list(cluster.views()["a"])


def test_trace_depends_on_order_time_and_content() -> None:
    digests = set()
    for notes in ([(1.0, "a"), (2.0, "b")], [(2.0, "b"), (1.0, "a")], [(1.0, "a"), (2.5, "b")], [(1.0, "a")]):
        trace = Trace()
        for when, text in notes:
            trace.note(when, text)
        digests.add(trace.digest())
    assert 4 == len(digests)

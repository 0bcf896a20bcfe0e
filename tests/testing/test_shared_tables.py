"""A pool of shared rows behaves as one in which every member has its own."""

from __future__ import annotations

import attrs
import pytest

from nodedns.gossip.events import GossipEvent, NodeUpdated
from nodedns.gossip.params import LAN
from nodedns.model.member import NodeState
from nodedns.testing.shared_tables import SharedPool

QUIET = attrs.evolve(LAN, push_pull_interval_s=0.0)


def pool_of(size: int, heard: list[tuple[float, int, GossipEvent]] | None = None) -> SharedPool:
    def listen(when: float, number: int, event: GossipEvent) -> None:
        if heard is not None:
            heard.append((when, number, event))

    return SharedPool(QUIET, size, 1, listen)


def test_members_know_each_other_and_probe_in_orders_of_their_own() -> None:
    pool = pool_of(30)
    assert {30} == {core.size for core in pool.cores} | {core.alive_count() for core in pool.cores}
    orders = {tuple(core._table[index].member.name for index in range(30)) for core in pool.cores}
    assert len(orders) > 20
    assert {30} == {len(set(order)) for order in orders}


def test_quiet_pool_only_probes() -> None:
    heard: list[tuple[float, int, GossipEvent]] = []
    pool = pool_of(50, heard)
    pool.engine.run_until(4.0)
    assert 50 * 2 * 4 == pytest.approx(pool.network.statistics().sent, rel=0.05)
    assert [] == [event for _, _, event in heard if isinstance(event, NodeUpdated)]


def test_update_reaches_everybody_and_what_one_knows_the_others_do_not() -> None:
    heard: list[tuple[float, int, GossipEvent]] = []
    pool = pool_of(50, heard)
    pool.engine.run_until(1.0)
    pool.update(7, b"new")
    assert [2 if number == 7 else 1 for number in range(50)] == [core.claims()["n00007"] for core in pool.cores]
    pool.engine.run_until(4.0)
    assert {(NodeState.ALIVE, 2)} == {core.claim_of("n00007") for core in pool.cores}
    assert set(range(50)) == {number for _, number, event in heard if isinstance(event, NodeUpdated)}
    assert {(NodeState.ALIVE, 1)} == {core.claim_of("n00008") for core in pool.cores}


def test_name_that_nobody_has_is_not_listed() -> None:
    assert pool_of(5).cores[0].claim_of("nobody") is None


def test_pool_with_push_pull_is_refused() -> None:
    with pytest.raises(ValueError, match="push_pull_interval_s must be 0"):
        SharedPool(LAN, 5, 1, lambda *_: None)

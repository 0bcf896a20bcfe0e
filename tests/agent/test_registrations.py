"""Registrations of one agent: stored before they count, kept over restarts, gone with their node."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import attrs
import pytest
import trio
import trio.testing

from nodedns.agent.live_table import LiveTable
from nodedns.agent.local_member import make_serf
from nodedns.agent.memory import open_memory
from nodedns.agent.registrations import Registration, Registrations
from nodedns.agent.replication import FORGET_S, TABLE_CHANGES, Replication
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import DataDirError, TooBig
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.observe.metrics import REPLICA_MEMORY, REPLICA_REFUSED, Metrics
from nodedns.replica.entry import ORIGIN_BYTES, Entry, Kind, Origin
from nodedns.replica.params import MAX_MEMORY_BYTES, MAX_MESSAGE_BYTES, ReplicaParams
from nodedns.replica.replicator import Replicator
from nodedns.replica.wire import encode_delta, encode_entry, encode_range
from nodedns.serf.events import MemberChanged, MemberChangeKind, PeerMessage
from nodedns.serf.peer_mail import MAX_PEER_STREAM_BYTES
from nodedns.table.changes import (
    CheckRegistered,
    ExternalNode,
    NodeDeregistered,
    NodeRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.table.node_table import NodeTable
from nodedns.testing.processes import DEADLINE_S
from nodedns.testing.table_agent import agent_member

PRINTER = NodeName("Printer")
NODE = NodeRegistered(ExternalNode(PRINTER, "", "10.0.0.9"))
WEB = ServiceRegistered(PRINTER, Service("web-1", "web", port=80))
ALIVE = CheckRegistered(PRINTER, Check("alive", "alive", CheckStatus.PASSING, service_id="web-1"))
PORT = 8301
WALL_S = 1_700_000_000.0


@attrs.define
class Kept:
    """An agent's registrations, without its sockets."""

    registrations: Registrations
    replication: Replication
    table: LiveTable
    metrics: Metrics

    def services(self) -> list[str]:
        services = self.table.view.node_services(PRINTER)
        return [] if services is None else [instance.service.id for instance in services.instances]

    def nodes(self) -> list[str]:
        return [row.address for row in self.table.view.nodes()]


@contextmanager
def opened(
    folder: Path | None,
    wall_clock: Callable[[], float] = lambda: WALL_S,
    *,
    max_memory_bytes: int = MAX_MEMORY_BYTES,
) -> Iterator[Kept]:
    config: AgentConfig = attrs.evolve(load(ConfigSources(dev=True, flags={"node": "one"})), data_dir=folder)
    metrics = Metrics()
    rng = Random("one")
    with open_memory(config, metrics, rng.randbytes) as memory:
        table = LiveTable(NodeTable(config.datacenter, NodeName("one"), first_index=1), metrics)
        serf = make_serf(config, memory, PORT, rng=rng, entropy=rng.randbytes)
        replication = Replication(
            memory,
            table,
            serf,
            lambda: None,
            metrics,
            datacenter=config.datacenter,
            rng=rng,
            wall_clock=wall_clock,
            max_memory_bytes=max_memory_bytes,
        )
        yield Kept(Registrations(replication), replication, table, metrics)


def play(folder: Path | None, story: Callable[[Kept], Awaitable[None]], *, is_killed: bool = True) -> None:
    """Run ``story``; an agent that is killed writes nothing more at its end."""

    async def main() -> None:
        with opened(folder) as kept:
            if is_killed:
                await story(kept)
                return
            async with trio.open_nursery() as nursery:
                await nursery.start(kept.replication.run)
                await story(kept)
                nursery.cancel_scope.cancel()

    trio.run(main)


def apply(*changes: Registration) -> Callable[[Kept], Awaitable[None]]:
    async def story(kept: Kept) -> None:
        await kept.registrations.apply(changes)

    return story


def held(folder: Path) -> tuple[list[str], list[str]]:
    """Return the addresses of nodes and the services of the printer after a restart."""
    found: list[tuple[list[str], list[str]]] = []

    async def story(kept: Kept) -> None:
        found.append((kept.nodes(), kept.services()))

    play(folder, story)
    return found[0]


def test_what_was_applied_is_there_after_kill_9(tmp_path: Path) -> None:
    play(tmp_path, apply(NODE, WEB))
    assert (["10.0.0.9"], ["web-1"]) == held(tmp_path)
    assert (["10.0.0.9"], ["web-1"]) == held(tmp_path)


def test_what_was_noted_is_there_after_a_stop(tmp_path: Path) -> None:
    async def story(kept: Kept) -> None:
        kept.registrations.note([NODE, WEB])
        assert (["10.0.0.9"], ["web-1"]) == (kept.nodes(), kept.services())

    play(tmp_path, story, is_killed=False)
    assert (["10.0.0.9"], ["web-1"]) == held(tmp_path)


def test_last_of_two_writes_counts_after_kill_9(tmp_path: Path) -> None:
    other = NodeRegistered(ExternalNode(PRINTER, "", "10.0.0.10"))
    play(tmp_path, apply(NODE))
    play(tmp_path, apply(other))
    assert (["10.0.0.10"], []) == held(tmp_path)


def test_registrations_without_a_directory_count_at_once() -> None:
    async def story(kept: Kept) -> None:
        await kept.registrations.apply([NODE, WEB])
        assert (["10.0.0.9"], ["web-1"]) == (kept.nodes(), kept.services())

    play(None, story)


def test_node_takes_its_services_and_checks_along(tmp_path: Path) -> None:
    async def story(kept: Kept) -> None:
        await kept.registrations.apply([NODE, WEB, ALIVE])
        await kept.registrations.apply([NodeDeregistered(NodeName("PRINTER"))])
        assert ([], []) == (kept.nodes(), kept.services())
        assert ((), ()) == kept.table.registered(PRINTER)

    play(tmp_path, story)
    play(tmp_path, apply(NODE))
    assert (["10.0.0.9"], []) == held(tmp_path)


def test_taken_name_loses_its_external_node_and_keeps_its_services(tmp_path: Path) -> None:
    async def story(kept: Kept) -> None:
        await kept.registrations.apply([NODE, WEB])
        kept.registrations.take_name(NodeName("PRINTER"))
        kept.registrations.take_name(NodeName("nobody"))
        assert not kept.table.has_external(PRINTER)
        assert ["web-1"] == [service.id for service in kept.table.registered(PRINTER)[0]]

    play(tmp_path, story, is_killed=False)
    assert ([], []) == held(tmp_path)


def test_what_is_not_there_is_gone_without_being_written(tmp_path: Path) -> None:
    async def story(kept: Kept) -> None:
        await kept.registrations.apply([NodeDeregistered(PRINTER), ServiceDeregistered(PRINTER, "web-1")])
        assert 0 == kept.metrics.value("nodedns_replica_entries")

    play(tmp_path, story)
    assert not (tmp_path / "registrations.changes.0").exists()


def test_what_is_registered_and_deregistered_in_one_breath_is_gone(tmp_path: Path) -> None:
    async def story(kept: Kept) -> None:
        await kept.registrations.apply([NODE, WEB, ServiceDeregistered(PRINTER, "web-1")])
        assert [] == kept.services()

    play(tmp_path, story)
    assert (["10.0.0.9"], []) == held(tmp_path)


def test_deregistration_does_not_overtake_a_registration_on_its_way_to_the_disk(tmp_path: Path) -> None:
    come: list[Registration] = [NODE, WEB]
    gone: list[Registration] = [NodeDeregistered(PRINTER)]

    async def story(kept: Kept) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept.registrations.apply, come)
            await trio.lowlevel.checkpoint()
            nursery.start_soon(kept.registrations.apply, gone)
        assert ([], []) == (kept.nodes(), kept.services())

    play(tmp_path, story)


def test_what_cannot_be_stored_does_not_count_and_later_it_does(tmp_path: Path) -> None:
    async def story(kept: Kept) -> None:
        changes = tmp_path / "registrations.changes.0"
        changes.mkdir()
        with pytest.raises(DataDirError, match="cannot write"):
            await kept.registrations.apply([NODE])
        assert [] == kept.nodes()
        changes.rmdir()
        await kept.registrations.apply([NODE])

    play(tmp_path, story)
    assert (["10.0.0.9"], []) == held(tmp_path)


def test_registration_that_is_too_long_is_refused_and_none_beside_it_counts(tmp_path: Path) -> None:
    huge = ServiceRegistered(PRINTER, Service("web-1", "web", meta={"page": "x" * 100_000}))

    async def story(kept: Kept) -> None:
        with pytest.raises(TooBig):
            await kept.registrations.apply([NODE, huge])
        with pytest.raises(TooBig):
            kept.registrations.note([NODE, huge])
        assert [] == kept.nodes()

    play(tmp_path, story)


def test_services_of_a_name_that_nobody_has_are_forgotten_after_a_while() -> None:
    async def main() -> None:
        with opened(None) as kept:
            async with trio.open_nursery() as nursery:
                await nursery.start(kept.replication.run)
                await kept.registrations.apply([WEB])
                await trio.sleep(FORGET_S - 7200.0)
                assert 1 == len(kept.table.registered(PRINTER)[0])
                await trio.sleep(4 * 3600.0)
                assert ((), ()) == kept.table.registered(PRINTER)
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_services_of_an_external_node_stay() -> None:
    async def main() -> None:
        with opened(None) as kept:
            async with trio.open_nursery() as nursery:
                await nursery.start(kept.replication.run)
                await kept.registrations.apply([NODE, WEB])
                await trio.sleep(2 * FORGET_S)
                assert ["web-1"] == kept.services()
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize(("days_ahead", "nodes", "warnings"), [(0.9, ["10.0.0.9"], 0), (3.0, [], 1)])
def test_registrations_from_a_clock_that_is_far_ahead_are_warned_of(
    caplog: pytest.LogCaptureFixture, days_ahead: float, nodes: list[str], warnings: int
) -> None:
    caplog.set_level(logging.WARNING, "nodedns")
    peer = agent_member("two", "10.0.0.2")

    async def story(kept: Kept) -> None:
        kept.replication.note(MemberChanged(MemberChangeKind.JOIN, peer))
        for payload in rumours_of([NODE, WEB], wall_ms=round((WALL_S + days_ahead * 86_400.0) * 1000)):
            kept.replication.note(PeerMessage(peer.name, payload, peer.address))
        assert nodes == kept.nodes()

    play(None, story)
    assert warnings == len([record for record in caplog.records if "ahead of our clock" in record.getMessage()])


def rumours_of(changes: list[Registration], wall_ms: int) -> list[bytes]:
    """Return what an agent with this clock tells others when it writes ``changes``."""
    writer = Replicator(ReplicaParams(), b"a" * 16, Random("two"))
    writer.start(0.0, wall_ms)
    writer.set_peers([NodeName("one")], 0.0)
    writer.write(changes, 0.0, wall_ms)
    writer.handle_timer(10.0, wall_ms)
    return [message.payload for message in writer.messages_to_send()]


def test_registration_beyond_a_limit_is_warned_of_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "nodedns")
    peer = agent_member("two", "10.0.0.2")
    origin = Origin(b"o" * ORIGIN_BYTES)
    wide = Service("wide", "web", tuple(f"t{number}" for number in range(257)))
    told = [
        encode_entry(Entry((Kind.NODE, "", ""), PRINTER, 1, origin, NODE.node)),
        encode_entry(Entry((Kind.SERVICE, "", wide.id), PRINTER, 2, origin, wide)),
        encode_entry(Entry((Kind.SERVICE, "", "web-1"), PRINTER, 3, origin, WEB.service)),
    ]

    async def story(kept: Kept) -> None:
        kept.replication.note(MemberChanged(MemberChangeKind.JOIN, peer))
        delta = encode_delta(0, [encode_range(origin, 0, 3, told)])
        for _ in range(2):
            kept.replication.note(PeerMessage(peer.name, delta, peer.address))
        assert ["web-1"] == kept.services()
        assert 1 == kept.metrics.value(REPLICA_REFUSED.name, reason="beyond")

    play(None, story)
    assert [
        {
            "from": "two",
            "node": "'Printer'",
            "id": "'wide'",
            "why": "Service.Tags cannot contain more than 256 tags",
        }
    ] == [vars(record)["nodedns_fields"] for record in caplog.records if "beyond a limit" in record.getMessage()]


async def test_nothing_new_is_registered_once_registrations_take_all_the_memory_they_may(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "nodedns")
    moved = NodeRegistered(attrs.evolve(NODE.node, address="10.0.0.10"))
    peer = agent_member("two", "10.0.0.2")
    with opened(None, max_memory_bytes=500) as kept:
        await kept.registrations.apply([NODE])
        with pytest.raises(TooBig, match="the memory of the pool's registrations is "):
            await kept.registrations.apply([WEB])
        await kept.registrations.apply([moved])
        kept.replication.note(MemberChanged(MemberChangeKind.JOIN, peer))
        for payload in rumours_of([WEB], wall_ms=round(WALL_S * 1000)):
            kept.replication.note(PeerMessage(peer.name, payload, peer.address))

        assert (["10.0.0.10"], []) == (kept.nodes(), kept.services())
        assert 500 < kept.metrics.value(REPLICA_MEMORY.name) < 2_000
        assert 1 == len([record for record in caplog.records if "more than an agent holds" in record.getMessage()])


def test_longest_message_of_a_replica_fits_into_a_stream() -> None:
    assert MAX_MESSAGE_BYTES <= MAX_PEER_STREAM_BYTES


async def test_many_changes_of_others_enter_the_table_in_turns_and_ours_at_once() -> None:
    count = 20 * TABLE_CHANGES
    names = [NodeName(f"node-{number:04}") for number in range(count)]
    origin = Origin(b"o" * ORIGIN_BYTES)
    told = [
        encode_entry(Entry((Kind.NODE, name, ""), name, version, origin, ExternalNode(name, "", "10.0.0.1")))
        for version, name in enumerate(names, 1)
    ]
    delta = encode_delta(0, [encode_range(origin, 0, count, told)])
    peer = agent_member("two", "10.0.0.2")
    with opened(None) as kept, trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(kept.replication.run)
            kept.replication.note(MemberChanged(MemberChangeKind.JOIN, peer))
            kept.replication.note(PeerMessage(peer.name, delta, peer.address))
            before = len(kept.nodes())
            ours = ExternalNode(names[-1], "", "10.0.0.9")
            await kept.registrations.apply([NodeRegistered(ours)])
            at_once = kept.nodes()
            while len(kept.nodes()) < count:
                await trio.lowlevel.checkpoint()
            for _ in range(count):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

        assert before < count / 2
        assert "10.0.0.9" in at_once
        assert ["10.0.0.1"] * (count - 1) + ["10.0.0.9"] == kept.nodes()

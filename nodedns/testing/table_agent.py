"""``TableAgent``: an agent that is a node table and nothing else, for tests of the HTTP API.

It satisfies ``AgentActions``: registrations change its table at once, every
action is noted in ``performed``, then ``on_performed`` is called. What members reply
to a question is sent into ``reply``, which is closed at the question's end. ``apply`` changes the table as gossip
would, ``locate`` a coordinate as a probe would; ``coordinates`` set to None turns them off,
``access`` says who may do what.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from nodedns.api.access import AccessRules
from nodedns.api.actions import Action, ActionResult, FireEvent, FirePlainEvent, Register
from nodedns.api.blocking import Topic
from nodedns.api.context import AgentFacts, ApiContext, KnownCoordinates, LocalReadings, RecentEvents
from nodedns.api.queries import AskPool, Progress
from nodedns.errors import LocalProtocolError
from nodedns.model.address import Address
from nodedns.model.coordinate import Coordinate
from nodedns.model.fired_event import FiredEvent
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.changes import Change
from nodedns.table.member_facts import tags_for
from nodedns.table.node_table import NodeTable
from nodedns.table.parts import WHOLE, Part
from nodedns.testing.chance import seeded_random

__all__ = ["PLAIN_EVENT_ID", "TableAgent", "agent_member"]

MAX_REPLIES = 16
PLAIN_EVENT_ID = "00000000-0000-5000-8000-000000000001"
"""The ID that it gives every plain event."""


def agent_member(
    name: str, host: str = "10.0.0.1", *, is_server: bool = False, status: MemberStatus = MemberStatus.ALIVE
) -> SerfMember:
    """Return a member as a nodedns agent announces itself; its id ends in its name's bytes."""
    node_id = f"00000000-0000-4000-8000-{name.encode()[:6].hex():0>12}"
    tags = tags_for(
        version="0.1.0", datacenter="dc1", node_id=node_id, is_server=is_server, dns_port=8600, meta={"rack": name}
    )
    versions = Versions(bytes((1, 5, 2, 2, 5, 5)))
    return SerfMember(NodeName(name), Address.from_text(host, 8301), tags, status, versions)


class TableAgent:
    """A node table behind the seam that the HTTP server asks.

    Args:
        local_name: This agent's node name.
        first_index: Index of the empty table.
        cluster_known: Whether absent names are known to be absent.
        is_server: Whether it says that it is a server.
        is_dev: Whether it says that it runs in dev mode.
    """

    def __init__(
        self,
        local_name: str = "one",
        first_index: int = 1,
        *,
        cluster_known: bool = True,
        is_server: bool = False,
        is_dev: bool = False,
    ) -> None:
        self.performed: list[Action] = []
        self.asked: list[AskPool] = []
        self.reply, self.replies = trio.open_memory_channel[Progress](MAX_REPLIES)
        self.coordinates: dict[str, Coordinate] | None = {}
        self.coordinates_index = 1
        self.recent_events = RecentEvents()
        self.access = AccessRules()
        self.waited_for: list[Part] = []
        self.local = LocalReadings()
        self.failure: Exception | None = None
        self.on_performed: Callable[[], None] = _do_nothing
        self.table = NodeTable("dc1", NodeName(local_name), first_index, cluster_known=cluster_known)
        self._facts = AgentFacts(
            node_name=local_name,
            node_id=f"id-of-{local_name}",
            datacenter="dc1",
            version="0.1.0",
            revision="abc",
            is_server=is_server,
            is_dev=is_dev,
            bind_addr="10.0.0.1",
        )
        self._changed = trio.Event()

    def apply(self, *changes: Change) -> None:
        """Change the table and wake whoever waits."""
        self.table.apply(changes)
        self._changed.set()
        self._changed = trio.Event()

    def api_context(self) -> ApiContext:
        """Return what handlers may look at, as of now."""
        known = None if self.coordinates is None else KnownCoordinates(self.coordinates_index, self.coordinates.get)
        return ApiContext(
            view=self.table.view,
            facts=self._facts,
            rng=seeded_random("api"),
            coordinates=known,
            recent_events=self.recent_events,
            access=self.access,
            local=self.local,
        )

    def locate(self, name: str, coordinate: Coordinate) -> None:
        """Have a node's coordinate known, and wake whoever waits."""
        if self.coordinates is None:
            raise LocalProtocolError("coordinates are turned off")
        self.coordinates[name] = coordinate
        self.coordinates_index += 1
        self._changed.set()
        self._changed = trio.Event()

    async def wait_changed(self, index: int, topic: Topic = Topic.TABLE, part: Part = WHOLE) -> None:
        """Return once the index of the table, or of the other topic, is above ``index``; ``part`` is noted."""
        self.waited_for.append(part)
        while self._index_of(topic) <= index:
            await self._changed.wait()

    def _index_of(self, topic: Topic) -> int:
        match topic:
            case Topic.TABLE:
                return self.table.view.index
            case Topic.COORDINATES:
                return self.coordinates_index
            case Topic.EVENTS:
                return self.recent_events.seen
            case Topic.LOCAL:
                return self.local.revision

    def have(self, local: LocalReadings) -> None:
        """Have services and checks of the agent be these, and wake whoever waits."""
        self.local = local
        self._changed.set()
        self._changed = trio.Event()

    def see(self, *events: FiredEvent) -> None:
        """Have user events arrive, as gossip would, and wake whoever waits."""
        before = self.recent_events
        self.recent_events = RecentEvents(before.events + events, before.seen + len(events))
        self._changed.set()
        self._changed = trio.Event()

    async def perform(self, action: Action) -> ActionResult:
        """Carry out a registration, note anything else; raise ``failure`` if one is set."""
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        self.performed.append(action)
        match action:
            case Register(changes=changes):
                self.apply(*changes)
            case FireEvent(event=event):
                return event
            case FirePlainEvent(name=name, payload=payload):
                return FiredEvent(event_id=PLAIN_EVENT_ID, name=name, payload=payload, version=0, ltime=1)
        self.on_performed()
        return None

    async def follow(self, question: AskPool, tell: Callable[[Progress], Awaitable[None]]) -> None:
        """Note a question, raise ``failure`` if one is set, and tell what ``replies`` sends, to its end."""
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        self.asked.append(question)
        async for progress in self.replies:
            await tell(progress)


def _do_nothing() -> None:
    pass

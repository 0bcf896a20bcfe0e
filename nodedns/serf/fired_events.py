"""Consul's events inside Serf's user events, plain Serf events beside them, and whom an event is for.

Strategy: an event of Consul's is a Serf user event named ``consul:event:NAME`` whose
payload is a map of ID, name, payload, filters and version. Any other name that
begins with ``consul:`` is talk among Consul's servers and no event for anybody
else. What is left are plain Serf events. They carry no ID, so they are given one
made of Lamport time, name and payload, which is what makes two of them the same to
Serf as well; every agent makes the same ID.

What it does not do: size limits and delivery (``serf/user_events.py``), keeping events.

Source: Consul's agent/user_event.go (gossip-protocol 5.4).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable

import attrs

from nodedns.errors import GossipWireError
from nodedns.gossip.kinds import BYTES, I64, STR, wire
from nodedns.gossip.wire import decode_body_untrusted, encode_body
from nodedns.model.fired_event import FiredEvent
from nodedns.serf.events import UserEventReceived
from nodedns.serf.filter_budget import COMPILE_STEPS, FilterTooCostly
from nodedns.serf.regex import BadPattern, Pattern, compile_pattern

__all__ = [
    "FilteredService",
    "check_filters",
    "decode_fired_event_untrusted",
    "encode_fired_event",
    "is_meant_for",
    "plain_event",
]

CONSUL_PREFIX = "consul:"
EVENT_PREFIX = "consul:event:"
MAX_VERSION = 1  # Consul's userEventMaxVersion: what is newer may mean something else
REMOTE_EXEC = "_rexec"  # Consul's remote execution, which never lists it either

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Makes the IDs of plain events; another value would make other IDs than the agents of other versions.
_PLAIN_NAMESPACE = uuid.UUID("6f1d3c52-0a6e-5b1e-9a41-3f0c7f5d2b10")


@attrs.frozen
class _Body:
    """The payload of a ``consul:event:`` user event."""

    event_id: str = attrs.field(metadata=wire("ID", STR))
    name: str = attrs.field(metadata=wire("n", STR))
    payload: bytes = attrs.field(metadata=wire("p", BYTES, optional=True))
    node_filter: str = attrs.field(metadata=wire("nf", STR, optional=True))
    service_filter: str = attrs.field(metadata=wire("sf", STR, optional=True))
    tag_filter: str = attrs.field(metadata=wire("tf", STR, optional=True))
    version: int = attrs.field(metadata=wire("v", I64))


@attrs.frozen
class FilteredService:
    """What an event's filters look at in a service of ours."""

    name: str
    tags: tuple[str, ...] = ()


def encode_fired_event(event: FiredEvent) -> tuple[str, bytes]:
    """Return name and payload of the Serf user event that carries ``event`` as Consul's agents do."""
    body = _Body(
        event.event_id,
        event.name,
        event.payload,
        event.node_filter,
        event.service_filter,
        event.tag_filter,
        event.version,
    )
    return EVENT_PREFIX + event.name, encode_body(body)


def decode_fired_event_untrusted(received: UserEventReceived) -> FiredEvent | None:
    """Return the event that a Serf user event stands for; None for one that is not for applications.

    Raises:
        GossipWireError: It is named as Consul's and is none that can be read.
    """
    if not received.name.startswith(CONSUL_PREFIX):
        return plain_event(received)
    if not received.name.startswith(EVENT_PREFIX):
        return None
    body = decode_body_untrusted(_Body, received.payload, "Consul event")
    if _UUID.fullmatch(body.event_id) is None:
        raise GossipWireError("Consul event", 0, "its ID is no UUID")
    if not 0 < body.version <= MAX_VERSION:
        raise GossipWireError("Consul event", 0, f"version {body.version} is not known")
    if body.name == REMOTE_EXEC:
        return None
    return FiredEvent(
        event_id=body.event_id.lower(),
        name=body.name,
        payload=body.payload,
        node_filter=body.node_filter,
        service_filter=body.service_filter,
        tag_filter=body.tag_filter,
        version=body.version,
        ltime=received.ltime,
    )


def plain_event(received: UserEventReceived) -> FiredEvent:
    """Return a plain Serf event with the ID that every agent gives it."""
    name = received.name.encode("utf-8", "surrogateescape")
    identity = f"{received.ltime} {name.hex()} {received.payload.hex()}"
    return FiredEvent(
        event_id=str(uuid.uuid5(_PLAIN_NAMESPACE, identity)),
        name=received.name,
        payload=received.payload,
        version=0,
        ltime=received.ltime,
    )


def check_filters(event: FiredEvent) -> None:
    """Raise ``BadPattern``, in Consul's words, for a filter that no agent could read."""
    for kind, pattern in (
        ("node", event.node_filter),
        ("service", event.service_filter),
        ("tag", event.tag_filter),
    ):
        try:
            compile_pattern(pattern)
        except BadPattern as problem:
            raise BadPattern(f"Invalid {kind} filter: {problem}") from None


def is_meant_for(
    event: FiredEvent, node_name: str, services: Iterable[FilteredService], may_spend: Callable[[int], bool]
) -> bool:
    """Whether the filters let ``event`` through to a node of this name with these services.

    Args:
        event: Any.
        node_name: Of the node.
        services: On it.
        may_spend: Asked before each pattern and each match, with the steps that it may take at most.

    Raises:
        BadPattern: A filter that had to be looked at is not RE2, or beyond our bounds.
        FilterTooCostly: ``may_spend`` said no.
    """

    def pay(steps: int) -> None:
        if not may_spend(steps):
            raise FilterTooCostly("there is more to match than there is time for")

    def compiled(expression: str) -> Pattern:
        pay(COMPILE_STEPS)
        return compile_pattern(expression)

    def matches(pattern: Pattern, text: str) -> bool:
        pay(pattern.states * (len(text) + 1))
        return pattern.search(text)

    if event.node_filter and not matches(compiled(event.node_filter), node_name):
        return False
    if not event.service_filter:
        return True
    service_pattern, tag_pattern = compiled(event.service_filter), compiled(event.tag_filter)
    return any(
        matches(service_pattern, service.name)
        and (not event.tag_filter or any(matches(tag_pattern, tag) for tag in service.tags))
        for service in services
    )

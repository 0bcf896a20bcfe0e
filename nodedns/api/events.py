"""``/v1/event``: firing user events, and the list of those that this agent saw last.

Strategy: an event is fired in Consul's form, so that Consul's agents take it too, unless
``?plain`` asks for a plain Serf event, which the handlers of ``serf`` agents see. The list has both.

The list's index is not like others: it is made of the last event's ID, so it neither rises nor
falls, and a reader waits only while it is the very one that was given.

Source: Consul agent/event_endpoint.go, agent/user_event.go.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from typing import cast

import attrs

from nodedns.api.actions import ActionResult, FireEvent, FirePlainEvent, Perform
from nodedns.api.blocking import QueryOptions, Topic, Wait, parse_options, refuse_unless_local
from nodedns.api.context import ApiContext, Json
from nodedns.api.encode import json_response
from nodedns.api.request import Request, Response
from nodedns.errors import ApiError
from nodedns.model.fired_event import FiredEvent

__all__ = ["fire", "get_list"]

MAX_PAYLOAD_BYTES = 300
"""Of an event in Consul's form (Consul's limit; with its wrapping it must fit into Serf's 512)."""
FILTERS = ("node", "service", "tag")
TRUE_WORDS = ("", "1", "t", "true")
FALSE_WORDS = ("0", "f", "false")


def fire(request: Request, name: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/event/fire/NAME``: the body is the payload."""
    refuse_unless_local(request, ctx)
    if not name:
        raise ApiError(400, "Missing name")

    def fired(result: ActionResult) -> Response:
        return json_response(_shape(cast("FiredEvent", result)), request, ctx)

    if _is_set(request, "plain", default=False):
        return Perform(_plain_event(request, name), fired)
    if len(request.body) > MAX_PAYLOAD_BYTES:
        raise ApiError(
            413,
            f"Event payload too large, received {len(request.body)} bytes, max size: {MAX_PAYLOAD_BYTES} bytes. "
            "An event should say where the data is, not carry it.",
        )
    node, service, tag = (request.parameters.first(key) for key in FILTERS)
    if tag and not service:
        raise ApiError(500, "Cannot provide tag filter without service filter")
    event = FiredEvent(
        event_id=str(uuid.UUID(int=ctx.rng.getrandbits(128), version=4)),
        name=name,
        payload=request.body,
        node_filter=node,
        service_filter=service,
        tag_filter=tag,
    )
    return Perform(FireEvent(event), fired)


def get_list(request: Request, _rest: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/event/list``; ``name`` keeps the events of that very name."""
    return _Question(request, request.parameters.first("name"), parse_options(request, ctx.query_times)).look(ctx)


@attrs.frozen
class _Question:
    request: Request
    name: str
    options: QueryOptions

    def look(self, ctx: ApiContext) -> Response | Wait:
        """Answer, or wait while the index is the one that the reader has."""
        if self.options.index == 0 or self.options.index != _index_of(self._events(ctx)):
            return self.respond(ctx)
        return Wait(
            view_index=ctx.recent_events.seen,
            timeout_s=self.options.timeout_s,
            resume=self.look,
            expire=self.respond,
            topic=Topic.EVENTS,
        )

    def respond(self, ctx: ApiContext) -> Response:
        """Answer with what there is."""
        events = self._events(ctx)
        index = ("X-Consul-Index", str(_index_of(events)))
        return json_response([_shape(event) for event in events], self.request, ctx).with_headers(index)

    def _events(self, ctx: ApiContext) -> list[FiredEvent]:
        return [event for event in ctx.recent_events.events if not self.name or event.name == self.name]


def _plain_event(request: Request, name: str) -> FirePlainEvent:
    for key in FILTERS:
        if request.parameters.first(key):
            raise ApiError(400, f"A plain Serf event goes to every member; it cannot carry a {key} filter")
    return FirePlainEvent(name, request.body, can_coalesce=_is_set(request, "coalesce", default=True))


def _is_set(request: Request, key: str, *, default: bool) -> bool:
    if not request.parameters.has(key):
        return default
    word = request.parameters.first(key).lower()
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise ApiError(400, f"The parameter {key!r} takes true or false")
    return word in TRUE_WORDS


def _index_of(events: list[FiredEvent]) -> int:
    """Return the XOR of the halves of the last event's UUID; 1 instead of 0, and where there is no event."""
    if not events:
        return 1
    number = uuid.UUID(events[-1].event_id).int
    return ((number >> 64) ^ (number & (2**64 - 1))) or 1


def _shape(event: FiredEvent) -> Mapping[str, Json]:
    return {
        "ID": event.event_id,
        "Name": event.name,
        "Payload": base64.b64encode(event.payload).decode("ascii") if event.payload else None,
        "NodeFilter": event.node_filter,
        "ServiceFilter": event.service_filter,
        "TagFilter": event.tag_filter,
        "Version": event.version,
        "LTime": event.ltime,
    }

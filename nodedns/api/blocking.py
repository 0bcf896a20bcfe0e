"""Blocking queries: query options, index headers, and waiting for a result to change.

Strategy: a reader looks at a view and gives a ``Reading``: the index of its
result and a function that shapes it, so that a look that goes on waiting shapes
nothing. ``answer`` turns that into a response, or into a ``Wait`` that the
shell resumes each time the part of the table that it looks at changes, and expires at the end. It
compares its own result's index, so it also sleeps through what is near but not its own.
What changes all the time and is no part of the table is a ``Topic`` of its own, so
that it wakes only those who asked about it.

Every agent answers from its own memory. So each consistency a client may ask
for is accepted and the effective one is told as it is: ``stale``, 0 ms old.

Source: Consul agent/http.go, agent/blockingquery; api-docs/features/blocking.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping

import attrs

from nodedns.api.context import ApiContext, QueryTimes
from nodedns.api.encode import empty_response, json_response
from nodedns.api.request import Request, Response
from nodedns.api.slices import Shown
from nodedns.errors import ApiError
from nodedns.model.durations import parse_duration
from nodedns.table.parts import WHOLE, Part

__all__ = [
    "QueryOptions",
    "Reading",
    "Topic",
    "Wait",
    "answer",
    "index_of",
    "parse_options",
    "refuse_unless_local",
]

JITTER_FRACTION = 16
"""Up to a sixteenth of the time is added, so that many clients do not return at once (Consul)."""
MAX_INDEX = 2**64 - 1

_DIGITS = re.compile(r"[0-9]{1,20}")
_CACHE_AGE = re.compile(r"(max-age|stale-if-error)=(.*)")


class Topic(enum.Enum):
    """What a blocking query waits for; each has an index of its own."""

    TABLE = "table"
    COORDINATES = "coordinates"
    EVENTS = "events"
    LOCAL = "local"


@attrs.frozen
class QueryOptions:
    """The parameters every read of the catalog understands.

    Attributes:
        index: Answer when the result's index is above it; 0 to answer at once.
        timeout_s: How long to wait for that, without jitter.
        is_stale: Whether the client takes an answer from an agent that does not know the cluster yet.
    """

    index: int
    timeout_s: float
    is_stale: bool


@attrs.frozen
class Reading:
    """One look at a view.

    Attributes:
        index: Index of the result.
        shape: Makes what is shown.
        is_missing: Whether what was asked for is not there.
        missing_status: HTTP status if so; other than 200 it has no body.
    """

    index: int
    shape: Callable[[], Shown]
    is_missing: bool = False
    missing_status: int = 200


Read = Callable[[ApiContext], Reading]


@attrs.frozen
class Wait:
    """Nothing to answer yet.

    Attributes:
        view_index: Index of what was looked at; look again once it is past that.
        timeout_s: How long to wait in all, jitter included; counts from the first ``Wait``.
        resume: Look again.
        expire: The answer when time is up.
        topic: Whose index that is.
        part: What was looked at; while nothing of it changes there is no need to look again.
    """

    view_index: int
    timeout_s: float
    resume: Callable[[ApiContext], Response | Wait]
    expire: Callable[[ApiContext], Response]
    topic: Topic = Topic.TABLE
    part: Part = WHOLE


def parse_options(request: Request, times: QueryTimes) -> QueryOptions:
    """Return the query options of ``request``; ``times`` bounds what it may wait.

    Raises:
        ApiError: 400 with Consul's text for a bad value or a contradiction.
    """
    parameters = request.parameters
    is_stale, is_consistent = parameters.has("stale"), parameters.has("consistent")
    _check_max_stale(parameters.first("max_stale"))
    _check_cache_control(request.headers)
    if is_stale and is_consistent:
        raise ApiError(400, "Cannot specify ?stale with ?consistent, conflicting semantics.")
    if parameters.has("cached") and is_consistent:
        raise ApiError(400, "Cannot specify ?cached with ?consistent, conflicting semantics.")
    return QueryOptions(
        index=_parse_index(parameters.first("index")),
        timeout_s=_parse_wait(parameters.first("wait"), times),
        is_stale=is_stale,
    )


def refuse_unless_local(request: Request, ctx: ApiContext) -> None:
    """Raise 500 for a datacenter other than ours; of ``dc`` and ``datacenter`` the latter wins."""
    wanted = request.parameters.first("datacenter") or request.parameters.first("dc")
    if wanted and not ctx.view.is_local(wanted):
        raise ApiError(500, "No path to datacenter")


def answer(
    request: Request, ctx: ApiContext, read: Read, topic: Topic = Topic.TABLE, part: Part = WHOLE
) -> Response | Wait:
    """Answer a read with index headers, or wait for its result to change.

    Args:
        request: Has the query options.
        ctx: What there is now.
        read: Looks.
        topic: What it looks at.
        part: Of the table, if that is it.

    Raises:
        ApiError: A parameter is bad, the datacenter is not ours, or the cluster is not known yet.
    """
    options = parse_options(request, ctx.query_times)
    refuse_unless_local(request, ctx)
    if not (ctx.view.cluster_known or options.is_stale):
        raise ApiError(500, "No cluster leader")
    # An index from the future is one of an agent's earlier life, or of another agent's.
    if options.index == 0 or options.index > index_of(topic, ctx):
        return _respond(request, ctx, read(ctx))
    spread_s = ctx.rng.uniform(0, options.timeout_s / JITTER_FRACTION)
    question = _Question(request, read, topic, part, options.timeout_s + spread_s)
    return _look(question, options.index, was_missing=False, ctx=ctx)


@attrs.frozen
class _Question:
    request: Request
    read: Read
    topic: Topic
    part: Part
    timeout_s: float

    def respond(self, ctx: ApiContext) -> Response:
        return _respond(self.request, ctx, self.read(ctx))


def _look(question: _Question, above: int, *, was_missing: bool, ctx: ApiContext) -> Response | Wait:
    reading = question.read(ctx)
    if reading.is_missing and was_missing:
        # Still missing: other nodes' changes raised the index, not this result's.
        above = max(above, reading.index)
    if reading.index > above:
        return _respond(question.request, ctx, reading)
    is_missing = was_missing or reading.is_missing
    return Wait(
        view_index=index_of(question.topic, ctx),
        timeout_s=question.timeout_s,
        resume=lambda later: _look(question, above, was_missing=is_missing, ctx=later),
        expire=question.respond,
        topic=question.topic,
        part=question.part,
    )


def index_of(topic: Topic, ctx: ApiContext) -> int:
    """Return the index of a topic as of ``ctx``; whatever changes in it raises that."""
    if topic is Topic.COORDINATES:
        return ctx.coordinates.index if ctx.coordinates else 0
    if topic is Topic.EVENTS:
        return ctx.recent_events.seen
    if topic is Topic.LOCAL:
        return ctx.local.revision
    return ctx.view.index


def _respond(request: Request, ctx: ApiContext, reading: Reading) -> Response:
    if ctx.shared is None:
        return _respond_alone(request, ctx, reading)
    return ctx.shared.response(request, reading.index, lambda: _respond_alone(request, ctx, reading))


def _respond_alone(request: Request, ctx: ApiContext, reading: Reading) -> Response:
    is_led = ctx.view.cluster_known and bool(ctx.view.servers())
    if reading.is_missing and reading.missing_status != 200:
        response = attrs.evolve(empty_response(), status=reading.missing_status)
    else:
        response = json_response(reading.shape(), request, ctx)
    return response.with_headers(
        ("X-Consul-Index", str(max(reading.index, 1))),
        ("X-Consul-KnownLeader", "true" if is_led else "false"),
        ("X-Consul-LastContact", "0"),
        ("X-Consul-Effective-Consistency", "stale"),
        ("X-Consul-Query-Backend", "blocking-query"),
    )


def _parse_index(text: str) -> int:
    if not text:
        return 0
    if _DIGITS.fullmatch(text) is None or int(text) > MAX_INDEX:
        raise ApiError(400, "Invalid index")
    return int(text)


def _parse_wait(text: str, times: QueryTimes) -> float:
    default_s = min(times.default_s, times.max_s)
    if not text:
        return default_s
    try:
        wait_s = parse_duration(text)
    except ValueError as error:
        raise ApiError(400, "Invalid wait time") from error
    return min(wait_s, times.max_s) if wait_s > 0 else default_s


def _check_max_stale(text: str) -> None:
    if not text:
        return
    try:
        parse_duration(text)
    except ValueError as error:
        raise ApiError(400, f'Invalid max_stale value "{text}"') from error


def _check_cache_control(headers: Mapping[str, str]) -> None:
    for part in headers.get("cache-control", "").split(","):
        found = _CACHE_AGE.fullmatch(part.strip().lower())
        if found is not None and _DIGITS.fullmatch(found[2]) is None:
            raise ApiError(400, "Invalid Cache-Control header.")

"""``PUT /v1/agent/query/NAME``: asks the pool's members something and tells each reply as it comes.

Strategy: the handler checks the question and returns ``Follow``: the shell has the agent ask it
and sends a line of JSON for each thing that happens, so that a reader sees replies come in and
need not wait for the slowest. Consul has no such endpoint; the lines say what Serf's RPC says.

Source: Serf's query command and its RPC (type, from, payload).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import attrs

from nodedns.api.context import ApiContext, Json
from nodedns.api.request import Request
from nodedns.errors import ApiError
from nodedns.model.durations import parse_duration

__all__ = ["Acked", "Answered", "AskPool", "Asked", "Closed", "Follow", "Progress", "ask", "line_of"]

MAX_TIMEOUT_S = 600.0  # as long as Consul lets a blocking query wait
MAX_RELAY_FACTOR = 5
"""More copies of each reply bring little; Serf's documentation advises low numbers."""
MAX_TAG_FILTERS = 15
"""With one of names this is what members of nodedns are willing to look at."""
INTERNAL_PREFIX = "_serf_"
PING = "_serf_ping"
TRUE_WORDS = ("", "1", "t", "true")


@attrs.frozen(kw_only=True)
class AskPool:
    """A question to the members.

    Attributes:
        name: What is asked.
        payload: Its argument.
        nodes: Only these members; all if empty.
        tags: Only members whose tag has a match of the RE2 expression.
        wants_acks: Whether each member reports that the question arrived.
        relay_factor: Through how many others each reply is sent besides.
        timeout_s: How long replies are waited for; 0: by the pool's size.
    """

    name: str
    payload: bytes = b""
    nodes: tuple[str, ...] = ()
    tags: Mapping[str, str] = attrs.field(factory=dict)
    wants_acks: bool = True
    relay_factor: int = 0
    timeout_s: float = 0.0


@attrs.frozen
class Asked:
    """The question is on its way."""


@attrs.frozen
class Acked:
    """A member got it, so many seconds after."""

    node: str
    after_s: float


@attrs.frozen
class Answered:
    """A member answered, so many seconds after."""

    node: str
    payload: bytes
    after_s: float


@attrs.frozen
class Closed:
    """The time is over, so many seconds after; so many acks and answers came."""

    acks: int
    answers: int
    after_s: float


Progress = Asked | Acked | Answered | Closed


@attrs.frozen
class Follow:
    """Ask ``question``; answer with a line (``line_of``) for each thing that happens."""

    question: AskPool


def ask(request: Request, name: str, _ctx: ApiContext) -> Follow:
    """Answer ``PUT /v1/agent/query/NAME``: the body is the payload."""
    if not name:
        raise ApiError(400, "Missing name")
    if name.startswith(INTERNAL_PREFIX) and (name != PING or request.body):
        raise ApiError(400, f"Queries cannot contain the '{INTERNAL_PREFIX}' prefix")
    parameters = request.parameters
    tags = dict(_tag(pair) for pair in parameters.every("tag"))
    if len(tags) > MAX_TAG_FILTERS:
        raise ApiError(400, f"A query takes at most {MAX_TAG_FILTERS} tag filters")
    return Follow(
        AskPool(
            name=name,
            payload=request.body,
            nodes=parameters.every("node"),
            tags=tags,
            wants_acks=not (parameters.has("no-ack") and parameters.first("no-ack").lower() in TRUE_WORDS),
            relay_factor=_relay_factor(parameters.first("relay-factor")),
            timeout_s=_timeout(parameters.first("timeout")),
        )
    )


def line_of(progress: Progress) -> bytes:
    """Return what happened as one line of JSON."""
    # Escapes leave ASCII only: no name from the network can end a line or be invalid UTF-8.
    return json.dumps(_shape(progress), separators=(",", ":")).encode("ascii") + b"\n"


def _shape(progress: Progress) -> Mapping[str, Json]:
    match progress:
        case Asked():
            return {"Type": "asked"}
        case Acked(node, after_s):
            return {"Type": "ack", "From": node, "Seconds": round(after_s, 6)}
        case Answered(node, payload, after_s):
            packed = base64.b64encode(payload).decode("ascii")
            return {"Type": "response", "From": node, "Payload": packed, "Seconds": round(after_s, 6)}
        case Closed(acks, answers, after_s):
            return {"Type": "closed", "Acks": acks, "Responses": answers, "Seconds": round(after_s, 6)}


def _tag(pair: str) -> tuple[str, str]:
    key, equals, expression = pair.partition("=")
    if not equals or not key:
        raise ApiError(400, f"Invalid tag: '{pair}'; it takes key=regexp")
    return key, expression


def _relay_factor(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) == 1 and int(text) <= MAX_RELAY_FACTOR):
        raise ApiError(400, f"Invalid relay-factor: it is a number from 0 to {MAX_RELAY_FACTOR}")
    return int(text)


def _timeout(text: str) -> float:
    if not text:
        return 0.0
    try:
        timeout_s = parse_duration(text)
    except ValueError as error:
        raise ApiError(400, "Invalid timeout: it takes a duration such as 15s") from error
    if not 0 <= timeout_s <= MAX_TIMEOUT_S:
        raise ApiError(400, f"Invalid timeout: it is at most {MAX_TIMEOUT_S:g} s")
    return timeout_s

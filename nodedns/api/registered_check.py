"""A ``Check`` of a catalog registration: from JSON to a checked check.

Whoever registers it says what its status is; nobody here runs it. What its definition holds is kept as told, for
programs that run checks of external nodes; only what is known, and only so much of it.

Source: Consul agent/structs (HealthCheck, HealthCheckDefinition), agent/consul/catalog_endpoint.go (checkPreApply).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from nodedns.api.body import Body
from nodedns.api.registered_text import check_text, refuse_excess
from nodedns.errors import ApiError
from nodedns.model.check import Check, CheckStatus
from nodedns.model.limits import check_excess
from nodedns.model.names import fold

__all__ = ["decode_check"]

MAX_NOTES_CHARS = 4_096
"""Ours, as long as an output."""
MAX_OUTPUT_CHARS = 4_096
"""Consul's agents cut theirs to as many bytes."""
DEFINITION_KEYS = (
    "HTTP",
    "TLSServerName",
    "TLSSkipVerify",
    "Header",
    "Method",
    "Body",
    "DisableRedirects",
    "TCP",
    "TCPUseTLS",
    "UDP",
    "GRPC",
    "GRPCUseTLS",
    "H2PING",
    "H2PingUseTLS",
    "OSService",
    "ScriptArgs",
    "DockerContainerID",
    "Shell",
    "AliasNode",
    "AliasService",
    "TTL",
    "Interval",
    "Timeout",
    "DeregisterCriticalServiceAfter",
    "IntervalDuration",
    "TimeoutDuration",
    "DeregisterCriticalServiceAfterDuration",
)

_NAMES = {key.lower(): key for key in DEFINITION_KEYS}


def decode_check(body: Body, node: str) -> Check:
    """Return the check that a body describes; the name and tags of its service are not filled in.

    Args:
        body: The check.
        node: Name of the node that is registered.

    Raises:
        ApiError: 400 for what has the wrong type or is beyond a limit, 500 with Consul's text for the rest.
    """
    name = body.text("Name")
    check_id = body.text("CheckID") or name
    if not check_id:
        raise ApiError(500, "Must provide a check ID or a check name")
    told_node = body.text("Node")
    if told_node and fold(told_node) != fold(node):
        raise ApiError(500, f"Node '{told_node}' for check '{check_id}' doesn't match register request node '{node}'")
    short = {key: body.text(key) for key in ("ServiceID", "Type", "Interval", "Timeout")}
    for key, text in (("CheckID", check_id), ("Name", name), *short.items()):
        check_text(key, text)
    notes = body.text("Notes")
    if len(notes) > MAX_NOTES_CHARS:
        raise ApiError(400, f"Notes is too long (limit: {MAX_NOTES_CHARS} characters)")
    check = Check(
        id=check_id,
        name=name,
        status=_status(body),
        notes=notes,
        output=_cut(body.text("Output")),
        service_id=short["ServiceID"],
        type=short["Type"],
        interval=short["Interval"],
        timeout=short["Timeout"],
        definition=_definition(body.body("Definition")),
    )
    refuse_excess(check_excess(check))
    return check


def _status(body: Body) -> CheckStatus:
    word = body.text("Status")
    if not word:
        return CheckStatus.CRITICAL
    for status in CheckStatus:
        if status.value == word:
            return status
    raise ApiError(400, f"Invalid check status: '{word}'")


def _cut(output: str) -> str:
    if len(output) <= MAX_OUTPUT_CHARS:
        return output
    return f"{output[:MAX_OUTPUT_CHARS]} ... (captured {MAX_OUTPUT_CHARS} of {len(output)} characters)"


def _definition(body: Body | None) -> Mapping[str, object]:
    if body is None:
        return {}
    told = {_NAMES[key]: value for key, value in body.raw().items() if key in _NAMES}
    kept = {key: told[key] for key in DEFINITION_KEYS if told.get(key) not in (None, "", 0, False, [], {})}
    try:
        json.dumps(kept, allow_nan=False)
    except ValueError as error:
        raise ApiError(400, "Request decode failed: Definition holds a number that JSON cannot") from error
    # JSON can spell half of a surrogate pair, which no file and no answer could hold.
    clean = json.loads(json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace"))
    return clean if isinstance(clean, dict) else {}

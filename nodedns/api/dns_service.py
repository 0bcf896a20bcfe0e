"""``/v1/dns``: which missing names are asked for most, and the query log.

Nothing of this is Consul's; ``enable`` is as in its ``/v1/agent/maintenance``.
"""

from __future__ import annotations

from nodedns.api.actions import ForgetMissingNames, Perform, SwitchQueryLog
from nodedns.api.context import ApiContext
from nodedns.api.encode import empty_response, json_response
from nodedns.api.request import Request, Response
from nodedns.errors import ApiError

__all__ = ["query_log", "top"]

DEFAULT_NAMES = 10
MAX_NAMES = 1_000
"""Names in one answer; those further down are within the error of the count anyway."""

# Go's strconv.ParseBool, as Consul reads them.
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def top(request: Request, _rest: str, ctx: ApiContext) -> Response | Perform:
    """Answer ``GET /v1/dns/top``, and ``DELETE``, which begins to count anew."""
    if request.method == "DELETE":
        return Perform(ForgetMissingNames(), empty_response())
    summary = ctx.dns.top_missing(_limit(request.parameters.first("n")))
    return json_response(
        {
            "Total": summary.total,
            "Error": summary.error,
            "IsEstimate": summary.is_estimate,
            "Names": [{"Name": each.name, "Count": each.count, "Client": each.client} for each in summary.names],
        },
        request,
        ctx,
    )


def query_log(request: Request, _rest: str, ctx: ApiContext) -> Response | Perform:
    """Answer ``GET /v1/dns/query-log``, and ``PUT`` with ``enable``, which turns it on or off."""
    if request.method == "PUT":
        return Perform(SwitchQueryLog(_flag(request)), empty_response())
    state = ctx.dns.query_log()
    value = {"Enabled": state.is_on, "Lines": state.lines, "Suppressed": state.suppressed}
    return json_response(value, request, ctx)


def _limit(text: str) -> int:
    if not text:
        return DEFAULT_NAMES
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NAMES)) and 1 <= int(text) <= MAX_NAMES):
        raise ApiError(400, f"Invalid value for n: it must be a whole number from 1 to {MAX_NAMES}")
    return int(text)


def _flag(request: Request) -> bool:
    if not request.parameters.has("enable"):
        raise ApiError(400, "Missing value for enable")
    text = request.parameters.first("enable")
    if text not in _TRUE | _FALSE:
        raise ApiError(400, "Invalid value for enable: it must be true or false")
    return text in _TRUE

"""``/v1/operator/keyring``: the gossip keys of all members, listed and changed.

Method by method as in Consul: GET lists, POST installs, PUT uses, DELETE removes. A
change that did not work on every member is a 500 whose text names each. A list
is shown if any member has a key: members that did not answer, or lack a key that others
have, stand in ``Messages``, and ``Error`` says that it is not the whole picture. (Consul
answers 500 then, and shows no key.)

Source: Consul agent/operator_endpoint.go, agent/keyring.go, agent/structs/structs.go.
"""

from __future__ import annotations

import re
from functools import partial

from nodedns.api.actions import ActionResult, KeyringReport, KeyringVerb, OperateKeyring, Perform
from nodedns.api.body import Body
from nodedns.api.context import ApiContext, Json
from nodedns.api.encode import empty_response, json_response, multi_error_text
from nodedns.api.request import Request, Response
from nodedns.errors import ApiError, shorten

__all__ = ["operate_keyring"]

MAX_RELAY_FACTOR = 5
"""As in Consul and serf."""

_VERBS = {
    "GET": KeyringVerb.LIST,
    "POST": KeyringVerb.INSTALL,
    "PUT": KeyringVerb.USE,
    "DELETE": KeyringVerb.REMOVE,
}
_TRUE_WORDS = ("1", "t", "T", "true", "TRUE", "True")
_FALSE_WORDS = ("0", "f", "F", "false", "FALSE", "False")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def operate_keyring(request: Request, _rest: str, ctx: ApiContext) -> Perform:
    """Answer every method of ``/v1/operator/keyring``."""
    verb = _VERBS[request.method]
    key = "" if verb is KeyringVerb.LIST else Body.decode_untrusted(request.body).text("Key")
    relay_factor = _relay_factor(request)
    _check_local_only(request, verb)
    return Perform(OperateKeyring(verb, key, relay_factor), partial(_answer, request, ctx, verb))


def _relay_factor(request: Request) -> int:
    text = request.parameters.first("relay-factor")
    if not text:
        return 0
    if _INTEGER.fullmatch(text) is None:
        raise ApiError(400, f"Error parsing relay factor: strconv.Atoi: parsing {_quoted(text)}: invalid syntax")
    if not 0 <= int(text) <= MAX_RELAY_FACTOR:
        raise ApiError(400, f"Invalid relay-factor: Relay factor must be in range: [0, {MAX_RELAY_FACTOR}]")
    return int(text)


def _check_local_only(request: Request, verb: KeyringVerb) -> None:
    # There is no pool but the local one, so it changes nothing.
    text = request.parameters.first("local-only")
    if text and text not in (*_TRUE_WORDS, *_FALSE_WORDS):
        raise ApiError(400, f"Error parsing local-only: strconv.ParseBool: parsing {_quoted(text)}: invalid syntax")
    if text in _TRUE_WORDS and verb is not KeyringVerb.LIST:
        raise ApiError(400, "Invalid use of local-only: local-only can only be set for list requests")


def _answer(request: Request, ctx: ApiContext, verb: KeyringVerb, result: ActionResult) -> Response:
    if not isinstance(result, KeyringReport):
        raise TypeError(f"a KeyringReport was awaited, not {shorten(result)}")
    if result.error and (verb is not KeyringVerb.LIST or not result.keys):
        pool = f"{ctx.facts.datacenter} (LAN) error: {result.error}"
        told = [f"{name}: {message}" for name, message in sorted(result.messages.items())]
        raise ApiError(500, multi_error_text([pool, *told]))
    if verb is KeyringVerb.LIST:
        return json_response([_shape(result, ctx)], request, ctx)
    return empty_response()


def _shape(report: KeyringReport, ctx: ApiContext) -> dict[str, Json]:
    shape: dict[str, Json] = {"WAN": False, "Datacenter": ctx.facts.datacenter, "Segment": ""}
    if report.messages:
        shape["Messages"] = dict(sorted(report.messages.items()))
    shape["Keys"] = dict(sorted(report.keys.items()))
    shape["PrimaryKeys"] = dict(sorted(report.primary_keys.items()))
    shape["NumNodes"] = report.nodes
    if report.error:
        shape["Error"] = report.error
    return shape


def _quoted(text: str) -> str:
    return '"' + shorten(text)[1:-1] + '"'

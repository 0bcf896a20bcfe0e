"""Shapes and bytes: rows and members as Consul's JSON has them, and JSON as Go writes it.

Go's encoder keeps the order of struct fields, sorts maps by key, is compact,
writes ``<``, ``>``, ``&`` and the two Unicode line ends as escapes and bytes that are no
UTF-8 as U+FFFD. Clients compare and hash such answers, so nodedns does the same.

Source: Consul agent/http.go, api/agent.go, agent/structs; Go's encoding/json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice

from nodedns.api.context import ApiContext, Json
from nodedns.api.request import Request, Response
from nodedns.api.slices import Shown, Slices, Slowly
from nodedns.errors import ApiError, JoinError, NodednsError
from nodedns.model.coordinate import Coordinate
from nodedns.model.member import SerfMember
from nodedns.table.node_row import NodeRow

__all__ = [
    "empty_response",
    "error_response",
    "json_response",
    "member_shape",
    "multi_error_text",
    "node_shape",
    "shape_of_coordinate",
    "sorted_map",
    "text_response",
]

_JSON_TYPE = ("Content-Type", "application/json")
_TEXT_TYPE = ("Content-Type", "text/plain; charset=utf-8")
_INDENT = 4
_EAGER_PIECES = 4  # so that a list of two slices is whole at once, its end and a final newline included
# Outside of strings JSON has none of these characters, so whole texts may be replaced in.
_ESCAPES = (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))
_SURROGATE = re.compile("[\ud800-\udfff]")


def json_response(value: Shown, request: Request, ctx: ApiContext) -> Response:
    """Return ``value`` as JSON: compact, indented for ``?pretty`` and in dev mode.

    Only ``?pretty`` adds a final newline. Of what is long the beginning is made at once.
    """
    is_pretty = request.parameters.has("pretty")
    is_indented = is_pretty or ctx.facts.is_dev
    match value:
        case Slices(parts):
            texts = _list_texts(parts, is_indented=is_indented)
        case Slowly(steps):
            texts = ("" if step is None else _json_text(step, is_indented=is_indented) for step in steps)
        case _:
            texts = iter((_json_text(value, is_indented=is_indented),))
    pieces = map(_utf8, chain(texts, ("\n",)) if is_pretty else texts)
    begin = list(islice(pieces, _EAGER_PIECES))
    rest = pieces if len(begin) == _EAGER_PIECES else None
    return Response(200, b"".join(begin), (_JSON_TYPE,), rest)


def _json_text(value: Json, *, is_indented: bool) -> str:
    if is_indented:
        text = json.dumps(value, ensure_ascii=False, indent=_INDENT)
    else:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char, escaped in _ESCAPES:
        text = text.replace(char, escaped)
    return text


def _list_texts(parts: Iterator[Sequence[Json]], *, is_indented: bool) -> Iterator[str]:
    """Yield the text of a list, one piece for each of its parts and one for its end."""
    end = "\n]" if is_indented else "]"
    is_empty = True
    for part in parts:
        text = _json_text(part, is_indented=is_indented) if part else ""
        yield text and ("[" if is_empty else ",") + text[1 : -len(end)]
        is_empty &= not part
    yield "[]" if is_empty else end


def text_response(status: int, text: str) -> Response:
    """Return plain text, without a newline added."""
    return Response(status, _utf8(text), (_TEXT_TYPE,))


def empty_response(*headers: tuple[str, str]) -> Response:
    """Return 200 without a body, what Consul answers where there is nothing to say."""
    return Response(200, b"", headers)


def error_response(error: NodednsError) -> Response:
    """Return the answer to an error: its own status where it has one, else 500."""
    if isinstance(error, ApiError):
        return text_response(error.status, error.message)
    text = _join_error_text(error) if isinstance(error, JoinError) else str(error)
    return text_response(500, text)


def member_shape(member: SerfMember) -> Mapping[str, Json]:
    """Return a member as ``/v1/agent/members`` lists it."""
    address, versions = member.address, member.versions
    return {
        "Name": member.name,
        "Addr": address.host if address.is_valid else f"?{address.packed.hex()}",
        "Port": address.port,
        "Tags": sorted_map(member.tags),
        "Status": int(member.status),
        "ProtocolMin": versions.protocol_min,
        "ProtocolMax": versions.protocol_max,
        "ProtocolCur": versions.protocol_current,
        "DelegateMin": versions.delegate_min,
        "DelegateMax": versions.delegate_max,
        "DelegateCur": versions.delegate_current,
    }


def node_shape(row: NodeRow) -> Mapping[str, Json]:
    """Return a node as the catalog lists it."""
    return {
        "ID": row.node_id,
        "Node": row.name,
        "Address": row.address,
        "Datacenter": row.datacenter,
        "TaggedAddresses": sorted_map(row.tagged_addresses),
        "Meta": sorted_map(row.meta),
        "CreateIndex": row.create_index,
        "ModifyIndex": row.modify_index,
    }


def shape_of_coordinate(coordinate: Coordinate) -> Mapping[str, Json]:
    """Return a coordinate as Serf's JSON has it."""
    return {
        "Vec": coordinate.vec,
        "Error": coordinate.error,
        "Adjustment": coordinate.adjustment,
        "Height": coordinate.height,
    }


def sorted_map(pairs: Mapping[str, str]) -> dict[str, str]:
    """Return ``pairs`` in the order of their keys."""
    return dict(sorted(pairs.items()))


def multi_error_text(errors: Sequence[str]) -> str:
    """Return several errors as one text, in the layout of go-multierror, which Consul's clients print as it comes."""
    lines = "".join(f"\n\t* {error}" for error in errors)
    return f"{len(errors)} error{'' if len(errors) == 1 else 's'} occurred:{lines}\n\n"


def _join_error_text(error: JoinError) -> str:
    return multi_error_text([f"Failed to join {where}: {why}" for where, why in error.attempts])


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        # Names come from the wire with bytes that are no UTF-8 kept as surrogates.
        return _SURROGATE.sub("\ufffd", text).encode("utf-8")

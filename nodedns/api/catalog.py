"""``/v1/catalog``: the nodes, and registration of those that run no agent.

Strategy: reads shape rows of the view. Registration is checked here in full, so that
what reaches the table can be kept; a body that asks for more than nodedns
keeps is refused, never taken and dropped. A name that a member of the pool
holds is the member's: what is registered under it would not show.

Does not keep services or checks; lists of them are empty and registering one
is refused.

Source: Consul agent/catalog_endpoint.go, agent/consul/catalog_endpoint.go,
agent/consul/state/catalog.go; limits of node meta in agent/structs.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from functools import partial
from operator import attrgetter

import attrs

from nodedns.api.actions import DeregisterNode, Perform, RegisterNode
from nodedns.api.blocking import Reading, Wait, answer, refuse_unsupported
from nodedns.api.body import Body
from nodedns.api.context import ApiContext, Json
from nodedns.api.encode import json_response, node_shape
from nodedns.api.filter_fields import NODE_FIELDS
from nodedns.api.filters import Predicate, filter_of, kept
from nodedns.api.nearness import nearest_first
from nodedns.api.request import Request, Response
from nodedns.errors import ApiError, shorten
from nodedns.model.names import NodeName, fold
from nodedns.table.changes import ExternalNode
from nodedns.table.node_row import NodeRow

__all__ = ["deregister", "get_datacenters", "get_node", "get_nodes", "register"]

MAX_PAIRS = 64
"""Pairs of node meta, and of tagged addresses (Consul's metaMaxKeyPairs)."""
MAX_KEY_CHARS = 128
"""Of a key of node meta or a tag (Consul's metaKeyMaxLength)."""
MAX_VALUE_CHARS = 512
"""Of a value of node meta (Consul's metaValueMaxLength)."""
MAX_NAME_CHARS = 255
"""Of a node name or an address; no DNS name is longer (RFC 1035 section 2.3.4)."""

# Makes the id of a node that was registered without one: clients key by it.
_EXTERNAL_ID_NAMESPACE = uuid.UUID("3b9cf0f4-52c5-5c0e-9d0e-7a8d6a1f4c55")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
UUID_CHARS = 36


def get_datacenters(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/catalog/datacenters``."""
    return json_response(ctx.view.datacenters(), request, ctx)


def get_nodes(request: Request, _rest: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/catalog/nodes``.

    ``node-meta=key:value`` keeps the nodes that have all of them; ``near=NODE`` lists the nearest first.
    """
    wanted = filter_of(request, NODE_FIELDS)
    meta = dict(_meta_pair(text) for text in request.parameters.every("node-meta"))
    return answer(request, ctx, partial(_read_nodes, meta, wanted, request.parameters.first("near")))


def get_node(request: Request, name: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/catalog/node/NAME``; null for a name that is not there."""
    if not name:
        raise ApiError(400, "Missing node name")
    refuse_unsupported(request, "filter")
    return answer(request, ctx, partial(_read_node, name))


def register(request: Request, _rest: str, ctx: ApiContext) -> Response | Perform:
    """Answer ``PUT /v1/catalog/register`` for a node without services."""
    body = Body.decode_untrusted(request.body)
    is_update_skipped = body.flag("SkipNodeUpdate")
    node = ExternalNode(
        name=NodeName(body.text("Node")),
        node_id=body.text("ID").lower(),
        address=body.text("Address"),
        tagged_addresses=body.pairs("TaggedAddresses"),
        meta=body.pairs("NodeMeta"),
    )
    _refuse_other_datacenter(body, ctx)
    _refuse_services(body)
    _check_node(node, is_update_skipped=is_update_skipped)
    done = json_response(True, request, ctx)
    present = ctx.view.node(node.name)
    if is_update_skipped and present is not None:
        return done
    if not node.address:
        raise ApiError(500, "Must provide an address for a node that is not known yet")
    _refuse_conflict(node, present, ctx)
    node_id = node.node_id or (present.node_id if present is not None else "") or _derived_id(node.name)
    return Perform(RegisterNode(attrs.evolve(node, node_id=node_id)), done)


def deregister(request: Request, _rest: str, ctx: ApiContext) -> Response | Perform:
    """Answer ``PUT /v1/catalog/deregister``; what is not there counts as gone."""
    body = Body.decode_untrusted(request.body)
    _refuse_other_datacenter(body, ctx)
    name = body.text("Node")
    if not name:
        raise ApiError(500, "Must provide node")
    done = json_response(True, request, ctx)
    row = ctx.view.node(name)
    # No node has services or checks, so the one that is named is gone already.
    if row is None or body.text("ServiceID") or body.text("CheckID"):
        return done
    if row.is_member:
        raise ApiError(
            500,
            f"Node {name!r} is a member of the pool and cannot be deregistered;"
            " it goes when it leaves, or by force-leave once it has failed",
        )
    return Perform(DeregisterNode(row.name), done)


def _read_nodes(meta: Mapping[str, str], wanted: Predicate | None, near: str, ctx: ApiContext) -> Reading:
    view = ctx.view

    def shape() -> Json:
        rows = (row for row in view.nodes() if meta.items() <= row.meta.items())
        return kept(map(node_shape, nearest_first(rows, near, ctx, attrgetter("name"))), wanted)

    return Reading(view.catalog_index, shape)


def _read_node(name: str, ctx: ApiContext) -> Reading:
    row = ctx.view.node(name)
    if row is None:
        return Reading(ctx.view.catalog_index, lambda: None, is_missing=True)
    return Reading(row.modify_index, lambda: {"Node": node_shape(row), "Services": {}})


def _meta_pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition(":")
    return key, value


def _refuse_other_datacenter(body: Body, ctx: ApiContext) -> None:
    datacenter = body.text("Datacenter")
    if datacenter and not ctx.view.is_local(datacenter):
        raise ApiError(500, "No path to datacenter")


def _refuse_services(body: Body) -> None:
    for key in ("Service", "Check", "Checks"):
        if body.has(key):
            raise ApiError(
                500, f"{key}: nodedns keeps nodes only, no services and no checks yet; nothing was registered"
            )


def _check_node(node: ExternalNode, *, is_update_skipped: bool) -> None:
    if not node.name:
        raise ApiError(500, "Must provide node")
    if not node.address and not is_update_skipped:
        raise ApiError(500, "Must provide address if SkipNodeUpdate is not set")
    if node.node_id and len(node.node_id) != UUID_CHARS:
        raise ApiError(500, "Bad node ID: uuid string is wrong length")
    if node.node_id and _UUID.fullmatch(node.node_id) is None:
        raise ApiError(500, "Bad node ID: uuid is improperly formatted")
    for key, value in (("Node", node.name), ("Address", node.address)):
        if len(value) > MAX_NAME_CHARS:
            raise ApiError(400, f"{key} is too long (limit: {MAX_NAME_CHARS} characters)")
        if not value.isprintable():
            raise ApiError(400, f"{key} holds characters that cannot be printed")
    _check_pairs(node.meta, "Node metadata", "metadata pair")
    _check_pairs(node.tagged_addresses, "Tagged addresses", "tagged address")


def _check_pairs(pairs: Mapping[str, str], all_of_them: str, one: str) -> None:
    if len(pairs) > MAX_PAIRS:
        raise ApiError(400, f"{all_of_them} cannot contain more than {MAX_PAIRS} key/value pairs")
    for key, value in pairs.items():
        problem = ""
        if not key:
            problem = "Key cannot be blank"
        elif len(key) > MAX_KEY_CHARS:
            problem = f"Key is too long (limit: {MAX_KEY_CHARS} characters)"
        elif len(value) > MAX_VALUE_CHARS:
            problem = f"Value is too long (limit: {MAX_VALUE_CHARS} characters)"
        if problem:
            raise ApiError(400, f"Couldn't load {one} ({shorten(key)}, {shorten(value)}): {problem}")


def _refuse_conflict(node: ExternalNode, present: NodeRow | None, ctx: ApiContext) -> None:
    if present is not None and present.is_member:
        holder = f"{present.node_id} with name {present.name} ({present.address})"
        raise ApiError(500, f"Node name {node.name} is reserved by node {holder}")
    if not node.node_id:
        return
    for row in ctx.view.nodes():
        if row.node_id == node.node_id and fold(row.name) != fold(node.name):
            holder = f"{row.name} ({row.address})"
            raise ApiError(500, f"Node ID {node.node_id} is held by node {holder}; deregister that first")


def _derived_id(name: str) -> str:
    return str(uuid.uuid5(_EXTERNAL_ID_NAMESPACE, fold(name)))

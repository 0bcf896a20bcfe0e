"""``/v1/catalog/register`` and ``deregister``: what anybody may write to the catalog about any node.

Strategy: a body is checked here in full, so that what reaches the table can be kept; a refusal changes
nothing. What it says becomes changes, in the order node, service, checks; what is there already as told is
left out, so that registering again costs nothing.

A node that is a member of the pool is its agent's: of a registration of services or checks on it what is said of
the node itself is passed over, and a registration of it alone is refused. What is registered on it is
taken, until its agent puts its own truth back.

Names that DNS cannot spell are kept.

Source: Consul agent/consul/catalog_endpoint.go, agent/consul/state/catalog.go.
"""

from __future__ import annotations

import re
import uuid

import attrs

from nodedns.api.actions import Perform, Register
from nodedns.api.body import Body
from nodedns.api.context import ApiContext
from nodedns.api.encode import json_response
from nodedns.api.registered_check import decode_check
from nodedns.api.registered_service import decode_service
from nodedns.api.registered_text import check_pairs, check_text
from nodedns.api.request import Request, Response
from nodedns.errors import ApiError
from nodedns.model.check import Check
from nodedns.model.names import NodeName, fold
from nodedns.model.service import Service
from nodedns.table.changes import (
    CheckDeregistered,
    CheckRegistered,
    ExternalNode,
    NodeDeregistered,
    NodeRegistered,
    Registration,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.table.node_row import NodeRow
from nodedns.table.service_rows import NodeServices

__all__ = ["deregister", "register"]

MAX_CHECKS = 256
"""In one registration; ours."""

# Makes the id of a node that was registered without one: clients key by it.
_EXTERNAL_ID_NAMESPACE = uuid.UUID("3b9cf0f4-52c5-5c0e-9d0e-7a8d6a1f4c55")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
UUID_CHARS = 36


@attrs.frozen
class _Asked:
    """What a body asks to be registered, each part checked by itself."""

    node: ExternalNode
    is_update_skipped: bool
    service: Service | None
    checks: tuple[Check, ...]

    @property
    def is_node_alone(self) -> bool:
        return self.service is None and not self.checks


def register(request: Request, _rest: str, ctx: ApiContext) -> Response | Perform:
    """Answer ``PUT /v1/catalog/register``."""
    body = Body.decode_untrusted(request.body)
    _refuse_other_datacenter(body, ctx)
    asked = _decode(body)
    present = ctx.view.node(asked.node.name)
    changes = [*_node_changes(asked, present, ctx), *_service_changes(asked, present, ctx)]
    done = json_response(True, request, ctx)
    return Perform(Register(tuple(changes)), done) if changes else done


def deregister(request: Request, _rest: str, ctx: ApiContext) -> Response | Perform:
    """Answer ``PUT /v1/catalog/deregister``; what is not there counts as gone."""
    body = Body.decode_untrusted(request.body)
    _refuse_other_datacenter(body, ctx)
    name, service_id, check_id = body.text("Node"), body.text("ServiceID"), body.text("CheckID")
    if not name:
        raise ApiError(500, "Must provide node")
    found = ctx.view.node_services(name)
    changes: list[Registration] = []
    if found is not None:
        if service_id:
            changes = _without_service(found, service_id)
        elif check_id:
            changes = _without_check(found, check_id)
        else:
            changes = _without_node(found)
    done = json_response(True, request, ctx)
    return Perform(Register(tuple(changes)), done) if changes else done


def _decode(body: Body) -> _Asked:
    is_update_skipped = body.flag("SkipNodeUpdate")
    node = ExternalNode(
        name=NodeName(body.text("Node")),
        node_id=body.text("ID").lower(),
        address=body.text("Address"),
        tagged_addresses=body.pairs("TaggedAddresses"),
        meta=body.pairs("NodeMeta"),
    )
    _check_node(node, is_update_skipped=is_update_skipped)
    told = body.body("Service")
    checks = body.bodies("Checks")
    one = body.body("Check")
    if one is not None:
        checks = (*checks, one)
    if len(checks) > MAX_CHECKS:
        raise ApiError(400, f"Checks cannot contain more than {MAX_CHECKS} checks")
    return _Asked(
        node=node,
        is_update_skipped=is_update_skipped,
        service=None if told is None else decode_service(told),
        checks=tuple(decode_check(check, node.name) for check in checks),
    )


def _node_changes(asked: _Asked, present: NodeRow | None, ctx: ApiContext) -> list[Registration]:
    node = asked.node
    if present is not None and present.is_member:
        if not asked.is_update_skipped and (asked.is_node_alone or node.node_id not in {"", present.node_id}):
            holder = f"{present.node_id} with name {present.name} ({present.address})"
            raise ApiError(500, f"Node name {node.name} is reserved by node {holder}")
        return []
    if asked.is_update_skipped and present is not None:
        return []
    if not node.address:
        raise ApiError(500, "Must provide an address for a node that is not known yet")
    _refuse_held_id(node, ctx)
    node_id = node.node_id or (present.node_id if present is not None else "") or _derived_id(node.name)
    return [NodeRegistered(attrs.evolve(node, node_id=node_id))]


def _service_changes(asked: _Asked, present: NodeRow | None, ctx: ApiContext) -> list[Registration]:
    name = asked.node.name if present is None else present.name
    there = ctx.view.node_services(name)
    changes: list[Registration] = []
    services = {} if there is None else {instance.service.id: instance.service for instance in there.instances}
    if asked.service is not None:
        changes.append(ServiceRegistered(name, asked.service))
        services[asked.service.id] = asked.service
    changes.extend(CheckRegistered(name, _with_its_service(check, services)) for check in asked.checks)
    return changes


def _with_its_service(check: Check, services: dict[str, Service]) -> Check:
    if not check.service_id:
        return check
    service = services.get(check.service_id)
    if service is None:
        raise ApiError(500, f"Unknown service ID '{check.service_id}' for check ID '{check.id}'")
    return attrs.evolve(check, service_name=service.name, service_tags=service.tags)


def _without_service(there: NodeServices, service_id: str) -> list[Registration]:
    if there.instance(service_id) is None:
        return []
    name = there.row.name
    checks = [row.check.id for row in there.checks if row.check.service_id == service_id]
    return [*(CheckDeregistered(name, check_id) for check_id in checks), ServiceDeregistered(name, service_id)]


def _without_check(there: NodeServices, check_id: str) -> list[Registration]:
    return [] if there.check(check_id) is None else [CheckDeregistered(there.row.name, check_id)]


def _without_node(there: NodeServices) -> list[Registration]:
    name = there.row.name
    if there.row.is_member:
        raise ApiError(
            500,
            f"Node {name!r} is a member of the pool and cannot be deregistered;"
            " it goes when it leaves, or by force-leave once it has failed",
        )
    return [
        *(CheckDeregistered(name, row.check.id) for row in there.checks),
        *(ServiceDeregistered(name, instance.service.id) for instance in there.instances),
        NodeDeregistered(name),
    ]


def _refuse_other_datacenter(body: Body, ctx: ApiContext) -> None:
    datacenter = body.text("Datacenter")
    if datacenter and not ctx.view.is_local(datacenter):
        raise ApiError(500, "No path to datacenter")


def _check_node(node: ExternalNode, *, is_update_skipped: bool) -> None:
    if not node.name:
        raise ApiError(500, "Must provide node")
    if not node.address and not is_update_skipped:
        raise ApiError(500, "Must provide address if SkipNodeUpdate is not set")
    if node.node_id and len(node.node_id) != UUID_CHARS:
        raise ApiError(500, "Bad node ID: uuid string is wrong length")
    if node.node_id and _UUID.fullmatch(node.node_id) is None:
        raise ApiError(500, "Bad node ID: uuid is improperly formatted")
    check_text("Node", node.name)
    check_text("Address", node.address)
    check_pairs(node.meta, "Node metadata", "metadata pair")
    check_pairs(node.tagged_addresses, "Tagged addresses", "tagged address")


def _refuse_held_id(node: ExternalNode, ctx: ApiContext) -> None:
    if not node.node_id:
        return
    for row in ctx.view.nodes():
        if row.node_id == node.node_id and fold(row.name) != fold(node.name):
            holder = f"{row.name} ({row.address})"
            raise ApiError(500, f"Node ID {node.node_id} is held by node {holder}; deregister that first")


def _derived_id(name: str) -> str:
    return str(uuid.uuid5(_EXTERNAL_ID_NAMESPACE, fold(name)))

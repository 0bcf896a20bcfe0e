"""``/v1/agent/conflicts``: the names that two agents claim now, as this agent sees them.

Nothing of this is Consul's.
"""

from __future__ import annotations

from nodedns.api.context import ApiContext, Json
from nodedns.api.encode import json_response
from nodedns.api.request import Request, Response
from nodedns.model.conflict import Claimant, Conflict

__all__ = ["get_conflicts"]


def get_conflicts(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/conflicts``."""
    return json_response([_shape(conflict, ctx) for conflict in ctx.conflicts()], request, ctx)


def _shape(conflict: Conflict, ctx: ApiContext) -> Json:
    return {
        "Name": conflict.holder.name,
        "Kind": "case" if conflict.is_of_case else "address",
        "Holder": _claimant(conflict.holder),
        "Rival": _claimant(conflict.rival),
        "ToldBy": conflict.told_by_name,
        "ToldByAddress": "" if conflict.told_by is None else str(conflict.told_by),
        "Since": ctx.chronicle.wall_text(conflict.since),
        "Seen": ctx.chronicle.wall_text(conflict.seen_at),
        "IsOurs": conflict.is_local,
    }


def _claimant(claimant: Claimant) -> Json:
    return {
        "Name": claimant.name,
        "Address": str(claimant.address),
        "ID": claimant.node_id,
        "Incarnation": claimant.incarnation,
    }

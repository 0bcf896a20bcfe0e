"""Asking the pure router as a client would."""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs
import pytest

from nodedns.api.context import ApiContext
from nodedns.api.request import Request, Response
from nodedns.api.router import Outcome, handle
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode, MemberUpserted, NodeRegistered
from nodedns.testing.table_agent import TableAgent, agent_member

Ask = Callable[..., Outcome]
Get = Callable[..., object]
Context = Callable[..., ApiContext]


def whole(answer: Response) -> Response:
    return attrs.evolve(answer, body=answer.body + b"".join(answer.rest or ()), rest=None)


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Ask for a target such as ``/v1/catalog/nodes?stale``."""

    def ask_router(ctx: ApiContext, target: str, method: str = "GET", body: object = None, **headers: str) -> Outcome:
        path, _, query = target.partition("?")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        found = handle(Request.from_wire_untrusted(method, path.encode(), query.encode(), named, raw), ctx)
        return whole(found) if isinstance(found, Response) else found

    return ask_router


@pytest.fixture(scope="session")
def get(ask: Ask) -> Get:
    """The JSON of a GET that is answered at once with 200."""

    def get_json(ctx: ApiContext, target: str) -> object:
        response = ask(ctx, target)
        assert isinstance(response, Response)
        assert response.status == 200, response.body
        return json.loads(response.body)

    return get_json


@pytest.fixture
def agent() -> TableAgent:
    """Servers one and two (failed), client three (left), external node printer; indexes 101 to 104."""
    agent = TableAgent("one", first_index=100, is_server=True)
    agent.apply(
        MemberUpserted(agent_member("one", "10.0.0.1", is_server=True)),
        MemberUpserted(agent_member("two", "10.0.0.2", is_server=True, status=MemberStatus.FAILED)),
        MemberUpserted(agent_member("three", "10.0.0.3", status=MemberStatus.LEFT)),
        NodeRegistered(ExternalNode(NodeName("printer"), "", "10.0.0.9", {"wan": "192.0.2.9", "lan": "10.0.0.9"})),
    )
    return agent


@pytest.fixture
def ctx(agent: TableAgent) -> ApiContext:
    """What handlers see of ``agent``."""
    return agent.api_context()

"""What of the log may be followed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodedns.api.context import ApiContext
from nodedns.api.monitor import FollowLog
from nodedns.api.request import Response
from nodedns.api.router import Outcome

Ask = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        ("", FollowLog("info", as_json=False)),
        ("?loglevel=DEBUG", FollowLog("debug", as_json=False)),
        ("?loglevel=err&logjson", FollowLog("err", as_json=True)),
        ("?loglevel=&logjson=true", FollowLog("info", as_json=True)),
    ],
)
def test_level_and_form_are_read(ask: Ask, ctx: ApiContext, query: str, outcome: FollowLog) -> None:
    assert outcome == ask(ctx, f"/v1/agent/monitor{query}")


def test_bad_level_is_named(ask: Ask, ctx: ApiContext) -> None:
    response = ask(ctx, "/v1/agent/monitor?loglevel=loud")
    assert isinstance(response, Response)
    assert (400, b"Unknown log level: loud") == (response.status, response.body)

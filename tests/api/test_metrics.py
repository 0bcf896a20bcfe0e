"""``/v1/agent/metrics``: three forms of the same figures."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from nodedns.api.context import ApiContext, MetricsReadings
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.figures import GaugeFigure, Interval, SumFigure

Ask = Callable[..., Outcome]
Get = Callable[..., object]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.fixture
def measured(ctx: ApiContext) -> ApiContext:
    interval = Interval(
        1502160910.0,
        (GaugeFigure("level", {"b": "2", "a": "1"}, 3.5),),
        (SumFigure("rise", {}, 20, 2.0, 20, 1, 1, 1, 0),),
        (SumFigure("time", {"of": "x"}, 2, 0.3, 3.0, 1.0, 2.0, 1.5, 0.7),),
    )
    readings = MetricsReadings(text=lambda: b"# text\n", open_text=lambda: b"# EOF\n", interval=lambda: interval)
    return attrs.evolve(ctx, metrics=readings)


@pytest.mark.parametrize(
    ("target", "accept", "told"),
    [
        ("?format=prometheus", "", (TEXT, b"# text\n")),
        ("?format=prometheus", "*/*", (TEXT, b"# text\n")),
        ("?format=prometheus", PROMETHEUS_ACCEPT, (OPEN, b"# EOF\n")),
        ("", PROMETHEUS_ACCEPT, (OPEN, b"# EOF\n")),
        ("", "text/plain; version=0.0.4", (TEXT, b"# text\n")),
    ],
)
def test_prometheus_gets_the_text_that_it_asks_for(
    ask: Ask, measured: ApiContext, target: str, accept: str, told: tuple[str, bytes]
) -> None:
    response = ask(measured, f"/v1/agent/metrics{target}", accept=accept)

    assert isinstance(response, Response)
    assert 200 == response.status
    assert told == (dict(response.headers)["Content-Type"], response.body)


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/plain", "text/plain; version=0.0.5"])
def test_anybody_else_gets_json(ask: Ask, measured: ApiContext, accept: str) -> None:
    response = ask(measured, "/v1/agent/metrics", accept=accept)

    assert isinstance(response, Response)
    assert "application/json" == dict(response.headers)["Content-Type"]


def test_json_has_consuls_shape(get: Get, measured: ApiContext) -> None:
    value = get(measured, "/v1/agent/metrics")

    assert {
        "Timestamp": "2017-08-08 02:55:10 +0000 UTC",
        "Gauges": [{"Name": "level", "Value": 3.5, "Labels": {"a": "1", "b": "2"}}],
        "Points": [],
        "Counters": [
            {
                "Name": "rise",
                "Count": 20,
                "Rate": 2.0,
                "Sum": 20,
                "Min": 1,
                "Max": 1,
                "Mean": 1,
                "Stddev": 0,
                "Labels": {},
            }
        ],
        "Samples": [
            {
                "Name": "time",
                "Count": 2,
                "Rate": 0.3,
                "Sum": 3.0,
                "Min": 1.0,
                "Max": 2.0,
                "Mean": 1.5,
                "Stddev": 0.7,
                "Labels": {"of": "x"},
            }
        ],
    } == value

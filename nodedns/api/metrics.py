"""``/v1/agent/metrics``: what the agent counts, for Prometheus or in Consul's JSON.

The JSON is of the last ten seconds, as Consul's, with the metrics' own names. Prometheus's
texts need no setting: Consul's ``prometheus_retention_time`` has nothing to say here, because
nothing is forgotten.

Source: Consul agent/agent_endpoint.go, go-metrics' MetricsSummary.
"""

from __future__ import annotations

from datetime import UTC, datetime

from nodedns.api.context import ApiContext, Json
from nodedns.api.encode import json_response, sorted_map
from nodedns.api.request import Request, Response
from nodedns.model.figures import GaugeFigure, SumFigure

__all__ = ["get_metrics"]

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPEN_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def get_metrics(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/metrics``."""
    accept = request.headers.get("accept", "")
    wants_open = "application/openmetrics-text" in accept
    if wants_open:
        return _text(ctx.metrics.open_text(), OPEN_TYPE)
    if request.parameters.first("format") == "prometheus" or _wants_text(accept):
        return _text(ctx.metrics.text(), TEXT_TYPE)
    interval = ctx.metrics.interval()
    started = datetime.fromtimestamp(interval.started, UTC)
    value: Json = {
        "Timestamp": started.strftime("%Y-%m-%d %H:%M:%S +0000 UTC"),
        "Gauges": [_gauge(figure) for figure in interval.gauges],
        "Points": [],
        "Counters": [_sum(figure) for figure in interval.counters],
        "Samples": [_sum(figure) for figure in interval.samples],
    }
    return json_response(value, request, ctx)


def _wants_text(accept: str) -> bool:
    return any("text/plain" in kind and "version=0.0.4" in kind.replace(" ", "") for kind in accept.split(","))


def _text(body: bytes, kind: str) -> Response:
    return Response(200, body, (("Content-Type", kind),))


def _gauge(figure: GaugeFigure) -> Json:
    return {"Name": figure.name, "Value": figure.value, "Labels": sorted_map(figure.labels)}


def _sum(figure: SumFigure) -> Json:
    return {
        "Name": figure.name,
        "Count": figure.count,
        "Rate": figure.rate,
        "Sum": figure.total,
        "Min": figure.low,
        "Max": figure.high,
        "Mean": figure.mean,
        "Stddev": figure.deviation,
        "Labels": sorted_map(figure.labels),
    }

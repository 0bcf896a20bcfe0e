"""The one table of metrics, and the registry that counts them.

Strategy: every metric is a constant in this file: name, labels, help. Rooms
that count say ``metrics.count(DNS_QUERIES, transport="udp", ...)``; the type of
the constant says whether it is counted, set or observed, and a wrong label
raises at once. Names are ``nodedns_<room>_<noun>_<unit or total>``.
The registry is our own, so that two agents in one process do not mix. Labels
can come from what a stranger sent; past ``MAX_SERIES`` combinations of one
metric, new ones are counted under ``other``.

Does not serve anything: ``expose`` gives the text, a listener hands it out.

Source: Prometheus's text format and its naming rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import prometheus_client

__all__ = [
    "DNS_ANSWER_SECONDS",
    "DNS_DROPPED",
    "DNS_ERRORS",
    "DNS_QUERIES",
    "DNS_STREAMS_OPEN",
    "GOSSIP_DATAGRAMS_RECEIVED",
    "GOSSIP_DATAGRAMS_SENT",
    "GOSSIP_DROPPED",
    "GOSSIP_HEALTH_SCORE",
    "GOSSIP_OCTETS_RECEIVED",
    "GOSSIP_OCTETS_SENT",
    "GOSSIP_REFUTED",
    "GOSSIP_STREAMS",
    "GOSSIP_SUSPECTED",
    "GOSSIP_SUSPICIONS",
    "GOSSIP_TCP_ONLY",
    "GOSSIP_UDP_BLOCKED",
    "HTTP_REQUESTS",
    "HTTP_REQUEST_SECONDS",
    "METRICS",
    "SERF_EVENTS",
    "SERF_MEMBERS",
    "SERF_NAMES_MOVED",
    "SERF_NAME_CONFLICTS",
    "SERF_NAME_CONFLICTS_OPEN",
    "SNAPSHOT_ERRORS",
    "TABLE_INDEX",
    "TABLE_NODES",
    "CounterSpec",
    "GaugeSpec",
    "HistogramSpec",
    "Metrics",
]

MAX_SERIES = 256
"""Label combinations kept of one metric; above the record types times the response codes that occur."""
OTHER = "other"
"""The label value under which what came past ``MAX_SERIES`` is counted."""


@attrs.frozen
class CounterSpec:
    """A count that only rises while the agent runs."""

    name: str
    labels: tuple[str, ...]
    help: str


@attrs.frozen
class GaugeSpec:
    """A value that rises and falls."""

    name: str
    labels: tuple[str, ...]
    help: str


@attrs.frozen
class HistogramSpec:
    """A spread of values over fixed buckets."""

    name: str
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...]


GOSSIP_DATAGRAMS_RECEIVED = CounterSpec("nodedns_gossip_datagrams_received_total", (), "Gossip datagrams received.")
GOSSIP_DATAGRAMS_SENT = CounterSpec("nodedns_gossip_datagrams_sent_total", (), "Gossip datagrams sent.")
GOSSIP_OCTETS_RECEIVED = CounterSpec("nodedns_gossip_received_bytes_total", (), "Payload bytes of those received.")
GOSSIP_OCTETS_SENT = CounterSpec("nodedns_gossip_sent_bytes_total", (), "Payload bytes of those sent.")
GOSSIP_DROPPED = CounterSpec("nodedns_gossip_dropped_total", ("reason",), "Gossip input dropped, by reason.")
GOSSIP_STREAMS = CounterSpec(
    "nodedns_gossip_streams_total", ("direction", "outcome"), "Gossip streams: in or out; done, failed or refused."
)
GOSSIP_SUSPECTED = CounterSpec("nodedns_gossip_suspected_total", (), "Times a member became suspect.")
GOSSIP_SUSPICIONS = CounterSpec(
    "nodedns_gossip_suspicions_total", ("outcome",), "Suspicions confirmed, refuted by the suspect, or ended in death."
)
GOSSIP_TCP_ONLY = CounterSpec(
    "nodedns_gossip_tcp_only_total", (), "Probes that a member answered over TCP but not over UDP."
)
GOSSIP_UDP_BLOCKED = CounterSpec(
    "nodedns_gossip_udp_blocked_total", ("direction",), "Checks that found UDP blocked to or from a member, or both."
)
GOSSIP_REFUTED = CounterSpec("nodedns_gossip_refuted_total", (), "Times we refuted a rumour of our own death.")
GOSSIP_HEALTH_SCORE = GaugeSpec("nodedns_gossip_health_score", (), "Lifeguard's score of our own health; 0 is well.")
SERF_MEMBERS = GaugeSpec("nodedns_serf_members", ("status",), "Members by status, ourselves included.")
SERF_EVENTS = CounterSpec("nodedns_serf_events_total", ("kind",), "Events of the Serf layer, by kind.")
SERF_NAME_CONFLICTS = CounterSpec(
    "nodedns_serf_name_conflicts_total", (), "Times two live agents were found to claim one name."
)
SERF_NAME_CONFLICTS_OPEN = GaugeSpec("nodedns_serf_name_conflicts_open", (), "Names that two live agents claim now.")
SERF_NAMES_MOVED = CounterSpec(
    "nodedns_serf_names_moved_total", (), "Names taken over by an address because the old one did not answer."
)
SNAPSHOT_ERRORS = CounterSpec("nodedns_snapshot_errors_total", (), "Writes to the data directory that failed.")
TABLE_INDEX = GaugeSpec("nodedns_table_index", (), "Index of the node table; rises with every change.")
TABLE_NODES = GaugeSpec("nodedns_table_nodes", (), "Nodes that have a name in DNS.")
DNS_QUERIES = CounterSpec(
    "nodedns_dns_queries_total", ("transport", "qtype", "rcode"), "DNS queries answered, by transport, type and code."
)
DNS_DROPPED = CounterSpec("nodedns_dns_dropped_total", ("reason",), "DNS datagrams dropped without an answer.")
DNS_ERRORS = CounterSpec("nodedns_dns_errors_total", ("transport",), "Queries answered SERVFAIL by a fault of ours.")
DNS_STREAMS_OPEN = GaugeSpec("nodedns_dns_streams_open", (), "DNS connections over TCP open now.")
DNS_ANSWER_SECONDS = HistogramSpec(
    "nodedns_dns_answer_seconds",
    ("transport",),
    "Time from a query read to its answer ready.",
    (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1),
)
HTTP_REQUESTS = CounterSpec("nodedns_http_requests_total", ("method", "status"), "HTTP requests answered.")
HTTP_REQUEST_SECONDS = HistogramSpec(
    "nodedns_http_request_seconds",
    ("method",),
    "Time from a request read to its answer ready, waits of blocking queries included.",
    (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 60.0, 600.0),
)

METRICS: tuple[CounterSpec | GaugeSpec | HistogramSpec, ...] = (
    GOSSIP_DATAGRAMS_RECEIVED,
    GOSSIP_DATAGRAMS_SENT,
    GOSSIP_OCTETS_RECEIVED,
    GOSSIP_OCTETS_SENT,
    GOSSIP_DROPPED,
    GOSSIP_STREAMS,
    GOSSIP_SUSPECTED,
    GOSSIP_SUSPICIONS,
    GOSSIP_TCP_ONLY,
    GOSSIP_UDP_BLOCKED,
    GOSSIP_REFUTED,
    GOSSIP_HEALTH_SCORE,
    SERF_MEMBERS,
    SERF_EVENTS,
    SERF_NAME_CONFLICTS,
    SERF_NAME_CONFLICTS_OPEN,
    SERF_NAMES_MOVED,
    SNAPSHOT_ERRORS,
    TABLE_INDEX,
    TABLE_NODES,
    DNS_QUERIES,
    DNS_DROPPED,
    DNS_ERRORS,
    DNS_STREAMS_OPEN,
    DNS_ANSWER_SECONDS,
    HTTP_REQUESTS,
    HTTP_REQUEST_SECONDS,
)
"""The table; a metric that is not in it does not exist."""


class Metrics:
    """One agent's metrics; every metric of the table is there from the start."""

    __slots__ = ("_collectors", "_registry", "_series")

    def __init__(self) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        self._collectors: dict[str, Any] = {spec.name: self._collector(spec) for spec in METRICS}
        self._series: dict[str, set[tuple[str, ...]]] = {spec.name: set() for spec in METRICS}

    def count(self, spec: CounterSpec, amount: float = 1, /, **labels: str) -> None:
        """Raise a counter.

        Args:
            spec: A counter of the table.
            amount: By how much; not negative.
            labels: A value for each of its labels, no more and no less.

        Raises:
            ValueError: The labels are not the metric's.
        """
        self._child(spec, labels).inc(amount)

    def set(self, spec: GaugeSpec, value: float, /, **labels: str) -> None:
        """Set a gauge; labels as in ``count``."""
        self._child(spec, labels).set(value)

    def set_by(self, spec: GaugeSpec, read: Callable[[], float], /, **labels: str) -> None:
        """Have a gauge read by ``read`` whenever somebody looks, and cost nothing until then."""
        self._child(spec, labels).set_function(read)

    def observe(self, spec: HistogramSpec, value: float, /, **labels: str) -> None:
        """Add one value to a histogram; labels as in ``count``."""
        self._child(spec, labels).observe(value)

    def value(self, name: str, /, **labels: str) -> float:
        """Return one sample by its exposed name, 0 where nothing was counted; for tests and ``info``."""
        found = self._registry.get_sample_value(name, labels)
        return 0.0 if found is None else found

    def counts(self, spec: CounterSpec, /) -> dict[str, int]:
        """Return what a counter counted, by its labels' values, sorted; for ``info``."""
        samples = [sample for family in self._collectors[spec.name].collect() for sample in family.samples]
        counted = {
            " ".join(sample.labels[name] for name in spec.labels): int(sample.value)
            for sample in samples
            if sample.name == spec.name
        }
        return dict(sorted(counted.items()))

    def expose(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return prometheus_client.generate_latest(self._registry)

    def _collector(self, spec: CounterSpec | GaugeSpec | HistogramSpec) -> Any:  # noqa: ANN401 - three classes, no base
        match spec:
            case CounterSpec(name, labels, text):
                return prometheus_client.Counter(name, text, labels, registry=self._registry)
            case GaugeSpec(name, labels, text):
                return prometheus_client.Gauge(name, text, labels, registry=self._registry)
            case HistogramSpec(name, labels, text, buckets):
                return prometheus_client.Histogram(name, text, labels, buckets=buckets, registry=self._registry)

    def _child(self, spec: CounterSpec | GaugeSpec | HistogramSpec, labels: dict[str, str]) -> Any:  # noqa: ANN401
        if labels.keys() != set(spec.labels):
            msg = f"{spec.name} has the labels {_names(spec.labels)}, not {_names(sorted(labels))}"
            raise ValueError(msg)
        collector = self._collectors[spec.name]
        if not spec.labels:
            return collector
        return collector.labels(*self._bounded(spec, tuple(labels[name] for name in spec.labels)))

    def _bounded(self, spec: CounterSpec | GaugeSpec | HistogramSpec, values: tuple[str, ...]) -> tuple[str, ...]:
        known = self._series[spec.name]
        if values in known:
            return values
        if len(known) >= MAX_SERIES:
            return (OTHER,) * len(values)
        known.add(values)
        return values


def _names(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "(none)"

"""The one table of metrics, and the registry that counts them.

Strategy: every metric is a constant in this file: name, labels, help. Rooms
that count say ``metrics.count(DNS_QUERIES, transport="udp", ...)``; the type of
the constant says whether it is counted, set or observed, and a wrong label
raises at once. Names are ``nodedns_<room>_<noun>_<unit or total>``.
Code that counts each query asks for the series once (``tally``, ``level``,
``spread``) and keeps it: adding to it costs an addition.
The registry is our own, so that two agents in one process do not mix; the
numbers are plain ones, which prometheus_client only puts into its text. Labels
can come from what a stranger sent; past ``MAX_SERIES`` combinations of one
metric, new ones are counted under ``other``.

Does not serve anything: ``expose`` gives the text, a listener hands it out.

Source: Prometheus's text format and its naming rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized

import attrs
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics

from nodedns.observe.series import Level, Spread, Tally

__all__ = [
    "CHECKS_REGISTERED",
    "CHECKS_RUN",
    "CHECKS_RUNNING",
    "CHECKS_WAITING",
    "DNS_ANSWER_SECONDS",
    "DNS_BOUNDED",
    "DNS_DROPPED",
    "DNS_ERRORS",
    "DNS_FORWARDS",
    "DNS_FORWARDS_OPEN",
    "DNS_FORWARD_SECONDS",
    "DNS_LIMITED",
    "DNS_NOTIFIES",
    "DNS_NOTIFIES_WAITING",
    "DNS_PACKED_ANSWERS",
    "DNS_PACKED_HITS",
    "DNS_PACKED_MISSES",
    "DNS_PUBLISH_SECONDS",
    "DNS_QUERIES",
    "DNS_RECURSOR_ERRORS",
    "DNS_STREAMS",
    "DNS_STREAMS_OPEN",
    "DNS_TRUNCATED",
    "DNS_ZONES_UNPUBLISHED",
    "DNS_ZONE_SERIAL",
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
    "HTTP_HANDSHAKES_FAILED",
    "HTTP_REQUESTS",
    "HTTP_REQUEST_SECONDS",
    "METRICS",
    "REPLICA_BYTES_RECEIVED",
    "REPLICA_BYTES_SENT",
    "REPLICA_ENTRIES",
    "REPLICA_MEMORY",
    "REPLICA_MESSAGES_RECEIVED",
    "REPLICA_MESSAGES_SENT",
    "REPLICA_PEERS",
    "REPLICA_REFUSED",
    "REPLICA_SILENCE",
    "REPLICA_TOMBSTONES",
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
    "Spec",
    "Values",
]

MAX_SERIES = 512
"""Label combinations kept of one metric; above the record types that have a name, times seven response codes and two
transports."""
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
REPLICA_MESSAGES_SENT = CounterSpec(
    "nodedns_replica_messages_sent_total", ("way",), "Messages about registrations sent, as datagram or by stream."
)
REPLICA_MESSAGES_RECEIVED = CounterSpec(
    "nodedns_replica_messages_received_total", (), "Messages about registrations received."
)
REPLICA_BYTES_SENT = CounterSpec("nodedns_replica_sent_bytes_total", (), "Their bytes sent, before they are packed.")
REPLICA_BYTES_RECEIVED = CounterSpec("nodedns_replica_received_bytes_total", (), "Their bytes received, unpacked.")
REPLICA_PEERS = GaugeSpec("nodedns_replica_peers", (), "Agents with which registrations are replicated.")
REPLICA_ENTRIES = GaugeSpec("nodedns_replica_entries", (), "Nodes, services and checks kept, tombstones included.")
REPLICA_MEMORY = GaugeSpec("nodedns_replica_memory_bytes", (), "About how much memory these take.")
REPLICA_TOMBSTONES = GaugeSpec("nodedns_replica_tombstones", (), "Deregistrations remembered.")
REPLICA_REFUSED = GaugeSpec(
    "nodedns_replica_refused", ("reason",), "Messages and entries refused or not passed on since the start, by reason."
)
REPLICA_SILENCE = GaugeSpec(
    "nodedns_replica_silence", (), "Seconds since a peer was last heard about registrations; -1: never."
)
SNAPSHOT_ERRORS = CounterSpec("nodedns_snapshot_errors_total", (), "Writes to the data directory that failed.")
TABLE_INDEX = GaugeSpec("nodedns_table_index", (), "Index of the node table; rises with every change.")
TABLE_NODES = GaugeSpec("nodedns_table_nodes", (), "Nodes that have a name in DNS.")
DNS_QUERIES = CounterSpec(
    "nodedns_dns_queries_total", ("transport", "qtype", "rcode"), "DNS queries answered, by transport, type and code."
)
DNS_DROPPED = CounterSpec(
    "nodedns_dns_dropped_total", ("reason",), "DNS messages that got no answer, and DNS connections that were refused."
)
DNS_ERRORS = CounterSpec("nodedns_dns_errors_total", ("transport",), "Queries answered SERVFAIL by a fault of ours.")
DNS_TRUNCATED = CounterSpec(
    "nodedns_dns_truncated_total", ("transport",), "Answers with TC set: something did not fit and was left out."
)
DNS_LIMITED = CounterSpec(
    "nodedns_dns_limited_total", ("action",), "Responses over UDP limited by rate: slip (sent truncated) or drop."
)
DNS_BOUNDED = CounterSpec(
    "nodedns_dns_bounded_total", (), "Responses truncated because the query was small and its sender may be forged."
)
DNS_STREAMS = CounterSpec("nodedns_dns_streams_total", (), "DNS connections over TCP accepted.")
DNS_STREAMS_OPEN = GaugeSpec("nodedns_dns_streams_open", (), "DNS connections over TCP open now.")
DNS_PACKED_ANSWERS = GaugeSpec("nodedns_dns_packed_answers", (), "Answers kept packed, ready to be sent.")
DNS_PACKED_HITS = CounterSpec("nodedns_dns_packed_hits_total", (), "Queries answered from a packed answer.")
DNS_PACKED_MISSES = CounterSpec(
    "nodedns_dns_packed_misses_total", (), "Queries that a packed answer could have served, had there been one."
)
DNS_ANSWER_SECONDS = HistogramSpec(
    "nodedns_dns_answer_seconds",
    ("transport",),
    "Time from a query read to its answer ready.",
    (0.000002, 0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1),
)
DNS_FORWARDS = CounterSpec(
    "nodedns_dns_forwards_total",
    ("outcome",),
    "Queries for recursors: answered, failed with all of them, over a limit.",
)
DNS_FORWARDS_OPEN = GaugeSpec("nodedns_dns_forwards_open", (), "Queries that wait for recursors now.")
DNS_FORWARD_SECONDS = HistogramSpec(
    "nodedns_dns_forward_seconds",
    (),
    "Time that such a query waited, all recursors asked included.",
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
DNS_RECURSOR_ERRORS = CounterSpec(
    "nodedns_dns_recursor_errors_total", ("reason",), "What recursors did wrong: by reason, or by the response code."
)
DNS_ZONE_SERIAL = GaugeSpec("nodedns_dns_zone_serial", ("zone",), "The serial of a zone as published for secondaries.")
DNS_ZONES_UNPUBLISHED = GaugeSpec(
    "nodedns_dns_zones_unpublished", ("reason",), "Zones that secondaries cannot have, by reason: size or number."
)
DNS_PUBLISH_SECONDS = HistogramSpec(
    "nodedns_dns_publish_seconds",
    (),
    "Time from beginning to publish all zones to its end, other tasks' turns in between included.",
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
DNS_NOTIFIES = CounterSpec(
    "nodedns_dns_notifies_total",
    ("event",),
    "NOTIFY datagrams: sent, repeated; and what came back: acknowledged, refused, unsigned, stray.",
)
DNS_NOTIFIES_WAITING = GaugeSpec(
    "nodedns_dns_notifies_waiting", (), "Secondaries, for each zone, that have not acknowledged its newest serial."
)
DNS_TRANSFERS = CounterSpec(
    "nodedns_dns_transfers_total",
    ("kind", "outcome"),
    "Zone transfers asked for: done, aborted, refused, or busy (too many at once).",
)
DNS_TRANSFER_BYTES = CounterSpec("nodedns_dns_transfer_bytes_total", ("kind",), "Bytes of zone transfers, as sent.")
DNS_TRANSFERS_OPEN = GaugeSpec("nodedns_dns_transfers_open", (), "Zone transfers being sent now, in many messages.")
DNS_TSIG_ERRORS = CounterSpec(
    "nodedns_dns_tsig_errors_total", ("error",), "Signed queries whose signature was not good, by TSIG error."
)
CHECKS_RUN = CounterSpec("nodedns_checks_run_total", ("type", "status"), "Runs of this agent's checks.")
CHECKS_REGISTERED = GaugeSpec("nodedns_checks_registered", (), "Checks of this agent.")
CHECKS_RUNNING = GaugeSpec("nodedns_checks_running", (), "Checks that run now.")
CHECKS_WAITING = GaugeSpec("nodedns_checks_waiting", (), "Checks that are due and wait until fewer run.")
HTTP_REQUESTS = CounterSpec("nodedns_http_requests_total", ("method", "status"), "HTTP requests answered.")
HTTP_REQUEST_SECONDS = HistogramSpec(
    "nodedns_http_request_seconds",
    ("method",),
    "Time from a request read to its answer ready, waits of blocking queries included.",
    (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 60.0, 600.0),
)
HTTP_HANDSHAKES_FAILED = CounterSpec(
    "nodedns_http_handshakes_failed_total", ("reason",), "TLS handshakes of HTTP clients that came to nothing."
)

Spec = CounterSpec | GaugeSpec | HistogramSpec

METRICS: tuple[Spec, ...] = (
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
    REPLICA_MESSAGES_SENT,
    REPLICA_MESSAGES_RECEIVED,
    REPLICA_BYTES_SENT,
    REPLICA_BYTES_RECEIVED,
    REPLICA_PEERS,
    REPLICA_ENTRIES,
    REPLICA_MEMORY,
    REPLICA_TOMBSTONES,
    REPLICA_REFUSED,
    REPLICA_SILENCE,
    SNAPSHOT_ERRORS,
    TABLE_INDEX,
    TABLE_NODES,
    DNS_QUERIES,
    DNS_DROPPED,
    DNS_ERRORS,
    DNS_TRUNCATED,
    DNS_LIMITED,
    DNS_BOUNDED,
    DNS_STREAMS,
    DNS_STREAMS_OPEN,
    DNS_PACKED_ANSWERS,
    DNS_PACKED_HITS,
    DNS_PACKED_MISSES,
    DNS_ANSWER_SECONDS,
    DNS_FORWARDS,
    DNS_FORWARDS_OPEN,
    DNS_FORWARD_SECONDS,
    DNS_RECURSOR_ERRORS,
    DNS_ZONE_SERIAL,
    DNS_ZONES_UNPUBLISHED,
    DNS_PUBLISH_SECONDS,
    DNS_NOTIFIES,
    DNS_NOTIFIES_WAITING,
    DNS_TRANSFERS,
    DNS_TRANSFER_BYTES,
    DNS_TRANSFERS_OPEN,
    DNS_TSIG_ERRORS,
    CHECKS_RUN,
    CHECKS_REGISTERED,
    CHECKS_RUNNING,
    CHECKS_WAITING,
    HTTP_REQUESTS,
    HTTP_REQUEST_SECONDS,
    HTTP_HANDSHAKES_FAILED,
)
"""The table; a metric that is not in it does not exist."""


Values = tuple[str, ...]
"""The values of a metric's labels, in the order of its constant."""


class Metrics:
    """One agent's metrics; every metric of the table is there from the start."""

    __slots__ = ("_levels", "_registry", "_spreads", "_tallies")

    def __init__(self) -> None:
        self._tallies: dict[str, dict[Values, Tally]] = {}
        self._levels: dict[str, dict[Values, Level]] = {}
        self._spreads: dict[str, dict[Values, Spread]] = {}
        for spec in METRICS:
            match spec:
                case CounterSpec(name, labels):
                    self._tallies[name] = {} if labels else {(): Tally()}
                case GaugeSpec(name, labels):
                    self._levels[name] = {} if labels else {(): Level()}
                case HistogramSpec(name, labels):
                    self._spreads[name] = {} if labels else {(): Spread(spec.buckets)}
        self._registry = CollectorRegistry()
        self._registry.register(_Exposition(self))

    # --- counting ----------------------------------------------------------------

    def tally(self, spec: CounterSpec, /, **labels: str) -> Tally:
        """Return one series of a counter, to be kept and added to; the same one each time.

        Args:
            spec: A counter of the table.
            labels: A value for each of its labels, no more and no less.

        Returns:
            The series, or that of ``OTHER`` once there are ``MAX_SERIES`` of the metric.

        Raises:
            ValueError: The labels are not the metric's.
        """
        known = self._tallies[spec.name]
        values = _values(spec, labels)
        return known.get(values) or known.setdefault(_bounded(known, values), Tally())

    def level(self, spec: GaugeSpec, /, **labels: str) -> Level:
        """Return one series of a gauge; as ``tally``."""
        known = self._levels[spec.name]
        values = _values(spec, labels)
        return known.get(values) or known.setdefault(_bounded(known, values), Level())

    def spread(self, spec: HistogramSpec, /, **labels: str) -> Spread:
        """Return one series of a histogram; as ``tally``."""
        known = self._spreads[spec.name]
        values = _values(spec, labels)
        return known.get(values) or known.setdefault(_bounded(known, values), Spread(spec.buckets))

    def count(self, spec: CounterSpec, amount: float = 1, /, **labels: str) -> None:
        """Raise a counter.

        Args:
            spec: A counter of the table.
            amount: By how much; not negative.
            labels: A value for each of its labels, no more and no less.

        Raises:
            ValueError: The labels are not the metric's, or the amount is negative.
        """
        self.tally(spec, **labels).add(amount)

    def set(self, spec: GaugeSpec, value: float, /, **labels: str) -> None:
        """Set a gauge; labels as in ``count``."""
        self.level(spec, **labels).value = value

    def set_by(self, spec: GaugeSpec, read: Callable[[], float], /, **labels: str) -> None:
        """Have a gauge read by ``read`` whenever somebody looks, and cost nothing until then."""
        self.level(spec, **labels).set_by(read)

    def observe(self, spec: HistogramSpec, value: float, /, **labels: str) -> None:
        """Add one value to a histogram; labels as in ``count``."""
        self.spread(spec, **labels).observe(value)

    # --- looking -----------------------------------------------------------------

    def value(self, name: str, /, **labels: str) -> float:
        """Return one sample by its exposed name, 0 where nothing was counted; for tests and ``info``."""
        found = self._registry.get_sample_value(name, labels)
        return 0.0 if found is None else found

    def counts(self, spec: CounterSpec, /) -> dict[str, int]:
        """Return what a counter counted, by its labels' values, sorted; for ``info``."""
        counted = {" ".join(values): int(tally.total()) for values, tally in self._tallies[spec.name].items()}
        return dict(sorted(counted.items()))

    def tallies(self, spec: CounterSpec, /) -> dict[Values, Tally]:
        """Return every series of a counter, by its labels' values."""
        return dict(self._tallies[spec.name])

    def levels(self, spec: GaugeSpec, /) -> dict[Values, Level]:
        """Return every series of a gauge, by its labels' values."""
        return dict(self._levels[spec.name])

    def spreads(self, spec: HistogramSpec, /) -> dict[Values, Spread]:
        """Return every series of a histogram, by its labels' values."""
        return dict(self._spreads[spec.name])

    def expose(self) -> bytes:
        """Return everything in Prometheus's text format, version 0.0.4, and figures of the process."""
        return generate_latest(_OfAgentAndProcess(self))

    def expose_open(self) -> bytes:
        """Return the same in OpenMetrics's format, version 1.0.0."""
        text: bytes = openmetrics.generate_latest(_OfAgentAndProcess(self))  # type: ignore[no-untyped-call]
        return text


class _Exposition:
    """What prometheus_client asks for its families, each time somebody looks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        """Yield every metric of the table with the values of the moment."""
        for spec in METRICS:
            match spec:
                case CounterSpec(name, labels, text):
                    counter = CounterMetricFamily(name, text, labels=labels)
                    for values, tally in self._metrics.tallies(spec).items():
                        counter.add_metric(values, tally.total())
                    yield counter
                case GaugeSpec(name, labels, text):
                    gauge = GaugeMetricFamily(name, text, labels=labels)
                    for values, level in self._metrics.levels(spec).items():
                        gauge.add_metric(values, level.now())
                    yield gauge
                case HistogramSpec(name, labels, text):
                    histogram = HistogramMetricFamily(name, text, labels=labels)
                    for values, spread in self._metrics.spreads(spec).items():
                        steps = [(_bound_text(bound), count) for bound, count in spread.cumulative()]
                        histogram.add_metric(values, steps, spread.sum)
                    yield histogram


class _OfAgentAndProcess:
    """One agent's families, and behind them those that Prometheus knows of any process: its CPU, memory, files."""

    def __init__(self, metrics: Metrics) -> None:
        self._own = _Exposition(metrics)

    def collect(self) -> Iterator[Metric]:
        """Yield all of them."""
        yield from self._own.collect()
        yield from ProcessCollector(registry=None).collect()


def _values(spec: Spec, labels: dict[str, str]) -> Values:
    try:
        values = tuple([labels[name] for name in spec.labels])
    except KeyError:
        values = ()
    if len(values) != len(spec.labels) or len(labels) != len(values):
        msg = f"{spec.name} has the labels {_names(spec.labels)}, not {_names(sorted(labels))}"
        raise ValueError(msg)
    return values


def _bounded(known: Sized, values: Values) -> Values:
    return values if len(known) < MAX_SERIES else (OTHER,) * len(values)


def _bound_text(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)


def _names(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "(none)"

"""The table of metrics and the registry behind it."""

from __future__ import annotations

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families

from nodedns.observe import metrics
from nodedns.observe.metrics import CounterSpec, GaugeSpec, HistogramSpec, Metrics

NAME = re.compile(r"nodedns_(gossip|serf|replica|snapshot|table|dns|checks|http)(_[a-z]+)+")


def test_counter_rises_by_one_and_by_more() -> None:
    counted = Metrics()

    counted.count(metrics.GOSSIP_DATAGRAMS_SENT)
    counted.count(metrics.GOSSIP_DATAGRAMS_SENT, 4)

    assert counted.value("nodedns_gossip_datagrams_sent_total") == 5


def test_counter_is_kept_by_label() -> None:
    counted = Metrics()

    counted.count(metrics.GOSSIP_DROPPED, reason="bad-crc")
    counted.count(metrics.GOSSIP_DROPPED, reason="too-short")
    counted.count(metrics.GOSSIP_DROPPED, reason="bad-crc")

    assert counted.value("nodedns_gossip_dropped_total", reason="bad-crc") == 2
    assert counted.value("nodedns_gossip_dropped_total", reason="never") == 0


def test_label_order_does_not_matter() -> None:
    counted = Metrics()

    counted.count(metrics.DNS_QUERIES, rcode="NOERROR", transport="udp", qtype="A")

    assert counted.value("nodedns_dns_queries_total", transport="udp", qtype="A", rcode="NOERROR") == 1


def test_gauge_takes_the_last_value() -> None:
    counted = Metrics()

    counted.set(metrics.SERF_MEMBERS, 3, status="alive")
    counted.set(metrics.SERF_MEMBERS, 2, status="alive")

    assert counted.value("nodedns_serf_members", status="alive") == 2


def test_histogram_counts_each_value_in_its_bucket() -> None:
    counted = Metrics()

    counted.observe(metrics.DNS_ANSWER_SECONDS, 0.0003, transport="udp")

    assert counted.value("nodedns_dns_answer_seconds_bucket", transport="udp", le="0.00025") == 0
    assert counted.value("nodedns_dns_answer_seconds_bucket", transport="udp", le="0.0005") == 1


@pytest.mark.parametrize("labels", [{}, {"reason": "x", "more": "y"}, {"other": "x"}])
def test_labels_that_are_not_the_metrics_are_refused(labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="nodedns_gossip_dropped_total has the labels reason, not"):
        Metrics().count(metrics.GOSSIP_DROPPED, **labels)


def test_two_agents_in_one_process_do_not_mix() -> None:
    first, second = Metrics(), Metrics()

    first.count(metrics.GOSSIP_REFUTED)

    assert second.value("nodedns_gossip_refuted_total") == 0


def test_label_values_a_stranger_invents_end_under_other() -> None:
    counted = Metrics()

    for number in range(metrics.MAX_SERIES + 50):
        counted.count(metrics.DNS_DROPPED, reason=f"invented-{number}")
    counted.count(metrics.DNS_DROPPED, reason="invented-0")

    assert counted.value("nodedns_dns_dropped_total", reason="other") == 50
    assert counted.value("nodedns_dns_dropped_total", reason="invented-0") == 2


def test_counts_of_a_counter_are_listed_by_label() -> None:
    counted = Metrics()

    counted.count(metrics.DNS_DROPPED, reason="too-short")
    counted.count(metrics.DNS_DROPPED, 2, reason="is-a-reply")

    assert counted.counts(metrics.DNS_DROPPED) == {"is-a-reply": 2, "too-short": 1}
    assert counted.counts(metrics.GOSSIP_DROPPED) == {}


def test_exposed_text_holds_every_metric_of_the_table() -> None:
    text = Metrics().expose().decode()

    assert [] == [spec.name for spec in metrics.METRICS if f"# HELP {spec.name} " not in text]


def test_table_lists_every_metric_of_the_file_once() -> None:
    declared = [value for value in vars(metrics).values() if isinstance(value, CounterSpec | GaugeSpec | HistogramSpec)]

    assert declared == list(metrics.METRICS)
    assert len({spec.name for spec in metrics.METRICS}) == len(metrics.METRICS)


@pytest.mark.parametrize("spec", metrics.METRICS, ids=lambda spec: spec.name)
def test_name_says_room_noun_and_unit(spec: CounterSpec | GaugeSpec | HistogramSpec) -> None:
    assert NAME.fullmatch(spec.name)
    assert isinstance(spec, CounterSpec) == spec.name.endswith("_total")
    assert isinstance(spec, HistogramSpec) == spec.name.endswith("_seconds")
    assert spec.help.endswith(".")


def test_a_series_that_is_kept_is_the_one_that_is_counted() -> None:
    counted = Metrics()
    kept = counted.tally(metrics.DNS_TRUNCATED, transport="udp")

    kept.count += 3
    counted.count(metrics.DNS_TRUNCATED, transport="udp")

    assert counted.value("nodedns_dns_truncated_total", transport="udp") == 4
    assert counted.tally(metrics.DNS_TRUNCATED, transport="udp") is kept


def test_a_series_past_the_bound_is_the_one_of_the_others() -> None:
    counted = Metrics()
    kept = {id(counted.tally(metrics.DNS_DROPPED, reason=f"invented-{number}")) for number in range(2_000)}

    assert len(kept) == metrics.MAX_SERIES + 1


def test_values_observed_in_bulk_are_exposed() -> None:
    counted = Metrics()

    counted.spread(metrics.DNS_ANSWER_SECONDS, transport="udp").observe_many(0.25, 8)

    assert counted.value("nodedns_dns_answer_seconds_sum", transport="udp") == 2.0
    assert counted.value("nodedns_dns_answer_seconds_count", transport="udp") == 8


def test_listeners_that_share_a_level_add_up() -> None:
    counted = Metrics()

    counted.level(metrics.DNS_STREAMS_OPEN).add(2)
    counted.level(metrics.DNS_STREAMS_OPEN).add(-1)

    assert counted.value("nodedns_dns_streams_open") == 1


def test_text_is_what_prometheus_reads() -> None:
    counted = Metrics()
    counted.count(metrics.DNS_DROPPED, 2, reason='a "quoted"\nreason')

    families = {family.name: family for family in text_string_to_metric_families(counted.expose().decode())}

    (sample,) = families["nodedns_dns_dropped"].samples
    assert (sample.labels, sample.value) == ({"reason": 'a "quoted"\nreason'}, 2.0)
    ours = {name for name in families if not name.startswith("process_")}
    assert {spec.name.removesuffix("_total") for spec in metrics.METRICS} == ours
    assert families["process_cpu_seconds"].samples[0].value > 0


def test_open_text_is_what_openmetrics_wants() -> None:
    counted = Metrics()
    counted.count(metrics.DNS_DROPPED, 2, reason="short")
    counted.observe(metrics.DNS_ANSWER_SECONDS, 0.00001, transport="udp")

    families = {family.name: family for family in open_families(counted.expose_open().decode())}  # type: ignore[no-untyped-call]

    assert families["nodedns_dns_dropped"].samples[0].value == 2.0
    assert families["nodedns_dns_answer_seconds"].type == "histogram"

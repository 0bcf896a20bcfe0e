"""Figures of the last interval: what came in it, and nothing of what came before."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.figures import GaugeFigure, SumFigure
from nodedns.observe.intervals import Intervals
from nodedns.observe.metrics import DNS_ANSWER_SECONDS, DNS_DROPPED, GOSSIP_OCTETS_SENT, TABLE_NODES, Metrics


def test_a_counter_shows_what_it_rose_by_in_the_last_interval() -> None:
    metrics = Metrics()
    intervals = Intervals(metrics, 100.0)
    metrics.count(DNS_DROPPED, 7, reason="short")
    intervals.end(110.0)
    metrics.count(DNS_DROPPED, 20, reason="short")
    intervals.end(120.0)

    shown = intervals.shown(123.0)

    assert 110.0 == shown.started
    assert (SumFigure(DNS_DROPPED.name, {"reason": "short"}, 20, 2.0, 20, 1, 1, 1, 0),) == shown.counters


def test_a_counter_that_stood_still_is_not_shown() -> None:
    metrics = Metrics()
    intervals = Intervals(metrics, 100.0)
    metrics.count(GOSSIP_OCTETS_SENT, 1_000)
    intervals.end(110.0)
    intervals.end(120.0)

    assert () == intervals.shown(120.0).counters


def test_before_the_first_interval_is_over_the_one_under_way_is_shown() -> None:
    metrics = Metrics()
    intervals = Intervals(metrics, 100.0)
    metrics.count(GOSSIP_OCTETS_SENT, 1_000)

    shown = intervals.shown(104.0)

    assert (100.0, 250.0) == (shown.started, shown.counters[0].rate)


def test_gauges_are_as_of_now() -> None:
    metrics = Metrics()
    intervals = Intervals(metrics, 100.0)
    metrics.set(TABLE_NODES, 3)
    intervals.end(110.0)
    metrics.set(TABLE_NODES, 4)

    assert GaugeFigure(TABLE_NODES.name, {}, 4) in intervals.shown(111.0).gauges


@given(
    st.lists(st.floats(0.00001, 1), min_size=1, max_size=20),
    st.lists(st.floats(0.00001, 1), min_size=1, max_size=20),
)
def test_a_histogram_is_summed_up_as_the_values_of_the_interval_are(before: list[float], values: list[float]) -> None:
    metrics = Metrics()
    intervals = Intervals(metrics, 100.0)
    for value in before:
        metrics.observe(DNS_ANSWER_SECONDS, value, transport="udp")
    intervals.end(110.0)
    for value in values:
        metrics.observe(DNS_ANSWER_SECONDS, value, transport="udp")
    intervals.end(120.0)

    (figure,) = intervals.shown(120.0).samples

    assert ({"transport": "udp"}, len(values)) == (figure.labels, figure.count)
    assert (min(values), max(values)) == (figure.low, figure.high)
    assert sum(values) == pytest.approx(figure.total)
    assert sum(values) / 10 == pytest.approx(figure.rate)
    assert statistics.fmean(values) == pytest.approx(figure.mean)
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    assert spread == pytest.approx(figure.deviation, abs=1e-6)


def test_a_clock_that_was_set_back_divides_by_nothing() -> None:
    metrics = Metrics()
    intervals = Intervals(metrics, 100.0)
    metrics.count(GOSSIP_OCTETS_SENT, 5)
    intervals.end(40.0)

    assert 5.0 == intervals.shown(41.0).counters[0].rate

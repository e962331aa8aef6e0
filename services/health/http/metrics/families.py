"""Metric families, as Prometheus' client library makes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

PREFIX = "mnemostream_"

Row = tuple[Sequence[str], float]
"""Label values and the value."""


def gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, help_, value=value)


def gauges(name: str, help_: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, help_, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def counters(name: str, help_: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, help_, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family

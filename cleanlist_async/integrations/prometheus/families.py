"""The metrics as prometheus_client has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from cleanlist_async.integrations.metrics import STATE_METRICS, Measurement, Metric

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily

_UNITS: Final = {"s": "_seconds"}


def registered(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    """Return a metric that is counted by events."""
    if metric.kind == "histogram":
        return Histogram(
            name_of(metric), metric.description, metric.labels, buckets=metric.buckets, registry=registry
        )
    if metric.kind == "up_down":
        # Of several processes, only what lives counts: what one that was killed had begun, it never ends.
        return Gauge(
            name_of(metric),
            metric.description,
            metric.labels,
            registry=registry,
            multiprocess_mode="livesum",
        )
    return Counter(name_of(metric), metric.description, metric.labels, registry=registry)


def families(found: Iterable[Measurement]) -> Iterator[Family]:
    """Yield the metrics of a state that is read at a scrape."""
    measured = list(found)
    for metric in STATE_METRICS:
        kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = kind(name_of(metric), metric.description, labels=metric.labels)
        for one in measured:
            if one.metric is metric:
                family.add_metric(one.labels, one.value)
        yield family


def name_of(metric: Metric) -> str:
    """Return the name of a metric with its unit."""
    return metric.name.replace(".", "_") + _UNITS.get(metric.unit, "")

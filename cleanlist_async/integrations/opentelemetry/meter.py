"""Metrics of a client as instruments of an OpenTelemetry meter."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TypeAlias
from weakref import WeakSet

from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation, UpDownCounter

from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.events import Event
from cleanlist_async.integrations.metrics import (
    EVENT_METRICS,
    STATE_METRICS,
    Measurement,
    Metric,
    measurements,
    state_of,
)

_Instrument: TypeAlias = Counter | Histogram | UpDownCounter


class Meters:
    """The instruments, and the `clients` whose state is read whenever metrics are collected."""

    def __init__(self, meter: Meter) -> None:
        self.clients: WeakSet[AsyncCleanlist] = WeakSet()
        self._instruments = {metric: _made(metric, meter) for metric in EVENT_METRICS}
        for metric in STATE_METRICS:
            make = (
                meter.create_observable_counter if metric.kind == "counter" else meter.create_observable_gauge
            )
            read = partial(self._observe, metric)
            make(metric.name, [read], unit=metric.unit, description=metric.description)

    def record(self, event: Event) -> None:
        """Add what an event says to the instruments."""
        for one in measurements(event):
            instrument = self._instruments[one.metric]
            if isinstance(instrument, Histogram):
                instrument.record(one.value, _attributes(one))
            else:
                instrument.add(one.value, _attributes(one))

    def _observe(self, metric: Metric, _options: CallbackOptions) -> Iterator[Observation]:
        for one in state_of(self.clients):
            if one.metric is metric:
                yield Observation(one.value, _attributes(one))


def _made(metric: Metric, meter: Meter) -> _Instrument:
    if metric.kind == "histogram":
        return meter.create_histogram(
            metric.name,
            metric.unit,
            metric.description,
            explicit_bucket_boundaries_advisory=metric.buckets,
        )
    make = meter.create_up_down_counter if metric.kind == "up_down" else meter.create_counter
    return make(metric.name, metric.unit, metric.description)


def _attributes(one: Measurement) -> dict[str, str]:
    return {f"cleanlist.{name}": value for name, value in zip(one.metric.labels, one.labels, strict=True)}

"""Metrics for Prometheus. Needs the extra ``prometheus``.

::

    metrics = PrometheusMetrics()
    async with AsyncCleanlist(on_event=metrics) as client:
        metrics.watch(client)

"""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakSet

from cleanlist_async.checks import check_instance
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.events import Event
from cleanlist_async.integrations import explain_missing
from cleanlist_async.integrations.metrics import EVENT_METRICS, Measurement, measurements, state_of

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Histogram
    from prometheus_client.registry import Collector

    from cleanlist_async.integrations.prometheus.families import Family, families, registered
    from cleanlist_async.integrations.prometheus.processes import ProcessState, is_multiprocess
except ModuleNotFoundError as missing:
    explain_missing(missing, "Prometheus needs", "prometheus", "prometheus_client")
    raise

__all__ = ["PrometheusMetrics"]


class PrometheusMetrics(Collector):
    """An ``on_event`` that counts requests, waits, 429s, credits and results. Its labels hold no contact.

    Make one for each registry; it serves any number of clients. The state of those that it watches (tokens,
    waiting requests, webhooks) is read at each scrape, in the thread of the scrape.

    In the multiprocess mode of prometheus_client (``$PROMETHEUS_MULTIPROC_DIR``), each process writes that
    state every two seconds, from a thread. Waiting requests and runs are summed over the processes; of free
    tokens and capacities the least is shown, of pauses the longest. What a process that was killed has left
    in the gauges of that folder is removed by the others.

    Parameters
    ----------
    registry
        Where the metrics are registered; by default the global one.

    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        check_instance("registry", registry, CollectorRegistry)
        self._metrics = {metric: registered(metric, registry) for metric in EVENT_METRICS}
        self._clients: WeakSet[AsyncCleanlist] = WeakSet()
        self._state: ProcessState | None = None
        if is_multiprocess():
            self._state = ProcessState(registry, self._read_state)
        else:
            registry.register(self)

    def __call__(self, event: Event) -> None:
        """Count one event."""
        for one in measurements(event):
            metric = self._metrics[one.metric]
            if isinstance(metric, Histogram):
                metric.labels(*one.labels).observe(one.value)
            else:
                metric.labels(*one.labels).inc(one.value)

    def watch(self, client: AsyncCleanlist) -> None:
        """Show the state of *client* too, until it is no longer used."""
        check_instance("client", client, AsyncCleanlist)
        self._clients.add(client)
        if self._state is not None:
            self._state.keep_writing()

    def collect(self) -> Iterator[Family]:
        """Yield the state of the clients that are watched."""
        return families(self._read_state())

    def describe(self) -> Iterator[Family]:
        """Yield the names of these metrics, so that registering asks no client."""
        return families([])

    def _read_state(self) -> list[Measurement]:
        return state_of(self._clients)

"""Metrics for Prometheus. Needs the extra ``prometheus``.

::

    metrics = PrometheusMetrics()
    async with AsyncCleanlist(on_event=metrics) as client:
        metrics.watch(client)

"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, TypeAlias
from weakref import WeakMethod, WeakSet

from cleanlist_async.checks import check_instance
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.events import Event, report_failure
from cleanlist_async.integrations import explain_missing
from cleanlist_async.integrations.metrics import (
    CAPACITY,
    EVENT_METRICS,
    PAUSE,
    RUNS,
    STATE_METRICS,
    TOKENS,
    WAITING,
    Measurement,
    Metric,
    measurements,
    state_of,
)
from cleanlist_async.ratelimit.shared.backend import has_ended, this_process

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, values
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.multiprocess import (
        mark_process_dead,  # pyright: ignore[reportUnknownVariableType]  # it is not typed
    )
    from prometheus_client.registry import Collector
except ModuleNotFoundError as missing:
    explain_missing(missing, "Prometheus needs", "prometheus", "prometheus_client")
    raise

__all__ = ["PrometheusMetrics"]

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily

_EVERY_S: Final = 2.0
_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
# Of several processes, only what lives counts: what one that was killed had begun, it never ends. Those that
# share a limiter see the same buckets, so their values are not summed.
_MODES: Final[dict[Metric, Literal["livemin", "livemax", "livesum"]]] = {
    TOKENS: "livemin",
    CAPACITY: "livemin",
    PAUSE: "livemax",
    WAITING: "livesum",
    RUNS: "livesum",
}


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

    Raises
    ------
    ConfigurationError
        In the multiprocess mode, if its folder is not there or cannot be written.

    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        check_instance("registry", registry, CollectorRegistry)
        is_for_several = values.ValueClass is not values.MutexValue  # it writes files for several processes
        if is_for_several:
            _check_folder()  # before anything is registered
        self._metrics = {metric: _registered(metric, registry) for metric in EVENT_METRICS}
        self._clients: WeakSet[AsyncCleanlist] = WeakSet()
        self._state: _ProcessState | None = None
        if is_for_several:
            self._state = _ProcessState(registry, self._read_state)
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
        return _families(self._read_state())

    def describe(self) -> Iterator[Family]:
        """Yield the names of these metrics, so that registering asks no client."""
        return _families([])

    def _read_state(self) -> list[Measurement]:
        return state_of(self._clients)


class _ProcessState:
    """Writes the state of this process every other second, and removes what killed processes have left.

    In the multiprocess mode a scrape is answered by one process, from the files of all: at the scrape it
    could not read the state of the others.
    """

    def __init__(self, registry: CollectorRegistry, read: Callable[[], Iterable[Measurement]]) -> None:
        # Weak, so that the thread does not keep metrics alive that nobody uses any more.
        self._read = WeakMethod(read)
        self._metrics = {metric: _registered(metric, registry) for metric in STATE_METRICS}
        self._counted: dict[tuple[Metric, tuple[str, ...]], float] = {}
        self._thread: threading.Thread | None = None
        _forget_the_dead()

    def keep_writing(self) -> None:
        """Write the state from now on: at once, unless a thread of this process does so already."""
        # One thread alone: two that look at the same time would both count what is new. None survives a fork.
        if self._thread is None or not self._thread.is_alive():
            self._write()
            self._thread = threading.Thread(target=self._work, name="cleanlist-metrics", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        is_wanted = True
        while is_wanted:
            time.sleep(_EVERY_S)
            try:
                is_wanted = self._write()
            except RuntimeError:  # the event loop has changed the state during the look
                continue
            except Exception as problem:  # noqa: BLE001  # such as a full disk, which may pass
                report_failure("metrics", problem)

    def _write(self) -> bool:
        """Write the state; return False once the metrics are used no longer."""
        if (read := self._read()) is None:
            return False
        for one in read():
            metric = self._metrics[one.metric]
            # A metric without labels refuses to be asked for one of them.
            shown = metric.labels(*one.labels) if one.labels else metric
            if isinstance(shown, Gauge):
                shown.set(one.value)
            elif isinstance(shown, Counter):
                key = one.metric, one.labels
                # A receiver that is no longer used takes its counts with it, and no counter may fall.
                shown.inc(max(0.0, one.value - self._counted.get(key, 0.0)))
                self._counted[key] = one.value
        _forget_the_dead()
        return True


def _check_folder() -> None:
    """Check what prometheus_client itself would only tell as a missing file, or write elsewhere."""
    folder = os.environ.get(_FOLDER, "")
    if not (Path(folder).is_dir() and folder and os.access(folder, os.W_OK | os.X_OK)):
        raise ConfigurationError(
            f"${_FOLDER} is {folder!r}, which is no folder that can be written.",
            fix="Set it to an empty folder that is there before the first process starts, or unset it where"
            " there is only one process.",
        )


def _forget_the_dead() -> None:
    """Do for processes that were killed what prometheus_client wants their supervisor to do.

    gunicorn can be told to; uvicorn cannot.
    """
    folder, process = Path(os.environ.get(_FOLDER, "")), this_process()
    # Without this file, the application numbers its files by something else than the process.
    if not (folder / f"gauge_livesum_{process.pid}.db").exists():
        return
    for file in folder.glob("gauge_live*_*.db"):
        number = file.stem.rpartition("_")[2]
        if number.isdecimal() and has_ended(replace(process, pid=int(number))):
            with suppress(OSError):  # another process removes it too
                mark_process_dead(int(number), str(folder))  # type: ignore[no-untyped-call]


def _name_of(metric: Metric) -> str:
    """Return the name of a metric with its unit."""
    return metric.name.replace(".", "_") + ("_seconds" if metric.unit == "s" else "")


def _registered(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    name, text, labels = _name_of(metric), metric.description, metric.labels
    match metric.kind:
        case "counter":
            return Counter(name, text, labels, registry=registry)
        case "histogram":
            return Histogram(name, text, labels, buckets=metric.buckets, registry=registry)
        case "gauge" | "up_down":
            return Gauge(name, text, labels, registry=registry, multiprocess_mode=_MODES[metric])


def _families(found: Iterable[Measurement]) -> Iterator[Family]:
    """Yield the metrics of a state that is read at a scrape."""
    measured = list(found)
    for metric in STATE_METRICS:
        kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = kind(_name_of(metric), metric.description, labels=metric.labels)
        for one in measured:
            if one.metric is metric:
                family.add_metric(one.labels, one.value)
        yield family

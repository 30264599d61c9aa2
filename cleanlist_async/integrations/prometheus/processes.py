"""The state of clients in prometheus_client's multiprocess mode, where each process writes a file.

A scrape is answered by one process, from the files of all. So the state cannot be read at the scrape: each
process writes its own every other second.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal
from weakref import WeakMethod

from prometheus_client import CollectorRegistry, Counter, Gauge, values
from prometheus_client.multiprocess import (
    mark_process_dead,  # pyright: ignore[reportUnknownVariableType]  # it is not typed
)

from cleanlist_async.events import report_failure
from cleanlist_async.integrations.metrics import (
    CAPACITY,
    PAUSE,
    STATE_METRICS,
    TOKENS,
    WAITING,
    Measurement,
    Metric,
)
from cleanlist_async.integrations.prometheus.families import name_of
from cleanlist_async.ratelimit.shared.backend import has_ended, this_process

_EVERY_S: Final = 2.0
_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
# Processes that share a limiter see the same buckets, so their values are not summed.
_MODES: Final[dict[Metric, Literal["livemin", "livemax", "livesum"]]] = {
    TOKENS: "livemin",
    CAPACITY: "livemin",
    PAUSE: "livemax",
    WAITING: "livesum",
}


def is_multiprocess() -> bool:
    """Whether prometheus_client writes files for several processes."""
    return values.ValueClass is not values.MutexValue


class ProcessState:
    """Writes the state of this process, and removes what is left of processes that were killed."""

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
            else:
                key = one.metric, one.labels
                # A receiver that is no longer used takes its counts with it, and no counter may fall.
                shown.inc(max(0.0, one.value - self._counted.get(key, 0.0)))
                self._counted[key] = one.value
        _forget_the_dead()
        return True


def _registered(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge:
    if metric.kind == "counter":
        return Counter(name_of(metric), metric.description, metric.labels, registry=registry)
    mode = _MODES[metric]
    return Gauge(
        name_of(metric), metric.description, metric.labels, registry=registry, multiprocess_mode=mode
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

"""How we measure: interleaved runs, medians of ratios, peak memory, and how a cost grows."""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

N_LOG_N_MARGIN = 0.1
"""By how much a fitted exponent may exceed that of n log n: timings are noisy."""


@dataclass(frozen=True)
class Spread:
    """A median and the middle half around it."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        ordered = sorted(values)
        quarter = len(ordered) // 4
        return cls(ordered[quarter], statistics.median(ordered), ordered[-1 - quarter])

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The ratios of each round."""
    return Spread.of(mine / other for mine, other in zip(ours, theirs, strict=True))


def rounds_of(
    candidates: Mapping[str, Callable[[], float]], rounds: int, *, seed: int = 0
) -> dict[str, list[float]]:
    """Run every candidate once in each round, in a new order each time; return what they cost."""
    costs: dict[str, list[float]] = {name: [] for name in candidates}
    rng = random.Random(seed)
    for _ in range(rounds):
        for name in rng.sample(list(candidates), len(candidates)):
            costs[name].append(candidates[name]())
    return costs


async def async_rounds_of(
    candidates: Mapping[str, Callable[[], Awaitable[T]]], rounds: int, *, seed: int = 0
) -> dict[str, list[T]]:
    """Do the same in a running event loop."""
    costs: dict[str, list[T]] = {name: [] for name in candidates}
    rng = random.Random(seed)
    for _ in range(rounds):
        for name in rng.sample(list(candidates), len(candidates)):
            costs[name].append(await candidates[name]())
    return costs


class Stopwatch:
    """CPU and wall seconds; both 0 until its context has ended."""

    cpu_s = wall_s = 0.0


@contextmanager
def stopwatch() -> Generator[Stopwatch]:
    """Take the time of a block, without the collector, which bills one candidate for another's garbage."""
    watch = Stopwatch()
    gc.collect()
    gc.disable()
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        yield watch
    finally:
        watch.cpu_s, watch.wall_s = time.process_time() - cpu, time.perf_counter() - wall
        gc.enable()


def in_new_process(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a module's function in a fresh interpreter: its memory is its own, and nothing is imported yet."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


def side_by_side(work: Callable[..., T], arguments: Iterable[tuple[Any, ...]]) -> list[T]:
    """Call a module's function with each, as many at once as there are cores: for what runs in virtual time only."""
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        return [future.result() for future in [pool.submit(work, *each) for each in arguments]]


def peak_mib() -> float:
    """Peak resident set of this process. Linux hands `ru_maxrss` down to children, so not that where it can be."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def resident_mib() -> float:
    """Resident set now, where the system tells it; else its peak."""
    now = Path("/proc/self/statm")
    if now.exists():
        return int(now.read_text().split()[1]) * resource.getpagesize() / 2**20
    return peak_mib()


def fitted_exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The k of the cost ~ n^k that fits best: the slope of the line through the logarithms."""
    return statistics.linear_regression([*map(math.log, sizes)], [*map(math.log, costs)]).slope


def n_log_n_exponent(sizes: Sequence[float]) -> float:
    """The exponent that n log n would show over these sizes."""
    return fitted_exponent(sizes, [size * math.log(size + 1) for size in sizes])


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

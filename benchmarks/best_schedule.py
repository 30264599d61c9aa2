"""How early could results be that are asked for by somebody who knows how long workflows take, but not how long each does?

Many schedules are tried on the submits of a run: each asks, with every token that no submit needs, about the workflow
that is most likely done, once that chance is as high as the tokens allow. They differ in how many they keep for later.
All of them know the distribution of the lengths, and the moment at which a token comes back.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

WINDOW_S, LIMIT, ROUND_TRIP_S = 60.0, 30, 0.42
CAUTION = (0.5, 0.7, 1.0, 1.4, 2.0)
"""The chance that is asked for: so many times the open workflows for each token."""
AHEAD_S = (WINDOW_S / 6, WINDOW_S / 2, 0.98 * WINDOW_S)
"""The time whose tokens are counted."""
ENOUGH = (0.85, 0.95, 0.99)
"""The chance that is enough however few tokens there are."""
_LOOKS = 40
"""Looks within the median length of a workflow."""
_LATTICE = np.linspace(-8.0, 8.0, 3_201)

Workflows = Sequence[tuple[float, float]]
"""When each was submitted, and when it finished."""
Schedule = tuple[float, float, float]
"""How cautious, how far ahead, and what is enough."""
Share = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def makespans(runs: Sequence[Workflows], median_s: float, sigma: float) -> list[list[float]]:
    """Return the makespan of each run by each schedule; the workflows are of lognormal length."""
    share = _share_done(median_s, sigma)
    return [
        [_makespan(run, share, median_s / _LOOKS, schedule) for run in runs]
        for schedule in product(CAUTION, AHEAD_S, ENOUGH)
    ]


def _share_done(median_s: float, sigma: float) -> Share:
    density = np.exp(-(_LATTICE**2) / 2)
    shares = np.cumsum(density) / density.sum()
    return lambda ages: np.interp(np.log(np.maximum(ages, 1e-9) / median_s) / sigma, _LATTICE, shares)


def _makespan(run: Workflows, share: Share, look_s: float, schedule: Schedule) -> float:
    caution, ahead_s, enough = schedule
    submits = sorted(at for at, _ in run)
    requests = list(submits)
    starts, ends = (np.array(times) for times in zip(*sorted(run), strict=True))
    asked_at = np.full(len(run), -np.inf)  # when each was last asked about
    busy_until = starts + ROUND_TRIP_S / 2
    is_open = np.ones(len(run), bool)
    now, done_at = float(starts[0]), 0.0
    while is_open.any():
        known = np.where(asked_at > 0, share(asked_at - starts), 0.0)
        chances = np.where(
            is_open & (busy_until <= now), (share(now - starts) - known) / np.maximum(1 - known, 1e-9), -1.0
        )
        best = int(chances.argmax())
        tokens = LIMIT - _within(requests, now + ahead_s)
        wanted = min(enough, caution * int(is_open.sum()) / max(tokens, 1))
        if chances[best] >= wanted and chances[best] > 0 and _is_free(requests, submits, now):
            insort(requests, now)
            asked_at[best], busy_until[best] = now, now + ROUND_TRIP_S
            if ends[best] <= now:
                is_open[best], done_at = False, max(done_at, now + ROUND_TRIP_S / 2)
        else:
            now += look_s
    return done_at


def _within(requests: Sequence[float], until: float) -> int:
    """Return how many requests are made in the window that ends then."""
    return bisect_right(requests, until) - bisect_right(requests, until - WINDOW_S)


def _is_free(requests: Sequence[float], submits: Sequence[float], now: float) -> bool:
    """Whether a question takes no token that a submit needs."""
    later = submits[bisect_right(submits, now) : bisect_right(submits, now + WINDOW_S)]
    return _within(requests, now) < LIMIT and all(_within(requests, at) < LIMIT for at in later)

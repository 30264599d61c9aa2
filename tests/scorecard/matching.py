"""Whose row is it? Every small workflow, and many random ones: nobody gets another's row."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from multiprocessing import get_context
from random import Random

from tests.scorecard.figure import Figure
from tests.support.random_workflows import (
    DENSE_NAMESAKES,
    FEW_NAMESAKES,
    NO_NAMESAKES,
    Population,
    has_name,
    joined,
    joined_by_a_client,
    workflow,
)
from tests.support.small_worlds import worlds, wrong_joins

_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_POPULATIONS = {  # with the share of all joins
    "no namesakes": (NO_NAMESAKES, 0.4),
    "3 % namesakes": (FEW_NAMESAKES, 0.4),
    "30 % namesakes of 45 names": (DENSE_NAMESAKES, 0.2),
}
_PENDING_BEFORE = 1_954
"""Contacts without a row in the first 2,000 of `_told`, by the rules of commit 6d994f2."""
Counts = tuple[int, int]
"""How many there were, and how many of them were wrong."""


def figures(*, long: bool) -> Iterator[Figure]:
    """Yield wrong joins, and contacts that are left without need."""
    for name, (population, share) in _POPULATIONS.items():
        joins = share * (10_000_000 if long else 60_000)
        tried, wrong = _on_all_cores(partial(_random, population, joins))
        yield Figure(f"rows joined to a wrong person, {name}", wrong, 0, of=tried)
        tried, wrong = _on_all_cores(partial(_through_a_client, population, 500 if long else 20))
        yield Figure(f"results of a client that are a wrong person's, {name}", wrong, 0, of=tried)
    for size, alike, every in ((1, False, 1), (2, False, 1 if long else 40), (3, True, 1 if long else 200)):
        tried, wrong = _on_all_cores(partial(_small, size, every=every, alike=alike))
        yield Figure(f"workflows of {size} with a row joined to a wrong person", wrong, 0, of=tried)
    if long:
        tried, wrong = _on_all_cores(partial(_small, 3, every=5_000))
        yield Figure("workflows of 3, rows silent each by itself, with a wrong join", wrong, 0, of=tried)
    left = sum(joined(drawn)[2] for drawn in _told(2_000))
    yield Figure("contacts pending where all are named and nobody has a namesake", left, _PENDING_BEFORE)


def _on_all_cores(count: Callable[[int], Counts]) -> Counts:
    with get_context("spawn").Pool(_CORES) as pool:
        counts = pool.map(count, range(_CORES))
    return sum(tried for tried, _ in counts), sum(wrong for _, wrong in counts)


def _small(size: int, core: int, *, every: int, alike: bool = False) -> Counts:
    tried = wrong = 0
    for world in islice(worlds(size, alike=alike), core * every, None, _CORES * every):
        tried += 1
        wrong += any(wrong_joins(world))
    return tried, wrong


def _random(population: Population, joins: float, core: int) -> Counts:
    tried = wrong = 0
    seed = core
    while tried * _CORES < joins:
        found, bad, _left = joined(workflow(Random(seed), population))
        tried, wrong, seed = tried + found, wrong + bad, seed + _CORES
    return tried, wrong


def _through_a_client(population: Population, workflows: int, core: int) -> Counts:
    drawn = (workflow(Random(seed), population) for seed in range(core, workflows, _CORES))
    counts = [joined_by_a_client(one) for one in drawn]
    return sum(tried for tried, _ in counts), sum(wrong for _, wrong in counts)


def _told(count: int):
    drawn = (workflow(Random(seed), NO_NAMESAKES) for seed in range(count))
    return (one for one in drawn if all(map(has_name, one.contacts)))

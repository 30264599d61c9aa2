"""Whose row is it? Every small workflow, and many random ones: nobody gets another's row."""

from __future__ import annotations

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
    joined,
    workflow,
)
from tests.support.small_worlds import worlds, wrong_joins

_CORES = 2
_POPULATIONS = {
    "no namesakes": NO_NAMESAKES,
    "3 % namesakes": FEW_NAMESAKES,
    "30 % namesakes of 45 names": DENSE_NAMESAKES,
}
_PENDING_BEFORE = 2_021
"""Contacts without a row in the first 2,000 of `_told`, by the rules of commit 32d2d77."""
Counts = tuple[int, int]
"""How many there were, and how many of them were wrong."""


def figures(*, long: bool) -> Iterator[Figure]:
    """Yield wrong joins, and contacts that are left without need."""
    for size, alike, every in ((1, False, 1), (2, False, 1 if long else 40), (3, True, 1 if long else 200)):
        tried, wrong = _on_all_cores(partial(_small, size, every=every, alike=alike))
        yield Figure(f"workflows of {size} with a row joined to a wrong person", wrong, 0, of=tried)
    if long:
        tried, wrong = _on_all_cores(partial(_small, 3, every=5_000))
        yield Figure("workflows of 3, rows silent each by itself, with a wrong join", wrong, 0, of=tried)
    for name, population in _POPULATIONS.items():
        tried, wrong = _on_all_cores(partial(_random, population, 3_400_000 if long else 20_000))
        yield Figure(f"rows joined to a wrong person, {name}", wrong, 0, of=tried)
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


def _random(population: Population, joins: int, core: int) -> Counts:
    tried = wrong = 0
    seed = core
    while tried * _CORES < joins:
        found, bad, _left = joined(workflow(Random(seed), population))
        tried, wrong, seed = tried + found, wrong + bad, seed + _CORES
    return tried, wrong


def _told(count: int):
    drawn = (workflow(Random(seed), NO_NAMESAKES) for seed in range(count))
    return (one for one in drawn if all(contact.last_name for contact in one.contacts))

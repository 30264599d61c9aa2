"""Eight processes, one store, one budget: together they spend what it allows, to the credit."""

from __future__ import annotations

import asyncio
import multiprocessing
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from cleanlist_async import AsyncCleanlist, Budget, BudgetExceededError, RateLimiter, RateLimits, Store
from cleanlist_async.sandbox import Ledger, Sandbox
from tests.support.virtual_sandbox import people

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

PROCESSES = 8
LIMIT = 1_003
EACH = 300


@dataclass
class Spent:
    """The server's ledger, what the store says of it, and how the processes ended."""

    ledger: Ledger
    committed: float
    settled: float
    exit_codes: list[int | None]


def spend(base_url: str, path: Path, number: int) -> None:
    """Buy 300 contacts in calls of several sizes, until the budget ends it."""

    async def main() -> None:
        limiter = RateLimiter(RateLimits(org=10**6, key=10**6))
        client = AsyncCleanlist(Sandbox.api_keys[0], base_url=base_url, limiter=limiter, store=path)
        async with client:
            start = number * EACH
            for size in (1, 7, 42, 250):
                report = await client.enrich(people(size, start=start))
                assert report.stopped_by is None or isinstance(report.stopped_by, BudgetExceededError)
                start += size

    with suppress(BudgetExceededError):
        asyncio.run(main())


async def spend_all(path: Path) -> Spent:
    """Let eight processes buy until the budget ends it."""
    sandbox = Sandbox(org_limit=10**6, key_limit=10**6, workflow_s=0.2, hit_rate=1.0)
    async with sandbox, Store(path) as store:
        async with AsyncCleanlist(sandbox.api_keys[0], base_url=sandbox.base_url, store=store) as client:
            await client.budget.set(Budget(per_day=LIMIT))
            context = multiprocessing.get_context("spawn")
            workers = [
                context.Process(target=spend, args=(sandbox.base_url, path, number))
                for number in range(PROCESSES)
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                await asyncio.to_thread(worker.join)
            committed = (await client.budget.show()).day.committed
        settled = [line.credits or 0.0 async for line in store.audit() if line.event == "settled"]
    return Spent(sandbox.ledger, committed, sum(settled), [worker.exitcode for worker in workers])


@pytest.mark.timeout(300)
def test_eight_processes_spend_exactly_what_the_budget_allows(tmp_path):
    spent = asyncio.run(spend_all(tmp_path / "store.db"))
    assert spent.exit_codes == [0] * PROCESSES
    assert spent.ledger.credits_charged == spent.committed == spent.settled == LIMIT
    assert not spent.ledger.duplicates()

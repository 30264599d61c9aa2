"""Temporal activities that enrich: a whole job of the store, or one chunk at a time. See docs/temporal.md."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
from temporalio import activity
from temporalio.exceptions import ApplicationError

from cleanlist_async import AsyncCleanlist, CleanlistError

HEARTBEAT_S = 20.0
"""Shorter than the activity's heartbeat_timeout, by which a dead worker is noticed."""


@activity.defn
async def run_job(name: str) -> dict[str, float]:
    """Run a job of the store to its end. May be tried again at will: what was bought is not bought again."""
    async with failures_for_temporal(), AsyncCleanlist() as client, await client.job(name) as job:
        async with heartbeats():
            report = await job.run()
        report.raise_for_error()
        if report.unknown:
            raise ApplicationError(
                f"{len(report.unknown)} submits of {name} have an unknown outcome: see `job unknown {name}`",
                non_retryable=True,
            )
    return {"found": report.status.results.get("found", 0), "credits": report.status.credits_spent}


@activity.defn
async def submit_chunk(contacts: list[dict[str, str]]) -> str:
    """Submit up to 250 contacts and return their workflow id. Run it with maximum_attempts=1.

    Without a store, Temporal's history is what remembers the submit. A lost answer is an UnknownOutcomeError,
    and a second attempt would buy the contacts again.
    """
    async with failures_for_temporal(), AsyncCleanlist() as client:
        return (await client.public.submit_bulk(contacts)).workflow_id


@activity.defn
async def fetch_chunk(workflow_id: str) -> list[dict[str, object]]:
    """Return the rows of a finished workflow. Free, and may be tried again at will."""
    async with failures_for_temporal(), AsyncCleanlist() as client:
        status = await client.public.bulk_status(workflow_id=workflow_id)
        if not status.is_final:
            raise ApplicationError("It is not finished yet.", next_retry_delay=timedelta(seconds=10))
        return [dict(row.raw) for row in status.rows]


@asynccontextmanager
async def failures_for_temporal() -> AsyncGenerator[None]:
    """Raise the package's errors as Temporal's, which say whether to try again, and when."""
    try:
        yield
    except CleanlistError as error:
        wait = None if error.retry_after_s is None else timedelta(seconds=error.retry_after_s)
        raise ApplicationError(
            str(error),
            {"request_id": error.request_id, "billed": error.billed},
            type=type(error).__name__,
            non_retryable=not (error.retryable and error.safe_to_retry),
            next_retry_delay=wait,
        ) from error


@asynccontextmanager
async def heartbeats() -> AsyncGenerator[None]:
    """Tell Temporal now and then, meanwhile, that this worker is alive."""

    async def tell() -> None:
        while True:
            activity.heartbeat()
            await anyio.sleep(HEARTBEAT_S)

    async with anyio.create_task_group() as group:
        group.start_soon(tell)
        yield
        group.cancel_scope.cancel()

"""Temporal workflows over the activities. A workflow's code is replayed, so nothing here does I/O."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities import fetch_chunk, run_job, submit_chunk

CHUNKS_OF_ONE_RUN = 500
"""A history should stay below some thousand events, and a chunk makes about a dozen."""


@workflow.defn
class EnrichJob:
    """Run a job of the store: one activity, tried again until it is done."""

    @workflow.run
    async def run(self, name: str) -> dict[str, float]:
        """Return what came of it."""
        return await workflow.execute_activity(
            run_job,
            name,
            start_to_close_timeout=timedelta(days=1),
            heartbeat_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=10)),
        )


@workflow.defn
class EnrichChunks:
    """Enrich chunks without a store: each is submitted once, and Temporal remembers its workflow id."""

    @workflow.run
    async def run(self, chunks: list[list[dict[str, str]]], found: int = 0) -> int:
        """Return how many contacts have an e-mail address."""
        for chunk in chunks[:CHUNKS_OF_ONE_RUN]:
            workflow_id = await workflow.execute_activity(
                submit_chunk,
                chunk,
                start_to_close_timeout=timedelta(minutes=5),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
            rows = await workflow.execute_activity(
                fetch_chunk, workflow_id, start_to_close_timeout=timedelta(minutes=2)
            )
            found += sum(1 for row in rows if row.get("email"))
        if len(chunks) > CHUNKS_OF_ONE_RUN:
            workflow.continue_as_new(args=[chunks[CHUNKS_OF_ONE_RUN:], found])
        return found

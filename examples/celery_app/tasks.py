"""Enrich lists in Celery tasks that any worker can take over.

The job and everything it bought are in a PostgreSQL store, so a worker needs no disk. Celery delivers a task
again when its worker is killed; the job then goes on where it stopped, and buys nothing twice.

    export CLEANLIST_STORE=postgresql://localhost/contacts CLEANLIST_API_KEY=...
    celery -A tasks worker
    python tasks.py crm-2026-11 contacts.csv
"""

from __future__ import annotations

import asyncio
import os
import sys

from celery import Celery, Task

from cleanlist_async import AsyncCleanlist, CleanlistError, JobReport

app = Celery("tasks", broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"))
app.conf.update(
    task_acks_late=True,  # a task is done when it returns, not when a worker takes it
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # Redis delivers a task again after so many seconds without an answer: longer than the longest job, since
    # a second worker that gets it finds that the job is being run, and asks again later.
    broker_transport_options={"visibility_timeout": int(os.environ.get("VISIBILITY_TIMEOUT_S", "43200"))},
)


@app.task(bind=True, max_retries=None)
def enrich(task: Task[[str], dict[str, object]], name: str) -> dict[str, object]:
    """Run a job to its end; try again later if it had to stop. Returns its figures, not its contacts."""
    try:
        report = asyncio.run(_run(name))
        report.raise_for_error()
    except CleanlistError as error:
        if not (error.retryable and error.safe_to_retry):  # a key that was revoked, say
            raise
        raise task.retry(exc=error, countdown=error.retry_after_s or 60) from error
    if report.unknown:
        raise RuntimeError(f"Look at `cleanlist-async job unknown {name}`.")
    return {"job": name, "results": dict(report.status.results), "credits": report.status.credits_spent}


async def _run(name: str) -> JobReport:
    async with AsyncCleanlist() as client, await client.job(name) as job:
        return await job.run()


async def plan(name: str, contacts: str) -> None:
    """Lay a job into the store, with a snapshot of its contacts. Sends nothing."""
    async with AsyncCleanlist() as client:
        job = await client.job(name, contacts, enrichment_type="partial", max_credits=10_000)
        await job.aclose()


if __name__ == "__main__":
    asyncio.run(plan(sys.argv[1], sys.argv[2]))
    enrich.delay(sys.argv[1])

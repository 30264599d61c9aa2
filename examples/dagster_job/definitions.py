"""A Dagster asset that enriches contacts; a retry on another machine goes on where the first stopped.

Run it with a store that all machines reach::

export CLEANLIST_STORE=postgresql://localhost/contacts CLEANLIST_API_KEY=... CONTACTS=contacts.csv
dagster job execute -f definitions.py -j enrich_contacts
"""

from __future__ import annotations

import asyncio
import os

import dagster as dg

from cleanlist_async import AsyncCleanlist, CleanlistError, JobReport


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=5, delay=60, backoff=dg.Backoff.EXPONENTIAL))
def enriched_contacts() -> dg.MaterializeResult:
    """Enrich the contacts of ``$CONTACTS``; they and their results are in the store, under the job's name."""
    name = os.environ.get("JOB", "crm-2026-11")
    try:
        report = asyncio.run(_run(name, os.environ["CONTACTS"]))
        report.raise_for_error()
    except CleanlistError as error:
        raise dg.Failure(str(error), allow_retries=error.retryable and error.safe_to_retry) from error
    if report.unknown:
        raise dg.Failure(f"Look at `cleanlist-async job unknown {name}`.", allow_retries=False)
    status = report.status
    found = status.results.get("found", 0)
    return dg.MaterializeResult(metadata={"job": name, "found": found, "credits": status.credits_spent})


async def _run(name: str, contacts: str) -> JobReport:
    async with AsyncCleanlist() as client, await client.job(name, contacts, max_credits=10_000) as job:
        return await job.run()


defs = dg.Definitions(
    [enriched_contacts], jobs=[dg.define_asset_job("enrich_contacts", executor_def=dg.in_process_executor)]
)

"""An Airflow operator that runs a job of the store. What it keeps in Airflow is the job's name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from cleanlist_async import AsyncCleanlist, CleanlistError, JobReport

if TYPE_CHECKING:
    from airflow.sdk import Context


class CleanlistJobOperator(BaseOperator):
    """Enrich a table of contacts, and push a manifest of what came of it to XCom.

    The store (``$CLEANLIST_STORE``, in PostgreSQL) holds the contacts, the results and what was paid. A retry
    on another worker goes on where the first try stopped. Results are written by a later task, with
    ``cleanlist-async job export NAME``, or read from ``job.receipts()``.

    Parameters
    ----------
    job
        Name of the job: the same name is the same job. Put the data interval into it, not the try number.
    contacts
        Path of the table of contacts, on the worker that runs the first try.
    max_credits
        Most credits that all tries of the job may spend.

    """

    template_fields: Sequence[str] = ("job", "contacts")

    def __init__(self, *, job: str, contacts: str, max_credits: float, **options: Any) -> None:
        options.setdefault("retries", 5)
        super().__init__(**options)
        self.job = job
        self.contacts = contacts
        self.max_credits = max_credits

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """Run the job. A failure that a retry can mend is retried; any other fails the task at once."""
        try:
            report = asyncio.run(self._run())
            report.raise_for_error()
        except CleanlistError as error:
            may_succeed_later = error.retryable and error.safe_to_retry
            raise (AirflowException if may_succeed_later else AirflowFailException)(str(error)) from error
        if report.unknown:
            raise AirflowFailException(f"Look at `cleanlist-async job unknown {self.job}`.")
        status = report.status
        return {"job": self.job, "results": dict(status.results), "credits": status.credits_spent}

    async def _run(self) -> JobReport:
        async with (
            AsyncCleanlist() as client,
            await client.job(self.job, self.contacts, max_credits=self.max_credits) as job,
        ):
            return await job.run()

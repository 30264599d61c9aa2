"""Lists that are enriched in the background, each a job in the client's store.

The store has all of it: any worker shows, stops and deletes any list, and one that a worker leaves
unfinished is taken over by another.
"""

import csv
import io
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup, TaskStatus
from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict

from cleanlist_async import (
    AsyncCleanlist,
    CleanlistError,
    Contact,
    EnrichmentResult,
    JobLockedError,
    Store,
)
from cleanlist_async.types import ChunkState, JobRecord, StoredJobReader

log = logging.getLogger(__name__)

MAX_LISTS = 20
PAGE_SIZE = 500
TEND_EVERY_S = 5.0
UNDER_WAY_S = 3_600.0
"""The age of a deleted list from which on no worker waits for results any more."""
CANCELLED: Final = "cancelled"
DELETED: Final = "deleted"
PREFIX: Final = "list-"
"""Of the names of our jobs: the store may hold those of others."""
COLUMNS = ("status", "email", "email_status", "phones", "error")
OPEN = {"pending", "unknown"}
FINAL = {"found", "not_found", "invalid"}
"""Statuses that no longer change while a list runs; others may be those of a submit on its way."""


class Enriched(BaseModel):
    """One contact, and what was found. `status`: found, not_found, invalid, pending, unknown or failed."""

    model_config = ConfigDict(from_attributes=True)

    index: int
    contact: Contact
    status: str
    email: str | None
    email_status: str | None
    phones: tuple[str, ...]
    credits: float
    error: str | None


class ListProgress(BaseModel):
    """Where a list stands. `credits` is what it cost: contacts that were bought before cost nothing.

    A `stopped` list has a `problem`, and goes on when the server starts again. A `cancelled` one does not.
    """

    id: str
    started: datetime
    seconds: float
    state: Literal["running", "complete", "stopped", "cancelled"]
    contacts: int
    done: int
    statuses: dict[str, int]
    credits: float
    problem: str | None


class ListPage(BaseModel):
    """The results among the next 500 contacts; ask `after` the index `next` for those that follow."""

    results: list[Enriched]
    next: int | None


class Lists:
    """All lists of the store, at most MAX_LISTS. Those that this worker runs are tasks of the given group."""

    def __init__(
        self, client: AsyncCleanlist, store: Store, tasks: TaskGroup, credits_per_list: float
    ) -> None:
        self._client = client
        self._store = store
        self._tasks = tasks
        self._credits = credits_per_list
        self._running: set[str] = set()

    # -- what there is -------------------------------------------------------------------------

    async def jobs(self) -> list[JobRecord]:
        """Return the jobs of all lists, the latest first."""
        return [
            job
            for job in reversed(await self._store.jobs())
            if job.name.startswith(PREFIX) and job.state != "purged" and job.stopped_by != DELETED
        ]

    async def find(self, list_id: str) -> JobRecord:
        """Return the job of a list. Raises HTTPException 404 if there is none."""
        for job in await self.jobs():
            if job.name == list_id:
                return job
        raise HTTPException(404, "There is no such list.")

    async def progress(self, job: JobRecord) -> ListProgress:
        """Return where a list stands."""
        status = await StoredJobReader(self._store, job).status()
        is_over = job.state in {"finished", "doubtful"}
        done = {str(name): count for name, count in status.results.items() if is_over or name not in OPEN}
        if status.invalid:
            done["invalid"] = status.invalid
        duplicates = status.duplicates if is_over else 0
        return ListProgress(
            id=job.name,
            started=datetime.fromtimestamp(job.created_at, UTC),
            seconds=max(0.0, (job.finished_at or job.now) - job.created_at),
            state=_state(job),
            contacts=job.contacts,
            done=sum(done.values()) + duplicates,
            statuses=done,
            credits=status.credits_spent,
            problem=None if job.stopped_by in {None, CANCELLED} else _shown(job.stopped_by or ""),
        )

    async def page(self, job: JobRecord, after: int) -> ListPage:
        """Return the results among the next contacts."""
        results = await StoredJobReader(self._store, job).page(after)
        is_over = job.state in {"finished", "doubtful"}
        shown = [result for result in results if is_over or result.status in FINAL]
        is_last = not results or results[-1].index + 1 >= job.contacts
        return ListPage(
            results=[Enriched.model_validate(result) for result in shown],
            next=None if is_last else results[-1].index,
        )

    async def table(self, job: JobRecord) -> AsyncIterator[str]:
        """Yield a list with its results as CSV, in the order in which it was given."""
        names = Contact.__slots__
        yield _line([*names, *COLUMNS])
        async for result in StoredJobReader(self._store, job).results():
            yield _line([getattr(result.contact, name) for name in names] + _cells(result))

    # -- what can be done ----------------------------------------------------------------------

    async def start_csv(self, table: bytes, key: str | None) -> JobRecord:
        """Enrich a CSV file. Raises CleanlistError if it is not a table of contacts."""
        with TemporaryDirectory(prefix="cleanlist-lists-") as folder:
            source = Path(folder, "contacts.csv")
            await anyio.Path(source).write_bytes(table)
            return await self._start(source, table, key)  # the store has a copy by then

    async def start(self, contacts: list[Contact], body: bytes, key: str | None) -> JobRecord:
        """Enrich contacts."""
        return await self._start(contacts, body, key)

    async def cancel(self, job: JobRecord) -> None:
        """Send nothing more of a list, whichever worker runs it."""
        await self._store.stop(job.name, reason=CANCELLED)

    async def forget(self, job: JobRecord) -> None:
        """Stop a list, and remove its contacts and what was found for them from the store.

        What is under way is awaited first, by `tend`: its results would come after the purge.
        """
        if not await self._store.stop(job.name, reason=DELETED):
            await StoredJobReader(self._store, job).purge()

    async def tend(self) -> None:
        """Go on with the lists of earlier processes, then with those whose worker ends, until cancelled."""
        resumed = {job.name for job in await self.jobs() if job.stopped_by not in {None, CANCELLED}}
        while True:
            for job in await self.jobs():
                is_open = job.state == "open" and job.name not in self._running
                if is_open and (job.stopped_by is None or job.name in resumed):
                    await self._resume(job)
            for job in await self._store.jobs():
                if job.stopped_by == DELETED and job.state != "purged":
                    await self._purge(job)
            resumed.clear()
            await anyio.sleep(TEND_EVERY_S)

    async def _resume(self, job: JobRecord) -> None:
        try:
            await self._tasks.start(self._enrich, job.name, None)
        except JobLockedError:  # another worker runs it, and is alive
            pass
        except CleanlistError as error:
            log.warning("%s is not resumed: %s", job.name, type(error).__name__)

    async def _purge(self, job: JobRecord) -> None:
        reader = StoredJobReader(self._store, job)
        chunks = (await reader.status()).chunks
        if job.age_s > UNDER_WAY_S or not chunks.keys() & {ChunkState.SENDING, ChunkState.ACCEPTED}:
            await reader.purge()

    async def _start(self, source: Path | list[Contact], body: bytes, key: str | None) -> JobRecord:
        """Begin a list, or find the one that the same request began. Raises HTTPException 409 and 422."""
        jobs = await self.jobs()
        prefix = f"{PREFIX}{_digest(key.encode()) if key else uuid4().hex}-"
        name = prefix + _digest(body)
        known = [job.name for job in jobs if job.name.startswith(prefix)]
        if known and known != [name]:
            raise HTTPException(422, "This Idempotency-Key was used with another list.")
        if not known and len(jobs) >= MAX_LISTS:
            raise HTTPException(409, "There are too many lists; delete one.")
        if not known or jobs[[job.name for job in jobs].index(name)].state == "planning":
            try:
                await self._tasks.start(self._enrich, name, source)
            except JobLockedError:  # the same request, at the same time
                log.info("%s is started by another request", name)
        return await self.find(name)

    async def _enrich(
        self, name: str, source: Path | list[Contact] | None, *, task_status: TaskStatus[None]
    ) -> None:
        """Run one list until it ends or stops; the store has what was bought either way."""
        # Without a source the job has its limit already.
        job = await self._client.job(name, source, max_credits=None if source is None else self._credits)
        self._running.add(name)
        try:
            async with job:
                task_status.started()
                if source is None and await self._is_cancelled(name):  # since `tend` looked
                    return
                report = await job.run()
        finally:
            self._running.discard(name)
        if report.stopped_by is not None:
            log.warning("%s stopped: %s", name, type(report.stopped_by).__name__)

    async def _is_cancelled(self, name: str) -> bool:
        return any(
            job.name == name and job.stopped_by in {CANCELLED, DELETED} for job in await self._store.jobs()
        )


def _state(job: JobRecord) -> Literal["running", "complete", "stopped", "cancelled"]:
    if job.state in {"finished", "doubtful"}:
        return "complete"
    if job.stopped_by == CANCELLED:
        return "cancelled"
    return "running" if job.stopped_by is None else "stopped"


def _shown(reason: str) -> str:
    return reason.partition(": ")[2] or reason


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()[:24]


def _cells(result: EnrichmentResult) -> list[object]:
    return [result.status, result.email, result.email_status, " ".join(result.phones), result.error]


def _line(cells: list[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()

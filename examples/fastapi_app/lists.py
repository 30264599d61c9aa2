"""Lists that are enriched in the background, each a job in the client's store: it survives this process."""

import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup, TaskStatus
from pydantic import BaseModel, ConfigDict

from cleanlist_async import AsyncCleanlist, CleanlistError, Contact, EnrichmentResult
from cleanlist_async.integrations.fastapi import Problem, problem_of

log = logging.getLogger(__name__)

MAX_LISTS = 20
PAGE_SIZE = 500
PREFIX: Final = "list-"
"""Of the names of our jobs: the store may hold those of others."""


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
    """Where a list stands, and the results that came after `since`; ask for `next` to get those after it.

    `credits` is what it cost in all: contacts that were bought before, by whatever list, cost nothing. Lists
    that are `stopped` have a `problem`; they go on when the server starts again.
    """

    id: str
    state: Literal["running", "complete", "stopped"]
    contacts: int
    done: int
    statuses: dict[str, int]
    credits: float
    problem: Problem | None
    results: list[Enriched]
    next: int


@dataclass
class LiveList:
    """A list that is being enriched. The store has all results; these are kept in memory to be shown."""

    id: str
    contacts: int = 0
    spent_before: float = 0.0
    results: list[EnrichmentResult] = field(default_factory=list[EnrichmentResult])
    statuses: Counter[str] = field(default_factory=Counter[str])
    state: Literal["running", "complete", "stopped"] = "running"
    problem: Problem | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)

    def add(self, result: EnrichmentResult) -> None:
        """Take the next result."""
        self.results.append(result)
        self.statuses[result.status] += 1

    def progress(self, since: int) -> ListProgress:
        """Return where the list stands, with a page of the results that came after the first *since*."""
        results = self.results[since : since + PAGE_SIZE]
        return ListProgress(
            id=self.id,
            state=self.state,
            contacts=self.contacts,
            done=len(self.results),
            statuses=dict(self.statuses),
            credits=self.spent_before + sum(result.credits for result in self.results),
            problem=self.problem,
            results=[Enriched.model_validate(result) for result in results],
            next=since + len(results),
        )


class LiveLists:
    """All lists of this process, at most MAX_LISTS. Their tasks run in the given group."""

    def __init__(self, client: AsyncCleanlist, tasks: TaskGroup, credits_per_list: float) -> None:
        self._client = client
        self._tasks = tasks
        self._credits = credits_per_list
        self._lists: dict[str, LiveList] = {}

    @property
    def is_full(self) -> bool:
        """Whether no further list can be started."""
        return len(self._lists) >= MAX_LISTS

    def find(self, list_id: str) -> LiveList | None:
        """Return a list, or None if none has this id."""
        return self._lists.get(list_id)

    async def start_csv(self, table: bytes) -> LiveList:
        """Enrich a CSV file. Raises CleanlistError if it is not a table of contacts."""
        with TemporaryDirectory(prefix="cleanlist-lists-") as folder:
            source = Path(folder, "contacts.csv")
            await anyio.Path(source).write_bytes(table)
            return await self._start(source)  # the store has a copy by then

    async def start(self, contacts: list[Contact]) -> LiveList:
        """Enrich contacts."""
        return await self._start(contacts)

    async def resume(self) -> None:
        """Go on with the lists of earlier processes: what they bought is not bought again."""
        if self._client.store is None:
            return
        for job in await self._client.store.jobs():
            if job.name.startswith(PREFIX) and job.state != "purged":
                try:
                    await self._tasks.start(self._enrich, job.name, None)
                except CleanlistError as error:  # for instance, another process has it
                    log.warning("%s is not resumed: %s", job.name, type(error).__name__)

    async def forget(self, one: LiveList) -> None:
        """Stop a list, and remove its contacts and what was found for them from the store."""
        one.scope.cancel()
        await one.ended.wait()
        del self._lists[one.id]
        async with await self._client.job(one.id) as job:
            await job.purge()

    async def _start(self, source: Path | list[Contact]) -> LiveList:
        started: LiveList = await self._tasks.start(self._enrich, f"{PREFIX}{uuid4().hex}", source)
        return started

    async def _enrich(
        self, name: str, source: Path | list[Contact] | None, *, task_status: TaskStatus[LiveList]
    ) -> None:
        """Run one list until it ends or stops; the store has what was bought either way."""
        # Without a source the job has its limit already.
        job = await self._client.job(name, source, max_credits=None if source is None else self._credits)
        one = LiveList(name)
        try:
            async with job:
                status = await job.status()
                one.contacts, one.spent_before = status.contacts, status.credits_spent
                self._lists[name] = one
                with one.scope:
                    task_status.started(one)
                    async for result in job:
                        one.add(result)
                    one.state = "complete"
        except CleanlistError as error:
            one.state, one.problem = "stopped", problem_of(error)
        finally:
            one.ended.set()

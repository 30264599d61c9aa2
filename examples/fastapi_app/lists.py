"""Lists that are enriched in the background: each a file of contacts, and the journal of its job."""

import json
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup, TaskStatus
from pydantic import BaseModel, ConfigDict

from cleanlist_async import AsyncCleanlist, CleanlistError, Contact, EnrichmentResult
from cleanlist_async.integrations.fastapi import Problem, problem_of

log = logging.getLogger(__name__)

MAX_LISTS = 20
PAGE_SIZE = 500


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

    `stopped` lists have a `problem`; they resume when the server starts again.
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
    """A list that is being enriched. Its journal has all results; these are kept in memory to be shown."""

    id: str
    contacts: int
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
            credits=sum(result.credits for result in self.results),
            problem=self.problem,
            results=[Enriched.model_validate(result) for result in results],
            next=since + len(results),
        )


class LiveLists:
    """All lists of this process, at most MAX_LISTS. Their tasks run in the given group."""

    def __init__(
        self, client: AsyncCleanlist, tasks: TaskGroup, folder: Path, credits_per_list: float
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._folder = folder
        self._credits = credits_per_list
        self._lists: dict[str, LiveList] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def is_full(self) -> bool:
        """Whether no further list can be started."""
        return len(self._lists) >= MAX_LISTS

    def find(self, list_id: str) -> LiveList | None:
        """Return a list, or None if none has this id."""
        return self._lists.get(list_id)

    async def start_csv(self, table: bytes) -> LiveList:
        """Enrich a CSV file. Raises CleanlistError if it is not a table of contacts."""
        return await self._start(".csv", table)

    async def start(self, contacts: Iterable[Contact]) -> LiveList:
        """Enrich contacts."""
        lines = (json.dumps(asdict(contact)) for contact in contacts)
        return await self._start(".jsonl", "\n".join(lines).encode())

    async def resume(self) -> None:
        """Resume the lists of earlier runs: results in their journals are not bought again."""
        for journal in sorted(self._folder.glob("*.journal")):
            for source in self._folder.glob(f"{journal.stem}.[cj]s*"):
                try:
                    await self._tasks.start(self._enrich, source)
                except CleanlistError as error:  # for instance, another process has it
                    log.warning("list %s is not resumed: %s", journal.stem, type(error).__name__)

    async def forget(self, one: LiveList) -> None:
        """Stop a list, and remove every trace of its contacts."""
        one.scope.cancel()
        await one.ended.wait()
        del self._lists[one.id]
        for file in self._folder.glob(f"{one.id}.*"):
            file.unlink()

    async def _start(self, suffix: str, content: bytes) -> LiveList:
        source = self._folder / f"{uuid4().hex}{suffix}"
        source.write_bytes(content)
        try:
            started: LiveList = await self._tasks.start(self._enrich, source)
        except CleanlistError:
            for file in self._folder.glob(f"{source.stem}.*"):
                file.unlink()
            raise
        return started

    async def _enrich(self, source: Path, *, task_status: TaskStatus[LiveList]) -> None:
        """Run one list until it ends or stops; the journal has what was bought either way."""
        job = await self._client.job(source.with_suffix(".journal"), source, max_credits=self._credits)
        one = self._lists[source.stem] = LiveList(source.stem, (await job.status()).contacts)
        try:
            with one.scope:
                task_status.started(one)
                async with job:
                    async for result in job:
                        one.add(result)
                one.state = "complete"
        except CleanlistError as error:
            one.state, one.problem = "stopped", problem_of(error)
        finally:
            one.ended.set()

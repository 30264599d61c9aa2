"""Runs an enrichment into a file. Whatever happens, what was bought is written before the command ends."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Final

import anyio

from cleanlist_async.cli.enrich.inputs import TableContacts
from cleanlist_async.cli.enrich.outcome import Outcome, Tally, enrichment_cells
from cleanlist_async.cli.terminal.progress import Display
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.enrich.report import Progress
from cleanlist_async.enrich.result_stream import ResultStream
from cleanlist_async.errors import CleanlistError
from cleanlist_async.events import identifier
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables import EnrichedWriter, OutputChoice, TableError
from cleanlist_async.tables.input_options import Suppression
from cleanlist_async.tables.output_choice import WHOLE

_FLUSH_EVERY_S: Final = 30.0
_FLUSH_SHARE: Final = 20
"""A flush reads the input again: it may take a twentieth of the time at most."""
_UNSENT: Final = "never sent: the run was stopped"


@dataclass(frozen=True, slots=True)
class Job:
    """What to enrich, how, and into which file."""

    contacts: TableContacts
    output: str
    enrichment_type: EnrichmentType = "partial"
    max_credits: float | None = None
    webhook_url: str | None = None
    overwrite: bool = False
    fresh: bool = False
    choice: OutputChoice = WHOLE
    suppression: Suppression | None = None
    is_in_store: bool = False
    """Whether each result is in a store before it comes here, so that the output can be written again."""
    own_workflows: Container[str] | None = None
    """Grows by the workflows that the run submits; None: the results are all its own."""


class ResultFile:
    """The output while it grows. Results it cannot take, because the disk is full, go to a rescue file."""

    def __init__(self, job: Job, stop: Callable[[], object]) -> None:
        self.tally = Tally(own_workflows=job.own_workflows)
        self.problem: TableError | None = None
        self.rescue: str | None = None
        self._contacts = job.contacts
        self._numbers = job.contacts.numbers
        self._headers = job.contacts.table.field_headers
        self._is_in_store = job.is_in_store
        self._writer = EnrichedWriter(
            job.output,
            job.contacts.table,
            choice=job.choice,
            overwrite=job.overwrite,
            is_renewable=job.is_in_store,
        )
        self._kept = job.contacts.kept()
        self._next_kept = next(self._kept, None)
        self._stop = stop
        self._unsaved: list[EnrichmentResult] = []
        self._flush_at = time.monotonic() + _FLUSH_EVERY_S

    def take(self, result: EnrichmentResult) -> None:
        """Write a result; the order of results does not matter."""
        self.tally.count(result)
        if not self._is_in_store:  # before it is written, since the write may fail half-way
            self._unsaved.append(result)
        if self.problem is not None:  # the rescue file will have it, or the store
            return
        try:
            # Twice: kept rows may be due before this row, and others by it.
            self._put_kept()
            cells = enrichment_cells(result, self._numbers, self._headers)
            place = self._contacts.place(result.index)
            self._writer.put(place, self._contacts.beside_earlier(place, cells))
            self._put_kept()
            if not self._is_in_store:
                self._flush_now_and_then()
        except TableError as problem:
            self.problem = problem
            self._stop()

    def close(self) -> None:
        """Write the rows that have no result, and give the file its name."""
        # A stopped run never read the rest of the input, but the file has all its rows.
        unsent = len(self._numbers) - self.tally.contacts
        self.tally.count_rows(unsent, "failed")
        self._contacts.count_kept(self.tally)
        try:
            while self._next_kept is not None:
                self._put_next_kept(*self._next_kept)
            for place, cells in self._contacts.unasked():
                self._writer.put(place, cells)
            self._writer.close({"cleanlist_status": "failed", "cleanlist_error": _UNSENT} if unsent else None)
        except TableError as problem:
            self.problem = self.problem or problem
        if self.problem is not None and self._unsaved:
            self.rescue = _rescued(self._unsaved, self._numbers)

    @property
    def notes(self) -> list[str]:
        """What the user should know about how the output was written."""
        notes = self._writer.notes
        if self.rescue:
            notes.append(f"the latest results are in {self.rescue}")
        elif self.problem is not None and self._unsaved:
            # The last that is left of what was paid for: client.collect fetches it for free.
            ids = dict.fromkeys(result.workflow_id for result in self._unsaved if result.workflow_id)
            notes.append(f"the results of these workflows are in no file: {' '.join(map(identifier, ids))}")
        return notes

    def _put_kept(self) -> None:
        """Write the kept rows whose turn it is, so that none waits in memory."""
        while self._next_kept is not None and self._next_kept[0] == self._writer.rows_written:
            self._put_next_kept(*self._next_kept)

    def _put_next_kept(self, place: int, cells: dict[str, str]) -> None:
        self._writer.put(place, cells)
        self._next_kept = next(self._kept, None)

    def _flush_now_and_then(self) -> None:
        started = time.monotonic()
        if started < self._flush_at:
            return
        self._writer.flush_partial()
        self._unsaved.clear()  # all are on the disk, so a rescue file need not repeat them
        # A flush reads the input again, which takes longer the larger the file is.
        now = time.monotonic()
        self._flush_at = now + max(_FLUSH_EVERY_S, _FLUSH_SHARE * (now - started))


async def run(client: AsyncCleanlist, job: Job, display: Display, signals: StopSignals) -> Outcome:
    """Enrich the contacts of *job* into its file, until all are done, an error or a signal.

    Raises TableError before anything is sent if the file cannot be opened for writing.
    """

    def show(progress: Progress) -> None:
        if not signals.received:  # the end of a stopped run gives every contact a result at once
            display.update(progress, client.statistics())

    await job.contacts.fetch(client, signals)
    scope = anyio.CancelScope()
    stream = client.stream(
        job.contacts,
        enrichment_type=job.enrichment_type,
        max_credits=job.max_credits,
        webhook_url=job.webhook_url,
        fresh=job.fresh,
        suppress=job.suppression,
        progress=show,
    )
    file = ResultFile(job, scope.cancel)  # opened before anything is sent: it may not be writable
    stopped_by: BaseException | None = None
    problem: Exception | None = None
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_tick, client, display)
            try:
                stopped_by = await _read(stream, file, scope, signals)
            except Exception as error:  # noqa: BLE001  # raised below, since the group would wrap it
                problem = error
            group.cancel_scope.cancel()
    finally:
        # Results that arrived after the loop was left: they are paid for, so the file gets them too.
        for result in stream.leftover:
            file.take(result)
        file.close()
    if problem is not None:
        raise problem
    return Outcome(file.tally, stream.summary, stopped_by, file.problem, file.notes)


async def _tick(client: AsyncCleanlist, display: Display) -> None:
    """Show what is waited for once a second, since nothing is reported while nothing happens."""
    while True:
        display.tick(client.statistics())
        await anyio.sleep(1)


async def _read(
    stream: ResultStream, file: ResultFile, scope: anyio.CancelScope, signals: StopSignals
) -> BaseException | None:
    """Write results as they come; return the error that ended the run."""
    async with stream:
        try:
            with signals.stopping(scope), scope:
                async for result in stream:
                    file.take(result)
        except (CleanlistError, TableError) as error:
            return error
    return None


def _rescued(results: list[EnrichmentResult], numbers: Sequence[int]) -> str | None:
    """Write results into the folder of temporary files, one JSON object a line; None if that fails too."""
    # Elsewhere than the output, since it is the output's disk that is full.
    try:
        descriptor, path = tempfile.mkstemp(prefix="cleanlist-results-", suffix=".jsonl")
        with os.fdopen(descriptor, "w") as stream:
            for result in results:
                line = {"row": numbers[result.index], **enrichment_cells(result, numbers)}
                stream.write(json.dumps(line) + "\n")
    except OSError:
        return None
    return path

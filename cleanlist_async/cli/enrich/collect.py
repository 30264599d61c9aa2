"""Fetches, for free, the results of workflows that an earlier run submitted and did not see finished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import anyio
from rich.console import Console

from cleanlist_async.checks import check_enrichment_type
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableOptions, check_output
from cleanlist_async.cli.enrich.outcome import Tally, beside, enrichment_cells, status_figures
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import ExitCode, code_for, complain, error_as_json
from cleanlist_async.cli.terminal.progress import warnings_shown
from cleanlist_async.cli.terminal.render import plural, print_json, say, show_figures
from cleanlist_async.cli.terminal.signals import StopSignals, Terminal
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import CleanlistError, NotFoundError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables import EnrichedWriter, Row, TableError
from cleanlist_async.tables.formats.location import STDOUT, is_address
from cleanlist_async.tables.input import is_stream

_WORKFLOWS_AT_ONCE: Final = 32
_OPEN: Final = frozenset({"pending", "unknown"})


@dataclass(slots=True)
class Collection:
    """The open contacts of a file by workflow, and their results so far."""

    enriched: EnrichedTable
    waiting: defaultdict[str, list[EnrichmentResult]] = field(
        default_factory=lambda: defaultdict[str, list[EnrichmentResult]](list)
    )
    numbers: dict[int, int] = field(default_factory=dict[int, int])
    results: dict[int, EnrichmentResult] = field(default_factory=dict[int, EnrichmentResult])
    tally: Tally = field(default_factory=Tally)
    stopped_by: CleanlistError | None = None

    @classmethod
    def of(cls, enriched: EnrichedTable, enrichment_type: EnrichmentType) -> Collection:
        """Find the open contacts of a file. Raises TableError if there are none."""
        collection = cls(enriched)
        for row, cells in enriched.rows():
            collection.add(row, cells, enrichment_type)
        if not collection.waiting:
            path = enriched.table.name
            raise TableError(path=path, problem="has no pending contacts", fix="there is nothing to collect")
        return collection

    def add(self, row: Row, cells: Mapping[str, str], enrichment_type: EnrichmentType) -> None:
        """Take a row with its enrichment, if it is open."""
        workflow_id = cells["cleanlist_workflow_id"]
        # An unknown submit without a workflow cannot be asked for.
        if cells["cleanlist_status"] not in _OPEN or not workflow_id:
            return
        self.numbers[row.index] = row.number
        self.waiting[workflow_id].append(
            EnrichmentResult(
                row.index,
                row.contact,
                "pending",
                workflow_id=workflow_id,
                task_id=cells.get("cleanlist_task_id") or None,
                enrichment_type=enrichment_type,
            )
        )

    @property
    def contacts(self) -> int:
        """How many contacts were open."""
        return len(self.numbers)

    async def fetch(self, client: AsyncCleanlist, signals: StopSignals) -> None:
        """Ask for every workflow until it is finished.

        Raises CleanlistError before that if the key is bad or there is no connection.
        """
        slots = anyio.Semaphore(_WORKFLOWS_AT_ONCE)
        scope = anyio.CancelScope()

        async def fetch(workflow: Sequence[EnrichmentResult]) -> None:
            async with slots:
                report = await client.collect(workflow)
            self.results |= {result.index: result for result in report.results}
            if report.stopped_by is not None:
                self.stopped_by = report.stopped_by
                if _ends_all(
                    report.stopped_by
                ):  # else a lost workflow would keep all others from being fetched
                    scope.cancel()

        with signals.stopping(scope), scope:
            # A bad key or no connection ends the command here, before the file is touched.
            await client.public.validate_key()
            async with anyio.create_task_group() as group:
                for workflow in self.waiting.values():
                    group.start_soon(fetch, workflow)

    def write(self, output: str) -> None:
        """Write the table to *output*, which may be the file itself, with the fetched results."""
        table = self.enriched.table
        is_in_place = output == table.name and not is_address(output)
        path = Path(output)
        # Beside the old file, so that replacing it is atomic; a leftover of a crash holds nothing new.
        target = path.with_name(f"{path.stem}.collected{path.suffix}") if is_in_place else output
        with EnrichedWriter(
            target,
            table,
            self.enriched.columns,
            overwrite=output == table.name,
            format=table.format if is_in_place or output == STDOUT else None,
        ) as writer:
            for row, cells in self.enriched.rows():
                writer.put(row.index, cells | self.updates(row.index, cells))
        self.count(self.tally)
        # Only now: a crash before this line leaves the old file whole.
        if is_in_place:
            Path(target).replace(path)

    def count(self, tally: Tally) -> None:
        """Count what was open, as it is now."""
        for open_results in self.waiting.values():
            for result in open_results:
                tally.count(self.results.get(result.index, result))

    def updates(self, index: int, cells: dict[str, str]) -> dict[str, str]:
        """Return the cells of a row that was open, as far as they were fetched."""
        result = self.results.get(index)
        if result is None:
            return {}
        updates = enrichment_cells(replace(result, duplicate_of=None), ())
        # The row numbers of duplicates are in the file already; the first of them has paid.
        updates["cleanlist_duplicate_of"] = cells.get("cleanlist_duplicate_of", "")
        if updates["cleanlist_duplicate_of"] and updates["cleanlist_credits"]:
            updates["cleanlist_credits"] = "0"
        updates = beside(cells, updates)
        return {name: updates[name] for name in self.enriched.columns if name in updates}


def collect(
    console: Console,
    path: str,
    output: str | None,
    options: TableOptions,
    connection: Connection,
    *,
    enrichment_type: EnrichmentType,
    as_json: bool,
) -> ExitCode:
    """Fetch what is pending in a file that ``enrich`` wrote, and write the file again."""
    check_enrichment_type(enrichment_type)
    enriched = EnrichedTable.open(path, options)
    if output:
        check_output(output, enriched.table, overwrite=False)
    output = output or (STDOUT if is_stream(path) else path)  # a stream cannot be replaced
    collection = Collection.of(enriched, enrichment_type)
    workflows = plural(len(collection.waiting), "workflow")
    say(console, f"{plural(collection.contacts, 'contact')} to fetch from {workflows}. This is free.")

    async def fetch() -> None:
        async with connection.open() as client:
            await collection.fetch(client, signals)

    stopping = StopSignals(lambda: say(console, "Stopping."))
    with Terminal(), warnings_shown(console), stopping as signals:
        anyio.run(fetch)
        # After a signal too: what was fetched until then is written.
        collection.write(output)
    tally, stopped_by = collection.tally, collection.stopped_by
    show_figures(console, [*status_figures(tally), ("file", "", output)])
    if stopped_by is not None:
        complain(stopped_by)
    if as_json:
        print_json({**tally.as_json(), "file": output, "stopped_by": error_as_json(stopped_by)})
    if signals.received:
        return signals.exit_code
    # A workflow that failed on the server is an unfinished contact, not an error of the command.
    if stopped_by is not None and code_for(stopped_by) in {ExitCode.API, ExitCode.CONNECTION}:
        return code_for(stopped_by)
    return ExitCode.DONE if tally.is_complete else ExitCode.INCOMPLETE


def _ends_all(error: CleanlistError) -> bool:
    """Whether the other workflows would meet the same error; a workflow that is gone does not affect them."""
    return code_for(error) in {ExitCode.API, ExitCode.CONNECTION} and not isinstance(error, NotFoundError)

"""The commands that only look at jobs: ls, status, unknown, report, export. No key, nothing sent."""

from __future__ import annotations

import csv
import shlex
from array import array
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console

from cleanlist_async.cli.enrich.inputs import TableOptions, check_output
from cleanlist_async.cli.enrich.outcome import Tally, enrichment_cells
from cleanlist_async.cli.enrich.outcome import status_figures as result_figures
from cleanlist_async.cli.job.memory import JobMemory
from cleanlist_async.cli.job.show import cost_rows, shown_state, status_as_json, status_figures
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.exits import ExitCode
from cleanlist_async.cli.terminal.render import (
    figures_grid,
    moment,
    number,
    plural,
    print_grid,
    print_json,
    print_line,
    print_table,
    say,
    show_command,
    show_figures,
    show_notes,
)
from cleanlist_async.cli.terminal.wording import PLACEHOLDER
from cleanlist_async.contacts.contact import CONTACT_FIELDS
from cleanlist_async.job.status import Receipt
from cleanlist_async.job.stored.reader import state_of
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.job_records import JobRecord
from cleanlist_async.storage.store.records import OrphanedSubmit
from cleanlist_async.storage.store.store import Store
from cleanlist_async.tables import ContactTable, EnrichedWriter, OutputChoice
from cleanlist_async.tables.dialect import OutputLayout
from cleanlist_async.tables.output_choice import WHOLE
from cleanlist_async.tables.own_files import NoCopyError
from cleanlist_async.types import JSON

_RECEIPT_COLUMNS: Final = (
    "receipt_status",
    "receipt_credits",
    "receipt_rule",
    "receipt_workflow_id",
    "receipt_request_id",
)


@dataclass(frozen=True, slots=True)
class Look:
    """A job to be looked at, and its input where that is needed."""

    console: Console
    memory: JobMemory
    as_json: bool = False
    source: str | None = None
    table: TableOptions | None = None
    output: str | None = None
    overwrite: bool = False
    choice: OutputChoice = WHOLE

    def status(self) -> ExitCode:
        """Show where the job stands, even while another process runs it."""
        status, is_running = self.memory.status()
        if self.as_json:
            print_json(status_as_json(status, is_running=is_running))
        else:
            print_grid(figures_grid(status_figures(status, is_running=is_running)))
        return ExitCode.DONE

    def unknown(self) -> ExitCode:
        """List the chunks that the server may or may not have accepted."""
        found, held_by = self.memory.unknown(), self.memory.held_by()
        if self.as_json:
            print_json({"unknown": [*map(asdict, found)], "held_by": [*map(asdict, held_by)]})
        else:
            if found:
                self._print_unknown(found)
            if held_by:
                self._print_holders(held_by)
            if not found and not held_by:
                say(self.console, "Nothing is unknown.")
        return ExitCode.INCOMPLETE if found or held_by else ExitCode.DONE

    def report(self) -> ExitCode:
        """Show what the job cost, rule by rule; with an output, write a receipt for each row."""
        (status, is_running), costs = self.memory.status(), self.memory.costs()
        if self.output is not None:
            self._write_receipts(self.output)
        rows = cost_rows(costs, status)
        if self.as_json:
            rules: list[JSON] = [{"rule": r, "contacts": n, "credits": c} for r, n, c, _ in rows]
            print_json({**status_as_json(status, is_running=is_running), "rules": rules, "file": self.output})
            return ExitCode.DONE
        print_table(("rule", "contacts", "credits", ""), rows, numbers=("contacts", "credits"))
        say(self.console, f"{plural(status.credits_spent, 'credit')} spent.")
        if status.credits_held:
            say(self.console, f"At most {number(status.credits_held)} more for results that are not final.")
        return ExitCode.DONE

    def export(self) -> ExitCode:
        """Write every row of the input with what the job found for it."""
        output, given = self.output or "", self._given()
        with input_of(self.memory, given) as table:
            self._check(output, table)
            tally, notes = export(self.memory, table, given, output, self.choice, overwrite=self.overwrite)
        show_figures(self.console, result_figures(tally))
        show_notes(self.console, notes)
        say(self.console, f"Written: {output}")
        if self.as_json:
            print_json({**tally.as_json(), "file": output})
        return ExitCode.DONE if tally.is_complete else ExitCode.INCOMPLETE

    def _given(self) -> ContactTable | None:
        return None if self.source is None else (self.table or TableOptions()).open(self.source)

    def _check(self, output: str, table: ContactTable) -> None:
        check_output(output, table, overwrite=self.overwrite, kept=self.memory.files)

    def _write_receipts(self, output: str) -> None:
        given = self._given()
        with input_of(self.memory, given) as table:
            self._check(output, table)
            with _whole(EnrichedWriter(output, table, _RECEIPT_COLUMNS, overwrite=self.overwrite)) as writer:
                self.memory.each_receipt(given, lambda one: writer.put(one.place, _receipt_cells(one)))
        say(self.console, f"Written: {output}")

    def _print_unknown(self, found: Sequence[UnknownChunk]) -> None:
        print_table(
            ("chunk", "contacts", "of the input", "credits at risk", "since (UTC)", "why"),
            [
                (
                    str(chunk.number),
                    chunk.contacts,
                    f"{chunk.first + 1:,} to {chunk.last + 1:,}",
                    chunk.credits_at_risk,
                    (chunk.since or "")[:19].replace("T", " "),
                    chunk.reason,
                )
                for chunk in found
            ],
            numbers=("chunk", "contacts", "credits at risk"),
        )
        say(
            self.console,
            f"{plural(len(found), 'chunk')} may have been accepted and paid for. Look in the portal, or give"
            " support the time, then record what you found:",
        )
        # All four, with the number of the first chunk: each can be copied whole.
        job, *store = map(shlex.quote, self.memory.typed)
        for how in (f"--accepted {PLACEHOLDER}", "--absent --i-checked", "--resubmit", "--abandon"):
            command = ["cleanlist-async job resolve", job, str(found[0].number), how, *store]
            show_command(self.console, " ".join(command))

    def _print_holders(self, found: Sequence[OrphanedSubmit]) -> None:
        print_table(
            ("submit", "contacts", "made by", "why"),
            [
                (one.submission, one.contacts, f"job {one.job}" if one.job else one.door, one.reason)
                for one in found
            ],
            numbers=("contacts",),
        )
        say(
            self.console,
            f"{plural(len(found), 'submit')} of other calls may have bought contacts of this job, which waits"
            " for the outcome. Look in the portal, then record what you found:",
        )
        for how in (f"--workflow {PLACEHOLDER}", "--absent"):
            command = f"cleanlist-async store resolve {found[0].submission} {how}"
            show_command(self.console, command + self.memory.location.as_typed())


def _receipt_cells(receipt: Receipt) -> dict[str, str]:
    values = (
        receipt.status,
        f"{receipt.credits:.10g}",
        receipt.rule,
        receipt.workflow_id or "",
        receipt.request_id or "",
    )
    return dict(zip(_RECEIPT_COLUMNS, values, strict=True))


def list_all(location: StoreLocation, *, unfinished: bool, names: bool, as_json: bool) -> ExitCode:
    """List all jobs, the oldest first, or only those that can go on; with *names* nothing but their names."""

    async def read(store: Store) -> list[JobRecord]:
        going_on = {name async for name in store.unfinished()} if unfinished else set[str]()
        return [job for job in await store.jobs() if not unfinished or job.name in going_on]

    # Opening a store that does not exist would make an empty one.
    jobs = location.ask(read) if location.exists else []
    if names:
        for job in jobs:
            print_line(job.name)
        return ExitCode.DONE
    if as_json:
        print_json({"jobs": [*map(_as_json, jobs)]})
        return ExitCode.DONE
    print_table(
        ("job", "state", "contacts", "credits", "begun", "run by"),
        [
            (
                job.name,
                _state(job).replace("_", " "),
                job.contacts,
                job.spent,
                moment(_begun(job)),
                _runner(job),
            )
            for job in jobs
        ],
        numbers=("contacts", "credits"),
    )
    return ExitCode.DONE


def _as_json(job: JobRecord) -> dict[str, JSON]:
    return {
        "name": job.name,
        "job": job.name,  # as it was called here before
        "state": _state(job),
        "contacts": job.contacts,
        "enrichment_type": job.enrichment_type,
        "credits_spent": job.spent,
        "credits_held": job.reserved,
        "begun_at": _begun(job).isoformat(),
        "run_by": _runner(job),
    }


def _state(job: JobRecord) -> str:
    return "purged" if job.state == "purged" else shown_state(state_of(job), is_running=job.is_running)


def _begun(job: JobRecord) -> datetime:
    return datetime.fromtimestamp(job.created_at, UTC)


def _runner(job: JobRecord) -> str | None:
    return f"process {job.pid} on {job.host}" if job.is_running else None


def export(
    memory: JobMemory,
    table: ContactTable,
    given: ContactTable | None,
    output: str,
    choice: OutputChoice,
    *,
    overwrite: bool,
) -> tuple[Tally, list[str]]:
    """Write the rows of *table*, in order, with what the job knows about each, as far as *choice* says.

    Returns the counts of what was written, and what the user should know about it.
    *given* is what the job's contacts are compared with: the same table, or None for one of :func:`input_of`.
    Raises JournalError, StoreError and InputChangedError, and TableError when the file cannot be written;
    there is no file then.
    """
    numbers = array("I", (row.number for row in table.rows()))
    tally, headers = Tally(), table.field_headers
    with _whole(EnrichedWriter(output, table, choice=choice, overwrite=overwrite)) as writer:

        def put(result: EnrichmentResult) -> None:
            tally.count(result)
            writer.put(result.index, enrichment_cells(result, numbers, headers))

        notes = memory.each_result(given, put)
    return tally, [*writer.notes, *notes]


@contextmanager
def _whole(writer: EnrichedWriter) -> Generator[EnrichedWriter]:
    try:
        yield writer
        writer.close()
    except BaseException:  # a file that looks whole and is not would be worse than none
        writer.discard()
        raise


@contextmanager
def input_of(memory: JobMemory, given: ContactTable | None) -> Generator[ContactTable]:
    """Give the input, or without one the contacts of a job as a table, in a file that is gone afterwards."""
    if given is not None:
        yield given
        return
    with ExitStack() as stack:
        try:
            path = Path(stack.enter_context(TemporaryDirectory(prefix="cleanlist-")), "contacts.csv")
            with path.open("w", encoding="utf-8", newline="") as file:  # for its owner alone
                rows = csv.writer(file)
                rows.writerow(("row", *CONTACT_FIELDS))  # numbered, as a blank row is none
                memory.contacts(lambda place, contact: rows.writerow((place + 1, *astuple(contact))))
        except OSError as error:
            raise NoCopyError(error).refusal("the contacts of the job") from error
        table = ContactTable.open(path)
        # By its name it is a CSV, whose formulas would count as the user's own.
        table.layout = OutputLayout(is_of_texts=True)
        yield table

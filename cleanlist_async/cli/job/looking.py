"""The commands that only look at a job: status, unknown, report, export. No key, nothing sent."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from cleanlist_async.cli.enrich.inputs import TableOptions, check_output
from cleanlist_async.cli.job.exporting import export as write_export
from cleanlist_async.cli.job.exporting import input_of
from cleanlist_async.cli.job.memory import JobMemory
from cleanlist_async.cli.job.show import (
    cost_rows,
    status_as_json,
    status_figures,
    unknown_as_json,
)
from cleanlist_async.cli.job.store_memory import StoreMemory
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.output import print_grid, print_json, print_table
from cleanlist_async.cli.terminal.render import figures_grid, number, plural, say, show_command, show_figures
from cleanlist_async.cli.terminal.render import status_figures as result_figures
from cleanlist_async.job.status import Receipt
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.tables import ContactTable, EnrichedWriter
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
        found = self.memory.unknown()
        if self.as_json:
            print_json({"unknown": [unknown_as_json(chunk) for chunk in found]})
        elif found:
            self._print_unknown(found)
        else:
            say(self.console, "Nothing is unknown.")
        return ExitCode.INCOMPLETE if found else ExitCode.DONE

    def report(self) -> ExitCode:
        """Show what the job cost, rule by rule; with an output, write a receipt for each row."""
        table = self._open_table() if self.source is not None else None
        if self.output is not None and table is None:
            raise CommandError(
                "receipts are written beside the rows of the input; name the input too.", ExitCode.USAGE
            )
        (status, is_running), costs = self.memory.status(), self.memory.costs()
        if table is not None and self.output is not None:
            self._write_receipts(table, self.output)
        rows = cost_rows(costs, status)
        if self.as_json:
            rules: list[JSON] = [{"rule": r, "contacts": n, "credits": c} for r, n, c, _ in rows]
            print_json({**status_as_json(status, is_running=is_running), "rules": rules, "file": self.output})
            return ExitCode.DONE
        print_table(
            ("rule", "contacts", "credits", ""),
            [(rule, f"{count:,}", number(credits_), remark) for rule, count, credits_, remark in rows],
            numbers=("contacts", "credits"),
        )
        say(self.console, f"{plural(status.credits_spent, 'credit')} spent.")
        if status.credits_held:
            say(self.console, f"At most {number(status.credits_held)} more for results that are not final.")
        return ExitCode.DONE

    def export(self) -> ExitCode:
        """Write every row of the input with what the job found for it."""
        output = self.output or ""
        if self.source is None and isinstance(self.memory, StoreMemory):
            with input_of(self.memory) as table:
                exported = write_export(self.memory, table, output, overwrite=self.overwrite)
        elif self.source is None:
            raise CommandError("a journal holds no contacts; name the input too.", ExitCode.USAGE)
        else:
            exported = write_export(self.memory, self._open_table(), output, overwrite=self.overwrite)
        show_figures(self.console, result_figures(exported.tally))
        for note in exported.notes:
            say(self.console, f"note: {note}")
        say(self.console, f"Written: {output}")
        if self.as_json:
            counts = exported.tally.as_json()
            print_json({**counts, "file": output})
        return ExitCode.DONE if exported.tally.is_complete else ExitCode.INCOMPLETE

    def _open_table(self) -> ContactTable:
        table = (self.table or TableOptions()).open(self.source or "")
        if self.output is not None:
            check_output(self.output, table, overwrite=self.overwrite, kept=self.memory.files)
        return table

    def _write_receipts(self, table: ContactTable, output: str) -> None:
        writer = EnrichedWriter(output, table, _RECEIPT_COLUMNS, overwrite=self.overwrite)
        try:
            self.memory.each_receipt(table, lambda one: writer.put(one.place, _receipt_cells(one)))
            writer.close()
        # As for an export: no file is better than half of one.
        except BaseException:
            writer.discard()
            raise
        say(self.console, f"Written: {output}")

    def _print_unknown(self, found: Iterable[UnknownChunk]) -> None:
        rows = [
            (
                str(chunk.number),
                f"{chunk.contacts:,}",
                f"{chunk.first + 1:,} to {chunk.last + 1:,}",
                number(chunk.credits_at_risk),
                (chunk.since or "")[:16].replace("T", " "),
                chunk.reason or "",
            )
            for chunk in found
        ]
        print_table(
            ("chunk", "contacts", "of the input", "credits at risk", "since", "why"),
            rows,
            numbers=("chunk", "contacts", "credits at risk"),
        )
        say(
            self.console,
            f"{plural(len(rows), 'chunk')} may have been accepted and paid for. Look in the portal, or give"
            " support the time, then record what you found:",
        )
        # All four, with the number of the first chunk: each can be copied whole.
        for how in ("--accepted WORKFLOW_ID", "--absent --i-checked", "--resubmit", "--abandon"):
            job, *store = self.memory.typed
            command = shlex.join(["cleanlist-async", "job", "resolve", job, rows[0][0]])
            show_command(self.console, " ".join([command, how, *map(shlex.quote, store)]))


def _receipt_cells(receipt: Receipt) -> dict[str, str]:
    values = (
        receipt.status,
        f"{receipt.credits:.10g}",
        receipt.rule,
        receipt.workflow_id or "",
        receipt.request_id or "",
    )
    return dict(zip(_RECEIPT_COLUMNS, values, strict=True))

"""The commands that only look at a job: status, unknown, report, export. No key, nothing sent."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rich.console import Console

from cleanlist_async.cli.enrich.inputs import TableOptions, check_output
from cleanlist_async.cli.job.exporting import Exported, input_of
from cleanlist_async.cli.job.exporting import export as write_export
from cleanlist_async.cli.job.memory import JobMemory
from cleanlist_async.cli.job.show import (
    cost_rows,
    status_as_json,
    status_figures,
    unknown_as_json,
)
from cleanlist_async.cli.terminal.exits import ExitCode
from cleanlist_async.cli.terminal.output import print_grid, print_json, print_table
from cleanlist_async.cli.terminal.render import figures_grid, number, plural, say, show_command, show_figures
from cleanlist_async.cli.terminal.render import status_figures as result_figures
from cleanlist_async.cli.terminal.typed import PLACEHOLDER
from cleanlist_async.job.status import Receipt
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.storage.store.records import OrphanedSubmit
from cleanlist_async.tables import ContactTable, EnrichedWriter, OutputChoice
from cleanlist_async.tables.output_choice import WHOLE
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
            submits: list[JSON] = [asdict(submit) for submit in held_by]
            print_json({"unknown": [unknown_as_json(chunk) for chunk in found], "held_by": submits})
            return ExitCode.INCOMPLETE if found or held_by else ExitCode.DONE
        if found:
            self._print_unknown(found)
        if held_by:
            self._print_holders(held_by)
        if found or held_by:
            return ExitCode.INCOMPLETE
        say(self.console, "Nothing is unknown.")
        return ExitCode.DONE

    def report(self) -> ExitCode:
        """Show what the job cost, rule by rule; with an output, write a receipt for each row."""
        (status, is_running), costs = self.memory.status(), self.memory.costs()
        if self.output is not None and self.source is None:
            with input_of(self.memory) as table:
                check_output(self.output, table, overwrite=self.overwrite, kept=self.memory.files)
                self._write_receipts(table, self.output, is_own=True)
        elif self.output is not None:
            self._write_receipts(self._open_table(), self.output)
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
        if self.source is None:
            with input_of(self.memory) as table:
                check_output(output, table, overwrite=self.overwrite, kept=self.memory.files)
                exported = self._write(table, output, is_own=True)
        else:
            exported = self._write(self._open_table(), output)
        show_figures(self.console, result_figures(exported.tally))
        for note in exported.notes:
            say(self.console, f"note: {note}")
        say(self.console, f"Written: {output}")
        if self.as_json:
            counts = exported.tally.as_json()
            print_json({**counts, "file": output})
        return ExitCode.DONE if exported.tally.is_complete else ExitCode.INCOMPLETE

    def _write(self, table: ContactTable, output: str, *, is_own: bool = False) -> Exported:
        return write_export(
            self.memory, table, output, choice=self.choice, overwrite=self.overwrite, is_own=is_own
        )

    def _open_table(self) -> ContactTable:
        table = (self.table or TableOptions()).open(self.source or "")
        if self.output is not None:
            check_output(self.output, table, overwrite=self.overwrite, kept=self.memory.files)
        return table

    def _write_receipts(self, table: ContactTable, output: str, *, is_own: bool = False) -> None:
        writer = EnrichedWriter(output, table, _RECEIPT_COLUMNS, overwrite=self.overwrite)
        try:
            source = None if is_own else table
            self.memory.each_receipt(source, lambda one: writer.put(one.place, _receipt_cells(one)))
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
                (chunk.since or "")[:19].replace("T", " "),
                chunk.reason or "",
            )
            for chunk in found
        ]
        print_table(
            ("chunk", "contacts", "of the input", "credits at risk", "since (UTC)", "why"),
            rows,
            numbers=("chunk", "contacts", "credits at risk"),
        )
        say(
            self.console,
            f"{plural(len(rows), 'chunk')} may have been accepted and paid for. Look in the portal, or give"
            " support the time, then record what you found:",
        )
        # All four, with the number of the first chunk: each can be copied whole.
        for how in (f"--accepted {PLACEHOLDER}", "--absent --i-checked", "--resubmit", "--abandon"):
            job, *store = self.memory.typed
            command = shlex.join(["cleanlist-async", "job", "resolve", job, rows[0][0]])
            show_command(self.console, " ".join([command, how, *map(shlex.quote, store)]))

    def _print_holders(self, found: Sequence[OrphanedSubmit]) -> None:
        print_table(
            ("submit", "contacts", "made by", "why"),
            [
                (
                    one.submission,
                    f"{one.contacts:,}",
                    f"job {one.job}" if one.job else one.door,
                    one.reason or "",
                )
                for one in found
            ],
            numbers=("contacts",),
        )
        say(
            self.console,
            f"{plural(len(found), 'submit')} of other calls may have bought contacts of this job, which waits"
            " for the outcome. Look in the portal, then record what you found:",
        )
        _, *store = self.memory.typed
        for how in ("--workflow WORKFLOW_ID", "--absent"):
            command = f"cleanlist-async store resolve {found[0].submission} {how}"
            show_command(self.console, " ".join([command, *map(shlex.quote, store)]))


def _receipt_cells(receipt: Receipt) -> dict[str, str]:
    values = (
        receipt.status,
        f"{receipt.credits:.10g}",
        receipt.rule,
        receipt.workflow_id or "",
        receipt.request_id or "",
    )
    return dict(zip(_RECEIPT_COLUMNS, values, strict=True))

"""``list import`` and ``list export``: files of a list. The signed address of an export is never shown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import uuid4

import anyio
from rich.console import Console

from cleanlist_async import facts
from cleanlist_async.api.csv_import import ImportReport
from cleanlist_async.cli.enrich.inputs import TableOptions
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.asking import Consent, agree_to_spend
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, code_for, complain, error_as_json
from cleanlist_async.cli.terminal.render import (
    clean,
    plural,
    print_fields,
    print_json,
    say,
    show_command,
    show_notes,
)
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.facts import PersonType
from cleanlist_async.storage.permissions import opener_for
from cleanlist_async.tables.import_table import ImportTable, split_table
from cleanlist_async.types import JSON


@dataclass(frozen=True, slots=True)
class Import:
    """The command ``list import``, as it was typed: *words* are a list and a file, or a file for *create*."""

    words: Sequence[str]
    create: str | None
    options: TableOptions
    enrich: str | None
    consent: Consent
    store: StoreLocation
    as_json: bool

    def _check(self) -> None:
        if len(self.words) != (2 if self.create is None else 1):
            raise CommandError(
                "an import takes a list and a file: ID FILE.csv, or --create NAME FILE.csv.", ExitCode.USAGE
            )
        if self.enrich is not None and self.enrich not in facts.PERSON_TYPES:
            raise CommandError(f"--enrich must be one of {', '.join(facts.PERSON_TYPES)}.", ExitCode.USAGE)
        if self.enrich is None and self.consent.max_credits is not None:
            raise CommandError("--max-credits needs --enrich; an import alone is free.", ExitCode.USAGE)

    def carry_out(self, console: Console, connection: Connection) -> ExitCode:
        """Read the file, ask if it costs credits, import it, report."""
        self._check()
        kind = cast("PersonType | None", self.enrich)
        options = self.options
        table = ImportTable.open(
            self.words[-1],
            options.mapping,
            guess=True,
            format=options.format,
            encoding=options.encoding,
            delimiter=options.delimiter,
            has_header=options.has_header,
        )
        split = split_table(table)
        columns = ", ".join(f"{field} = {clean(header)}" for field, header in table.mapping.items())
        say(console, f"{plural(split.rows, 'row')} in {plural(len(split.parts), 'part')}: {columns}.")
        show_notes(console, table.notes)
        budget = None if kind is None else self._agreed_budget(split.rows, kind)

        async def send(client: AsyncCleanlist) -> ImportReport:
            file = table.source.file
            # The user agreed to a price for the rows that were counted.
            if not file.is_unchanged():
                raise file.error("has changed since it was read", "start the import again")
            # After the yes, so that a refusal leaves no empty list behind.
            list_id = self.words[0]
            if self.create is not None:
                list_id = (await client.lead_lists.create_list(self.create)).list_id
            return await client.lead_lists.import_csv(
                list_id,
                file.given if isinstance(file.given, Path) else file.read(),
                column_mapping=table.mapping,
                format=options.format,
                encoding=options.encoding,
                delimiter=options.delimiter,
                has_header=options.has_header,
                dispatch_enrichment=kind is not None,
                enrichment_type=kind,
                max_credits=budget,
            )

        # What buys nothing needs no budget, and would leave an empty store.
        store = None if kind is None else self.store.open()
        return self._report(console, connection, connection.ask(console, send, store))

    def _agreed_budget(self, rows: int, kind: PersonType) -> float:
        """Return the most that the import may cost in credits."""
        worst = rows * facts.WORST_CASE_CREDITS[kind]
        agree_to_spend(f"Enriching {plural(rows, 'row')}", worst, self.consent)
        return worst if self.consent.max_credits is None else self.consent.max_credits

    def _report(self, console: Console, connection: Connection, report: ImportReport) -> ExitCode:
        if self.as_json:
            print_json(
                {
                    "list_id": report.list_id,
                    "rows_parsed": report.rows_parsed,
                    "rows_imported": report.rows_imported,
                    "rows_skipped": report.rows_skipped,
                    "skip_reasons": dict(report.skip_reasons),
                    "skipped_rows": list(report.skipped_rows),
                    "workflow_ids": list(report.workflow_ids),
                    "stopped_by": error_as_json(report.stopped_by),
                }
            )
        else:
            print_fields(
                [
                    ("list", report.list_id),
                    ("imported", report.rows_imported),
                    ("skipped", report.rows_skipped),
                    *((f"  {why}".replace("_", " "), rows) for why, rows in report.skip_reasons.items()),
                    ("skipped rows", ", ".join(map(str, report.skipped_rows))),
                    ("enrichments", ", ".join(report.workflow_ids)),
                ]
            )
        if report.workflow_ids:
            say(console, "The server continues the enrichment; its results will appear in the list:")
            shown = f"cleanlist-async list show {report.list_id}{connection.as_typed()}"
            show_command(console, shown)
        # After the counts: the parts before the failure were imported.
        if report.stopped_by is not None:
            complain(report.stopped_by)
            return code_for(report.stopped_by)
        return ExitCode.DONE


def export(
    console: Console,
    connection: Connection,
    list_id: str,
    output: str,
    columns: str | None,
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write a list into a file, as ``list export`` does. Raises CommandError if it cannot be written."""
    target = _checked_target(output, overwrite=overwrite)
    names = [name for text in (columns or "").split(",") if (name := text.strip())] or None

    async def fetch(client: AsyncCleanlist) -> int:
        if target.suffix.lower() == ".csv":
            return (await client.export.download_csv(list_id, target, columns=names)).row_count
        leads = client.export.export_json(list_id, limit=facts.MAX_LEADS_PER_PAGE, columns=names)
        return await _write_lines(leads, target)

    rows = connection.ask(console, fetch)
    if as_json:
        print_json({"list_id": list_id, "file": output, "rows": rows})
    else:
        say(console, f"Written: {output}, {plural(rows, 'lead')}.")


def _checked_target(output: str, *, overwrite: bool) -> Path:
    target = Path(output)
    problem = ""
    if target.suffix.lower() not in {".csv", ".jsonl"}:
        problem = "is not an export file name: end it in .csv or .jsonl"
    elif target.is_dir():
        problem = "is a folder: name a file"
    elif not target.absolute().parent.is_dir():
        problem = "cannot be written: its folder does not exist"
    elif target.exists() and not overwrite:
        problem = "already exists: name another file, or pass --overwrite"
    if problem:
        raise CommandError(f"{output} {problem}.", ExitCode.REFUSED)
    return target


async def _write_lines(leads: AsyncIterable[Mapping[str, JSON]], target: Path) -> int:
    rows = 0
    # Beside the target, so that replace() stays within one file system and is atomic.
    part = anyio.Path(target.with_name(f"{target.name}.{uuid4().hex[:8]}.part"))
    opener = opener_for(target)
    try:
        async with await anyio.open_file(part, "x", encoding="utf-8", opener=opener) as stream:
            async for lead in leads:
                await stream.write(json.dumps(lead, ensure_ascii=False) + "\n")
                rows += 1
        await part.replace(target)
    finally:
        with anyio.CancelScope(shield=True):  # a cancelled export leaves nothing behind either
            await part.unlink(missing_ok=True)
    return rows

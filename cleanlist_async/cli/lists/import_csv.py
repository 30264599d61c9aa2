"""``list import``: imports a CSV file into a list, free unless the rows are to be enriched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cleanlist_async import facts
from cleanlist_async.api.csv_import import ImportReport
from cleanlist_async.cli.enrich.inputs import TableOptions
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.asking import Consent, agree_to_spend
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, code_for, complain, error_as_json
from cleanlist_async.cli.terminal.output import print_fields, print_json
from cleanlist_async.cli.terminal.render import clean, plural, say, show_command
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.facts import PersonType
from cleanlist_async.tables.import_table import ImportTable, split_table
from cleanlist_async.types import JSON


@dataclass(frozen=True, slots=True)
class Import:
    """The command, as it was typed: into `list_id`, or into the caller's list named `create`."""

    list_id: str | None
    create: str | None
    path: str
    options: TableOptions
    enrich: PersonType | None
    consent: Consent
    store: StoreLocation
    as_json: bool

    @classmethod
    def parse(
        cls,
        words: Sequence[str],
        create: str | None,
        options: TableOptions,
        enrich: str | None,
        *,
        consent: Consent,
        store: StoreLocation,
        as_json: bool,
    ) -> Import:
        """Take the words as they were typed. Raises CommandError for words that describe no import."""
        if len(words) != (2 if create is None else 1):
            raise CommandError(
                "an import takes a list and a file: ID FILE.csv, or --create NAME FILE.csv.", ExitCode.USAGE
            )
        if enrich is not None and enrich not in facts.PERSON_TYPES:
            raise CommandError(f"--enrich must be one of {', '.join(facts.PERSON_TYPES)}.", ExitCode.USAGE)
        if enrich is None and consent.max_credits is not None:
            raise CommandError("--max-credits needs --enrich; an import alone is free.", ExitCode.USAGE)
        return cls(
            words[0] if create is None else None,
            create,
            words[-1],
            options,
            enrich,
            consent,
            store,
            as_json,
        )

    def carry_out(self, console: Console, connection: Connection) -> ExitCode:
        """Read the file, ask if it costs credits, import it, report."""
        options = self.options
        table = ImportTable.open(
            self.path,
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
        for note in table.notes:
            say(console, f"note: {note}")
        budget = self._agreed_budget(split.rows)

        async def send(client: AsyncCleanlist) -> ImportReport:
            file = table.source.file
            # The user agreed to a price for the rows that were counted.
            if not file.is_unchanged():
                raise file.error("has changed since it was read", "start the import again")
            # After the yes, so that a refusal leaves no empty list behind.
            list_id = self.list_id or (await client.lead_lists.create_list(self.create or "")).list_id
            return await client.lead_lists.import_csv(
                list_id,
                file.given if isinstance(file.given, Path) else file.read(),
                column_mapping=table.mapping,
                format=options.format,
                encoding=options.encoding,
                delimiter=options.delimiter,
                has_header=options.has_header,
                dispatch_enrichment=self.enrich is not None,
                enrichment_type=self.enrich,
                max_credits=budget,
            )

        # What buys nothing needs no budget, and would leave an empty store.
        store = None if self.enrich is None else self.store.open()
        return self._report(console, connection, connection.ask(console, send, store))

    def _agreed_budget(self, rows: int) -> float | None:
        """Return the most that the import may cost in credits; None if it buys nothing."""
        if self.enrich is None:
            return None
        worst = rows * facts.WORST_CASE_CREDITS[self.enrich]
        agree_to_spend(f"Enriching {plural(rows, 'row')}", worst, self.consent)
        return worst if self.consent.max_credits is None else self.consent.max_credits

    def _report(self, console: Console, connection: Connection, report: ImportReport) -> ExitCode:
        if self.as_json:
            print_json(_as_json(report))
        else:
            print_fields(
                [
                    ("list", report.list_id),
                    ("imported", f"{report.rows_imported:,}"),
                    ("skipped", f"{report.rows_skipped:,}"),
                    *(
                        (f"  {reason}".replace("_", " "), f"{n:,}")
                        for reason, n in report.skip_reasons.items()
                    ),
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


def _as_json(report: ImportReport) -> dict[str, JSON]:
    return {
        "list_id": report.list_id,
        "rows_parsed": report.rows_parsed,
        "rows_imported": report.rows_imported,
        "rows_skipped": report.rows_skipped,
        "skip_reasons": dict(report.skip_reasons),
        "skipped_rows": list(report.skipped_rows),
        "workflow_ids": list(report.workflow_ids),
        "stopped_by": error_as_json(report.stopped_by),
    }

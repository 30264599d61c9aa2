"""``list import``: a CSV file into a list, for nothing unless it is to be enriched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rich.console import Console

from cleanlist_async import facts
from cleanlist_async.api.csv_import import ImportReport
from cleanlist_async.cli.enrich.inputs import TableOptions
from cleanlist_async.cli.terminal.asking import Consent, agree_to_spend
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, code_for, complain, error_as_json
from cleanlist_async.cli.terminal.output import print_fields, print_json
from cleanlist_async.cli.terminal.render import clean, plural, say, show_command
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import CsvField, PersonType
from cleanlist_async.tables.import_parts import split_csv
from cleanlist_async.types import JSON


@dataclass(frozen=True, slots=True)
class Import:
    """The command, as it was typed: into `list_id`, or into the caller's list named `create`."""

    list_id: str | None
    create: str | None
    path: str
    mapping: Mapping[CsvField, str] | None
    enrich: PersonType | None
    consent: Consent
    as_json: bool

    @classmethod
    def parse(
        cls,
        words: Sequence[str],
        create: str | None,
        mapping: Sequence[str],
        enrich: str | None,
        *,
        consent: Consent,
        as_json: bool,
    ) -> Import:
        """Take the words as they were typed. Raises CommandError for what makes no import."""
        if len(words) != (2 if create is None else 1):
            raise CommandError(
                "an import takes a list and a file: ID FILE.csv, or --create NAME FILE.csv.", ExitCode.USAGE
            )
        if enrich is not None and enrich not in facts.PERSON_TYPES:
            raise CommandError(f"--enrich must be one of {', '.join(facts.PERSON_TYPES)}.", ExitCode.USAGE)
        if enrich is None and consent.max_credits is not None:
            raise CommandError("--max-credits needs --enrich; an import alone is free.", ExitCode.USAGE)
        pairs = TableOptions.parse(mapping, None, None, no_header=False).mapping
        return cls(
            words[0] if create is None else None,
            create,
            words[-1],
            cast("Mapping[CsvField, str]", pairs) or None,  # checked against the file's header
            enrich,
            consent,
            as_json,
        )

    def carry_out(self, console: Console, connection: Connection) -> ExitCode:
        """Read the file, ask if it costs, import, report."""
        data = Path(self.path).read_bytes()
        mapping = self._whole_mapping(data)
        split = split_csv(data, mapping)
        columns = ", ".join(f"{field} = {clean(header)}" for field, header in split.mapping.items())
        say(console, f"{plural(split.rows, 'row')} in {plural(len(split.parts), 'part')}: {columns}.")
        budget = self._agreed_budget(split.rows)

        async def send(client: AsyncCleanlist) -> ImportReport:
            list_id = self.list_id or (await client.lead_lists.create_list(self.create or "")).list_id
            return await client.lead_lists.import_csv(
                list_id,
                data,
                column_mapping=mapping,
                dispatch_enrichment=self.enrich is not None,
                enrichment_type=self.enrich,
                max_credits=budget,
            )

        return self._report(console, connection.ask(console, send))

    def _whole_mapping(self, data: bytes) -> Mapping[CsvField, str] | None:
        """Return the columns that were named, with those that are guessed beside them."""
        if self.mapping is None:
            return None
        try:
            guessed = split_csv(data).mapping
        except ConfigurationError:  # nothing can be guessed, but what was named may be enough
            return self.mapping
        # A column that was named for one field is not guessed for another.
        named = set(self.mapping.values())
        whole: dict[CsvField, str] = {field: name for field, name in guessed.items() if name not in named}
        whole.update(self.mapping)
        return whole

    def _agreed_budget(self, rows: int) -> float | None:
        """Return the most that the import may cost in credits; None if it buys nothing."""
        if self.enrich is None:
            return None
        worst = rows * facts.WORST_CASE_CREDITS[self.enrich]
        agree_to_spend(f"Enriching {plural(rows, 'row')}", worst, self.consent)
        return worst if self.consent.max_credits is None else self.consent.max_credits

    def _report(self, console: Console, report: ImportReport) -> ExitCode:
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
            show_command(console, f"cleanlist-async list show {report.list_id}")
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

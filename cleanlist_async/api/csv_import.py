"""The import of a CSV file of any size: its budget, its parts, and its report."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import uuid4

from cleanlist_async import facts
from cleanlist_async.api.models.lead_lists import CsvImport
from cleanlist_async.checks import (
    check_choice,
    check_credits,
    check_flag,
    check_instance,
    check_text,
    covers,
    optional,
)
from cleanlist_async.errors import BudgetExceededError, CleanlistError, ConfigurationError
from cleanlist_async.facts import CsvField, PersonType
from cleanlist_async.http.calls import Spend
from cleanlist_async.tables.import_table import CsvPart, CsvParts, ImportTable, split_table


@dataclass(frozen=True, slots=True)
class Purchase:
    """The enrichment to buy for each imported row. `max_credits` is in credits, for all parts together."""

    enrichment_type: PersonType
    max_credits: float


@dataclass(slots=True)
class ImportReport:
    """The result of an import, all parts together. Row numbers count from 1, with the header of the file.

    ``stopped_by`` is the error of the part that ended it, if one did; later parts were not sent.
    """

    list_id: str
    """The list that was imported into."""
    rows_parsed: int = 0
    """Rows that were read, without the header."""
    rows_imported: int = 0
    """Rows that the server took."""
    skip_reasons: dict[str, int] = field(default_factory=dict[str, int])
    """How many rows were skipped, by reason."""
    skipped_rows: list[int] = field(default_factory=list[int], repr=False)
    """Rows that are known to have been skipped: the server names ten of each part at most."""
    workflow_ids: list[str] = field(default_factory=list[str], repr=False)
    """The enrichments that it started, for `client.enrichment.wait`."""
    parts: list[CsvImport] = field(default_factory=list[CsvImport], repr=False)
    """The server's answer to each part of the file."""
    stopped_by: CleanlistError | None = None

    @property
    def rows_skipped(self) -> int:
        """Number of rows that were skipped. Rows of parts that were not sent do not count."""
        return self.rows_parsed - self.rows_imported

    def raise_for_error(self) -> None:
        """Raise the error that ended the import, if one did."""
        if self.stopped_by is not None:
            raise self.stopped_by

    def leave_out(self, left_out: Mapping[str, list[int]]) -> None:
        """Count rows that were not sent because they repeat others or are empty."""
        for reason, rows in left_out.items():
            self._skip(reason, len(rows))
            self.rows_parsed += len(rows)
            self.skipped_rows += rows
        self.skipped_rows.sort()

    def add(self, part: CsvPart, done: CsvImport) -> None:
        """Count one part."""
        self.parts.append(done)
        self.rows_parsed += done.rows_parsed
        self.rows_imported += done.rows_imported
        for reason, rows in done.skip_reasons.items():
            self._skip(reason, rows)
        # A number beyond the part is the server's mistake, and no reason to lose the report.
        in_part = (row - 2 for row in done.sample_skip_rows)  # row 1 is the header
        self.skipped_rows += [part.rows[index] for index in in_part if 0 <= index < len(part.rows)]
        self.skipped_rows.sort()
        if done.workflow_id:
            self.workflow_ids.append(done.workflow_id)

    def _skip(self, reason: str, rows: int) -> None:
        self.skip_reasons[reason] = self.skip_reasons.get(reason, 0) + rows


def check_mapping(name: str, mapping: Mapping[CsvField, str]) -> None:
    """Check that *mapping* goes from fields of an import to headers. Raises ConfigurationError."""
    check_instance(name, mapping, Mapping)
    if not mapping:
        raise ConfigurationError(f"{name} is empty.", fix="Leave it out to map columns by their headers.")
    for field_, header in mapping.items():
        check_choice(f"a field of {name}", field_, facts.CSV_FIELDS)
        check_text(f"{name}[{field_!r}]", header)


def split_for_import(table: ImportTable, purchase: Purchase | None) -> CsvParts:
    """Split a table, and compare its price with the budget.

    Raises TableError for a table without rows, or with one that cannot be imported, and BudgetExceededError
    when the worst case of all rows exceeds `max_credits`.
    """
    split = split_table(table)
    if not split.parts:
        raise table.source.file.error("has no contacts", "there is nothing below its header")
    if purchase is not None:
        # The worst case for every row: what is found, and so the price, is known only afterwards.
        cost = split.rows * facts.WORST_CASE_CREDITS[purchase.enrichment_type]
        if not covers(purchase.max_credits, cost):
            error = BudgetExceededError(
                f"Enriching {split.rows:,} rows can cost {cost:,} credits, but max_credits is "
                f"{purchase.max_credits:,g}.",
                fix="Nothing was imported.",
            )
            error.max_credits, error.committed_credits = purchase.max_credits, 0
            raise error
    return split


def spend_of_import(csv_content_base64: str, enrichment_type: PersonType | None) -> Spend:
    """Return what an import can cost: each line below the header may be a row. Without a type it is free."""
    if enrichment_type is None:
        return Spend("csv_import", worst_case_credits=0.0)
    try:
        lines = re.split(rb"[\r\n]+", base64.b64decode(csv_content_base64).strip())
    except ValueError:  # the server will refuse it
        return Spend("csv_import", enrichment_type)
    return Spend.of_contacts("csv_import", enrichment_type, len(lines) - 1)


def part_keys(split: CsvParts, list_id: str, purchase: Purchase | None, base: str | None) -> list[str]:
    """Return an idempotency key for each part.

    A key holds for the whole organization, and the first list seen with it wins. So one of the caller is
    combined with the list, the kind of import and the content.
    """
    if base is None:  # unique to this call, which may then be repeated after a lost answer
        return [uuid4().hex for _ in split.parts]
    # The type is part of the key: an import that enriches is not a repetition of one that does not.
    kind = purchase.enrichment_type if purchase else ""
    # The mapping need not be part of it: the header of the content names the fields.
    start = f"{base}\0{list_id}\0{kind}\0".encode()
    return [sha256(start + part.content).hexdigest() for part in split.parts]


def purchase_of(
    enrichment_type: PersonType | None, max_credits: float | None, *, dispatch_enrichment: bool
) -> Purchase | None:
    """Return what to buy; None to buy nothing. Raises ConfigurationError when only half of it is given."""
    check_flag("dispatch_enrichment", dispatch_enrichment)
    optional(check_choice, "enrichment_type", enrichment_type, facts.PERSON_TYPES)
    optional(check_credits, "max_credits", max_credits)
    if not dispatch_enrichment:
        if enrichment_type is not None or max_credits is not None:
            raise ConfigurationError(
                "enrichment_type and max_credits need dispatch_enrichment=True; nothing was imported."
            )
        return None
    if enrichment_type is None or max_credits is None:
        raise ConfigurationError("dispatch_enrichment needs an enrichment_type and max_credits.")
    return Purchase(enrichment_type, max_credits)

"""Reads the rows of an imported CSV file. Pure: no list, no credits."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from .refusals import refused
from .store import Known

ROW_CAP: Final = 600  # the documentation says about 600
SAMPLE: Final = 10

CsvField: TypeAlias = Literal[
    "first_name",
    "last_name",
    "full_name",
    "email",
    "phone",
    "mobile_phone",
    "work_phone",
    "linkedin_url",
    "company_name",
    "company_domain",
    "job_title",
    "city",
    "state",
    "country",
]
"""What a column can mean (docs.cleanlist.ai/mcp-api/lead-lists)."""

Row: TypeAlias = Mapping[str, str]
"""The mapped cells of a row that are not blank, by canonical field."""


@dataclass(slots=True)
class CsvRows:
    """What a file held."""

    parsed: int = 0
    leads: list[Known] = field(default_factory=list[Known])
    skip_reasons: Counter[str] = field(default_factory=Counter[str])
    sample_skip_rows: list[int] = field(default_factory=list[int])
    """Numbers of the first ten skipped rows; the header is row 1."""

    def skip(self, number: int, reason: str) -> None:
        """Record a row that is left out."""
        self.skip_reasons[reason] += 1
        if len(self.sample_skip_rows) < SAMPLE:
            self.sample_skip_rows.append(number)


def read_rows(content: bytes, mapping: Mapping[CsvField, str]) -> CsvRows:
    """Read a UTF-8 file, with or without a mark; ``mapping`` is field to header.

    Raises RefusedError 400 missing_column, or validation_error for what is no CSV file.
    """
    try:
        records = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as problem:
        raise refused("validation_error", f"The file is not a CSV file in UTF-8: {problem}.") from None
    header = [name.strip() for name in records[0]] if records else []
    positions = _positions(header, mapping)
    rows = CsvRows()
    seen: set[str] = set()
    for number, record in enumerate(records[1:], start=2):
        # Blank lines are no rows, but they have numbers.
        if any(cell.strip() for cell in record):
            _take(rows, number, _cells(record, positions), seen)
    return rows


def _positions(header: list[str], mapping: Mapping[CsvField, str]) -> dict[str, int]:
    missing = [name for name in mapping.values() if name.strip() not in header]
    if missing:
        problem = f"The file has no column {', '.join(missing)}."
        raise refused("missing_column", problem, details={"missing_columns": missing, "columns": header})
    return {meaning: header.index(name.strip()) for meaning, name in mapping.items()}


def _cells(record: list[str], positions: Mapping[str, int]) -> Row:
    # A short row lacks its last cells.
    cells = {meaning: record[at].strip() for meaning, at in positions.items() if at < len(record)}
    return {meaning: cell for meaning, cell in cells.items() if cell}


def _take(rows: CsvRows, number: int, row: Row, seen: set[str]) -> None:
    rows.parsed += 1
    reason = "row_cap_exceeded" if rows.parsed > ROW_CAP else _skip_reason(row, seen)
    if reason:
        rows.skip(number, reason)
        return
    # Of rows that are taken only: what repeats a skipped row is no duplicate.
    seen |= _marks(row)
    rows.leads.append(_lead(row))


def _skip_reason(row: Row, seen: set[str]) -> str | None:
    if not _is_identified(row):
        return "missing_required"
    for name, reason in (("email", "duplicate_email"), ("linkedin_url", "duplicate_linkedin")):
        if _mark(row, name) in seen:
            return reason
    return None


def _is_identified(row: Row) -> bool:
    has_name = "full_name" in row or {"first_name", "last_name"} <= row.keys()
    has_company = "company_name" in row or "company_domain" in row
    return "email" in row or "linkedin_url" in row or (has_name and has_company)


def _marks(row: Row) -> set[str]:
    return {_mark(row, name) for name in ("email", "linkedin_url") if name in row}


def _mark(row: Row, name: str) -> str:
    return f"{name}:{row.get(name, '').casefold()}"


def _lead(row: Row) -> Known:
    # First names may be several words, so only the last word is the family name.
    first, _, last = row.get("full_name", "").rpartition(" ")
    return Known(
        first_name=row.get("first_name") or first or None,
        last_name=row.get("last_name") or last or None,
        email=row.get("email"),
        phone=_first(row, ("phone", "mobile_phone", "work_phone")),
        title=row.get("job_title"),
        company=row.get("company_name"),
        domain=row.get("company_domain"),
        location=", ".join(row[name] for name in ("city", "state", "country") if name in row) or None,
        linkedin_url=row.get("linkedin_url"),
    )


def _first(row: Row, names: Iterable[str]) -> str | None:
    return next((row[name] for name in names if name in row), None)

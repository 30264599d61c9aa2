"""CSV import: a whole file in one request, enriched at once unless that is switched off.

docs.cleanlist.ai/mcp-api/lead-lists.
"""

from __future__ import annotations

import base64
import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from cleanlist_async.sandbox.gate import Caller
from cleanlist_async.sandbox.responses import json_response, refused

from . import purchases
from .operations import Group, Replays, RequestModel, Services, operation, read_body
from .store import Lead

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

DUPLICATES: Final = {"email": "duplicate_email", "linkedin_url": "duplicate_linkedin"}
"""The fields that no two rows may share, and what a row that does is skipped for."""

MAX_FILE_BYTES: Final = 150_000
"""Documented as 150 KB; the smaller reading, so that a client that passes here passes there."""


@dataclass(slots=True)
class CsvRows:
    """What a file held."""

    parsed: int = 0
    leads: list[Lead] = field(default_factory=list[Lead])
    skip_reasons: Counter[str] = field(default_factory=Counter[str])
    sample_skip_rows: list[int] = field(default_factory=list[int])
    """Numbers of the first ten skipped rows; the header is row 1."""
    _seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def take(self, number: int, row: Row) -> None:
        """Make a lead of a row, or record why it is left out."""
        self.parsed += 1
        marks = {name: (name, row[name].casefold()) for name in DUPLICATES if name in row}
        if self.parsed > ROW_CAP:
            reason = "row_cap_exceeded"
        elif not _is_identified(row):
            reason = "missing_required"
        elif repeated := [name for name, mark in marks.items() if mark in self._seen]:
            reason = DUPLICATES[repeated[0]]
        else:
            # Of rows that are taken only: what repeats a skipped row is no duplicate.
            self._seen |= set(marks.values())
            self.leads.append(_lead(row))
            return
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
    for number, record in enumerate(records[1:], start=2):
        # Blank lines are no rows, but they have numbers.
        if any(cell.strip() for cell in record):
            rows.take(number, _cells(record, positions))
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


def _is_identified(row: Row) -> bool:
    has_name = "full_name" in row or {"first_name", "last_name"} <= row.keys()
    has_company = "company_name" in row or "company_domain" in row
    return "email" in row or "linkedin_url" in row or (has_name and has_company)


def _lead(row: Row) -> Lead:
    # First names may be several words, so only the last word is the family name.
    first, _, last = row.get("full_name", "").rpartition(" ")
    return Lead(
        first_name=row.get("first_name") or first or None,
        last_name=row.get("last_name") or last or None,
        email=row.get("email"),
        phone=row.get("phone") or row.get("mobile_phone") or row.get("work_phone"),
        title=row.get("job_title"),
        company=row.get("company_name"),
        domain=row.get("company_domain"),
        location=", ".join(row[name] for name in ("city", "state", "country") if name in row) or None,
        linkedin_url=row.get("linkedin_url"),
    )


class CsvImport(RequestModel):
    """Body of ``POST /lead-lists/{list_id}/csv-import``."""

    csv_content_base64: str
    column_mapping: dict[CsvField, str] = Field(min_length=1)
    dispatch_enrichment: bool = True
    enrichment_type: Literal["partial", "phone_only", "full"] | None = None
    quote_id: str | None = None
    idempotency_key: str | None = None

    @model_validator(mode="after")
    def _names_what_to_buy(self) -> CsvImport:
        if self.dispatch_enrichment and self.enrichment_type is None:
            raise ValueError("enrichment_type is required when dispatch_enrichment is true.")
        return self


class CsvImportOperations(Group):
    """The import."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._replays = Replays(services.moments)

    @operation("POST", "/lead-lists/{list_id}/csv-import", "lists:write")
    async def csv_import(self, request: Request) -> Response:
        """Import a file: 201, also for the replay of an idempotency key, whatever list that was for."""
        caller: Caller = request.state.caller
        list_id = self._services.lists.get(request.path_params["list_id"], caller).list_id
        body = await read_body(request, CsvImport)
        if body.dispatch_enrichment:
            # It spends credits then, which lists:write does not cover.
            self._services.scopes.require(caller, "enrich:write")
        # The key is the organization's: the first answer is repeated even for another list.
        replayed = self._replays.get(body.idempotency_key)
        if replayed is not None:
            return json_response({**replayed, "idempotency_replayed": True}, 201)
        answer = self._imported(caller, list_id, body)
        self._replays.keep(body.idempotency_key, answer)
        return json_response(answer, 201)

    def _imported(self, caller: Caller, list_id: str, body: CsvImport) -> dict[str, object]:
        rows = read_rows(_content(body.csv_content_base64), body.column_mapping)
        workflow_id = self._take_in(caller, list_id, body, rows)
        answer: dict[str, object] = {
            "list_id": list_id,
            "rows_parsed": rows.parsed,
            "rows_imported": len(rows.leads),
            "rows_skipped": rows.parsed - len(rows.leads),
            "skip_reasons": dict(rows.skip_reasons),
            "sample_skip_rows": rows.sample_skip_rows,
            "workflow_id": workflow_id,
            # A relative path under v2, while other operations give an absolute address under v1.
            "enrichment_status_url": workflow_id and f"/api/v2/enrichment/status/{workflow_id}",
            "idempotency_replayed": False,
        }
        return self._enveloped(answer)

    def _take_in(self, caller: Caller, list_id: str, body: CsvImport, rows: CsvRows) -> str | None:
        leads = [self._services.lists.new_lead(lead) for lead in rows.leads]
        workflow_id = None
        if body.dispatch_enrichment and body.enrichment_type and leads:
            purchase = purchases.csv_rows(list_id, body.enrichment_type, len(leads))
            # Before the leads are in the list: what cannot be paid for is not imported either.
            run = self._services.runs.start(
                caller, purchase, leads, body.enrichment_type, list_id, quote_id=body.quote_id
            )
            workflow_id = run.workflow_id
        self._services.lists.add(list_id, leads)
        return workflow_id


def _content(encoded: str) -> bytes:
    try:
        # Without validation Python skips characters that are not base64.
        content = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise refused("validation_error", "csv_content_base64 is not base64.") from None
    if len(content) > MAX_FILE_BYTES:
        raise refused("payload_too_large", f"The file has {len(content)} bytes, more than {MAX_FILE_BYTES}.")
    return content

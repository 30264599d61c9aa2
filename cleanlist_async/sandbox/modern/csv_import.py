"""CSV import: a whole file in one request, enriched at once unless that is switched off.

docs.cleanlist.ai/mcp-api/lead-lists.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, model_validator

from cleanlist_async.sandbox.responses import json_response

from . import purchases
from .bodies import RequestModel, read_body
from .csv_rows import CsvField, read_rows
from .group import Group, ModernOperation
from .refusals import refused
from .replays import Replays

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from cleanlist_async.sandbox.auth import Caller

    from .csv_rows import CsvRows
    from .services import Services

MAX_FILE_BYTES: Final = 150_000
"""Documented as 150 KB; the smaller reading, so that a client that passes here passes there."""


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

    def operations(self) -> list[ModernOperation]:
        """Return the one operation."""
        return [ModernOperation("csv_import", "POST", "/lead-lists/{list_id}/csv-import", self.csv_import)]

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
        leads = [self._services.lists.new_lead(**known) for known in rows.leads]
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
    except (binascii.Error, ValueError):
        raise refused("validation_error", "csv_content_base64 is not base64.") from None
    if len(content) > MAX_FILE_BYTES:
        raise refused("payload_too_large", f"The file has {len(content)} bytes, more than {MAX_FILE_BYTES}.")
    return content

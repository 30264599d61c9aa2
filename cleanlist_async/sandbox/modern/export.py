"""Exports of a list (docs.cleanlist.ai/mcp-api/exports)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pydantic import Field

from cleanlist_async.sandbox.responses import json_response

from .bodies import RequestModel, page, read_body, read_query
from .group import Group, ModernOperation
from .signed_files import FILE_PATH, SignedFiles

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from cleanlist_async.sandbox.gate import Operation

    from .services import Services
    from .store import Lead

DEFAULT_COLUMNS: Final = (
    "lead_id",
    "first_name",
    "last_name",
    "email",
    "title",
    "company",
    "domain",
    "linkedin_url",
    "phone",
    "location",
)
"""What is exported unless columns are named (docs.cleanlist.ai/mcp-api/exports)."""
OTHER_COLUMNS: Final = ("full_name", "provider")


class ExportCsv(RequestModel):
    """Body of ``POST /export/csv/signed-url``."""

    list_id: str
    columns: list[str] | None = None
    include_smart_agents: bool = True


class ExportQuery(RequestModel):
    """Query of ``GET /export/json``."""

    list_id: str
    limit: int = Field(100, ge=1, le=500)
    cursor: str | None = None
    columns: list[str] | None = None


class ExportOperations(Group):
    """The operations on exports, and the download, which is not part of the API."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._files = SignedFiles(services.moments, services.base_url)

    def operations(self) -> list[ModernOperation]:
        """Return the two operations."""
        return [
            ModernOperation("export_csv", "POST", "/export/csv/signed-url", self.export_csv),
            ModernOperation("export_json", "GET", "/export/json", self.export_json),
        ]

    def downloads(self) -> list[tuple[str, str, Operation]]:
        """Return method, path and function of what is served without prefix, credential and limit."""
        return [("GET", FILE_PATH, self._files.download)]

    def holds_file(self, path: str) -> bool:
        """Whether a path is that of an exported file."""
        return self._files.holds(path)

    async def export_csv(self, request: Request) -> Response:
        """Write the list as it is now into a file, and return its address."""
        body = await read_body(request, ExportCsv)
        list_id = self._services.lists.get(body.list_id, request.state.caller).list_id
        leads = self._services.lists.leads(list_id)
        agents = agent_columns(leads) if body.include_smart_agents else []
        # A caller may name the columns of agents too, which are added anyway.
        columns = list(dict.fromkeys([*(body.columns or DEFAULT_COLUMNS), *agents]))
        content = csv_of(leads, columns)
        file = self._files.keep(content)
        return json_response(
            {
                "list_id": list_id,
                "download_url": file.url,
                "expires_at": file.expires_at,
                "row_count": len(leads),
                "file_size_bytes": len(content),
            }
        )

    async def export_json(self, request: Request) -> Response:
        """Return a page of rows whose keys are the columns; all of them if none is named."""
        query = read_query(request, ExportQuery)
        list_id = self._services.lists.get(query.list_id, request.state.caller).list_id
        leads = self._services.lists.leads(list_id)
        columns = query.columns or [*DEFAULT_COLUMNS, *agent_columns(leads)]
        shown, cursor = page(leads, query.cursor, query.limit)
        rows = [row_of(lead, columns) for lead in shown]
        body = {"list_id": list_id, "leads": rows, "total": len(leads), "cursor": cursor}
        return self._answer(body)


def agent_columns(leads: Sequence[Lead]) -> list[str]:
    """Return the columns that smart agents wrote, the oldest first."""
    return list(dict.fromkeys(name for lead in leads for name in lead.agents))


def row_of(lead: Lead, columns: Sequence[str]) -> dict[str, object]:
    """Return a lead's columns; None for one that it does not have."""
    return {name: _value(lead, name) for name in columns}


def csv_of(leads: Sequence[Lead], columns: Sequence[str]) -> bytes:
    """Return a CSV file in UTF-8 with a header; what is not text is written as JSON."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row_of(lead, columns).values()] for lead in leads)
    return file.getvalue().encode()


def _value(lead: Lead, name: str) -> object:
    if name in DEFAULT_COLUMNS or name in OTHER_COLUMNS:
        value: object = getattr(lead, name)
        return value
    # A column that does not exist is empty, not an error.
    return lead.agents.get(name)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)

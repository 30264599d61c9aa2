"""Exports of a list (docs.cleanlist.ai/mcp-api/exports)."""

from __future__ import annotations

import csv
import hmac
import io
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Final

from pydantic import Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from cleanlist_async.sandbox.clock import Moments
from cleanlist_async.sandbox.responses import json_response

from .operations import Group, RequestModel, Services, operation, page, read_body, read_query
from .store import Lead

FILE_TTL_S: Final = 86_400.0
FILE_PATH: Final = "/exports/{name}"
"""Outside the API's prefixes."""

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


class SignedFiles:
    """Every file there is. Downloads are not part of the API: without prefix, credential and limit."""

    def __init__(self, moments: Moments, base_url: Callable[[], str]) -> None:
        self._moments = moments
        self._base_url = base_url
        self._secret = secrets.token_bytes(32)
        self._files: dict[str, bytes] = {}

    def keep(self, content: bytes) -> dict[str, object]:
        """Keep a CSV file and return where, and until when, it can be fetched."""
        name = f"{secrets.token_hex(16)}.csv"
        self._files[name] = content
        expires_at = int(self._moments.epoch_s() + FILE_TTL_S)
        address = f"{self._base_url()}{FILE_PATH.format(name=name)}"
        signature = self._signature(name, str(expires_at))
        until = self._moments.iso(self._moments.now() + FILE_TTL_S)
        return {"download_url": f"{address}?se={expires_at}&sig={signature}", "expires_at": until}

    def holds(self, path: str) -> bool:
        """Whether a path is that of one of these files."""
        return path.rpartition("/")[2] in self._files and path.startswith(FILE_PATH.partition("{")[0])

    async def download(self, request: Request) -> Response:
        """Return a file: 400 if a credential comes with it, 403 for a false or stale signature."""
        # A blob storage does the same, so a client that sends its key here fails its tests.
        if "authorization" in request.headers:
            return PlainTextResponse("This address is signed: send no Authorization header.", 400)
        name = request.path_params["name"]
        expires_at, signature = (request.query_params.get(key, "") for key in ("se", "sig"))
        # The signature first: only a time that we signed is sure to be a number.
        if not hmac.compare_digest(signature.encode(), self._signature(name, expires_at).encode()):
            return PlainTextResponse("Signature did not match.", 403)
        if self._moments.epoch_s() >= int(expires_at):
            return PlainTextResponse("Signature has expired.", 403)
        return Response(self._files[name], media_type="text/csv")

    def _signature(self, name: str, expires_at: str) -> str:
        return hmac.digest(self._secret, f"{name}:{expires_at}".encode(), "sha256").hex()


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
    """The operations on exports."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.files = SignedFiles(services.moments, services.base_url)

    @operation("POST", "/export/csv/signed-url", "export:read")
    async def export_csv(self, request: Request) -> Response:
        """Write the list as it is now into a file, and return its address."""
        body = await read_body(request, ExportCsv)
        list_id = self._services.lists.get(body.list_id, request.state.caller).list_id
        leads = self._services.lists.leads(list_id)
        agents = agent_columns(leads) if body.include_smart_agents else []
        # A caller may name the columns of agents too, which are added anyway.
        columns = list(dict.fromkeys([*(body.columns or DEFAULT_COLUMNS), *agents]))
        content = csv_of(leads, columns)
        return json_response(
            {
                "list_id": list_id,
                **self.files.keep(content),
                "row_count": len(leads),
                "file_size_bytes": len(content),
            }
        )

    @operation("GET", "/export/json", "export:read")
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
    for lead in leads:
        values = row_of(lead, columns).values()
        writer.writerow([one if isinstance(one, str | None) else json.dumps(one) for one in values])
    return file.getvalue().encode()


def _value(lead: Lead, name: str) -> object:
    if name in DEFAULT_COLUMNS or name in OTHER_COLUMNS:
        value: object = getattr(lead, name)
        return value
    # A column that does not exist is empty, not an error.
    return lead.agents.get(name)

"""``client.export``: lists as CSV files and as JSON (docs.cleanlist.ai/mcp-api/exports)."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any, Final

from cleanlist_async import facts
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.models.export import CsvExport, JsonExportPage
from cleanlist_async.pagination import Pages
from cleanlist_async.requests import ExportCsv, ExportJson
from cleanlist_async.resources.modern import ModernGroup, modern, same_id
from cleanlist_async.transport import Download

EXPORT_CSV: Final = modern("export_csv", "POST", "/export/csv/signed-url", CsvExport)
EXPORT_JSON: Final = modern("export_json", "GET", "/export/json", JsonExportPage)

OPERATIONS: Final = (EXPORT_CSV, EXPORT_JSON)


class Export(ModernGroup):
    """Exports of lists. All of it is free, and needs the scope ``export:read``."""

    async def export_csv(
        self, list_id: str, *, columns: Iterable[str] | None = None, include_smart_agents: bool = True
    ) -> CsvExport:
        """Have a CSV file made, and return where it is for a day; `download_csv` fetches it too.

        `columns` are by default lead_id, first_name, last_name, email, title, company, domain, linkedin_url,
        phone and location. Raises ListNotFoundError.
        """
        request = ExportCsv.checked(
            list_id=list_id, columns=columns, include_smart_agents=include_smart_agents
        )
        return await self._ask(EXPORT_CSV, request, belongs=lambda made: same_id(made.list_id, list_id))

    async def download_csv(
        self,
        list_id: str,
        path: str | PathLike[str],
        *,
        columns: Iterable[str] | None = None,
        include_smart_agents: bool = True,
        max_bytes: int = facts.MAX_DOWNLOAD_BYTES,
    ) -> CsvExport:
        """Export a list into the CSV file *path*, which is replaced once the download is whole.

        The file may come from another host, and is fetched without the key: over https from a public address,
        or from a network that the API itself is in. One of more than *max_bytes* (256 MiB) is refused. Raises
        as `export_csv` does, and APIConnectionError, MalformedResponseError, or ConfigurationError where
        *path* cannot be written.
        """
        if max_bytes < 1:
            raise ConfigurationError("max_bytes must be at least 1.")
        target = Path(path)
        if not target.name:
            raise ConfigurationError("path must be that of a file.")
        made = await self.export_csv(list_id, columns=columns, include_smart_agents=include_smart_agents)
        options = self._session.options
        await self._session.pipeline.download(
            Download(
                made.download_url, target, made.file_size_bytes or None, max_bytes, options.request_timeout_s
            ),
            options,
        )
        return made

    def export_json(
        self,
        list_id: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        columns: Iterable[str] | None = None,
    ) -> Pages[JsonExportPage, dict[str, Any]]:
        """Return pages of a list's leads as free-form objects: await for one, iterate for every lead.

        `limit` is 1 to 500 leads per page (100). Raises ListNotFoundError, InvalidCursorError.
        """
        wanted = None if columns is None else [columns] if isinstance(columns, str) else list(columns)

        def request(cursor: str | None) -> ExportJson:
            return ExportJson.checked(list_id=list_id, limit=limit, cursor=cursor, columns=wanted)

        request(cursor)

        async def fetch(cursor: str | None) -> JsonExportPage:
            return await self._ask(
                EXPORT_JSON, request(cursor), belongs=lambda page: same_id(page.list_id, list_id)
            )

        return Pages(fetch, lambda page: page.leads, lambda lead: lead.get("lead_id"), cursor)

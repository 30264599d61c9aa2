"""``client.export``: lists as CSV files and as JSON (docs.cleanlist.ai/mcp-api/exports)."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import Any, Final

from cleanlist_async import facts
from cleanlist_async.api.models.lead_lists import CsvExport, JsonExportPage
from cleanlist_async.api.modern import ModernGroup, modern, same_id
from cleanlist_async.api.pagination import Pages
from cleanlist_async.api.request_models import ExportCsv, ExportJson
from cleanlist_async.checks import check_whole, checked_path
from cleanlist_async.http.transport import Download

# May be repeated, though a POST: a second export only makes another file.
EXPORT_CSV: Final = modern("export_csv", "POST", "/export/csv/signed-url", CsvExport)
EXPORT_JSON: Final = modern(
    "export_json", "GET", "/export/json", JsonExportPage, max_answer_bytes=facts.MAX_ANSWER_BYTES
)


class Export(ModernGroup):
    """Exports of lists. All calls are free, and need the scope ``export:read``."""

    async def export_csv(
        self, list_id: str, *, columns: Iterable[str] | None = None, include_smart_agents: bool = True
    ) -> CsvExport:
        """Have a CSV file made, and return its address, which is valid for a day; `download_csv` fetches it.

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
        check_whole("max_bytes", max_bytes, "a number of bytes", at_least=1)
        target = checked_path("path", path)  # before the export, which takes a request
        made = await self.export_csv(list_id, columns=columns, include_smart_agents=include_smart_agents)
        options = self._session.options
        # A size of 0 is what the model has where the server did not say.
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
        columns: str | Iterable[str] | None = None,
    ) -> Pages[JsonExportPage, dict[str, Any]]:
        """Return pages of a list's leads as free-form objects: await for one, iterate for every lead.

        `limit` is 1 to 500 leads per page (100). Raises ListNotFoundError, InvalidCursorError.
        """
        # A single column given as text is a common slip; iterated, it would be one column per letter.
        columns = [columns] if isinstance(columns, str) else columns
        # As the check has read them: an iterator of the caller is exhausted by now.
        wanted = ExportJson.checked(list_id=list_id, limit=limit, cursor=cursor, columns=columns).columns

        return self._pages(
            EXPORT_JSON,
            lambda cursor: ExportJson.checked(list_id=list_id, limit=limit, cursor=cursor, columns=wanted),
            cursor,
            items=lambda page: page.leads,
            identity=lambda lead: lead.get("lead_id"),
            belongs=lambda page: same_id(page.list_id, list_id),
        )

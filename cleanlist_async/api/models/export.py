"""Answers about exports of lists (docs.cleanlist.ai/mcp-api/exports)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from cleanlist_async.api.models.base import Envelope, ModernAnswer, Moment


class CsvExport(ModernAnswer):
    """A CSV file that can be fetched for a day.

    ``download_url`` is signed: anyone who has it can fetch the file, so no repr shows it. It may be on
    another host, and is fetched without the key.
    """

    known_by: ClassVar = ("download_url",)

    list_id: str = ""
    download_url: str = Field("", repr=False)
    expires_at: Moment | None = None
    row_count: int = 0
    file_size_bytes: int = 0


class JsonExportPage(Envelope):
    """One page of a list's leads as free-form objects."""

    known_by: ClassVar = ("leads",)
    essential: ClassVar = ("leads",)

    list_id: str = ""
    leads: tuple[dict[str, Any], ...] = ()
    total: int = 0
    cursor: str | None = None

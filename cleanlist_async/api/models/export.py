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
    """The list that was exported."""
    download_url: str = Field("", repr=False)
    expires_at: Moment | None = None
    """Until when the file can be fetched."""
    row_count: int = 0
    """Rows of the file, without the header."""
    file_size_bytes: int = 0
    """Its size in bytes; 0 where the server does not say."""


class JsonExportPage(Envelope):
    """One page of a list's leads as free-form objects."""

    known_by: ClassVar = ("leads",)
    essential: ClassVar = ("leads",)

    list_id: str = ""
    """The list that was exported."""
    leads: tuple[dict[str, Any], ...] = ()
    """Its leads, with the columns that were asked for."""
    total: int = 0
    """Leads of all pages."""
    cursor: str | None = None
    """Where the next page begins; None on the last."""

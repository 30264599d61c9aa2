"""Answers about lead lists and the leads in them (docs.cleanlist.ai/mcp-api/lead-lists)."""

from __future__ import annotations

from typing import Annotated, ClassVar, cast

from pydantic import Field, model_validator

from cleanlist_async.api.ids import WorkflowId
from cleanlist_async.api.models.base import Envelope, ModernAnswer, Moment, Number
from cleanlist_async.api.models.rows import AsBuilt, Row, Text, text_of
from cleanlist_async.types import JSON


class LeadListSummary(ModernAnswer):
    """A list as pages of lists show it."""

    list_id: str = ""
    """The server's id of the list."""
    name: str = ""
    """Its name."""
    lead_count: int = 0
    """Leads in it."""
    folder_id: str | None = None
    """The folder that it is in, if any."""
    created_at: Moment | None = None
    """When it was made."""
    owner_name: str | None = None
    """The name of the user whose list it is."""
    visibility: str | None = None
    """``private``, ``organization``, ``shared``, or a word added later."""


class LeadListsPage(Envelope):
    """One page of lists; ``cursor`` is None on the last."""

    known_by: ClassVar = ("lists",)
    essential: ClassVar = ("lists",)

    lists: tuple[LeadListSummary, ...] = ()
    """The lists of this page."""
    total: int = 0
    """Lists on all pages."""
    cursor: str | None = None


class LeadList(Envelope):
    """One list. ``reused`` says that the caller had a list of that name, which was returned."""

    known_by: ClassVar = ("list_id",)

    list_id: str = ""
    """The server's id of the list."""
    name: str = ""
    """Its name."""
    description: str | None = None
    """Its description."""
    lead_count: int = 0
    """Leads in it."""
    enriched_count: int = 0
    """Leads in it that are enriched."""
    folder_id: str | None = None
    """The folder that it is in, if any."""
    created_at: Moment | None = None
    """When it was made."""
    reused: bool = False


class DeletedList(Envelope):
    """The list is deleted, with its memberships; its leads are kept."""

    known_by: ClassVar = ("deleted", "list_id")

    list_id: str = ""
    """The list that was deleted."""
    deleted: bool = False
    """Whether it was deleted."""


class Lead(Row):
    """One lead of a list. Missing fields are None; unknown fields are kept in ``raw``."""

    __slots__ = ()

    first_name = Text()
    last_name = Text()
    full_name = Text()
    email = Text()
    phone = Text()
    title = Text()
    company = Text()
    location = Text()
    linkedin_url = Text()
    provider = Text()

    def __repr__(self) -> str:
        return f"Lead(lead_id={self.lead_id!r}, full_name={self.full_name!r}, email={self.email!r}, ...)"

    @property
    def lead_id(self) -> str:
        """The server's id of the lead; empty if there is none."""
        return text_of(self.raw, "lead_id") or ""


class LeadsPage(Envelope):
    """One page of a list's leads. ``task_id`` is a cohort of exactly these, for `enrich_by_task`."""

    known_by: ClassVar = ("leads",)
    essential: ClassVar = ("leads",)

    list_id: str = ""
    """The list."""
    leads: Annotated[tuple[Lead, ...], AsBuilt] = ()
    """The leads of this page."""
    total: int = 0
    """Leads on all pages."""
    cursor: str | None = None
    """Where the next page begins; None on the last."""

    @model_validator(mode="before")
    @classmethod
    def _make_leads(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        # Rows are made here, before pydantic looks at them: it would validate each of up to 500.
        page: dict[str, object] = {**cast("dict[str, JSON]", raw)}
        leads = Lead.several(page.pop("leads", None))
        if leads is not None:
            page["leads"] = leads
        return page

    @classmethod
    def read_json(cls, body: bytes) -> None:
        """Return None, so that `read` is used: rows are made faster from parsed JSON."""


class AddedLeads(ModernAnswer):
    """The result of adding leads. ``created`` counts new leads, if a cohort was added."""

    known_by: ClassVar = ("added",)

    list_id: str = ""
    """The list."""
    added: int = 0
    """Leads that were added."""
    skipped_duplicates: int = 0
    """Leads that were in it already."""
    created: int | None = None
    credits_charged: Number | None = None
    """Credits charged for it."""


class RemovedLeads(ModernAnswer):
    """How many leads were removed from the list; unknown ids are not counted."""

    known_by: ClassVar = ("removed",)

    list_id: str = ""
    """The list."""
    removed: int = 0
    """Leads that were removed."""


class CsvImport(Envelope):
    """The result of importing one file.

    ``sample_skip_rows`` are up to ten skipped rows, counted from 1 with the header. With
    ``idempotency_replayed`` this is the answer to an earlier import with the same key.
    """

    known_by: ClassVar = ("rows_imported", "list_id", "workflow_id")

    list_id: str = ""
    """The list that was imported into."""
    rows_parsed: int = 0
    """Rows that were read."""
    rows_imported: int = 0
    """Rows that became leads."""
    rows_skipped: int = 0
    """Rows that did not."""
    skip_reasons: dict[str, int] = Field(default_factory=dict)
    """How many rows were skipped, by reason."""
    sample_skip_rows: tuple[int, ...] = ()
    workflow_id: WorkflowId | None = None
    """The enrichment that it started, if it was asked to."""
    enrichment_status_url: str | None = None
    """Where the server reports on the enrichment; never followed."""
    idempotency_replayed: bool = False

"""Answers about lead lists, their leads, the agents that fill their columns, and exports."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, cast

from pydantic import Field, model_validator

from cleanlist_async.api.models.base import CommonFields, Envelope, ModernAnswer, Moment, Number
from cleanlist_async.api.models.rows import AsBuilt, Row, Text, is_failed, is_final, text_of
from cleanlist_async.types import JSON, EnvelopeTaskId, SmartAgentTaskId, WorkflowId


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


class StartedSmartAgent(CommonFields):
    """A run that has begun. Of the ids here, `wait` takes the ``smart_agent_task_id``."""

    known_by: ClassVar = ("smart_agent_task_id",)
    essential: ClassVar = ("smart_agent_task_id",)

    task_id: EnvelopeTaskId | None = None
    """A handle on the list, not on the run."""
    smart_agent_task_id: SmartAgentTaskId = SmartAgentTaskId("")
    smart_agent_task_ids: dict[str, str] = Field(default_factory=dict)
    """By type of column."""
    status: str = ""
    """The run's status word; ``pending`` at first."""
    list_id: str = ""
    """The list that it fills a column of."""
    column_name: str = ""
    """The column."""
    estimated_cost: Number | None = None
    """The most that it can cost, in credits."""


class SmartAgentRun(ModernAnswer):
    """A run as lists of runs show it; its id is called ``task_id`` there."""

    task_id: SmartAgentTaskId = SmartAgentTaskId("")
    list_id: str = ""
    """The list that it fills a column of."""
    column_name: str = ""
    """The column."""
    agent_type: str = ""
    """The kind of agent."""
    status: str = ""
    """Its status word."""
    total: int = 0
    """Leads of the run."""
    processed: int = 0
    """Leads that are done."""
    failed: int = 0
    """Leads for which it failed."""
    created_at: Moment | None = None
    """When it was started."""


class SmartAgentRuns(Envelope):
    """The latest runs. ``total`` counts the runs in this answer, not all there are."""

    known_by: ClassVar = ("runs",)
    essential: ClassVar = ("runs",)

    runs: tuple[SmartAgentRun, ...] = ()
    """The runs, the latest first."""
    total: int = 0


class SmartAgentResult(ModernAnswer):
    """What the agent wrote for one lead: any JSON."""

    lead_id: str = ""
    """The lead."""
    value: Any = None
    """What the agent wrote."""
    error: str | None = None
    """Why it failed for this lead, if it did."""


class SmartAgentResults(Envelope):
    """The state of a run, and the results so far: they grow while it runs."""

    known_by: ClassVar = ("smart_agent_task_id", "results", "status")

    smart_agent_task_id: SmartAgentTaskId = SmartAgentTaskId("")
    """The run."""
    status: str = ""
    """Its status word; see `is_final`."""
    progress: int = 0
    """Percent."""
    total: int = 0
    """Leads of the run."""
    succeeded: int = 0
    """Leads for which it succeeded."""
    failed: int = 0
    """Leads for which it failed."""
    results: tuple[SmartAgentResult, ...] = ()
    """The results so far."""

    @property
    def is_final(self) -> bool:
        """Whether the server is done."""
        return is_final(self.status)

    @property
    def ended_badly(self) -> bool:
        """Whether the run ended without being finished."""
        return is_failed(self.status)


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

"""Answers about enrichments (docs.cleanlist.ai/mcp-api/enrichment and /polling), and of searches."""

from __future__ import annotations

from typing import Any, ClassVar

from cleanlist_async.api.models.base import Envelope, ModernAnswer, Number
from cleanlist_async.api.models.rows import is_failed, is_final
from cleanlist_async.types import WorkflowId


class Company(ModernAnswer):
    """What is known about a company. The API may add fields, which are in ``model_extra``."""

    company_id: str | None = None
    """The server's id of the company."""
    name: str | None = None
    """Its name."""
    domain: str | None = None
    """The domain of its web site."""
    industry: str | None = None
    """Its main industry."""
    industries: tuple[str, ...] | None = None
    """All industries that it is in."""
    employee_count: int | None = None
    """Number of employees."""
    employee_count_range: str | None = None
    """The same as a range, such as ``51-200``."""
    revenue_range: str | None = None
    """Yearly revenue as a range."""
    hq_location: str | None = None
    """Where its headquarters are."""
    funding_stage: str | None = None
    """Its latest round of funding."""
    total_funding_usd: int | None = None
    """All funding so far, in US dollars."""
    tech_stack: tuple[str, ...] | None = None
    """Products that it uses."""
    linkedin_url: str | None = None
    """The address of its LinkedIn page."""


class PersonEnrichment(Envelope):
    """An enrichment of one person that has begun.

    ``poll_url`` is absolute and on another prefix, so it is never followed; `wait` takes the ``workflow_id``.
    """

    known_by: ClassVar = ("workflow_id",)
    essential: ClassVar = ("workflow_id",)

    workflow_id: WorkflowId = WorkflowId("")
    status: str = ""
    """The workflow's status word; ``pending`` at first."""
    credits_reserved: Number | None = None
    """Credits that are held until the result is there."""
    lead_list_id: str = ""
    """The list that the lead is added to."""
    poll_url: str = ""


class CompanyEnrichment(Envelope):
    """An enriched company: this answer comes at once, without a workflow."""

    known_by: ClassVar = ("company",)

    company: Company = Company()
    """What was found."""
    credits_charged: Number | None = None
    """Credits charged for it."""


class EntityResult(ModernAnswer):
    """The outcome for one member of a cohort: ``queued``, ``enriched``, ``skipped`` or ``failed``."""

    status_words: ClassVar = frozenset({"queued", "enriched", "skipped", "failed"})

    entity_id: str = ""
    """The member of the cohort."""
    status: str = ""
    """Its outcome."""
    error: str | None = None
    """Why it failed, if it did."""
    company: Company | None = None
    """What was found about a company."""


class TaskEnrichment(Envelope):
    """The enrichment of a cohort: of persons it has begun (``workflow_id``), of companies it is done."""

    known_by: ClassVar = ("workflow_id", "entity_kind", "results")

    entity_kind: str = ""
    """``person`` or ``company``."""
    workflow_id: WorkflowId | None = None
    status: str = ""
    """The workflow's status word."""
    total_entities: int = 0
    """Members of the cohort."""
    credits_reserved: Number | None = None
    """Credits that are held until the results are there."""
    results: tuple[EntityResult, ...] = ()
    """The outcome for each member."""


class ListEnrichment(Envelope):
    """An enrichment of a whole list that has begun. Its rows are read from the list when it is done."""

    known_by: ClassVar = ("workflow_id",)
    essential: ClassVar = ("workflow_id",)

    workflow_id: WorkflowId = WorkflowId("")
    """The workflow, for `wait`."""
    status: str = ""
    """The workflow's status word; ``pending`` at first."""
    total_leads: int = 0
    """Leads that are enriched."""
    estimated_cost: Number | None = None
    """The most that it can cost, in credits."""
    credits_reserved: Number | None = None
    """Credits that are held until the results are there."""
    poll_url: str = ""
    """Absolute and on another prefix, so it is never followed."""


class PersonResult(ModernAnswer):
    """What was found about one person. ``status`` is the inner one: ``completed`` or ``failed``."""

    lead_id: str = ""
    """The server's id of the lead; empty if nothing usable was found."""
    status: str = ""
    full_name: str | None = None
    """The whole name."""
    first_name: str | None = None
    """The first name."""
    last_name: str | None = None
    """The last name."""
    email: str | None = None
    """The e-mail address that was found."""
    email_status: str | None = None
    """How certain the server is of it."""
    phone: str | None = None
    """The phone number that was found."""
    linkedin_url: str | None = None
    """The address of the LinkedIn profile."""
    title: str | None = None
    """The position in the company."""
    company: str | None = None
    """The name of the employer."""
    enrichment_type: str | None = None
    """What was looked for."""
    provider: str | None = None
    """The source of the finding."""


class WorkflowStatus(Envelope):
    """The state of an enrichment. Only one person has a ``result``; a list has the counters.

    Where ``refund_status`` is ``pending_review``, show ``refund_message`` as it is.
    """

    known_by: ClassVar = ("status", "workflow_id")

    workflow_id: WorkflowId = WorkflowId("")
    """The workflow that was asked about."""
    status: str = ""
    """Its status word; see `is_final`."""
    progress: int | None = None
    """Percent."""
    total: int | None = None
    """Leads of the workflow."""
    processed: int | None = None
    """Leads that are done."""
    completed: int | None = None
    """Leads for which something was found."""
    failed: int | None = None
    """Leads for which nothing was found."""
    enrichment_type: str | None = None
    """What is looked for."""
    lead_list_id: str | None = None
    """The list that the leads are in."""
    summary: dict[str, Any] | None = None
    """Counts, as the server gives them."""
    refund_status: str | None = None
    refund_message: str | None = None
    result: PersonResult | None = None
    credits_charged: Number | None = None
    """Credits charged so far."""
    credits_refunded: Number | None = None
    """Credits that came back."""

    @property
    def is_final(self) -> bool:
        """Whether the server is done."""
        return is_final(self.status)

    @property
    def ended_badly(self) -> bool:
        """Whether the workflow ended without being finished: failed or cancelled, not merely empty."""
        return is_failed(self.status)

    @property
    def found(self) -> bool | None:
        """Whether a finished enrichment of one person found anything; None while it runs, and for lists.

        The workflow's own ``completed`` does not say so: a result that is ``failed``, or has no
        ``lead_id``, holds nothing usable.
        """
        if not self.is_final or self.result is None:
            return None
        return bool(self.result.lead_id) and not is_failed(self.result.status)

    @property
    def person(self) -> PersonResult | None:
        """What was found about one person; None while it runs, if nothing was found, and for lists."""
        return self.result if self.found else None


class PersonFound(ModernAnswer):
    """A person of the search database. ``lead_id`` is a number of that database, as text."""

    also_read: ClassVar = None

    lead_id: str = ""
    full_name: str | None = None
    """The whole name."""


class _SearchPage(Envelope):
    """One page of results. ``task_id`` is their cohort, for `enrich_by_task` and `add_leads_to_list`."""

    known_by: ClassVar = ("results",)
    essential: ClassVar = ("results",)

    total: int = 0
    """Matches on all pages."""
    cursor: str | None = None
    """Where the next page begins; None on the last."""
    truncation_warning: str | None = None
    """Why not all matches can be had, if so."""
    credits_charged: Number | None = None
    """Credits charged for the page."""


class PeoplePage(_SearchPage):
    """People that match."""

    results: tuple[PersonFound, ...] = ()
    """The people of this page."""


class CompaniesPage(_SearchPage):
    """Companies that match."""

    results: tuple[Company, ...] = ()
    """The companies of this page."""

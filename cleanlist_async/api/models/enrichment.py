"""Answers about enrichments (docs.cleanlist.ai/mcp-api/enrichment and /polling)."""

from __future__ import annotations

from typing import Any, ClassVar

from cleanlist_async.api.ids import WorkflowId
from cleanlist_async.api.models.base import Envelope, ModernAnswer, Number
from cleanlist_async.api.models.rows import is_failed, is_final


class Company(ModernAnswer):
    """What is known about a company. The API may add fields, which are in ``model_extra``."""

    company_id: str | None = None
    name: str | None = None
    domain: str | None = None
    industry: str | None = None
    industries: tuple[str, ...] | None = None
    employee_count: int | None = None
    employee_count_range: str | None = None
    revenue_range: str | None = None
    hq_location: str | None = None
    funding_stage: str | None = None
    total_funding_usd: int | None = None
    tech_stack: tuple[str, ...] | None = None
    linkedin_url: str | None = None


class PersonEnrichment(Envelope):
    """An enrichment of one person that has begun.

    ``poll_url`` is absolute and on another prefix, so it is never followed; `wait` takes the ``workflow_id``.
    """

    known_by: ClassVar = ("workflow_id",)
    essential: ClassVar = ("workflow_id",)

    workflow_id: WorkflowId = WorkflowId("")
    status: str = ""
    credits_reserved: Number | None = None
    lead_list_id: str = ""
    poll_url: str = ""


class CompanyEnrichment(Envelope):
    """An enriched company: this answer comes at once, without a workflow."""

    known_by: ClassVar = ("company",)

    company: Company = Company()
    credits_charged: Number | None = None


class EntityResult(ModernAnswer):
    """The outcome for one member of a cohort: ``queued``, ``enriched``, ``skipped`` or ``failed``."""

    entity_id: str = ""
    status: str = ""
    error: str | None = None
    company: Company | None = None


class TaskEnrichment(Envelope):
    """The enrichment of a cohort: of persons it has begun (``workflow_id``), of companies it is done."""

    known_by: ClassVar = ("workflow_id", "entity_kind", "results")

    entity_kind: str = ""
    workflow_id: WorkflowId | None = None
    status: str = ""
    total_entities: int = 0
    credits_reserved: Number | None = None
    results: tuple[EntityResult, ...] = ()


class ListEnrichment(Envelope):
    """An enrichment of a whole list that has begun. Its rows are read from the list when it is done."""

    known_by: ClassVar = ("workflow_id",)
    essential: ClassVar = ("workflow_id",)

    workflow_id: WorkflowId = WorkflowId("")
    status: str = ""
    total_leads: int = 0
    estimated_cost: Number | None = None
    credits_reserved: Number | None = None
    poll_url: str = ""


class PersonResult(ModernAnswer):
    """What was found about one person. ``status`` is the inner one: ``completed`` or ``failed``."""

    lead_id: str = ""
    status: str = ""
    full_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    email_status: str | None = None
    phone: str | None = None
    linkedin_url: str | None = None
    title: str | None = None
    company: str | None = None
    enrichment_type: str | None = None
    provider: str | None = None


class WorkflowStatus(Envelope):
    """The state of an enrichment. Only one person has a ``result``; a list has the counters.

    Where ``refund_status`` is ``pending_review``, show ``refund_message`` as it is.
    """

    known_by: ClassVar = ("status", "workflow_id")

    workflow_id: WorkflowId = WorkflowId("")
    status: str = ""
    progress: int | None = None
    """Percent."""
    total: int | None = None
    processed: int | None = None
    completed: int | None = None
    failed: int | None = None
    enrichment_type: str | None = None
    lead_list_id: str | None = None
    summary: dict[str, Any] | None = None
    refund_status: str | None = None
    refund_message: str | None = None
    result: PersonResult | None = None
    credits_charged: Number | None = None
    credits_refunded: Number | None = None

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

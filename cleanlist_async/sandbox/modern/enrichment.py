"""The five enrichment operations (docs.cleanlist.ai/mcp-api/enrichment)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import model_validator

from cleanlist_async.sandbox.ledger import PUBLIC_PREFIX

from . import purchases
from .bodies import RequestModel, read_body
from .by_task import ByTask, TaskRequest
from .entities import look_up, person_of
from .group import Group, ModernOperation
from .refusals import refused
from .statuses import status_body

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from cleanlist_async.sandbox.auth import Caller

    from .services import Services
    from .store import Lead

COHORT_PREFIX: Final = "cl-task_"
WHO: Final = "Provide email, linkedin_url or person_id, or first_name + last_name + (company_name or domain)."

EnrichmentType = Literal["partial", "phone_only", "full"]
# With a hyphen, unlike the enrichment type.
Scope = Literal["partial", "full", "phone-only"]


class PersonRequest(RequestModel):
    """``EnrichPersonRequest``."""

    lead_list_id: str
    email: str | None = None
    linkedin_url: str | None = None
    # Only a hint: no person is identified by it.
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    domain: str | None = None
    person_id: str | None = None
    enrichment_type: EnrichmentType | None = None
    include_phone: bool = False
    quote_id: str | None = None

    @model_validator(mode="after")
    def _is_identified(self) -> Self:
        named = self.first_name and self.last_name and (self.company_name or self.domain)
        if not (self.email or self.linkedin_url or self.person_id or named):
            raise ValueError(WHO)
        return self

    @property
    def wanted(self) -> EnrichmentType:
        """What to find; ``include_phone`` alone means the phone without the e-mail."""
        return self.enrichment_type or ("phone_only" if self.include_phone else "partial")


class CompanyRequest(RequestModel):
    """``EnrichCompanyRequest``."""

    domain: str | None = None
    company_name: str | None = None
    company_ticker: str | None = None
    company_id: str | None = None
    quote_id: str | None = None

    @model_validator(mode="after")
    def _is_identified(self) -> Self:
        if not (self.domain or self.company_name or self.company_ticker or self.company_id):
            raise ValueError("Provide domain, company_id, company_name or company_ticker.")
        return self


class ListRequest(RequestModel):
    """``EnrichListRequest``."""

    list_id: str
    scope: Scope = "partial"
    quote_id: str


class EnrichmentOperations(Group):
    """The enrichment operations."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._by_task = ByTask(services)

    def operations(self) -> list[ModernOperation]:
        """Return the operations."""
        return [
            ModernOperation("enrich_person", "POST", "/enrichment/person", self.enrich_person),
            ModernOperation("enrich_company", "POST", "/enrichment/company", self.enrich_company),
            ModernOperation("enrich_by_task", "POST", "/enrichment/by-task", self.enrich_by_task),
            ModernOperation("enrich_list", "POST", "/enrichment/bulk", self.enrich_list),
            ModernOperation(
                "enrichment_status", "GET", "/enrichment/status/{workflow_id}", self.enrichment_status
            ),
        ]

    async def enrich_person(self, request: Request) -> Response:
        """Enrich one person, who is put into a list."""
        caller: Caller = request.state.caller
        asked = await read_body(request, PersonRequest)
        # Refuses a list that the caller may not see before anything is paid.
        self._services.lists.get(asked.lead_list_id, caller)
        run = self._services.runs.start(
            caller,
            purchases.person(asked.wanted),
            [self._lead(asked)],
            asked.wanted,
            asked.lead_list_id,
            quote_id=asked.quote_id,
            single=True,
        )
        return self._answer(
            {
                "workflow_id": run.workflow_id,
                "status": "pending",
                "credits_reserved": run.reservation.amount,
                "lead_list_id": run.list_id,
                "poll_url": self._poll_url(run.workflow_id),
            }
        )

    async def enrich_company(self, request: Request) -> Response:
        """Look up a company, at once."""
        asked = await read_body(request, CompanyRequest)
        purchase = purchases.company()
        reservation = self._services.funds.hold(
            request.state.caller, purchase, asked.quote_id, needs_quote=False
        )
        company = look_up(
            self._services.options.seed,
            domain=asked.domain,
            company_id=asked.company_id,
            name=asked.company_name or asked.company_ticker,
        )
        # Charged at once: the look-up of a company has no workflow.
        reservation.settle(purchase.cost if company else 0)
        if company is None:
            raise refused("not_found", "There is no such company.")
        return self._answer({"company": company.record(), "credits_charged": reservation.charged})

    async def enrich_by_task(self, request: Request) -> Response:
        """Enrich entities of a cohort: people in a workflow, companies at once."""
        asked = await read_body(request, TaskRequest)
        return self._answer(self._by_task.enrich(request.state.caller, asked), task_id=asked.task_id)

    async def enrich_list(self, request: Request) -> Response:
        """Enrich everybody in a list."""
        caller: Caller = request.state.caller
        services = self._services
        asked = await read_body(request, ListRequest)
        services.lists.get(asked.list_id, caller)
        leads = services.lists.leads(asked.list_id)
        if not leads:
            raise refused("validation_error", "The list has no leads.")
        purchase = purchases.whole_list(asked.list_id, asked.scope, len(leads))
        run = services.runs.start(
            caller,
            purchase,
            leads,
            purchases.enrichment_type_of(asked.scope),
            asked.list_id,
            quote_id=asked.quote_id,
            needs_quote=True,
        )
        # A handle for what was just dispatched; the status operation takes it as well.
        task_id = services.cohorts.new("person", [lead.lead_id for lead in leads], asked.list_id)
        services.cohorts.bind_workflow(task_id, run.workflow_id)
        body = {
            "workflow_id": run.workflow_id,
            "status": "pending",
            "total_leads": len(leads),
            "estimated_cost": purchase.cost,
            "credits_reserved": run.reservation.amount,
            "poll_url": self._poll_url(run.workflow_id),
        }
        return self._answer(body, task_id=task_id)

    async def enrichment_status(self, request: Request) -> Response:
        """Return the progress of a workflow, by its id or its cohort's."""
        services = self._services
        asked: str = request.path_params["workflow_id"]
        workflow_id = services.cohorts.workflow_of(asked) if asked.startswith(COHORT_PREFIX) else asked
        if workflow_id is None:
            raise refused("task_not_found", "Nothing was dispatched from this task yet.")
        run = services.runs.get(workflow_id, request.state.caller)
        return self._answer(status_body(asked, run, services.options.shape, services.moments.now()))

    def _lead(self, asked: PersonRequest) -> Lead:
        lists, seed = self._services.lists, self._services.options.seed
        if asked.person_id is None:
            return lists.new_lead(
                first_name=asked.first_name,
                last_name=asked.last_name,
                email=asked.email,
                company=asked.company_name,
                domain=asked.domain,
                linkedin_url=asked.linkedin_url,
            )
        lead = person_of(asked.person_id, lists, seed)
        if lead is None:
            raise refused("not_found", "There is no such person.")
        return lead

    def _poll_url(self, workflow_id: str) -> str:
        # Absolute and under v1, as in the examples of the v2 specification.
        return f"{self._services.base_url()}{PUBLIC_PREFIX}/enrichment/status/{workflow_id}"

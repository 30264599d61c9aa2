"""The five enrichment operations (docs.cleanlist.ai/mcp-api/enrichment)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from cleanlist_async.sandbox.gate import Caller
from cleanlist_async.sandbox.ledger import PUBLIC_PREFIX
from cleanlist_async.sandbox.options import Options
from cleanlist_async.sandbox.responses import refused

from . import purchases
from .database import enrich_member, look_up, person_of
from .operations import Group, RequestModel, operation, read_body
from .purchases import Purchase
from .runs import status_body
from .store import Cohorts, EntityKind, Lead

DEFAULT_LIST: Final = "MCP Results"
"""Where people go if no list is given."""
COHORT_PREFIX: Final = "cl-task_"
WHO: Final = "Provide email, linkedin_url or person_id, or first_name + last_name + (company_name or domain)."
DATA_POINTS: Final = {"person": purchases.PERSON_DATA_POINTS, "company": purchases.COMPANY_DATA_POINTS}

EnrichmentType = Literal["partial", "phone_only", "full"]
# With a hyphen, unlike the enrichment type.
Scope = Literal["partial", "full", "phone-only"]


class TaskRequest(RequestModel):
    """``EnrichByTaskRequest``."""

    task_id: str
    data_points: Annotated[list[str], Field(min_length=1)]
    entity_ids: list[str] | None = None
    lead_list_id: str | None = None
    quote_id: str | None = None


class Selection(NamedTuple):
    """What a call is about, and buys."""

    kind: EntityKind
    members: list[str]
    purchase: Purchase


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

    @operation("POST", "/enrichment/person", "enrich:write")
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

    @operation("POST", "/enrichment/company", "enrich:write")
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

    @operation("POST", "/enrichment/by-task", "enrich:write")
    async def enrich_by_task(self, request: Request) -> Response:
        """Enrich entities of a cohort: people in a workflow, companies at once."""
        asked = await read_body(request, TaskRequest)
        selection = select(self._services.cohorts, asked.task_id, asked.data_points, asked.entity_ids)
        enrich = self._people if selection.kind == "person" else self._companies
        body = {"entity_kind": selection.kind, "total_entities": len(selection.members)}
        return self._answer(body | enrich(request.state.caller, asked, selection), task_id=asked.task_id)

    @operation("POST", "/enrichment/bulk", "enrich:write")
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
        cohort = services.cohorts.new("person", [lead.lead_id for lead in leads])
        cohort.workflow_id = run.workflow_id
        body = {
            "workflow_id": run.workflow_id,
            "status": "pending",
            "total_leads": len(leads),
            "estimated_cost": purchase.cost,
            "credits_reserved": run.reservation.amount,
            "poll_url": self._poll_url(run.workflow_id),
        }
        return self._answer(body, task_id=cohort.task_id)

    @operation("GET", "/enrichment/status/{workflow_id}", "enrich:read")
    async def enrichment_status(self, request: Request) -> Response:
        """Return the progress of a workflow, by its id or its cohort's."""
        services = self._services
        asked: str = request.path_params["workflow_id"]
        workflow_id: str | None = asked
        if asked.startswith(COHORT_PREFIX):
            workflow_id = services.cohorts.get(asked).workflow_id
        if workflow_id is None:
            raise refused("task_not_found", "Nothing was dispatched from this task yet.")
        run = services.runs.get(workflow_id, request.state.caller)
        return self._answer(status_body(asked, run, services.options.shape, services.moments.now()))

    def _people(self, caller: Caller, asked: TaskRequest, selection: Selection) -> dict[str, object]:
        services, seed = self._services, self._services.options.seed
        people = [person_of(member, services.lists, seed) for member in selection.members]
        run = services.runs.start(
            caller,
            selection.purchase,
            [person for person in people if person],
            purchases.type_of_data_points(asked.data_points),
            self._list_id(caller, asked.lead_list_id),
            quote_id=asked.quote_id,
            needs_quote=True,
        )
        services.cohorts.get(asked.task_id).workflow_id = run.workflow_id
        return {
            "workflow_id": run.workflow_id,
            "status": "pending",
            "credits_reserved": run.reservation.amount,
            "results": [{"entity_id": member, "status": "queued"} for member in selection.members],
        }

    def _companies(self, caller: Caller, asked: TaskRequest, selection: Selection) -> dict[str, object]:
        purchase = selection.purchase
        reservation = self._services.funds.hold(caller, purchase, asked.quote_id, needs_quote=True)
        results = [_enriched(self._services.options, member) for member in selection.members]
        enriched = sum(row["status"] == "enriched" for row in results)
        reservation.settle(purchases.credits_for_companies(enriched))
        return {
            "workflow_id": None,
            "status": "completed",
            # Companies are done at once, so what was held is already settled.
            "credits_reserved": reservation.charged,
            "results": results,
        }

    def _list_id(self, caller: Caller, lead_list_id: str | None) -> str:
        lists = self._services.lists
        if lead_list_id is not None:
            return lists.get(lead_list_id, caller).list_id
        # The same list each time: a name belongs to one list of a caller.
        return lists.create(DEFAULT_LIST, None, None, caller.user_id)[0].list_id

    def _lead(self, asked: PersonRequest) -> Lead:
        lists, seed = self._services.lists, self._services.options.seed
        if asked.person_id is None:
            lead = Lead(
                first_name=asked.first_name,
                last_name=asked.last_name,
                email=asked.email,
                company=asked.company_name,
                domain=asked.domain,
                linkedin_url=asked.linkedin_url,
            )
            return lists.new_lead(lead)
        if (found := person_of(asked.person_id, lists, seed)) is None:
            raise refused("not_found", "There is no such person.")
        return found

    def _poll_url(self, workflow_id: str) -> str:
        # Absolute and under v1, as in the examples of the v2 specification.
        return f"{self._services.base_url()}{PUBLIC_PREFIX}/enrichment/status/{workflow_id}"


def select(
    cohorts: Cohorts, task_id: str, data_points: Collection[str], entity_ids: Sequence[str] | None
) -> Selection:
    """Return what a call of ``enrich_by_task`` is about, and buys.

    Raises RefusedError 404 task_not_found; 400 validation_error for a data point that the cohort's kind
    lacks, and for entities that are not in the cohort.
    """
    cohort = cohorts.get(task_id)
    if not data_points or not DATA_POINTS[cohort.kind].issuperset(data_points):
        known = ", ".join(sorted(DATA_POINTS[cohort.kind]))
        raise refused("validation_error", f"The data points of a {cohort.kind} are {known}.")
    # An id that is named twice is bought once.
    members = list(dict.fromkeys(cohort.entity_ids if entity_ids is None else entity_ids))
    if not members or not set(members) <= set(cohort.entity_ids):
        raise refused("validation_error", "entity_ids is not a part of the cohort.")
    # The ids as they were asked for: a quote without ids does not cover a call with them.
    purchase = purchases.cohort_entities(cohort.kind, task_id, data_points, entity_ids, len(members))
    return Selection(cohort.kind, members, purchase)


def _enriched(options: Options, company_id: str) -> dict[str, object]:
    company = enrich_member(options, company_id)
    if company is None:
        return {"entity_id": company_id, "status": "failed", "error": "No data found."}
    return {"entity_id": company_id, "status": "enriched", "company": company.record()}

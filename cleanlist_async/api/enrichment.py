"""``client.enrichment``: persons, companies, cohorts, lists (docs.cleanlist.ai/mcp-api/enrichment)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from cleanlist_async import facts
from cleanlist_async.api.models.enrichment import (
    CompanyEnrichment,
    ListEnrichment,
    PersonEnrichment,
    TaskEnrichment,
    WorkflowStatus,
)
from cleanlist_async.api.models.public import Quote
from cleanlist_async.api.modern import (
    ModernGroup,
    check_price,
    check_price_is_known,
    failed_workflow,
    modern,
    same_id,
)
from cleanlist_async.api.request_models import (
    NO_QUOTE_YET,
    PERSON_DATA_POINTS,
    DataPoint,
    EnrichByTask,
    EnrichCompany,
    EnrichList,
    EnrichPerson,
    ListScope,
    refusal,
)
from cleanlist_async.api.workspace import Workspace
from cleanlist_async.checks import check_flag
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import PersonType
from cleanlist_async.http.calls import Call, Charge, Spend
from cleanlist_async.types import Billed, CohortId, WorkflowId

ENRICH_PERSON: Final = modern(
    "enrich_person",
    "POST",
    "/enrichment/person",
    PersonEnrichment,
    charge=lambda begun: Charge(begun.workflow_id),
    started=lambda id_: PersonEnrichment(workflow_id=WorkflowId(id_)),
)
# Without `started`: the result is in the answer itself, and there is no workflow to collect it from.
ENRICH_COMPANY: Final = modern(
    "enrich_company",
    "POST",
    "/enrichment/company",
    CompanyEnrichment,
    charge=lambda done: Charge(credits=done.credits_charged),
)
ENRICH_BY_TASK: Final = modern(
    "enrich_by_task",
    "POST",
    "/enrichment/by-task",
    TaskEnrichment,
    charge=lambda begun: Charge(begun.workflow_id),
    started=lambda id_: TaskEnrichment(workflow_id=WorkflowId(id_)),
    max_answer_bytes=facts.MAX_ANSWER_BYTES,
)
ENRICH_LIST: Final = modern(
    "enrich_list",
    "POST",
    "/enrichment/bulk",
    ListEnrichment,
    charge=lambda begun: Charge(begun.workflow_id),
    started=lambda id_: ListEnrichment(workflow_id=WorkflowId(id_)),
)
ENRICHMENT_STATUS: Final = modern(
    "enrichment_status", "GET", "/enrichment/status/{workflow_id}", WorkflowStatus
)

_COHORT: Final = "cl-task_"


class Enrichment(ModernGroup):
    """Enrichments through the modern operations. They have no webhooks: `wait` polls, as rarely as it can.

    Paid calls are sent again only if they carry a quote, which is valid for one purchase.
    """

    async def enrich_person(
        self,
        lead_list_id: str,
        *,
        email: str | None = None,
        linkedin_url: str | None = None,
        phone: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        company_name: str | None = None,
        domain: str | None = None,
        person_id: str | None = None,
        enrichment_type: PersonType | None = None,
        include_phone: bool | None = None,
        quote_id: str | None = None,
        max_credits: float | None = None,
    ) -> PersonEnrichment:
        """Start the enrichment of one person into a list. Spends 1, 10 or 11 credits if something is found.

        One of `email`, `linkedin_url`, `person_id`, or both names with a company is needed; `phone` is only a
        hint. `enrichment_type` is ``partial`` (e-mail, 1 credit; the default), ``phone_only`` (10) or
        ``full`` (11); `max_credits` refuses what could cost more (BudgetExceededError). `include_phone` is
        the API's older way to say ``phone_only`` (True) or ``partial`` (False), which is what is sent. With
        a `quote_id` (of the tool ``enrich_person``) the call is repeated if its answer is lost.

        Needs the scope ``enrich:write``. Raises InsufficientCreditsError, UnknownOutcomeError.
        """
        request = EnrichPerson.checked(
            lead_list_id=lead_list_id,
            email=email,
            linkedin_url=linkedin_url,
            phone=phone,
            first_name=first_name,
            last_name=last_name,
            company_name=company_name,
            domain=domain,
            person_id=person_id,
            enrichment_type=(wanted := _type_of(enrichment_type, include_phone=include_phone)),
            quote_id=quote_id,
        )
        # Without a quote: the price of one person is documented, so no estimate is needed.
        check_price(facts.WORST_CASE_CREDITS.get(wanted), max_credits)
        return await self._ask(
            ENRICH_PERSON,
            request,
            idempotent=quote_id is not None,
            spend=Spend.of_contacts("enrich_person", wanted, 1),
        )

    async def enrich_company(
        self,
        *,
        domain: str | None = None,
        company_name: str | None = None,
        company_ticker: str | None = None,
        company_id: str | None = None,
        quote_id: str | None = None,
        max_credits: float | None = None,
    ) -> CompanyEnrichment:
        """Enrich one company, and return it: 1 credit, no workflow. `domain` matches best.

        `max_credits` below that is refused (BudgetExceededError). Needs the scope ``enrich:write``. Raises
        InsufficientCreditsError, UnknownOutcomeError.
        """
        request = EnrichCompany.checked(
            domain=domain,
            company_name=company_name,
            company_ticker=company_ticker,
            company_id=company_id,
            quote_id=quote_id,
        )
        check_price(facts.COMPANY_CREDITS, max_credits)
        spend = Spend("enrich_company", worst_case_credits=facts.COMPANY_CREDITS)
        return await self._ask(ENRICH_COMPANY, request, idempotent=quote_id is not None, spend=spend)

    async def enrich_by_task(
        self,
        task_id: CohortId,
        *,
        data_points: Iterable[DataPoint],
        entity_ids: Iterable[str] | None = None,
        lead_list_id: str | None = None,
        quote_id: str | Quote | None = None,
        max_credits: float | None = None,
    ) -> TaskEnrichment:
        """Enrich the members of a cohort that a search or a page gave. Spends credits.

        `data_points` are of persons (``Email``, ``Phone``, ``LinkedIn``) or of companies (``Industry``,
        ``Employees``, ``Revenue``, ``Funding``, ``TechStack``, ``Domain``). Persons are enriched into
        `lead_list_id` by a workflow; companies come back at once.

        `quote_id` or `max_credits` is needed: with the latter, the price is requested first, and paid if it
        is at most so many credits. Raises BudgetExceededError, InsufficientCreditsError, TaskNotFoundError
        when the cohort has expired.
        """
        check_price_is_known(quote_id, max_credits)
        request = EnrichByTask.checked(
            task_id=task_id,
            data_points=data_points,
            entity_ids=entity_ids,
            lead_list_id=lead_list_id,
            quote_id=NO_QUOTE_YET,
        )
        # From the checked request: an iterator of the caller is exhausted by now.
        points, ids = request.data_points, request.entity_ids
        # The price depends on the tool, and the API has one for each kind of cohort.
        persons = set[str](points) <= PERSON_DATA_POINTS
        tool = "add_person_enrichments" if persons else "add_company_enrichments"
        return await self._buy(
            ENRICH_BY_TASK,
            request,
            lambda: self._prices.credits_estimate(tool, task_id=task_id, data_points=points, entity_ids=ids),
            quote_id=quote_id,
            max_credits=max_credits,
        )

    async def enrich_list(
        self,
        list_id: str,
        *,
        scope: ListScope | PersonType = "partial",
        quote_id: str | Quote | None = None,
        max_credits: float | None = None,
    ) -> ListEnrichment:
        """Start the enrichment of a whole list. Spends credits; results are read from the list afterwards.

        `quote_id` or `max_credits` is needed: with the latter, the price is requested first, and paid if it
        is at most so many credits; a price that went stale meanwhile is requested once more. Needs the scopes
        ``enrich:write`` and ``credits:read``. Raises BudgetExceededError, InsufficientCreditsError,
        ListNotFoundError, and QuoteError for a `quote_id` that is not valid for this call.
        """
        check_price_is_known(quote_id, max_credits)
        request = EnrichList.checked(list_id=list_id, scope=scope, quote_id=NO_QUOTE_YET)
        return await self._buy(
            ENRICH_LIST,
            request,
            lambda: self._prices.credits_estimate("enrich_list", list_id=list_id, scope=request.scope),
            quote_id=quote_id,
            max_credits=max_credits,
        )

    async def enrichment_status(self, workflow_id: WorkflowId | CohortId | str) -> WorkflowStatus:
        """Return the state of an enrichment, by its workflow or the cohort it was started with. Free."""
        return await self._once(self._question(workflow_id), workflow_id)

    async def wait(
        self,
        workflow_id: WorkflowId | CohortId | str | PersonEnrichment | ListEnrichment | TaskEnrichment,
        *,
        timeout_s: float = facts.WAIT_TIMEOUT_S,
        progress: Callable[[WorkflowStatus], None] | None = None,
    ) -> WorkflowStatus:
        """Wait until an enrichment is finished, and return its last status. Free.

        `workflow_id` may also be the answer that started the enrichment. `progress` is called with each
        status; an exception from it ends the wait. For one person, ``person`` is what was found, or None; the
        rows of a list are read with `client.lead_lists.list_leads_in_list`. Raises WorkflowFailedError when
        the server ended it unfinished, and WaitTimeoutError after `timeout_s` seconds: it can be waited for
        again.
        """
        if isinstance(workflow_id, PersonEnrichment | ListEnrichment | TaskEnrichment):
            workflow_id = _id_of(workflow_id)
        status = await self._finished(self._question(workflow_id), workflow_id, timeout_s, progress)
        # Before the error: one that failed may have been charged for all the same.
        await self._session.pipeline.spending.settle(status.workflow_id, status.credits_charged)
        if status.ended_badly:
            raise failed_workflow(workflow_id, status.status, status.refund_message, billed=_billed(status))
        return status

    def _question(self, workflow_id: str) -> Call[WorkflowStatus]:
        def belongs(status: WorkflowStatus) -> bool:
            # Asked by cohort, the answer names the workflow, which differs from the id that was sent.
            return workflow_id.startswith(_COHORT) or same_id(status.workflow_id, workflow_id)

        return replace(self._call(ENRICHMENT_STATUS, workflow_id=workflow_id), belongs=belongs)

    @property
    def _prices(self) -> Workspace:
        return Workspace(self._session)


def _type_of(enrichment_type: PersonType | None, *, include_phone: bool | None) -> PersonType:
    """Return the type to send, so that the price is not the server's default.

    `include_phone` means a phone number *only*, despite its name.
    """
    if include_phone is None:
        return "partial" if enrichment_type is None else enrichment_type
    check_flag("include_phone", include_phone)
    meant: PersonType = "phone_only" if include_phone else "partial"
    if enrichment_type is not None and enrichment_type != meant:
        raise refusal(
            "include_phone",
            f"{include_phone} means {meant}, which contradicts the enrichment_type; leave include_phone out",
        )
    return meant


def _billed(status: WorkflowStatus) -> Billed:
    """Return whether a failed workflow cost something: credits may have been charged in advance."""
    if status.credits_charged or status.refund_status == "pending_review":
        return "yes"
    return "no" if status.credits_charged == 0 or status.refund_status == "not_applicable" else "unknown"


def _id_of(started: PersonEnrichment | ListEnrichment | TaskEnrichment) -> WorkflowId:
    if started.workflow_id is None:
        raise ConfigurationError("There is nothing to wait for: companies are enriched immediately.")
    return started.workflow_id

"""The leads of a list: read, add, remove (docs.cleanlist.ai/mcp-api/lead-lists)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from cleanlist_async.sandbox.responses import json_response

from .bodies import RequestModel, page, read_body, read_query
from .entities import person_of
from .group import Group, ModernOperation
from .refusals import refused
from .replays import Replays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from .services import Services
    from .store import Lead

IdempotencyKey = Annotated[str, Field(max_length=128)]


class LeadsQuery(RequestModel):
    """Query of ``GET /lead-lists/{list_id}/leads``."""

    limit: int = Field(100, ge=1, le=500)
    cursor: str | None = None


class AddLeads(RequestModel):
    """Body of ``POST /lead-lists/{list_id}/leads``: lead ids, or a cohort."""

    lead_ids: list[str] | None = Field(None, min_length=1, max_length=1000)
    task_id: str | None = None
    entity_ids: list[str] | None = Field(None, max_length=2000)
    idempotency_key: IdempotencyKey | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> AddLeads:
        of_cohort = self.task_id is not None
        if of_cohort is (self.lead_ids is not None):
            raise ValueError("Provide exactly one of lead_ids or task_id.")
        if self.entity_ids is not None and not of_cohort:
            raise ValueError("entity_ids goes with task_id.")
        return self


class RemoveLeads(RequestModel):
    """Body of ``DELETE /lead-lists/{list_id}/leads``."""

    lead_ids: list[str] = Field(min_length=1, max_length=100)


class ListLeadOperations(Group):
    """The operations on the leads of a list."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._lists = services.lists
        self._replays = Replays(services.moments)

    def operations(self) -> list[ModernOperation]:
        """Return the three operations."""
        path = "/lead-lists/{list_id}/leads"
        return [
            ModernOperation("list_leads_in_list", "GET", path, self.list_leads),
            ModernOperation("add_leads_to_list", "POST", path, self.add_leads),
            ModernOperation("remove_leads_from_list", "DELETE", path, self.remove_leads),
        ]

    async def list_leads(self, request: Request) -> Response:
        """Return a page of leads, and the handle of a cohort with the same leads."""
        list_id = self._list_id(request)
        query = read_query(request, LeadsQuery)
        leads = self._lists.leads(list_id)
        shown, cursor = page(leads, query.cursor, query.limit)
        task_id = self._services.cohorts.new("person", [lead.lead_id for lead in shown], list_id)
        rows = [lead_row(lead) for lead in shown]
        body = {"list_id": list_id, "leads": rows, "total": len(leads), "cursor": cursor}
        return self._answer(body, task_id)

    async def add_leads(self, request: Request) -> Response:
        """Put leads, or the people of a cohort, into the list; free."""
        list_id = self._list_id(request)
        body = await read_body(request, AddLeads)
        # Within the list, since only the key of a CSV import is said to count in all lists.
        key = body.idempotency_key and f"{list_id}:{body.idempotency_key}"
        answer = self._replays.get(key)
        if answer is None:
            answer = self._added(list_id, body)
            self._replays.keep(key, answer)
        return json_response(answer)

    async def remove_leads(self, request: Request) -> Response:
        """Take leads out of the list; ids that are not in it are ignored."""
        list_id = self._list_id(request)
        body = await read_body(request, RemoveLeads)
        return json_response({"list_id": list_id, "removed": self._lists.remove(list_id, body.lead_ids)})

    def _list_id(self, request: Request) -> str:
        return self._lists.get(request.path_params["list_id"], request.state.caller).list_id

    def _added(self, list_id: str, body: AddLeads) -> dict[str, object]:
        if body.task_id is not None:
            leads, created = self._of_cohort(body.task_id, body.entity_ids)
        else:
            leads, created = self._known(body.lead_ids or []), None
        added = self._lists.add(list_id, leads)
        return {
            "list_id": list_id,
            "added": added,
            "skipped_duplicates": len(leads) - added,
            "created": created,
            # The specification says that adding is free; a page of the vendor's FAQ says 0.5 credits.
            "credits_charged": 0,
        }

    def _known(self, lead_ids: Sequence[str]) -> list[Lead]:
        leads = [lead for lead_id in lead_ids if (lead := self._lists.lead(lead_id))]
        if len(leads) < len(lead_ids):
            raise refused("not_found", "At least one lead is unknown.")
        return leads

    def _of_cohort(self, task_id: str, entity_ids: Sequence[str] | None) -> tuple[list[Lead], int]:
        cohort = self._services.cohorts.get(task_id)
        chosen = cohort.entity_ids if entity_ids is None else entity_ids
        if cohort.kind != "person":
            raise refused("validation_error", "The cohort is of companies; a list holds people.")
        if not set(chosen) <= set(cohort.entity_ids):
            raise refused("validation_error", "entity_ids is not a subset of the cohort.")
        # People who were only found by a search become leads here.
        before = self._lists.lead_total
        seed = self._services.options.seed
        leads = [lead for entity_id in chosen if (lead := person_of(entity_id, self._lists, seed))]
        return leads, self._lists.lead_total - before


def lead_row(lead: Lead) -> dict[str, object]:
    """Return a lead as the ``LeadRow`` of the wire."""
    return {
        "lead_id": lead.lead_id,
        "first_name": lead.first_name,
        "last_name": lead.last_name,
        "full_name": lead.full_name,
        "email": lead.email,
        "phone": lead.phone,
        "title": lead.title,
        "company": lead.company,
        "location": lead.location,
        "linkedin_url": lead.linkedin_url,
        "provider": lead.provider,
    }

"""Lists, and the leads in them (docs.cleanlist.ai/mcp-api/lead-lists)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from cleanlist_async.sandbox.gate import Caller
from cleanlist_async.sandbox.responses import json_response, refused

from .database import person_of
from .operations import Group, Replays, RequestModel, Services, operation, page, read_body, read_query
from .store import Lead, LeadList, check_folder

ListName = Annotated[str, Field(min_length=1, max_length=200)]


class CreateList(RequestModel):
    """Body of ``POST /lead-lists``."""

    name: ListName
    description: str | None = None
    folder_id: str | None = None


class UpdateList(RequestModel):
    """Body of ``PATCH /lead-lists/{list_id}``: a key that is absent leaves its value, a null clears it."""

    # Never used: an absent name is not changed, and a null is refused.
    name: ListName = ""
    description: str | None = None
    folder_id: str | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> UpdateList:
        if not self.model_fields_set:
            raise ValueError("At least one field is required.")
        return self


class ListsQuery(RequestModel):
    """Query of ``GET /lead-lists``."""

    folder_id: str | None = None
    limit: int = Field(50, ge=1, le=100)
    cursor: str | None = None


class LeadsQuery(RequestModel):
    """Query of ``GET /lead-lists/{list_id}/leads``."""

    limit: int = Field(100, ge=1, le=500)
    cursor: str | None = None


class AddLeads(RequestModel):
    """Body of ``POST /lead-lists/{list_id}/leads``: lead ids, or a cohort."""

    lead_ids: list[str] | None = Field(None, min_length=1, max_length=1000)
    task_id: str | None = None
    entity_ids: list[str] | None = Field(None, max_length=2000)
    idempotency_key: Annotated[str, Field(max_length=128)] | None = None

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


class LeadListOperations(Group):
    """The operations on lists and on the leads in them."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._lists = services.lists
        self._replays = Replays(services.moments)

    @operation("POST", "/lead-lists", "lists:write")
    async def create_list(self, request: Request) -> Response:
        """Create a private list: 201, or 200 with the caller's own list of that name, whatever its case."""
        body = await read_body(request, CreateList)
        caller: Caller = request.state.caller
        lead_list, reused = self._lists.create(body.name, body.description, body.folder_id, caller.user_id)
        return json_response(self._detail(lead_list, reused=reused), 200 if reused else 201)

    @operation("GET", "/lead-lists", "lists:read")
    async def list_lists(self, request: Request) -> Response:
        """Return a page of the lists that the caller may see."""
        query = read_query(request, ListsQuery)
        lists = self._lists.readable(request.state.caller, query.folder_id)
        shown, cursor = page(lists, query.cursor, query.limit)
        summaries = [_summary(lead_list) for lead_list in shown]
        return self._answer({"lists": summaries, "total": len(lists), "cursor": cursor})

    @operation("GET", "/lead-lists/{list_id}", "lists:read")
    async def get_list(self, request: Request) -> Response:
        """Return a list with its live counts."""
        return json_response(self._detail(self._list(request)))

    @operation("PATCH", "/lead-lists/{list_id}", "lists:write")
    async def update_list(self, request: Request) -> Response:
        """Change what the body names; owner only."""
        lead_list = self._lists.own(request.path_params["list_id"], request.state.caller)
        body = await read_body(request, UpdateList)
        check_folder(body.folder_id)
        for name in body.model_fields_set:
            setattr(lead_list, name, getattr(body, name))
        return json_response(self._detail(lead_list))

    @operation("DELETE", "/lead-lists/{list_id}", "lists:write")
    async def delete_list(self, request: Request) -> Response:
        """Delete a list but not its leads; owner only."""
        lead_list = self._lists.own(request.path_params["list_id"], request.state.caller)
        self._lists.delete(lead_list.list_id)
        return self._answer({"list_id": lead_list.list_id, "deleted": True})

    @operation("GET", "/lead-lists/{list_id}/leads", "lists:read")
    async def list_leads_in_list(self, request: Request) -> Response:
        """Return a page of leads, and the handle of a cohort with the same leads."""
        list_id = self._list(request).list_id
        query = read_query(request, LeadsQuery)
        leads = self._lists.leads(list_id)
        shown, cursor = page(leads, query.cursor, query.limit)
        cohort = self._services.cohorts.new("person", [lead.lead_id for lead in shown])
        rows = [lead_row(lead) for lead in shown]
        body = {"list_id": list_id, "leads": rows, "total": len(leads), "cursor": cursor}
        return self._answer(body, cohort.task_id)

    @operation("POST", "/lead-lists/{list_id}/leads", "lists:write")
    async def add_leads_to_list(self, request: Request) -> Response:
        """Put leads, or the people of a cohort, into the list; free."""
        list_id = self._list(request).list_id
        body = await read_body(request, AddLeads)
        # Within the list, since only the key of a CSV import is said to count in all lists.
        key = body.idempotency_key and f"{list_id}:{body.idempotency_key}"
        answer = self._replays.get(key)
        if answer is None:
            answer = self._added(list_id, body)
            self._replays.keep(key, answer)
        return json_response(answer)

    @operation("DELETE", "/lead-lists/{list_id}/leads", "lists:write")
    async def remove_leads_from_list(self, request: Request) -> Response:
        """Take leads out of the list; ids that are not in it are ignored."""
        list_id = self._list(request).list_id
        body = await read_body(request, RemoveLeads)
        return json_response({"list_id": list_id, "removed": self._lists.remove(list_id, body.lead_ids)})

    def _detail(self, lead_list: LeadList, *, reused: bool = False) -> dict[str, object]:
        leads = self._lists.leads(lead_list.list_id)
        body = {
            "list_id": lead_list.list_id,
            "name": lead_list.name,
            "description": lead_list.description,
            "lead_count": len(leads),
            "enriched_count": sum(lead.enriched for lead in leads),
            "folder_id": lead_list.folder_id,
            "created_at": lead_list.created_at,
            "reused": reused,
        }
        return self._enveloped(body)

    def _list(self, request: Request) -> LeadList:
        return self._lists.get(request.path_params["list_id"], request.state.caller)

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


def _summary(lead_list: LeadList) -> dict[str, object]:
    return {
        "list_id": lead_list.list_id,
        "name": lead_list.name,
        "lead_count": len(lead_list.lead_ids),
        "folder_id": lead_list.folder_id,
        "created_at": lead_list.created_at,
        "owner_name": lead_list.owner,
        "visibility": lead_list.visibility,
    }


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

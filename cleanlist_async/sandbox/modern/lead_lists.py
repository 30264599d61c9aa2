"""Lists: create, browse, read, change, delete (docs.cleanlist.ai/mcp-api/lead-lists)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from cleanlist_async.sandbox.responses import json_response

from .bodies import RequestModel, page, read_body, read_query
from .group import Group, ModernOperation
from .store import check_folder

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from cleanlist_async.sandbox.auth import Caller

    from .services import Services
    from .store import LeadList

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


class LeadListOperations(Group):
    """The operations on lists."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._lists = services.lists

    def operations(self) -> list[ModernOperation]:
        """Return the five operations."""
        one = "/lead-lists/{list_id}"
        return [
            ModernOperation("create_list", "POST", "/lead-lists", self.create_list),
            ModernOperation("list_lists", "GET", "/lead-lists", self.list_lists),
            ModernOperation("get_list", "GET", one, self.get_list),
            ModernOperation("update_list", "PATCH", one, self.update_list),
            ModernOperation("delete_list", "DELETE", one, self.delete_list),
        ]

    async def create_list(self, request: Request) -> Response:
        """Create a private list: 201, or 200 with the caller's own list of that name, whatever its case."""
        body = await read_body(request, CreateList)
        caller: Caller = request.state.caller
        lead_list, reused = self._lists.create(body.name, body.description, body.folder_id, caller.user_id)
        return json_response(self._detail(lead_list, reused=reused), 200 if reused else 201)

    async def list_lists(self, request: Request) -> Response:
        """Return a page of the lists that the caller may see."""
        query = read_query(request, ListsQuery)
        lists = self._lists.readable(request.state.caller, query.folder_id)
        shown, cursor = page(lists, query.cursor, query.limit)
        summaries = [_summary(lead_list) for lead_list in shown]
        return self._answer({"lists": summaries, "total": len(lists), "cursor": cursor})

    async def get_list(self, request: Request) -> Response:
        """Return a list with its live counts."""
        lead_list = self._lists.get(request.path_params["list_id"], request.state.caller)
        return json_response(self._detail(lead_list))

    async def update_list(self, request: Request) -> Response:
        """Change what the body names; owner only."""
        lead_list = self._lists.own(request.path_params["list_id"], request.state.caller)
        body = await read_body(request, UpdateList)
        check_folder(body.folder_id)
        for name in body.model_fields_set:
            setattr(lead_list, name, getattr(body, name))
        return json_response(self._detail(lead_list))

    async def delete_list(self, request: Request) -> Response:
        """Delete a list but not its leads; owner only."""
        lead_list = self._lists.own(request.path_params["list_id"], request.state.caller)
        self._lists.delete(lead_list.list_id)
        return self._answer({"list_id": lead_list.list_id, "deleted": True})

    def _detail(self, lead_list: LeadList, *, reused: bool = False) -> dict[str, object]:
        leads = self._lists.leads(lead_list.list_id)
        detail = {
            "list_id": lead_list.list_id,
            "name": lead_list.name,
            "description": lead_list.description,
            "lead_count": len(leads),
            "enriched_count": sum(lead.enriched for lead in leads),
            "folder_id": lead_list.folder_id,
            "created_at": lead_list.created_at,
            "reused": reused,
        }
        return self._enveloped(detail)


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

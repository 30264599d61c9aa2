"""``POST /credits/estimate``: prices every tool and mints its quote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final, cast

from pydantic import Field

from cleanlist_async.sandbox.responses import json_response

from . import purchases
from .bodies import RequestModel, read_body
from .by_task import ByTask
from .group import Group, ModernOperation
from .purchases import Purchase
from .refusals import refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from cleanlist_async.sandbox.auth import Caller

    from .services import Services

MAX_ROWS: Final = 1_000_000

EXTRAS: Final[dict[str, frozenset[str]]] = {
    "bulk_import_csv": frozenset({"enrichment_type"}),
    "run_smart_agent": frozenset({"column_name"}),
}
"""The keys of ``extra`` that a tool declares. ``column_name`` is said to be bound, but has no field."""


class EstimateRequest(RequestModel):
    """``EstimateCostRequest``."""

    tool: str
    list_id: str | None = None
    filters: dict[str, object] | None = None
    row_count: Annotated[int, Field(ge=0, le=MAX_ROWS)] | None = None
    scope: str | None = None
    agent_type: str | None = None
    include_phone: bool = False
    provider: str | None = None
    sub_action: str | None = None
    enrichment_type: str | None = None
    task_id: str | None = None
    data_points: list[str] | None = None
    entity_ids: list[str] | None = None
    extra: dict[str, object] | None = None

    @property
    def wanted(self) -> str:
        """The enrichment type, whichever field holds it."""
        # Each tool has a field of its own for it; an import declares it in `extra`.
        said = self.enrichment_type or (self.extra or {}).get("enrichment_type") or self.scope
        if said:
            return purchases.enrichment_type_of(cast("str", said))
        return "phone_only" if self.include_phone else "partial"


class EstimateOperation(Group):
    """The estimate."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._by_task = ByTask(services)
        self._tools: dict[str, Callable[[Caller, EstimateRequest], Purchase]] = {
            "enrich_list": self._list,
            "enrich_person": _person,
            "enrich_company": _company,
            "run_smart_agent": self._agent,
            "bulk_import_csv": self._import,
            "add_person_enrichments": self._cohort,
            "add_company_enrichments": self._cohort,
            "sync_to_crm": self._sync,
            "sync_to_sequencer": self._sync,
        }

    def operations(self) -> list[ModernOperation]:
        """Return the operation."""
        return [ModernOperation("credits_estimate", "POST", "/credits/estimate", self.credits_estimate)]

    async def credits_estimate(self, request: Request) -> Response:
        """Return what a call would cost at most, as a signed quote."""
        caller: Caller = request.state.caller
        asked = await read_body(request, EstimateRequest)
        if asked.tool not in self._tools:
            known = ", ".join(self._tools)
            raise refused("validation_error", f"Unknown tool {asked.tool!r}; known are {known}.")
        undeclared = sorted(set(asked.extra or {}) - EXTRAS.get(asked.tool, frozenset()))
        if undeclared:
            raise refused("validation_error", f"extra has undeclared keys: {', '.join(undeclared)}.")
        tool, binding, rows, cost = self._tools[asked.tool](caller, asked)
        return json_response(self._services.quotes.mint(caller, tool, binding, cost, rows))

    def _list(self, caller: Caller, asked: EstimateRequest) -> Purchase:
        list_id = _required(asked.list_id, "list_id")
        scope = asked.scope or "partial"
        # The scope has a hyphen where every other field has an underscore.
        if scope not in {"partial", "full", "phone-only"}:
            raise refused("validation_error", "scope is 'partial', 'full' or 'phone-only'.")
        return purchases.whole_list(list_id, scope, self._rows(caller, list_id))

    def _agent(self, caller: Caller, asked: EstimateRequest) -> Purchase:
        list_id = _required(asked.list_id, "list_id")
        agent_type = asked.agent_type or "custom_ai"
        if agent_type not in purchases.AGENT_CREDITS_PER_LEAD:
            raise refused("validation_error", f"Unknown agent_type {agent_type!r}.")
        # The row_count of the request is ignored: with a list the server counts the leads.
        return purchases.agent_run(list_id, agent_type, self._rows(caller, list_id))

    def _import(self, caller: Caller, asked: EstimateRequest) -> Purchase:
        # The rows are those that the file will bring, which only the caller knows.
        list_id = self._services.lists.get(_required(asked.list_id, "list_id"), caller).list_id
        if asked.row_count is None:
            raise refused("validation_error", "row_count is required.")
        return purchases.csv_rows(list_id, _known_type(asked.wanted), asked.row_count)

    def _cohort(self, _caller: Caller, asked: EstimateRequest) -> Purchase:
        task_id = _required(asked.task_id, "task_id")
        selection = self._by_task.select(task_id, asked.data_points or [], asked.entity_ids)
        if selection.purchase.tool != asked.tool:
            raise refused("validation_error", f"The task is for {selection.purchase.tool}.")
        return selection.purchase

    def _sync(self, caller: Caller, asked: EstimateRequest) -> Purchase:
        list_id = _required(asked.list_id, "list_id")
        rows = self._rows(caller, list_id)
        return purchases.sync(asked.tool, list_id, asked.provider, asked.sub_action, rows)

    def _rows(self, caller: Caller, list_id: str) -> int:
        return len(self._services.lists.get(list_id, caller).lead_ids)


def _person(_caller: Caller, asked: EstimateRequest) -> Purchase:
    rows = 1 if asked.row_count is None else asked.row_count
    return purchases.person(_known_type(asked.wanted), rows)


def _company(_caller: Caller, _asked: EstimateRequest) -> Purchase:
    return purchases.company()


def _known_type(enrichment_type: str) -> str:
    if enrichment_type not in purchases.CREDITS_PER_LEAD:
        raise refused("validation_error", f"Unknown enrichment_type {enrichment_type!r}.")
    return enrichment_type


def _required(value: str | None, name: str) -> str:
    if not value:
        raise refused("validation_error", f"{name} is required.")
    return value

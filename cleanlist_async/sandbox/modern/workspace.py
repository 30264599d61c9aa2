"""The workspace operations: the caller and its scopes, the balance, estimates, keys and usage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Final, Literal, cast

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from cleanlist_async.sandbox.gate import Caller
from cleanlist_async.sandbox.ledger import RequestRecord, key_id_of
from cleanlist_async.sandbox.responses import json_response, refused

from . import purchases
from .enrichment import select
from .operations import Group, RequestModel, Services, operation, read_body, read_query
from .purchases import Purchase

FEATURES: Final = ("api_access", "csv_import", "smart_agents")
DAY_S: Final = 86_400.0
MAX_ROWS: Final = 1_000_000
EXTRAS: Final[dict[str, frozenset[str]]] = {
    "bulk_import_csv": frozenset({"enrichment_type"}),
    "run_smart_agent": frozenset({"column_name"}),
}
"""The keys of ``extra`` that a tool declares. ``column_name`` is said to be bound, but has no field."""


class UsageQuery(RequestModel):
    """Query of ``GET /usage``."""

    days: Annotated[int, Field(ge=1, le=365)] = 7
    group_by: Literal["tool", "key", "day", "error"] = "tool"


class WorkspaceOperations(Group):
    """The workspace operations."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._created_at = f"{services.moments.utc():%Y-%m-%d %H:%M:%S}"

    @operation("GET", "/whoami", None)
    async def whoami(self, request: Request) -> Response:
        """Return the user of the key, and its scopes."""
        caller: Caller = request.state.caller
        options = self._services.options
        name = caller.user_id.removeprefix("user_")
        # An API key sees its user's address masked; a session token sees all of it.
        shown = f"{name[0]}***" if caller.has_key_limit else name
        return self._answer(
            {
                "user_email": f"{shown}@sandbox.example",
                "user_id": caller.user_id,
                "user_name": f"Sandbox user {name}",
                "organization_id": caller.organization_id,
                "organization_name": "Sandbox",
                "auth_type": "api_key" if caller.has_key_limit else "clerk_jwt",
                "scopes": list(self._services.scopes.granted(caller)),
                "tier": options.tier,
                "appsumo_tier": None,
                "features": sorted(FEATURES),
            }
        )

    @operation("GET", "/credits/balance", "credits:read")
    async def credits_balance(self, request: Request) -> Response:
        """Return the balance, in whole credits."""
        caller: Caller = request.state.caller
        balance = self._services.funds.balance
        body = {"organization_id": caller.organization_id, "credits": balance}
        hint = f"{balance} credits remain."
        return json_response(self._enveloped(body, agent_instructions=hint))

    @operation("GET", "/api-keys", "admin:api_keys")
    async def list_api_keys(self, request: Request) -> Response:
        """List the caller's own keys, in the documented time format without a zone."""
        caller: Caller = request.state.caller
        # The other keys of the organization are not shown.
        own = [key for key in self._services.options.api_keys if key_id_of(key) == caller.key_id]
        return json_response({"keys": [self._key(caller, key) for key in own]})

    @operation("GET", "/usage", "admin:api_keys")
    async def usage_report(self, request: Request) -> Response:
        """Count the organization's calls; the server does not attribute credits to calls yet."""
        asked = read_query(request, UsageQuery)
        since = self._services.moments.now() - asked.days * DAY_S
        records = [one for one in self._services.ledger.requests if one.key_id and one.at >= since]
        group_of = self._grouping(asked.group_by)
        calls = Counter(group_of(one) for one in records)
        errors = Counter(group_of(one) for one in records if _is_error(one))
        return json_response(
            {
                "days": asked.days,
                "group_by": asked.group_by,
                "total_calls": calls.total(),
                "total_credits_spent": 0.0,
                "total_errors": errors.total(),
                "rows": [
                    {"group": group, "calls": count, "credits_spent": 0.0, "errors": errors[group]}
                    for group, count in calls.most_common()
                ],
            }
        )

    def _key(self, caller: Caller, key: str) -> dict[str, object]:
        used = [one.at for one in self._services.ledger.requests if one.key_id == caller.key_id]
        return {
            "key_id": caller.key_id,
            "key_prefix": "".join(key.partition("_")[:2]),
            "key_last4": key[-4:],
            "name": "Sandbox key",
            "scopes": list(self._services.scopes.granted(caller)),
            "created_at": self._created_at,
            # There is always one: this request.
            "last_used_at": f"{self._services.moments.utc(used[-1]):%Y-%m-%d %H:%M:%S}",
            "is_active": True,
        }

    def _grouping(self, group_by: str) -> Callable[[RequestRecord], str]:
        # "tool" groups by request path, as the documentation admits.
        groupings: dict[str, Callable[[RequestRecord], str]] = {
            "tool": lambda record: record.path,
            "key": lambda record: record.key_id or "",
            "day": lambda record: f"{self._services.moments.utc(record.at):%Y-%m-%d}",
            "error": lambda record: str(record.status) if _is_error(record) else "none",
        }
        return groupings[group_by]


def _is_error(record: RequestRecord) -> bool:
    return (record.status or 0) >= 400


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
        self._tools: dict[str, Callable[[Caller, EstimateRequest], Purchase]] = {
            "enrich_list": self._list,
            "enrich_person": _person,
            "enrich_company": lambda _caller, _asked: purchases.company(),
            "run_smart_agent": self._agent,
            "bulk_import_csv": self._import,
            "add_person_enrichments": self._cohort,
            "add_company_enrichments": self._cohort,
            "sync_to_crm": self._sync,
            "sync_to_sequencer": self._sync,
        }

    @operation("POST", "/credits/estimate", "credits:read")
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
        purchase = self._tools[asked.tool](caller, asked)
        return json_response(self._services.funds.quote(caller, purchase))

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
        selection = select(self._services.cohorts, task_id, asked.data_points or [], asked.entity_ids)
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


def _known_type(enrichment_type: str) -> str:
    if enrichment_type not in purchases.CREDITS_PER_LEAD:
        raise refused("validation_error", f"Unknown enrichment_type {enrichment_type!r}.")
    return enrichment_type


def _required(value: str | None, name: str) -> str:
    if not value:
        raise refused("validation_error", f"{name} is required.")
    return value

"""``client.workspace``: owner of the key, credits, keys, usage (docs.cleanlist.ai/mcp-api)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from cleanlist_async import facts
from cleanlist_async.api.models.public import ApiKeys, CreditsBalance, Quote, UsageReport, Whoami
from cleanlist_async.api.modern import ModernGroup, modern
from cleanlist_async.api.request_models import Estimate, UsageGrouping, UsageQuery
from cleanlist_async.types import JSON, CohortId

WHOAMI: Final = modern("whoami", "GET", "/whoami", Whoami)
CREDITS_BALANCE: Final = modern("credits_balance", "GET", "/credits/balance", CreditsBalance)
# May be repeated, though a POST: a quote costs nothing until it is redeemed.
CREDITS_ESTIMATE: Final = modern("credits_estimate", "POST", "/credits/estimate", Quote)
LIST_API_KEYS: Final = modern(
    "list_api_keys", "GET", "/api-keys", ApiKeys, max_answer_bytes=facts.MAX_ANSWER_BYTES
)
USAGE_REPORT: Final = modern(
    "usage_report", "GET", "/usage", UsageReport, max_answer_bytes=facts.MAX_ANSWER_BYTES
)


class Workspace(ModernGroup):
    """The owner of the key, its permissions, and the credits left. All calls are free."""

    async def whoami(self) -> Whoami:
        """Return the owner of the key, its organization, plan and scopes."""
        return await self._ask(WHOAMI)

    async def credits_balance(self) -> CreditsBalance:
        """Return the credits left. Needs the scope ``credits:read``."""
        return await self._ask(CREDITS_BALANCE)

    async def credits_estimate(
        self,
        tool: str,
        *,
        list_id: str | None = None,
        filters: Mapping[str, JSON] | None = None,
        row_count: int | None = None,
        scope: str | None = None,
        agent_type: str | None = None,
        include_phone: bool | None = None,
        provider: str | None = None,
        sub_action: str | None = None,
        enrichment_type: str | None = None,
        task_id: CohortId | None = None,
        data_points: Iterable[str] | None = None,
        entity_ids: Iterable[str] | None = None,
        extra: Mapping[str, JSON] | None = None,
    ) -> Quote:
        """Return the price of a call, as a quote that buys at this price within five minutes.

        *tool* is ``enrich_list``, ``enrich_person``, ``run_smart_agent``, ``sync_to_crm``,
        ``sync_to_sequencer``, ``add_person_enrichments``, ``add_company_enrichments`` or ``bulk_import_csv``.
        Of a list or a cohort the server counts the rows itself, whatever `row_count` says. `include_phone`
        prices a phone number *only*. `enrich_list`, `run_smart_agent` and `enrich_by_task` request the price
        themselves when given ``max_credits``.

        Needs the scope ``credits:read``. Raises RequestValidationError for invalid fields.
        """
        request = Estimate.checked(
            tool=tool,
            list_id=list_id,
            filters=filters,
            row_count=row_count,
            scope=scope,
            agent_type=agent_type,
            include_phone=include_phone,
            provider=provider,
            sub_action=sub_action,
            enrichment_type=enrichment_type,
            task_id=task_id,
            data_points=data_points,
            entity_ids=entity_ids,
            extra=extra,
        )
        return await self._ask(CREDITS_ESTIMATE, request)

    async def list_api_keys(self) -> ApiKeys:
        """Return the caller's keys, without the keys themselves. Needs the scope ``admin:api_keys``."""
        return await self._ask(LIST_API_KEYS)

    async def usage_report(
        self, *, days: int | None = None, group_by: UsageGrouping | None = None
    ) -> UsageReport:
        """Return the calls of the last 1 to 365 days (7), by ``tool``, ``key``, ``day`` or ``error``.

        ``tool`` groups by request path. Credits are 0.0 throughout, as the server reports none so far. Needs
        the scope ``admin:api_keys``.
        """
        return await self._ask(USAGE_REPORT, UsageQuery.checked(days=days, group_by=group_by))

"""What each paid call buys: the same words and prices for its estimate and for its execution.

Prices are credits (docs.cleanlist.ai/mcp-api/credits, docs.cleanlist.ai/mcp-api/enrichment-types).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

CREDITS_PER_LEAD: Final[dict[str, int]] = {"partial": 1, "phone_only": 10, "full": 11}
CREDITS_PER_COMPANY: Final = 1
COMPANIES_PER_CREDIT: Final = 10
"""Companies of a cohort, which are cheaper than a single look-up."""
AGENT_CREDITS_PER_LEAD: Final[dict[str, int]] = {
    "custom_ai": 1,
    "cold_intro_email": 3,
    "title_normalizer": 1,
    "company_intel": 1,
    "pain_point_hypothesis": 1,
}
"""The last three are not documented."""
SYNC_CREDITS: Final = 0
"""The price of a sync is not documented."""

PERSON_DATA_POINTS: Final = frozenset({"Email", "Phone", "LinkedIn"})
COMPANY_DATA_POINTS: Final = frozenset({"Industry", "Employees", "Revenue", "Funding", "TechStack", "Domain"})


class Purchase(NamedTuple):
    """What a quote is minted for, and what a call redeems it with."""

    tool: str
    binding: Mapping[str, object]
    row_count: int
    cost: int
    """Credits, at most."""


def enrichment_type_of(scope: str) -> str:
    """Return the enrichment type of a bulk scope, which is spelled with a hyphen."""
    return scope.replace("-", "_")


def person(enrichment_type: str, rows: int = 1) -> Purchase:
    """Return the enrichment of one person, ``POST /enrichment/person``."""
    cost = rows * CREDITS_PER_LEAD[enrichment_type]
    return Purchase("enrich_person", {"enrichment_type": enrichment_type}, rows, cost)


def company() -> Purchase:
    """Return the look-up of one company, ``POST /enrichment/company``; no page names its tool."""
    return Purchase("enrich_company", {}, 1, CREDITS_PER_COMPANY)


def whole_list(list_id: str, scope: str, rows: int) -> Purchase:
    """Return the enrichment of a list, ``POST /enrichment/bulk``; ``scope`` has its hyphen here."""
    cost = rows * CREDITS_PER_LEAD[enrichment_type_of(scope)]
    return Purchase("enrich_list", {"list_id": list_id, "scope": scope}, rows, cost)


def csv_rows(list_id: str, enrichment_type: str, rows: int) -> Purchase:
    """Return the enrichment of the rows that a CSV import takes in."""
    binding = {"list_id": list_id, "enrichment_type": enrichment_type}
    return Purchase("bulk_import_csv", binding, rows, rows * CREDITS_PER_LEAD[enrichment_type])


def agent_run(list_id: str, agent_type: str, rows: int) -> Purchase:
    """Return a smart agent's run over leads of a list, ``POST /smart-agents/run``."""
    binding = {"list_id": list_id, "agent_type": agent_type}
    return Purchase("run_smart_agent", binding, rows, rows * AGENT_CREDITS_PER_LEAD[agent_type])


def cohort_entities(
    kind: str, task_id: str, data_points: Collection[str], entity_ids: Collection[str] | None, rows: int
) -> Purchase:
    """Return the enrichment of a cohort, ``POST /enrichment/by-task``."""
    binding = {
        "task_id": task_id,
        # Sorted: the order of a call need not be that of its estimate.
        "data_points": sorted(set(data_points)),
        "entity_ids": None if entity_ids is None else sorted(set(entity_ids)),
    }
    if kind == "company":
        return Purchase("add_company_enrichments", binding, rows, credits_for_companies(rows))
    cost = rows * CREDITS_PER_LEAD[type_of_data_points(data_points)]
    return Purchase("add_person_enrichments", binding, rows, cost)


def sync(tool: str, list_id: str, provider: str | None, sub_action: str | None, rows: int) -> Purchase:
    """Return the sending of a list to a CRM or a sequencer."""
    binding = {"list_id": list_id, "provider": provider, "sub_action": sub_action}
    return Purchase(tool, binding, rows, rows * SYNC_CREDITS)


def credits_for_companies(count: int) -> int:
    """Return the credits that *count* companies of a cohort cost."""
    return math.ceil(count / COMPANIES_PER_CREDIT)


def type_of_data_points(data_points: Collection[str]) -> str:
    """Return the enrichment type that covers the data points of people."""
    if "Phone" not in data_points:
        return "partial"
    return "full" if "Email" in data_points else "phone_only"

"""What each scope lets a key do (docs.cleanlist.ai/mcp-api/authentication)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "people:read": ("search.people",),
    "companies:read": ("search.companies",),
    "lists:read": (
        "lead_lists.list_lists",
        "lead_lists.get_list",
        "lead_lists.list_leads_in_list",
    ),
    "lists:write": (
        "lead_lists.create_list",
        "lead_lists.update_list",
        "lead_lists.delete_list",
        "lead_lists.add_leads_to_list",
        "lead_lists.remove_leads_from_list",
        "lead_lists.import_csv",
    ),
    "enrich:read": ("enrichment.enrichment_status", "enrichment.wait"),
    "enrich:write": (
        "enrichment.enrich_person",
        "enrichment.enrich_company",
        "enrichment.enrich_by_task",
        "enrichment.enrich_list",
    ),
    "credits:read": ("workspace.credits_balance", "workspace.credits_estimate"),
    "export:read": ("export.download_csv", "export.export_csv", "export.export_json"),
    "sync:write": (),
    "smart_agents:read": (
        "smart_agents.list_smart_agents",
        "smart_agents.get_smart_agent_results",
        "smart_agents.wait",
    ),
    "smart_agents:write": ("smart_agents.run_smart_agent",),
    "admin:api_keys": ("workspace.list_api_keys", "workspace.usage_report"),
}
"""The operations that need a scope. ``sync:write`` is for CRM and sequencer syncs, which have none here."""

"""What a key may do (docs.cleanlist.ai/mcp-api/authentication)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cleanlist_async.sandbox.identity import key_id_of

from .refusals import refused

if TYPE_CHECKING:
    from cleanlist_async.sandbox.auth import Caller

# As the documentation names them; examples of the specification spell some differently.
ALL_SCOPES: Final = (
    "people:read",
    "companies:read",
    "lists:read",
    "lists:write",
    "enrich:read",
    "enrich:write",
    "credits:read",
    "export:read",
    "sync:write",
    "smart_agents:read",
    "smart_agents:write",
    "admin:api_keys",
)

SCOPE_OF: Final[dict[str, str | None]] = {
    "whoami": None,
    "credits_balance": "credits:read",
    "credits_estimate": "credits:read",
    "list_api_keys": "admin:api_keys",
    "usage_report": "admin:api_keys",
    "enrich_person": "enrich:write",
    "enrich_company": "enrich:write",
    "enrich_by_task": "enrich:write",
    "enrich_list": "enrich:write",
    "enrichment_status": "enrich:read",
    "create_list": "lists:write",
    "list_lists": "lists:read",
    "get_list": "lists:read",
    "update_list": "lists:write",
    "delete_list": "lists:write",
    "list_leads_in_list": "lists:read",
    "add_leads_to_list": "lists:write",
    "remove_leads_from_list": "lists:write",
    "csv_import": "lists:write",
    "run_smart_agent": "smart_agents:write",
    "list_smart_agents": "smart_agents:read",
    "get_smart_agent_results": "smart_agents:read",
    "export_csv": "export:read",
    "export_json": "export:read",
    "search_people": "people:read",
    "search_companies": "companies:read",
}
"""The scope that each operation asks for. ``csv_import`` asks for ``enrich:write`` too when it enriches."""


class Scopes:
    """The scopes of each credential; all of them where the options name none."""

    def __init__(self, scopes: Mapping[str, Sequence[str]]) -> None:
        self._granted = {key_id_of(credential): tuple(granted) for credential, granted in scopes.items()}

    def granted(self, caller: Caller) -> tuple[str, ...]:
        """Return what a caller may do."""
        return self._granted.get(caller.key_id, ALL_SCOPES)

    def require(self, caller: Caller, scope: str | None) -> None:
        """Raise RefusedError 403 insufficient_scope, with required and granted scopes, if one is lacking."""
        granted = self.granted(caller)
        if scope is not None and scope not in granted:
            details = {"required": [scope], "granted": list(granted)}
            raise refused("insufficient_scope", f"The key lacks the scope {scope}.", details=details)

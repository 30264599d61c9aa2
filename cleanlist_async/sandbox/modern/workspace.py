"""The caller, the balance, keys and usage: the workspace operations except the estimate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from cleanlist_async.sandbox.identity import key_id_of
from cleanlist_async.sandbox.responses import json_response

from .bodies import RequestModel, read_query
from .group import Group, ModernOperation

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from cleanlist_async.sandbox.auth import Caller
    from cleanlist_async.sandbox.ledger import RequestRecord

    from .services import Services

FEATURES: Final = ("api_access", "csv_import", "smart_agents")
DAY_S: Final = 86_400.0


class UsageQuery(RequestModel):
    """Query of ``GET /usage``."""

    days: Annotated[int, Field(ge=1, le=365)] = 7
    group_by: Literal["tool", "key", "day", "error"] = "tool"


class WorkspaceOperations(Group):
    """The workspace operations."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._created_at = f"{services.moments.utc():%Y-%m-%d %H:%M:%S}"

    def operations(self) -> list[ModernOperation]:
        """Return the operations."""
        return [
            ModernOperation("whoami", "GET", "/whoami", self.whoami),
            ModernOperation("credits_balance", "GET", "/credits/balance", self.credits_balance),
            ModernOperation("list_api_keys", "GET", "/api-keys", self.list_api_keys),
            ModernOperation("usage_report", "GET", "/usage", self.usage_report),
        ]

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

    async def credits_balance(self, request: Request) -> Response:
        """Return the balance, in whole credits."""
        caller: Caller = request.state.caller
        balance = self._services.credits.balance
        body = {"organization_id": caller.organization_id, "credits": balance}
        hint = f"{balance} credits remain."
        return json_response(self._enveloped(body, agent_instructions=hint))

    async def list_api_keys(self, request: Request) -> Response:
        """List the caller's own keys, in the documented time format without a zone."""
        caller: Caller = request.state.caller
        # The other keys of the organization are not shown.
        own = [key for key in self._services.options.api_keys if key_id_of(key) == caller.key_id]
        return json_response({"keys": [self._key(caller, key) for key in own]})

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

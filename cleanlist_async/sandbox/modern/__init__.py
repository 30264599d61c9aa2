"""The modern surface: 24 operations and search, under both prefixes (docs.cleanlist.ai/mcp-api)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response

from cleanlist_async.sandbox.clock import Agenda, Moments
from cleanlist_async.sandbox.gate import Operation
from cleanlist_async.sandbox.ledger import MODERN_PREFIX, PUBLIC_PREFIX, AcceptedContact, Account, Ledger
from cleanlist_async.sandbox.options import Options
from cleanlist_async.sandbox.responses import Envelopes, refused

from .csv_import import CsvImportOperations
from .enrichment import EnrichmentOperations
from .export import ExportOperations
from .lead_lists import LeadListOperations
from .operations import ROUTES, Scopes, Services
from .purchases import Funds
from .runs import Runs, find
from .search import SearchOperations
from .smart_agents import SmartAgentOperations
from .store import Cohorts, Lead, LeadLists
from .workspace import EstimateOperation, WorkspaceOperations

__all__ = ["ROUTES", "Modern"]

GROUPS: Final = (
    WorkspaceOperations,
    EstimateOperation,
    LeadListOperations,
    CsvImportOperations,
    SmartAgentOperations,
    EnrichmentOperations,
    SearchOperations,
)
LEGACY_ONLY: Final = (PUBLIC_PREFIX, "/credits/balance")
"""Prefix and path of the one operation that the Public API answers itself."""


class DefaultList:
    """Made with the first contact; filled, when somebody may look, with those that have finished."""

    def __init__(self, services: Services, list_id: str) -> None:
        self._services = services
        self._list_id = list_id
        self._seen = 0
        self._unfinished: list[AcceptedContact] = []

    def fill(self) -> None:
        """Add the contacts whose enrichment has finished since the last time."""
        contacts = self._services.ledger.contacts
        # Only what came since the last look, so a look stays cheap however long the ledger grows.
        # The ledger also holds leads of modern runs, which go into lists of their own.
        new = [one for one in contacts[self._seen :] if one.workflow_id.startswith("public_bulk_")]
        self._seen = len(contacts)
        if new:
            # The API makes the list on demand, not with the account.
            self._services.lists.protected(self._list_id)
        finished = [one for one in self._unfinished + new if one.charged_at is not None]
        self._unfinished = [one for one in self._unfinished + new if one.charged_at is None]
        if finished:
            self._services.lists.add(self._list_id, map(self._lead, finished))

    def _lead(self, accepted: AcceptedContact) -> Lead:
        known = cast("dict[str, str | None]", accepted.contact)
        lead = Lead(
            # The id by which nested rows of the Public API name this lead.
            f"lead_{accepted.task_id}",
            first_name=known.get("first_name"),
            last_name=known.get("last_name"),
            email=known.get("email"),
            company=known.get("company_name"),
            domain=known.get("company_domain"),
            linkedin_url=known.get("linkedin_url"),
        )
        find(lead, accepted.contact, accepted.enrichment_type, self._services.options).write()
        return lead


class Modern:
    """Everything under ``/api/v2``, which answers under ``/api/v1/public`` too."""

    def __init__(
        self,
        options: Options,
        account: Account,
        ledger: Ledger,
        agenda: Agenda,
        *,
        default_list_id: str,
        base_url: Callable[[], str],
    ) -> None:
        moments = Moments(options.clock)
        funds, lists = Funds(options, account, moments), LeadLists(options.seed, moments)
        self._services = Services(
            options=options,
            moments=moments,
            agenda=agenda,
            funds=funds,
            scopes=Scopes(options.scopes),
            ledger=ledger,
            lists=lists,
            cohorts=Cohorts(options.seed, moments),
            runs=Runs(options, moments, agenda, funds, ledger, lists),
            base_url=base_url,
        )
        self._default_list = DefaultList(self._services, default_list_id)
        export = ExportOperations(self._services)
        self._groups = (export, *(group(self._services) for group in GROUPS))
        self.files = export.files
        # By the first part of a path, so that a 404 below it has the modern envelope too.
        self._roots = {_root(route.path) for route in ROUTES.values()}
        self.envelopes = Envelopes(
            "error", "error", f"{options.seed}:modern", validation=options.modern_validation
        )

    def operations(self) -> list[tuple[str, str, Operation]]:
        """Return method, path and function of each operation, under each prefix."""
        return [
            (route.method, prefix + route.path, partial(self._run, name, getattr(group, name)))
            for prefix in (MODERN_PREFIX, PUBLIC_PREFIX)
            for name, route in ROUTES.items()
            for group in self._groups
            # A legacy client calls this path, so it gets the legacy body.
            if hasattr(group, name) and (prefix, route.path) != LEGACY_ONLY
        ]

    def owns(self, path: str) -> bool:
        """Return whether a path is part of the modern surface, even if nothing is there."""
        if path.startswith(f"{MODERN_PREFIX}/"):
            return True
        own = path.removeprefix(PUBLIC_PREFIX)
        return own != path and (PUBLIC_PREFIX, own) != LEGACY_ONLY and _root(own) in self._roots

    async def _run(self, name: str, operation: Operation, request: Request) -> Response:
        services = self._services
        # Before anything is looked at: what is due by now has to have happened.
        services.agenda.advance()
        self._default_list.fill()
        services.scopes.require(request.state.caller, ROUTES[name].scope)
        if name in services.options.modern_disabled:
            raise refused("not_enabled", f"{name} is switched off.")
        return await operation(request)


def _root(path: str) -> str:
    return path.split("/")[1]

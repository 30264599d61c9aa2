"""The modern surface put together: its state, its operations, its routes under both prefixes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cleanlist_async.sandbox.ledger import MODERN_PREFIX, PUBLIC_PREFIX
from cleanlist_async.sandbox.refusals import Envelopes

from .agenda import Agenda
from .cohorts import Cohorts
from .csv_import import CsvImportOperations
from .default_list import DefaultList
from .enrichment import EnrichmentOperations
from .estimates import EstimateOperation
from .export import ExportOperations
from .lead_lists import LeadListOperations
from .list_leads import ListLeadOperations
from .moments import Moments
from .quotes import Quotes
from .refusals import refused
from .reservations import Credits, Funds
from .runs import Runs
from .scopes import SCOPE_OF, Scopes
from .search import SearchOperations
from .services import Services
from .smart_agents import SmartAgentOperations
from .store import LeadLists
from .workspace import WorkspaceOperations

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from cleanlist_async.sandbox.gate import Operation
    from cleanlist_async.sandbox.ledger import Ledger
    from cleanlist_async.sandbox.options import Options
    from cleanlist_async.sandbox.prices import Account

    from .group import ModernOperation

LEGACY_ONLY: Final = (PUBLIC_PREFIX, "/credits/balance")
"""Prefix and path of the one operation that the Public API answers itself."""

GROUPS: Final = (
    WorkspaceOperations,
    EstimateOperation,
    LeadListOperations,
    ListLeadOperations,
    CsvImportOperations,
    SmartAgentOperations,
    EnrichmentOperations,
    SearchOperations,
)


class Modern:
    """Everything under ``/api/v2``, which answers under ``/api/v1/public`` too."""

    def __init__(
        self,
        options: Options,
        account: Account,
        ledger: Ledger,
        *,
        default_list_id: str,
        base_url: Callable[[], str],
    ) -> None:
        self._services = _services(options, account, ledger, base_url)
        self._default_list = DefaultList(self._services, default_list_id)
        export = ExportOperations(self._services)
        groups = [group(self._services) for group in GROUPS]
        self._operations = [operation for group in (*groups, export) for operation in group.operations()]
        self.downloads = export.downloads()
        self.holds_file = export.holds_file
        # By the first part of a path, so that a 404 below it has the modern envelope too.
        self._roots = {_root(operation.path) for operation in self._operations}
        self.envelopes = Envelopes(
            "error", "error", f"{options.seed}:modern", validation=options.modern_validation
        )

    @property
    def settled(self) -> bool:
        """Whether every workflow has finished and was charged, as of the last ``advance``."""
        return self._services.agenda.settled

    def advance(self, now: float) -> None:
        """Finish and charge what is due by ``now``."""
        self._services.agenda.advance(now)

    def operations(self) -> list[tuple[str, str, Operation]]:
        """Return method, path and function of each operation, under each prefix."""
        return [
            (operation.method, prefix + operation.path, self._permitted(operation))
            for prefix in (MODERN_PREFIX, PUBLIC_PREFIX)
            for operation in self._operations
            # A legacy client calls this path, so it gets the legacy body.
            if (prefix, operation.path) != LEGACY_ONLY
        ]

    def owns(self, path: str) -> bool:
        """Return whether a path is part of the modern surface, even if nothing is there."""
        if path.startswith(f"{MODERN_PREFIX}/"):
            return True
        own = path.removeprefix(PUBLIC_PREFIX)
        return own != path and (PUBLIC_PREFIX, own) != LEGACY_ONLY and _root(own) in self._roots

    def _permitted(self, operation: ModernOperation) -> Operation:
        services = self._services

        async def permitted(request: Request) -> Response:
            # Before anything is looked at: what is due by now has to have happened.
            services.ledger.on_read()
            self._default_list.fill()
            services.scopes.require(request.state.caller, SCOPE_OF[operation.name])
            if operation.name in services.options.modern_disabled:
                raise refused("not_enabled", f"{operation.name} is switched off.")
            return await operation.run(request)

        return permitted


def _services(options: Options, account: Account, ledger: Ledger, base_url: Callable[[], str]) -> Services:
    moments, agenda, credits_ = Moments(options.clock), Agenda(), Credits(account)
    quotes = Quotes(
        hashlib.sha256(f"{options.seed}:quotes".encode()).digest(),
        moments.epoch_s,
        ttl_s=options.quote_ttl_s,
        available=lambda: credits_.available,
    )
    funds, lists = Funds(quotes, credits_), LeadLists(options.seed, moments)
    return Services(
        options=options,
        moments=moments,
        agenda=agenda,
        credits=credits_,
        quotes=quotes,
        funds=funds,
        scopes=Scopes(options.scopes),
        ledger=ledger,
        lists=lists,
        cohorts=Cohorts(options.seed, moments),
        runs=Runs(options, moments, agenda, funds=funds, ledger=ledger, lists=lists),
        base_url=base_url,
    )


def _root(path: str) -> str:
    return path.split("/")[1]

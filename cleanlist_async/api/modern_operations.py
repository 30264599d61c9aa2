"""The groups of modern operations, as a client has them. Each is made, and imported, when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cleanlist_async.api.enrichment import Enrichment
    from cleanlist_async.api.export import Export
    from cleanlist_async.api.lead_lists import LeadLists
    from cleanlist_async.api.modern import Session
    from cleanlist_async.api.search import SearchAPI
    from cleanlist_async.api.smart_agents import SmartAgents
    from cleanlist_async.api.workspace import Workspace


class ModernOperations:
    """The modern operations of a client, by group."""

    @property
    def workspace(self) -> Workspace:
        """The owner of the key, credits and prices, keys, usage."""
        from cleanlist_async.api.workspace import Workspace

        return Workspace(self._session())

    @property
    def lead_lists(self) -> LeadLists:
        """Lists, the leads in them, and imports."""
        from cleanlist_async.api.lead_lists import LeadLists

        return LeadLists(self._session())

    @property
    def enrichment(self) -> Enrichment:
        """Enrichment of persons, companies, cohorts and lists."""
        from cleanlist_async.api.enrichment import Enrichment

        return Enrichment(self._session())

    @property
    def smart_agents(self) -> SmartAgents:
        """Agents that fill a column of a list."""
        from cleanlist_async.api.smart_agents import SmartAgents

        return SmartAgents(self._session())

    @property
    def export(self) -> Export:
        """Lists as CSV files and as JSON."""
        from cleanlist_async.api.export import Export

        return Export(self._session())

    @property
    def search(self) -> SearchAPI:
        """Searches of people and companies. Provisional."""
        from cleanlist_async.api.search import SearchAPI

        return SearchAPI(self._session())

    def _session(self) -> Session:
        raise NotImplementedError

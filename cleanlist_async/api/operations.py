"""The operations of a client by group. Each group is made, and imported, when it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cleanlist_async.api.enrichment import Enrichment
    from cleanlist_async.api.export import Export
    from cleanlist_async.api.lead_lists import LeadLists
    from cleanlist_async.api.modern import Session
    from cleanlist_async.api.public import PublicAPI
    from cleanlist_async.api.search import SearchAPI
    from cleanlist_async.api.smart_agents import SmartAgents
    from cleanlist_async.api.workspace import Workspace
    from cleanlist_async.types import JSON


class Operations:
    """The operations of a client, by group."""

    @property
    def public(self) -> PublicAPI:
        """The operations of the Public API."""
        from cleanlist_async.api.public import PublicAPI

        session = self._session()
        return PublicAPI(session.pipeline, session.options)

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

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | Sequence[str]] | None = None,
        json: JSON = None,
        idempotent: bool | None = None,
        max_credits: float | None = None,
    ) -> JSON:
        """Call an operation that has no method here, through the same limits, retries and errors.

        *path* is the whole path (``/api/v2/folders``); it leads to no other host. Unless the call is
        `idempotent`, as by default only GET and HEAD are, it counts as paid: it is sent again only on proof
        that the server did not accept it, and an unclear end raises UnknownOutcomeError. `max_credits` is
        what such a call can cost at most, for `before_spend` and the budget of the store; 0 if it is free.
        Returns the decoded JSON, None for an empty answer.
        """
        from cleanlist_async.api.raw import raw_call

        session = self._session()
        # Lists and runs are only visible to keys of their user, so calls by path always use the first key.
        call = raw_call(
            method,
            path,
            params={} if params is None else params,
            body=json,
            idempotent=idempotent,
            max_credits=max_credits,
            key=session.pipeline.home_key,
        )
        return (await session.pipeline.call(call, session.options)).value

    def _session(self) -> Session:
        raise NotImplementedError

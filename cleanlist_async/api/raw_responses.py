"""``client.with_raw_response``: the operations of the API, each returning its answer beside its value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from cleanlist_async.api.enrichment import Enrichment
from cleanlist_async.api.export import Export
from cleanlist_async.api.lead_lists import LeadLists
from cleanlist_async.api.operations import Operations
from cleanlist_async.api.public import PublicAPI
from cleanlist_async.api.search import SearchAPI
from cleanlist_async.api.smart_agents import SmartAgents
from cleanlist_async.api.workspace import Workspace
from cleanlist_async.http.answers import RawResponse, with_answer

G = TypeVar("G")
T = TypeVar("T")
P = ParamSpec("P")


class _Group(Generic[G]):
    def __init__(self, group: G, /) -> None:
        self.group = group


class _Raw(Generic[G, P, T]):
    def __init__(self, operation: Callable[Concatenate[G, P], Awaitable[T]]) -> None:
        self._operation = operation
        self.__name__ = operation.__name__
        self.__doc__ = operation.__doc__
        self.__wrapped__ = operation  # for `inspect.signature`, and so for help

    def __call__(
        self, group: _Group[G], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, RawResponse[T]]:
        return with_answer(self._operation(group.group, *args, **kwargs))

    @overload
    def __get__(self, group: None, owner: object = None) -> Self: ...
    @overload
    def __get__(
        self, group: _Group[G], owner: object = None
    ) -> Callable[P, Coroutine[Any, Any, RawResponse[T]]]: ...
    def __get__(
        self, group: _Group[G] | None, owner: object = None
    ) -> Callable[P, Coroutine[Any, Any, RawResponse[T]]] | Self:
        return self if group is None else MethodType(self, group)


class RawPublicAPI(_Group[PublicAPI]):
    """The operations of the Public API."""

    validate_key = _Raw(PublicAPI.validate_key)
    credits_balance = _Raw(PublicAPI.credits_balance)
    submit_bulk = _Raw(PublicAPI.submit_bulk)
    bulk_status = _Raw(PublicAPI.bulk_status)
    webhook_deliveries = _Raw(PublicAPI.webhook_deliveries)


class RawWorkspace(_Group[Workspace]):
    """The operations of ``client.workspace``."""

    whoami = _Raw(Workspace.whoami)
    credits_balance = _Raw(Workspace.credits_balance)
    credits_estimate = _Raw(Workspace.credits_estimate)
    list_api_keys = _Raw(Workspace.list_api_keys)
    usage_report = _Raw(Workspace.usage_report)


class RawLeadLists(_Group[LeadLists]):
    """The operations of ``client.lead_lists``; of those that return pages, the page that is asked for."""

    list_lists = _Raw(LeadLists.list_lists)
    create_list = _Raw(LeadLists.create_list)
    get_list = _Raw(LeadLists.get_list)
    update_list = _Raw(LeadLists.update_list)
    delete_list = _Raw(LeadLists.delete_list)
    list_leads_in_list = _Raw(LeadLists.list_leads_in_list)
    add_leads_to_list = _Raw(LeadLists.add_leads_to_list)
    remove_leads_from_list = _Raw(LeadLists.remove_leads_from_list)
    csv_import = _Raw(LeadLists.csv_import)


class RawEnrichment(_Group[Enrichment]):
    """The operations of ``client.enrichment``."""

    enrich_person = _Raw(Enrichment.enrich_person)
    enrich_company = _Raw(Enrichment.enrich_company)
    enrich_by_task = _Raw(Enrichment.enrich_by_task)
    enrich_list = _Raw(Enrichment.enrich_list)
    enrichment_status = _Raw(Enrichment.enrichment_status)


class RawSmartAgents(_Group[SmartAgents]):
    """The operations of ``client.smart_agents``."""

    list_smart_agents = _Raw(SmartAgents.list_smart_agents)
    run_smart_agent = _Raw(SmartAgents.run_smart_agent)
    get_smart_agent_results = _Raw(SmartAgents.get_smart_agent_results)


class RawExport(_Group[Export]):
    """The operations of ``client.export``; of those that return pages, the page that is asked for."""

    export_csv = _Raw(Export.export_csv)
    export_json = _Raw(Export.export_json)


class RawSearchAPI(_Group[SearchAPI]):
    """The operations of ``client.search``; each returns the page that is asked for."""

    people = _Raw(SearchAPI.people)
    companies = _Raw(SearchAPI.companies)


class RawResponses(_Group[Operations]):
    """The operations of a client, by group. Each takes what it takes on the client, and raises the same."""

    request = _Raw(Operations.request)

    @property
    def public(self) -> RawPublicAPI:
        """The operations of the Public API."""
        return RawPublicAPI(self.group.public)

    @property
    def workspace(self) -> RawWorkspace:
        """The owner of the key, credits and prices, keys, usage."""
        return RawWorkspace(self.group.workspace)

    @property
    def lead_lists(self) -> RawLeadLists:
        """Lists, the leads in them, and imports."""
        return RawLeadLists(self.group.lead_lists)

    @property
    def enrichment(self) -> RawEnrichment:
        """Enrichment of persons, companies, cohorts and lists."""
        return RawEnrichment(self.group.enrichment)

    @property
    def smart_agents(self) -> RawSmartAgents:
        """Agents that fill a column of a list."""
        return RawSmartAgents(self.group.smart_agents)

    @property
    def export(self) -> RawExport:
        """Lists as CSV files and as JSON."""
        return RawExport(self.group.export)

    @property
    def search(self) -> RawSearchAPI:
        """Searches of people and companies. Provisional."""
        return RawSearchAPI(self.group.search)

"""The blocking fronts of the operations of the API, by group, and of raw responses, the store, the budget."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Generic, TypeVar

from cleanlist_async.api.enrichment import Enrichment
from cleanlist_async.api.export import Export
from cleanlist_async.api.lead_lists import LeadLists
from cleanlist_async.api.pagination import Page, Pages
from cleanlist_async.api.public import PublicAPI
from cleanlist_async.api.raw_responses import (
    RawEnrichment,
    RawExport,
    RawLeadLists,
    RawPublicAPI,
    RawResponses,
    RawSearchAPI,
    RawSmartAgents,
    RawWorkspace,
)
from cleanlist_async.api.search import SearchAPI
from cleanlist_async.api.smart_agents import SmartAgents
from cleanlist_async.api.workspace import Workspace
from cleanlist_async.enrich.client_spending import BudgetControl
from cleanlist_async.runtime.loop_thread import Blocking, Front, Making
from cleanlist_async.storage.store.audit import AuditLine
from cleanlist_async.storage.store.store import Store

Pg = TypeVar("Pg", bound=Page)
T = TypeVar("T")


class SyncPages(Front[Pages[Pg, T]], Generic[Pg, T]):
    """The pages of an operation: iterate over it for all items."""

    all = Blocking(Pages[Pg, T].all)

    def page(self) -> Pg:
        """Return the first page."""
        return self.loop_thread.call(lambda: self.async_object)

    def pages(self) -> Iterator[Pg]:
        """Yield one page after another."""
        return self.loop_thread.iterate(self.async_object.pages)

    def __iter__(self) -> Iterator[T]:
        return self.loop_thread.iterate(self.async_object.__aiter__)


class SyncPublicAPI(Front[PublicAPI]):
    """The operations of the Public API. Reached as ``client.public``."""

    validate_key = Blocking(PublicAPI.validate_key)
    credits_balance = Blocking(PublicAPI.credits_balance)
    submit_bulk = Blocking(PublicAPI.submit_bulk)
    bulk_status = Blocking(PublicAPI.bulk_status)
    webhook_deliveries = Blocking(PublicAPI.webhook_deliveries)


class SyncWorkspace(Front[Workspace]):
    """The owner of the key, its permissions, and the credits left. Reached as ``client.workspace``."""

    whoami = Blocking(Workspace.whoami)
    credits_balance = Blocking(Workspace.credits_balance)
    credits_estimate = Blocking(Workspace.credits_estimate)
    list_api_keys = Blocking(Workspace.list_api_keys)
    usage_report = Blocking(Workspace.usage_report)


class SyncLeadLists(Front[LeadLists]):
    """Lists, the leads in them, and imports. Reached as ``client.lead_lists``."""

    list_lists = Making(LeadLists.list_lists, SyncPages)
    create_list = Blocking(LeadLists.create_list)
    get_list = Blocking(LeadLists.get_list)
    update_list = Blocking(LeadLists.update_list)
    delete_list = Blocking(LeadLists.delete_list)
    list_leads_in_list = Making(LeadLists.list_leads_in_list, SyncPages)
    add_leads_to_list = Blocking(LeadLists.add_leads_to_list)
    remove_leads_from_list = Blocking(LeadLists.remove_leads_from_list)
    csv_import = Blocking(LeadLists.csv_import)
    import_csv = Blocking(LeadLists.import_csv)


class SyncEnrichment(Front[Enrichment]):
    """Enrichment of persons, companies, cohorts and lists. Reached as ``client.enrichment``."""

    enrich_person = Blocking(Enrichment.enrich_person)
    enrich_company = Blocking(Enrichment.enrich_company)
    enrich_by_task = Blocking(Enrichment.enrich_by_task)
    enrich_list = Blocking(Enrichment.enrich_list)
    enrichment_status = Blocking(Enrichment.enrichment_status)
    wait = Blocking(Enrichment.wait)


class SyncSmartAgents(Front[SmartAgents]):
    """Agents that fill a column of a list. Reached as ``client.smart_agents``."""

    list_smart_agents = Blocking(SmartAgents.list_smart_agents)
    run_smart_agent = Blocking(SmartAgents.run_smart_agent)
    get_smart_agent_results = Blocking(SmartAgents.get_smart_agent_results)
    wait = Blocking(SmartAgents.wait)


class SyncExport(Front[Export]):
    """Lists as CSV files and as JSON. Reached as ``client.export``."""

    export_csv = Blocking(Export.export_csv)
    download_csv = Blocking(Export.download_csv)
    export_json = Making(Export.export_json, SyncPages)


class SyncSearchAPI(Front[SearchAPI]):
    """Searches of people and companies. Provisional. Reached as ``client.search``."""

    people = Making(SearchAPI.people, SyncPages)
    companies = Making(SearchAPI.companies, SyncPages)


class SyncRawPublicAPI(Front[RawPublicAPI]):
    """The operations of the Public API."""

    validate_key = Blocking(RawPublicAPI.validate_key)
    credits_balance = Blocking(RawPublicAPI.credits_balance)
    submit_bulk = Blocking(RawPublicAPI.submit_bulk)
    bulk_status = Blocking(RawPublicAPI.bulk_status)
    webhook_deliveries = Blocking(RawPublicAPI.webhook_deliveries)


class SyncRawWorkspace(Front[RawWorkspace]):
    """The operations of ``client.workspace``."""

    whoami = Blocking(RawWorkspace.whoami)
    credits_balance = Blocking(RawWorkspace.credits_balance)
    credits_estimate = Blocking(RawWorkspace.credits_estimate)
    list_api_keys = Blocking(RawWorkspace.list_api_keys)
    usage_report = Blocking(RawWorkspace.usage_report)


class SyncRawLeadLists(Front[RawLeadLists]):
    """The operations of ``client.lead_lists``; of those that return pages, the page that is asked for."""

    list_lists = Blocking(RawLeadLists.list_lists)
    create_list = Blocking(RawLeadLists.create_list)
    get_list = Blocking(RawLeadLists.get_list)
    update_list = Blocking(RawLeadLists.update_list)
    delete_list = Blocking(RawLeadLists.delete_list)
    list_leads_in_list = Blocking(RawLeadLists.list_leads_in_list)
    add_leads_to_list = Blocking(RawLeadLists.add_leads_to_list)
    remove_leads_from_list = Blocking(RawLeadLists.remove_leads_from_list)
    csv_import = Blocking(RawLeadLists.csv_import)


class SyncRawEnrichment(Front[RawEnrichment]):
    """The operations of ``client.enrichment``."""

    enrich_person = Blocking(RawEnrichment.enrich_person)
    enrich_company = Blocking(RawEnrichment.enrich_company)
    enrich_by_task = Blocking(RawEnrichment.enrich_by_task)
    enrich_list = Blocking(RawEnrichment.enrich_list)
    enrichment_status = Blocking(RawEnrichment.enrichment_status)


class SyncRawSmartAgents(Front[RawSmartAgents]):
    """The operations of ``client.smart_agents``."""

    list_smart_agents = Blocking(RawSmartAgents.list_smart_agents)
    run_smart_agent = Blocking(RawSmartAgents.run_smart_agent)
    get_smart_agent_results = Blocking(RawSmartAgents.get_smart_agent_results)


class SyncRawExport(Front[RawExport]):
    """The operations of ``client.export``; of those that return pages, the page that is asked for."""

    export_csv = Blocking(RawExport.export_csv)
    export_json = Blocking(RawExport.export_json)


class SyncRawSearchAPI(Front[RawSearchAPI]):
    """The operations of ``client.search``; each returns the page that is asked for."""

    people = Blocking(RawSearchAPI.people)
    companies = Blocking(RawSearchAPI.companies)


class SyncRawResponses(Front[RawResponses]):
    """The operations of a client, by group, each returning a `RawResponse`."""

    request = Blocking(RawResponses.request)

    @property
    def public(self) -> SyncRawPublicAPI:
        """The operations of the Public API."""
        return SyncRawPublicAPI(self.async_object.public, self.loop_thread)

    @property
    def workspace(self) -> SyncRawWorkspace:
        """The owner of the key, credits and prices, keys, usage."""
        return SyncRawWorkspace(self.async_object.workspace, self.loop_thread)

    @property
    def lead_lists(self) -> SyncRawLeadLists:
        """Lists, the leads in them, and imports."""
        return SyncRawLeadLists(self.async_object.lead_lists, self.loop_thread)

    @property
    def enrichment(self) -> SyncRawEnrichment:
        """Enrichment of persons, companies, cohorts and lists."""
        return SyncRawEnrichment(self.async_object.enrichment, self.loop_thread)

    @property
    def smart_agents(self) -> SyncRawSmartAgents:
        """Agents that fill a column of a list."""
        return SyncRawSmartAgents(self.async_object.smart_agents, self.loop_thread)

    @property
    def export(self) -> SyncRawExport:
        """Lists as CSV files and as JSON."""
        return SyncRawExport(self.async_object.export, self.loop_thread)

    @property
    def search(self) -> SyncRawSearchAPI:
        """Searches of people and companies. Provisional."""
        return SyncRawSearchAPI(self.async_object.search, self.loop_thread)


class SyncStore(Front[Store]):
    """Everything that was bought, and all jobs by name. Reached as ``client.store``.

    It is closed with the client, unless that was given a `Store`: `close` closes such a one before.
    """

    orphans = Blocking(Store.orphans)
    resolve = Blocking(Store.resolve)
    jobs = Blocking(Store.jobs)
    stop = Blocking(Store.stop)
    purge = Blocking(Store.purge)
    forget = Blocking(Store.forget)
    counts = Blocking(Store.counts)
    close = Blocking(Store.aclose)

    @property
    def name(self) -> str:
        """The file, or the database and its host, without a user or password."""
        return self.async_object.name

    @property
    def address(self) -> str:
        """What ``--store`` takes: the path of a file, or ``URL`` for an address: it may hold a password."""
        return self.async_object.address

    @property
    def is_on_server(self) -> bool:
        """Whether processes of other machines can use it too."""
        return self.async_object.is_on_server

    def unfinished(self) -> Iterator[str]:
        """Yield the names of jobs of all organizations that have something left to do, and are not run."""
        return self.loop_thread.iterate(self.async_object.unfinished)

    def audit(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[AuditLine]:
        """Yield what happened to money, from *since* on and before *until*, oldest first.

        No contact is in it.
        """
        return self.loop_thread.iterate(lambda: self.async_object.audit(since, until))


class SyncBudget(Front[BudgetControl]):
    """What the organization may spend in a day and a month. Reached as ``client.budget``."""

    show = Blocking(BudgetControl.show)
    set = Blocking(BudgetControl.set)
    pause = Blocking(BudgetControl.pause)
    resume = Blocking(BudgetControl.resume)

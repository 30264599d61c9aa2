"""The blocking fronts of the operations of the API, by group, and of their pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from cleanlist_async.api.enrichment import Enrichment
from cleanlist_async.api.export import Export
from cleanlist_async.api.lead_lists import LeadLists
from cleanlist_async.api.pagination import Page, Pages
from cleanlist_async.api.public import PublicAPI
from cleanlist_async.api.search import SearchAPI
from cleanlist_async.api.smart_agents import SmartAgents
from cleanlist_async.api.workspace import Workspace
from cleanlist_async.runtime.loop_thread import Blocking, Front, Making

Pg = TypeVar("Pg", bound=Page)
T = TypeVar("T")


class SyncPages(Front[Pages[Pg, T]], Generic[Pg, T]):
    """The pages of an operation: iterate over it for all items."""

    all = Blocking(Pages[Pg, T].all)

    def page(self) -> Pg:
        """Return the first page."""
        return self.loop_thread.call(_first_page, self.async_object)

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


async def _first_page(pages: Pages[Pg, T]) -> Pg:
    return await pages

"""The blocking fronts of ``client.with_raw_response``."""

from __future__ import annotations

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
from cleanlist_async.runtime.loop_thread import Blocking, Front


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

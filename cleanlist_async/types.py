"""Types of public signatures that `cleanlist_async` itself does not export, imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NewType, TypeAlias

from cleanlist_async import lazy_exports

# Defined here, not imported: the lowest modules need them.
if TYPE_CHECKING:
    JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
    """What a JSON document can hold."""
else:
    JSON: TypeAlias = Any  # pydantic, and so FastAPI, cannot follow an alias that names itself
Failure: TypeAlias = Literal["timeout", "connection", "certificate", "too_large", "encoding", "incomplete"]
"""Why an attempt has no whole answer."""
Billed: TypeAlias = Literal["no", "yes", "unknown"]
"""Whether credits were spent."""

# Each id of the API has a type of its own: four of them are called ``task_id`` somewhere.
WorkflowId = NewType("WorkflowId", str)
"""One run of an enrichment (``public_bulk_...``, ``enrich-...``, ``bulk-enrich-...``)."""
ContactTaskId = NewType("ContactTaskId", str)
"""``task_id`` of the Public API: one contact of a bulk submit."""
CohortId = NewType("CohortId", str)
"""``task_id`` beside most modern answers (``cl-task_...``): a handle on the entities just listed, for
`enrich_by_task` and `add_leads_to_list`. It expires; the same search or page gives a new one."""
SmartAgentTaskId = NewType("SmartAgentTaskId", str)
"""``smart_agent_task_id`` of a run, called ``task_id`` in the list of runs."""
EnvelopeTaskId = NewType("EnvelopeTaskId", str)
"""``task_id`` beside the answer of `run_smart_agent`: kept by the API for old callers; no call takes it."""

__all__ = [
    "JSON",
    "AddedLeads",
    "AgentType",
    "ApiKey",
    "ApiKeys",
    "ApiVersion",
    "AuditLine",
    "BeforeSpend",
    "Billed",
    "BudgetControl",
    "BudgetStatus",
    "BulkStatus",
    "BulkSubmission",
    "ChosenMode",
    "ChunkState",
    "ClientOptions",
    "Columns",
    "CompaniesPage",
    "Company",
    "CompanyEnrichment",
    "Confirm",
    "ContactDict",
    "ContactLike",
    "ContactSource",
    "ContactTable",
    "CreditsBalance",
    "CsvExport",
    "CsvField",
    "CsvImport",
    "DataPoint",
    "Dedupe",
    "DeletedList",
    "EncodingUnknownError",
    "Enrichment",
    "EnrichmentRow",
    "EnrichmentType",
    "EntityResult",
    "EnvelopeTaskId",
    "EventStore",
    "Export",
    "Extra",
    "Failure",
    "Forgotten",
    "FrameStream",
    "Guess",
    "HTTPClient",
    "HalfFullPrice",
    "HasColumns",
    "JobRecord",
    "JobSource",
    "JobState",
    "JsonExportPage",
    "Keep",
    "KeyValidation",
    "KeysGiven",
    "Lead",
    "LeadList",
    "LeadListSummary",
    "LeadLists",
    "LeadListsPage",
    "LeadScope",
    "LeadsPage",
    "ListEnrichment",
    "ListScope",
    "OnUnknown",
    "Only",
    "OrphanedSubmit",
    "Pace",
    "PeoplePage",
    "Period",
    "PeriodName",
    "PersonEnrichment",
    "PersonFound",
    "PersonResult",
    "PersonType",
    "Pilot",
    "PublicAPI",
    "RawEnrichment",
    "RawExport",
    "RawLeadLists",
    "RawPublicAPI",
    "RawResponse",
    "RawResponses",
    "RawSearchAPI",
    "RawSmartAgents",
    "RawWorkspace",
    "Receipt",
    "RedisUnavailableError",
    "RemovedLeads",
    "ResultStatus",
    "Row",
    "Rule",
    "SearchAPI",
    "SmartAgentResult",
    "SmartAgentResults",
    "SmartAgentRun",
    "SmartAgentRuns",
    "SmartAgents",
    "Spend",
    "SpendingPause",
    "StartedSmartAgent",
    "StoreCounts",
    "StoredJobReader",
    "StoredState",
    "SubmitMode",
    "SubmitState",
    "Suppress",
    "Suppression",
    "TableError",
    "TableFormat",
    "TaskEnrichment",
    "TenantKeys",
    "Unset",
    "UsageGroup",
    "UsageGrouping",
    "UsageReport",
    "Verify",
    "WaitsFor",
    "WebhookDeliveries",
    "WebhookDelivery",
    "WebhookStatistics",
    "WhenAway",
    "Whoami",
    "Workspace",
]

if TYPE_CHECKING:
    from cleanlist_async.api.enrichment import Enrichment
    from cleanlist_async.api.export import Export
    from cleanlist_async.api.lead_lists import LeadLists, Unset
    from cleanlist_async.api.models.enrichment import (
        CompaniesPage,
        Company,
        CompanyEnrichment,
        EntityResult,
        ListEnrichment,
        PeoplePage,
        PersonEnrichment,
        PersonFound,
        PersonResult,
        TaskEnrichment,
    )
    from cleanlist_async.api.models.lead_lists import (
        AddedLeads,
        CsvExport,
        CsvImport,
        DeletedList,
        JsonExportPage,
        Lead,
        LeadList,
        LeadListsPage,
        LeadListSummary,
        LeadsPage,
        RemovedLeads,
        SmartAgentResult,
        SmartAgentResults,
        SmartAgentRun,
        SmartAgentRuns,
        StartedSmartAgent,
    )
    from cleanlist_async.api.models.public import (
        ApiKey,
        ApiKeys,
        BulkStatus,
        BulkSubmission,
        CreditsBalance,
        KeyValidation,
        UsageGroup,
        UsageReport,
        WebhookDeliveries,
        WebhookDelivery,
        Whoami,
    )
    from cleanlist_async.api.models.rows import EnrichmentRow
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
    from cleanlist_async.api.request_models import AgentType, DataPoint, LeadScope, ListScope, UsageGrouping
    from cleanlist_async.api.search import SearchAPI
    from cleanlist_async.api.smart_agents import SmartAgents
    from cleanlist_async.api.workspace import Workspace
    from cleanlist_async.contacts.contact import ContactDict
    from cleanlist_async.contacts.identity import ContactLike
    from cleanlist_async.enrich.client_spending import BudgetControl
    from cleanlist_async.enrich.frame_stream import FrameStream
    from cleanlist_async.enrich.row_results import Dedupe, Rule
    from cleanlist_async.facts import ApiVersion, CsvField, EnrichmentType, PersonType
    from cleanlist_async.http.answers import RawResponse
    from cleanlist_async.http.calls import BeforeSpend, Spend
    from cleanlist_async.http.credentials import KeysGiven, TenantKeys
    from cleanlist_async.http.transport.connection_options import HTTPClient, Verify
    from cleanlist_async.job.journal.records import ChunkState, HalfFullPrice, SubmitMode
    from cleanlist_async.job.pilot import Pilot
    from cleanlist_async.job.source import JobSource
    from cleanlist_async.job.spec import ChosenMode
    from cleanlist_async.job.status import JobState, Receipt, WaitsFor
    from cleanlist_async.job.stored.reader import StoredJobReader
    from cleanlist_async.job.unknown import OnUnknown
    from cleanlist_async.ratelimit import Pace
    from cleanlist_async.ratelimit.limiter import WhenAway
    from cleanlist_async.results import ResultStatus
    from cleanlist_async.runtime.base_client import ClientOptions
    from cleanlist_async.storage.redis_connection import RedisUnavailableError
    from cleanlist_async.storage.store.audit import AuditLine
    from cleanlist_async.storage.store.budget import BudgetStatus, Period, PeriodName, SpendingPause
    from cleanlist_async.storage.store.forgetting import Forgotten
    from cleanlist_async.storage.store.job_records import JobRecord, StoredState
    from cleanlist_async.storage.store.records import OrphanedSubmit, StoreCounts, SubmitState
    from cleanlist_async.tables import ContactTable, EncodingUnknownError, Guess, Row, TableError, TableFormat
    from cleanlist_async.tables.contact_rows import Columns, Extra
    from cleanlist_async.tables.input_options import ContactSource, HasColumns, Suppress, Suppression
    from cleanlist_async.tables.output_choice import Keep, Only
    from cleanlist_async.webhooks.event import EventStore
    from cleanlist_async.webhooks.receiver import Confirm
    from cleanlist_async.webhooks.submission import WebhookStatistics
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "api.enrichment": "Enrichment",
            "api.export": "Export",
            "api.lead_lists": "LeadLists Unset",
            "api.models.enrichment": (
                "CompaniesPage Company CompanyEnrichment EntityResult ListEnrichment PeoplePage"
                " PersonEnrichment PersonFound PersonResult TaskEnrichment"
            ),
            "api.models.lead_lists": (
                "AddedLeads CsvExport CsvImport DeletedList JsonExportPage Lead LeadList LeadListSummary"
                " LeadListsPage LeadsPage RemovedLeads SmartAgentResult SmartAgentResults SmartAgentRun"
                " SmartAgentRuns StartedSmartAgent"
            ),
            "api.models.public": (
                "ApiKey ApiKeys BulkStatus BulkSubmission CreditsBalance KeyValidation UsageGroup UsageReport"
                " WebhookDeliveries WebhookDelivery Whoami"
            ),
            "api.models.rows": "EnrichmentRow",
            "api.public": "PublicAPI",
            "api.raw_responses": (
                "RawEnrichment RawExport RawLeadLists RawPublicAPI RawResponses RawSearchAPI"
                " RawSmartAgents RawWorkspace"
            ),
            "api.request_models": "AgentType DataPoint LeadScope ListScope UsageGrouping",
            "api.search": "SearchAPI",
            "api.smart_agents": "SmartAgents",
            "api.workspace": "Workspace",
            "contacts.contact": "ContactDict",
            "contacts.identity": "ContactLike",
            "enrich.client_spending": "BudgetControl",
            "enrich.frame_stream": "FrameStream",
            "enrich.row_results": "Dedupe Rule",
            "facts": "ApiVersion CsvField EnrichmentType PersonType",
            "http.credentials": "KeysGiven TenantKeys",
            "http.answers": "RawResponse",
            "http.calls": "BeforeSpend Spend",
            "http.transport.connection_options": "HTTPClient Verify",
            "job.journal.records": "ChunkState HalfFullPrice SubmitMode",
            "job.pilot": "Pilot",
            "job.source": "JobSource",
            "job.spec": "ChosenMode",
            "job.status": "JobState Receipt WaitsFor",
            "job.stored.reader": "StoredJobReader",
            "job.unknown": "OnUnknown",
            "ratelimit": "Pace",
            "ratelimit.limiter": "WhenAway",
            "results": "ResultStatus",
            "runtime.base_client": "ClientOptions",
            "storage.redis_connection": "RedisUnavailableError",
            "storage.store.audit": "AuditLine",
            "storage.store.budget": "BudgetStatus Period PeriodName SpendingPause",
            "storage.store.forgetting": "Forgotten",
            "storage.store.job_records": "JobRecord StoredState",
            "storage.store.records": "OrphanedSubmit StoreCounts SubmitState",
            "tables": "ContactTable EncodingUnknownError Guess Row TableError TableFormat",
            "tables.contact_rows": "Columns Extra",
            "tables.input_options": "ContactSource HasColumns Suppress Suppression",
            "tables.output_choice": "Keep Only",
            "webhooks.receiver": "Confirm",
            "webhooks.event": "EventStore",
            "webhooks.submission": "WebhookStatistics",
        },
    )

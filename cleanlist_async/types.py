"""Types of public signatures that `cleanlist_async` itself does not export, imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

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
    from cleanlist_async.api.ids import EnvelopeTaskId
    from cleanlist_async.api.lead_lists import LeadLists, Unset
    from cleanlist_async.api.models.enrichment import (
        Company,
        CompanyEnrichment,
        EntityResult,
        ListEnrichment,
        PersonEnrichment,
        PersonResult,
        TaskEnrichment,
    )
    from cleanlist_async.api.models.export import CsvExport, JsonExportPage
    from cleanlist_async.api.models.lead_lists import (
        AddedLeads,
        CsvImport,
        DeletedList,
        Lead,
        LeadList,
        LeadListsPage,
        LeadListSummary,
        LeadsPage,
        RemovedLeads,
    )
    from cleanlist_async.api.models.public import (
        BulkStatus,
        BulkSubmission,
        KeyValidation,
        WebhookDeliveries,
        WebhookDelivery,
    )
    from cleanlist_async.api.models.rows import EnrichmentRow
    from cleanlist_async.api.models.search import CompaniesPage, PeoplePage, PersonFound
    from cleanlist_async.api.models.smart_agents import (
        SmartAgentResult,
        SmartAgentResults,
        SmartAgentRun,
        SmartAgentRuns,
        StartedSmartAgent,
    )
    from cleanlist_async.api.models.workspace import (
        ApiKey,
        ApiKeys,
        CreditsBalance,
        UsageGroup,
        UsageReport,
        Whoami,
    )
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
    from cleanlist_async.http.credentials import KeysGiven
    from cleanlist_async.http.raw_response import RawResponse
    from cleanlist_async.http.spending import BeforeSpend, Spend
    from cleanlist_async.http.transport.connection_options import Verify
    from cleanlist_async.http.transport.sender import HTTPClient
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
    from cleanlist_async.runtime.options import ClientOptions
    from cleanlist_async.storage.redis_connection import RedisUnavailableError
    from cleanlist_async.storage.store.audit import AuditLine
    from cleanlist_async.storage.store.budget import BudgetStatus, Period, PeriodName, SpendingPause
    from cleanlist_async.storage.store.forgetting import Forgotten
    from cleanlist_async.storage.store.job_records import JobRecord, StoredState
    from cleanlist_async.storage.store.records import OrphanedSubmit, StoreCounts, SubmitState
    from cleanlist_async.tables import ContactTable, EncodingUnknownError, Guess, Row, TableError, TableFormat
    from cleanlist_async.tables.contact_rows import Columns, Extra
    from cleanlist_async.tables.input_options import ContactSource, Suppress, Suppression
    from cleanlist_async.tables.output_choice import Keep, Only
    from cleanlist_async.webhooks.event import EventStore
    from cleanlist_async.webhooks.receiver import Confirm
    from cleanlist_async.webhooks.submission import WebhookStatistics
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "api.enrichment": ("Enrichment",),
            "api.export": ("Export",),
            "api.ids": ("EnvelopeTaskId",),
            "api.lead_lists": ("LeadLists", "Unset"),
            "api.models.enrichment": (
                "Company",
                "CompanyEnrichment",
                "EntityResult",
                "ListEnrichment",
                "PersonEnrichment",
                "PersonResult",
                "TaskEnrichment",
            ),
            "api.models.export": ("CsvExport", "JsonExportPage"),
            "api.models.lead_lists": (
                "AddedLeads",
                "CsvImport",
                "DeletedList",
                "Lead",
                "LeadList",
                "LeadListSummary",
                "LeadListsPage",
                "LeadsPage",
                "RemovedLeads",
            ),
            "api.models.public": (
                "BulkStatus",
                "BulkSubmission",
                "KeyValidation",
                "WebhookDeliveries",
                "WebhookDelivery",
            ),
            "api.models.rows": ("EnrichmentRow",),
            "api.models.search": ("CompaniesPage", "PeoplePage", "PersonFound"),
            "api.models.smart_agents": (
                "SmartAgentResult",
                "SmartAgentResults",
                "SmartAgentRun",
                "SmartAgentRuns",
                "StartedSmartAgent",
            ),
            "api.models.workspace": (
                "ApiKey",
                "ApiKeys",
                "CreditsBalance",
                "UsageGroup",
                "UsageReport",
                "Whoami",
            ),
            "api.public": ("PublicAPI",),
            "api.raw_responses": (
                "RawEnrichment",
                "RawExport",
                "RawLeadLists",
                "RawPublicAPI",
                "RawResponses",
                "RawSearchAPI",
                "RawSmartAgents",
                "RawWorkspace",
            ),
            "api.request_models": ("AgentType", "DataPoint", "LeadScope", "ListScope", "UsageGrouping"),
            "api.search": ("SearchAPI",),
            "api.smart_agents": ("SmartAgents",),
            "api.workspace": ("Workspace",),
            "contacts.identity": ("ContactLike",),
            "enrich.client_spending": ("BudgetControl",),
            "enrich.frame_stream": ("FrameStream",),
            "enrich.row_results": ("Dedupe", "Rule"),
            "results": ("ResultStatus",),
            "facts": ("ApiVersion", "CsvField", "EnrichmentType", "PersonType"),
            "http.raw_response": ("RawResponse",),
            "http.spending": ("BeforeSpend", "Spend"),
            "http.transport.connection_options": ("Verify",),
            "http.transport.sender": ("HTTPClient",),
            "job.journal.records": ("ChunkState", "HalfFullPrice", "SubmitMode"),
            "job.pilot": ("Pilot",),
            "job.source": ("JobSource",),
            "job.spec": ("ChosenMode",),
            "job.status": ("JobState", "Receipt", "WaitsFor"),
            "job.unknown": ("OnUnknown",),
            "ratelimit": ("Pace",),
            "ratelimit.limiter": ("WhenAway",),
            "runtime.options": ("ClientOptions",),
            "storage.redis_connection": ("RedisUnavailableError",),
            "storage.store.audit": ("AuditLine",),
            "storage.store.budget": ("BudgetStatus", "Period", "PeriodName", "SpendingPause"),
            "job.stored.reader": ("StoredJobReader",),
            "storage.store.forgetting": ("Forgotten",),
            "storage.store.job_records": ("JobRecord", "StoredState"),
            "storage.store.records": ("StoreCounts", "SubmitState", "OrphanedSubmit"),
            "tables.contact_rows": ("Columns", "Extra"),
            "tables.input_options": ("ContactSource", "Suppress", "Suppression"),
            "tables.output_choice": ("Keep", "Only"),
            "tables": ("ContactTable", "EncodingUnknownError", "Guess", "Row", "TableError", "TableFormat"),
            "webhooks.receiver": ("Confirm",),
            "webhooks.event": ("EventStore",),
            "webhooks.submission": ("WebhookStatistics",),
            "http.credentials": ("KeysGiven",),
            "contacts.contact": ("ContactDict",),
        },
    )

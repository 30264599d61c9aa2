"""Async Python SDK for the Cleanlist B2B enrichment API: full rate, no 429, no credit spent twice.

::

    async with AsyncCleanlist() as client:
        report = await client.enrich(contacts, enrichment_type="partial", max_credits=5_000)

Every public name is here, and is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cleanlist_async.api.csv_import import ImportReport
    from cleanlist_async.api.ids import CohortId, ContactTaskId, SmartAgentTaskId, WorkflowId
    from cleanlist_async.api.lead_lists import UNSET
    from cleanlist_async.api.models.enrichment import WorkflowStatus
    from cleanlist_async.api.models.workspace import Quote
    from cleanlist_async.api.pagination import Pages
    from cleanlist_async.client import AsyncCleanlist
    from cleanlist_async.contacts.contact import Contact
    from cleanlist_async.enrich.plan import Plan
    from cleanlist_async.enrich.report import EnrichmentReport, Progress, Summary
    from cleanlist_async.enrich.stream import ResultStream
    from cleanlist_async.errors import (
        APIConnectionError,
        APIError,
        APITimeoutError,
        ApprovalRequiredError,
        AuthenticationError,
        BadRequestError,
        BudgetExceededError,
        CleanlistError,
        ConfigurationError,
        ConflictError,
        DeadlineExceededError,
        EstimateTokenMismatchError,
        FeatureNotAvailableError,
        FieldError,
        FieldMappingRequiredError,
        FiltersUnavailableError,
        FolderNotFoundError,
        InputChangedError,
        InsufficientCreditsError,
        InsufficientScopeError,
        InternalServerError,
        InvalidCursorError,
        InvalidFilterError,
        JournalError,
        JournalLockedError,
        ListNotFoundError,
        MalformedResponseError,
        MissingColumnError,
        NotEnabledError,
        NotFoundError,
        OverloadedError,
        PayloadTooLargeError,
        PermissionDeniedError,
        ProviderNotConnectedError,
        QuoteAlreadyRedeemedError,
        QuoteError,
        QuoteExpiredError,
        QuoteInvalidError,
        QuoteMismatchError,
        QuoteRequiredError,
        RateLimitError,
        RequestValidationError,
        ServiceUnavailableError,
        SpendCapExceededError,
        TaskNotFoundError,
        UnknownOutcomeError,
        VersionDeprecatedError,
        WaitTimeoutError,
        WorkflowFailedError,
        WorkflowTimeoutError,
        WrongEventLoopError,
    )
    from cleanlist_async.events.statistics import Statistics
    from cleanlist_async.job.job import Job
    from cleanlist_async.job.status import JobReport, JobStatus
    from cleanlist_async.job.unknown import UnknownChunk
    from cleanlist_async.ratelimit import RateLimiter, RateLimits
    from cleanlist_async.results import EnrichmentResult
    from cleanlist_async.webhooks.mailbox import FileMailbox, RedisMailbox
    from cleanlist_async.webhooks.receiver import WebhookAnswer, WebhookReceiver

_HOMES = {
    "UNSET": "api.lead_lists",
    "AsyncCleanlist": "client",
    "CohortId": "api.ids",
    "Contact": "contacts.contact",
    "ContactTaskId": "api.ids",
    "EnrichmentReport": "enrich.report",
    "EnrichmentResult": "results",
    "FileMailbox": "webhooks.mailbox",
    "ImportReport": "api.csv_import",
    "Job": "job.job",
    "JobReport": "job.status",
    "JobStatus": "job.status",
    "Pages": "api.pagination",
    "Plan": "enrich.plan",
    "Progress": "enrich.report",
    "Quote": "api.models.workspace",
    "RateLimiter": "ratelimit",
    "RateLimits": "ratelimit",
    "RedisMailbox": "webhooks.mailbox",
    "ResultStream": "enrich.stream",
    "SmartAgentTaskId": "api.ids",
    "Statistics": "events.statistics",
    "Summary": "enrich.report",
    "UnknownChunk": "job.unknown",
    "WebhookAnswer": "webhooks.receiver",
    "WebhookReceiver": "webhooks.receiver",
    "WorkflowId": "api.ids",
    "WorkflowStatus": "api.models.enrichment",
}
"""Where a public name lives; all others are errors."""

__all__ = [
    "UNSET",
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "ApprovalRequiredError",
    "AsyncCleanlist",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "CleanlistError",
    "CohortId",
    "ConfigurationError",
    "ConflictError",
    "Contact",
    "ContactTaskId",
    "DeadlineExceededError",
    "EnrichmentReport",
    "EnrichmentResult",
    "EstimateTokenMismatchError",
    "FeatureNotAvailableError",
    "FieldError",
    "FieldMappingRequiredError",
    "FileMailbox",
    "FiltersUnavailableError",
    "FolderNotFoundError",
    "ImportReport",
    "InputChangedError",
    "InsufficientCreditsError",
    "InsufficientScopeError",
    "InternalServerError",
    "InvalidCursorError",
    "InvalidFilterError",
    "Job",
    "JobReport",
    "JobStatus",
    "JournalError",
    "JournalLockedError",
    "ListNotFoundError",
    "MalformedResponseError",
    "MissingColumnError",
    "NotEnabledError",
    "NotFoundError",
    "OverloadedError",
    "Pages",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "Plan",
    "Progress",
    "ProviderNotConnectedError",
    "Quote",
    "QuoteAlreadyRedeemedError",
    "QuoteError",
    "QuoteExpiredError",
    "QuoteInvalidError",
    "QuoteMismatchError",
    "QuoteRequiredError",
    "RateLimitError",
    "RateLimiter",
    "RateLimits",
    "RedisMailbox",
    "RequestValidationError",
    "ResultStream",
    "ServiceUnavailableError",
    "SmartAgentTaskId",
    "SpendCapExceededError",
    "Statistics",
    "Summary",
    "TaskNotFoundError",
    "UnknownChunk",
    "UnknownOutcomeError",
    "VersionDeprecatedError",
    "WaitTimeoutError",
    "WebhookAnswer",
    "WebhookReceiver",
    "WorkflowFailedError",
    "WorkflowId",
    "WorkflowStatus",
    "WorkflowTimeoutError",
    "WrongEventLoopError",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

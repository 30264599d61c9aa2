"""Async Python SDK for the Cleanlist B2B enrichment API: full rate, no 429, no credit spent twice.

::

    async with AsyncCleanlist() as client:
        report = await client.enrich(contacts, enrichment_type="partial", max_credits=5_000)

Each public name is imported on first use. The names here and in ``.errors``, ``.types``,
``.events``, ``.sandbox``, ``.testing`` and ``.integrations`` are stable; other modules may move.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"


def lazy_exports(
    module: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a *module* that imports its names on first use.

    *homes* maps modules, named relative to this package, to the names that each defines, with spaces between.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def load(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {module!r} has no attribute {name!r}", name=name)
        value: object = getattr(import_module(f"{__name__}.{home_of[name]}"), name)
        # The next access finds a plain attribute, and does not come here again.
        setattr(sys.modules[module], name, value)
        return value

    return load, lambda: sorted({*vars(sys.modules[module]), *home_of})


__all__ = [
    "UNSET",
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "ApprovalRequiredError",
    "AsyncCleanlist",
    "AuthenticationError",
    "BadRequestError",
    "Budget",
    "BudgetExceededError",
    "ClaimLostError",
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
    "JobLockedError",
    "JobNotFoundError",
    "JobPurgedError",
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
    "RedirectedError",
    "RedisMailbox",
    "RequestValidationError",
    "ResultStream",
    "ServiceUnavailableError",
    "SmartAgentTaskId",
    "SpendCapExceededError",
    "SpendVetoedError",
    "SpendingPausedError",
    "Statistics",
    "Store",
    "StoreError",
    "StoreUnavailableError",
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

if TYPE_CHECKING:
    from cleanlist_async.api.csv_import import ImportReport
    from cleanlist_async.api.lead_lists import UNSET
    from cleanlist_async.api.models.enrichment import WorkflowStatus
    from cleanlist_async.api.models.public import Quote
    from cleanlist_async.api.pagination import Pages
    from cleanlist_async.client import AsyncCleanlist
    from cleanlist_async.contacts.contact import Contact
    from cleanlist_async.enrich.plan import Plan
    from cleanlist_async.enrich.report import EnrichmentReport, Progress, Summary
    from cleanlist_async.enrich.result_stream import ResultStream
    from cleanlist_async.errors import (
        APIConnectionError,
        APIError,
        APITimeoutError,
        ApprovalRequiredError,
        AuthenticationError,
        BadRequestError,
        BudgetExceededError,
        ClaimLostError,
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
        JobLockedError,
        JobNotFoundError,
        JobPurgedError,
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
        RedirectedError,
        RequestValidationError,
        ServiceUnavailableError,
        SpendCapExceededError,
        SpendingPausedError,
        SpendVetoedError,
        StoreError,
        StoreUnavailableError,
        TaskNotFoundError,
        UnknownOutcomeError,
        VersionDeprecatedError,
        WaitTimeoutError,
        WorkflowFailedError,
        WorkflowTimeoutError,
        WrongEventLoopError,
    )
    from cleanlist_async.events import Statistics
    from cleanlist_async.job.job import Job
    from cleanlist_async.job.status import JobReport, JobStatus
    from cleanlist_async.job.unknown import UnknownChunk
    from cleanlist_async.ratelimit import RateLimiter, RateLimits
    from cleanlist_async.results import EnrichmentResult
    from cleanlist_async.storage.store.budget import Budget
    from cleanlist_async.storage.store.store import Store
    from cleanlist_async.types import CohortId, ContactTaskId, SmartAgentTaskId, WorkflowId
    from cleanlist_async.webhooks.mailbox import FileMailbox, RedisMailbox
    from cleanlist_async.webhooks.receiver import WebhookAnswer, WebhookReceiver
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "api.csv_import": "ImportReport",
            "api.lead_lists": "UNSET",
            "api.models.enrichment": "WorkflowStatus",
            "api.models.public": "Quote",
            "api.pagination": "Pages",
            "client": "AsyncCleanlist",
            "contacts.contact": "Contact",
            "enrich.plan": "Plan",
            "enrich.report": "EnrichmentReport Progress Summary",
            "enrich.result_stream": "ResultStream",
            "errors": " ".join(name for name in __all__ if name.endswith("Error")),
            "events.statistics": "Statistics",
            "job.job": "Job",
            "job.status": "JobReport JobStatus",
            "job.unknown": "UnknownChunk",
            "ratelimit": "RateLimiter RateLimits",
            "results": "EnrichmentResult",
            "storage.store.budget": "Budget",
            "storage.store.store": "Store",
            "types": "CohortId ContactTaskId SmartAgentTaskId WorkflowId",
            "webhooks.mailbox": "FileMailbox RedisMailbox",
            "webhooks.receiver": "WebhookAnswer WebhookReceiver",
        },
    )

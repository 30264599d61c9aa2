"""Every error of this package, in one tree.

::

    CleanlistError
    ├── APIError                            the server answered with an error
    │   ├── RedirectedError                 3xx
    │   ├── BadRequestError                 400, and any 4xx without a class of its own
    │   │   ├── RequestValidationError      422, 400 validation_error
    │   │   ├── SpendCapExceededError
    │   │   ├── ApprovalRequiredError
    │   │   ├── InvalidFilterError
    │   │   ├── FieldMappingRequiredError
    │   │   ├── MissingColumnError
    │   │   ├── InvalidCursorError
    │   │   ├── ProviderNotConnectedError
    │   │   └── QuoteError
    │   │       ├── QuoteExpiredError
    │   │       ├── QuoteInvalidError
    │   │       ├── QuoteMismatchError
    │   │       ├── EstimateTokenMismatchError
    │   │       ├── QuoteAlreadyRedeemedError
    │   │       └── QuoteRequiredError
    │   ├── InsufficientCreditsError        402, 400 insufficient_credits
    │   ├── AuthenticationError             401
    │   ├── PermissionDeniedError           403
    │   │   └── InsufficientScopeError
    │   ├── NotFoundError                   404
    │   │   ├── ListNotFoundError
    │   │   ├── TaskNotFoundError
    │   │   └── FolderNotFoundError
    │   ├── ConflictError                   409
    │   ├── VersionDeprecatedError          410
    │   ├── PayloadTooLargeError            413
    │   ├── RateLimitError                  429
    │   └── InternalServerError             500, and any 5xx without a class of its own
    │       ├── FeatureNotAvailableError    501 (never retryable)
    │       ├── FiltersUnavailableError     502 filters_unavailable
    │       ├── ServiceUnavailableError     503
    │       │   └── NotEnabledError         503 not_enabled (never retryable)
    │       └── WorkflowTimeoutError        504
    ├── APIConnectionError                  no answer: refused, reset, TLS, DNS
    │   └── APITimeoutError                 no answer within request_timeout_s
    ├── MalformedResponseError              the answer could not be read
    ├── UnknownOutcomeError                 a paid call may or may not have been processed
    ├── WorkflowFailedError                 the server ended a workflow unfinished
    ├── WaitTimeoutError                    the wait ended before the workflow did
    ├── DeadlineExceededError               deadline_s passed
    ├── OverloadedError                     too many contacts are queued; nothing was sent
    ├── BudgetExceededError                 max_credits, or the budget of a store, is used up
    │   └── SpendingPausedError             all spending is paused in the store
    ├── SpendVetoedError                    before_spend refused the call; nothing was sent
    ├── JobLockedError                      another process runs the job; nothing is sent
    │   └── JournalLockedError              another process uses its journal (also a JournalError)
    ├── JournalError                        the journal of a job cannot be used; nothing is sent
    │   └── InputChangedError               the input differs from what the job was started with
    ├── StoreError                          the store cannot be used; nothing is sent without it
    │   ├── StoreUnavailableError           it cannot be reached now
    │   ├── JobPurgedError                  the contacts of the job were removed from the store
    │   └── ClaimLostError                  another process has taken over what was to be bought
    └── ConfigurationError                  the call or its options cannot work; nothing was sent
        ├── JobNotFoundError                no job of this name that the client can open; nothing was sent
        └── WrongEventLoopError             the client belongs to another event loop or process

Every error carries ``request_id``, ``retryable``, ``billed`` and ``safe_to_retry``; each can be pickled
and copied. The codes and their meaning: docs.cleanlist.ai/mcp-api/errors and
docs.cleanlist.ai/api-reference/errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Self

from cleanlist_async.errors.base import APIError as APIError
from cleanlist_async.errors.base import ClaimLostError as ClaimLostError
from cleanlist_async.errors.base import CleanlistError as CleanlistError
from cleanlist_async.errors.base import Envelope as Envelope
from cleanlist_async.errors.base import FieldError as FieldError
from cleanlist_async.errors.base import InputChangedError as InputChangedError
from cleanlist_async.errors.base import JobLockedError as JobLockedError
from cleanlist_async.errors.base import JobPurgedError as JobPurgedError
from cleanlist_async.errors.base import JournalError as JournalError
from cleanlist_async.errors.base import JournalLockedError as JournalLockedError
from cleanlist_async.errors.base import RedirectedError as RedirectedError
from cleanlist_async.errors.base import StoreError as StoreError
from cleanlist_async.errors.base import StoreUnavailableError as StoreUnavailableError
from cleanlist_async.errors.base import UnknownOutcomeError as UnknownOutcomeError
from cleanlist_async.errors.base import kinds_of
from cleanlist_async.types import Billed as Billed

if TYPE_CHECKING:
    from cleanlist_async import EnrichmentResult

# Tracebacks and pickles name this module for every error: the one that an error is written in may change.
for _kind in (FieldError, *kinds_of(CleanlistError)):
    _kind.__module__ = __name__

# -- the server answered with an error -------------------------------------------------------------


class BadRequestError(APIError):
    """The request is invalid (400)."""


class RequestValidationError(BadRequestError):
    """A field is missing or invalid (422, or 400 ``validation_error``).

    ``field_errors`` holds the first 1,000; ``more_field_errors`` counts the rest.
    """

    field_errors: Sequence[FieldError] = ()
    more_field_errors: int = 0


class SpendCapExceededError(BadRequestError):
    """The call would cost more than its quote allows. Request a new quote."""


class ApprovalRequiredError(BadRequestError):
    """The call is too large to run without approval. Reduce its scope."""


class InvalidFilterError(BadRequestError):
    """No saved filter has this id."""


class FieldMappingRequiredError(BadRequestError):
    """The sync needs a field mapping."""


class MissingColumnError(BadRequestError):
    """A mapped CSV header is not in the file; ``details`` names it."""


class InvalidCursorError(BadRequestError):
    """The page cursor is malformed."""


class ProviderNotConnectedError(BadRequestError):
    """The organization has no active connection to this CRM or sequencer."""


class QuoteError(BadRequestError):
    """The quote cannot be used for this call. Request a new one."""


class QuoteExpiredError(QuoteError):
    """The quote is more than five minutes old."""


class QuoteInvalidError(QuoteError):
    """The quote's signature or format is wrong."""


class QuoteMismatchError(QuoteError):
    """The quote was made for a request of another shape."""


class EstimateTokenMismatchError(QuoteError):
    """The quote does not bind to this request."""


class QuoteAlreadyRedeemedError(QuoteError):
    """The quote was used before: an earlier call may have bought with it. This one did not.

    After a lost attempt of the same call, which may have bought, UnknownOutcomeError is raised instead.
    """


class QuoteRequiredError(QuoteError):
    """The call needs a quote."""


class InsufficientCreditsError(APIError):
    """The balance does not cover the call (402, or 400 ``insufficient_credits``).

    The request that it refuses cost nothing, and succeeds after a top-up. A run may have bought others
    before: see ``billed``, and repeat those whose status is ``failed``.
    """


class AuthenticationError(APIError):
    """The key is missing, malformed, expired or revoked (401)."""


class PermissionDeniedError(APIError):
    """The key is valid but not allowed to do this: the plan, a protected list, a cap (403)."""


class InsufficientScopeError(PermissionDeniedError):
    """The key lacks a scope; ``details`` names what is required and what is granted."""


class NotFoundError(APIError):
    """The resource does not exist, or belongs to another organization (404)."""


class ListNotFoundError(NotFoundError):
    """There is no such lead list."""


class TaskNotFoundError(NotFoundError):
    """There is no such task, or it has expired."""


class FolderNotFoundError(NotFoundError):
    """There is no such folder."""


class ConflictError(APIError):
    """The request conflicts with another one (409)."""


class VersionDeprecatedError(APIError):
    """This version of the API is retired (410)."""


class PayloadTooLargeError(APIError):
    """The request is too large (413)."""


class RateLimitError(APIError):
    """The rate limit is reached (429); ``retry_after_s`` is the pause in seconds, where known."""

    retryable = True  # the default of the class; the server's own flag wins, here and below


class InternalServerError(APIError):
    """The server failed (500 and other 5xx)."""

    retryable = True


class FeatureNotAvailableError(InternalServerError):
    """This deployment does not have the feature (501)."""

    # A deployment does not gain a feature while a caller waits.
    retryable = False


class FiltersUnavailableError(InternalServerError):
    """The source of the filters is temporarily unavailable (502)."""


class ServiceUnavailableError(InternalServerError):
    """The service is temporarily unavailable (503)."""


class NotEnabledError(ServiceUnavailableError):
    """The feature is switched off on the server (503 ``not_enabled``)."""

    # Switched off on purpose, unlike other 503s: the docs say not to retry.
    retryable = False


class WorkflowTimeoutError(InternalServerError):
    """A workflow did not finish within the server's own limit (504)."""


# -- no usable answer ------------------------------------------------------------------------------


class APIConnectionError(CleanlistError):
    """No answer came: refused, reset, DNS, TLS. Nothing was billed, else it would be UnknownOutcomeError."""

    retryable = True


class APITimeoutError(APIConnectionError):
    """No answer came within ``request_timeout_s``."""


class MalformedResponseError(CleanlistError):
    """The server's answer could not be read.

    ``workflow_id`` is kept where it could be salvaged; ``status`` is the HTTP status.
    """

    retryable = True
    status: int | None = None
    workflow_id: str | None = None


# -- raised by the client itself -------------------------------------------------------------------


class WorkflowFailedError(CleanlistError):
    """The server ended a workflow without finishing it. Failed enrichments cost no credits."""

    workflow_id: str | None = None
    """The workflow that was ended."""
    status: str | None = None
    """The server's word for how it ended."""


class WaitTimeoutError(CleanlistError):
    """The wait ended; a workflow that was accepted continues, and can be collected for free.

    ``workflow_id`` is None if none was accepted; ``billed`` then says whether one may have been. From
    ``enrich_one``, ``pending`` is the result to give to ``client.collect``.
    """

    retryable = True
    workflow_id: str | None = None
    pending: EnrichmentResult | None = None


class DeadlineExceededError(CleanlistError):
    """``deadline_s`` passed before the call was done."""

    retryable = True


class OverloadedError(CleanlistError):
    """So many contacts are queued, for ``retry_after_s`` seconds, that another was not even sent."""

    retryable = True


class BudgetExceededError(CleanlistError):
    """``max_credits``, or the budget of a store, does not cover the call. Nothing beyond it was sent.

    ``billed`` says whether a run had bought contacts before.
    ``max_credits`` is the limit, and ``committed_credits`` what of it is spent or reserved. For the budget of
    a store ``period`` says whether the limit is for the ``day`` or the ``month``, and ``period_ends_at`` when
    the next one begins.
    """

    max_credits: float | None = None
    committed_credits: float | None = None
    period: Literal["day", "month"] | None = None
    period_ends_at: datetime | None = None

    @classmethod
    def of_limit(cls, max_credits: float | None, committed: float, credits_: float) -> Self:
        """Return the error for what can cost *credits_* beside what is *committed* under ``max_credits``."""
        error = cls(
            f"max_credits = {max_credits or 0:,.10g} does not cover another {credits_:,.10g}"
            f" credit{'' if credits_ == 1 else 's'}; {committed:,.10g} are spent or reserved.",
            fix="Raise max_credits to go on.",
        )
        error.max_credits, error.committed_credits = max_credits, committed
        return error


class SpendingPausedError(BudgetExceededError):
    """All spending of the organization is paused in the store, for this ``reason``, by this ``actor``."""

    reason: str = ""
    actor: str = ""


class SpendVetoedError(CleanlistError):
    """The client's ``before_spend`` refused a call that spends. Nothing was sent."""


class ConfigurationError(CleanlistError):
    """An option or argument cannot work. Nothing was sent."""


class JobNotFoundError(ConfigurationError):
    """There is no job of this name, or it is of another organization. Nothing was sent."""


class WrongEventLoopError(ConfigurationError):
    """The client was opened in another event loop or process. Open one client in each."""

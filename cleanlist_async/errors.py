"""Every error of this package, in one tree.

::

    CleanlistError
    ├── APIError                            the server answered, and said no
    │   ├── BadRequestError                 400, and any 4xx we do not know yet
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
    │   └── InternalServerError             500, and any 5xx we do not know yet
    │       ├── FeatureNotAvailableError    501 (never retryable)
    │       ├── FiltersUnavailableError     502 filters_unavailable
    │       ├── ServiceUnavailableError     503
    │       │   └── NotEnabledError         503 not_enabled (never retryable)
    │       └── WorkflowTimeoutError        504
    ├── APIConnectionError                  no answer: refused, reset, TLS, DNS
    │   └── APITimeoutError                 no answer in time
    ├── MalformedResponseError              an answer, but not one we can read
    ├── UnknownOutcomeError                 a paid call may or may not have been processed
    ├── WorkflowFailedError                 the server gave up on a workflow
    ├── WaitTimeoutError                    we stopped waiting for a workflow that goes on
    ├── DeadlineExceededError               deadline_s passed
    ├── OverloadedError                     too many contacts wait for their request; nothing was sent
    ├── BudgetExceededError                 max_credits is used up
    ├── JournalError                        the journal of a job cannot be used; nothing is sent
    │   ├── JournalLockedError              another process works on it
    │   └── InputChangedError               the input is not what the job was begun with
    └── ConfigurationError                  our caller's mistake; nothing was sent
        └── WrongEventLoopError             the client belongs to another event loop or process

Every error carries ``request_id``, ``retryable``, ``billed`` and ``safe_to_retry``; each can be pickled
and copied. The codes and their meaning: docs.cleanlist.ai/mcp-api/errors and
docs.cleanlist.ai/api-reference/errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from cleanlist_async.types import JSON, Billed

if TYPE_CHECKING:
    from cleanlist_async.results import EnrichmentResult

Envelope: TypeAlias = Literal["error", "detail", "none"]


class CleanlistError(Exception):
    """Base of every error of this package.

    Attributes
    ----------
    request_id
        The server's correlation id, for support; None where it gave none.
    retryable
        Whether the same call could succeed later. The server's own flag wins where it sent one.
    billed
        Whether credits were spent: ``"no"``, ``"yes"`` or ``"unknown"``.
    fix
        What to do about it, in one sentence, or None.

    """

    retryable: bool = False
    billed: Billed = "no"

    def __init__(
        self,
        problem: str = "",
        *,
        fix: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        billed: Billed | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.request_id = request_id
        if retryable is not None:
            self.retryable = retryable
        if billed is not None:
            self.billed = billed

    @property
    def safe_to_retry(self) -> bool:
        """Whether repeating the call cannot spend a credit twice (it may still fail again)."""
        return self.billed == "no"

    def __str__(self) -> str:
        problem = self.problem
        if self.fix and problem and problem[-1] not in ".!?:;":
            problem += "."
        parts = (f"{self.request_id}:" if self.request_id else "", problem, self.fix or "")
        return " ".join(part for part in parts if part)


# -- the server said no ----------------------------------------------------------------------------


class APIError(CleanlistError):
    """The server answered with an error.

    Attributes
    ----------
    status
        HTTP status; None for a request that was refused here, before it was sent.
    code
        The machine-readable code. Derived from the status where the body has none (``detail`` envelope).
    cause, docs_url, details, suggested_actions
        As the ``error`` envelope gave them, else None.
    retry_after_s
        Seconds to wait, from ``Retry-After`` or ``retry_after_ms``; None where the server named none.
    body
        The decoded body: JSON, or text (cut) where it was not JSON. May echo the contacts you sent.
    envelope
        Which of the two documented forms the body had: ``"error"``, ``"detail"`` or ``"none"``.

    """

    def __init__(
        self,
        problem: str = "",
        *,
        status: int | None = None,
        code: str = "unknown",
        cause: str | None = None,
        fix: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        billed: Billed | None = None,
        retry_after_s: float | None = None,
        docs_url: str | None = None,
        details: JSON = None,
        suggested_actions: JSON = None,
        body: JSON = None,
        envelope: Envelope = "none",
        method: str = "",
        path: str = "",
    ) -> None:
        super().__init__(problem, fix=fix, request_id=request_id, retryable=retryable, billed=billed)
        self.status = status
        self.code = code
        self.cause = cause
        self.retry_after_s = retry_after_s
        self.docs_url = docs_url
        self.details = details
        self.suggested_actions = suggested_actions
        self.body = body
        self.envelope: Envelope = envelope
        self.method = method
        self.path = path


class BadRequestError(APIError):
    """The request is wrong as it stands (400)."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid field of a request.

    ``loc`` is the path to it (``("body", "contacts", 7)``); ``contact_index`` the 0-based position of
    the contact it belongs to, where it belongs to one. The offending value is left out: it is contact data.
    """

    loc: tuple[str | int, ...]
    msg: str
    type: str = "value_error"
    contact_index: int | None = None


class RequestValidationError(BadRequestError):
    """A field is missing or has the wrong form (422, or 400 ``validation_error``).

    ``field_errors`` holds the first 1,000; ``more_field_errors`` counts those that the answer had beyond.
    """

    field_errors: Sequence[FieldError] = ()
    more_field_errors: int = 0


class SpendCapExceededError(BadRequestError):
    """The call would cost more than its quote allows. Estimate again."""


class ApprovalRequiredError(BadRequestError):
    """The call is too large to run without approval. Make its scope smaller."""


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
    """The quote cannot be used for this call. Estimate again."""


class QuoteExpiredError(QuoteError):
    """The quote is older than its five minutes."""


class QuoteInvalidError(QuoteError):
    """The quote's signature or format is wrong."""


class QuoteMismatchError(QuoteError):
    """The quote was made for a request of another shape."""


class EstimateTokenMismatchError(QuoteError):
    """The quote does not bind to this request."""


class QuoteAlreadyRedeemedError(QuoteError):
    """The quote was used before: an earlier call may have bought with it. This one did not.

    After a lost attempt of the same call, which may be the one that bought, it is an UnknownOutcomeError.
    """


class QuoteRequiredError(QuoteError):
    """The call needs a quote."""


class InsufficientCreditsError(APIError):
    """The balance does not cover the call (402, or 400 ``insufficient_credits``).

    ``estimated_cost_credits``, ``available_credits`` and ``shortfall_credits`` are in credits, None
    where the server did not say. Nothing was spent; the same call succeeds after a top-up.
    """

    estimated_cost_credits: float | None = None
    available_credits: float | None = None
    shortfall_credits: float | None = None


class AuthenticationError(APIError):
    """The key is missing, malformed, expired or revoked (401)."""


class PermissionDeniedError(APIError):
    """The key is good, but may not do this: the plan, a protected list, a cap (403)."""


class InsufficientScopeError(PermissionDeniedError):
    """The key lacks a scope; ``details`` names what is required and what is granted."""


class NotFoundError(APIError):
    """There is no such thing, or it belongs to another organization (404)."""


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
    """The rate limit is reached (429); ``retry_after_s`` says for how many seconds, where known."""

    retryable = True


class InternalServerError(APIError):
    """Something broke on the server's side (500 and other 5xx)."""

    retryable = True


class FeatureNotAvailableError(InternalServerError):
    """This deployment does not have the feature (501)."""

    retryable = False


class FiltersUnavailableError(InternalServerError):
    """The source of the filters is away for the moment (502)."""


class ServiceUnavailableError(InternalServerError):
    """The service is away for the moment (503)."""


class NotEnabledError(ServiceUnavailableError):
    """The feature is switched off on the server (503 ``not_enabled``)."""

    retryable = False


class WorkflowTimeoutError(InternalServerError):
    """A workflow did not finish within the server's own limit (504)."""


# -- no usable answer ------------------------------------------------------------------------------


class APIConnectionError(CleanlistError):
    """No answer came: refused, reset, DNS, TLS. Nothing was billed, or it would be an UnknownOutcomeError."""

    retryable = True


class APITimeoutError(APIConnectionError):
    """No answer came within ``request_timeout_s``."""


class MalformedResponseError(CleanlistError):
    """The server answered with something we cannot read.

    ``workflow_id`` is kept where it could be salvaged; ``status`` is the HTTP status.
    """

    retryable = True
    status: int | None = None
    workflow_id: str | None = None


class UnknownOutcomeError(CleanlistError):
    """A paid call was sent, and nobody can say whether it was processed. It is never sent again for you.

    Where the server did answer (a 500 on a submit, say), ``status``, ``code`` and ``request_id`` are its
    own, and ``answer`` is the decoded error, whose ``retryable`` keeps the server's word.

    An answer proves that a call was not taken only if it is

    * 429, or 413 from whomever;
    * 400, 401, 402, 403, 404, 405, 413, 415 or 422 in the ``error`` envelope, with a code that refuses: any
      of docs.cleanlist.ai/mcp-api/errors but ``internal_error``, ``workflow_timeout`` and
      ``filters_unavailable``. A code that is not listed there refuses if it is not ``retryable``;
    * of these codes ``version_deprecated`` also with 410, ``feature_not_available`` with 501, ``not_enabled``
      with 503, and those of quotes with 409;
    * 400, 401, 402, 403, 404 or 422 in the ``detail`` envelope (docs.cleanlist.ai/api-reference/errors),
      unless it says that it is ``retryable``.

    After any other answer, and after none, a paid call that carries no quote or idempotency key ends with
    this error.
    """

    billed: Billed = "unknown"
    answer: CleanlistError | None = None
    status: int | None = None
    code: str | None = None
    workflow_id: str | None = None


# -- ours ------------------------------------------------------------------------------------------


class WorkflowFailedError(CleanlistError):
    """The server ended a workflow without finishing it. Failed enrichments cost no credits."""

    workflow_id: str | None = None
    status: str | None = None


class WaitTimeoutError(CleanlistError):
    """We stopped waiting; a workflow that was accepted goes on, and can be collected for free.

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
    """So many contacts wait already that another was not taken, or would be bought too late for its caller.

    Nothing was sent. ``retry_after_s`` is the number of seconds that those who wait will take.
    """

    retryable = True
    retry_after_s: float | None = None


class BudgetExceededError(CleanlistError):
    """``max_credits`` does not cover another contact. Nothing beyond it was sent."""

    max_credits: float | None = None
    committed_credits: float | None = None


class JournalError(CleanlistError):
    """The journal of a job cannot be read or written. Nothing is sent without it."""


class JournalLockedError(JournalError):
    """Another process, or another job of this one, works on the journal."""

    retryable = True


class InputChangedError(JournalError):
    """The input is not what the job was begun with, so its results would go to the wrong people."""


class ConfigurationError(CleanlistError):
    """The client was asked for something that cannot work. Nothing was sent."""


class WrongEventLoopError(ConfigurationError):
    """The client was opened in another event loop or process. Open one client in each."""

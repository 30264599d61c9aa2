"""The codes of the API's errors: the class of each, what to do about it, and what it proves of a paid call.

From docs.cleanlist.ai/mcp-api/errors and docs.cleanlist.ai/api-reference/errors.

The money rule: a paid call that has no key of its own is sent again only on proof that the server did not
accept it. `UnknownOutcomeError` lists the answers that prove it; any other, and none at all, proves nothing.
``quote_already_redeemed`` is a refusal unless an earlier attempt of the call was lost. Of a body that broke
off or was too large only a refusing code counts: the rest may say ``retryable: true``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from cleanlist_async import errors

BY_CODE: Final[dict[str, type[errors.APIError]]] = {
    "validation_error": errors.RequestValidationError,
    "insufficient_credits": errors.InsufficientCreditsError,
    "spend_cap_exceeded": errors.SpendCapExceededError,
    "approval_required": errors.ApprovalRequiredError,
    "estimate_token_mismatch": errors.EstimateTokenMismatchError,
    "quote_expired": errors.QuoteExpiredError,
    "quote_invalid": errors.QuoteInvalidError,
    "quote_mismatch": errors.QuoteMismatchError,
    "quote_already_redeemed": errors.QuoteAlreadyRedeemedError,
    "quote_required": errors.QuoteRequiredError,
    "invalid_filter_id": errors.InvalidFilterError,
    "field_mapping_required": errors.FieldMappingRequiredError,
    "missing_column": errors.MissingColumnError,
    "invalid_cursor": errors.InvalidCursorError,
    "provider_not_connected": errors.ProviderNotConnectedError,
    "invalid_token": errors.AuthenticationError,
    "insufficient_scope": errors.InsufficientScopeError,
    "list_cap_reached": errors.PermissionDeniedError,
    "list_protected": errors.PermissionDeniedError,
    "feature_gated": errors.PermissionDeniedError,
    "not_found": errors.NotFoundError,
    "list_not_found": errors.ListNotFoundError,
    "task_not_found": errors.TaskNotFoundError,
    "folder_not_found": errors.FolderNotFoundError,
    "version_deprecated": errors.VersionDeprecatedError,
    "rate_limited": errors.RateLimitError,
    "feature_not_available": errors.FeatureNotAvailableError,
    "not_enabled": errors.NotEnabledError,
    "filters_unavailable": errors.FiltersUnavailableError,
    "internal_error": errors.InternalServerError,
    "workflow_timeout": errors.WorkflowTimeoutError,
}

BY_STATUS: Final[dict[int, tuple[type[errors.APIError], str]]] = {
    400: (errors.BadRequestError, "bad_request"),
    401: (errors.AuthenticationError, "invalid_token"),
    402: (errors.InsufficientCreditsError, "insufficient_credits"),
    403: (errors.PermissionDeniedError, "permission_denied"),
    404: (errors.NotFoundError, "not_found"),
    409: (errors.ConflictError, "conflict"),
    410: (errors.VersionDeprecatedError, "version_deprecated"),
    413: (errors.PayloadTooLargeError, "payload_too_large"),
    422: (errors.RequestValidationError, "validation_error"),
    429: (errors.RateLimitError, "rate_limited"),
    500: (errors.InternalServerError, "internal_error"),
    501: (errors.FeatureNotAvailableError, "feature_not_available"),
    503: (errors.ServiceUnavailableError, "service_unavailable"),
    504: (errors.WorkflowTimeoutError, "workflow_timeout"),
}
"""Class and derived code of each status, for bodies of the API without a code."""

BARE: Final[dict[int, type[errors.APIError]]] = {
    413: errors.PayloadTooLargeError,
    429: errors.RateLimitError,
    503: errors.ServiceUnavailableError,
}
"""What a status says whoever sent it; a gateway's 403 says nothing about a plan."""

BARE_FIX: Final = (
    "This answer is not Cleanlist's: it came from a gateway or proxy in between, or base_url is wrong."
)

_ESTIMATE: Final = "Request a new quote for exactly this call, and redeem it within five minutes."
_FROM_AN_ANSWER: Final = (
    "Take the id from an earlier answer; resources of other organizations count as absent."
)
_SWITCHED_OFF: Final = (
    "Nothing is wrong with the call, and repeating it does not help: ask support when it comes back."
)
_SUPPORT: Final = "Try again later; if it persists, contact support with the request id."

FIXES: Final[dict[str, str]] = {
    "validation_error": "Correct the fields that are named; the whole request was refused.",
    "insufficient_credits": "Top up in the portal under Settings, Billing; failed enrichments cost nothing.",
    "spend_cap_exceeded": f"The call would cost more than its quote allows. {_ESTIMATE}",
    "approval_required": "Reduce the scope of the call, or approve it in the portal.",
    **dict.fromkeys(
        ("estimate_token_mismatch", "quote_expired", "quote_invalid", "quote_mismatch", "quote_required"),
        _ESTIMATE,
    ),
    "invalid_filter_id": "List the saved filters, and use the id of one of them.",
    "field_mapping_required": "Map the fields of the CRM or sequencer first, in the portal.",
    "missing_column": "Name a header that is in the file.",
    "invalid_cursor": "Start again from the first page.",
    "provider_not_connected": "Connect the CRM or sequencer in the portal under Settings, Integrations.",
    "invalid_token": "Check the API key: it may be revoked or expired; make a new one in the portal.",
    "permission_denied": "The plan or the key has no access to this; API access needs Pro or higher.",
    "list_cap_reached": "Delete lists that are not needed, or ask for a higher cap.",
    "list_protected": "Use another list: this one cannot be changed.",
    "feature_gated": "The plan does not include this; see the portal under Settings, Billing.",
    "insufficient_scope": "Use a key of a user who has the scope that this call needs.",
    **dict.fromkeys(("not_found", "list_not_found", "task_not_found", "folder_not_found"), _FROM_AN_ANSWER),
    "rate_limited": "Another program may use this key or organization: share one limiter between them.",
    "version_deprecated": 'Upgrade this package, or pass api_version="v2".',
    "feature_not_available": "This server does not have it: do without it, or ask support. Repeating the call"
    " does not help.",
    "not_enabled": _SWITCHED_OFF,
    "filters_unavailable": "Try again in a minute.",
    "service_unavailable": "Try again in a minute.",
    "internal_error": f"{_SUPPORT} Without one, the portal's API request log has it.",
    "workflow_timeout": "The work may still end: ask for its status before you start it again.",
}
"""What to do, by code, for bodies that do not say."""

WARNINGS: Final[dict[str, str]] = {
    "quote_already_redeemed": "An earlier call may have bought with it: look before you estimate again.",
}
"""What to do, by code, even if the body has a fix: the API's own "estimate again" could buy twice."""

STALE: Final = (
    errors.QuoteExpiredError,
    errors.QuoteMismatchError,
    errors.EstimateTokenMismatchError,
    errors.SpendCapExceededError,
)
"""Refusals that cost nothing: the price changed, or the list that it is for."""

_NOT_TAKEN: Final = frozenset({301, 307, 308, 429})
"""Statuses that ask for the same request later, or at another address. 302 and 303 may follow the work."""
_UNCLEAR_CODES: Final = frozenset({"internal_error", "workflow_timeout", "filters_unavailable"})
"""The API can give them at any point of its work."""
_REDEEMED: Final = "quote_already_redeemed"
_OWN_STATUSES: Final[Mapping[str, frozenset[int]]] = {
    **{code: frozenset({409}) for code, kind in BY_CODE.items() if issubclass(kind, errors.QuoteError)},
    "version_deprecated": frozenset({410}),
    "feature_not_available": frozenset({501}),
    "not_enabled": frozenset({503}),
}
"""The statuses that fit a code beside those of every refusal: a stale quote is "400 or 409"."""
# For ``detail`` those of docs.cleanlist.ai/api-reference/errors. 413 is a refusal also from a gateway: a body
# that was too large for it never reached the API.
_REFUSING_STATUSES: Final[Mapping[errors.Envelope, frozenset[int]]] = {
    "error": frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422}),
    "detail": frozenset({400, 401, 402, 403, 404, 413, 422}),
    "none": frozenset({413}),
}


def docs_url(code: str) -> str | None:
    """Return the page of a documented code (docs.cleanlist.ai/mcp-api/errors), None for any other."""
    return f"https://docs.cleanlist.ai/errors/{code.replace('_', '-')}" if code in BY_CODE else None


class Proof(Enum):
    """What is known about a call that got no usable answer."""

    NOT_SENT = "not a byte left"
    REFUSED = "the server said that it did not accept"
    NONE = "it may have been processed"


def proof_of(*, sent: bool, error: errors.APIError | None, lost: bool = False) -> Proof:
    """Classify a failed attempt by whether it was sent and by the server's answer, if any.

    *lost*: an earlier attempt of the same call may have been processed, and may have redeemed its quote.
    """
    if not sent:
        return Proof.NOT_SENT
    # The quote may have been redeemed by our own lost attempt.
    if error is None or (lost and error.code == _REDEEMED):
        return Proof.NONE
    return Proof.REFUSED if _is_refusal(error) else Proof.NONE


def _is_refusal(error: errors.APIError) -> bool:
    if error.code.casefold() in _UNCLEAR_CODES:  # before the status: not even a 429 with such a code is proof
        return False
    statuses = _REFUSING_STATUSES[error.envelope]
    if error.envelope == "error" and error.code in BY_CODE:  # a documented code means that it was not taken
        return error.status in statuses | _OWN_STATUSES.get(error.code, frozenset()) | _NOT_TAKEN
    if error.is_cut:
        return False
    if error.status in _NOT_TAKEN or (isinstance(error, errors.RedirectedError) and error.is_elsewhere):
        return True
    # A code that we do not know, or none: a server that calls it retryable does not say that it refused.
    return error.status in statuses and not error.retryable

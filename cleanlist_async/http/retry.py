"""What a failed attempt proves, and how long to wait before another. Pure: `rng` is an argument.

The money rule: a paid call that has no key of its own is sent again only on proof that the server did
not accept it. These answers are such a refusal; any other, and none at all, proves nothing:

========  =====================================  =====================================================
envelope  code                                   status
========  =====================================  =====================================================
any       not unclear                            301, 307, 308, 429
error     one of `REFUSING_CODES`                400, 401, 402, 403, 404, 405, 413, 415, 422, its own
error     unknown, without ``retryable: true``   400, 401, 402, 403, 404, 405, 413, 415, 422
detail    not unclear, nor ``retryable: true``   400, 401, 402, 403, 404, 413, 422
none      not unclear, nor ``retryable: true``   413
any       not unclear                            other 3xx to another server, or to the same path
========  =====================================  =====================================================

Unclear are ``internal_error``, ``workflow_timeout`` and ``filters_unavailable``: the API can give them at any
point of its work. ``quote_already_redeemed`` is a refusal unless an earlier attempt of the call was lost. Of
a body that broke off or was too large only a refusing code counts: the rest may say ``retryable: true``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from random import Random
from typing import Final, Literal, TypeAlias

from cleanlist_async import facts
from cleanlist_async.errors import APIError, Envelope, RedirectedError

RetrySafety: TypeAlias = Literal["safe", "conditional", "never"]
"""``safe``: reads, and free changes that have the same effect when repeated. ``conditional``: may carry a
quote or an idempotency key, and is safe when it does. ``never``: paid, no key."""

_TOO_MANY_REQUESTS: Final = 429
_NOT_TAKEN: Final = frozenset({301, 307, 308, _TOO_MANY_REQUESTS})
"""Statuses that ask for the same request later, or at another address. 302 and 303 may follow the work."""
_UNCLEAR_CODES: Final = frozenset({"internal_error", "workflow_timeout", "filters_unavailable"})
_REDEEMED: Final = "quote_already_redeemed"
_QUOTE_CODES: Final = (
    "quote_expired",
    "quote_invalid",
    "quote_mismatch",
    "quote_required",
    "estimate_token_mismatch",
    _REDEEMED,
)
REFUSING_CODES: Final[Mapping[str, frozenset[int]]] = {
    **dict.fromkeys(
        (
            "validation_error",
            "insufficient_credits",
            "spend_cap_exceeded",
            "approval_required",
            "invalid_filter_id",
            "field_mapping_required",
            "missing_column",
            "invalid_cursor",
            "provider_not_connected",
            "invalid_token",
            "insufficient_scope",
            "feature_gated",
            "list_cap_reached",
            "list_protected",
            "not_found",
            "list_not_found",
            "task_not_found",
            "folder_not_found",
            "rate_limited",
        ),
        frozenset[int](),
    ),
    **dict.fromkeys(_QUOTE_CODES, frozenset({409})),
    "version_deprecated": frozenset({410}),
    "feature_not_available": frozenset({501}),
    "not_enabled": frozenset({503}),
}
"""The codes of docs.cleanlist.ai/mcp-api/errors that mean that a request was not taken.

Each with the statuses that fit it beside those of every refusal: a stale quote is "400 or 409".
"""
# For ``detail`` those of docs.cleanlist.ai/api-reference/errors. 413 is a refusal also from a gateway: a body
# that was too large for it never reached the API.
_REFUSING_STATUSES: Final[Mapping[Envelope, frozenset[int]]] = {
    "error": frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422}),
    "detail": frozenset({400, 401, 402, 403, 404, 413, 422}),
    "none": frozenset({413}),
}


class Proof(Enum):
    """What is known about a call that got no usable answer."""

    NOT_SENT = "not a byte left"
    REFUSED = "the server said that it did not accept"
    NONE = "it may have been processed"


def proof_of(*, sent: bool, error: APIError | None, lost: bool = False) -> Proof:
    """Classify a failed attempt by whether it was sent and by the server's answer, if any.

    *lost*: an earlier attempt of the same call may have been processed, and may have redeemed its quote.
    """
    if not sent:
        return Proof.NOT_SENT
    # The quote may have been redeemed by our own lost attempt.
    if error is None or (lost and error.code == _REDEEMED):
        return Proof.NONE
    return Proof.REFUSED if _is_refusal(error) else Proof.NONE


def _is_refusal(error: APIError) -> bool:
    if error.code.casefold() in _UNCLEAR_CODES:  # before the status: not even a 429 with such a code is proof
        return False
    statuses = _REFUSING_STATUSES[error.envelope]
    if error.envelope == "error" and (own := REFUSING_CODES.get(error.code)) is not None:
        return error.status in statuses | own | _NOT_TAKEN
    if error.is_cut:
        return False
    if error.status in _NOT_TAKEN or (isinstance(error, RedirectedError) and error.is_elsewhere):
        return True
    # A code that we do not know, or none: a server that calls it retryable does not say that it refused.
    return error.status in statuses and not error.retryable


def backoff_s(attempt: int, rng: Random, asked_s: float | None = None) -> float:
    """Return the seconds to wait before attempt number *attempt* + 1, counted from 0.

    Exponential with jitter. Where the server asked for a wait, the jitter is added to it, so that
    no client comes early, and not all come at once.
    """
    # The exponent is bounded, since 2.0 ** 1024 overflows; the longest step is reached long before.
    step = min(facts.LONGEST_BACKOFF_S, facts.FIRST_BACKOFF_S * 2.0 ** min(attempt, 16))
    if asked_s is None:
        return rng.uniform(step / 4, step)
    return asked_s + rng.uniform(0.0, min(step, 1.0))


class RetryQuota:
    """Stops a client from retrying its way through an outage: each retry costs, each success refunds."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = facts.RETRY_QUOTA

    def spend(self) -> bool:
        """Pay for one retry; False when there is nothing left to pay with."""
        if self.left < facts.RETRY_COST:
            return False
        self.left -= facts.RETRY_COST
        return True

    def refund(self) -> None:
        """Credit one successful call."""
        self.left = min(facts.RETRY_QUOTA, self.left + 1)

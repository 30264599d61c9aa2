"""What an attempt proves, whether to try again, and how long to wait. Pure: `rng` is an argument.

The money rule: a paid call that has no key of its own is sent again only on proof that the server did
not accept it. A 5xx is no proof, nor is a lost connection, nor a login page of some proxy.
"""

from __future__ import annotations

from enum import Enum
from random import Random
from typing import Final, Literal, TypeAlias

from cleanlist_async import facts
from cleanlist_async.errors import APIError

RetrySafety: TypeAlias = Literal["safe", "conditional", "never"]
"""``safe``: reads, and free changes that come to the same when repeated. ``conditional``: may carry a quote
or an idempotency key, and is safe when it does. ``never``: paid, no key."""

_REFUSALS: Final = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422})
_REFUSING_CODES: Final = frozenset(
    {
        "quote_expired",
        "quote_invalid",
        "quote_mismatch",
        "quote_required",
        "estimate_token_mismatch",
        "spend_cap_exceeded",
        "approval_required",
        "insufficient_credits",
        "version_deprecated",
        "feature_not_available",
        "not_enabled",
    }
)
"""What the API says before it does anything, with whatever status: a stale quote is "400 or 409"."""
_REFUSALS_OF_GATEWAYS: Final = frozenset({413, 429})


class Proof(Enum):
    """What is known of a call that got no usable answer."""

    NOT_SENT = "not a byte left"
    REFUSED = "the server said that it did not accept"
    NONE = "it may have been processed"


def proof_of(*, sent: bool, error: APIError | None) -> Proof:
    """Classify a failed attempt by what left and by what the server answered, if it did."""
    if not sent:
        return Proof.NOT_SENT
    if error is None or error.status is None or error.code == "quote_already_redeemed":
        return Proof.NONE
    refused = error.status in _REFUSALS_OF_GATEWAYS
    refused |= error.envelope != "none" and error.status in _REFUSALS
    refused |= error.status >= 400 and error.envelope == "error" and error.code in _REFUSING_CODES
    return Proof.REFUSED if refused else Proof.NONE


def backoff_s(attempt: int, rng: Random, asked_s: float | None = None) -> float:
    """Return the seconds before attempt number *attempt* + 1, counted from 0.

    Exponential with full jitter. Where the server asked for a wait, the jitter is added to it, so that
    we never come early and never all at once.
    """
    step = min(facts.LONGEST_BACKOFF_S, facts.FIRST_BACKOFF_S * 2.0 ** min(attempt, 16))
    if asked_s is None:
        return rng.uniform(step / 4, step)
    return asked_s + rng.uniform(0.0, min(step, 1.0))


def pause_s(rejections: int, rng: Random, asked_s: float | None) -> float:
    """Return for how many seconds a 429 stops a bucket; *rejections* counts those in a row, from 1.

    Without a word from the server (the ``detail`` form of the 429): 2^n seconds
    (docs.cleanlist.ai/api-reference/errors, "Recommended retry strategy").
    """
    if asked_s is not None:
        return asked_s + facts.MARGIN_S + rng.uniform(0.0, 0.25)
    step = min(facts.LONGEST_429_BACKOFF_S, facts.LEGACY_429_BACKOFF_S ** min(max(rejections, 1), 8))
    return step + rng.uniform(0.0, 0.5)


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

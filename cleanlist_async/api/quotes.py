"""Buying at a known price: estimate, check, redeem (docs.cleanlist.ai/mcp-api/credits)."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from cleanlist_async.api.models.base import Number
from cleanlist_async.api.models.workspace import Quote
from cleanlist_async.checks import check_credits, covers, optional
from cleanlist_async.errors import (
    BudgetExceededError,
    ConfigurationError,
    EstimateTokenMismatchError,
    InsufficientCreditsError,
    QuoteExpiredError,
    QuoteMismatchError,
    SpendCapExceededError,
)

T = TypeVar("T")

STALE: Final = (QuoteExpiredError, QuoteMismatchError, EstimateTokenMismatchError, SpendCapExceededError)
"""Refusals that cost nothing: the price changed, or the list that it is for."""


async def buy(
    estimate: Callable[[], Awaitable[Quote]],
    redeem: Callable[[str, float | None], Awaitable[T]],
    *,
    quote_id: str | Quote | None,
    max_credits: float | None,
) -> T:
    """Redeem *quote_id*, or else a fresh quote of at most *max_credits* credits.

    *redeem* is called with the id of the quote and its price, None where only the id is known. A Quote object
    is first compared with the balance. A fresh quote that goes stale before it is redeemed is replaced once,
    within the same `max_credits`.

    Raises ConfigurationError without either, or with both; InsufficientCreditsError when the balance does not
    cover the price; BudgetExceededError when `max_credits` does not. Nothing was bought then.
    """
    check_price_is_known(quote_id, max_credits)
    if isinstance(quote_id, Quote):
        # Without a limit: the caller has seen this price, so only the balance is in question.
        return await redeem(affordable(quote_id, math.inf), quote_id.estimated_cost)
    if quote_id is not None:
        return await redeem(quote_id, None)
    assert max_credits is not None  # noqa: S101  # see check_price_is_known
    quote = await estimate()
    # Only once more: a list that keeps changing would be estimated for ever.
    try:
        return await redeem(affordable(quote, max_credits), quote.estimated_cost)
    except STALE:
        quote = await estimate()
        return await redeem(affordable(quote, max_credits), quote.estimated_cost)


def check_price_is_known(quote_id: str | Quote | None, max_credits: float | None) -> None:
    """Raise ConfigurationError unless exactly one of the two bounds the price."""
    if (quote_id is None) == (max_credits is None):
        raise ConfigurationError(
            "This spends credits: give quote_id or max_credits, and not both.",
            fix="With max_credits, the client requests the price, and buys if it is within that budget.",
        )
    optional(check_credits, "max_credits", max_credits)


def check_price(cost: float | None, max_credits: float | None) -> None:
    """Raise BudgetExceededError where a documented price, at most *cost* credits, exceeds *max_credits*."""
    if max_credits is None:
        return
    check_credits("max_credits", max_credits)
    if cost is None or not covers(max_credits, cost):  # without a known price, no budget can hold
        raise _over_budget(cost, max_credits, "call can cost")


def affordable(quote: Quote, max_credits: float) -> str:
    """Return the id of a quote that may be redeemed.

    Raises BudgetExceededError when `max_credits` does not cover it, InsufficientCreditsError when the balance
    does not.
    """
    cost, available = quote.estimated_cost, quote.available_credits
    if cost is None or not covers(max_credits, cost):
        raise _over_budget(cost, max_credits)
    # None means that the server did not say; it checks when the quote is redeemed.
    if quote.sufficient is False:
        error = InsufficientCreditsError(
            f"The call would cost {cost:g} credits, which the balance does not cover.",
            code="insufficient_credits",
            fix="Top up in the portal under Settings, Billing; nothing was bought.",
        )
        error.estimated_cost_credits, error.available_credits = cost, available
        error.shortfall_credits = None if available is None else max(0, cost - available)
        raise error
    return quote.quote_id


def _over_budget(cost: Number | None, max_credits: float, what: str = "quote is for") -> BudgetExceededError:
    subject = "quote has no price" if cost is None else f"{what} {cost:g} credits"
    error = BudgetExceededError(
        f"The {subject}, but max_credits is {max_credits:g}.", fix="Nothing was bought."
    )
    error.max_credits, error.committed_credits = max_credits, 0
    return error

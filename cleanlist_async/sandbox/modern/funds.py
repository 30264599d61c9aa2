"""Paying for a call: its quote and its credits in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cleanlist_async.sandbox.auth import Caller

    from .purchases import Purchase
    from .quotes import Quotes
    from .reservations import Credits, Reservation


class Funds:
    """Either a call is paid for, or nothing was used up."""

    def __init__(self, quotes: Quotes, credits_: Credits) -> None:
        self._quotes = quotes
        self._credits = credits_

    def hold(
        self, caller: Caller, purchase: Purchase, quote_id: str | None, *, needs_quote: bool
    ) -> Reservation:
        """Redeem the quote, if one is given or needed, and hold what the purchase costs at most.

        Raises RefusedError for the quote or too few credits.
        """
        tool, binding, rows, cost = purchase
        quoted = quote_id is not None or needs_quote
        if quoted:
            self._quotes.check(caller, quote_id, tool, binding, row_count=rows, cost=cost)
        # Between check and redeem: with too few credits the quote stays good for after a top-up.
        reservation = self._credits.reserve(cost, tool)
        if quoted:
            self._quotes.redeem(caller, quote_id, tool, binding, row_count=rows, cost=cost)
        return reservation

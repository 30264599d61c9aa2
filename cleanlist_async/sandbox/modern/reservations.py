"""Credits held for a call and settled when its result is known (docs.cleanlist.ai/mcp-api/credits).

`Funds` holds them and redeems the quote in one step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .refusals import refused

if TYPE_CHECKING:
    from cleanlist_async.sandbox.auth import Caller
    from cleanlist_async.sandbox.prices import Account

    from .purchases import Purchase
    from .quotes import Quotes


@dataclass(slots=True)
class Reservation:
    """Credits held for one call."""

    amount: int
    tool: str
    _account: Account = field(repr=False)
    charged: int | None = None
    """Credits taken; None until it is settled."""

    @property
    def refunded(self) -> int | None:
        """Credits given back; None until it is settled."""
        return None if self.charged is None else self.amount - self.charged

    def settle(self, charged: int) -> None:
        """Take ``charged`` credits, at most what is held, and give back the rest; only the first time."""
        if self.charged is None:
            # Never more than was agreed to.
            self.charged = min(charged, self.amount)
            self._account.charge(self.charged, reserved=self.amount, tool=self.tool)


class Credits:
    """The organization's credits, in whole ones as the modern surface shows them."""

    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def balance(self) -> int:
        """Credits there are, held ones included."""
        return math.floor(self._account.balance)

    @property
    def available(self) -> int:
        """Credits that a new call can count on."""
        # Rounded down: a fraction of a credit cannot be promised to a call that costs a whole one.
        return math.floor(self._account.available)

    def reserve(self, amount: int, tool: str = "") -> Reservation:
        """Hold credits; ``tool`` names the purchase in the ledger.

        Raises RefusedError 400 insufficient_credits, if there are fewer.
        """
        available = self.available
        if amount > available:
            raise refused(
                "insufficient_credits",
                f"This call requires {amount} credits; organization has {available}.",
                estimated_cost_credits=amount,
                available_credits=available,
                shortfall_credits=amount - available,
            )
        self._account.reserve(amount)
        return Reservation(amount, tool, self._account)


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

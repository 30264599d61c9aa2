"""Prices in credits, and the organization's balance (docs.cleanlist.ai/api-reference/credits)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .ledger import Ledger

EMAIL_CREDITS: Final = 1.0
PHONE_CREDITS: Final = 10.0
FULL_CREDITS: Final = 11.0
DISCOVERED_CREDITS: Final = 1.0

WORST_CASE: Final[dict[str, float]] = {
    "none": 0.0,
    "partial": EMAIL_CREDITS,
    "phone_only": PHONE_CREDITS,
    "full": FULL_CREDITS,
    "prospecting_only": DISCOVERED_CREDITS,
}
"""Credits that one contact costs at most."""


def price_of(
    enrichment_type: str, *, emails: int, phones: int, discovered: int, half_full_price: str
) -> float:
    """Return the credits that one contact's result costs. Nothing found costs nothing."""
    # No page gives the price of a full result of which one half was found.
    if enrichment_type == "full" and half_full_price == "full" and (emails or phones):
        return FULL_CREDITS
    return emails * EMAIL_CREDITS + phones * PHONE_CREDITS + discovered * DISCOVERED_CREDITS


class Account:
    """The organization's credits: what it has, and what running workflows may still take of it."""

    def __init__(self, balance: float, ledger: Ledger) -> None:
        self.balance = balance
        self._reserved = 0.0
        self._ledger = ledger

    @property
    def available(self) -> float:
        """Credits that a new request can count on."""
        return self.balance - self._reserved

    def reserve(self, credits_: float) -> bool:
        """Hold credits for a workflow; False, and nothing held, if there are not enough."""
        if credits_ > self.available:
            return False
        self._reserved += credits_
        return True

    def charge(self, credits_: float, *, reserved: float, tool: str = "enrich_bulk") -> None:
        """Take credits for a purchase, and release what was held for it."""
        self.balance -= credits_
        self._reserved -= reserved
        self._ledger.charge(tool, credits_)

"""Credits set aside before they can be spent. Pure."""

from __future__ import annotations

from cleanlist_async import facts
from cleanlist_async.checks import check_credits, optional
from cleanlist_async.errors import BudgetExceededError, ConfigurationError
from cleanlist_async.facts import EnrichmentType


class RunBudget:
    """A limit of credits that is never passed: reserve the worst case, then settle what it really cost.

    Parameters
    ----------
    max_credits
        The limit, in credits; None for none.
    enrichment_type
        Gives the worst case of one contact (docs.cleanlist.ai/api-reference/enrichment-types).

    """

    __slots__ = ("max_credits", "per_contact", "reserved", "spent")

    def __init__(self, max_credits: float | None, enrichment_type: EnrichmentType) -> None:
        worst_case = facts.WORST_CASE_CREDITS.get(enrichment_type)
        if max_credits is not None and worst_case is None:
            raise ConfigurationError(
                f"max_credits cannot bound {enrichment_type!r}, which costs a credit per discovered contact.",
                fix="Leave max_credits out, or choose another enrichment_type.",
            )
        optional(check_credits, "max_credits", max_credits)
        self.max_credits = max_credits
        self.per_contact = worst_case or 0
        self.reserved = 0.0
        self.spent = 0.0

    def affordable(self, contacts: int) -> int:
        """Return how many of *contacts* still fit, each at its worst case."""
        if self.max_credits is None or not self.per_contact:
            return contacts
        left = self.max_credits - self.reserved - self.spent
        return min(contacts, _covered(left, self.per_contact))

    def reserve(self, contacts: int) -> None:
        """Set the worst case of *contacts* aside."""
        self.reserved += contacts * self.per_contact

    def settle(self, contacts: int, spent: float = 0.0) -> None:
        """Give the reservation of *contacts* back, less the credits that they did cost."""
        self.reserved -= contacts * self.per_contact
        self.spent += spent

    def exceeded(self) -> BudgetExceededError:
        """Return the error for a contact that does not fit any more."""
        return BudgetExceededError.of_limit(self.max_credits, self.spent + self.reserved, self.per_contact)


def contacts_within(error: BudgetExceededError, enrichment_type: EnrichmentType) -> int:
    """Return how many contacts still fit into the budget that a request did not fit into."""
    price = facts.WORST_CASE_CREDITS.get(enrichment_type)
    if not price or error.max_credits is None or error.committed_credits is None:
        return 0
    return _covered(error.max_credits - error.committed_credits, price)


def _covered(left: float, price: float) -> int:
    """Return how many contacts of a price the credits that are left cover, whatever was lost to rounding."""
    return max(0, int((left + facts.ROUNDING_CREDITS) // price))

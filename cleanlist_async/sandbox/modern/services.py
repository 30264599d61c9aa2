"""What the operations share. One object, built in ``assembly.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cleanlist_async.sandbox.ledger import Ledger
    from cleanlist_async.sandbox.options import Options

    from .agenda import Agenda
    from .cohorts import Cohorts
    from .moments import Moments
    from .quotes import Quotes
    from .reservations import Credits, Funds
    from .runs import Runs
    from .scopes import Scopes
    from .store import LeadLists


@dataclass(frozen=True, slots=True)
class Services:
    """State and rules behind every operation."""

    options: Options
    moments: Moments
    agenda: Agenda
    """Brought up to the clock before each modern operation, and whenever the ledger is read."""
    credits: Credits
    quotes: Quotes
    funds: Funds
    """Quotes and credits in one step."""
    scopes: Scopes
    ledger: Ledger
    lists: LeadLists
    cohorts: Cohorts
    runs: Runs
    base_url: Callable[[], str]
    """Scheme and host under which the sandbox is reached."""

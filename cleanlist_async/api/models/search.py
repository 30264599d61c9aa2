"""Answers of the searches. Provisional: no published specification contains them."""

from __future__ import annotations

from typing import ClassVar

from cleanlist_async.api.models.base import Envelope, ModernAnswer, Number
from cleanlist_async.api.models.enrichment import Company


class PersonFound(ModernAnswer):
    """A person of the search database. ``lead_id`` is a number of that database, as text."""

    lead_id: str = ""
    full_name: str | None = None
    """The whole name."""


class _SearchPage(Envelope):
    """One page of results. ``task_id`` is their cohort, for `enrich_by_task` and `add_leads_to_list`."""

    known_by: ClassVar = ("results",)
    essential: ClassVar = ("results",)

    total: int = 0
    """Matches on all pages."""
    cursor: str | None = None
    """Where the next page begins; None on the last."""
    truncation_warning: str | None = None
    """Why not all matches can be had, if so."""
    credits_charged: Number | None = None
    """Credits charged for the page."""


class PeoplePage(_SearchPage):
    """People that match."""

    results: tuple[PersonFound, ...] = ()
    """The people of this page."""


class CompaniesPage(_SearchPage):
    """Companies that match."""

    results: tuple[Company, ...] = ()
    """The companies of this page."""

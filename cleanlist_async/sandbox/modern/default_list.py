"""The protected list into which the Public API's results go (docs.cleanlist.ai/api-reference/lead-lists)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .findings import find
from .store import Lead

if TYPE_CHECKING:
    from cleanlist_async.sandbox.ledger import AcceptedContact

    from .services import Services


class DefaultList:
    """Made with the first contact; filled, when somebody may look, with those that have finished."""

    def __init__(self, services: Services, list_id: str) -> None:
        self._services = services
        self._list_id = list_id
        self._seen = 0
        self._unfinished: list[AcceptedContact] = []

    def fill(self) -> None:
        """Add the contacts whose enrichment has finished since the last time."""
        contacts = self._services.ledger.contacts
        # Only what came since the last look, so a look stays cheap however long the ledger grows.
        # The ledger also holds leads of modern runs, which go into lists of their own.
        new = [one for one in contacts[self._seen :] if one.workflow_id.startswith("public_bulk_")]
        self._seen = len(contacts)
        if new:
            # The API makes the list on demand, not with the account.
            self._services.lists.protected(self._list_id)
        finished = [one for one in self._unfinished + new if one.charged_at is not None]
        self._unfinished = [one for one in self._unfinished + new if one.charged_at is None]
        if finished:
            self._services.lists.add(self._list_id, map(self._lead, finished))

    def _lead(self, accepted: AcceptedContact) -> Lead:
        known = cast("dict[str, str | None]", accepted.contact)
        lead = Lead(
            # The id by which nested rows of the Public API name this lead.
            f"lead_{accepted.task_id}",
            first_name=known.get("first_name"),
            last_name=known.get("last_name"),
            email=known.get("email"),
            company=known.get("company_name"),
            domain=known.get("company_domain"),
            linkedin_url=known.get("linkedin_url"),
        )
        find(lead, accepted.contact, accepted.enrichment_type, self._services.options).write()
        return lead

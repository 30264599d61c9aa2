"""Lead lists, leads and cohorts, in memory. A lead lives apart from the lists that it is in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from cleanlist_async.sandbox.clock import Moments
from cleanlist_async.sandbox.gate import Caller
from cleanlist_async.sandbox.options import seeded_uuid
from cleanlist_async.sandbox.responses import refused

FOLDERS: Final = ("folder_inbound", "folder_outbound")
"""The folders there are; folders have no operations of their own here."""
PROTECTED_NAME: Final = "Extension Leads"  # older pages call it DEFAULT

EntityKind: TypeAlias = Literal["person", "company"]
COHORT_TTL_S: Final = 3600.0


@dataclass(slots=True)
class Lead:
    """A person in lists. What is not known is None."""

    lead_id: str = ""
    """Empty until it is kept."""
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    title: str | None = None
    company: str | None = None
    domain: str | None = None
    location: str | None = None
    linkedin_url: str | None = None
    provider: str | None = None
    """Where enriched values came from."""
    enriched: bool = False
    """An enrichment found something."""
    agents: dict[str, object] = field(default_factory=dict[str, object])
    """Columns that smart agents wrote, by name."""

    @property
    def full_name(self) -> str | None:
        """First and last name."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or None

    def contact(self) -> dict[str, object]:
        """Return its identity, in the fields of :class:`~cleanlist_async.contacts.contact.Contact`.

        The e-mail counts for somebody without a name or profile only: what an enrichment finds does not
        make a lead another person.
        """
        known: dict[str, object] = {
            "linkedin_url": self.linkedin_url,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "company_name": self.company,
            "company_domain": self.domain,
        }
        named = self.linkedin_url or (self.first_name and self.last_name)
        return known if named else known | {"email": self.email}


@dataclass(slots=True)
class LeadList:
    """A list of leads."""

    list_id: str
    name: str
    owner: str | None
    """User id; None for the organization's own."""
    created_at: str
    """UTC, ISO 8601."""
    description: str | None = None
    folder_id: str | None = None
    visibility: str = "private"
    is_protected: bool = False
    lead_ids: dict[str, None] = field(default_factory=dict[str, None])
    """An ordered set."""

    def readable_by(self, caller: Caller) -> bool:
        """Return whether a caller may see it."""
        return self.visibility != "private" or self.owner == caller.user_id


class LeadLists:
    """Every list and every lead there is."""

    def __init__(self, seed: int, moments: Moments) -> None:
        self._seed = seed
        self._moments = moments
        self._lists: dict[str, LeadList] = {}
        self._leads: dict[str, Lead] = {}
        self._created = 0

    # -- lists -----------------------------------------------------------------------------------

    def create(
        self, name: str, description: str | None, folder_id: str | None, owner: str
    ) -> tuple[LeadList, bool]:
        """Return the owner's list of that name, whatever its case, and True; else a new one and False.

        Raises RefusedError 404 folder_not_found.
        """
        for lead_list in self._lists.values():
            # Other users' lists of that name are never reused, even where the caller may see them.
            if lead_list.owner == owner and lead_list.name.casefold() == name.casefold():
                return lead_list, True
        check_folder(folder_id)
        self._created += 1
        list_id = seeded_uuid(self._seed, "list", self._created)
        created_at = self._moments.iso()
        lead_list = LeadList(list_id, name, owner, created_at, description, folder_id)
        self._lists[list_id] = lead_list
        return lead_list, False

    def protected(self, list_id: str) -> LeadList:
        """Return the list into which the Public API's results go, made when it is first asked for."""
        made = LeadList(
            list_id, PROTECTED_NAME, None, self._moments.iso(), visibility="organization", is_protected=True
        )
        return self._lists.setdefault(list_id, made)

    def get(self, list_id: str, caller: Caller) -> LeadList:
        """Return a list. Raises RefusedError 404 list_not_found, also where the caller may not see it."""
        lead_list = self._lists.get(list_id)
        if lead_list is None or not lead_list.readable_by(caller):
            raise refused("list_not_found")
        return lead_list

    def own(self, list_id: str, caller: Caller) -> LeadList:
        """Return a list that the caller may change.

        Raises RefusedError 403 list_protected, or 404 list_not_found for somebody else's.
        """
        lead_list = self.get(list_id, caller)
        # 403 here, because everybody can see this list; 404 hides the lists of others.
        if lead_list.is_protected:
            raise refused("list_protected")
        if lead_list.owner != caller.user_id:
            raise refused("list_not_found")
        return lead_list

    def readable(self, caller: Caller, folder_id: str | None = None) -> list[LeadList]:
        """Return the lists that a caller may see, the oldest first."""
        return [
            lead_list
            for lead_list in self._lists.values()
            if lead_list.readable_by(caller) and folder_id in {None, lead_list.folder_id}
        ]

    def delete(self, list_id: str) -> None:
        """Remove a list; its leads are kept."""
        self._lists.pop(list_id, None)

    # -- leads -----------------------------------------------------------------------------------

    @property
    def lead_total(self) -> int:
        """Number of leads there are."""
        return len(self._leads)

    def new_lead(self, lead: Lead) -> Lead:
        """Give a lead its id; it is in no list yet."""
        lead.lead_id = seeded_uuid(self._seed, "lead", self.lead_total)
        return self.keep(lead)

    def keep(self, lead: Lead) -> Lead:
        """Return the existing lead of that id, or else keep this one."""
        return self._leads.setdefault(lead.lead_id, lead)

    def lead(self, lead_id: str) -> Lead | None:
        """Return a lead; None for an unknown one."""
        return self._leads.get(lead_id)

    def leads(self, list_id: str) -> list[Lead]:
        """Return the leads of a list, in the order in which they were added."""
        lead_list = self._lists.get(list_id)
        return [self._leads[lead_id] for lead_id in lead_list.lead_ids] if lead_list else []

    def add(self, list_id: str, leads: Iterable[Lead]) -> int:
        """Put leads into a list; returns how many were not there before. Raises KeyError if it is gone."""
        lead_ids = self._lists[list_id].lead_ids
        before = len(lead_ids)
        for lead in leads:
            lead_ids[self.keep(lead).lead_id] = None
        return len(lead_ids) - before

    def remove(self, list_id: str, lead_ids: Iterable[str]) -> int:
        """Take leads out of a list; returns how many were there."""
        members = self._lists[list_id].lead_ids
        # An id that is named twice is removed, and counted, once.
        present = [lead_id for lead_id in dict.fromkeys(lead_ids) if lead_id in members]
        for lead_id in present:
            del members[lead_id]
        return len(present)


def check_folder(folder_id: str | None) -> None:
    """Raise RefusedError 404 folder_not_found for a folder that does not exist."""
    if folder_id is not None and folder_id not in FOLDERS:
        raise refused("folder_not_found", f"There is no such folder; the sandbox has {', '.join(FOLDERS)}.")


@dataclass(slots=True)
class Cohort:
    """People or companies that can be enriched or added to a list together."""

    task_id: str
    kind: EntityKind
    entity_ids: tuple[str, ...]
    """Lead ids of a list's page, or numbers of the search database as text."""
    expires_at: float
    """Seconds on the sandbox's clock."""
    workflow_id: str | None = None
    """The run that was dispatched from it last."""


class Cohorts:
    """Every cohort there is."""

    def __init__(self, seed: int, moments: Moments) -> None:
        self._seed = seed
        self._moments = moments
        self._cohorts: dict[str, Cohort] = {}

    def new(self, kind: EntityKind, entity_ids: Iterable[str]) -> Cohort:
        """Return a new cohort."""
        task_id = f"cl-task_{seeded_uuid(self._seed, 'cohort', len(self._cohorts))}"
        expires_at = self._moments.now() + COHORT_TTL_S
        cohort = self._cohorts[task_id] = Cohort(task_id, kind, tuple(entity_ids), expires_at)
        return cohort

    def get(self, task_id: str) -> Cohort:
        """Return a cohort. Raises RefusedError 404 task_not_found for an unknown or expired one."""
        cohort = self._cohorts.get(task_id)
        if cohort is None or self._moments.now() >= cohort.expires_at:
            raise refused("task_not_found")
        return cohort

"""What a run would do and cost, before anything is sent or spent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from cleanlist_async import facts
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.contacts.identity import ContactLike, Prepared, prepare
from cleanlist_async.enrich.people import LookAlikes
from cleanlist_async.enrich.source import FirstSeen, each
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.ratelimit import RateLimits
from cleanlist_async.storage.store.records import Claim, Doubtful, Mine
from cleanlist_async.tables.input_options import ContactRows, Prepare

Look: TypeAlias = Callable[[Sequence[Prepared]], Awaitable[Mapping[int, Claim]]]
"""Says what a store has of contacts, by their index, and claims nothing."""

LISTED: Final = 1_000
"""Invalid and duplicate contacts that a plan lists one by one; it counts them all."""


@dataclass(slots=True)
class Plan:
    """A free dry run.

    Attributes
    ----------
    contacts, unique
        Contacts read, and how many of them are valid and different.
    known, doubtful
        Those of the unique contacts that the client's store knows: bought or on their way, so that they
        cost nothing; or in a submit of unknown outcome, which are not sent before that is decided.
    emails_known, phones_known
        Those to be bought as ``full`` whose e-mail address, or phone number, the store has: ``full`` pays it
        again. ``phone_only``, or ``partial``, would buy only what is missing.
    invalid, duplicates
        How many would be skipped, and how many are bought once with an earlier one. The first 1,000 of
        each are listed: ``invalid_contacts`` as (index, reason), ``duplicate_contacts`` as (index, first).
    requests
        Bulk requests of at most 250 contacts, plus one status request for each; in a job of mode ``exact``
        five for each submit.
    minutes
        How long the rate limit makes this take, without the time the last workflow needs.
    credits_max
        The worst case in credits; None where nothing bounds it (``prospecting_only``). The least is 0:
        what is not found costs nothing.

    """

    enrichment_type: EnrichmentType
    """What would be looked for."""
    contacts: int = 0
    unique: int = 0
    invalid: int = 0
    duplicates: int = 0
    known: int = 0
    doubtful: int = 0
    emails_known: int = 0
    phones_known: int = 0
    chunks: int = 0
    """Groups of contacts that share a bulk request."""
    minutes: float = 0.0
    credits_max: int | None = 0
    invalid_contacts: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]], repr=False)
    duplicate_contacts: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]], repr=False)
    requests_per_chunk: int = field(default=2, repr=False)
    """Requests for each of them."""

    credits_min = 0

    @property
    def to_buy(self) -> int:
        """Contacts that would be sent."""
        return self.unique - self.known - self.doubtful

    @property
    def requests(self) -> int:
        """How many requests it takes if nothing goes wrong."""
        return self.requests_per_chunk * self.chunks


class Planner:
    """Counts contacts one by one, in memory that does not depend on what they hold."""

    def __init__(
        self,
        enrichment_type: EnrichmentType,
        listed: int = LISTED,
        *,
        prepare: Prepare = prepare,
    ) -> None:
        self.plan = Plan(enrichment_type)
        self._listed = listed
        self._prepare = prepare
        self._seen = FirstSeen()
        self._chunker = Chunker(apart=LookAlikes())

    def add(self, given: ContactLike) -> Prepared | None:
        """Count the next contact; return it if it is valid and the first of its identity."""
        index = self.plan.contacts
        contact = self._prepare(index, given)
        if not isinstance(contact, Prepared):
            self.skip(index, contact.reason)
        elif (first := self._seen.setdefault(contact.identity, index)) != index:
            self.repeat(index, first)
        else:
            self.accept()
            return contact
        return None

    def accept(self, *, is_known: bool = False) -> None:
        """Count a contact that is valid and the first of its identity."""
        self.plan.contacts += 1
        self.plan.unique += 1
        self.plan.known += is_known

    def skip(self, index: int, reason: str) -> None:
        """Count a contact that is invalid."""
        self.plan.contacts += 1
        self.plan.invalid += 1
        if self.plan.invalid <= self._listed:
            self.plan.invalid_contacts.append((index, reason))

    def repeat(self, index: int, first: int) -> None:
        """Count a contact that repeats the *first*."""
        self.plan.contacts += 1
        self.plan.duplicates += 1
        if self.plan.duplicates <= self._listed:
            self.plan.duplicate_contacts.append((index, first))

    def buy(self, contact: Prepared) -> None:
        """Count a contact that would be sent."""
        self.plan.chunks += self._chunker.add(contact) is not None

    def sort(self, contacts: Sequence[Prepared], claims: Mapping[int, Claim]) -> None:
        """Count contacts of which a store was asked."""
        for contact in contacts:
            claim = claims[contact.index]
            if isinstance(claim, Mine):
                self.buy(contact)
                self.plan.emails_known += "partial" in claim.halves
                self.plan.phones_known += "phone_only" in claim.halves
            elif isinstance(claim, Doubtful):
                self.plan.doubtful += 1
            else:
                self.plan.known += 1

    def finish(self, limits: RateLimits, keys: int) -> Plan:
        """Return the plan, for *keys* keys (0 for a JWT) under *limits*."""
        plan = self.plan
        plan.chunks += len(self._chunker.rest())
        worst_case = facts.WORST_CASE_CREDITS.get(plan.enrichment_type)
        plan.credits_max = None if worst_case is None else worst_case * plan.to_buy
        plan.minutes = seconds_for(plan.requests, limits, keys) / 60
        return plan


def seconds_for(requests: int, limits: RateLimits, keys: int) -> float:
    """Return the seconds in which *requests* fit the limits, when nothing was sent before."""
    # All tokens are there at first, so as many requests go at once.
    rate = limits.per_window(keys)
    return max(0, requests - rate) / rate * limits.window_s


async def make_plan(
    contacts: ContactRows,
    enrichment_type: EnrichmentType,
    limits: RateLimits,
    keys: int,
    look: Look | None = None,
    *,
    prepare: Prepare = prepare,
) -> Plan:
    """Read all of *contacts* once, and say what enriching them would take, less what *look* knows."""
    planner = Planner(enrichment_type, prepare=prepare)
    gathered: list[Prepared] = []
    async for given in each(contacts):
        if (contact := planner.add(given)) is None:
            continue
        if look is None:
            planner.buy(contact)
            continue
        # Many at once: to ask the store is a round trip.
        gathered.append(contact)
        if len(gathered) >= facts.MAX_CONTACTS_PER_REQUEST:
            planner.sort(gathered, await look(gathered))
            gathered.clear()
    if look is not None and gathered:
        planner.sort(gathered, await look(gathered))
    return planner.finish(limits, keys)

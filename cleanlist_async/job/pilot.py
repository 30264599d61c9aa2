"""A sample bought first: the share found and the cost per contact, with confidence intervals."""

from __future__ import annotations

import hmac
import math
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from statistics import mean, stdev
from typing import Final

import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.source import FirstSeen
from cleanlist_async.errors import ConfigurationError, UnknownOutcomeError
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import ChunkState, Header
from cleanlist_async.job.planning import write_plan
from cleanlist_async.job.source import STEPS_AT_ONCE, Source
from cleanlist_async.results import EnrichmentResult

_Z: Final = 1.959964
"""Standard deviations within which 95 % of a normal distribution lie."""


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a sample says about all contacts. Intervals cover 95 %.

    ``contacts`` and ``found`` count the settled contacts of the sample, and ``credits`` is what they cost.
    ``hit_rate`` is the share found, with its Wilson interval; ``credits_per_contact`` is the mean price, with
    a normal interval (Student's would be wider below 15 contacts); ``expected_credits`` is the range of what
    all contacts will cost at this price.
    """

    contacts: int
    found: int
    hit_rate: float
    hit_rate_interval: tuple[float, float]
    """The lowest and the highest share that is likely."""
    credits: float
    credits_per_contact: float
    credits_per_contact_interval: tuple[float, float]
    """The lowest and the highest mean price that is likely, in credits."""
    expected_credits: tuple[float, float]

    @classmethod
    def of(cls, results: Sequence[EnrichmentResult], contacts: int, dearest: float = math.inf) -> Pilot:
        """Evaluate a sample out of *contacts* contacts, of which none costs more than *dearest* credits."""
        settled = [result for result in results if result.status != "pending"]
        costs = [result.credits for result in settled]
        found = sum(result.status == "found" for result in settled)
        n, spent = len(settled), sum(costs)
        price = mean(costs) if costs else 0.0
        # One contact has no spread, so its interval is everything that is possible.
        half = _Z * stdev(costs) / math.sqrt(n) if n > 1 else math.inf
        interval = (max(0.0, price - half), min(dearest, price + half))
        return cls(
            contacts=n,
            found=found,
            hit_rate=found / n if n else 0.0,
            hit_rate_interval=wilson(found, n),
            credits=spent,
            credits_per_contact=price,
            credits_per_contact_interval=interval,
            expected_credits=(interval[0] * contacts, interval[1] * contacts),
        )


async def plan_pilot(journal: Journal, source: Source, header: Header, n: int) -> int:
    """Return the number of the pilot's chunk; plan the job again for it if nothing was sent yet."""
    number = _pilot_number(journal)
    if number is None or not journal.was_sent():
        # Also where there is a pilot: one that was too large to be sent may be asked for smaller.
        places = await choose(source, n, header.salt)
        # In one transaction: a crash in between must leave the old plan, not a job without chunks.
        with journal.transaction():
            journal.forget_plan()
            await write_plan(journal, source.prepared(), header.salt, header.submit_mode, places)
        number = _pilot_number(journal)
    if number is None:
        raise ConfigurationError("There is no contact to buy.")
    return number


def read_pilot(journal: Journal, number: int, source: Source, header: Header) -> Pilot:
    """Return the figures of a pilot that has run. Raises UnknownOutcomeError if its outcome is unknown."""
    chunk = journal.chunk(number)
    if chunk.state in {ChunkState.UNKNOWN, ChunkState.ABANDONED}:
        raise in_doubt()
    picked = journal.picked()
    contacts = {one.index: one.contact for one in source.prepared() if one.index in picked}
    worst = facts.WORST_CASE_CREDITS.get(header.enrichment_type, math.inf)
    results = journal.results_of(chunk, contacts)
    return Pilot.of(results, sum(one.contacts for one in journal.chunks()), worst)


def in_doubt() -> UnknownOutcomeError:
    """Return the error for a pilot whose outcome is unknown."""
    return UnknownOutcomeError(
        "The pilot was sent, and it is not known whether it was accepted.",
        fix="Decide about it with resolve, then ask for it again.",
    )


def _pilot_number(journal: Journal) -> int | None:
    return next((chunk.number for chunk in journal.chunks("WHERE is_pilot = 1")), None)


def wilson(found: int, n: int) -> tuple[float, float]:
    """Return the Wilson interval of a share."""
    # Not the normal interval, which at 0 or n of n found has no width.
    if n == 0:
        return 0.0, 1.0
    share, z2 = found / n, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


async def choose(source: Source, n: int, salt: bytes) -> frozenset[int]:
    """Choose *n* places, spread over the kinds of contacts in proportion, and at random within each.

    A kind is the set of fields a contact has: what it has decides how well it is found.
    """
    seen, sampler = FirstSeen(), Sampler(n, salt)
    for contact in source.prepared():
        place = contact.index
        if isinstance(contact, Prepared) and seen.setdefault(contact.payload_digest, place) == place:
            sampler.add(place, contact.contact)
        if place % STEPS_AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()
    return sampler.chosen()


class Sampler:
    """Chooses *n* of the contacts that are added to it, as `choose` does."""

    def __init__(self, n: int, salt: bytes) -> None:
        self._n = n
        self._salt = salt
        self._sizes = Counter[str]()
        self._lowest = defaultdict[str, list[tuple[bytes, int]]](list)
        """The *n* lowest ranks of each kind, and their places."""

    @property
    def total(self) -> int:
        """How many contacts were added."""
        return self._sizes.total()

    def add(self, place: int, contact: Contact) -> None:
        """Add a contact that may be sent, and repeats none before."""
        kind = _kind(contact)
        self._sizes[kind] += 1
        # As good as random, and the same again when a pilot of this size is planned a second time.
        rank = hmac.digest(self._salt, place.to_bytes(8, "big"), sha256)
        insort(self._lowest[kind], (rank, place))
        del self._lowest[kind][self._n :]

    def chosen(self) -> frozenset[int]:
        """Return the places of the sample: each kind has its share, rounded by the largest remainders."""
        n = min(self._n, self.total)
        shares = {kind: n * size / self.total for kind, size in self._sizes.items()}
        counts = {kind: int(share) for kind, share in shares.items()}
        by_remainder = sorted(shares, key=lambda kind: shares[kind] - counts[kind], reverse=True)
        for kind in by_remainder[: n - sum(counts.values())]:
            counts[kind] += 1
        return frozenset(place for kind in counts for _, place in self._lowest[kind][: counts[kind]])


def _kind(given: Contact) -> str:
    # By the strongest field it has: a profile matches best, then a name with a domain.
    if given.linkedin_url:
        return "linkedin"
    return "domain" if given.company_domain else "company"

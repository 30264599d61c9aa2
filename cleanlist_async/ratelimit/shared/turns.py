"""The tokens of a pool, and the order in which the wait queues of all processes get them. Pure.

Each queue of each process has a ticket, whose rank is the time when its request reached the head, plus the
handicap of its class in windows; those of interactive calls are before all others, or after them (see
`Bucket`). The free tokens are allotted in that order, and the process that asks gets what is allotted to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from cleanlist_async import facts
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import HeldLeaseState, ProcessRecord, Report, Ticket, poll_s
from cleanlist_async.ratelimit.wait_queues import RequestClass
from cleanlist_async.ratelimit.window import Bucket


class PoolTokens:
    """The buckets of one organization, and the leases that processes hold."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self.now = 0.0
        self.organization = Bucket(limits.organization_window())
        self.keys: dict[str, Bucket] = {}
        self.held_leases: dict[str, HeldLeaseState] = {}

    def adopt(self, limits: RateLimits) -> None:
        """Keep to *limits* from now on; what was sent still counts."""
        self.limits = limits
        self.organization.window.adopt(limits.organization_window())
        for bucket in self.keys.values():
            bucket.window.adopt(limits.key_window())

    def key(self, name: str) -> Bucket:
        """Return the bucket of a key."""
        if (bucket := self.keys.get(name)) is None:
            bucket = self.keys[name] = Bucket(self.limits.key_window())
        return bucket

    def hold(self, holder: str, lease: str, key: str | None, *, is_bulk: bool = True) -> None:
        """Take a token of each bucket, even where none is left."""
        for bucket in self._buckets_of(key):
            bucket.take(self.now, is_bulk=is_bulk)
        self.held_leases[lease] = HeldLeaseState(visitor=holder, since=self.now, key=key)

    def leases_of(self, holder: str) -> list[str]:
        """Return the names of the leases that *holder* holds."""
        return [lease for lease, held in self.held_leases.items() if held["visitor"] == holder]

    def settle(self, report: Report) -> None:
        """Let the tokens of a lease return by its outcome; nothing happens when it is not held."""
        held = self.held_leases.pop(report.lease, None)
        if held is None:
            return  # it was reported before, or presumed lost
        at = self.now - report.age_s
        for bucket in self._buckets_of(held["key"]):
            bucket.settle(report.outcome, at, held["since"])
        for kind, pause_s in report.pauses.items():
            bucket = self.key(held["key"]) if kind == "key" and held["key"] else self.organization
            bucket.count_rejection(self.now)
            bucket.window.reject(at, pause_s, taken_at=held["since"], asked_s=report.asked_s)

    def _buckets_of(self, key: str | None) -> list[Bucket]:
        return [self.key(key), self.organization] if key else [self.organization]


_SHORTEST_POLL: Final = 1e-3
"""Fraction of a window after which to look whether a process has taken the token that is allotted to it."""
_MOMENT: Final = 1e-6
"""Fraction of a window that two clocks cannot tell apart."""


class Turns:
    """The tickets of a pool by rank, at one moment."""

    def __init__(self, tokens: PoolTokens, records: Iterable[ProcessRecord]) -> None:
        self._tokens = tokens
        self._tickets = [(ticket, record) for record in records for ticket in record["tickets"]]
        self._tickets.sort(key=lambda place: self._rank(place[0]))

    def next_of(self, record: ProcessRecord) -> tuple[Ticket, str | None] | None:
        """Return the ticket of *record* that a free token is allotted to, and the key; None if none is."""
        free = _FreeTokens(self._tokens)
        for ticket, owner in self._tickets:
            if ticket["paced"]:
                continue
            bulk = is_bulk(ticket)
            key = free.key_for(ticket["keys"], is_bulk=bulk, keep=self._keep(ticket))
            if not free.of_organization(is_bulk=bulk) or (ticket["keys"] and key is None):
                continue  # it takes nothing, so a lower rank with another key may be served
            if owner is record:
                return ticket, key
            free.spend(key)
        return None

    def retry_in_s(self, record: ProcessRecord) -> float:
        """Return the seconds until the first ticket of *record* may be served."""
        now, window_s = self._tokens.now, self._tokens.limits.window_s
        turns = (
            self._turn_of(place)
            for place, (ticket, owner) in enumerate(self._tickets)
            if owner is record and not ticket["paced"]
        )
        soonest = min(turns, default=math.inf)
        if soonest <= now:  # a process before it has not taken its token yet
            soonest = now + window_s * _SHORTEST_POLL
        return min(max(soonest - now, _MOMENT * window_s), poll_s(self._tokens.limits))

    def _turn_of(self, place: int) -> float:
        ticket = self._tickets[place][0]
        before = [rival for rival, _ in self._tickets[:place] if not rival["paced"]]
        now, bulk = self._tokens.now, is_bulk(ticket)
        turn = self._tokens.organization.opens_at(now, is_bulk=bulk, ahead=len(before))
        if not ticket["keys"]:
            return turn
        rivals = sum(_share_a_key(rival, ticket) for rival in before) // len(ticket["keys"])
        keep = self._keep(ticket)
        keys = map(self._tokens.key, ticket["keys"])
        return max(turn, min(key.opens_at(now, is_bulk=bulk, keep=keep, ahead=rivals) for key in keys))

    def _rank(self, ticket: Ticket) -> tuple[int, float]:
        now, tier = self._tokens.now, 1
        if not is_bulk(ticket):
            keys = [*map(self._tokens.key, ticket["keys"])]
            prefers_bulk = self._tokens.organization.prefers_bulk(now)
            tier = 2 if prefers_bulk or (keys and all(key.prefers_bulk(now) for key in keys)) else 0
        return tier, ticket["since"] + ticket["kind"] * self._tokens.limits.window_s

    def _keep(self, ticket: Ticket) -> int:
        """Return how many key tokens a status request leaves to submits, until it has aged past them."""
        if ticket["kind"] != RequestClass.STATUS.value:
            return 0
        for rival, _ in self._tickets:
            if rival is ticket:
                return 0
            if rival["kind"] == RequestClass.SUBMIT.value and _share_a_key(rival, ticket):
                return facts.TOKENS_KEPT_FROM_STATUS
        return 0


def is_bulk(ticket: Ticket) -> bool:
    """Whether it is no interactive call's."""
    return RequestClass(ticket["kind"]).is_bulk


def _share_a_key(one: Ticket, other: Ticket) -> bool:
    return not set(one["keys"]).isdisjoint(other["keys"])


class _FreeTokens:
    """Tokens that are free, less those allotted to earlier tickets."""

    def __init__(self, tokens: PoolTokens) -> None:
        self._tokens = tokens
        self._keys: dict[str, int] = {}
        self._organization = tokens.organization.window.available(tokens.now)

    def of_organization(self, *, is_bulk: bool) -> bool:
        """Whether the organization has a token."""
        return self._organization > self._tokens.organization.kept(self._tokens.now, is_bulk=is_bulk)

    def key_for(self, keys: Iterable[str], *, is_bulk: bool, keep: int) -> str | None:
        """Return the one of *keys* with the most free tokens, above *keep*."""
        best: str | None = None
        now, free = self._tokens.now, self._keys
        for name in keys:
            bucket = self._tokens.key(name)
            if name not in free:
                free[name] = bucket.window.available(now)
            kept = bucket.kept(now, is_bulk=is_bulk, keep=keep)
            if free[name] > kept and (best is None or free[name] > free[best]):
                best = name
        return best

    def spend(self, key: str | None) -> None:
        """Allot a token of each bucket to another process."""
        self._organization -= 1
        if key is not None:
            self._keys[key] -= 1

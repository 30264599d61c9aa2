"""The order in which the wait queues of all processes get tokens. Pure: no clock, no I/O.

Each wait queue of each process has a ticket. Its rank is the time when its request reached the head, plus the
handicap of its class in windows. The free tokens are allotted in that order without being taken, and the
process that asks gets what is allotted to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from cleanlist_async import facts
from cleanlist_async.ratelimit.shared.lease import poll_s
from cleanlist_async.ratelimit.shared.pool_tokens import SHORTEST_POLL, PoolTokens
from cleanlist_async.ratelimit.shared.tickets import ProcessRecord, Ticket
from cleanlist_async.ratelimit.wait_queues import RequestClass

_MOMENT: Final = 1e-6
"""Fraction of a window that two clocks cannot tell apart."""


class Turns:
    """The tickets of a pool by rank, at one moment."""

    def __init__(self, tokens: PoolTokens, records: Iterable[ProcessRecord]) -> None:
        self._tokens = tokens
        self._tickets = [(ticket, record) for record in records for ticket in record.tickets]
        self._tickets.sort(key=lambda place: place[0].rank(tokens.limits.window_s))

    def next_of(self, record: ProcessRecord) -> tuple[Ticket, str | None] | None:
        """Return the ticket of *record* that a free token is allotted to, and the key; None if none is."""
        free = _FreeTokens(self._tokens)
        for ticket, owner in self._tickets:
            if ticket.paced:
                continue
            key = free.key_for(ticket, self._keep(ticket))
            if not free.organization or (ticket.keys and key is None):
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
            if owner is record and not ticket.paced
        )
        soonest = min(turns, default=math.inf)
        if soonest <= now:  # a process before it has not taken its token yet
            soonest = now + window_s * SHORTEST_POLL
        return min(max(soonest - now, _MOMENT * window_s), poll_s(self._tokens.limits))

    def _turn_of(self, place: int) -> float:
        ticket = self._tickets[place][0]
        before = [rival for rival, _ in self._tickets[:place] if not rival.paced]
        turn = self._tokens.opens_at(self._tokens.organization, ahead=len(before))
        if not ticket.keys:
            return turn
        rivals = sum(rival.shares_a_key_with(ticket) for rival in before) // len(ticket.keys)
        keep = self._keep(ticket)
        keys = map(self._tokens.key, ticket.keys)
        return max(turn, min(self._tokens.opens_at(key, rivals, keep) for key in keys))

    def _keep(self, ticket: Ticket) -> int:
        """Return how many key tokens a status request leaves to submits, until it has aged past them."""
        if ticket.kind is not RequestClass.STATUS:
            return 0
        for rival, _ in self._tickets:
            if rival is ticket:
                return 0
            if rival.kind is RequestClass.SUBMIT and rival.shares_a_key_with(ticket):
                return facts.TOKENS_KEPT_FROM_STATUS
        return 0


class _FreeTokens:
    """Tokens that are free, less those allotted to earlier tickets."""

    def __init__(self, tokens: PoolTokens) -> None:
        self._tokens = tokens
        self._keys: dict[str, int] = {}
        self.organization = tokens.organization.window.available(tokens.now)

    def key_for(self, ticket: Ticket, keep: int) -> str | None:
        """Return the key with the most free tokens, above *keep*, for *ticket*."""
        best: str | None = None
        for name in ticket.keys:
            kept = self._tokens.key(name).window.kept(keep, self._tokens.now)
            if self._of(name) > kept and (best is None or self._of(name) > self._of(best)):
                best = name
        return best

    def spend(self, key: str | None) -> None:
        """Allot a token of each bucket to another process."""
        self.organization -= 1
        if key is not None:
            self._keys[key] -= 1

    def _of(self, key: str) -> int:
        if key not in self._keys:
            self._keys[key] = self._tokens.key(key).window.available(self._tokens.now)
        return self._keys[key]

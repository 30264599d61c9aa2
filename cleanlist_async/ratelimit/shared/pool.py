"""The tokens of one organization, shared by several processes. Pure: no clock, no I/O.

**A token returns one window after its request's answer, whichever process sent it** (`Window` has the proof;
it does not depend on the sender). What sharing adds:

A lease is held until its outcome is reported. If a process has not synced for `lease_s` seconds, or is known
to be dead, its leases are presumed lost: its requests left before, so they arrived within the grace, and the
tokens return a grace and a window after *the moment that was noticed*. That is never too early, even if the
machine slept in between. A process that lives must not send with a lease that it has not renewed for
`lease_s`, nor with one presumed lost: the sync worker ensures that. A lease that its holder does not know was
never used, and is free.

A process gets one token for a ticket (`Turns` has the order), and then ranks behind all others. A ticket that
has not been renewed for a few polls is void.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Self, TypeVar

from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import (
    Granted,
    PoolState,
    Process,
    ProcessRecord,
    Report,
    SyncAnswer,
    SyncRequest,
    Ticket,
    TokenRequest,
    lease_s,
    poll_s,
    process_of,
)
from cleanlist_async.ratelimit.shared.turns import PoolTokens, Turns, is_bulk

_LIMITS_KEPT: Final = 2.0
"""Windows for which the limits of a process count after its last sync: then all that it sent is past."""
_POLLS_PER_TICKET: Final = 3
"""Polls that a process may miss before others are served in its place."""


def plain_limits(limits: RateLimits) -> list[float]:
    """Return the limits as plain data."""
    return [*limits.ours, limits.window_s, limits.margin_s, limits.grace_s]


def limits_of(state: PoolState) -> RateLimits:
    """Return the limits that a pool keeps to."""
    return _limits(state["limits"])


def _limits(plain: Sequence[float]) -> RateLimits:
    org, key, window_s, margin_s, grace_s = plain
    return RateLimits(int(org), int(key), window_s, margin_s, grace_s)


class Pool(PoolTokens):
    """The buckets of one organization, the leases of their tokens, and the processes that wait for them."""

    def __init__(self, limits: RateLimits) -> None:
        super().__init__(limits)
        self.declared: dict[tuple[float, ...], float] = {}
        self.records: dict[str, ProcessRecord] = {}

    def agree(self, limits: RateLimits) -> None:
        """Keep to the strictest limits of all processes that used the pool lately, one of which has *limits*.

        In a rolling deployment the old and the new processes differ for a while.
        """
        self.declared[tuple(plain_limits(limits))] = self.now
        kept_s = _LIMITS_KEPT * max(self.limits.window_s, limits.window_s)
        self.declared = {one: at for one, at in self.declared.items() if self.now - at < kept_s}
        self._adopt_strictest()

    def _adopt_strictest(self) -> None:
        if not self.declared:
            return
        agreed = reduce(RateLimits.strictest, map(_limits, self.declared))
        if plain_limits(agreed) != plain_limits(self.limits):
            self.adopt(agreed)

    # -- one sync ------------------------------------------------------------------------------

    def sync(
        self,
        request: SyncRequest,
        now: float,
        *,
        clock_began_at: float | None = None,
        is_dead: Callable[[Process], bool] = lambda _: False,
    ) -> SyncAnswer:
        """Apply *request* at *now*; *is_dead* says whether a process has ended.

        A clock that reads less than before was restarted at *clock_began_at*, or set back just now if None.
        """
        # Reports before grants, so that a token that comes back with this sync can be given out by it.
        self.advance_to(now, clock_began_at)
        holder, process = request.holder, request.process
        new = ProcessRecord(
            process=process.id, pid=process.pid, place=process.place, seen_at=self.now, tickets=[]
        )
        record = self.records.setdefault(holder, new)
        record["seen_at"] = self.now
        self.count_borrowed(request, request.borrowed)
        for report in request.reports:
            self.settle(report)
        for lease in self.leases_of(holder):
            if lease not in request.held:  # the process never learned of it
                self.settle(Report(lease, "unsent"))
        self.expire_dead(is_dead, but=holder)
        self._renew_tickets(record, request.wanted)
        granted, retry_in_s = self._serve(request, record)
        if not record["tickets"] and not self.leases_of(holder):
            del self.records[holder]
        return SyncAnswer(granted, retry_in_s, self.state())

    def _serve(self, request: SyncRequest, record: ProcessRecord) -> tuple[Granted | None, float]:
        if not record["tickets"]:
            return None, math.inf
        turns = Turns(self, self.records.values())
        if (served := turns.next_of(record)) is None:
            return None, turns.retry_in_s(record)
        return self._grant(request, record, *served), math.inf

    def _renew_tickets(self, record: ProcessRecord, wanted: Iterable[TokenRequest]) -> None:
        # A ticket keeps its age, whichever of the queue's requests is its head by now.
        before = {(*ticket["keys"], ticket["kind"]): ticket["since"] for ticket in record["tickets"]}
        record["tickets"] = [
            Ticket(
                keys=list(one.keys),
                kind=one.kind.value,
                since=before.get((*one.keys, one.kind.value), self.now),
                more=one.more,
                paced=one.paced,
            )
            for one in wanted
        ]

    def _grant(self, request: SyncRequest, record: ProcessRecord, ticket: Ticket, key: str | None) -> Granted:
        place = record["tickets"].index(ticket)
        if ticket["more"]:  # the next of its queue, behind the queues of all other processes
            ticket["since"] = self.now
        else:
            del record["tickets"][place]
        self.hold(request.holder, request.lease, key, is_bulk=is_bulk(ticket))
        return Granted(place, key)

    def count_borrowed(self, request: SyncRequest, leases: Mapping[str, str | None]) -> None:
        """Count leases that were taken elsewhere, with their keys, even where no token is left for them."""
        for lease, key in leases.items():
            if lease not in self.held_leases:
                self.hold(request.holder, lease, key)

    # -- what a backend notices ----------------------------------------------------------------

    def advance_to(self, now: float, clock_began_at: float | None) -> None:
        """Set the time to *now*; if the clock was restarted, all that was recorded happened before that."""
        if now < self.now:
            by_s = (now if clock_began_at is None else clock_began_at) - self.now
            for bucket in (self.organization, *self.keys.values()):
                bucket.restore(bucket.state(), by_s)
            for held in self.held_leases.values():
                held["since"] += by_s
            for record in self.records.values():
                record["seen_at"] += by_s
                record["tickets"].clear()
        self.now = now

    def expire_dead(self, is_dead: Callable[[Process], bool], but: str = "") -> None:
        """Presume the leases of dead processes lost, and void their tickets; *but* is the one that asks."""
        lease, ticket = lease_s(self.limits), _POLLS_PER_TICKET * poll_s(self.limits)
        for holder, record in list(self.records.items()):
            if holder == but:
                continue
            silent_s = self.now - record["seen_at"]
            dead = silent_s > lease or is_dead(process_of(record))
            if dead or silent_s > ticket:
                record["tickets"].clear()
            leases = self.leases_of(holder)
            if dead:
                for name in leases:
                    self.settle(Report(name, "lost"))
            if not record["tickets"] and (dead or not leases):
                del self.records[holder]

    def presume_spent(self, sent_until: float) -> None:
        """Grant nothing until all that may have been sent is past: the pool may not know it.

        Processes that held its tokens at *sent_until* may use them for another lease.
        """
        window = self.organization.window
        window.pause(sent_until + lease_s(self.limits) + window.window_s + window.margin_s)

    def is_untouched(self) -> bool:
        """Whether every token has returned and no process waits, so forgetting the pool loses nothing."""
        buckets = [self.organization, *self.keys.values()]
        return not self.records and all(bucket.window.is_untouched(self.now) for bucket in buckets)

    def absorb(self, other: Pool) -> None:
        """Take over all of *other*: two names turned out to be one organization."""
        self.organization.absorb(other.organization)
        for name, bucket in other.keys.items():
            self.key(name).absorb(bucket)
        self.declared = other.declared | self.declared
        self._adopt_strictest()
        self.held_leases |= other.held_leases
        self.records |= other.records

    # -- as plain data -------------------------------------------------------------------------

    def state(self) -> PoolState:
        """Return the pool as plain data."""
        return PoolState(
            now=self.now,
            limits=plain_limits(self.limits),
            declared=[[*limits, at] for limits, at in self.declared.items()],
            organization=self.organization.state(),
            keys={name: bucket.state() for name, bucket in self.keys.items()},
            holdings=dict(self.held_leases),
            visitors=dict(self.records),
        )

    @classmethod
    def of(cls, state: PoolState) -> Self:
        """Return the pool that *state* describes, with the limits that it was made for."""
        pool = cls(limits_of(state))
        pool.now = state["now"]
        # A pool of an earlier version has one for all.
        declared = state.get("declared", [[*state["limits"], pool.now]])
        pool.declared = {tuple(limits): at for *limits, at in declared}
        pool.organization.restore(state["organization"])
        for name, bucket in state["keys"].items():
            pool.key(name).restore(bucket)
        pool.held_leases = dict(state["holdings"])
        pool.records = dict(state["visitors"])
        return pool


Number = TypeVar("Number", int, str)


@dataclass(frozen=True, slots=True)
class NamedPool:
    """One pool of a store, and the names of the organizations that lead to it."""

    organizations: tuple[str, ...]
    state: PoolState

    def pool(self, now: float) -> Pool:
        """Return the pool as it is at *now*."""
        pool = Pool.of(self.state)
        pool.advance_to(now, clock_began_at=0.0)
        return pool


def named_pools(states: Mapping[Number, PoolState], names: Iterable[tuple[str, Number]]) -> list[NamedPool]:
    """Return all pools, given by number, with the names that lead to each."""
    of_pool: dict[Number, list[str]] = {}
    for name, number in sorted(names):
        of_pool.setdefault(number, []).append(name)
    return [
        NamedPool(tuple(name for name in of_pool.get(number, ()) if name not in state["keys"]), state)
        for number, state in states.items()
    ]

"""The tokens of one organization, shared by several processes. Pure: no clock, no I/O.

**A token returns one window after its request's answer, whoever sent it** (`Window` has the proof; it
does not care who asks). What sharing adds:

A lease is held until its outcome is reported. A process that has said nothing for `lease_s` seconds, or is
known to be dead, has lost all it held: its requests left before, so they arrived within the grace, and
the tokens return a grace and a window after *the moment that was noticed*. That is never too early, even
when the machine slept in between. A process that still lives must not send with a lease that it has not
renewed for `lease_s`, nor with one that was taken for lost: the sync worker sees to that.

A lease that its holder does not know of was never used, and is free.

Who is next is decided by tickets: each wait queue of each process has one. Its rank is the moment it
came to the head, plus as many windows as its class has to stand back. Tokens are dealt in that order on
paper, and the process gets what falls to it; so a process gets one token for a ticket, and then stands
behind all others. A ticket that has not been renewed for a few looks is void.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Self

from cleanlist_async import facts
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import (
    Granted,
    HeldLeaseState,
    PoolState,
    Report,
    SyncAnswer,
    SyncRequest,
    TokenRequest,
)
from cleanlist_async.ratelimit.shared.bucket import SharedBucket
from cleanlist_async.ratelimit.shared.lease import lease_s, poll_s
from cleanlist_async.ratelimit.shared.process import Process
from cleanlist_async.ratelimit.shared.tickets import ProcessRecord, Ticket, record_of, record_state
from cleanlist_async.ratelimit.wait_queues import RequestClass

_NEVER: Final = -math.inf
_POLLS_PER_TICKET: Final = 3
"""Looks that a process may miss before others are served in its place."""
_MOMENT: Final = 1e-6
"""Part of a window that two clocks cannot tell apart."""
_PROBE_POLLS: Final = 1_000
"""The answer to a probe is first looked for after this part of a window, then at doubling intervals."""


def plain_limits(limits: RateLimits) -> list[float]:
    """Return what two processes must agree on."""
    return [limits.org, limits.key, limits.window_s, limits.margin_s, limits.grace_s]


def limits_of(state: PoolState) -> RateLimits:
    """Return the limits that a pool was made for."""
    org, key, *seconds = state["limits"]
    return RateLimits(int(org), int(key), *seconds)


class Pool:
    """The buckets of one organization, who holds their tokens, and who waits for them."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self.now = 0.0
        self.organization = SharedBucket(limits.organization_window())
        self.keys: dict[str, SharedBucket] = {}
        self.held_leases: dict[str, HeldLeaseState] = {}
        self.records: dict[str, ProcessRecord] = {}

    # -- one sync -----------------------------------------------------------------------------

    def sync(
        self,
        request: SyncRequest,
        now: float,
        *,
        clock_began_at: float | None = None,
        is_dead: Callable[[Process], bool] = lambda _: False,
    ) -> SyncAnswer:
        """Apply *sync* at *now*.

        A clock that reads less than before has begun anew at *clock_began_at*, or was set back just now if
        that is None. *is_dead* tells of a process that can send nothing more.
        """
        self.advance_to(now, clock_began_at)
        record = self._record(request)
        self.count_borrowed(request, request.borrowed)
        for report in request.reports:
            self.settle(report)
        self._free_unknown(request)
        self.expire_dead(is_dead, but=request.holder)
        self._renew_tickets(record, request.wanted)
        granted = self._grant(request, record)
        retry_in_s = math.inf if granted else self._retry_in_s(record)
        if not record.tickets and all(one["visitor"] != request.holder for one in self.held_leases.values()):
            del self.records[request.holder]
        return SyncAnswer(granted, retry_in_s, self.state())

    def advance_to(self, now: float, clock_began_at: float | None) -> None:
        """Go on at *now*; if the clock began anew, all that was noted happened before it did."""
        if now < self.now:
            by_s = (now if clock_began_at is None else clock_began_at) - self.now
            for bucket in (self.organization, *self.keys.values()):
                bucket.window.shift(by_s)
                bucket.interactive_at += by_s
            for held in self.held_leases.values():
                held["since"] += by_s
            for record in self.records.values():
                record.seen_at += by_s
                record.tickets.clear()
        self.now = now

    def is_untouched(self) -> bool:
        """Whether every token is back and nobody waits, so that forgetting this pool loses nothing."""
        buckets = [self.organization, *self.keys.values()]
        return not self.records and all(bucket.window.is_untouched(self.now) for bucket in buckets)

    def presume_spent(self, sent_until: float) -> None:
        """Give out nothing until all that may have been sent is past: for a pool that cannot be believed.

        Those who held its tokens at *sent_until* may use them for a lease.
        """
        window = self.organization.window
        window.pause(sent_until + lease_s(self.limits) + window.window_s + window.margin_s)

    def absorb(self, other: Pool) -> None:
        """Become one with *other*: two names turned out to be one organization."""
        self.organization.absorb(other.organization)
        for name, bucket in other.keys.items():
            self.key(name).absorb(bucket)
        self.held_leases |= other.held_leases
        self.records |= other.records

    def _record(self, request: SyncRequest) -> ProcessRecord:
        record = self.records.setdefault(request.holder, ProcessRecord(request.process, self.now))
        record.seen_at = self.now
        return record

    # -- what became of tokens -----------------------------------------------------------------

    def settle(self, report: Report) -> None:
        """Let the tokens of a lease return as its outcome says; nothing happens when it is not held."""
        at = self.now - report.age_s
        held = self.held_leases.pop(report.lease, None)
        if held is None:
            return  # told before, or taken for lost
        for bucket, probe in self._tokens(held):
            if report.outcome == "unsent":
                bucket.window.unsent(probe=probe)
            elif report.outcome == "lost":
                bucket.window.lost(at, probe=probe)
            else:
                bucket.window.answered(at, probe=probe)
            if report.outcome == "answered":
                bucket.rejections = 0
        for kind, pause_s in report.pauses.items():
            self._reject(
                self.key(held["key"]) if kind == "key" and held["key"] else self.organization,
                at + pause_s,
            )

    def _reject(self, bucket: SharedBucket, until: float) -> None:
        if self.now >= bucket.window.paused_until:  # the 429s of one volley count as one
            bucket.rejections += 1
        bucket.window.pause(until)
        bucket.window.reject(self.now)

    def _free_unknown(self, request: SyncRequest) -> None:
        known = set(request.held)
        unknown = [
            lease
            for lease, held in self.held_leases.items()
            if held["visitor"] == request.holder and lease not in known
        ]
        for lease in unknown:
            self.settle(Report(lease, "unsent"))

    def expire_dead(self, is_dead: Callable[[Process], bool], but: str = "") -> None:
        """Take for lost what the dead held, and give their places away; *but* is the one who asks."""
        lease, ticket = lease_s(self.limits), _POLLS_PER_TICKET * poll_s(self.limits)
        for name, other in list(self.records.items()):
            if name == but:
                continue
            silent_s = self.now - other.seen_at
            dead = silent_s > lease or is_dead(other.process)
            if dead or silent_s > ticket:
                other.tickets.clear()
            theirs = [key for key, held in self.held_leases.items() if held["visitor"] == name]
            if dead:
                for key in theirs:
                    self.settle(Report(key, "lost"))
            if not other.tickets and (dead or not theirs):
                del self.records[name]

    # -- who is next ---------------------------------------------------------------------------

    def _renew_tickets(self, record: ProcessRecord, wanted: Iterable[TokenRequest]) -> None:
        before = {(ticket.keys, ticket.kind): ticket.since for ticket in record.tickets}
        record.tickets = [
            Ticket(
                one.keys,
                one.kind,
                before.get((one.keys, one.kind), self.now),
                one.more,
                one.paced,
            )
            for one in wanted
        ]
        if any(one.kind is RequestClass.INTERACTIVE for one in wanted):
            self.organization.interactive_at = self.now

    def _queue(self) -> list[tuple[Ticket, ProcessRecord]]:
        queue = [(ticket, record) for record in self.records.values() for ticket in record.tickets]
        queue.sort(key=lambda place: place[0].rank(self.limits.window_s))
        return queue

    def _grant(self, request: SyncRequest, record: ProcessRecord) -> Granted | None:
        """Deal the tokens that are there in order of rank, on paper, until one falls to *process*."""
        if not record.tickets:
            return None
        free = _Free(self)
        queue = self._queue()
        for ticket, owner in queue:
            if ticket.paced:
                continue
            key = free.key_for(ticket, self._keep(ticket, queue))
            if not free.organization or (ticket.keys and key is None):
                continue
            if owner is record:
                return self._lease(request, record, ticket, key)
            free.spend(key)
        return None

    def _lease(self, request: SyncRequest, record: ProcessRecord, ticket: Ticket, key: str | None) -> Granted:
        place = record.tickets.index(ticket)
        if ticket.more:
            ticket.since = self.now
        else:
            del record.tickets[place]
        return Granted(place, key, tuple(self._hold(request, request.lease, key)))

    def count_borrowed(self, request: SyncRequest, leases: Mapping[str, str | None]) -> None:
        """Count leases, of these keys, that were taken elsewhere: also where no token is left for them."""
        for lease, key in leases.items():
            if lease not in self.held_leases:
                self._hold(request, lease, key)

    def _hold(self, request: SyncRequest, lease: str, key: str | None) -> list[bool]:
        buckets = ([self.key(key)] if key else []) + [self.organization]
        probes = [bucket.window.take(self.now) for bucket in buckets]
        self.held_leases[lease] = HeldLeaseState(
            visitor=request.holder, since=self.now, key=key, probes=probes
        )
        return probes

    def _keep(self, ticket: Ticket, queue: Sequence[tuple[Ticket, ProcessRecord]]) -> int:
        """Return the key tokens that a status request leaves to submits, until it has aged ahead of them."""
        if ticket.kind is not RequestClass.STATUS:
            return 0
        for rival, _ in queue:
            if rival is ticket:
                return 0
            if rival.kind is RequestClass.SUBMIT and rival.shares_a_key_with(ticket):
                return facts.TOKENS_KEPT_FROM_STATUS
        return 0

    # -- when to come again --------------------------------------------------------------------

    def _retry_in_s(self, record: ProcessRecord) -> float:
        """Return when the first of *process*'s queues may be served: each knows how many are before it."""
        if not record.tickets:
            return math.inf
        queue = self._queue()
        turns = [
            self._turn_of(place, queue)
            for place, (ticket, owner) in enumerate(queue)
            if owner is record and not ticket.paced
        ]
        soonest = min(turns, default=math.inf)
        if soonest <= self.now:  # somebody before it has yet to take what is there
            soonest = self.now + self.limits.window_s / _PROBE_POLLS
        return min(max(soonest - self.now, _MOMENT * self.limits.window_s), poll_s(self.limits))

    def _turn_of(self, place: int, queue: Sequence[tuple[Ticket, ProcessRecord]]) -> float:
        ticket = queue[place][0]
        before = [rival for rival, _ in queue[:place] if not rival.paced]
        turn = self._opening(self.organization, ahead=len(before))
        if not ticket.keys:
            return turn
        rivals = sum(rival.shares_a_key_with(ticket) for rival in before) // len(ticket.keys)
        keep = self._keep(ticket, queue)
        return max(turn, min(self._opening(self.key(name), rivals, keep) for name in ticket.keys))

    def _opening(self, bucket: SharedBucket, ahead: int, keep: int = 0) -> float:
        opens = bucket.window.opens_at(self.now, keep, ahead)
        if opens < math.inf:
            return opens
        probed = [
            held["since"]
            for held in self.held_leases.values()
            for touched, probe in self._tokens(held)
            if probe and touched is bucket
        ]
        if not probed:
            return math.inf
        return self.now + max(self.now - max(probed), self.limits.window_s / _PROBE_POLLS)

    # -- inside --------------------------------------------------------------------------------

    def key(self, name: str) -> SharedBucket:
        """Return the bucket of a key."""
        if (bucket := self.keys.get(name)) is None:
            bucket = self.keys[name] = SharedBucket(self.limits.key_window())
        return bucket

    def _tokens(self, held: HeldLeaseState) -> Iterable[tuple[SharedBucket, bool]]:
        key = held["key"]
        buckets = ([self.key(key)] if key else []) + [self.organization]
        return zip(buckets, held["probes"], strict=True)

    # -- as plain data -------------------------------------------------------------------------

    def state(self) -> PoolState:
        """Return all of it."""
        return PoolState(
            now=self.now,
            limits=plain_limits(self.limits),
            organization=self.organization.state(),
            keys={name: bucket.state() for name, bucket in self.keys.items()},
            holdings=dict(self.held_leases),
            visitors={name: record_state(record) for name, record in self.records.items()},
        )

    @classmethod
    def of(cls, state: PoolState) -> Self:
        """Return the pool that *state* tells of, with the limits that it was made for."""
        pool = cls(limits_of(state))
        pool.now = state["now"]
        pool.organization.restore(state["organization"])
        for name, bucket in state["keys"].items():
            pool.key(name).restore(bucket)
        pool.held_leases = dict(state["holdings"])
        pool.records = {name: record_of(one) for name, one in state["visitors"].items()}
        return pool


class _Free:
    """Tokens that are there, as they are dealt on paper."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._keys: dict[str, int] = {}
        self.organization = pool.organization.window.available(pool.now)

    def key_for(self, ticket: Ticket, keep: int) -> str | None:
        """Return the freest key that has more than *keep* tokens for *ticket*."""
        best: str | None = None
        for name in ticket.keys:
            kept = _kept(self._pool.key(name), keep, self._pool.now)
            if self._of(name) > kept and (best is None or self._of(name) > self._of(best)):
                best = name
        return best

    def spend(self, key: str | None) -> None:
        """Note that these tokens fall to somebody else."""
        self.organization -= 1
        if key is not None:
            self._keys[key] -= 1

    def _of(self, key: str) -> int:
        if key not in self._keys:
            self._keys[key] = self._pool.key(key).window.available(self._pool.now)
        return self._keys[key]


def _kept(bucket: SharedBucket, keep: int, now: float) -> int:
    """Return how many of *keep* tokens are really kept: of a small limit, no more than a quarter."""
    return min(keep, int(bucket.window.capacity(now)) // 4)

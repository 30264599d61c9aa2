"""A backend on a server: what is stored with a pool, and what a sync does with it, whatever the server is."""

from __future__ import annotations

import logging
import math
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal, TypeAlias, TypeVar

from cleanlist_async.errors import CleanlistError
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import (
    BackendUnavailableError,
    Reachability,
    Report,
    SyncAnswer,
    SyncRequest,
    has_ended,
    lease_s,
    poll_s,
)
from cleanlist_async.ratelimit.shared.data_loss import (
    CLOCKS_DIFFER,
    NO_SHARE,
    SHARE_KEPT_S,
    ClockWatch,
    Server,
    Share,
    StoredPool,
    SyncHistory,
    larger,
    lost_until,
    next_share,
)
from cleanlist_async.ratelimit.shared.pool import NamedPool, Pool, limits_of, named_pools
from cleanlist_async.ratelimit.window import Bucket

T = TypeVar("T")
Apply: TypeAlias = Callable[[Pool, StoredPool, float], SyncAnswer]
"""Changes a pool, and what is stored with it, at a time of the server."""

Stored: TypeAlias = tuple[Mapping[str, StoredPool], Sequence[tuple[str, str]], float]
"""All that is stored, by number, the number of each name, and the time of the server."""

KEPT_S: Final = 86_400.0
"""Seconds for which a pool is kept without a sync."""
_SHORTEST_ANSWER_S: Final = 0.5
_MOMENTS: Final[tuple[Literal["doubted_at", "gathered_at"], ...]] = ("doubted_at", "gathered_at")

log: Final = logging.getLogger("cleanlist_async")


class RemoteLimits(ABC):
    """A backend on a server, whose *name* messages give. It goes by the clock of the server."""

    def __init__(self, name: str, limits: RateLimits, clock: Callable[[], float]) -> None:
        self.name = name
        self.limits = limits
        self.clock = clock
        self.answer_s = answer_s(limits)
        self.caution_s = lease_s(limits) + limits.window_s
        self.history = SyncHistory(clock, self.caution_s + limits.window_s, SHARE_KEPT_S)
        self.reachability = Reachability(name, poll_s(limits))
        # Time for every process to come back and report what it took meanwhile; see `LocalFallback`.
        self._gathering_s = self.answer_s + 3 * poll_s(limits)
        self._watch = ClockWatch(name, limits.margin_s)
        self._aliases: dict[str, set[str]] = {}
        self._paused_until = -math.inf

    # -- the protocol --------------------------------------------------------------------------

    async def sync(self, request: SyncRequest) -> SyncAnswer:
        """Apply a sync atomically."""
        began, process = self.clock(), request.process.id
        known, share = self.history.share(request.organization, process), NO_SHARE

        def apply(pool: Pool, kept: StoredPool, now: float) -> SyncAnswer:
            nonlocal share
            kept["processes"][process] = now
            shares = kept.setdefault("shares", {})
            others = [of_another for name, of_another in shares.items() if name != process]
            share = next_share(pool.limits, len(kept["processes"]), others)
            shares[process] = larger(known, share)
            # Once for each time that the server was away, not again for each process that returns.
            if request.was_away and now - kept.get("gathered_at", -math.inf) > self.caution_s:
                kept["gathered_at"] = now
                pool.organization.window.pause(now + self._gathering_s)
            return pool.sync(request, now, is_dead=has_ended)

        keys = {key for one in request.wanted for key in one.keys}
        names = [*self._names_of(request.organization), *keys]
        answer, kept = await self.change(request.organization, names, apply)
        self.history.note(request.organization, kept, began, process, share)
        return answer

    async def join(self, organization: str, other: str) -> None:
        """Make two names one organization, with all that is out under either."""
        together = self._names_of(organization) | self._names_of(other)
        self._aliases |= dict.fromkeys(together, together)

        def nothing(pool: Pool, _: StoredPool, now: float) -> SyncAnswer:
            pool.advance_to(now, None)
            return SyncAnswer(None, math.inf, pool.state())

        await self.change(organization, list(together), nothing)

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connection; the next call opens another."""

    @abstractmethod
    async def change(
        self, organization: str, names: Collection[str], apply: Apply
    ) -> tuple[SyncAnswer, StoredPool]:
        """Read the pool that *names* lead to, change and store it, atomically; return what is stored then."""

    # -- for the command line ------------------------------------------------------------------

    async def pools(self) -> tuple[list[NamedPool], float]:
        """Return all pools as they were at the last sync to each, and the time of the server."""
        stored, names, now = await self.stored()
        return named_pools({number: one["pool"] for number, one in stored.items()}, names), now

    async def reset(self) -> None:
        """Forget what was sent: every token is free at once, whatever is on its way to the server."""

        def forget(pool: Pool, _: StoredPool, now: float) -> SyncAnswer:
            empty = Pool(pool.limits)
            empty.now = now
            pool.keys.clear()
            return SyncAnswer(None, math.inf, empty.state())

        for named in (await self.pools())[0]:
            self.limits = limits_of(named.state)  # each may have its own
            await self.change("", [*named.organizations, *named.state["keys"]], forget)

    @abstractmethod
    async def stored(self) -> Stored:
        """Return all that is stored."""

    async def reach(self, work: Awaitable[T], unavailable: type[CleanlistError]) -> T:
        """Await *work*. Raises BackendUnavailableError, now and while it is too early to try again."""
        try:
            answer = await work
        except unavailable as error:
            problem = error.problem
        else:
            self.reachability.found()
            return answer
        await self.aclose()
        raise self.reachability.lost(problem)

    def server(self, run: str, now: float, started_at: float) -> Server:
        """Return what the server says of itself; tests set its clock here."""
        return Server(run, now, started_at)

    # -- what is stored ------------------------------------------------------------------------

    def read(
        self, organization: str, stored_pools: Sequence[StoredPool], server: Server
    ) -> tuple[Pool, StoredPool]:
        """Return the one pool that these become, and what else is stored with it."""
        pool = Pool(self.limits)
        kept = StoredPool(pool=pool.state(), run=server.run, generations=[], processes={}, shares={})
        seen = self.history.of(organization)
        lost = partial(lost_until, seen=seen, server=server, watch=self._watch)
        doubts = [lost(stored) for stored in stored_pools] or [lost(None)]
        for place, stored in enumerate(stored_pools):
            loaded = self._load(stored, server)
            if place == 0:
                pool = loaded
            else:
                pool.absorb(loaded)
            _add(kept, stored)
        if (since := max(doubts)) > server.now - self.caution_s:  # later, all that was sent is past anyway
            pool.presume_spent(since)
            kept["doubted_at"] = since
            kept["generations"] = []  # a new one, by which other processes notice the loss too
        if not kept["generations"]:
            kept["generations"] = [uuid.uuid4().hex[:12]]
        silent_since = server.now - SHARE_KEPT_S * CLOCKS_DIFFER
        kept["processes"] = {one: at for one, at in kept["processes"].items() if at > silent_since}
        shares = kept.get("shares", {}).items()
        kept["shares"] = {process: share for process, share in shares if process in kept["processes"]}
        self._tell_of_pause(kept, server.now)
        return pool, kept

    def _load(self, stored: StoredPool, server: Server) -> Pool:
        pool = Pool.of(stored["pool"])
        pool.advance_to(server.now, None)
        pool.agree(self.limits)
        return pool

    def _tell_of_pause(self, kept: StoredPool, now: float) -> None:
        until = kept.get("doubted_at", -math.inf) + self.caution_s
        if now < until and now >= self._paused_until:  # not again for each sync and organization
            log.warning(
                "%s may have lost what was sent lately: requests wait for %.0f s, so that none draws a 429.",
                self.name,
                until - now,
            )
            self._paused_until = until

    def _names_of(self, organization: str) -> set[str]:
        """Return all names that this process knows for one organization, in case the server lost some."""
        return self._aliases.get(organization, {organization})


def answer_s(limits: RateLimits) -> float:
    """Return the seconds that a server has to answer."""
    return max(_SHORTEST_ANSWER_S, 2 * poll_s(limits))


def without_unused_keys(pool: Pool, answer: SyncAnswer) -> Any:
    """Return the state to store: a key whose tokens have all returned is as good as one never seen."""
    new = Bucket(pool.limits.key_window()).state()
    for bucket in pool.keys.values():
        bucket.window.is_untouched(pool.now)  # collects the tokens that have returned
        bucket.forget_interactive(pool.now)
    kept = {name: state for name, bucket in pool.keys.items() if (state := bucket.state()) != new}
    return {**answer.pool, "keys": kept}


def _add(kept: StoredPool, stored: StoredPool) -> None:
    kept["generations"] += stored["generations"]
    kept["processes"] |= stored["processes"]
    kept["shares"] = {**kept.get("shares", {}), **stored.get("shares", {})}
    for moment in _MOMENTS:
        if (at := stored.get(moment)) is not None:
            kept[moment] = max(at, kept.get(moment, at))


_MEANWHILE: Final = "Each process goes on with its share of the limits."


@dataclass(slots=True)
class LocalTokens:
    """The tokens that this process took of one organization, by its own clock.

    `borrowed` were taken while the server was away; `unreported` are the outcomes since.
    """

    pool: Pool
    away_since: float | None = None
    borrowed: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    unreported: dict[str, tuple[float, Report]] = field(default_factory=dict[str, tuple[float, Report]])


class LocalFallback:
    """A server, replaced while it is away by this process's own tokens, up to its share of the limits.

    While no process reaches the server, no other can take a token that this one took: it goes on with those,
    up to its `Share`; with none, it waits. If its share is larger than what it had, the rest is free a lease
    and a window later, when whatever others took from the pool has returned.

    When the server is back, each process first reports its tokens that are out; no token is granted for a few
    polls, until all have. If the server is away only for some, the others go on with the full limits: only
    that can lead to a 429.
    """

    def __init__(self, backend: RemoteLimits, clock: Callable[[], float]) -> None:
        self.limits = backend.limits
        self._backend = backend
        self._clock = clock
        self._process = ""
        self._local_tokens: dict[str, LocalTokens] = {}
        backend.reachability.meanwhile = _MEANWHILE

    async def sync(self, request: SyncRequest) -> SyncAnswer:
        """Apply a sync to the pool, or to this process's share of it."""
        if request.process.id != self._process:  # forked: the tokens are the parent's
            self._process, self._local_tokens = request.process.id, {}
        local = self._local_tokens.setdefault(request.organization, LocalTokens(Pool(self.limits)))
        try:
            answer = await self._backend.sync(
                request if local.away_since is None else self._with_reports(local, request)
            )
        except BackendUnavailableError:
            share = self._backend.history.share(request.organization, request.process.id)
            if local.away_since is None and not min(share):
                raise  # never reached, or others have all of the limits
            return self._sync_locally(local, request, share)
        if local.away_since is not None:  # it is back
            local.away_since = None
            local.borrowed.clear()
            local.unreported.clear()
            _set_limits(local.pool, Share(*self.limits.ours))
        self._note(local, request, answer)
        return answer

    async def join(self, organization: str, other: str) -> None:
        """Make two names one organization."""
        if (theirs := self._local_tokens.pop(other, None)) is not None:
            ours = self._local_tokens.setdefault(organization, LocalTokens(Pool(self.limits)))
            ours.pool.absorb(theirs.pool)
            ours.borrowed |= theirs.borrowed
            ours.unreported |= theirs.unreported
            ours.away_since = ours.away_since or theirs.away_since
        await self._backend.join(organization, other)

    async def aclose(self) -> None:
        """Close the connection; the next call opens another."""
        await self._backend.aclose()

    # -- while it is there ------------------------------------------------------------------

    def _note(self, local: LocalTokens, request: SyncRequest, answer: SyncAnswer) -> None:
        local.pool.advance_to(self._clock(), None)
        for report in request.reports:
            local.pool.settle(report)
        if answer.granted is not None:
            local.pool.count_borrowed(request, {request.lease: answer.granted.key})
        if local.pool.is_untouched():
            del self._local_tokens[request.organization]

    def _with_reports(self, local: LocalTokens, request: SyncRequest) -> SyncRequest:
        now = self._clock()
        reports = [replace(report, age_s=now - at) for at, report in local.unreported.values()]
        return replace(
            request, borrowed=dict(local.borrowed), reports=(*reports, *request.reports), was_away=True
        )

    # -- while it is away ----------------------------------------------------------------------

    def _sync_locally(self, local: LocalTokens, request: SyncRequest, share: Share) -> SyncAnswer:
        now = self._clock()
        local.pool.advance_to(now, None)
        if local.away_since is None:
            local.away_since = now
            # Free for us may only mean that another process has it: those tokens wait until it is back.
            _set_limits(local.pool, share)
            local.pool.organization.window.hold_back(now, self._others_returned_at(local))
            for bucket in local.pool.keys.values():
                bucket.window.hold_back(now, self._others_returned_at(local))
        for key in {key for one in request.wanted for key in one.keys} - set(local.pool.keys):
            local.pool.key(key).window.hold_back(now, self._others_returned_at(local))
        answer = local.pool.sync(request, now, is_dead=has_ended)
        if answer.granted is not None:
            local.borrowed[request.lease] = answer.granted.key
        local.unreported |= {report.lease: (now - report.age_s, report) for report in request.reports}
        for lease, (at, _) in list(local.unreported.items()):
            if now - at > self._backend.caution_s:  # its token has returned
                del local.unreported[lease]
                local.borrowed.pop(lease, None)
        return replace(answer, come_again=True)  # to look whether it is back, also with nothing to ask

    def _others_returned_at(self, local: LocalTokens) -> float:
        return (local.away_since or 0.0) + self._backend.caution_s + self.limits.margin_s


def _set_limits(pool: Pool, share: Share) -> None:
    pool.organization.window.allowance.limit = share.org
    for bucket in pool.keys.values():
        bucket.window.allowance.limit = share.key
    pool.limits = replace(pool.limits, org=share.org, key=share.key, leave=0.0)

"""What one process may send while Redis is away: its own tokens, up to an equal share of the limits.

A token that this process took returns to it, and nobody else can take it while Redis is away for all. So it
goes on with those, up to its share: the limits divided by the processes that were there of late, at least
one. If its share is larger than what it had, the rest is there a lease and a window later, when whatever
others took from the pool is back. So all shares together never exceed the limits.

When Redis returns, its tokens that are out are told first; and nothing is given out for a few looks, until
every process has done so. Where Redis is away for some only, the others go on with all of the limits: that
alone can lead to a 429.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.redis.backend import RedisLimits
from cleanlist_async.ratelimit.shared.backend import Answer, BackendUnavailableError, Report, Visit
from cleanlist_async.ratelimit.shared.pool import Pool
from cleanlist_async.ratelimit.shared.process import has_ended

_WITHOUT: Final = "Each process goes on with its share of the limits."


@dataclass(slots=True)
class Own:
    """The tokens of one organization that this process took, by its own clock.

    `borrowed` were taken while Redis was away; `untold` is what became of tokens since.
    """

    pool: Pool
    away_since: float | None = None
    borrowed: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    untold: dict[str, tuple[float, Report]] = field(default_factory=dict[str, tuple[float, Report]])


class LocalShare:
    """A Redis, and in its place this process's own share while it is away."""

    def __init__(self, backend: RedisLimits, clock: Callable[[], float]) -> None:
        self.limits = backend.limits
        self._backend = backend
        self._clock = clock
        self._process = ""
        self._owns: dict[str, Own] = {}
        backend.without = _WITHOUT

    async def visit(self, visit: Visit) -> Answer:
        """Apply a visit to the pool, or to what this process has of it."""
        if visit.process.id != self._process:  # forked: the tokens are the parent's
            self._process, self._owns = visit.process.id, {}
        own = self._owns.setdefault(visit.organization, Own(Pool(self.limits)))
        try:
            answer = await self._backend.visit(visit if own.away_since is None else self._told(own, visit))
        except BackendUnavailableError:
            processes = self._backend.memory.processes(visit.organization)
            if processes is None:
                raise  # never reached: nobody knows what others have sent
            return self._alone(own, visit, processes)
        self._come_back(own)
        self._note(own, visit, answer)
        return answer

    async def join(self, organization: str, other: str) -> None:
        """Make two names one organization."""
        if (theirs := self._owns.pop(other, None)) is not None:
            ours = self._owns.setdefault(organization, Own(Pool(self.limits)))
            ours.pool.absorb(theirs.pool)
            ours.borrowed |= theirs.borrowed
            ours.untold |= theirs.untold
            ours.away_since = ours.away_since or theirs.away_since
        await self._backend.join(organization, other)

    async def aclose(self) -> None:
        """Let go of the connection; the next call opens another."""
        await self._backend.aclose()

    # -- while Redis is there ------------------------------------------------------------------

    def _note(self, own: Own, visit: Visit, answer: Answer) -> None:
        own.pool.go_on(self._clock(), None)
        for report in visit.reports:
            own.pool.settle(report)
        if answer.granted is not None:
            own.pool.adopt(visit, {visit.lease: answer.granted.key})
        if own.pool.is_untouched():
            del self._owns[visit.organization]

    def _told(self, own: Own, visit: Visit) -> Visit:
        now = self._clock()
        told = [replace(report, age_s=now - at) for at, report in own.untold.values()]
        return replace(visit, borrowed=dict(own.borrowed), reports=(*told, *visit.reports), was_away=True)

    def _come_back(self, own: Own) -> None:
        if own.away_since is not None:
            own.away_since = None
            own.borrowed.clear()
            own.untold.clear()
            _divide(own.pool, self.limits)

    # -- while it is away ----------------------------------------------------------------------

    def _alone(self, own: Own, visit: Visit, processes: int) -> Answer:
        now = self._clock()
        own.pool.go_on(now, None)
        if own.away_since is None:
            own.away_since = now
            _divide(own.pool, _share(self.limits, processes))
            own.pool.organization.window.hold_back(now, self._others_are_back(own))
            for bucket in own.pool.keys.values():
                bucket.window.hold_back(now, self._others_are_back(own))
        for key in {key for wish in visit.wishes for key in wish.keys} - set(own.pool.keys):
            own.pool.key(key).window.hold_back(now, self._others_are_back(own))
        answer = own.pool.visit(visit, now, is_dead=has_ended)
        if answer.granted is not None:
            own.borrowed[visit.lease] = answer.granted.key
        own.untold |= {report.lease: (now - report.age_s, report) for report in visit.reports}
        self._forget_what_is_back(own, now)
        return replace(answer, come_again=True)

    def _others_are_back(self, own: Own) -> float:
        return (own.away_since or 0.0) + self._backend.caution_s + self.limits.margin_s

    def _forget_what_is_back(self, own: Own, now: float) -> None:
        for lease, (at, _) in list(own.untold.items()):
            if now - at > self._backend.caution_s:
                del own.untold[lease]
                own.borrowed.pop(lease, None)


def _share(limits: RateLimits, processes: int) -> RateLimits:
    return replace(limits, org=max(1, limits.org // processes), key=max(1, limits.key // processes))


def _divide(pool: Pool, limits: RateLimits) -> None:
    pool.limits = limits
    pool.organization.window.limit = limits.org
    for bucket in pool.keys.values():
        bucket.window.limit = limits.key

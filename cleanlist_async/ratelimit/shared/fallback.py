"""What one process may send while the shared server is away: its own tokens, up to a share of the limits.

A token that this process took returns to it, and while no process reaches the server, no other can take it.
So it goes on with those, up to its share (see `share`); with none, it waits. If its share is larger than what
it had, the rest is free a lease and a window later, when whatever others took from the pool has returned. So
all shares together never exceed the limits.

When the server is back, each process first reports its tokens that are out; no token is granted for a few
polls, until all have. If the server is away only for some, the others go on with the full limits: only that
can lead to a 429.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from cleanlist_async.ratelimit.shared.backend import BackendUnavailableError, Report, SyncAnswer, SyncRequest
from cleanlist_async.ratelimit.shared.pool import Pool
from cleanlist_async.ratelimit.shared.process import has_ended
from cleanlist_async.ratelimit.shared.remote import RemoteLimits
from cleanlist_async.ratelimit.shared.share import Share

_MEANWHILE: Final = "Each process goes on with its share of the limits."


@dataclass(slots=True)
class LocalTokens:
    """The tokens of one organization that this process took, by its own clock.

    `borrowed` were taken while the server was away; `unreported` are the outcomes since.
    """

    pool: Pool
    away_since: float | None = None
    borrowed: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    unreported: dict[str, tuple[float, Report]] = field(default_factory=dict[str, tuple[float, Report]])


class LocalFallback:
    """A server, replaced by this process's own share of the limits while it is away."""

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
        self._reconnected(local)
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

    def _reconnected(self, local: LocalTokens) -> None:
        if local.away_since is not None:
            local.away_since = None
            local.borrowed.clear()
            local.unreported.clear()
            _set_limits(local.pool, Share(*self.limits.ours))

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
        self._forget_returned(local, now)
        return replace(answer, come_again=True)  # to look whether it is back, also with nothing to ask

    def _others_returned_at(self, local: LocalTokens) -> float:
        return (local.away_since or 0.0) + self._backend.caution_s + self.limits.margin_s

    def _forget_returned(self, local: LocalTokens, now: float) -> None:
        for lease, (at, _) in list(local.unreported.items()):
            if now - at > self._backend.caution_s:
                del local.unreported[lease]
                local.borrowed.pop(lease, None)


def _set_limits(pool: Pool, share: Share) -> None:
    pool.organization.window.allowance.limit = share.org
    for bucket in pool.keys.values():
        bucket.window.allowance.limit = share.key
    pool.limits = replace(pool.limits, org=share.org, key=share.key, leave=0.0)

"""Whether a pool accounts for all that was sent, or its server has lost some of it.

A server that was restarted, emptied or replaced by a replica may have lost everything, or its last seconds; a
clock that is set ahead makes tokens return too early. Each leaves a trace: another run of the server in the
pool; a pool that is gone, or of another generation than we saw; a jump between its clock and ours. All tokens
then count as sent until that moment, by holders that may use them for another lease: the pool starts again a
lease and a window later, and no request draws a 429.

Only one loss leaves no trace for a new process: a server that is emptied and goes on running. Processes that
synced before notice it.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, NotRequired, TypedDict

from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import PoolState

SHARE_KEPT_S: Final = 600.0
CLOCKS_DIFFER: Final = 1.1
"""By how much longer the store keeps a share: for clocks that run differently."""


class Share(NamedTuple):
    """Requests per window that a process may send while the store is away: of all keys together, and of one.

    All shares together never exceed the limits: the store writes them down, and gives no more than the others
    leave. The answer that tells a process of a smaller share may be lost, so the larger one stands until its
    next sync. A process that has not synced for `SHARE_KEPT_S` has none any more, by its own clock, before
    the store gives it to others.
    """

    org: int
    key: int


NO_SHARE: Final = Share(0, 0)


def next_share(limits: RateLimits, processes: int, of_others: Iterable[Share]) -> Share:
    """Return an equal share of the limits, at least one request, as far as the others leave it."""
    taken = [Share(*share) for share in of_others]
    org, key = limits.ours
    return Share(
        max(0, min(max(1, org // processes), org - sum(share.org for share in taken))),
        max(0, min(max(1, key // processes), key - sum(share.key for share in taken))),
    )


def larger(one: Share, other: Share) -> Share:
    """Return the larger of two shares, of each kind."""
    return Share(max(one.org, other.org), max(one.key, other.key))


_REMEMBERED_S: Final = 3_600.0
_JUMP_RATE: Final = 0.05
"""Drift between two clocks, as a fraction, above which a difference counts as a jump."""
_DRIFT: Final = 0.002
"""Drift that is said: more than a machine that keeps its time shows."""
_DRIFT_MEASURED_S: Final = 10.0

log: Final = logging.getLogger("cleanlist_async")


@dataclass(frozen=True, slots=True)
class Server:
    """One run of a server: `run` differs after each end of it that may lose data, and on each replica.

    `started_at`, by its clock as `now`, is when it may have had other data before: never too early, and minus
    infinity if it loses none.
    """

    run: str
    now: float
    started_at: float


class ClockWatch:
    """Notices when the server's clock, which can be set, jumps ahead of ours or drifts from it.

    The server reads its clock between the moments at which a question is sent and answered.
    """

    def __init__(self, server: str, tolerance_s: float) -> None:
        self.jumped_at = -math.inf
        self._server = server
        self._tolerance_s = tolerance_s
        self._ahead_s = math.inf  # the most that the server can be ahead; the first look is no jump
        self._looked_at = 0.0
        self._first: tuple[float, float, float] | None = None
        self._said = False

    def note(self, server_now: float, sent: float, answered: float) -> None:
        """Note what the server's clock read while ours went from *sent* to *answered*."""
        # The least that the server can be ahead now, beside the most that it was ahead at the last look.
        jump_s = server_now - answered - self._ahead_s
        if jump_s > self._tolerance_s + _JUMP_RATE * (answered - self._looked_at):
            self.jumped_at = server_now
        self._ahead_s, self._looked_at = server_now - sent, answered
        self._note_drift(server_now, sent, answered)

    def _note_drift(self, server_now: float, sent: float, answered: float) -> None:
        if self._said:
            return
        first_now, first_sent, first_answered = self._first = self._first or (server_now, sent, answered)
        least, most = sent - first_answered, answered - first_sent
        if least < _DRIFT_MEASURED_S:
            return
        # From what the two round trips leave open, the value nearest to no drift.
        elapsed_s = server_now - first_now
        drift = (elapsed_s - min(max(elapsed_s, least), most)) / least
        if abs(drift) > 2 * _JUMP_RATE:  # it was set
            self._first = (server_now, sent, answered)
        elif abs(drift) > _DRIFT:
            self._said = True
            log.warning(
                "The clock of %s runs at least %.1f %% %s than this machine's: one of them is wrong. "
                "%s Fix it.",
                self._server,
                abs(drift) * 100,
                "faster" if drift > 0 else "slower",
                "Tokens may return too early, and draw 429s." if drift > 0 else "Tokens return too late.",
            )


class StoredPool(TypedDict):
    """A pool as it is stored, with what shows whether it is the one that other processes have seen.

    `generations` are the names of all pools that were merged into it; `processes` those that synced lately,
    and when; `shares` what each may send while the server is away; `doubted_at` the time up to which all
    tokens count as sent, `gathered_at` when it last waited for processes that had gone on without the server.
    """

    pool: PoolState
    run: str
    generations: list[str]
    processes: dict[str, float]
    shares: NotRequired[dict[str, Share]]
    doubted_at: NotRequired[float]
    gathered_at: NotRequired[float]


@dataclass(frozen=True, slots=True)
class LastSync:
    """What this process saw at its last sync of an organization: by the server's clock, and by ours."""

    generation: str
    seen_at: float
    at: float
    process: str
    share: Share


class SyncHistory:
    """The last sync of each organization, as far as this process synced it within the hour."""

    def __init__(self, clock: Callable[[], float], matters_for_s: float, share_kept_s: float) -> None:
        self._clock = clock
        self._matters_for_s = matters_for_s
        self._share_kept_s = share_kept_s
        self._last_syncs: OrderedDict[str, LastSync] = OrderedDict()

    def note(self, organization: str, stored: StoredPool, began: float, process: str, share: Share) -> None:
        """Record what is stored for this organization since a sync that *began* then."""
        seen = LastSync(stored["generations"][-1], stored["pool"]["now"], began, process, share)
        self._last_syncs[organization] = seen
        self._last_syncs.move_to_end(organization)
        while began - next(iter(self._last_syncs.values())).at > _REMEMBERED_S:
            self._last_syncs.popitem(last=False)

    def of(self, organization: str) -> LastSync | None:
        """Return the last sync while it still matters: later, all tokens have returned anyway."""
        seen = self._last_syncs.get(organization)
        return seen if seen and self._clock() - seen.at <= self._matters_for_s else None

    def share(self, organization: str, process: str) -> Share:
        """Return what *process*, which a fork may have changed, may send while the server is away."""
        seen = self._last_syncs.get(organization)
        if seen is None or seen.process != process or self._clock() - seen.at > self._share_kept_s:
            return NO_SHARE
        return seen.share


def lost_until(stored: StoredPool | None, seen: LastSync | None, server: Server, watch: ClockWatch) -> float:
    """Return until when requests were sent that the pool may not account for; minus infinity for never."""
    # A process that saw a pool knows that it is gone. To any other, it may be gone since the server's start.
    if stored is None:
        return server.now if seen else min(server.now, server.started_at)
    if stored["run"] != server.run:
        return server.now
    last_seen_at = seen.seen_at if seen else stored["pool"]["now"]
    if stored.get("doubted_at", -math.inf) >= last_seen_at:
        return -math.inf  # another process has noticed it already
    is_another = seen is not None and seen.generation not in stored["generations"]
    return server.now if is_another or last_seen_at < watch.jumped_at else -math.inf

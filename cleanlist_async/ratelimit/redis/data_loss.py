"""Whether a pool accounts for all that was sent, or Redis has lost some of it.

A Redis that was restarted may have lost everything, or its last seconds, and so may a replica that takes
over; it may be emptied while it runs; a clock that is set ahead makes tokens return too early. Each leaves a
trace: another run of the server in the pool; a pool that is gone, or of another generation than we saw; a
jump between its clock and ours. All tokens then count as sent until that moment, by holders that may use them
for another lease: the pool starts again a lease and a window later, and no request draws a 429.

Only one loss leaves no trace for a new process: a server that is emptied and goes on running. Processes that
synced before notice it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NotRequired, TypedDict

from cleanlist_async.ratelimit.shared.backend import PoolState

_REMEMBERED_S: Final = 3_600.0
_RATE: Final = 0.05
"""Drift between two clocks, as a fraction, above which a difference counts as a jump."""


@dataclass(frozen=True, slots=True)
class Server:
    """One run of a server: `run` differs after each start, and on each replica.

    `now` and `started_at` are by its clock; `started_at` is never too early.
    """

    run: str
    now: float
    started_at: float


class ClockWatch:
    """Notices when the server's clock, which can be set, jumps ahead of ours, which cannot.

    The server reads its clock between the moments at which a LOOK is sent and answered.
    """

    def __init__(self, tolerance_s: float) -> None:
        self.jumped_at = -math.inf
        self._tolerance_s = tolerance_s
        self._ahead_s = math.inf  # the most that the server can be ahead; the first look is no jump
        self._looked_at = 0.0

    def note(self, server_now: float, sent: float, answered: float) -> None:
        """Note what the server's clock read while ours went from *sent* to *answered*."""
        # The least that the server can be ahead now, beside the most that it was ahead at the last look.
        jump_s = server_now - answered - self._ahead_s
        if jump_s > self._tolerance_s + _RATE * (answered - self._looked_at):
            self.jumped_at = server_now
        self._ahead_s, self._looked_at = server_now - sent, answered


class StoredPool(TypedDict):
    """A pool as it is stored, with what shows whether it is the one that other processes have seen.

    `generations` are the names of all pools that were merged into it; `doubted_at` is the time up to which it
    counts all tokens as sent, `gathered_at` the time when it last waited for processes that had gone on
    without Redis.
    """

    pool: PoolState
    run: str
    generations: list[str]
    processes: dict[str, float]
    doubted_at: NotRequired[float]
    gathered_at: NotRequired[float]


@dataclass(frozen=True, slots=True)
class LastSync:
    """What this process saw at its last sync of an organization: by the server's clock, and by ours."""

    generation: str
    seen_at: float
    at: float
    processes: int


class SyncHistory:
    """The last sync of each organization, as far as this process synced it within the hour."""

    def __init__(self, clock: Callable[[], float], matters_for_s: float) -> None:
        self._clock = clock
        self._matters_for_s = matters_for_s
        self._last_syncs: OrderedDict[str, LastSync] = OrderedDict()

    def note(self, organization: str, stored: StoredPool) -> None:
        """Record what is stored for this organization from now on."""
        now = self._clock()
        seen = LastSync(stored["generations"][-1], stored["pool"]["now"], now, len(stored["processes"]))
        self._last_syncs[organization] = seen
        self._last_syncs.move_to_end(organization)
        while now - next(iter(self._last_syncs.values())).at > _REMEMBERED_S:
            self._last_syncs.popitem(last=False)

    def of(self, organization: str) -> LastSync | None:
        """Return the last sync while it still matters: later, all tokens have returned anyway."""
        seen = self._last_syncs.get(organization)
        return seen if seen and self._clock() - seen.at <= self._matters_for_s else None

    def processes(self, organization: str) -> int | None:
        """Return how many processes shared this organization recently; None if it was never reached."""
        seen = self._last_syncs.get(organization)
        return None if seen is None else seen.processes


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

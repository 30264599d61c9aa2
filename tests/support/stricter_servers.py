"""Servers that are stricter than published, or whose limits others use too; and our limiter before them.

One key, 30 requests a minute published, half an hour of saturated demand in virtual time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from math import inf, sqrt
from typing import Protocol

import anyio

from cleanlist_async.ratelimit import Pace, RateLimiter, RateLimits, RequestClass, Route
from cleanlist_async.sandbox.limits import ArrivalLimit, LimitKind, make_limit

LIMIT, WINDOW_S = 30, 60.0
DURATION_S, ON_THE_WIRE = 1_800.0, 16
AFTER_A_FALL_S, AFTER_A_RISE_S = 120.0, 300.0
FASTEST_S, SLOWEST_S = 0.02, 0.4
"""One way; all between them are as likely."""
MEAN_ROUND_TRIP_S = FASTEST_S + SLOWEST_S
WORLDS = ((0.0, 0.0), (2.0, 0.0), (10.0, 0.0), (30.0, 0.0), (0.0, 0.01))
"""The seconds that an answer takes, and the share of answers that are lost."""


def now() -> float:
    return asyncio.get_running_loop().time()


# -- limits that the sandbox does not have -----------------------------------------------------------


class Gcra:
    """One request each interval, and up to *burst* at once after a rest: a leaky bucket if that is 1."""

    def __init__(self, limit: int, burst: int) -> None:
        self._interval_s = WINDOW_S / limit
        self._burst_s = self._interval_s * (burst - 1)
        self._empty_at = 0.0

    def wait_s(self, now: float) -> float:
        return max(0.0, self._empty_at - self._burst_s - now)

    def count(self, now: float) -> None:
        self._empty_at = max(self._empty_at, now) + self._interval_s


class WindowFromFirst:
    """A counter that is reset one window after the first request that it counted."""

    def __init__(self, limit: int) -> None:
        self._limit, self._count, self._ends_at = limit, 0, 0.0

    def wait_s(self, now: float) -> float:
        return 0.0 if now >= self._ends_at or self._count < self._limit else self._ends_at - now

    def count(self, now: float) -> None:
        if now >= self._ends_at:
            self._count, self._ends_at = 0, now + WINDOW_S
        self._count += 1


class Changing:
    """Other limits from given moments on; each has counted from the start."""

    def __init__(self, phases: Mapping[float, ArrivalLimit]) -> None:
        self._phases = phases

    def wait_s(self, now: float) -> float:
        return self._phases[max(since for since in self._phases if since <= now)].wait_s(now)

    def count(self, now: float) -> None:
        for limit in self._phases.values():
            limit.count(now)


# -- servers -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A kind of server, and the requests a minute that it allows us from each moment on.

    *told* is the limit that our limiter is given; with *is_silent*, 429s do not say how long to wait.
    *foreign* are the moments within each window at which another program sends a request on the same key;
    with *healthy_key*, there is another key that is allowed what is published.
    """

    limit: Callable[[float], ArrivalLimit]
    allows: Mapping[float, float]
    told: int = LIMIT
    count_rejected: bool = False
    is_silent: bool = False
    foreign: Sequence[float] = ()
    healthy_key: bool = False

    def measured(self) -> list[tuple[float, float, float]]:
        """Return the spans that are measured, and what is allowed in each."""
        moments = [*self.allows, DURATION_S]
        spans: list[tuple[float, float, float]] = []
        before: float = self.told
        for since, until in pairwise(moments):
            allowed = self.allows[since]
            learns_for = AFTER_A_RISE_S if allowed > before else AFTER_A_FALL_S
            spans.append((since + learns_for, until, allowed))
            before = allowed
        return spans


def _counted(kind: LimitKind, limit: int, phase_s: float) -> ArrivalLimit:
    return make_limit(kind, limit, WINDOW_S, phase_s)


def _gcra(burst: int, limit: int, _phase_s: float) -> ArrivalLimit:
    return Gcra(limit, burst)


def _from_first(limit: int, _phase_s: float) -> ArrivalLimit:
    return WindowFromFirst(limit)


def _changing(allows: Mapping[float, int]) -> Server:
    """Return a server that keeps a log, and changes its limit."""

    def make(phase_s: float) -> ArrivalLimit:
        return Changing({at: _counted("sliding", limit, phase_s) for at, limit in allows.items()})

    return Server(make, allows)


def margin_s(tail: float, slack_s: float = SLOWEST_S - FASTEST_S) -> float:
    """Return what has to be added to the interval of a leak, on average, if so much of each *tail* is risked.

    Two requests arrive up to *slack_s* closer than they were sent. Who knows how long the answer to the first
    took, knows the bounds of its way there: the upper one is 5/6 of the slack in the mean, they are 2/3 of it
    apart. Then the second is early with a probability of tail^2 / 3. The same tail each time is best: a
    moment more or less gains or costs as much everywhere.
    """
    return slack_s * (5 - 4 * tail) / 6


def most_of_a_leak(limit: int) -> float:
    """Return the requests a minute of the best client of a leak without burst, with 1 % of 429s."""
    return WINDOW_S / (WINDOW_S / limit + margin_s(sqrt(3 * 0.01)))


def _both(
    name: str, make: Callable[[int, float], ArrivalLimit], allows: Callable[[int], float] = float
) -> dict[str, Server]:
    """Return a server that allows what is published, and one that allows half of it."""
    return {
        name: Server(partial(make, LIMIT), {0.0: allows(LIMIT)}),
        f"{name}, half": Server(partial(make, LIMIT // 2), {0.0: allows(LIMIT // 2)}),
    }


EVENLY = [4.0 * number for number in range(15)]
AT_ONCE = [0.05 * number for number in range(15)]
SERVERS: dict[str, Server] = {
    **_both("sliding log", partial(_counted, "sliding")),
    **_both("fixed window", partial(_counted, "fixed")),
    **_both("window from the first", _from_first),
    **_both("token bucket", partial(_counted, "token_bucket")),
    **_both("GCRA, burst 10", partial(_gcra, 10)),
    **_both("GCRA, burst 5", partial(_gcra, 5)),
    **_both("leaky, no burst", partial(_gcra, 1), most_of_a_leak),
    **_both("weighted counter", partial(_counted, "weighted")),
    "one endpoint at 20": Server(partial(_counted, "sliding", 20), {0.0: 20}),
    "rejected requests count": Server(partial(_counted, "sliding", 15), {0.0: 15}, count_rejected=True),
    "says nothing, half": Server(partial(_counted, "sliding", 15), {0.0: 15}, is_silent=True),
    "30, then 10, then 30": _changing({0.0: 30, 600.0: 10, 1_200.0: 30}),
    "20, then 10, then 20": _changing({0.0: 20, 600.0: 10, 1_200.0: 20}),
    "limit 2": Server(partial(_counted, "sliding", 2), {0.0: 2}),
    "limit 1, as told": Server(partial(_counted, "sliding", 1), {0.0: 1}, told=1),
    "limit 2 of 4 told": Server(partial(_counted, "sliding", 2), {0.0: 2}, told=4),
    "two keys, one at 10": Server(partial(_counted, "sliding", 10), {0.0: 10}, healthy_key=True),
    "a stranger, steady 15": Server(partial(_counted, "sliding", LIMIT), {0.0: 15}, foreign=EVENLY),
    "a stranger, 15 at once": Server(partial(_counted, "sliding", LIMIT), {0.0: 15}, foreign=AT_ONCE),
}


class Leave(Protocol):
    """Called when a request has ended.

    With 0, the seconds that a 429 asks for (infinity if it does not say), or None for no answer.
    """

    async def __call__(self, asked_s: float | None, /) -> None: ...


class Door(Protocol):
    """A limiter; returns the number of the key to send with."""

    async def __call__(self) -> tuple[int, Leave]: ...


def ours(pace: Pace, server: Server) -> Door:
    """Our limiter, told of each answer."""
    limiter = RateLimiter(RateLimits(org=2 * server.told, key=server.told), clock=now, rng=random.Random(1))
    route = Route(("0", "1") if server.healthy_key else ("0",), "organization")

    async def enter() -> tuple[int, Leave]:
        permit = await limiter.acquire(route, RequestClass.SUBMIT, pace)

        async def leave(asked_s: float | None) -> None:
            if asked_s is None:
                permit.lost()
            else:
                permit.answered(now(), rejected=asked_s > 0, asked_s=asked_s if 0 < asked_s < inf else None)

        return int(permit.key or 0), leave

    return enter


# -- one run -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """429s of the first volley and after it, how many of the latter are allowed, and the share used."""

    volley: int
    later: int
    allowance: float
    share: float

    @property
    def is_met(self) -> bool:
        return self.later <= self.allowance and self.share >= 0.9


@dataclass
class Run:
    """What arrived at a server, and how it was answered."""

    server: Server
    answer_s: float
    lost: float
    rng: random.Random
    grants: list[float] = field(default_factory=list[float])
    rejected: list[float] = field(default_factory=list[float])
    """When requests that were answered 429 were sent."""
    first_429_at: float = inf

    def __post_init__(self) -> None:
        self._limits = [self.server.limit(self.rng.uniform(0, WINDOW_S))]
        if self.server.healthy_key:
            self._limits.append(make_limit("sliding", LIMIT, WINDOW_S))

    async def work(self, door: Door) -> None:
        while now() < DURATION_S:
            key, leave = await door()
            await leave(await self._request(key))

    def travel_s(self) -> float:
        return self.rng.uniform(FASTEST_S, SLOWEST_S)

    async def _request(self, key: int) -> float | None:
        sent_at = now()
        await asyncio.sleep(self.travel_s())
        if wait_s := self._arrive(key):
            await asyncio.sleep(self.travel_s())
            self.rejected.append(sent_at)
            self.first_429_at = min(self.first_429_at, now())
            return inf if self.server.is_silent else wait_s
        self.grants.append(now())
        if self.rng.random() < self.lost:
            await asyncio.sleep(60.0)
            return None
        await asyncio.sleep(self.travel_s() + self.answer_s)
        return 0.0

    def _arrive(self, key: int) -> float:
        limit = self._limits[key]
        wait_s = limit.wait_s(now())
        if not wait_s or self.server.count_rejected:
            limit.count(now())
        return wait_s

    async def strangers(self) -> None:
        while now() < DURATION_S:
            start = now()
            for moment in self.server.foreign:
                await anyio.sleep(max(0.0, start + moment - now()))
                self._arrive(0)
            await anyio.sleep(max(0.0, start + WINDOW_S - now()))

    def result(self) -> Result:
        volley = sum(sent <= self.first_429_at for sent in self.rejected)
        later = len(self.rejected) - volley
        possible = self.server.told * WINDOW_S / (WINDOW_S + MEAN_ROUND_TRIP_S + self.answer_s)
        of_healthy_key = possible if self.server.healthy_key else 0.0
        used = usable = 0.0
        for since, until, allowed in self.server.measured():
            used += sum(since <= at < until for at in self.grants)
            usable += (min(allowed, possible) + of_healthy_key) * (until - since) / WINDOW_S
        allowance = max(0.01 * (len(self.grants) + later), DURATION_S / 300)
        return Result(volley, later, allowance, used / usable)

    async def live(self, door: Door) -> Result:
        """Send as fast as *door* lets us, for the whole time."""
        async with anyio.create_task_group() as group:
            if self.server.foreign:
                group.start_soon(self.strangers)
            for _ in range(ON_THE_WIRE * len(self._limits)):
                group.start_soon(self.work, door)
            await anyio.sleep(DURATION_S)
            group.cancel_scope.cancel()
        return self.result()

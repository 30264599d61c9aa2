"""Several organizations behind one limiter: nobody is forgotten, though few lines are looked at each time."""

from __future__ import annotations

import asyncio
import gc
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from cleanlist_async.errors import RateLimitError
from cleanlist_async.ratelimit import Pace, RateLimiter, RateLimits, RequestClass, Route
from cleanlist_async.ratelimit.wait_queues import Shaper
from cleanlist_async.testing import run
from tests.support.examples import examples
from tests.support.limited_wire import INTERACTIVE, STATUS, SUBMIT, new_limiter
from tests.support.shared_stores import flush_reports

KEYS_OF = {"small": 1, "pair": 2, "other pair": 2, "large": 20}
NAMES = tuple(KEYS_OF)

ORGANIZATIONS_RUN_OUT = RateLimits(org=6, key=3)
KEYS_RUN_OUT = RateLimits(org=100, key=1)
both_limits = pytest.mark.parametrize("limits", [ORGANIZATIONS_RUN_OUT, KEYS_RUN_OUT])


def now() -> float:
    return asyncio.get_running_loop().time()


def routes_of(organization: str) -> Sequence[Route]:
    """All its keys, each of them alone, and a JWT."""
    keys = tuple(f"{organization} {number}" for number in range(KEYS_OF[organization]))
    return [
        Route(keys, organization),
        *(Route((key,), organization) for key in keys),
        Route((), organization),
    ]


@dataclass
class Call:
    """One request, and what the limiter made of it."""

    route: Route
    kind: RequestClass
    pace: Pace
    asked_at: float
    key: str | None = None
    granted: bool = False
    left_at: float = math.inf

    @property
    def rank(self) -> float:
        return self.asked_at + self.kind.value * 60

    def was_passed_over_for(self, other: Call) -> bool:
        """Whether *other* got tokens that this one, which stood before it, was there to take."""
        return (
            self.pace == other.pace == "burst"
            and self.route.organization == other.route.organization
            and (not self.route.keys or other.key in self.route.keys)
            and self.rank < other.rank
            and (self.kind is INTERACTIVE)
            is (other.kind is INTERACTIVE)  # they go before or after all others
            and self.asked_at < other.left_at < self.left_at
        )


@dataclass
class World:
    """Calls, cancellations and joins: at random, but the same for every limiter that has the same seed."""

    limiter: RateLimiter
    seed: int
    joins: int = 0
    with_429s: bool = False
    watched: bool = True
    calls: list[Call] = field(default_factory=list)

    async def live(self) -> None:
        rng = random.Random(self.seed)
        tasks = [asyncio.ensure_future(self.call(random.Random(rng.random()))) for _ in range(120)]
        for victim in rng.sample(tasks, 30):
            asyncio.get_running_loop().call_later(rng.uniform(0, 400), victim.cancel)
        for _ in range(self.joins):
            asyncio.get_running_loop().call_later(
                rng.uniform(0, 200), self.limiter.join, *rng.sample(NAMES, 2)
            )
        if self.watched:
            await asyncio.gather(*(self.watch(rng.uniform(0, 600)) for _ in range(60)))
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [end for end in ends if isinstance(end, Exception)]

    async def call(self, rng: random.Random) -> None:
        await asyncio.sleep(rng.choice((0.0, rng.uniform(0, 250))))
        route = rng.choice(routes_of(rng.choice(NAMES)))
        kind, pace = rng.choice((INTERACTIVE, SUBMIT, STATUS)), rng.choice(("burst", "burst", "smooth"))
        takes_s, asked_s = rng.choice((0.0, rng.uniform(0, 5))), rng.uniform(1, 200)
        outcome = rng.choice(("answered", "answered", "rejected", "lost", "unsent"))
        call = Call(route, kind, pace, now())
        self.calls.append(call)
        try:
            permit = await self.limiter.acquire(route, kind, pace)
        except RateLimitError:
            return
        finally:
            call.left_at = round(now(), 3)  # each turn of a shaper takes a microsecond of virtual time
        call.key, call.granted = permit.key, True
        try:
            await asyncio.sleep(takes_s)
        finally:
            if outcome == "lost":
                permit.lost()
            elif outcome == "unsent":
                permit.unsent()
            elif outcome == "rejected" and self.with_429s:
                permit.answered(now(), rejected=True, asked_s=asked_s)
            else:
                permit.answered(now())

    async def watch(self, at: float) -> None:
        """See that no token lies idle while somebody waits for it, who need not be spaced nor stand back."""
        await asyncio.sleep(at)
        for _ in range(10):
            await asyncio.sleep(0)
        for call in self.calls:
            if self.limiter.store.must_be_smooth(call.route, now()):
                continue  # after a 429, all are spaced
            if call.left_at == math.inf and call.pace == "burst" and call.kind is not STATUS:
                reserved = 0
                if call.kind is SUBMIT and self.limiter.store.has_interactive(call.route, now()):
                    reserved = max(1, len(call.route.keys))  # one of the organization's, and of each key
                assert self.limiter.available(call.route) <= reserved, f"seed {self.seed}, {now()} s: {call}"


class LooksEverywhere(RateLimiter):
    """Looks at the lines of all organizations, whatever happens: slow, but can forget none."""

    def wake_all(self, organization: str, returns_at: float = -math.inf) -> None:
        del organization, returns_at
        for name in NAMES:
            super().wake_all(name)


def calls_of(
    seed: int, limits: RateLimits, *, joins: int = 0, with_429s: bool = False, plain: bool = False
) -> list[Call]:
    async def main() -> list[Call]:
        make = LooksEverywhere if plain else RateLimiter
        limiter = make(limits, clock=asyncio.get_running_loop().time, rng=random.Random(seed))
        world = World(limiter, seed, joins, with_429s)
        await world.live()
        return world.calls

    return run(main())


@pytest.mark.slow
@both_limits
def test_everybody_is_served_as_if_all_lines_were_looked_at(limits: RateLimits) -> None:
    waited = 0
    for seed in range(40):
        calls = calls_of(seed, limits, joins=seed % 3)
        assert calls == calls_of(seed, limits, joins=seed % 3, plain=True), f"seed {seed}"
        waited += sum(call.left_at > call.asked_at for call in calls)
    assert waited > 1_000


@pytest.mark.scaled
@both_limits
def test_the_first_in_line_is_served_first(limits: RateLimits) -> None:
    for seed in range(examples(40)):
        calls = calls_of(seed, limits)
        granted = [call for call in calls if call.granted]
        assert not [(one, other) for other in granted for one in calls if one.was_passed_over_for(other)]


@pytest.mark.slow
@pytest.mark.parametrize("limits", [RateLimits(org=8, key=4), KEYS_RUN_OUT])
def test_no_token_is_idle_while_somebody_waits_for_it_whatever_429s_and_joins_come(
    limits: RateLimits,
) -> None:
    for seed in range(60):
        calls_of(seed, limits, joins=seed % 3, with_429s=True)


@pytest.mark.slow
def test_nobody_waits_for_ever(every_store: str) -> None:
    async def main(seed: int) -> None:
        limiter = new_limiter(ORGANIZATIONS_RUN_OUT)
        async with asyncio.timeout(3_000):
            await World(limiter, seed, joins=seed % 3, with_429s=seed % 2 == 0, watched=False).live()
        flush_reports(limiter)
        assert limiter.waiting() == 0
        assert all(state.in_flight == 0 for state in limiter.states())

    for seed in range({"memory": 40, "shared": 10}[every_store]):
        run(main(seed))


def test_what_all_tokens_have_returned_to_is_forgotten() -> None:
    """One limiter may serve thousands of tenants; each has a key and an organization of its own."""

    async def main() -> None:
        limiter = new_limiter()
        for number in range(500):
            route = Route((f"key {number}",), f"organization {number}")
            limiter.join(route.organization, f"its name {number}")
            (await limiter.acquire(route, SUBMIT, "smooth")).answered(now())
            await asyncio.sleep(5)
        assert len(limiter.states()) < 300
        assert sum(type(one) is Shaper for one in gc.get_objects()) < 300
        busy = Route(("key 499",), "organization 499")
        assert limiter.available(busy) == 29

    run(main())

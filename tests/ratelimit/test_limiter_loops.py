"""One limiter for several event loops, threads and clients."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit import Permit, RateLimiter, RateLimits, Route
from cleanlist_async.ratelimit.limiter import attach, detach, shared_limiter
from tests.support.cases import each_case
from tests.support.limited_wire import INTERACTIVE, JWT_ROUTE, ROUTE, STATUS, SUBMIT

URL = "http://localhost"
WINDOW_S = 0.2


class Clock:
    """Time that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def burst(limiter: RateLimiter, count: int) -> list[Permit]:
    return [await limiter.acquire(ROUTE, SUBMIT, "burst") for _ in range(count)]


def test_two_runs_within_a_minute_do_not_double_the_rate() -> None:
    clock = Clock()
    limiter = RateLimiter(clock=clock)

    async def first() -> None:
        for permit in await burst(limiter, 30):
            permit.answered(clock.now)

    async def second() -> int:
        return limiter.available(ROUTE)

    asyncio.run(first())
    clock.now += 60
    assert asyncio.run(second()) == 0
    clock.now += 0.06
    assert asyncio.run(second()) == 30
    asyncio.run(first())


def test_a_lease_of_a_loop_that_is_gone_can_still_be_settled() -> None:
    limiter = RateLimiter()
    permits = asyncio.run(burst(limiter, 30))
    for permit in permits:
        permit.unsent()
    assert limiter.available(ROUTE) == 30
    assert limiter.waiting() == 0  # and asking outside any loop is no error


def test_loops_that_are_over_are_forgotten() -> None:
    limiter = RateLimiter(RateLimits(org=1, key=1))
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        permit = await limiter.acquire(ROUTE, SUBMIT, "smooth")
        waiting = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT, "smooth"))
        await asyncio.sleep(0)
        permit.unsent()
        waiting.cancel()

    for _ in range(5):
        asyncio.run(main())
    gc.collect()
    assert sum(loop() is not None for loop in loops) <= 1


def test_aiolimiter_never_warns_of_a_second_loop() -> None:
    """Warnings are errors here: aiolimiter warns when one object is used in two loops."""
    limiter = RateLimiter(RateLimits(window_s=WINDOW_S))

    async def main() -> None:
        for _ in range(3):
            (await limiter.acquire(ROUTE, SUBMIT, "smooth")).unsent()

    for _ in range(3):
        asyncio.run(main())


def in_threads(*mains: Callable[[], None]) -> None:
    problems: list[BaseException] = []

    def guarded(main: Callable[[], None]) -> None:
        try:
            main()
        except BaseException as problem:  # noqa: BLE001
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(main,)) for main in mains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a waiter was never woken"
    assert problems == []


@pytest.mark.slow
def test_two_threads_at_once_share_the_window() -> None:
    limiter = RateLimiter(RateLimits(org=20, key=10, window_s=WINDOW_S))
    arrivals: list[float] = []

    async def caller() -> None:
        for kind in (SUBMIT, STATUS, INTERACTIVE):
            permit = await limiter.acquire(ROUTE, kind, "burst")
            arrivals.append(time.monotonic())
            await asyncio.sleep(0.002)
            permit.answered(time.monotonic())

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(caller())

    in_threads(lambda: asyncio.run(main()), lambda: asyncio.run(main()))
    arrivals.sort()
    assert len(arrivals) == 36
    assert all(later - earlier >= WINDOW_S for earlier, later in zip(arrivals, arrivals[10:], strict=False))
    assert all(state.in_flight == 0 for state in limiter.states())


@pytest.mark.parametrize("way", ["unsent", "cancelled after the grant", "lost"])
def test_a_token_that_comes_back_in_one_thread_wakes_the_other(way: str) -> None:
    limiter = RateLimiter(RateLimits(org=1, key=1, window_s=WINDOW_S))
    taken, waits = threading.Event(), threading.Event()

    async def owner() -> None:
        permit = await limiter.acquire(ROUTE, SUBMIT, "burst")
        taken.set()
        await asyncio.to_thread(waits.wait)
        await asyncio.sleep(0.02)  # until the other thread does wait
        if way == "lost":
            permit.lost()
            return
        rival = asyncio.ensure_future(limiter.acquire(ROUTE, INTERACTIVE, "burst"))
        await asyncio.sleep(0)
        if way == "unsent":
            rival.cancel()
            await asyncio.sleep(0)
            permit.unsent()
        else:
            permit.unsent()  # granted to the rival, in this loop
            rival.cancel()
            await asyncio.sleep(0)

    async def other() -> None:
        await asyncio.to_thread(taken.wait)
        waits.set()
        (await limiter.acquire(ROUTE, SUBMIT, "burst")).unsent()

    in_threads(lambda: asyncio.run(owner()), lambda: asyncio.run(other()))


# -- which clients share what ----------------------------------------------------------------------


class User:
    """Stands for a client."""


@pytest.fixture
def users() -> Iterator[Callable[[RateLimiter, Route], User]]:
    attached: list[tuple[RateLimiter, User]] = []

    def attach_user(limiter: RateLimiter, route: Route) -> User:
        user = User()
        attach(limiter, user, route)
        attached.append((limiter, user))
        return user

    yield attach_user
    for limiter, user in attached:
        detach(limiter, user)


AttachUser = Callable[[RateLimiter, Route], User]


def test_the_same_limits_share_a_limiter(users: AttachUser) -> None:
    limits = RateLimits(window_s=7.0)
    one, two = shared_limiter(URL, limits), shared_limiter(URL, RateLimits(window_s=7.0))
    assert one is two
    users(one, ROUTE)
    users(two, ROUTE)
    assert shared_limiter("http://127.0.0.1", limits) is not one


def test_one_key_under_two_limiters_is_refused(users: AttachUser) -> None:
    one, two = RateLimiter(), RateLimiter()
    user = users(one, ROUTE)
    with pytest.raises(ConfigurationError, match="another limiter"):
        users(two, Route((*ROUTE.keys, "more"), "elsewhere"))
    users(two, Route(("more",), "org_test"))
    detach(one, user)
    users(two, ROUTE)


def test_one_jwt_under_two_limiters_is_refused(users: AttachUser) -> None:
    users(RateLimiter(), JWT_ROUTE)
    with pytest.raises(ConfigurationError):
        users(RateLimiter(), JWT_ROUTE)


@pytest.mark.parametrize("other", [RateLimiter, lambda: shared_limiter(URL, RateLimits(window_s=12.0))])
def test_another_limiter_for_a_key_that_still_has_tokens_out_is_refused(
    users: AttachUser, other: Callable[[], RateLimiter]
) -> None:
    """Also when the client that had the first one is closed."""
    route = Route(("fresh",), "org_fresh")
    limiter = RateLimiter(RateLimits(window_s=WINDOW_S))
    detach(limiter, users(limiter, route))

    async def main() -> Permit:
        return await limiter.acquire(route, SUBMIT)

    permit = asyncio.run(main())
    with pytest.raises(ConfigurationError, match="another limiter"):
        users(other(), route)
    permit.unsent()
    users(other(), route)


def test_processes_that_share_a_store_are_no_other_limiter(users: AttachUser, tmp_path: Path) -> None:
    """One after the other in one process too, as tests and scripts open the file again and again."""
    route = Route(("shared",), "org_shared")
    for _ in range(2):
        limiter = RateLimiter.sqlite(tmp_path / "limits.db")
        user = users(limiter, route)

        async def main(limiter: RateLimiter = limiter) -> None:
            (await limiter.acquire(route, SUBMIT)).answered(limiter.clock())

        asyncio.run(main())
        detach(limiter, user)
    with pytest.raises(ConfigurationError, match="another limiter"):
        users(RateLimiter(), route)


def test_a_client_that_was_dropped_without_closing_holds_no_key() -> None:
    attach(RateLimiter(), user := User(), Route(("dropped",), "org"))
    del user
    gc.collect()
    attach(RateLimiter(), user := User(), Route(("dropped",), "org"))
    del user


@each_case(
    "options",
    [
        {"org": 0},
        {"key": 0},
        {"window_s": 0.0},
        {"window_s": math.nan},
        {"window_s": math.inf},
        {"leave": 1.0},
        {"leave": -0.1},
        {"margin_s": -1.0},
        {"margin_s": math.nan},
        {"grace_s": math.inf},
        {"grace_s": -0.1},
    ],
)
def test_limits_that_cannot_work_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        RateLimits(**options)  # type: ignore[arg-type]


def test_margins_scale_down_with_the_window_but_not_up() -> None:
    assert RateLimits(window_s=6.0).key_window().margin_s == pytest.approx(0.005)
    assert RateLimits(window_s=6.0).key_window().grace_s == pytest.approx(0.5)
    assert RateLimits(window_s=600.0).organization_window().grace_s == 5.0

"""While Redis is away, and when it returns: nobody exceeds the limits, or waits longer than it must."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from cleanlist_async import AsyncCleanlist, RateLimiter, RateLimits
from cleanlist_async.events import Event, LimitsAway, LimitsBack
from cleanlist_async.ratelimit.shared.backend import (
    BackendUnavailableError,
    Process,
    SyncRequest,
    TokenRequest,
)
from cleanlist_async.ratelimit.shared.data_loss import SHARE_KEPT_S
from cleanlist_async.ratelimit.shared.remote import LocalFallback
from cleanlist_async.sandbox import Sandbox
from tests.ratelimit.test_pool import Actor, actor
from tests.support.crowd import LIMITS, WINDOW_S, Crowd
from tests.support.hand_clock import HandClock
from tests.support.limited_wire import ROUTE, SUBMIT
from tests.support.redis_server import RedisServer, redis_server, skip_without, wait_until_old_enough
from tests.support.remote_limits import BlockingBackend, ClockedRedis, LoopInThread
from tests.support.shared_stores import finish

pytestmark = pytest.mark.sockets

CAUTION_S = 120.0
FOUR = RateLimits(org=4, key=4)
ONE = TokenRequest(("a",), SUBMIT)


# -- one process at a time ---------------------------------------------------------------------------


@dataclass
class Cable:
    """Between two processes and their Redis; nothing passes while it is pulled."""

    clock: HandClock
    limits: RateLimits = FOUR
    pulled: bool = False
    opened: list[BlockingBackend] = field(default_factory=list)


class BehindCable(ClockedRedis):
    cable: Cable

    async def _run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        if self.cable.pulled:
            raise BackendUnavailableError("the cable is pulled")
        return await super()._run(work)


@pytest.fixture
def cable() -> Cable:
    return Cable(HandClock())


Start = Callable[[str], Actor]


@pytest.fixture
def start(redis_url: str, namespace: str, cable: Cable, loop_in_thread: LoopInThread) -> Iterator[Start]:
    def start(name: str) -> Actor:
        redis = BehindCable(redis_url, cable.limits, cable.clock, namespace)
        redis.cable = cable
        cable.opened.append(BlockingBackend(LocalFallback(redis, cable.clock), loop_in_thread))
        return actor(cable.opened[-1], cable.clock, name)

    yield start
    for backend in cable.opened:
        finish(backend.aclose())


def answer_all(who: Actor) -> None:
    for lease in list(who.held):
        who.settle(lease, "answered")
    who.sync()


def agree_on_shares(*crowd: Actor) -> None:
    """Let each sync until it has its share: one that had more gives it up, and says so with its next sync."""
    for who in crowd * 3:
        who.sync()


def granted(who: Actor, times: int, wanted: TokenRequest = ONE) -> int:
    return sum(who.sync(wanted) is not None for _ in range(times))


def test_a_process_goes_on_with_what_it_had_up_to_its_share(start: Start, cable: Cable) -> None:
    one, two = start("one"), start("two")
    assert granted(one, 3) == 3
    answer_all(one)
    agree_on_shares(one, two)
    cable.pulled = True
    cable.clock.now += 30
    assert granted(one, 1) + granted(two, 1) == 0
    cable.clock.now += 30.1
    assert granted(one, 4) == 2
    assert granted(two, 4) == 0  # its share may be on its way to the server from another


@pytest.mark.parametrize("wanted", [ONE, TokenRequest((), SUBMIT)], ids=["of a key", "of a JWT"])
def test_its_whole_share_is_there_when_all_others_are_back(
    start: Start, cable: Cable, wanted: TokenRequest
) -> None:
    one, two = start("one"), start("two")
    agree_on_shares(one, two)
    cable.pulled = True
    assert granted(one, 1, wanted) + granted(two, 1, wanted) == 0
    cable.clock.now += CAUTION_S - 1
    assert granted(one, 1, wanted) + granted(two, 1, wanted) == 0
    cable.clock.now += 1.1
    assert (granted(one, 4, wanted), granted(two, 4, wanted)) == (2, 2)


def test_what_is_left_to_others_is_left_to_them_meanwhile(start: Start, cable: Cable) -> None:
    cable.limits = RateLimits(org=8, key=8, leave=0.5)
    one, new_key = start("one"), TokenRequest(("b",), SUBMIT)
    agree_on_shares(one)
    cable.pulled = True
    assert granted(one, 1, new_key) == 0
    cable.clock.now += CAUTION_S + 0.1
    assert granted(one, 8, TokenRequest(("c",), SUBMIT)) == 4
    answer_all(one)
    cable.pulled = False
    cable.clock.now += CAUTION_S
    assert granted(one, 8) == 0  # until all others have said what they sent
    cable.clock.now += 10
    assert granted(one, 8) == 4


@pytest.mark.parametrize("rounds", [1, 2, 3, 4])
def test_more_processes_than_tokens_never_have_more_than_the_limit(
    start: Start, cable: Cable, rounds: int
) -> None:
    crowd = [start(f"p{number}") for number in range(6)]
    for who in crowd * rounds:
        who.sync()
    cable.pulled = True
    taken = [granted_while_away(who) for who in crowd]
    cable.clock.now += CAUTION_S + 0.1
    taken = [granted_while_away(who) for who in crowd]
    assert sum(taken) == (4 if rounds != 2 else 1)  # in the second, the first gives up what others then take


def test_a_share_that_a_process_may_not_know_to_be_smaller_is_given_to_no_other(
    start: Start, cable: Cable
) -> None:
    one, two = start("one"), start("two")
    one.sync()  # all four
    two.sync()
    one.sync()  # two, from the answer on
    two.sync()
    cable.pulled = True
    with pytest.raises(BackendUnavailableError):
        two.sync()  # for all the pool knows, the answer never reached the first


def test_a_process_that_was_silent_for_long_has_no_share(start: Start, cable: Cable) -> None:
    one = start("one")
    one.sync()
    cable.clock.now += SHARE_KEPT_S + 1
    cable.pulled = True
    with pytest.raises(BackendUnavailableError):
        one.sync(ONE)


def granted_while_away(who: Actor) -> int:
    try:
        return granted(who, 6)
    except BackendUnavailableError:
        return 0  # it waits


def test_what_was_taken_meanwhile_is_told_before_anything_else_is_given(start: Start, cable: Cable) -> None:
    one, two = start("one"), start("two")
    assert granted(one, 2) == 2
    assert granted(two, 2) == 2
    answer_all(one)
    answer_all(two)
    agree_on_shares(one, two)
    cable.pulled = True
    one.sync()
    two.sync()
    cable.clock.now += 60.1
    assert (granted(one, 2), granted(two, 2)) == (2, 2)
    answer_all(one)  # one answers, the other's are still out
    cable.pulled = False
    newcomer = start("newcomer")
    one.sync()
    assert newcomer.sync(ONE) is None
    cable.clock.now += 2
    two.sync()
    cable.clock.now += 30
    assert newcomer.sync(ONE) is None
    two.sync()
    cable.clock.now += 28.2
    assert 1 <= granted(newcomer, 3) <= 2  # those of one are back, those of two are in flight
    assert all(two.good_until[lease] > cable.clock.now for lease in two.held)


def test_the_last_tokens_are_told_though_nobody_waits(start: Start, cable: Cable) -> None:
    one = start("one")
    one.sync()
    cable.pulled = True
    one.sync(ONE)
    cable.clock.now += CAUTION_S + 0.1
    assert granted(one, 1) == 1
    for lease in list(one.held):
        one.settle(lease, "answered")
    request = SyncRequest(Process("one", 1, "here"), "org", "one-last")
    assert finish(one.backend.sync(request)).come_again
    cable.pulled = False
    assert not finish(one.backend.sync(request)).come_again


def test_a_process_that_never_reached_it_waits(start: Start, cable: Cable) -> None:
    cable.pulled = True
    with pytest.raises(BackendUnavailableError):
        start("one").sync(ONE)


# -- in real time ------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[RedisServer]:
    skip_without("redis-server")
    with redis_server() as server:
        wait_until_old_enough(server.url, LIMITS)
        yield server


def crowd_on(server: RedisServer, fail: Literal["closed", "local"]) -> Crowd:
    return Crowd([RateLimiter.redis(server.url, LIMITS, fail=fail) for _ in range(3)])


@pytest.mark.slow
def test_a_restart_that_loses_everything_draws_no_429(server: RedisServer) -> None:
    crowd = crowd_on(server, "closed")

    async def main() -> None:
        async with crowd.at_work():
            await crowd.send(45)
            await asyncio.to_thread(server.restart)
            await crowd.send(60)

    asyncio.run(main())
    assert crowd.busiest() <= 30


@pytest.mark.slow
@pytest.mark.parametrize("fail", ["closed", "local"])
def test_a_redis_that_does_not_answer_for_a_while(
    server: RedisServer, fail: Literal["closed", "local"]
) -> None:
    crowd = crowd_on(server, fail)

    async def main() -> int:
        async with crowd.at_work():
            await crowd.send(90)
            server.signal(signal.SIGSTOP)
            before = len(crowd.arrivals)
            if fail == "local":
                await crowd.send(40)
            else:
                await asyncio.sleep(3 * WINDOW_S)
            meanwhile = len(crowd.arrivals) - before
            server.signal(signal.SIGCONT)
            await crowd.send(60)
            return meanwhile

    meanwhile = asyncio.run(main())
    assert crowd.busiest() <= 30
    assert fail == "local" or meanwhile <= 5  # what was granted before


@pytest.mark.slow
@pytest.mark.anyio
async def test_whoever_waits_gets_its_token_when_redis_returns(server: RedisServer) -> None:
    limiter = RateLimiter.redis(server.url, RateLimits(window_s=0.5))
    (await limiter.acquire(ROUTE, SUBMIT)).unsent()
    server.signal(signal.SIGSTOP)
    try:
        waiting = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT))
        await asyncio.sleep(0.8)
        assert not waiting.done()
    finally:
        server.signal(signal.SIGCONT)
    async with asyncio.timeout(60):
        (await waiting).unsent()
    await asyncio.to_thread(limiter.store.worker.flush)  # type: ignore[attr-defined]
    await asyncio.sleep(1.5)


@pytest.mark.slow
@pytest.mark.anyio
async def test_every_client_is_told_in_its_own_loop_that_redis_was_lost_and_found(
    server: RedisServer,
) -> None:
    limits = RateLimits(window_s=0.5)
    heard: list[tuple[str, asyncio.AbstractEventLoop]] = []
    lost, found = asyncio.Event(), asyncio.Event()

    def listen(event: Event) -> None:
        if isinstance(event, LimitsAway | LimitsBack):
            heard.append((type(event).__name__, asyncio.get_running_loop()))
            (lost if isinstance(event, LimitsAway) else found).set()

    async with Sandbox(window_s=limits.window_s) as sandbox:
        limiter = RateLimiter.redis(server.url, limits)
        async with AsyncCleanlist(
            sandbox.api_key, base_url=sandbox.base_url, limiter=limiter, on_event=listen
        ) as client:
            await client.public.credits_balance()
            assert not heard
            server.signal(signal.SIGSTOP)
            try:
                waiting = asyncio.ensure_future(client.public.credits_balance())
                async with asyncio.timeout(60):
                    await lost.wait()
            finally:
                server.signal(signal.SIGCONT)
            async with asyncio.timeout(60):
                await waiting
                await found.wait()
    loop = asyncio.get_running_loop()
    assert heard == [("LimitsAway", loop), ("LimitsBack", loop)]

"""Tokens in a Redis: the rules of every shared store, and a server that may lose them."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from cleanlist_async import AsyncCleanlist
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.ratelimit import RateLimiter, RateLimits, Route
from cleanlist_async.ratelimit.redis.backend import RedisLimits
from cleanlist_async.ratelimit.shared.backend import BackendUnavailableError, SyncRequest, TokenRequest
from cleanlist_async.ratelimit.shared.process import Process, boot_clock
from cleanlist_async.testing import StrictServer
from cleanlist_async.webhooks.mailbox import RedisMailbox
from tests.ratelimit.test_pool import ANY, LIMITS, STEPS, Actor, actor, never_too_many
from tests.support.examples import examples
from tests.support.forks import check_that_a_fork_inherits_no_token
from tests.support.hand_clock import HandClock
from tests.support.leaks import assert_hidden, deep_text, shown
from tests.support.limited_wire import INTERACTIVE, KEY, ROUTE, STATUS, SUBMIT, LimitedWire
from tests.support.redis_limits import BlockingBackend, ClockedRedis, LoopInThread
from tests.support.redis_server import (
    PROGRAMS,
    RedisServer,
    redis_server,
    skip_without,
    wait_until_old_enough,
)
from tests.support.shared_stores import finish, shared_limiter

pytestmark = pytest.mark.sockets

CAUTION_S = 120.0
"""A lease and a window."""
TWO = RateLimits(org=2, key=2)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


Open = Callable[..., BlockingBackend]


@pytest.fixture
def open_redis(
    redis_url: str, namespace: str, clock: HandClock, loop_in_thread: LoopInThread
) -> Iterator[Open]:
    """Open the same pools once more, as another process does."""
    opened: list[BlockingBackend] = []

    def open_redis(
        limits: RateLimits = TWO,
        url: str = redis_url,
        ours: Callable[[], float] = clock,
        servers: Callable[[], float] = clock,
    ) -> BlockingBackend:
        opened.append(BlockingBackend(ClockedRedis(url, limits, ours, namespace, servers), loop_in_thread))
        return opened[-1]

    yield open_redis
    for backend in opened:
        finish(backend.aclose())


def visited(who: Actor, times: int = 1) -> list[bool]:
    return [who.sync(ANY) is not None for _ in range(times)]


@given(STEPS)
@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_of_events_lets_too_many_into_a_window(
    redis_url: str, loop_in_thread: LoopInThread, steps: list[tuple[str, int, int, float]]
) -> None:
    clock = HandClock()
    name = f"steps {time.monotonic_ns()}"
    backend = BlockingBackend(ClockedRedis(redis_url, LIMITS, clock, name), loop_in_thread)
    never_too_many(steps, backend, clock)
    finish(backend.aclose())


@pytest.mark.slow
async def test_stores_on_one_redis_keep_the_limit_together(
    redis_url: str, namespace: str, loop_in_thread: LoopInThread
) -> None:
    rng = Random(1)
    backends: list[BlockingBackend] = []
    server = StrictServer(keys={KEY: "org_test"}, rows=False)

    clock = asyncio.get_running_loop().time

    def limiter() -> RateLimiter:
        redis = ClockedRedis(redis_url, RateLimits(), clock, namespace)
        backends.append(BlockingBackend(redis, loop_in_thread))
        return shared_limiter(backends[-1], clock)

    async def process() -> None:
        wire = LimitedWire(limiter(), server, latency=lambda: rng.uniform(0.02, 0.4))
        await asyncio.gather(
            *(wire.call(ROUTE, rng.choice((INTERACTIVE, SUBMIT, STATUS))) for _ in range(25))
        )

    await asyncio.gather(*(process() for _ in range(3)))
    for backend in backends:
        finish(backend.aclose())
    assert server.rejections == []
    assert len(server.grants()) == 75


# -- losses ------------------------------------------------------------------------------------------


def test_a_pool_that_was_deleted_begins_anew_a_lease_and_a_window_later(
    redis_url: str, namespace: str, open_redis: Open, clock: HandClock
) -> None:
    one, two = actor(open_redis(), clock), actor(open_redis(), clock, "two")
    assert visited(one, 2) == [True, True]
    assert visited(two) == [False]
    forget(redis_url, namespace)
    assert visited(two) == [False]
    clock.now += CAUTION_S - 1
    assert visited(two) == [False]
    clock.now += 1.1
    assert visited(two) == [True]


def test_those_who_come_later_do_not_prolong_the_caution(
    redis_url: str, namespace: str, open_redis: Open, clock: HandClock
) -> None:
    one, two = actor(open_redis(), clock), actor(open_redis(), clock, "two")
    visited(one)
    visited(two)
    forget(redis_url, namespace)
    visited(one)
    clock.now += CAUTION_S - 20
    visited(two)
    clock.now += 20.1
    assert visited(two) == [True]


def test_who_was_there_notices_that_a_newcomer_found_nothing(
    redis_url: str, namespace: str, open_redis: Open, clock: HandClock
) -> None:
    one, newcomer = actor(open_redis(), clock), actor(open_redis(), clock, "newcomer")
    assert visited(one, 2) == [True, True]
    forget(redis_url, namespace)
    assert visited(newcomer) == [True]
    assert visited(one) == [False]
    assert visited(newcomer) == [False]
    clock.now += CAUTION_S + 0.1
    assert visited(one) == [True]


def test_an_organization_that_nobody_used_for_long_is_not_waited_for(
    redis_url: str, namespace: str, open_redis: Open, clock: HandClock
) -> None:
    one = actor(open_redis(), clock)
    visited(one)
    one.settle(next(iter(one.held)), "unsent")
    visited(one, 0)
    clock.now += 7_200
    forget(redis_url, namespace)
    assert visited(one) == [True]


def test_what_a_server_that_was_started_anew_still_has_is_not_believed(
    namespace: str, open_redis: Open, clock: HandClock, program: str
) -> None:
    with redis_server(
        program, options=("--save", "", "--appendonly", "yes", "--appendfsync", "always")
    ) as server:
        one = actor(open_redis(url=server.url), clock)
        visited(one)
        server.restart()
        clock.now += 5
        newcomer = actor(open_redis(url=server.url), clock, "newcomer")
        assert visited(newcomer) == [False]
        assert next(iter(one.held)) in finish(open_redis(url=server.url).sync(silent("x"))).pool["holdings"]
        clock.now += CAUTION_S - 1
        assert visited(newcomer) == [False]
        clock.now += 1.1
        assert visited(newcomer) == [True]


@pytest.mark.slow
def test_a_redis_that_has_just_started_may_have_lost_anything(
    program: str, wait_for_workers: Callable[[], None]
) -> None:
    """By its own clock, and with nobody to tell: the first lease and window of its life are for waiting."""
    limits = RateLimits(window_s=0.6)

    async def main() -> tuple[float, float]:
        async def take() -> float:
            limiter = RateLimiter.redis(server.url, limits)
            async with asyncio.timeout(60):
                started = time.monotonic()
                (await limiter.acquire(ROUTE, SUBMIT)).unsent()
                return time.monotonic() - started

        return await take(), await take()

    with redis_server(program) as server:
        first, second = asyncio.run(main())
        wait_for_workers()
    assert first >= 1.2
    assert second < first


@pytest.mark.parametrize("jump_s", [30.0, 90_000.0, -30.0, -90_000.0])
def test_the_servers_clock_may_be_set(open_redis: Open, clock: HandClock, jump_s: float) -> None:
    set_by = [0.0]
    backends = [open_redis(servers=lambda: clock.now + set_by[0]) for _ in range(2)]
    one, two = actor(backends[0], clock), actor(backends[1], clock, "two")
    assert visited(one, 2) == [True, True]
    for lease in list(one.held):
        one.settle(lease, "answered")
    one.sync()
    visited(two)
    clock.now += 50
    visited(two)
    set_by[0] = jump_s
    clock.now += 9
    assert visited(two) == [False]
    clock.now += CAUTION_S + 0.2
    assert visited(two) == [True]


def test_our_own_clock_may_show_any_time_and_run_a_little_wrong(open_redis: Open, clock: HandClock) -> None:
    one = actor(open_redis(ours=lambda: 5 + clock.now * 0.97), clock)
    two = actor(open_redis(ours=lambda: 1e9 + clock.now * 1.03), clock, "two")
    assert visited(one, 2) == [True, True]
    for lease in list(one.held):
        one.settle(lease, "answered")
    one.sync()
    for _ in range(60):
        assert visited(two) == [False]
        clock.now += 1
    clock.now += 0.1
    assert visited(two) == [True]


def forget(url: str, namespace: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        client.delete(*client.keys(f"{{{namespace}}}*"))


@pytest.fixture
def wait_for_workers() -> Callable[[], None]:
    """Wait until no sync worker of this test has a connection open: the server goes next."""
    of_earlier_tests = set(threading.enumerate())

    def wait() -> None:
        for thread in set(threading.enumerate()) - of_earlier_tests:
            if thread.name == "cleanlist-limits":
                thread.join(60)
                assert not thread.is_alive()

    return wait


def silent(name: str) -> SyncRequest:
    return SyncRequest(Process(name, 1, "elsewhere"), "org", f"{name}-1")


# -- names, namespaces, keys -------------------------------------------------------------------------


def test_organizations_are_apart_and_names_that_are_one_together(
    redis_url: str, namespace: str, open_redis: Open
) -> None:
    def granted(backend: BlockingBackend, organization: str, lease: str, key: str) -> bool:
        wanted = TokenRequest((key,), SUBMIT)
        request = SyncRequest(Process(lease, 1, "elsewhere"), organization, lease, wanted=(wanted,))
        return finish(backend.sync(request)).granted is not None

    one, two = open_redis(), open_redis()
    assert granted(one, "acme", "1", "a")
    assert granted(two, "org_acme", "2", "b")
    assert granted(two, "else", "3", "c")
    finish(one.join("acme", "org_acme"))
    assert not granted(two, "org_acme", "4", "b")
    assert not granted(two, "org_acme", "5", "d")
    assert granted(two, "else", "6", "c")
    forget(redis_url, namespace)  # what one has told, it goes on to know
    granted(one, "acme", "7", "a")
    assert finish(two.sync(SyncRequest(Process("x", 1, "there"), "org_acme", "8"))).pool["visitors"]


def test_the_names_of_one_key_lead_to_one_organization(open_redis: Open) -> None:
    one, two = open_redis(), open_redis()
    wanted = TokenRequest(("a",), SUBMIT)
    assert finish(one.sync(SyncRequest(Process("1", 1, "x"), "of a", "1", wanted=(wanted,)))).granted
    assert finish(two.sync(SyncRequest(Process("2", 1, "x"), "acme", "2", wanted=(wanted,)))).granted
    assert not finish(two.sync(SyncRequest(Process("3", 1, "x"), "acme", "3", wanted=(wanted,)))).granted


@pytest.mark.slow
@pytest.mark.anyio
async def test_every_key_expires_and_holds_no_secret(
    redis_url: str, namespace: str, wait_for_workers: Callable[[], None]
) -> None:
    import redis

    secret = "clapi_" + "s3cr3t" * 8
    limits = RateLimits(window_s=0.2)

    limiter = RateLimiter.redis(redis_url, limits, namespace=namespace)
    async with AsyncCleanlist(secret, limiter=limiter, base_url="http://127.0.0.1:9") as client:
        (await limiter.acquire(client._runtime.pipeline.route, SUBMIT)).answered(boot_clock())
    await asyncio.to_thread(limiter.store.worker.flush)  # type: ignore[attr-defined]
    with redis.Redis.from_url(redis_url) as client:
        keys = client.keys(f"{{{namespace}}}*")
        assert len(keys) == 3
        assert all(86_000_000 < client.pttl(key) <= 86_400_000 for key in keys)
        kept = b"".join(b"".join(client.hgetall(key).values()) for key in keys if b":pool:" in key)
    wait_for_workers()
    assert b'"returning":[' in kept
    assert b"s3cr3t" not in kept + b"".join(keys)


def test_a_key_whose_tokens_are_back_takes_no_room(open_redis: Open, clock: HandClock) -> None:
    backend = open_redis(RateLimits(org=1_000, key=2))

    def use(key: str) -> int:
        request = SyncRequest(Process(key, 1, "x"), "org", key, wanted=(TokenRequest((key,), SUBMIT),))
        finish(backend.sync(request))
        return len(finish(backend.sync(SyncRequest(request.process, "org", f"{key}-2"))).pool["keys"])

    assert max(use(f"k{number}") for number in range(50)) <= 2


@pytest.mark.slow
def test_all_of_a_namespace_is_in_one_slot_of_a_cluster(
    program: str, wait_for_workers: Callable[[], None]
) -> None:
    with redis_server(program, options=("--save", "", "--cluster-enabled", "yes")) as server:
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                time.sleep(0.05)

        async def main() -> None:
            limiter = RateLimiter.redis(server.url, RateLimits(window_s=0.4))
            async with asyncio.timeout(60):
                for key in ("a", "b"):
                    (await limiter.acquire(Route((key,), f"of {key}"), SUBMIT)).unsent()
                limiter.join("of a", "of b")
                (await limiter.acquire(Route(("a", "b"), "of b"), SUBMIT)).unsent()

        asyncio.run(main())
        wait_for_workers()


def test_scripts_that_were_forgotten_are_loaded_anew(
    redis_url: str, open_redis: Open, clock: HandClock
) -> None:
    import redis

    one = actor(open_redis(), clock)
    visited(one)
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    assert visited(one) == [True]


def test_other_limits_are_refused_while_tokens_are_out(open_redis: Open, clock: HandClock) -> None:
    one, two = open_redis(), open_redis(RateLimits(org=5, key=3))
    who = actor(one, clock)
    visited(who)
    with pytest.raises(ConfigurationError, match="other rate limits"):
        visited(actor(two, clock, "two"))
    who.settle(next(iter(who.held)), "answered")
    who.sync()
    clock.now += 61
    assert visited(actor(two, clock, "two")) == [True]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_opens_a_connection_of_its_own_and_inherits_no_token(
    redis_url: str, namespace: str, wait_for_workers: Callable[[], None]
) -> None:
    limits = RateLimits(org=3, key=3, window_s=1.2)
    wait_until_old_enough(redis_url, limits)
    limiter = RateLimiter.redis(redis_url, limits, namespace=namespace)
    check_that_a_fork_inherits_no_token(limiter, patience_s=0.4)
    limiter.store.worker.reset()  # type: ignore[attr-defined]  # this process holds them to its end
    wait_for_workers()


# -- what it says ------------------------------------------------------------------------------------


PASSWORD = "p4ssw0rd"


def test_without_redis_py_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"cleanlist-async\[redis\]"):
        RateLimiter.redis("redis://localhost")


ADDRESSES = [
    *(f"http://u:{PASSWORD}@host", f"redis://:{PASSWORD}/x@host", f"redis://{PASSWORD}:y"),
    *(
        f"redis://u:{PASSWORD}@[",
        f"redis://u:{PASSWORD}\ud800@host",
        f"redis://host?password={PASSWORD}&db=x",
    ),
]


@pytest.mark.parametrize("url", ADDRESSES)
@pytest.mark.parametrize("opened", [RateLimiter.redis, RedisMailbox], ids=["limiter", "mailbox"])
def test_an_address_that_is_none_is_not_repeated(opened: Callable[[str], object], url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(url)
    assert_hidden(shown(caught.value, foreign=True), PASSWORD)


@pytest.mark.parametrize("address", [f"redis://:{PASSWORD}@{{}}", f"redis://{{}}?password={PASSWORD}"])
@pytest.mark.parametrize("failure", ["away", "wrong password", "no rights", "namespace"])
def test_no_failure_of_redis_shows_its_password(
    failure: str, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    skip_without("redis-server")
    caplog.set_level(logging.DEBUG)
    with redis_server(password="another" if failure == "wrong password" else PASSWORD) as server:
        host = "127.0.0.1:9" if failure == "away" else f"127.0.0.1:{server.port}"
        if failure == "no rights":
            with server.client() as client:
                client.execute_command("ACL", "SETUSER", "default", "-@all", "+@connection")

        async def main() -> list[Exception]:
            url = address.format(host)
            if failure == "namespace":
                with pytest.raises(ConfigurationError) as caught:
                    RateLimiter.redis(url, namespace="a}b")
                return [caught.value]
            limiter, mailbox = RateLimiter.redis(url), RedisMailbox(url)
            backend = RedisLimits(url, RateLimits(), boot_clock)
            failures = []
            for work in (mailbox.put("a", b"b"), mailbox.take(["a"]), backend.sync(silent("x"))):
                with pytest.raises(CleanlistError) as refused:
                    await work
                failures.append(refused.value)
            assert_hidden(deep_text([limiter, mailbox, backend]), PASSWORD)
            await backend.aclose()
            return failures

        for error in asyncio.run(main()):
            assert_hidden(shown(error, foreign=True), PASSWORD)
    assert PASSWORD not in caplog.text


def test_a_namespace_that_would_split_a_slot_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="braces"):
        RateLimiter.redis("redis://localhost", namespace="a}b")


@pytest.mark.slow
def test_a_wrong_password_is_one_clear_error_without_it(
    caplog: pytest.LogCaptureFixture, wait_for_workers: Callable[[], None]
) -> None:
    skip_without("redis-server")
    with redis_server(password="right") as server:
        url = f"redis://:{PASSWORD}@127.0.0.1:{server.port}"

        async def main() -> None:
            limiter = RateLimiter.redis(url)
            assert PASSWORD not in repr(limiter) + repr(vars(limiter.store))
            async with asyncio.timeout(60):
                with pytest.raises(ConfigurationError, match="password") as caught:
                    await limiter.acquire(ROUTE, SUBMIT)
            assert PASSWORD not in "".join(traceback.format_exception(caught.value))

        with caplog.at_level(logging.DEBUG):
            asyncio.run(main())
        wait_for_workers()
    assert PASSWORD not in caplog.text


def test_a_user_that_may_little_may_enough(program: str) -> None:
    with redis_server(program, password="right") as server:
        with server.client() as client:
            client.execute_command(
                *("ACL", "SETUSER", "sharer", "on", ">pass", "~{cleanlist}*", "+@string", "+@hash", "+@list"),
                *(
                    "+@scripting",
                    "+@connection",
                    "+@transaction",
                    "+del",
                    "+expire",
                    "+pexpire",
                    "+time",
                    "+info",
                ),
            )

        async def main() -> None:
            backend = RedisLimits(f"redis://sharer:pass@127.0.0.1:{server.port}", TWO, boot_clock)
            await backend.sync(silent("x"))
            await backend.join("a", "b")
            await backend.aclose()
            backend = RedisLimits(f"redis://sharer:pass@127.0.0.1:{server.port}", TWO, boot_clock, "other")
            with pytest.raises(ConfigurationError, match="may not do"):
                await backend.sync(silent("x"))
            await backend.aclose()

        asyncio.run(main())


def test_a_full_or_absent_redis_is_waited_for(caplog: pytest.LogCaptureFixture, program: str) -> None:
    async def main(server: RedisServer) -> None:
        backend = RedisLimits(server.url, RateLimits(window_s=0.5), boot_clock)
        await backend.sync(silent("x"))
        with server.client() as client:
            client.config_set("maxmemory", "1")
        with pytest.raises(BackendUnavailableError):
            await backend.sync(silent("y"))
        server.kill()
        for _ in range(5):
            await asyncio.sleep(0.06)
            with pytest.raises(BackendUnavailableError):
                await backend.sync(silent("y"))
        server.start()
        await asyncio.sleep(0.1)
        await backend.sync(silent("z"))
        await backend.aclose()

    with redis_server(program) as server:
        asyncio.run(main(server))
    said = [record.message for record in caplog.records if record.name == "cleanlist_async"]
    assert len(said) == 2
    assert said[0].endswith("Requests wait for it.")
    assert said[1] == "Redis is back."


@pytest.fixture(params=["redis-server", "valkey-server"])
def program(request: pytest.FixtureRequest) -> str:
    skip_without(request.param)
    assert request.param in PROGRAMS
    return str(request.param)

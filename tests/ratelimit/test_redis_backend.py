"""Tokens in a Redis: the rules of every shared store, and a server that may lose them."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator

import pytest

from cleanlist_async import AsyncCleanlist
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.ratelimit import RateLimiter, RateLimits, Route
from cleanlist_async.ratelimit.redis import RedisLimits
from cleanlist_async.ratelimit.shared.backend import BackendUnavailableError, Process, SyncRequest, boot_clock
from cleanlist_async.webhooks.mailbox import RedisMailbox
from tests.ratelimit.test_pool import ANY, Actor, actor
from tests.support.leaks import assert_hidden, deep_text, shown
from tests.support.limited_wire import ROUTE, SUBMIT
from tests.support.redis_server import (
    PROGRAMS,
    RedisServer,
    redis_server,
    skip_without,
)
from tests.support.remote_limits import LoopInThread
from tests.support.remote_stores import TWO, RedisStore
from tests.support.shared_stores import finish

pytestmark = pytest.mark.sockets

CAUTION_S = 120.0
"""A lease and a window."""


@pytest.fixture
def store(redis_url: str, namespace: str, loop_in_thread: LoopInThread) -> Iterator[RedisStore]:
    store = RedisStore(redis_url, namespace, loop_in_thread)
    yield store
    store.close()


def visited(who: Actor, times: int = 1) -> list[bool]:
    return [who.sync(ANY) is not None for _ in range(times)]


# -- losses ------------------------------------------------------------------------------------------


def test_what_a_server_that_was_started_anew_still_has_is_not_believed(
    namespace: str, loop_in_thread: LoopInThread, program: str
) -> None:
    with redis_server(
        program, options=("--save", "", "--appendonly", "yes", "--appendfsync", "always")
    ) as server:
        store = RedisStore(server.url, namespace, loop_in_thread)
        one = actor(store.open(), store.clock)
        visited(one)
        server.restart()
        store.clock.now += 5
        newcomer = actor(store.open(), store.clock, "newcomer")
        assert visited(newcomer) == [False]
        assert next(iter(one.held)) in finish(store.open().sync(silent("x"))).pool["holdings"]
        store.clock.now += CAUTION_S - 1
        assert visited(newcomer) == [False]
        store.clock.now += 1.1
        assert visited(newcomer) == [True]
        store.close()


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


def silent(name: str) -> SyncRequest:
    return SyncRequest(Process(name, 1, "elsewhere"), "org", f"{name}-1")


# -- names, namespaces, keys -------------------------------------------------------------------------


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


def test_scripts_that_were_forgotten_are_loaded_anew(store: RedisStore) -> None:
    import redis

    one = actor(store.open(), store.clock)
    visited(one)
    with redis.Redis.from_url(store.url) as client:
        client.script_flush()
    assert visited(one) == [True]


# -- what it says ------------------------------------------------------------------------------------


PASSWORD = "p4ssw0rd"


def test_without_redis_py_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"with the extra \[redis\]"):
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


@pytest.mark.slow
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
    assert said[0].startswith("Redis may have lost what was sent lately: requests wait for 1 s")
    assert said[1].endswith("Requests wait for it.")
    assert said[2:] == ["Redis is back."]


@pytest.fixture(params=["redis-server", "valkey-server"])
def program(request: pytest.FixtureRequest) -> str:
    skip_without(request.param)
    assert request.param in PROGRAMS
    return str(request.param)


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru", "volatile-ttl"])
def test_a_redis_that_may_drop_keys_is_said_once(
    program: str, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(url: str) -> None:
        backend = RedisLimits(url, TWO, boot_clock)
        for _ in range(3):
            await backend.sync(silent("x"))
        await backend.aclose()

    with redis_server(program, options=("--maxmemory", "50mb", "--maxmemory-policy", policy)) as server:
        asyncio.run(main(server.url))
    said = [record.message for record in caplog.records if "maxmemory-policy" in record.message]
    assert len(said) == (policy != "noeviction")
    assert all(policy in message for message in said)


@pytest.mark.slow
def test_a_server_of_a_cluster_that_lacks_the_keys_is_one_clear_error(program: str) -> None:
    async def main(url: str) -> None:
        backend = RedisLimits(url, TWO, boot_clock)
        with pytest.raises(ConfigurationError, match="one server of a cluster"):
            await backend.sync(silent("x"))
        await backend.aclose()

    options = ("--save", "", "--cluster-enabled", "yes")
    with redis_server(program, options=options) as asked, redis_server(program, options=options) as other:
        with asked.client() as ours, other.client() as theirs:
            slot = ours.execute_command("CLUSTER", "KEYSLOT", "cleanlist")
            ours.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, slot - 1, slot + 1, 16383)
            theirs.execute_command("CLUSTER", "ADDSLOTS", slot)
            theirs.execute_command("CLUSTER", "SET-CONFIG-EPOCH", 2)
            ours.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port)
            while b"cluster_state:ok" not in ours.execute_command("CLUSTER", "INFO"):
                time.sleep(0.05)
        asyncio.run(main(asked.url))

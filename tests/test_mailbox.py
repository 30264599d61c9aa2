"""Events between workers, in the file in which they share their limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.mailbox import FileMailbox, RedisMailbox
from cleanlist_async.ratelimit import RateLimiter
from cleanlist_async.shared_redis import RedisUnavailableError
from tests.support.hand_clock import HandClock
from tests.support.redis_server import RedisServer, redis_server, skip_without


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.db"


def test_an_event_reaches_the_worker_it_is_for_once_and_in_order(path: Path) -> None:
    async def main() -> None:
        here, there = FileMailbox(path), FileMailbox(path)
        for event in (b"1", b"2", b"\x00\xff"):
            await here.put("ours", event)
        await here.put("another's", b"3")
        assert await there.take(["ours", "nobody's"]) == {"ours": [b"1", b"2", b"\x00\xff"]}
        assert await here.take(["ours"]) == {}
        assert await here.take(["another's"]) == {"another's": [b"3"]}

    anyio.run(main)


def test_it_shares_the_file_with_the_limits(path: Path) -> None:
    async def main() -> None:
        RateLimiter.sqlite(path)
        await FileMailbox(path).put("ours", b"1")
        RateLimiter.sqlite(path)
        assert await FileMailbox(path).take(["ours"]) == {"ours": [b"1"]}

    anyio.run(main)


def test_what_nobody_took_within_an_hour_is_forgotten(path: Path) -> None:
    async def main() -> None:
        clock = HandClock()
        mailbox = FileMailbox(path, clock=clock)
        await mailbox.put("old", b"1")
        clock.move(3_500)
        await mailbox.put("young", b"2")
        clock.move(200)
        await mailbox.put("new", b"3")
        assert await mailbox.take(["old", "young", "new"]) == {"young": [b"2"], "new": [b"3"]}

    anyio.run(main)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_worker_takes_what_its_parent_put(path: Path) -> None:
    async def put() -> None:
        await mailbox.put("ours", b"1")

    async def take() -> int:
        return len(await mailbox.take(["ours"]))

    mailbox = FileMailbox(path)
    anyio.run(put)
    child = os.fork()
    if child == 0:
        os._exit(anyio.run(take) - 1)
    assert os.waitpid(child, 0)[1] == 0
    assert anyio.run(take) == 0


def test_a_file_of_something_else_is_one_clear_error(path: Path) -> None:
    path.write_bytes(b"no database" * 500)
    with pytest.raises(ConfigurationError, match=r"limits\.db"):
        FileMailbox(path)


# -- in a Redis ----------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[RedisServer]:
    skip_without("redis-server")
    with redis_server() as server:
        yield server


@pytest.mark.sockets
def test_an_event_in_redis_reaches_the_worker_it_is_for_once_and_in_order(server: RedisServer) -> None:
    async def main() -> None:
        here, there = RedisMailbox(server.url), RedisMailbox(server.url)
        for event in (b"1", b"2", b"\x00\xff"):
            await here.put("ours", event)
        await here.put("another's", b"3")
        assert await RedisMailbox(server.url, namespace="else").take(["ours"]) == {}
        assert await there.take(["ours", "nobody's"]) == {"ours": [b"1", b"2", b"\x00\xff"]}
        assert await here.take(["ours"]) == {}
        assert await here.take(["another's"]) == {"another's": [b"3"]}
        assert await here.take([]) == {}

    anyio.run(main)


@pytest.mark.sockets
def test_no_event_in_redis_is_taken_twice(server: RedisServer) -> None:
    async def main() -> None:
        mailbox, taken = RedisMailbox(server.url), list[bytes]()

        async def put() -> None:
            for number in range(40):
                while not await mailbox.put("ours", b"%d" % number):
                    await anyio.lowlevel.checkpoint()

        async def take() -> None:
            while len(taken) < 40:
                taken.extend((await mailbox.take(["ours"])).get("ours", ()))

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for task in (put, take, take, take):
                    group.start_soon(task)
        assert await mailbox.take(["ours"]) == {}
        assert sorted(taken, key=int) == [b"%d" % number for number in range(40)]

    anyio.run(main)


@pytest.mark.sockets
def test_redis_forgets_what_nobody_took_within_an_hour(server: RedisServer) -> None:
    anyio.run(RedisMailbox(server.url).put, "ours", b"1")
    with server.client() as client:
        lives = [client.ttl(key) for key in client.scan_iter()]
    assert lives
    assert all(3_500 < life_s <= 3_600 for life_s in lives)


@pytest.mark.sockets
def test_a_redis_that_is_away_is_one_clear_error(server: RedisServer) -> None:
    server.kill()
    with pytest.raises(RedisUnavailableError, match="cannot be reached"):
        anyio.run(RedisMailbox(server.url).put, "ours", b"1")

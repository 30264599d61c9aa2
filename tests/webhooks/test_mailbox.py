"""Events between workers, in the file in which they share their limits."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from cleanlist_async import Store, WebhookReceiver, facts
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit import RateLimiter
from cleanlist_async.storage.redis_connection import RedisUnavailableError
from cleanlist_async.webhooks.mailbox import FileMailbox, RedisMailbox, StoreMailbox
from tests.support.hand_clock import HandClock
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer, redis_server, skip_without

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.db"


async def test_it_shares_the_file_with_the_limits(path: Path) -> None:
    RateLimiter.sqlite(path)
    await FileMailbox(path).put("ours", b"1")
    RateLimiter.sqlite(path)
    assert await FileMailbox(path).take(["ours"]) == {"ours": [b"1"]}


async def test_what_nobody_took_within_an_hour_is_forgotten(path: Path) -> None:
    clock = HandClock()
    mailbox = FileMailbox(path, clock=clock)
    await mailbox.put("old", b"1")
    clock.move(3_500)
    await mailbox.put("young", b"2")
    clock.move(200)
    await mailbox.put("new", b"3")
    assert await mailbox.take(["old", "young", "new"]) == {"young": [b"2"], "new": [b"3"]}


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
async def test_no_event_in_redis_is_taken_twice(server: RedisServer) -> None:
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


@pytest.mark.sockets
async def test_another_namespace_of_a_redis_is_another_mailbox(server: RedisServer) -> None:
    await RedisMailbox(server.url).put("ours", b"1")
    assert await RedisMailbox(server.url, namespace="else").take(["ours"]) == {}


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


# -- what one address can make grow --------------------------------------------------------------------


Mailbox = FileMailbox | RedisMailbox | StoreMailbox


@pytest.fixture(
    params=["file", "redis", "store in a file", pytest.param("store in PostgreSQL", marks=pytest.mark.slow)]
)
def opened(request: pytest.FixtureRequest, path: Path) -> Iterator[Callable[[], Mailbox]]:
    """Opens the mailbox of one place, as each worker does."""
    if request.param == "file":
        yield lambda: FileMailbox(path)
    elif request.param == "redis":
        server: RedisServer = request.getfixturevalue("server")
        yield lambda: RedisMailbox(server.url)
    elif request.param == "store in a file":
        yield lambda: StoreMailbox(Store(path.with_name("store.db")))
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        with postgres.schema() as url:
            yield lambda: StoreMailbox(Store(url))


@pytest.fixture
def mailbox(opened: Callable[[], Mailbox]) -> Mailbox:
    return opened()


@pytest.mark.sockets
async def test_an_event_reaches_the_worker_it_is_for_once_and_in_order(opened: Callable[[], Mailbox]) -> None:
    here, there = opened(), opened()
    for event in (b"1", b"2", b"\x00\xff"):
        assert await here.put("ours", event)
    assert await here.put("another's", b"3")
    assert await there.take([]) == {}
    assert await there.take(["ours", "nobody's"]) == {"ours": [b"1", b"2", b"\x00\xff"]}
    assert await here.take(["ours"]) == {}
    assert await here.take(["another's"]) == {"another's": [b"3"]}


@pytest.mark.sockets
async def test_four_events_wait_for_a_recipient_and_the_rest_is_refused(mailbox: Mailbox) -> None:
    events = [b"%d" % number for number in range(6)]
    assert [await mailbox.put("ours", event) for event in events] == [True] * 4 + [False] * 2
    assert await mailbox.put("ours", b"3"), "what is kept already is kept"
    assert await mailbox.take(["ours"]) == {"ours": events[:4]}
    assert await mailbox.put("ours", b"5")


@pytest.mark.sockets
async def test_a_repeated_event_is_kept_once(mailbox: Mailbox) -> None:
    assert {await mailbox.put("ours", b"1") for _ in range(20)} == {True}
    assert await mailbox.take(["ours"]) == {"ours": [b"1"]}


@pytest.mark.sockets
async def test_the_bytes_of_a_recipient_are_bounded(mailbox: Mailbox) -> None:
    half = facts.MAX_WAITING_BYTES // 2
    assert not await mailbox.put("ours", b"0" * (facts.MAX_WAITING_BYTES + 1))
    assert await mailbox.put("ours", b"1" * half)
    assert not await mailbox.put("ours", b"2" * (half + 1))
    assert await mailbox.put("ours", b"3" * half)
    assert not await mailbox.put("ours", b"4")
    taken = await mailbox.take(["ours"])
    assert [event[:1] for event in taken["ours"]] == [b"1", b"3"]


@pytest.mark.sockets
async def test_a_flood_at_one_recipient_costs_no_other_an_event(mailbox: Mailbox) -> None:
    await mailbox.put("other", b"theirs")
    for number in range(50):
        await mailbox.put("ours", b"%d" % number)
    assert await mailbox.take(["other"]) == {"other": [b"theirs"]}


@pytest.mark.sockets
@pytest.mark.parametrize("bound", ["MAX_MAILBOX_EVENTS", "MAX_MAILBOX_BYTES"])
async def test_a_full_mailbox_displaces_nothing(
    mailbox: Mailbox, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, bound, 3)

    names = [f"r{number}" for number in range(5)]
    assert [await mailbox.put(name, b"x") for name in names] == [True] * 3 + [False] * 2
    assert await mailbox.take(names) == {name: [b"x"] for name in names[:3]}
    assert await mailbox.put("r4", b"x"), "there is room again"


@pytest.mark.sockets
@pytest.mark.slow
async def test_in_redis_what_is_forgotten_leaves_its_room(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "MAX_MAILBOX_EVENTS", 1)
    monkeypatch.setattr(facts, "MAILBOX_KEPT_S", 1.0)

    mailbox = RedisMailbox(server.url)
    assert await mailbox.put("gone", b"1")
    with anyio.fail_after(10):
        while not await mailbox.put("new", b"2"):  # noqa: ASYNC110  # Redis has a clock of its own
            await anyio.sleep(0.05)
    assert await mailbox.take(["gone", "new"]) == {"new": [b"2"]}


def test_a_file_of_an_earlier_version_is_taken_over(path: Path) -> None:
    anyio.run(FileMailbox(path).put, "ours", b"1")
    with sqlite3.connect(path) as connection:
        connection.execute("DROP INDEX mail_by_age")
    connection.close()
    assert anyio.run(FileMailbox(path).take, ["ours"]) == {"ours": [b"1"]}


# -- in a store ----------------------------------------------------------------------------------------


def test_the_store_of_a_client_is_a_mailbox_as_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store(tmp_path / "store.db")
        one, other = (WebhookReceiver("https://app.example/hooks", mailbox=store) for _ in range(2))
        assert one.mailbox is not None
        assert other.mailbox is not None
        await one.mailbox.put("ours", b"1")
        assert await other.mailbox.take(["ours"]) == {"ours": [b"1"]}
        await store.aclose()

    anyio.run(main)


def test_a_store_forgets_what_nobody_took_within_an_hour(path: Path) -> None:
    async def main() -> None:
        async with Store(path) as store:
            mailbox = StoreMailbox(store)
            await mailbox.put("old", b"1")
            await mailbox.put("young", b"2")
            age("old", 3_700)
            age("young", 3_500)
            assert await mailbox.take(["old"]) == {}
            assert await mailbox.take(["old", "young"]) == {"young": [b"2"]}

    def age(recipient: str, by_s: float) -> None:
        with sqlite3.connect(path) as connection:
            change = "UPDATE cleanlist_mail SET sent_at = sent_at - ? WHERE recipient = ?"
            connection.execute(change, (by_s, recipient))
        connection.close()

    anyio.run(main)


@pytest.mark.slow
@pytest.mark.sockets
def test_no_event_in_a_store_is_taken_twice(store_url: str) -> None:
    async def main() -> None:
        async with Store(store_url) as one, Store(store_url) as other:
            await StoreMailbox(one).take(["ours"])  # makes the table
            taken = list[bytes]()

            async def put() -> None:
                for number in range(20):
                    while not await StoreMailbox(one).put("ours", b"%d" % number):
                        await anyio.lowlevel.checkpoint()

            async def take(store: Store) -> None:
                mailbox = StoreMailbox(store)
                while len(taken) < 20:
                    taken.extend((await mailbox.take(["ours"])).get("ours", ()))

            with anyio.fail_after(60):
                async with anyio.create_task_group() as group:
                    group.start_soon(put)
                    for store in (one, other):
                        group.start_soon(take, store)
            assert sorted(taken, key=int) == [b"%d" % number for number in range(20)]

    anyio.run(main)


def test_the_old_name_of_the_receivers_argument_still_works(path: Path) -> None:
    mailbox = FileMailbox(path)
    with pytest.warns(DeprecationWarning, match="mailbox="):
        receiver = WebhookReceiver("https://app.example/hooks", store=mailbox)
    assert receiver.mailbox is mailbox


# -- a file that is its owner's alone ------------------------------------------------------------------

needs_permissions = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of POSIX")


def open_limits(path: Path) -> None:
    RateLimiter.sqlite(path)


@needs_permissions
def test_a_mailbox_that_others_can_read_is_refused_and_a_limits_file_is_not(path: Path) -> None:
    open_limits(path)
    path.chmod(0o644)
    open_limits(path)
    with pytest.raises(ConfigurationError, match="can be read by other users"):
        FileMailbox(path)


@needs_permissions
@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_a_file_beside_it_that_others_can_write_to_is_refused(path: Path, end: str) -> None:
    FileMailbox(path)
    beside = path.with_name(path.name + end)
    beside.touch()
    beside.chmod(0o666)
    with pytest.raises(ConfigurationError, match=end):
        FileMailbox(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to give a file away")
@pytest.mark.parametrize("open_file", [FileMailbox, open_limits], ids=["mailbox", "limits"])
def test_a_file_of_another_user_is_refused(path: Path, open_file: Callable[[Path], object]) -> None:
    open_file(path)
    os.chown(path, 12_345, -1)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        open_file(path)


@needs_permissions
def test_a_link_that_leads_nowhere_makes_no_file(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere.db"))
    with pytest.raises(ConfigurationError, match=r"limits\.db cannot be used"):
        FileMailbox(path)
    assert not path.with_name("elsewhere.db").exists()

"""Connections of a store to PostgreSQL: one for each event loop, closed from any, and never a parent's."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable

import pytest

from cleanlist_async import Store
from cleanlist_async.storage.store import operations
from cleanlist_async.storage.store.records import Doubtful, Elsewhere
from tests.support.store_owners import Owner, people

pytest.importorskip("psycopg")
pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

EVE = people([0])


@pytest.fixture
def store_url(postgres, database) -> str:
    return postgres.url(database)


def test_connections_of_a_loop_that_has_ended_are_closed_from_another(postgres, database, store_url):
    store = Store(store_url)
    asyncio.run(store.open())
    assert postgres.backends(database)
    asyncio.run(store.aclose())
    wait_until(lambda: not postgres.backends(database))


def test_connections_of_a_loop_that_has_ended_are_closed_when_the_store_is_used_again(
    postgres, database, store_url
):
    store = Store(store_url)

    async def use_and_leave_open():
        await store.counts()

    for _ in range(3):
        asyncio.run(use_and_leave_open())
    wait_until(lambda: len(postgres.backends(database)) <= 1)
    asyncio.run(store.aclose())


def test_connections_of_a_loop_in_another_thread_are_closed(postgres, database, store_url):
    store, opened, closed = Store(store_url), threading.Event(), threading.Event()

    async def use_and_wait():
        await store.open()
        opened.set()
        await asyncio.to_thread(closed.wait, 30)

    other = threading.Thread(target=asyncio.run, args=(use_and_wait(),))
    other.start()
    opened.wait(30)
    asyncio.run(store.aclose())
    try:
        wait_until(lambda: not postgres.backends(database))
    finally:
        closed.set()
        other.join()


async def test_a_forked_process_leaves_the_connection_of_its_parent_alone(postgres, database, ann, store):
    before = postgres.backends(database)
    assert status_of_a_fork(lambda: asyncio.run(store.counts())) == 0
    assert await ann.claims_all(EVE)
    assert set(before) <= set(postgres.backends(database))


def status_of_a_fork(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        thread = threading.Thread(target=lambda: (work(), os._exit(0)))  # no event loop runs there
        thread.start()
        thread.join()
        os._exit(1)
    return os.waitpid(child, 0)[1]


async def test_a_store_that_is_dropped_while_it_is_open_says_nothing(store_url, recwarn):
    store = Store(store_url)
    await store.open()
    del store
    assert not [warning for warning in recwarn if "psycopg" in str(warning.message)]


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


async def test_two_stores_wait_for_each_other_and_not_in_vain(store_url):
    async with Store(store_url) as one, Store(store_url) as other:
        ann, bob = await Owner.begin(one, "ann"), await Owner.begin(other, "bob")
        record = await ann.send(EVE)
        await asyncio.gather(*(owner.renew() for owner in (ann, bob) * 10))
        assert await bob.claim(EVE) == [Elsewhere()]
        await ann.pause()
        assert await bob.claim(EVE) == [Doubtful(record.submission)]
        await one.run(operations.end_leases(["ann"]))

"""Operations that write nothing: nobody waits for them, and they wait for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import pytest

from cleanlist_async import Store, StoreError
from cleanlist_async.storage.store import job_owners, operations, spending
from cleanlist_async.storage.store.jobs import NewJob, take
from cleanlist_async.storage.store.reading import reading
from cleanlist_async.storage.store.statements import Operation, Statement
from tests.support.store_owners import ORGANIZATION, PARTIAL, people

pytestmark = pytest.mark.anyio

COUNT = Statement("SELECT count(*) FROM cleanlist_organizations")
WRITE = Statement("INSERT INTO cleanlist_organizations (name, organization) VALUES ('a', 'b')")
PATIENCE_S = 30


def write(then: Callable[[], object] = lambda: None) -> Operation[None]:
    yield WRITE
    then()


@contextmanager
def in_a_thread(url: str, operation: Operation[None]) -> Iterator[None]:
    """Run an operation as another process would, until the end of the block."""

    async def run() -> None:
        async with Store(url) as store:
            await store.run(operation)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE_S)


async def test_who_only_reads_does_not_wait_for_one_who_writes(store, store_url, ann):
    job = await store.run(take("ann", ORGANIZATION, "crm", NewJob("partial", "a list", "", None)))
    holds, is_read = threading.Event(), threading.Event()

    def hold() -> None:
        holds.set()
        is_read.wait(PATIENCE_S)

    with in_a_thread(store_url, write(hold)):
        try:
            assert await anyio.to_thread.run_sync(holds.wait, PATIENCE_S)
            with anyio.fail_after(PATIENCE_S / 2):
                await store.counts()
                assert [one.name for one in await store.jobs()] == ["crm"]
                assert [line async for line in store.audit()] == await store.orphans() == []
                assert await store.run(job_owners.unfinished(ORGANIZATION)) == []
                assert (await store.run(spending.status(ORGANIZATION))).pause is None
                assert await store.run(operations.room(ann.buyer, job.lease)) == float("inf")
                assert await store.run(count_names()) == 0
        finally:
            is_read.set()
    assert await store.run(count_names()) == 1


async def test_who_only_reads_sees_one_state(store, store_url):
    await store.open()

    def write_elsewhere() -> None:
        with in_a_thread(store_url, write()):
            pass

    @reading
    def look_twice() -> Operation[tuple[int, int]]:
        before = (yield COUNT).one
        write_elsewhere()
        return before, (yield COUNT).one

    assert await store.run(look_twice()) == (0, 0)
    assert await store.run(count_names()) == 1


async def test_who_is_to_read_cannot_write(store):
    await store.open()
    with pytest.raises(StoreError):
        await store.run(reading(write)())
    assert await store.run(count_names()) == 0


async def test_what_was_written_is_read_at_once(store, ann):
    for number in range(20):
        contact = people([number])
        assert await ann.claims_all(contact, PARTIAL)
        digest = store.digest(contact[0].identity)
        assert digest in await store.run(operations.look(ORGANIZATION, [digest]))


@reading
def count_names() -> Operation[int]:
    return (yield COUNT).one

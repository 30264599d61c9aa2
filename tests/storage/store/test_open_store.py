"""A store as it is opened, used and closed: its secret, its version, and errors that leave no trace."""

from __future__ import annotations

import asyncio
from traceback import TracebackException

import pytest

from cleanlist_async import Store, StoreError
from cleanlist_async.storage.store import opening, operations
from cleanlist_async.storage.store.audit import note
from cleanlist_async.storage.store.records import Elsewhere
from tests.support.store_owners import people

pytestmark = pytest.mark.anyio

EVE = people([0])


async def test_a_store_opens_again_after_it_was_closed(ann, store):
    await store.aclose()
    assert (await store.counts()).results == 0


async def test_two_that_make_a_store_at_once_share_its_secret(store_url):
    async with Store(store_url) as one, Store(store_url) as other:
        assert one.digest(b"contact") == other.digest(b"contact")


async def test_a_store_made_with_a_secret_from_outside_opens_with_that_alone(store_url, monkeypatch):
    async with Store(store_url, secret="correct horse battery") as one:
        digest = one.digest(b"contact")
    for other in (Store(store_url), Store(store_url, secret="incorrect horse battery")):
        with pytest.raises(StoreError, match="made with another secret"):
            await other.open()
        await other.aclose()
    monkeypatch.setenv("CLEANLIST_STORE_SECRET", "correct horse battery")
    async with Store(store_url) as same:
        assert same.digest(b"contact") == digest


async def test_a_store_made_without_a_secret_does_not_open_with_one(store, store_url):
    other = Store(store_url, secret="correct horse battery")
    with pytest.raises(StoreError, match="made with another secret"):
        await other.open()
    await other.aclose()


async def test_the_secret_of_a_store_that_is_refused_is_in_no_traceback(store, store_url):
    secret = (await store.run(opening.create(b"another", is_outside=False))).rows[0][1]
    await store.run(one_statement("UPDATE cleanlist_store SET version = 99"))
    with pytest.raises(StoreError) as caught:
        await Store(store_url).open()
    ours = caught.value.__traceback__.tb_next  # below this test, which knows it
    shown = "".join(TracebackException(StoreError, caught.value, ours, capture_locals=True).format())
    assert bytes(secret).decode() not in shown


async def test_a_store_of_a_newer_version_is_refused(store, store_url):
    await store.run(one_statement("UPDATE cleanlist_store SET version = version + 1"))
    other = Store(store_url)
    with pytest.raises(StoreError, match="newer version"):
        await other.open()
    await other.aclose()


async def test_a_statement_that_is_refused_is_a_store_error_and_leaves_no_trace(ann, store):
    def half_done():
        yield note("submit", ann.buyer.organization)
        yield operations.Statement("SELECT * FROM nothing_of_ours")

    with pytest.raises(StoreError):
        await store.run(half_done())
    assert (await store.counts()).audit_lines == 0


async def test_a_cancelled_caller_waits_for_the_end_of_its_transaction(ann, bob, store):
    claiming = asyncio.create_task(ann.claim(EVE))
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    assert await bob.claim(EVE) == [Elsewhere()]


def one_statement(text: str):
    yield operations.Statement(text)

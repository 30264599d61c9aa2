"""A store in a file: private, ours, and on a disk that answers."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from contextlib import closing

import pytest

from cleanlist_async import Store, StoreError, StoreUnavailableError
from cleanlist_async.storage import sqlite_file
from tests.support.store_owners import Owner, people
from tests.support.struck_store import StruckStore

pytestmark = pytest.mark.anyio

EVE = people([0])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def store_url(path):
    return f"sqlite:///{path}"


async def refusal(path) -> StoreError:
    store = Store(path)
    with pytest.raises(StoreError) as caught:
        await store.open()
    await store.aclose()
    return caught.value


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of POSIX")
async def test_a_file_is_for_its_owner_alone(store, path):
    modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("store.db*")}
    assert modes == {0o600}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of POSIX")
async def test_a_file_that_others_can_write_or_read_is_refused(path):
    async with Store(path):
        pass
    for mode, word in ((0o666, "written"), (0o644, "read")):
        path.chmod(mode)
        assert word in str(await refusal(path))


async def test_a_file_that_is_damaged_is_refused(path):
    async with Store(path) as store:
        await Owner.begin(store, "ann")
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + os.urandom(len(whole) - 100))
    assert "bring back a copy" in str(await refusal(path))


async def test_a_file_that_is_something_else_is_refused_and_left_alone(path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE of_another (x)")
    path.chmod(0o600)
    before = path.read_bytes()
    assert "is not a store" in str(await refusal(path))
    path.write_bytes(b"first_name,last_name\nAda,Lovelace\n")
    await refusal(path)
    assert path.read_bytes() != before
    assert path.read_bytes().startswith(b"first_name")


async def test_a_folder_that_is_missing_is_an_error(path):
    assert "cannot be used" in str(await refusal(path.parent / "missing" / "store.db"))


async def test_a_file_that_another_holds_for_too_long_is_unavailable(store, path, ann, monkeypatch):
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.1)
    await store.aclose()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError):
            await store.open()
    await store.open()
    assert await ann.claims_all(EVE)


async def test_a_file_that_another_holds_for_a_moment_is_waited_for(store, path, ann):
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        claiming = asyncio.create_task(ann.claim(EVE))
        for _ in range(20):  # others have their turns meanwhile
            await asyncio.sleep(0.001)
        assert not claiming.done()
        other.execute("ROLLBACK")
    await claiming


async def test_a_closed_store_leaves_no_thread(path):
    before = threading.active_count()
    async with Store(path) as store:
        await store.counts()
    for _ in range(1_000):
        if threading.active_count() <= before:
            break
        await asyncio.sleep(0.01)
    assert threading.active_count() <= before


async def test_no_contact_is_in_the_file_before_its_result(store, path, ann):
    await ann.buy(EVE, "wf-1")
    files = b"".join(file.read_bytes() for file in path.parent.glob("store.db*"))
    assert b"Ada0" not in files
    assert b"Lovelace" not in files


async def test_an_error_of_the_caller_passes_unchanged(path):
    def fail() -> None:
        raise KeyError("of the caller")

    async with StruckStore(path) as store:
        ann = await Owner.begin(store, "ann")
        store.strike, store.strike_at = fail, 0
        with pytest.raises(KeyError):
            await ann.claim(EVE)
        store.strike_at = None
        assert await ann.claims_all(EVE)


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_what_is_read_is_in_the_file_that_is_written_to_also_when_that_has_lost_its_path(
    path, is_replaced
):
    async with Store(path) as store:
        ann = await Owner.begin(store, "ann")
        await ann.buy(EVE, "wf_1")
        path.unlink()
        if is_replaced:
            path.touch(0o600)
        assert (await store.counts()).under_way == 1
    assert path.exists() == is_replaced
    assert not is_replaced or path.read_bytes() == b""

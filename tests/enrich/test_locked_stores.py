"""A store that another process holds: what is said, and how long is waited."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import anyio
import pytest

from cleanlist_async import (
    AsyncCleanlist,
    DeadlineExceededError,
    RateLimiter,
    Store,
    StoreUnavailableError,
    WaitTimeoutError,
)
from cleanlist_async.storage import sqlite_file
from tests.support.clients import KEY, WIDE
from tests.support.virtual_sandbox import people

pytestmark = [pytest.mark.sockets, pytest.mark.anyio]


@asynccontextmanager
async def client_of_a_held_store(path) -> AsyncIterator[AsyncCleanlist]:
    async with Store(path):
        pass
    limiter = RateLimiter(WIDE, clock=lambda: time.monotonic())  # noqa: PLW0108  # of its own
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with AsyncCleanlist(KEY, base_url="http://127.0.0.1:9", limiter=limiter, store=path) as client:
            yield client


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.slow
async def test_it_is_said_once_and_not_called_damaged(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.1)

    async with client_of_a_held_store(tmp_path / "store.db") as client:
        with pytest.raises(StoreUnavailableError) as raised:
            await client.enrich(people(1))
        with pytest.raises(StoreUnavailableError) as of_one:
            await client.enrich_one(people(1)[0])

    for error in (raised.value, of_one.value):
        assert "Another process holds the store store.db" in str(error)
        assert "damaged" not in str(error)
        assert (error.billed, error.retryable) == ("no", True)
    [line] = warnings(caplog)
    assert line.startswith("enrich stopped by StoreUnavailableError")


@pytest.mark.slow
async def test_a_deadline_ends_the_wait_for_it(tmp_path):
    async with client_of_a_held_store(tmp_path / "store.db") as client:
        with anyio.fail_after(sqlite_file.BUSY_S - 2):
            with pytest.raises(DeadlineExceededError):
                await client.with_options(deadline_s=0.1).enrich(people(1))
            with pytest.raises(WaitTimeoutError):
                await client.enrich_one(people(1)[0], deadline_s=0.1)

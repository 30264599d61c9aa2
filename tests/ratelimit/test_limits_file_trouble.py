"""A limits file that is deleted, locked or cannot grow while it is in use: processes wait, and say so."""

from __future__ import annotations

import asyncio
import logging
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from cleanlist_async.ratelimit import RateLimits
from cleanlist_async.storage import sqlite_file
from cleanlist_async.testing import StrictServer
from tests.support.limited_wire import KEY, ROUTE, SUBMIT, LimitedWire
from tests.support.shared_stores import flush_reports, sqlite_limiter

Trouble = Callable[[Path], AbstractContextManager[None]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.db"


def delete(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


@pytest.mark.parametrize("after_s", [0.5, 20.0, 59.0, 61.0])
async def test_a_file_that_is_deleted_while_in_use_draws_no_429(
    path: Path, after_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    server = StrictServer(keys={KEY: "org_test"}, rows=False)
    wires = [LimitedWire(sqlite_limiter(path), server, latency=lambda: 0.3) for _ in range(2)]
    calls = [asyncio.ensure_future(wire.call(ROUTE, SUBMIT)) for wire in wires for _ in range(45)]
    await asyncio.sleep(after_s)
    delete(path)
    await asyncio.gather(*calls)
    assert server.rejections == []
    assert len(server.grants()) == 90
    said = [record.message for record in caplog.records if "deleted or replaced" in record.message]
    assert len(said) == 2  # each process says it, once
    assert all("requests wait for 1" in message for message in said)


async def test_who_had_not_used_it_lately_is_not_held_up_by_a_new_file(path: Path) -> None:
    limiter = sqlite_limiter(path)
    (await limiter.acquire(ROUTE, SUBMIT)).answered(0.0)
    flush_reports(limiter)
    await asyncio.sleep(1_000)
    delete(path)
    async with asyncio.timeout(1):
        (await limiter.acquire(ROUTE, SUBMIT)).unsent()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def full(path: Path) -> Iterator[None]:
    """No file of this process can grow, as where the disk is full."""
    del path
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("trouble", [locked, full])
async def test_trouble_that_passes_is_waited_for_and_said_once(
    path: Path, trouble: Trouble, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.01)
    caplog.set_level(logging.WARNING)
    limiter = sqlite_limiter(path, RateLimits(org=2, key=2))
    heard: list[str] = []
    limiter.store.worker.backend.reachability.on_change = heard.append  # type: ignore[attr-defined]
    first = await limiter.acquire(ROUTE, SUBMIT)
    with trouble(path):
        waiting = [asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT)) for _ in range(2)]
        await asyncio.sleep(15)
        assert not any(waiter.done() for waiter in waiting)
    async with asyncio.timeout(10):
        (await waiting[0]).unsent()
        first.unsent()
        (await waiting[1]).unsent()
    assert heard == ["lost", "found"]
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert said[0].endswith("Requests wait for it.")
    assert said[1] == "limits.db is back."

"""A synchronous source that blocks does so in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from cleanlist_async import AsyncCleanlist, ConfigurationError
from cleanlist_async.enrich.source import read
from cleanlist_async.sandbox import Sandbox
from tests.support.virtual_sandbox import check_one_result_each, people

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]
PATIENCE_S = 30


def stall() -> None:
    """Hold up this thread for so long that it counts as blocking."""
    until = time.perf_counter() + 0.06
    while time.perf_counter() < until:
        pass


async def test_the_loop_goes_on_while_a_source_blocks():
    may_go_on = threading.Event()

    def source():
        stall()
        yield 1
        assert may_go_on.wait(PATIENCE_S), "the event loop stood still"
        yield 2

    got = []
    async for item in read(source()):
        got.append(item)
        asyncio.get_running_loop().call_later(0.01, may_go_on.set)
    assert got == [1, 2]


async def test_a_source_that_blocks_is_read_in_one_thread():
    threads = []

    def source():
        for item in range(1_000):
            threads.append(threading.get_ident())
            if item == 0:
                stall()
            yield item

    assert [item async for item in read(source())] == list(range(1_000))
    assert threads[0] == threading.get_ident()
    assert len({*threads[1:]}) == 1


async def test_a_quick_source_stays_in_the_thread_of_the_loop():
    threads = set()

    def source():
        for item in range(1_000):
            threads.add(threading.get_ident())
            yield item

    assert [item async for item in read(source())] == list(range(1_000))
    assert threads == {threading.get_ident()}


async def test_what_a_source_raises_comes_after_what_it_yielded():
    def source():
        stall()
        yield from range(3)
        raise OSError("the disk is gone")

    got = []
    with pytest.raises(OSError, match="disk"):
        async for item in read(source()):
            got += [item]
    assert got == [0, 1, 2]


async def test_a_source_that_blocks_for_ever_holds_up_nobody_who_leaves():
    never = threading.Event()

    def source():
        stall()
        yield 1
        never.wait()

    reading = read(source())
    assert await anext(reading) == 1
    waiting = asyncio.ensure_future(anext(reading))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting], timeout=PATIENCE_S)
    assert waiting.cancelled()


async def test_a_run_over_a_source_that_blocks_answers_other_calls():
    answered = threading.Event()
    given = people(20)

    def source():
        for index, person in enumerate(given):
            if index == 0:
                stall()
            if index == 10:
                assert answered.wait(PATIENCE_S), "other calls stood still"
            yield person

    async with Sandbox(workflow_s=0.05, window_s=1.0) as sandbox, sandbox.client() as client:
        run = asyncio.ensure_future(client.enrich(source()))
        await client.public.credits_balance()
        answered.set()
        check_one_result_each((await run).results, given)


async def test_the_old_name_of_webhook_url_still_works(tmp_path):
    client = AsyncCleanlist("key", base_url="http://[::1]")
    with pytest.warns(DeprecationWarning, match="webhook_url"), pytest.raises(ConfigurationError):
        await client.job(tmp_path / "x.journal", [], webhook="https://a.example/hooks")
    with pytest.raises(ConfigurationError, match="one of them"):
        await client.job(
            tmp_path / "x.journal", [], webhook="https://a.example", webhook_url="https://a.example"
        )

"""Streams: flat memory, bounded reading ahead, and no result lost or doubled however they end."""

import asyncio
import gc
import itertools
import tracemalloc

import anyio
import pytest

from cleanlist_async import Contact, RateLimits
from cleanlist_async.enrich import row_results, run
from cleanlist_async.enrich.result_sink import ResultQueue
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.testing import MemoryNetwork, StrictServer
from cleanlist_async.testing import run as run_virtually
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.support.virtual_sandbox import check_against_ledger, check_one_result_each, open_world, people

WIDE = RateLimits(org=10**6, key=10**6)


WINDOW = 30 * 250
"""Contacts that the requests of a window can hold, with one key."""


class Endless:
    """Contacts without end; counts how many were taken. Sync and async."""

    def __init__(self, *, same=False):
        self.taken = 0
        self.same = same

    def __next__(self):
        self.taken += 1
        return people(1, 0 if self.same else self.taken)[0]

    def __iter__(self):
        return self


class EndlessAsync(Endless):
    __iter__ = None

    def __aiter__(self):
        return self

    async def __anext__(self):
        return next(self)


@pytest.mark.parametrize("kind", [Endless, pytest.param(EndlessAsync, marks=pytest.mark.slow)])
async def test_a_slow_consumer_bounds_what_is_read(world, kind):
    source = kind()
    async with world.client.stream(source, max_open_workflows=4) as stream:
        first = await anext(stream)
        assert first.index < 250
        await anyio.sleep(3_600)
        read_after_an_hour = source.taken
        await anyio.sleep(3_600)
        assert source.taken == read_after_an_hour
    assert source.taken - len(world.ledger.contacts) <= 4_000
    assert source.taken <= WINDOW + 9 * 250
    left = {r.index for r in stream.leftover}
    assert left == set(range(source.taken)) - {first.index}
    check_against_ledger(world, [first, *stream.leftover])


@pytest.mark.parametrize("ahead", [1, 100, 600])
async def test_a_stream_buys_no_further_ahead_of_its_consumer_than_it_may(world, ahead):
    source = Endless()
    async with world.client.stream(source, ahead=ahead) as stream:
        for taken in range(1, 4):
            await anext(stream)
            await anyio.sleep(600)
            assert source.taken - taken <= ahead
            assert len(world.ledger.contacts) == source.taken


async def test_a_stream_that_is_kept_short_still_ends(world):
    async with world.client.stream(people(300), ahead=40) as stream:
        got = [result async for result in stream]
    check_one_result_each(got, people(300))


@pytest.mark.slow
@pytest.mark.world(workflow_s=600)
async def test_reading_ahead_of_tokens_is_bounded(world):
    source = Endless()
    async with world.client.stream(source):
        await anyio.sleep(50)  # the first window's tokens are spent
    assert world.submits() == 30 - world.status_requests()
    assert source.taken - len(world.ledger.contacts) <= 4_000


async def test_an_endless_source_of_one_contact_ends_neither_memory_nor_patience(world, monkeypatch):
    monkeypatch.setattr(run, "_DUPLICATES_AHEAD", 1_000)
    source = Endless(same=True)
    async with world.client.stream(source) as stream:
        results = [await anext(stream) for _ in range(3_000)]
    assert [r.index for r in results] == list(range(3_000))
    assert len(world.ledger.contacts) == 1
    assert source.taken <= 3_000 + WINDOW + 1_000


@pytest.mark.slow
async def test_leaving_early_keeps_what_was_not_read(world):
    contacts = people(600)
    got = []
    async with world.client.stream(contacts) as stream:
        async for result in stream:
            got.append(result)
            if len(got) == 5:
                break
    check_one_result_each([*got, *stream.leftover], contacts)
    check_against_ledger(world, [*got, *stream.leftover])
    collected = await world.client.collect(stream.pending)
    assert not collected.pending
    assert len(world.ledger.contacts) == len(world.ledger.times_accepted())
    assert not stream.is_for_nothing
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.slow
@pytest.mark.parametrize("step_s", [0.07, 0.33, 1.1])
async def test_a_consumer_cancelled_again_and_again_loses_and_doubles_nothing(world, step_s):
    contacts = people(700)
    got = []
    async with world.client.stream(contacts) as stream:
        while len(got) < 700:
            with anyio.move_on_after(step_s):
                while len(got) < 700:
                    got.append(await anext(stream))
                    await anyio.sleep(0.01)
    check_one_result_each(got, contacts)


async def test_a_loop_that_is_left_early_without_a_block_stops_the_run(world, caplog):
    source = Endless()
    async for first in world.client.stream(source):  # noqa: B007  # the first, and no other
        break
    taken = source.taken
    await anyio.sleep(3_600)
    left = world.client.abandoned
    assert "outside of `async with`" in caplog.text
    assert source.taken == taken == 1 + len(left)
    check_against_ledger(world, [first, *left])
    assert not (await world.client.collect(left)).pending


async def test_a_queue_that_is_cancelled_while_an_item_arrives_keeps_it():
    item = EnrichmentResult(0, Contact(), "found")
    queue = ResultQueue(1)
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.put(item)
    taking.cancel()
    await asyncio.wait([taking])
    assert taking.cancelled()
    assert queue.drain() == [item]
    queue.put(item)
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert taking.done()  # an item that is there is taken and given in one step
    queue.close()
    assert await queue.take() is None


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_source_that_raises_is_raised_after_what_was_bought(world, is_async):
    def broken():
        yield from people(300)
        raise OSError("disk")

    async def broken_async():
        for contact in broken():
            yield contact

    got = []
    stream = world.client.stream(broken_async() if is_async else broken())
    with pytest.raises(OSError, match="disk"):
        async with stream:
            async for result in stream:
                got.append(result)  # noqa: PERF401 - it raises in the end
    assert sum(r.status in {"found", "not_found"} for r in got) == 250
    assert sum(r.status == "failed" for r in got) == 50
    check_against_ledger(world, got)


async def test_a_run_that_stops_does_not_wait_for_its_source(world):
    async def slow():
        for contact in people(250):
            yield contact
        await anyio.sleep_forever()

    world.sandbox.revoke(world.sandbox.api_key)
    with anyio.fail_after(60), pytest.raises(Exception, match="authenticated"):
        async with world.client.stream(slow()) as stream:
            async for _ in stream:
                pass


@pytest.mark.slow
async def test_duplicates_across_the_whole_of_a_list_and_within_a_window(monkeypatch):
    monkeypatch.setattr(row_results, "WINDOW", 300)
    contacts = [*people(1), *people(1_000, start=1), *people(1)]

    async def bought(source):
        async with open_world() as world, world.client.stream(source, max_open_workflows=1) as stream:
            results = [result async for result in stream]
        check_one_result_each(results, contacts)
        return len(world.ledger.contacts)

    assert await bought(contacts) == 1_001
    assert await bought(iter(contacts)) == 1_002


@pytest.mark.slow
async def test_two_streams_at_once_share_one_scheduler_and_mix_nothing(world):
    async def read(start):
        contacts = people(300, start)
        async with world.client.stream(contacts) as stream:
            results = [result async for result in stream]
        check_one_result_each(results, contacts)
        check_against_ledger(world, results)

    async with anyio.create_task_group() as group:
        for n in range(3):
            group.start_soon(read, n * 1_000)


@pytest.mark.slow
def test_memory_stays_flat_over_a_long_stream():
    async def main():
        async with MemoryNetwork(server) as network, VirtualCleanlist(network, rate_limits=WIDE) as client:
            source = itertools.islice(Endless(), 12_000)
            sizes = []
            async with client.stream(source, dedupe="off", max_open_workflows=8) as stream:
                async for result in stream:
                    if result.index % 4_000 == 3_999:
                        server.workflows.clear()
                        server.requests.clear()
                        server._tasks.clear()
                        gc.collect()
                        sizes.append(tracemalloc.get_traced_memory()[0])
            return sizes

    server = StrictServer(organization_limit=10**6, key_limit=10**6, workflow_s=lambda: 1.0)
    tracemalloc.start()
    try:
        _warming_up, early, *_, last = run_virtually(main())
    finally:
        tracemalloc.stop()
    assert last - early < 2_000_000

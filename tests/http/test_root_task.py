"""Whose client it is: one event loop, one process, from opening to closing."""

import asyncio
import subprocess
import sys
import textwrap
import threading

import anyio
import pytest

from cleanlist_async import AsyncCleanlist, ConfigurationError, RateLimiter, WrongEventLoopError
from cleanlist_async.http.root_task import RootTask
from tests.support.clients import (
    ACCEPTED,
    ADA,
    ANSWERS,
    WIDE,
    NoPatience,
    against,
    always,
    client_of,
    json_answer,
    outcome_of,
)
from tests.support.faulty_server import FaultyServer

LIMITER = RateLimiter(WIDE, rng=NoPatience())
BALANCE = always(json_answer(ANSWERS["credits_balance"]))


def nowhere(**options):
    """A client that has nobody to talk to; one limiter, since some of these are never closed."""
    return client_of("http://127.0.0.1:9", limiter=LIMITER, **options)


@pytest.mark.sockets
def test_three_runs_with_a_client_each():
    async def main():
        async with against(BALANCE) as (client, _):
            return (await client.public.credits_balance()).credits

    assert [asyncio.run(main()) for _ in range(3)] == [7.5] * 3


@pytest.mark.sockets
def test_a_client_made_outside_any_loop_works_in_one():
    client = nowhere()

    async def main():
        async with client:
            return await outcome_of(client.with_options(max_retries=0).public.credits_balance())

    assert type(asyncio.run(main())).__name__ == "APIConnectionError"
    assert client.statistics().requests == 1, "statistics need no loop"


@pytest.mark.sockets
def test_in_another_loop_every_method_says_so():
    async def opened():
        client = nowhere(max_retries=0)
        await outcome_of(client.public.credits_balance())
        await client.aclose()
        return client

    client = asyncio.run(opened())

    async def elsewhere():
        return [
            await outcome_of(client.public.credits_balance()),
            await outcome_of(client.public.submit_bulk([ADA])),
            await outcome_of(client.enrich([ADA])),
            await outcome_of(client.collect([])),
            await outcome_of(client.__aenter__()),
            await outcome_of(client.stream([ADA]).__aenter__()),
        ]

    for error in asyncio.run(elsewhere()):
        assert type(error) is WrongEventLoopError
        assert "another event loop" in str(error)
    asyncio.run(client.aclose())  # it is closed: nothing is left to do, wherever that is asked


@pytest.mark.sockets
@pytest.mark.anyio
async def test_a_client_in_use_is_not_closed_from_another_loop():
    async with against(BALANCE) as (client, _):
        await client.public.credits_balance()
        errors = []

        def close():
            try:
                asyncio.run(client.aclose())
            except WrongEventLoopError as error:
                errors.append(error)

        thread = threading.Thread(target=close)
        thread.start()
        await asyncio.to_thread(thread.join)
        balance = await client.public.credits_balance()
    assert len(errors) == 1
    assert balance.credits == 7.5


@pytest.mark.sockets
def test_a_client_that_nobody_closed_ends_with_its_loop():
    kept, urls = [], []

    async def main():
        async with FaultyServer(BALANCE) as server:
            kept.append(client_of(server.base_url))
            await kept[0].public.credits_balance()
            await kept[0].public.credits_balance()
            urls.append(server.base_url)

    asyncio.run(main())  # no unclosed socket, no task destroyed: both would be errors here
    client_of(urls[0])  # its key is free for a client with another limiter
    asyncio.run(kept[0].aclose())


@pytest.mark.slow
@pytest.mark.sockets
def test_a_client_that_was_opened_before_a_fork_is_refused():
    script = """
        import asyncio, os, sys
        from cleanlist_async import AsyncCleanlist, WrongEventLoopError
        client = AsyncCleanlist("clapi_0123456789", base_url="http://127.0.0.1:9", max_retries=0)

        async def call():
            try:
                await client.public.credits_balance()
            except Exception as error:
                return error

        async def main():
            await call()
            if os.fork() == 0:
                asyncio.events._set_running_loop(None)
                error = asyncio.run(call())
                closing = None
                try:
                    asyncio.run(client.aclose())
                except WrongEventLoopError as refusal:
                    closing = refusal
                print(type(error).__name__, "fork" in str(error), type(closing).__name__, flush=True)
                os._exit(0)
            os.wait()
            await client.aclose()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("WrongEventLoopError True WrongEventLoopError\n", "")


def test_where_asyncio_does_not_run_one_clear_error():
    """As under trio, whose tasks run in no asyncio event loop."""
    client = nowhere()
    for call in (
        client.public.credits_balance(),
        client.public.submit_bulk([ADA]),
        client.enrich([ADA]),
        client.collect([]),
        client.__aenter__(),
        client.stream([ADA]).__aenter__(),
    ):
        with pytest.raises(ConfigurationError, match=r"asyncio only.*trio"):
            call.send(None)


@pytest.mark.sockets
@pytest.mark.anyio
async def test_a_call_on_a_closed_client_is_an_error():
    async with against(BALANCE) as (client, _):
        await client.public.credits_balance()
        await client.aclose()
        outcomes = [
            await outcome_of(client.public.credits_balance()),
            await outcome_of(client.with_options(pace="smooth").public.submit_bulk([ADA])),
            await outcome_of(client.enrich([ADA])),
            await outcome_of(client.collect([])),
            await outcome_of(client.__aenter__()),
        ]
        requests = client.statistics().requests
    assert requests == 1
    for error in outcomes:
        assert type(error) is ConfigurationError
        assert str(error) == "This client is closed. Open a new one."


@pytest.mark.anyio
async def test_a_client_closed_before_its_first_use():
    client = nowhere()
    await client.aclose()
    await client.aclose()
    assert type(await outcome_of(client.public.credits_balance())) is ConfigurationError


@pytest.mark.sockets
@pytest.mark.anyio
async def test_it_serves_tasks_other_than_the_one_that_opened_it_and_closes_in_yet_another():
    async with against(BALANCE) as (client, _):
        await asyncio.create_task(client.__aenter__())
        answers = [await asyncio.create_task(client.public.credits_balance()) for _ in range(3)]
        await asyncio.create_task(client.aclose())
    assert [answer.credits for answer in answers] == [7.5] * 3


@pytest.mark.sockets
@pytest.mark.anyio
async def test_when_everything_is_cancelled_around_it_the_client_ends_clean():
    async with against(always(json_answer(ACCEPTED).delayed(0.2))) as (client, server):
        call = asyncio.create_task(client.public.submit_bulk([ADA]))
        while not server.requests:  # noqa: ASYNC110 - the server under test sets no event of ours
            await asyncio.sleep(0.001)
        ours = [task for task in asyncio.all_tasks() if "cleanlist" in task.get_name() or task is call]
        for task in ours:
            task.cancel()
        await asyncio.wait(ours)
        error, requests = await outcome_of(client.public.credits_balance()), len(server.requests)
    assert type(error) is ConfigurationError
    assert requests == 1


@pytest.mark.anyio
async def test_a_root_task_runs_its_end_once():
    ends = []

    async def end():
        ends.append(1)

    root = RootTask(end)
    await root.ensure()
    async with anyio.create_task_group() as group:
        group.start_soon(root.aclose)
        group.start_soon(root.aclose)
    assert ends == [1]


@pytest.mark.anyio
async def test_leaving_the_block_with_an_error_closes_and_keeps_the_error():
    with pytest.raises(LookupError):
        async with AsyncCleanlist("clapi_0123456789", base_url="http://127.0.0.1:9") as client:
            raise LookupError
    assert client._runtime.shared.root.closed

"""Each request runs in a task that the client owns: what its caller does cannot hurt the client."""

import asyncio
import gc
from collections import Counter
from random import Random

import anyio
import pytest

from cleanlist_async import RateLimits, errors, facts
from cleanlist_async.api.public import status_call
from cleanlist_async.http.options import CallOptions
from cleanlist_async.ratelimit import RequestClass
from tests.support.clients import (
    ACCEPTED,
    ADA,
    ANSWERS,
    GRACE,
    WIDE,
    Served,
    against,
    json_answer,
    respond,
    virtual_client,
    virtually,
)


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.anyio
async def test_twenty_thousand_cancelled_calls_leave_a_client_that_answers_a_hundred_of_a_hundred():
    rng, of_the_test = Random(7), asyncio.all_tasks()
    balance, accepted = json_answer(ANSWERS["credits_balance"]), json_answer(ACCEPTED)

    async def give_up(client, number):
        call = client.public.submit_bulk([ADA]) if number % 40 == 0 else client.public.credits_balance()
        task = asyncio.create_task(call)
        for _ in range(rng.randrange(12)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    script = lambda request, number: accepted if request.method == "POST" else balance  # noqa: E731
    async with against(script) as (client, server):
        gave_up = 0
        for batch in range(0, 20_000, 100):
            gave_up += sum(await asyncio.gather(*(give_up(client, batch + n) for n in range(100))))
        answers = await asyncio.gather(*(client.public.credits_balance() for _ in range(100)))
        statistics = client.statistics()
        sent = sum(request.method == "POST" for request in server.requests)
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - of_the_test
    assert gave_up > 19_000, "the test must cancel what it means to cancel"
    assert [answer.credits for answer in answers] == [7.5] * 100
    assert statistics.waiting == 0
    assert all(bucket.in_flight == 0 for bucket in statistics.buckets)
    assert len(statistics.detached_workflows) <= sent
    assert not left
    gc.collect()  # an unclosed socket would warn, and a warning is an error


def cancelled_after(steps, call, by_scope):
    """What is left of a call that was cancelled after so many iterations of the loop."""
    served = Served(
        lambda request, number: respond(ACCEPTED if request.method == "POST" else ANSWERS["credits_balance"])
    )

    async def main(client):
        done = []

        async def caller():
            with scope:
                done.append(await call(client))

        scope = anyio.CancelScope()
        task = asyncio.create_task(caller())
        for _ in range(steps):
            await asyncio.sleep(0)
        scope.cancel() if by_scope else task.cancel()
        await asyncio.wait([task])
        await anyio.sleep(200)
        balance = await client.public.credits_balance()
        await anyio.sleep(200)
        assert len(asyncio.all_tasks()) <= 5, asyncio.all_tasks()
        return done, balance, client.statistics()

    return *virtually(main, served), sum(request.method == "POST" for request in served.requests)


@pytest.mark.parametrize("by_scope", [True, False])
def test_a_submit_cancelled_at_any_iteration_is_answered_noted_or_never_sent(by_scope):
    seen = set()
    for steps in range(200):
        done, balance, statistics, submits = cancelled_after(
            steps, lambda client: client.public.submit_bulk([ADA]), by_scope
        )
        assert balance.credits == 7.5
        assert all((b.in_flight, b.available) == (0, b.limit) for b in statistics.buckets), steps
        assert submits == len(done) + len(statistics.detached_workflows), steps
        seen.add((len(done), submits))
        if done:
            break
    assert seen == {(0, 0), (0, 1), (1, 1)}, "never sent, sent and noted, answered"


@pytest.mark.parametrize("time_is_up", [lambda: asyncio.timeout(0), lambda: asyncio.timeout(-1)])
async def test_nothing_is_bought_in_a_time_that_is_up_already(time_is_up):
    served = Served(
        lambda request, number: respond(ACCEPTED if request.method == "POST" else ANSWERS["credits_balance"])
    )
    async with virtual_client(served) as client:
        await client.public.credits_balance()
        with pytest.raises(TimeoutError):
            async with time_is_up():
                await client.public.submit_bulk([ADA])
        await anyio.sleep(200)
        statistics = client.statistics()
    assert [request.method for request in served.requests] == ["GET"]
    assert statistics.detached_workflows == ()
    assert all((bucket.in_flight, bucket.available) == (0, bucket.limit) for bucket in statistics.buckets)


@pytest.mark.parametrize("by_scope", [True, False])
def test_a_read_cancelled_at_any_iteration_leaves_no_trace(by_scope):
    for steps in range(200):
        done, balance, statistics, _ = cancelled_after(
            steps, lambda client: client.public.credits_balance(), by_scope
        )
        assert balance.credits == 7.5
        assert all((b.in_flight, b.available) == (0, b.limit) for b in statistics.buckets), steps
        assert statistics.detached_workflows == ()
        if done:
            break
    assert done


KINDS = {
    "paid": lambda client: client.public.submit_bulk([ADA]),
    "interactive read": lambda client: client.public.credits_balance(),
    "status request": lambda client: client._runtime.pipeline.call(
        status_call(workflow_id="wf_1", kind=RequestClass.STATUS), CallOptions()
    ),
}


def kind_of(request):
    if request.method == "POST":
        return "paid"
    return "status request" if "status" in request.path else "interactive read"


async def test_sixteen_requests_of_each_kind_are_in_flight_at_most():
    in_flight, most = Counter(), Counter()

    async def counted(request):
        kind = kind_of(request)
        in_flight[kind] += 1
        most[kind] = max(most[kind], in_flight[kind])
        await anyio.sleep(1)
        in_flight[kind] -= 1
        return respond(
            ANSWERS[{"paid": "submit_bulk", "status request": "bulk_status"}.get(kind, "credits_balance")]
        )

    async with (
        virtual_client(lambda request, number: counted(request), latency=lambda: 0.1) as client,
        anyio.create_task_group() as group,
    ):
        for _ in range(40):
            for call in KINDS.values():
                group.start_soon(call, client)
    assert most == dict.fromkeys(KINDS, facts.MAX_IN_FLIGHT)


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("limits", [WIDE, RateLimits()], ids=["unlimited", "published limits"])
@pytest.mark.parametrize("hung", KINDS)
async def test_requests_that_hang_stop_no_other_kind(hung, limits, cancelled):
    """Nor do those that wait for a place behind them keep tokens from the others."""

    async def answered(request):
        if kind_of(request) == hung:
            await anyio.sleep_forever()
        return respond(
            ANSWERS["submit_bulk" if request.method == "POST" else "bulk_status"] | ANSWERS["credits_balance"]
        )

    async with virtual_client(lambda request, number: answered(request), rate_limits=limits) as client:
        tasks = [asyncio.create_task(KINDS[hung](client)) for _ in range(200)]
        await anyio.sleep(1)
        if cancelled:
            for task in tasks[: facts.MAX_IN_FLIGHT]:
                task.cancel()
            await anyio.sleep(1)
        in_flight = max(bucket.in_flight for bucket in client.statistics().buckets)
        asked_at = anyio.current_time()
        for kind, call in KINDS.items():
            if kind != hung:
                await call(client)
        took_s = anyio.current_time() - asked_at
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert took_s == 0
    assert in_flight == facts.MAX_IN_FLIGHT


async def test_one_slow_operation_delays_no_call_of_another():
    """Of two keys, with answers of 20 s: more calls are on the wire than have places."""
    waits = []

    async def answered(request):
        if "balance" in request.path:
            await anyio.sleep(20)
        return respond(ANSWERS["credits_balance"] | ANSWERS["validate_key"])

    async def keep_asking(client):
        while True:
            await client.public.credits_balance()

    async with (
        virtual_client(
            lambda request, number: answered(request),
            api_key=["clapi_1", "clapi_2"],
            rate_limits=RateLimits(),
        ) as client,
        anyio.create_task_group() as group,
    ):
        for _ in range(40):
            group.start_soon(keep_asking, client)
        for _ in range(20):
            await anyio.sleep(20)
            asked_at = anyio.current_time()
            await client.public.validate_key()
            waits.append(anyio.current_time() - asked_at)
        group.cancel_scope.cancel()
    assert max(waits) < 1


async def test_cancelled_reads_do_not_make_room_for_more_than_sixteen():
    """An abandoned request is still on the wire until its answer comes."""
    in_flight, most = 0, 0

    async def counted():
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await anyio.sleep(5)
        in_flight -= 1
        return respond(ANSWERS["credits_balance"])

    async with virtual_client(lambda request, number: counted()) as client:
        for _ in range(10):
            with anyio.move_on_after(1):
                async with anyio.create_task_group() as group:
                    for _ in range(10):
                        group.start_soon(client.public.credits_balance)
    assert most == facts.MAX_IN_FLIGHT


# -- closing ---------------------------------------------------------------------------------------


async def late(seconds, content):
    await anyio.sleep(seconds)
    return respond(content)


async def test_closing_waits_for_a_paid_request_and_its_caller_gets_the_answer():
    async with virtual_client(lambda request, number: late(9, ACCEPTED)) as client:
        submit = asyncio.create_task(client.public.submit_bulk([ADA]))
        await anyio.sleep(1)
        await client.aclose()
        closed_at = anyio.current_time()
        submission = await submit
    assert submission.workflow_id == "wf_1"
    assert closed_at == 9


async def test_closing_notes_a_paid_request_whose_caller_has_gone():
    async with virtual_client(lambda request, number: late(9, ACCEPTED)) as client:
        submit = asyncio.create_task(client.public.submit_bulk([ADA]))
        await anyio.sleep(1)
        submit.cancel()
        await asyncio.wait([submit])
        await client.aclose()

        assert client.statistics().detached_workflows == ("wf_1",)


async def test_a_cancelled_close_goes_on_closing():
    async with virtual_client(lambda request, number: late(9, ACCEPTED)) as client:
        submit = asyncio.create_task(client.public.submit_bulk([ADA]))
        await anyio.sleep(1)
        closing = asyncio.create_task(client.aclose())
        await anyio.sleep(1)
        closing.cancel()
        await asyncio.wait([closing])
        submission = await submit
        await client.aclose()

        assert submission.workflow_id == "wf_1"


async def test_closing_from_several_tasks_at_once_and_again():
    async with virtual_client(lambda request, number: late(9, ACCEPTED)) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.public.submit_bulk, [ADA])
            await anyio.sleep(1)
            for _ in range(3):
                group.start_soon(client.aclose)
        await client.aclose()

        assert anyio.current_time() == 9


@pytest.mark.parametrize(("tokens", "submits"), [(facts.MAX_IN_FLIGHT, 3), (10**6, 0)])
async def test_calls_that_wait_end_at_once_when_the_client_is_closed(tokens, submits):
    """For tokens, for a connection, for an answer to a read, for the next attempt: whatever they wait for."""

    async def ended(call):
        try:
            await call
        except errors.CleanlistError as error:
            return type(error), anyio.current_time()

    def handler(request, number):
        return respond({}, 503, retry_after="50") if number < 5 else late(30, {})

    async with virtual_client(handler, rate_limits=RateLimits(org=tokens, key=tokens)) as client:
        public = client.public
        waiting = [asyncio.create_task(ended(public.credits_balance())) for _ in range(40)]
        waiting += [asyncio.create_task(ended(public.submit_bulk([ADA]))) for _ in range(submits)]
        await anyio.sleep(3)
        await client.aclose()
        ends = [await task for task in waiting]
        closed_at = anyio.current_time()
        statistics = client.statistics()
    assert ends == [(errors.ConfigurationError, 3.0)] * (40 + submits)
    assert closed_at == 3.0
    assert statistics.waiting == 0
    assert all(bucket.in_flight == 0 for bucket in statistics.buckets)


async def test_a_submit_in_line_for_a_connection_is_not_sent_by_a_closing_client():
    served = Served(lambda request, number: late(30, ACCEPTED))
    async with virtual_client(served) as client:
        first = [asyncio.create_task(client.public.submit_bulk([ADA])) for _ in range(facts.MAX_IN_FLIGHT)]
        await anyio.sleep(1)
        late_one = asyncio.create_task(client.public.submit_bulk([GRACE]))
        await anyio.sleep(1)
        await client.aclose()
        await asyncio.wait([*first, late_one])
        error = late_one.exception()
        accepted = {submit.result().workflow_id for submit in first}
    assert type(error) is errors.ConfigurationError
    assert error.billed == "no"
    assert accepted == {"wf_1"}
    assert len(served.requests) == facts.MAX_IN_FLIGHT

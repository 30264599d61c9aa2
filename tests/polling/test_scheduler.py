"""One scheduler for all workflows of a client, in virtual time."""

import asyncio
import gc
import math
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from cleanlist_async import CleanlistError, InternalServerError, NotFoundError, RateLimits
from cleanlist_async.api.models.public import BulkStatus
from cleanlist_async.api.public import BULK_STATUS, status_call
from cleanlist_async.polling.open_workflow import WebhookSignal
from cleanlist_async.polling.price import Demand
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.sandbox import Fault
from cleanlist_async.testing import MemoryNetwork, StrictServer
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.support.virtual_sandbox import open_world, people

STATUS = "/enrich/status"


@pytest.mark.world(workflow_s=5.0, latency=lambda: 0.001)
async def test_a_small_job_is_quick(world):
    await world.client.enrich(people(3))
    asked = [request.at for request in world.ledger.requests_of(STATUS)]
    ends = world.ledger.requests_of("/enrich/bulk")[0].at + 5.0
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(asked))
    assert asked[-2] < ends < asked[-1] < ends + 1.5


@pytest.mark.slow
@pytest.mark.parametrize("median_s", [20.0, 200.0])
async def test_while_submits_wait_hardly_a_question_is_too_early(median_s):
    rng = random.Random(1)
    server = StrictServer(workflow_s=lambda: rng.lognormvariate(math.log(median_s), 0.5))
    async with (
        MemoryNetwork(server, latency=lambda: rng.uniform(0.02, 0.4)) as network,
        VirtualCleanlist(network) as client,
        client.stream(people(40_000)) as stream,
    ):
        async for result in stream:
            assert result.status in {"found", "not_found"}
    last_submit = max(flow.submitted_at for flow in server.workflows.values())
    asked = [one.arrived_at for one in server.requests if one.path.endswith(STATUS)]
    ended = [flow.finishes_at for flow in server.workflows.values() if flow.finishes_at < last_submit]
    assert sum(at < last_submit for at in asked) <= 1.05 * len(ended) + 5
    assert not server.rejections


@pytest.mark.slow
async def test_the_end_of_long_workflows_is_not_missed():
    rng = random.Random(0)
    server = StrictServer(
        workflow_s=lambda: rng.lognormvariate(math.log(600.0), 0.5), organization_limit=600, key_limit=300
    )
    async with (
        MemoryNetwork(server, latency=lambda: rng.uniform(0.02, 0.4)) as network,
        VirtualCleanlist(network, rate_limits=RateLimits(org=600, key=300)) as client,
        client.stream(people(50_000)) as stream,
    ):
        async for result in stream:
            assert result.status in {"found", "not_found"}
        last = max(workflow.finishes_at for workflow in server.workflows.values())
        assert anyio.current_time() <= last + 5


@pytest.mark.slow
async def test_slow_first_workflows_keep_nobody_waiting():
    took = iter([5_000.0] * 2)
    async with (
        open_world(workflow_s=lambda _: next(took, 100.0)) as world,
        anyio.create_task_group() as group,
    ):
        for n in range(40):
            group.start_soon(world.client.enrich, people(1, n))
        await anyio.sleep(600)
        assert world.submits() == 40
        assert len(world.client._runtime.bulk.polls._open) == 2
        group.cancel_scope.cancel()


async def test_each_kind_of_work_is_learned_for_itself():
    took = iter([1_000.0] * 5)
    async with open_world(workflow_s=lambda _: next(took, 20.0)) as world:
        slow = [(await world.client.public.submit_bulk(people(1, n))).workflow_id for n in range(6)]
        polls, options = world.client._runtime.polls, world.client._options
        now, ends = world.client._runtime.pipeline.limiter.clock(), []

        async def wait(workflow_id, name):
            question = status_call(workflow_id=workflow_id)
            question = replace(question, operation=replace(question.operation, name=name))
            await polls.finished(question, submitted_at=now, options=options)
            ends.append((name, anyio.current_time()))

        async with anyio.create_task_group() as group:
            for workflow_id in slow[:5]:
                group.start_soon(wait, workflow_id, "slow")
            group.start_soon(wait, slow[5], "quick")
            await anyio.sleep(200)
            group.cancel_scope.cancel()
        assert [name for name, _ in ends] == ["quick"]


@pytest.mark.world(workflow_s=600.0)
async def test_early_questions_leave_half_of_the_tokens_alone(world):
    async with anyio.create_task_group() as group:
        for n in range(10):
            group.start_soon(world.client.enrich, people(1, n))
        await anyio.sleep(55)
        assert world.submits() == 10
        assert world.status_requests() <= (30 - 10) / 2 + 1
        group.cancel_scope.cancel()


async def test_questions_that_can_wait_leave_room_for_those_that_cannot(world):
    ids = [(await world.client.public.submit_bulk(people(1, n))).workflow_id for n in range(2)]
    async with anyio.create_task_group() as group:
        question = status_call(workflow_id=ids[0], kind=RequestClass.STATUS)
        for _ in range(27):  # all but the token that is left to interactive calls
            group.start_soon(world.client._runtime.pipeline.call, question, world.client._options)
    async with anyio.create_task_group() as group:
        for id_, kind in zip(ids, (RequestClass.STATUS, RequestClass.INTERACTIVE), strict=True):
            question = status_call(workflow_id=id_, kind=kind)
            finished = world.client._runtime.polls.finished
            options = world.client._options
            group.start_soon(partial(finished, question, submitted_at=0.0, options=options, is_new=False))
            await anyio.sleep(1)
    asked = [request.query.partition("=")[2] for request in world.ledger.requests_of(STATUS)]
    assert asked[27:29] == [ids[1], ids[0]]


async def test_a_404_on_a_new_workflow_is_a_replica_that_lags(world):
    world.sandbox.add_fault(Fault(STATUS, status=404, times=3))
    report = await world.client.enrich(people(2))
    assert report.stopped_by is None
    assert not report.pending
    assert world.status_requests() > 3


async def test_after_ten_minutes_a_404_is_the_truth_for_that_workflow_alone(world):
    world.sandbox.add_fault(Fault(STATUS, status=404, times=math.inf))
    started = anyio.current_time()
    report = await world.client.enrich(people(2))
    assert 600 < anyio.current_time() - started < 2_000
    assert [r.status for r in report.results] == ["pending"] * 2
    world.sandbox.clear_faults()
    assert not (await world.client.enrich(people(2, 5))).pending


async def test_errors_reach_only_their_workflow(world):
    first = await world.client.public.submit_bulk(people(1))
    second = await world.client.public.submit_bulk(people(1, 1))
    polls, outcome, failed = world.client._runtime.bulk.polls, {}, anyio.Event()
    world.sandbox.add_fault(Fault(STATUS, status=500, times=math.inf))

    async def wait(name, workflow_id, **more):
        try:
            outcome[name] = await polls.finished(
                status_call(workflow_id=workflow_id),
                submitted_at=0.0,
                options=world.client._options,
                **more,
            )
        except CleanlistError as error:
            outcome[name] = error
            failed.set()

    async with anyio.create_task_group() as group:
        group.start_soon(wait, "fails", first.workflow_id)
        with anyio.fail_after(600):
            await failed.wait()
        world.sandbox.clear_faults()
        group.start_soon(wait, "lost", "wf_nobody_knows")
        group.start_soon(wait, "works", second.workflow_id)
    assert isinstance(outcome["fails"], InternalServerError)
    assert isinstance(outcome["lost"], NotFoundError)
    assert outcome["works"].is_final


@pytest.mark.world(workflow_s=100.0)
async def test_waiting_can_be_cancelled_and_nothing_goes_on_asking(world):
    with anyio.move_on_after(3):
        await world.client.enrich(people(1))
    asked = world.status_requests()
    await anyio.sleep(600)
    assert world.status_requests() == asked
    assert not world.client._runtime.bulk.polls._open
    assert not world.client._runtime.bulk.polls._running
    assert not (await world.client.collect(world.client.abandoned)).pending


@pytest.mark.world(api_keys=("clapi_one", "clapi_two"))
async def test_collecting_asks_at_once_and_with_each_key(world):
    with anyio.move_on_after(1):
        await world.client.enrich(people(2))
    await anyio.sleep(100)
    before = world.status_requests()
    world.sandbox.add_fault(Fault(STATUS, status=404))
    report = await world.client.collect(world.client.abandoned)
    assert not report.pending
    assert world.status_requests() == before + 2
    assert len({request.key_id for request in world.ledger.requests_of(STATUS)[-2:]}) == 2


@pytest.mark.slow
@pytest.mark.world(api_keys=("clapi_one", "clapi_two"))
async def test_a_workflow_is_polled_with_the_key_that_submitted_it(world):
    for n in range(4):
        await world.client.public.validate_key()
        await world.client.enrich(people(250 * (n + 1), 5_000 * n))
    workflows = dict.fromkeys(contact.workflow_id for contact in world.ledger.contacts)
    submits = [request.key_id for request in world.ledger.requests_of("/enrich/bulk")]
    submitted_with = dict(zip(workflows, submits, strict=True))
    polls = world.ledger.requests_of(STATUS)
    assert len(set(submits)) == 2
    assert all(submitted_with[poll.query.partition("=")[2]] == poll.key_id for poll in polls)
    assert world.client.statistics().status_requests == len(polls) >= len(submits)


async def test_a_run_reads_on_while_no_more_wait_to_be_asked_about_than_a_window_allows(world):
    polls, at_once = world.client._runtime.bulk.polls, 8
    polls.estimator(BULK_STATUS.name).was_signalled(0.0, 1.0)
    endless = Demand(lambda: None)
    polls.demands.add(endless)
    async with anyio.create_task_group() as group:
        for number in range(30 + at_once):
            assert polls.is_behind <= (number >= 30)
            question = status_call(workflow_id=f"wf_{number}", kind=RequestClass.STATUS)
            finished = partial(polls.finished, question, submitted_at=-1_000.0, options=world.client._options)
            group.start_soon(finished)
            await anyio.lowlevel.checkpoint()
        assert polls.is_behind
        polls.demands.discard(endless, 0.0)
        assert not polls.is_behind
        group.cancel_scope.cancel()


@pytest.mark.parametrize("at_s", [1.0, 2.0, 3.0, 4.0])
@pytest.mark.world(workflow_s=100.0)
async def test_closing_as_a_question_falls_due_breaks_nothing(world, at_s):
    broken, ends = [], []

    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: broken.append(context))
    accepted = [await world.client.public.submit_bulk(people(1, n)) for n in range(2)]
    polls, now = world.client._runtime.bulk.polls, world.client._runtime.pipeline.limiter.clock()

    async def wait(workflow_id):
        try:
            await polls.finished(
                status_call(workflow_id=workflow_id), submitted_at=now, options=world.client._options
            )
        except CleanlistError as error:
            ends.append(type(error).__name__)

    async with anyio.create_task_group() as group:
        for submission in accepted:
            group.start_soon(wait, submission.workflow_id)
        await anyio.sleep(at_s)
        await world.client.aclose()
    gc.collect()
    assert not broken
    assert ends == ["ConfigurationError"] * 2


# -- signals ----------------------------------------------------------------------------------------


@asynccontextmanager
async def waiting_with_signal(*, within_s=None, **options):
    """A world that waits for a workflow with a signal, that signal, and where the outcome will be."""
    async with open_world(**options) as world:
        submitted = await world.client.public.submit_bulk(people(1))
        polls, signal, outcome, told = world.client._runtime.bulk.polls, WebhookSignal(), [], []
        question = status_call(workflow_id=submitted.workflow_id)

        async def wait():
            now = world.client._runtime.pipeline.limiter.clock()

            def until():
                return None if within_s is None else now + within_s

            outcome.append(
                await polls.finished(
                    question,
                    submitted_at=now,
                    options=world.client._options,
                    signal=signal,
                    on_answer=told.append,
                    until=until,
                )
            )

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(5)
            yield world, signal, outcome
            group.cancel_scope.cancel()
        assert told[-1:] == outcome[-1:]
        assert not polls._open


def final(**more):
    return BulkStatus(workflow_id="wf", status="completed", **more)


async def test_a_believed_signal_ends_the_wait_at_once_and_asks_nothing():
    async with waiting_with_signal(workflow_s=100.0) as (world, signal, outcome):
        started = anyio.current_time()
        assert world.status_requests() == 0
        signal.believe(final())
        await anyio.sleep(0.001)
        assert [answer.workflow_id for answer in outcome] == ["wf"]
        assert anyio.current_time() - started < 0.01
        assert world.status_requests() == 0


async def test_a_signal_that_was_there_before_the_wait(world):
    signal = WebhookSignal()
    signal.believe(final())
    answer = await world.client._runtime.bulk.polls.finished(
        status_call(workflow_id="wf"), submitted_at=0.0, options=world.client._options, signal=signal
    )
    assert answer is signal.answer
    assert world.status_requests() == 0


async def test_a_hint_is_asked_about_once_and_then_it_is_polled():
    async with waiting_with_signal(workflow_s=20.0) as (world, signal, outcome):
        signal.hint()
        await anyio.sleep(0.2)
        assert world.status_requests() == 1
        assert not outcome
        await anyio.sleep(60)
        assert outcome[0].is_final
        assert world.status_requests() <= 20


async def test_a_believed_signal_overtakes_a_question():
    async with waiting_with_signal(workflow_s=100.0, latency=lambda: 2.0) as (_, signal, outcome):
        signal.hint()
        await anyio.sleep(0.01)
        signal.believe(final())
        await anyio.sleep(0.001)
        assert outcome[0].workflow_id == "wf"


async def test_a_wait_for_a_signal_with_a_deadline_asks_once_before_that():
    async with waiting_with_signal(within_s=20.0, workflow_s=12.0) as (world, _, outcome):
        await anyio.sleep(9)
        assert world.status_requests() == 0
        await anyio.sleep(14)
        assert world.status_requests() >= 1
        assert outcome[0].is_final

"""``wait``: the shared schedule, its cost, its ends, in virtual time."""

import anyio
import pytest

from cleanlist_async import (
    ConfigurationError,
    InternalServerError,
    NotFoundError,
    RateLimits,
    WaitTimeoutError,
    WorkflowFailedError,
)
from cleanlist_async.sandbox import Fault, Shape
from tests.support.cases import each_case
from tests.support.clients import Served, respond, virtual_client
from tests.support.modern_world import error_of, list_of, modern_world, sent
from tests.support.virtual_sandbox import people

LIMITS = RateLimits()
STATUS = "/enrichment/status/"


def asked_at(world):
    started = next(record.at for record in world.ledger.requests if record.path.endswith("/person"))
    asked = [record for record in world.ledger.requests if STATUS in record.path]
    return [round(record.at - started) for record in asked]


async def started(world, email="a@b.example"):
    list_id = await list_of(world, 0)
    return (await world.client.enrichment.enrich_person(list_id, email=email)).workflow_id


@pytest.mark.parametrize(("workflow_s", "questions"), [(0.5, 1), (5.0, 5), (30.0, 20)])
async def test_a_short_wait_is_short(workflow_s, questions):
    async with modern_world(workflow_s=workflow_s, limits=LIMITS, latency=lambda: 0.001) as world:
        workflow_id = await started(world)
        await world.client.enrichment.wait(workflow_id)
        asked = asked_at(world)
        assert asked[0] == 1
        assert asked[-1] <= max(1, 2 * workflow_s)
        assert len(asked) <= questions


@pytest.mark.slow
@pytest.mark.world(workflow_s=600.0, limits=LIMITS)
async def test_a_long_wait_is_told_soon_and_costs_little(world):
    workflow_id = await started(world)
    await world.client.enrichment.wait(workflow_id)
    asked = asked_at(world)
    assert 600 <= asked[-1] <= 616
    assert len(asked) <= 300  # of 300 tokens that are idle meanwhile


@pytest.mark.slow
async def test_what_long_waits_taught_does_not_make_short_ones_slow():
    durations = iter([400.0, 5.0])
    async with modern_world(workflow_s=lambda rng: next(durations), limits=LIMITS) as world:
        await world.client.enrichment.wait(await started(world))
        workflow_id = await started(world, "b@b.example")
        begun = anyio.current_time()
        await world.client.enrichment.wait(workflow_id)
        assert anyio.current_time() - begun <= 10


@pytest.mark.world(workflow_s=100.0, limits=LIMITS)
async def test_an_unknown_workflow_is_asked_about_at_once_and_then_patiently(world):
    workflow_id = await started(world)
    world.client._runtime.pipeline._admission.workflow_keys._origins.clear()  # as in another process
    await world.client.enrichment.wait(workflow_id)
    asked = asked_at(world)
    assert asked[0] == 0
    assert 100 <= asked[-1] <= 116
    assert len(asked) <= 20


@pytest.mark.world(workflow_s=150.0, limits=LIMITS)
async def test_many_waits_share_one_schedule_and_leave_half_of_the_tokens(world):
    list_id = await list_of(world, 0)
    ids = []
    for n in range(25):
        run = await world.client.enrichment.enrich_person(list_id, email=f"p{n}@b.example")
        ids.append(run.workflow_id)
    await anyio.sleep(61)
    done, before = [], len(world.ledger.requests)

    async def wait(workflow_id):
        done.append(await world.client.enrichment.wait(workflow_id))

    async with anyio.create_task_group() as group:
        for workflow_id in ids:
            group.start_soon(wait, workflow_id)
    assert len(done) == 25
    assert all(status.is_final for status in done)
    assert len(world.ledger.requests) - before <= 3 * 25
    assert world.ledger.busiest_window(60.0) <= 30
    assert not world.ledger.count(429)


@pytest.mark.slow
@pytest.mark.world(workflow_s=40.0, limits=LIMITS)
async def test_waits_and_bulk_runs_share_the_limit_and_keep_it(world):
    list_id = await list_of(world, 0)
    async with anyio.create_task_group() as group:
        group.start_soon(world.client.enrich, people(1_000))
        for n in range(8):
            run = await world.client.enrichment.enrich_person(list_id, email=f"p{n}@b.example")
            group.start_soon(world.client.enrichment.wait, run.workflow_id)
    assert not world.ledger.count(429)
    assert not world.ledger.duplicates()
    polls = [r for r in world.ledger.requests if "status" in r.path]
    assert world.client.statistics().status_requests == len(polls)


@pytest.mark.slow
@pytest.mark.world(workflow_s=2_000.0, limits=LIMITS)
async def test_an_interactive_call_is_not_kept_waiting_by_waits(world):
    ids = [await started(world, f"p{n}@b.example") for n in range(9)]
    async with anyio.create_task_group() as group:
        for workflow_id in ids:
            group.start_soon(world.client.enrichment.wait, workflow_id)
        for _ in range(20):
            await anyio.sleep(20)
            begun = anyio.current_time()
            await world.client.workspace.whoami()
            assert anyio.current_time() - begun < 5
        group.cancel_scope.cancel()


@pytest.mark.parametrize("timeout_s", [7.0, 300.0])
@pytest.mark.world(workflow_s=400.0, limits=LIMITS)
async def test_a_wait_that_ends_too_soon_can_be_taken_up_again(world, timeout_s):
    workflow_id = await started(world)
    begun = anyio.current_time()
    error = await error_of(world.client.enrichment.wait(workflow_id, timeout_s=timeout_s))
    assert isinstance(error, WaitTimeoutError)
    assert error.workflow_id == workflow_id
    assert anyio.current_time() - begun == pytest.approx(timeout_s, abs=0.1)
    assert timeout_s * 0.85 <= asked_at(world)[-1] <= timeout_s  # a last look before giving up
    assert (await world.client.enrichment.wait(workflow_id)).is_final


@pytest.mark.slow
@pytest.mark.world(workflow_s=540.0, limits=LIMITS)
async def test_what_finished_just_before_the_end_of_a_busy_wait_is_seen(world):
    """Others keep the tokens busy, and nothing is known of how long workflows take."""
    list_id, done = await list_of(world, 0), []

    async def wait(workflow_id):
        done.append(await world.client.enrichment.wait(workflow_id, timeout_s=600.0))

    async with anyio.create_task_group() as group:
        for n in range(40):
            run = await world.client.enrichment.enrich_person(list_id, email=f"p{n}@b.example")
            group.start_soon(wait, run.workflow_id)
    assert len(done) == 40


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
async def test_a_wait_takes_time(world, timeout_s):
    assert type(await error_of(world.client.enrichment.wait("w", timeout_s=timeout_s))) is ConfigurationError
    assert (
        type(await error_of(world.client.smart_agents.wait("w", timeout_s=timeout_s))) is ConfigurationError
    )
    assert not world.ledger.requests


@pytest.mark.world(workflow_s=7.9, limits=LIMITS, latency=lambda: 0.001)
async def test_each_answer_is_told(world):
    workflow_id, told = await started(world), []
    done = await world.client.enrichment.wait(workflow_id, progress=told.append)
    *before, last = [status.status for status in told]
    assert set(before) <= {"pending", "running"}
    assert last == "completed"
    assert len(told) == len(asked_at(world)) > 2
    assert told[-1] is done


@pytest.mark.parametrize("at", ["running", "completed"])
@pytest.mark.world(workflow_s=8.0, limits=LIMITS)
async def test_a_progress_callback_that_raises_ends_its_own_wait_alone(world, at):
    first, second = await started(world), await started(world, "b@b.example")

    def raises(status):
        if status.status == at:
            raise ZeroDivisionError

    async with anyio.create_task_group() as group:
        group.start_soon(world.client.enrichment.wait, second)
        with pytest.raises(ZeroDivisionError):
            await world.client.enrichment.wait(first, progress=raises)
    assert (await world.client.enrichment.wait(first)).is_final


@pytest.mark.world(workflow_s=300.0)
async def test_a_cancelled_wait_asks_no_more(world):
    workflow_id = await started(world)
    with anyio.move_on_after(10):
        await world.client.enrichment.wait(workflow_id)
    asked = len(world.ledger.requests)
    await anyio.sleep(600)
    assert len(world.ledger.requests) == asked
    assert not world.client._runtime.polls._running


@pytest.mark.world(workflow_s=300.0)
async def test_closing_the_client_ends_a_wait(world):
    workflow_id = await started(world)
    async with anyio.create_task_group() as group:

        async def wait():
            assert isinstance(await error_of(world.client.enrichment.wait(workflow_id)), ConfigurationError)

        group.start_soon(wait)
        await anyio.sleep(3)
        await world.client.aclose()


async def test_a_404_on_a_new_workflow_is_a_replica_that_lags(world):
    workflow_id = await started(world)
    world.sandbox.add_fault(Fault("*" + STATUS + "*", status=404, times=3))
    assert (await world.client.enrichment.wait(workflow_id)).is_final
    assert isinstance(await error_of(world.client.enrichment.wait("enrich-other")), NotFoundError)


async def test_an_error_that_stays_ends_the_wait(world):
    workflow_id = await started(world)
    world.sandbox.add_fault(Fault("*" + STATUS + "*", status=500, times=99))
    assert isinstance(await error_of(world.client.enrichment.wait(workflow_id)), InternalServerError)
    assert len(sent(world, workflow_id, "GET")) == 5


# -- how workflows end -----------------------------------------------------------------------------


@pytest.mark.world(shape=Shape(failed_workflows=1.0))
async def test_a_failed_workflow_that_was_paid_in_advance_says_so_verbatim(world):
    list_id = await list_of(world, 3)
    run = await world.client.enrichment.enrich_list(list_id, max_credits=3)
    error = await error_of(world.client.enrichment.wait(run.workflow_id))
    assert isinstance(error, WorkflowFailedError)
    assert (error.workflow_id, error.status, error.billed) == (run.workflow_id, "failed", "yes")
    assert error.fix == "This run failed after it was paid for. A refund is being reviewed."
    assert not error.safe_to_retry
    assert world.ledger.credits_charged == 3


@pytest.mark.world(shape=Shape(failed_workflows=1.0))
async def test_a_failed_workflow_that_cost_nothing_says_so(world):
    error = await error_of(world.client.enrichment.wait(await started(world)))
    assert isinstance(error, WorkflowFailedError)
    assert (error.billed, error.fix, error.safe_to_retry) == ("no", None, True)
    assert not world.ledger.credits_charged


@pytest.mark.parametrize("word", ["cancelled", "canceled", "TERMINATED", "timed_out"])
async def test_every_bad_end_is_one(word):
    async with virtual_client(
        lambda request, number: respond({"workflow_id": "enrich-1", "status": word})
    ) as client:
        error = await error_of(client.enrichment.wait("enrich-1"))
    assert isinstance(error, WorkflowFailedError)
    assert (error.status, error.billed) == (word, "unknown")


@each_case(
    ("told", "billed"),
    [
        ({"credits_charged": 0}, "no"),
        ({"refund_status": "not_applicable"}, "no"),
        ({"refund_status": "pending_review"}, "yes"),
        ({"credits_charged": 3, "refund_status": "not_applicable"}, "yes"),
        ({"credits_charged": 0, "refund_status": "pending_review"}, "yes"),
    ],
)
async def test_whether_a_bad_end_cost_something_is_what_the_server_told(told, billed):
    answer = {"workflow_id": "w", "status": "failed", **told}
    async with virtual_client(lambda request, number: respond(answer)) as client:
        assert (await error_of(client.enrichment.wait("w"))).billed == billed


async def test_words_of_the_future_are_waited_for_and_completed_with_errors_is_final():
    words = iter(["queued_for_review", "", "completed_with_errors"])
    server = Served(lambda request, number: respond({"workflow_id": "w", "status": next(words)}))
    async with virtual_client(server) as client:
        assert (await client.enrichment.wait("w")).status == "completed_with_errors"
    assert len(server.requests) == 3


async def test_an_answer_about_another_workflow_is_not_taken():
    answers = [{"workflow_id": "w2", "status": "completed"}, {"workflow_id": "w1", "status": "failed"}]
    server = Served(lambda request, number: respond(answers[min(number, 1)]))
    async with virtual_client(server) as client:
        error = await error_of(client.enrichment.wait("w1"))
    assert isinstance(error, WorkflowFailedError)


@pytest.mark.world(workflow_s=20.0, limits=LIMITS)
async def test_the_results_of_an_agent_grow(world):
    list_id, told = await list_of(world, 20), []
    run = await world.client.smart_agents.run_smart_agent(
        list_id, column_name="c", prompt="p", max_credits=20
    )
    done = await world.client.smart_agents.wait(run.smart_agent_task_id, progress=told.append)
    counts = [len(results.results) for results in told]
    assert counts == sorted(counts)
    assert 0 < counts[1] < counts[-1] == len(done.results) == 20


@pytest.mark.world(shape=Shape(failed_workflows=1.0))
async def test_an_agent_that_failed(world):
    list_id = await list_of(world, 2)
    run = await world.client.smart_agents.run_smart_agent(list_id, column_name="c", prompt="p", max_credits=2)
    error = await error_of(world.client.smart_agents.wait(run.smart_agent_task_id))
    assert isinstance(error, WorkflowFailedError)
    assert error.workflow_id == run.smart_agent_task_id
    assert error.billed == "unknown"

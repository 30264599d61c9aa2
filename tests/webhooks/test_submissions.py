"""Runs whose workflows are pushed: what they cost in status requests, and that nothing else differs."""

import asyncio
import json
import math
import random
import re

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import Store, WebhookReceiver, facts
from cleanlist_async.events import WebhooksMissing
from cleanlist_async.sandbox import Fault, Shape
from cleanlist_async.testing import run
from tests.support.examples import examples
from tests.support.virtual_sandbox import (
    check_against_ledger,
    check_one_result_each,
    open_world,
    people,
)
from tests.webhooks.couriers import (
    PUBLIC_URL,
    MemoryStore,
    changed,
    check_each_event_has_one_outcome,
    delivering,
    world_with_webhooks,
)
from tests.webhooks.disturber import Disturber

SUBMIT = "/enrich/bulk"


def nothing(_workflow, _token, _body):
    return []


@pytest.mark.slow
@pytest.mark.parametrize(("median_s", "most_asked"), [(20.0, 4), (300.0, 40)])
async def test_ten_thousand_contacts_take_few_status_requests(median_s, most_asked):
    """Slow workflows are asked about once each, with tokens that are idle by then."""
    rng = random.Random(1)
    async with world_with_webhooks(
        workflow_s=lambda _: rng.lognormvariate(math.log(median_s), 0.5), credits=1e6
    ) as (world, receiver, _):
        contacts = people(10_000)
        report = await world.client.enrich(contacts)
        assert report.stopped_by is None
        check_one_result_each(report.results, contacts)
        check_against_ledger(world, report.results)
        assert world.submits() == 40
        assert world.client.statistics().rejected_429 == 0
        said = receiver.statistics()
        assert said.received == said.believed == 40
        assert world.status_requests() <= most_asked


async def test_a_small_job_needs_no_status_request():
    async with world_with_webhooks(workflow_s=10.0) as (world, *_):
        started = anyio.current_time()
        report = await world.client.enrich(people(3))
        assert not report.pending
        assert world.status_requests() == 0
        assert anyio.current_time() - started < 10.5


async def test_every_submit_has_an_address_of_its_own_and_none_is_left_open():
    async with world_with_webhooks() as (world, receiver, _):
        await world.client.enrich(people(600))
        urls = [workflow.webhook_url for workflow in world.sandbox._workflows._workflows.values()]
        assert len(set(urls)) == len(urls) == 3
        assert not receiver._open
        assert not world.client._runtime.submissions._open


async def test_an_address_of_the_callers_own_is_left_alone():
    receiver = WebhookReceiver(PUBLIC_URL)
    async with open_world(client_options={"webhooks": receiver}) as world:
        report = await world.client.enrich(people(3), webhook_url="https://mine.example/hook")
        assert not report.pending
        [workflow] = world.sandbox._workflows._workflows.values()
        assert workflow.webhook_url == "https://mine.example/hook"
        assert receiver.statistics().received == 0
        assert world.status_requests() > 0


async def test_confirm_always_asks_once_for_each_workflow():
    async with world_with_webhooks(
        receiver_options={"confirm": "always"},
        workflow_s=10.0,
    ) as (world, receiver, _):
        contacts = people(1_000)
        report = await world.client.enrich(contacts)
        check_against_ledger(world, report.results)
        assert not report.pending
        assert world.submits() == world.status_requests() == 4
        assert receiver.statistics().confirmed == 4


@pytest.mark.parametrize("shape", [Shape(page=100), Shape(failed_workflows=1.0)])
async def test_truncated_and_failed_workflows_are_asked_about_once(shape):
    async with world_with_webhooks(shape=shape, workflow_s=10.0) as (world, receiver, _):
        await world.client.enrich(people(200))
        said = receiver.statistics()
        assert (said.received, said.believed, said.confirmed) == (1, 0, 1)
        assert world.status_requests() >= 1


async def test_an_event_with_fewer_tasks_than_contacts_completes_nothing():
    contacts = people(8)

    def disturb(workflow, token, body):
        named = {task.task_id for task in workflow.tasks[:-1]}  # as the answer to the submit named them
        rows = [row for row in json.loads(body)["results"] if row["task_id"] in named]
        return [(0.0, token, "application/json", changed(body, results=rows))]

    async with world_with_webhooks(
        shape=Shape(id_count_off=True),
        disturb=disturb,
        workflow_s=10.0,
    ) as (world, receiver, _):
        report = await world.client.enrich(contacts[:5])
        people_found = [await world.client.enrich_one(contact) for contact in contacts[5:]]
        assert {result.status for result in (*report.results, *people_found)} <= {"found", "not_found"}
        check_against_ledger(world, [*report.results])
        assert receiver.statistics().believed == 0
        assert receiver.statistics().confirmed == world.submits() == 4
        assert world.status_requests() >= 4


# -- when the push stays away ----------------------------------------------------------------------


async def test_webhooks_that_stay_away_are_warned_of_once_until_one_has_come(caplog):
    told = []
    receiver = WebhookReceiver(PUBLIC_URL)  # which no route leads to
    async with open_world(
        client_options={"webhooks": receiver, "on_event": told.append}, workflow_s=10.0
    ) as world:
        for start in range(0, 1_000, 250):
            await world.client.enrich(people(250, start))
    assert told.count(WebhooksMissing()) == 1
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "expected webhooks stay away" in record.getMessage()


async def test_webhooks_that_come_are_not_warned_of(caplog):
    async with world_with_webhooks(workflow_s=10.0) as (world, _, _):
        await world.client.enrich(people(1_000))
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


async def test_silent_workflows_are_asked_about():
    async with world_with_webhooks(workflow_s=20.0, disturb=nothing) as (world, *_):
        contacts = people(1_000)
        report = await world.client.enrich(contacts)
        assert not report.pending
        check_against_ledger(world, report.results)
        assert world.status_requests() <= 12


async def test_a_receiver_that_never_hears_anything_is_soon_not_waited_for():
    async with world_with_webhooks(workflow_s=5.0, disturb=nothing) as (world, *_):
        took = []
        for n in range(6):
            started = anyio.current_time()
            await world.client.enrich(people(1, n))
            took.append(anyio.current_time() - started)
        assert took[0] < 20
        assert max(took[1:]) < 15


async def test_it_is_waited_for_again_once_an_event_came():
    deaf, seconds = True, 5.0

    def disturb(_workflow, token, body):
        return [] if deaf else [(0.0, token, "application/json", body)]

    async with world_with_webhooks(workflow_s=lambda _: seconds, disturb=disturb) as (world, *_):
        for n in range(4):
            await world.client.enrich(people(1, n))
        deaf, seconds = False, 15.0
        asked = world.status_requests()
        await world.client.enrich(people(1, 4))
        assert world.status_requests() > asked
        asked = world.status_requests()
        await world.client.enrich(people(1, 5))
        assert world.status_requests() == asked


@pytest.mark.slow
async def test_a_few_lost_events_hold_up_nobody_for_long():
    rng = random.Random(5)

    def disturb(_workflow, token, body):
        return [] if rng.random() < 0.2 else [(0.0, token, "application/json", body)]

    async with world_with_webhooks(workflow_s=30.0, disturb=disturb) as (world, *_):
        report = await world.client.enrich(people(4_000))
        assert not report.pending
        check_against_ledger(world, report.results)
        lost = 16 - world.client.webhooks.statistics().believed
        # Each of the first burst may be asked about early, with an idle token, since nothing is learned yet.
        assert 2 <= lost <= world.status_requests() <= 2 * lost + facts.BURST_IN_FLIGHT
        assert anyio.current_time() < 250


# -- early ------------------------------------------------------------------------------------------


async def test_events_that_come_before_the_answer_to_the_submit():
    async with world_with_webhooks(workflow_s=0.0, latency=lambda: 3.0) as (world, receiver, _):
        contacts = people(700)
        report = await world.client.enrich(contacts)
        assert not report.pending
        check_against_ledger(world, report.results)
        assert world.status_requests() == 0
        assert receiver.statistics().believed == 3


# -- several workers -------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [True, False])
async def test_events_that_reach_another_worker(shared):
    secret = "a-secret-of-all-workers"
    store = MemoryStore() if shared else None
    owner, other = (WebhookReceiver(PUBLIC_URL, secret=secret, mailbox=store) for _ in range(2))
    async with open_world(client_options={"webhooks": owner}, workflow_s=10.0) as world:
        async with delivering(world, other):
            report = await world.client.enrich(people(600))
        assert not report.pending
        check_against_ledger(world, report.results)
        if shared:
            assert world.status_requests() == 0
            assert owner.statistics().believed == other.statistics().passed_on == 3
        else:
            assert world.status_requests() > 0
            assert other.statistics().dropped == 3
        await anyio.sleep(5)
        assert not world.client._runtime.submissions._following
    check_each_event_has_one_outcome(owner, other)


async def test_a_store_that_fails_leaves_it_to_polling():
    class Broken(MemoryStore):
        async def take(self, submission_ids):
            raise OSError("gone")

    async with world_with_webhooks(receiver_options={"mailbox": Broken()}, disturb=nothing) as (world, *_):
        assert not (await world.client.enrich(people(3))).pending


# -- answers that were lost ------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["its own", "another", "nobody's"])
async def test_a_submit_whose_answer_was_lost_is_found_by_its_webhook(named):
    foreign = {}

    def disturb(workflow, token, body):
        if named == "its own" or workflow.tasks[0].contact["first_name"] != "Ada5":
            foreign["id"] = workflow.workflow_id
            return [(0.0, token, "application/json", body)]
        id_ = foreign["id"] if named == "another" else "public_bulk_nobodys"
        return [(0.0, token, "application/json", body.replace(workflow.workflow_id.encode(), id_.encode()))]

    async with world_with_webhooks(disturb=disturb) as (world, receiver, _):
        await world.client.enrich(people(5))
        world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        report = await world.client.enrich(people(5, 5), max_credits=5)
        check_one_result_each(report.results, people(5, 5))
        assert world.submits() == 2
        if named == "its own":
            assert {result.status for result in report.results} <= {"found", "not_found"}
            check_against_ledger(world, report.results)
            assert world.status_requests() == 1
            assert report.summary.workflows == 1
        else:
            assert {result.status for result in report.results} == {"unknown"}
            assert not any(result.email for result in report.results)
        assert not receiver._open


async def test_the_webhook_of_a_lost_submit_that_is_waited_for_no_longer_is_told(caplog):
    def late_and_twice(_workflow, token, body):
        return [(delay_s, token, "application/json", body) for delay_s in (600.0, 700.0)]

    async with world_with_webhooks(disturb=late_and_twice) as (world, receiver, _):
        world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        report = await world.client.enrich(people(5))
        assert {result.status for result in report.results} == {"unknown"}
        assert not (await world.client.enrich(people(5, 5))).pending
        await anyio.sleep(800)
        lost, _sound = world.sandbox._workflows._workflows.values()
        said = [line for line in caplog.messages if line.startswith("a webhook came too late")]
        about = f"workflow {lost.workflow_id} (rows: 5)"
        assert said == [f"a webhook came too late for a submit whose answer was lost: {about}"]
        assert receiver.statistics().dropped == 4


async def test_what_is_told_of_a_late_webhook_settles_a_job_in_the_store(tmp_path, caplog):
    def late(_workflow, token, body):
        return [(600.0, token, "application/json", body)]

    async with (
        Store(tmp_path / "store.db") as store,
        world_with_webhooks(
            receiver_options={"mailbox": store}, client_options={"store": store}, disturb=late
        ) as (world, receiver, _),
        await world.client.job("crm", people(5)) as job,
    ):
        world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        assert (await job.run()).status.state == "complete_with_unknown"
        await anyio.sleep(800)
        assert receiver.statistics().dropped == 1
        assert (await job.run()).status.state == "complete_with_unknown"
        [chunk] = await job.unknown()
        [named] = re.findall(r"too late .* workflow (\S+)", caplog.text)
        await job.resolve(chunk.number, accepted=named)
        assert (await job.run()).status.state == "complete"
        assert world.submits() == 1


async def test_the_webhook_that_found_a_lost_submit_may_come_again(caplog):
    def twice(_workflow, token, body):
        return [(delay_s, token, "application/json", body) for delay_s in (0.0, 700.0)]

    async with world_with_webhooks(disturb=twice) as (world, receiver, _):
        world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        assert not (await world.client.enrich(people(5))).unknown
        await anyio.sleep(800)
        assert "too late" not in caplog.text
        assert receiver.statistics().dropped == 1


async def test_a_lost_submit_that_was_never_processed_stays_unknown():
    async with world_with_webhooks() as (world, *_):
        world.sandbox.add_fault(Fault(SUBMIT, status=500))
        started = anyio.current_time()
        report = await world.client.enrich(people(5))
        assert {result.status for result in report.results} == {"unknown"}
        assert anyio.current_time() - started < 65
        assert world.submits() == 1


# -- the same as polling ---------------------------------------------------------------------------


SHAPES = st.builds(
    Shape,
    row=st.sampled_from(["flat", "nested"]),
    results_key=st.sampled_from(["results", "tasks", "data"]),
    carry_names=st.booleans(),
    carry_linkedin=st.booleans(),
    shuffle_ids=st.booleans(),
    shuffle_rows=st.booleans(),
    merge_duplicates=st.booleans(),
    page=st.sampled_from([None, None, 100]),
    omit_rows=st.sampled_from([0.0, 0.0, 0.02]),
    row_success_word=st.sampled_from(["completed", "success"]),
    unfinished_rows=st.sampled_from([0.0, 0.0, 0.1]),
    id_count_off=st.booleans(),
    status_words=st.sampled_from([{}, {"completed": "completed_with_errors"}]),
    failed_workflows=st.sampled_from([0.0, 0.0, 0.5]),
)


def told(results):
    """What a caller learns of each contact."""
    return [
        (r.index, r.status, r.email, r.email_status, r.phones, r.task_id, r.workflow_id, r.credits, r.error)
        for r in sorted(results, key=lambda result: result.index)
    ]


@pytest.mark.slow
@settings(max_examples=examples(12))
@given(
    shape=SHAPES,
    seed=st.integers(0, 2**32),
    workflow_s=st.sampled_from([0.0, 5.0, 45.0]),
    latency_s=st.sampled_from([0.05, 3.0]),
    confirm=st.sampled_from(["auto", "auto", "always"]),
)
def test_the_results_equal_those_of_polling(shape, seed, workflow_s, latency_s, confirm):
    contacts = people(255)
    options = {"shape": shape, "workflow_s": workflow_s, "latency": lambda: latency_s, "seed": seed}

    async def polled():
        async with open_world(**options) as world:
            return told((await world.client.enrich(contacts)).results)

    async def pushed():
        async with world_with_webhooks(
            disturb=Disturber(seed), receiver_options={"confirm": confirm}, **options
        ) as (world, _, courier):
            results = (await world.client.enrich(contacts)).results
            check_against_ledger(world, results)
            assert world.submits() == 2
            return told(results), courier.answers

    by_webhook, answers = run(pushed())
    assert by_webhook == run(polled())
    assert set(answers) <= {204, 400, 404, 413, 415}


async def test_a_client_that_is_closed_leaves_no_submission_behind():
    receiver = WebhookReceiver(PUBLIC_URL, mailbox=MemoryStore())
    async with open_world(client_options={"webhooks": receiver}, workflow_s=100.0) as world:
        async with anyio.create_task_group() as group:
            group.start_soon(world.client.enrich, people(3))
            await anyio.sleep(5)
            assert len(receiver._open) == 1
            group.cancel_scope.cancel()
        assert not receiver._open


async def test_two_clients_share_a_receiver():
    async with (
        world_with_webhooks() as (one, receiver, _),
        open_world(client_options={"webhooks": receiver}, api_keys=["clapi_another"]) as other,
        delivering(other, receiver),
    ):
        reports = await asyncio.gather(*(world.client.enrich(people(300)) for world in (one, other)))
        for world, report in zip((one, other), reports, strict=True):
            check_against_ledger(world, report.results)
            assert world.status_requests() == 0

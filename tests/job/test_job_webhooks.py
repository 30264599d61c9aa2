"""Jobs of a client with a receiver: woken by their webhooks, which are answered once they are on the disk."""

import json
from contextlib import asynccontextmanager

import anyio
import pytest

from cleanlist_async import InputChangedError
from cleanlist_async.sandbox import Fault, Shape
from cleanlist_async.webhooks.receiver import WebhookReceiver
from tests.job.worlds import SUBMIT, Bench, open_world, people, query
from tests.webhooks.couriers import JSON_TYPE, PUBLIC_URL, changed, token_in, world_with_webhooks


def evidence(path):
    return query(path, "SELECT workflow_id FROM evidence WHERE source = 'webhook'")


@asynccontextmanager
async def pushed_world(tmp_path, *, contacts=15, **options):
    """A bench in a world with webhooks, their receiver and their courier."""
    async with world_with_webhooks(**options) as (world, receiver, courier):
        yield Bench(world, tmp_path, people(contacts)), receiver, courier


def held_back(_workflow, _token, _body):
    return []


def event_of(world, number=0):
    """The event of a workflow, and its token."""
    workflow = list(world.sandbox._workflows._workflows.values())[number]
    return token_in(workflow.webhook_url), world.sandbox._webhook_payload(workflow)


async def test_a_job_is_woken_and_asks_nothing(tmp_path):
    async with pushed_world(tmp_path, workflow_s=10.0) as (bench, receiver, courier):
        report = await bench.run()
        assert report.status.state == "complete"
        assert bench.world.status_requests() == 0
        assert set(courier.answers) == {204}
        assert len(evidence(bench.path)) == 3
        assert receiver.statistics().believed == 3
        bench.check(unknown_at_most=0)


async def test_the_results_equal_those_of_polling(tmp_path):
    def told(results):
        return sorted((r.index, r.status, r.email, r.phones, r.task_id, r.credits) for r in results)

    (tmp_path / "polled").mkdir()
    async with open_world() as world:
        polled = await Bench(world, tmp_path / "polled", people(40)).results()
    async with pushed_world(tmp_path, contacts=40) as (bench, *_):
        assert told(await bench.results()) == told(polled)


async def test_an_event_is_on_the_disk_when_it_is_answered(tmp_path):
    async with (
        pushed_world(tmp_path, workflow_s=10.0, disturb=held_back) as (bench, receiver, _),
        await bench.open() as job,
        anyio.create_task_group() as group,
    ):
        group.start_soon(job.run)
        await anyio.sleep(12)
        token, body = event_of(bench.world)
        assert evidence(bench.path) == []
        assert (await receiver.receive(token, JSON_TYPE, body)).status == 204
        assert len(evidence(bench.path)) == 1
        group.cancel_scope.cancel()


async def test_a_journal_that_cannot_be_written_acknowledges_nothing(tmp_path):
    async with pushed_world(tmp_path, workflow_s=10.0, disturb=held_back) as (bench, receiver, _):
        async with await bench.open() as job, anyio.create_task_group() as group:
            group.start_soon(job.run)
            await anyio.sleep(12)
            token, body = event_of(bench.world)
            job._journal._db._connection.execute("PRAGMA query_only = ON")
            for _ in range(3):
                assert (await receiver.receive(token, JSON_TYPE, body)).status == 503
            assert receiver.statistics().refused == 3
            assert receiver.statistics().believed == 0
            group.cancel_scope.cancel()
        assert evidence(bench.path) == []
        async with await bench.open():
            assert (await receiver.receive(token, JSON_TYPE, body)).status == 204
            assert len(evidence(bench.path)) == 1


async def test_an_event_that_is_not_all_ours_leads_to_one_question(tmp_path):
    def disturb(_workflow, token, body):
        rows = json.loads(body)["results"]
        return [(0.0, token, JSON_TYPE, changed(body, results=rows[1:]))]

    async with pushed_world(tmp_path, workflow_s=10.0, disturb=disturb) as (bench, *_):
        report = await bench.run()
        assert report.status.state == "complete"
        assert bench.world.status_requests() == 3
        bench.check(unknown_at_most=0)


async def test_an_event_with_fewer_tasks_than_contacts_completes_nothing(tmp_path):
    def disturb(workflow, token, body):
        named = {task.task_id for task in workflow.tasks[:-1]}  # as the answer to the submit named them
        rows = [row for row in json.loads(body)["results"] if row["task_id"] in named]
        return [(0.0, token, JSON_TYPE, changed(body, results=rows))]

    async with pushed_world(
        tmp_path,
        shape=Shape(id_count_off=True),
        workflow_s=10.0,
        disturb=disturb,
    ) as (bench, receiver, _):
        report = await bench.run()
        assert report.status.state == "complete"
        assert receiver.statistics().believed == 0
        bench.check(unknown_at_most=0)


async def test_a_flood_at_one_address_grows_the_journal_by_a_few_rows(tmp_path):
    async with pushed_world(tmp_path) as (bench, receiver, _), await bench.open() as job:
        await job.run()
        token, body = event_of(bench.world)
        known = len(evidence(bench.path))
        for number in range(100):
            named = changed(body, workflow_id=f"public_bulk_{number % 50}")
            assert (await receiver.receive(token, JSON_TYPE, named)).status == 204
            assert (await receiver.receive(token, JSON_TYPE, body)).status == 204
        assert len(evidence(bench.path)) <= known + 16
        assert await job.verify() == []


async def test_early_events_are_evidence_that_is_asked_about_at_once(tmp_path):
    async with pushed_world(tmp_path, workflow_s=0.0, latency=lambda: 3.0) as (bench, *_):
        started = anyio.current_time()
        report = await bench.run()
        assert report.status.state == "complete"
        assert bench.world.status_requests() == 3
        # Six calls of 6 s, one after the other, and a connection of its own for each status request.
        assert anyio.current_time() - started < 54
        bench.check(unknown_at_most=0)


async def test_a_lost_answer_is_found_by_the_webhook(tmp_path):
    async with pushed_world(tmp_path, workflow_s=10.0) as (bench, *_):
        bench.world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        report = await bench.run()
        assert report.status.state == "complete"
        assert bench.world.submits() == 3
        bench.check(unknown_at_most=0)


async def test_tokens_of_jobs_are_as_hard_to_guess_and_end_with_the_job(tmp_path):
    async with pushed_world(tmp_path) as (bench, receiver, _):
        async with await bench.open() as job:
            await job.run()
            token, body = event_of(bench.world)
            for forged in (
                token[:-1] + "!",
                token[:-1],
                "0" * 32,
                token.upper(),
                "\udc80" * 32,
                "",
                "'" * 32,
            ):
                assert (await receiver.receive(forged, JSON_TYPE, body)).status == 404
            assert (await receiver.receive(token, "text/plain", body)).status == 415
            assert (await receiver.receive(token, JSON_TYPE, b"{")).status == 400
            assert (await receiver.receive(token, JSON_TYPE, b" " * 5_000_000)).status == 413
            known = evidence(bench.path)
            assert (await receiver.receive(token, JSON_TYPE, body)).status == 204
            assert len(evidence(bench.path)) == len(known) + 1
        assert (await receiver.receive(token, JSON_TYPE, body)).status == 404
        assert not receiver._owners


async def test_an_event_after_a_crash_reaches_the_job_that_resumes(tmp_path):
    async with pushed_world(tmp_path, workflow_s=10.0, disturb=held_back) as (bench, receiver, _):
        job = await bench.open()
        with anyio.move_on_after(12):
            await job.run()
        await bench.crash(job)
        async with await bench.open() as job:
            for number in range(len(bench.world.sandbox._workflows._workflows)):
                token, body = event_of(bench.world, number)
                assert (await receiver.receive(token, JSON_TYPE, body)).status == 204
            assert (await job.run()).status.state == "complete"
        bench.check(unknown_at_most=0)


@pytest.mark.parametrize("mode", ["plain", "exact"])
async def test_other_ways_of_submitting_have_no_webhook(mode, tmp_path):
    async with pushed_world(tmp_path) as (bench, *_):
        async with await bench.open(submit_mode=mode) as job:
            assert job.submit_mode == mode
        assert query(bench.path, "SELECT webhook FROM job") == [(None,)]


async def test_a_job_begun_without_a_receiver_goes_on_as_it_was_begun(tmp_path):
    async with open_world() as world, await Bench(world, tmp_path, people(15)).open():
        pass
    async with pushed_world(tmp_path) as (bench, *_):
        async with await bench.open() as job:
            assert job.submit_mode == "plain"
        with pytest.raises(InputChangedError):
            await bench.open(webhook_url="https://other.example/hooks")
        with pytest.raises(InputChangedError):
            await bench.open(submit_mode="tracked")


@pytest.mark.world(client_options={"webhooks": WebhookReceiver(PUBLIC_URL)})
async def test_an_address_that_is_given_counts_before_that_of_the_receiver(world, tmp_path):
    bench = Bench(world, tmp_path, people(15), webhook_url="https://other.example/hooks")
    report = await bench.run()
    assert report.status.state == "complete"
    assert query(bench.path, "SELECT webhook FROM job") == [("https://other.example/hooks",)]

"""Webhooks of a job that come to another worker: the job finds them in the store, also after a crash."""

from __future__ import annotations

import logging
import random
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from cleanlist_async import ConfigurationError, JournalError
from cleanlist_async.sandbox import Fault
from cleanlist_async.webhooks.receiver import WebhookReceiver
from tests.job.worlds import SUBMIT, Bench, edit, open_world, people, query, states
from tests.support.cases import each_case
from tests.support.leaks import shown
from tests.webhooks.couriers import (
    JSON_TYPE,
    PUBLIC_URL,
    MemoryStore,
    check_each_event_has_one_outcome,
    delivering,
    token_in,
)

SECRET = "a-secret-of-all-workers"
LOST = Fault(SUBMIT, when="after", reset=True)
"""Accepted, and the answer lost."""


class Store(MemoryStore):
    """Counts what is asked of it, answers late, and fails while *broken* is set."""

    def __init__(self, *, broken=False, slow_s=0.0) -> None:
        super().__init__()
        self.broken = broken
        self.slow_s = slow_s
        self.looks = []

    @property
    def kept(self) -> int:
        return sum(map(len, self.events.values()))

    async def take(self, submission_ids):
        self.looks.append(anyio.current_time())
        if self.broken:
            raise OSError(f"cannot look for {sorted(submission_ids)}")
        found = await super().take(submission_ids)
        await anyio.sleep(self.slow_s)
        return found


def worker(store=None, secret=SECRET) -> WebhookReceiver:
    return WebhookReceiver(PUBLIC_URL, secret=secret, mailbox=store)


@asynccontextmanager
async def two_workers(tmp_path, store, *, contacts=15, disturb=None, **options):
    """A bench, the worker *owner* whose job it is, *other* that gets all events, and their courier."""
    owner, other = worker(store), worker(store)
    async with (
        open_world(client_options={"webhooks": owner}, **options) as world,
        delivering(world, other, disturb) as courier,
    ):
        yield Bench(world, tmp_path, people(contacts)), owner, other, courier
    check_each_event_has_one_outcome(owner, other)


def held_back(_workflow, _token, _body):
    return []


def events_of(world):
    """The events of all workflows, each after its token."""
    for workflow in world.sandbox._workflows._workflows.values():
        yield token_in(workflow.webhook_url), world.sandbox._webhook_payload(workflow)


async def post_all(world, receiver) -> set[int]:
    return {(await receiver.receive(token, JSON_TYPE, body)).status for token, body in events_of(world)}


async def run_until_closed(job) -> None:
    with suppress(ConfigurationError):
        await job.run()


async def left_unknown(bench, fault=LOST) -> None:
    """Let the process end after the first submit, whose answer was lost, or is still awaited."""
    bench.world.sandbox.add_fault(fault)
    job = await bench.open()
    async with anyio.create_task_group() as group:
        group.start_soon(run_until_closed, job)
        await anyio.sleep(0.3)
        await bench.crash(job)
    bench.world.sandbox.clear_faults()


def age(bench, seconds) -> None:
    """Let the chunks be as they are for so long already, by the clock on the wall."""
    since = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    edit(bench.path, f"UPDATE chunks SET since = '{since}' WHERE since IS NOT NULL")


# -- while it runs ---------------------------------------------------------------------------------


async def test_a_job_with_an_inbox_settles_by_push_and_asks_nothing(tmp_path):
    store = Store()
    async with two_workers(tmp_path, store, workflow_s=10.0) as (bench, owner, other, courier):
        report = await bench.run()
        assert report.status.state == "complete"
        assert bench.world.status_requests() == 0
        assert set(courier.answers) == {204}
        assert owner.statistics().believed == other.statistics().passed_on == 3
        assert len(query(bench.path, "SELECT 1 FROM evidence WHERE source = 'webhook'")) == 3
        assert store.kept == 0
        bench.check(unknown_at_most=0)


async def test_a_lost_answer_is_found_by_the_webhook(tmp_path):
    async with two_workers(tmp_path, Store(), workflow_s=10.0) as (bench, *_):
        bench.world.sandbox.add_fault(LOST)
        report = await bench.run()
        assert report.status.state == "complete"
        assert bench.world.submits() == 3
        assert not bench.world.ledger.duplicates()
        bench.check(unknown_at_most=0)


async def test_an_event_before_the_answer_is_on_the_disk_when_the_answer_is_lost(tmp_path):
    async with two_workers(tmp_path, Store(), contacts=5, workflow_s=10.0) as (bench, *_):
        bench.world.sandbox.add_fault(Fault(SUBMIT, when="after", delay_s=30, reset=True))
        async with await bench.open() as job, anyio.create_task_group() as group:
            group.start_soon(job.run)
            await anyio.sleep(15)
            assert states(bench.path) == ["sending"]
            assert len(query(bench.path, "SELECT 1 FROM evidence")) == 1
        assert states(bench.path) == ["done"]
        assert bench.world.submits() == 1
        bench.check(unknown_at_most=0)


async def test_events_that_come_before_the_answer_to_the_submit(tmp_path):
    async with two_workers(tmp_path, Store(), workflow_s=0.0, latency=lambda: 3.0) as (bench, *_):
        report = await bench.run()
        assert report.status.state == "complete"
        assert bench.world.status_requests() <= 3
        bench.check(unknown_at_most=0)


@pytest.mark.parametrize("decision", ["absent", "resubmit"])
async def test_an_event_after_the_decision_to_send_again_still_prevents_it(decision, tmp_path):
    async with two_workers(tmp_path, Store(), contacts=5, disturb=held_back) as (bench, _, other, _):
        bench.world.sandbox.add_fault(LOST)
        await bench.run()
        async with await bench.open() as job:
            await job.resolve(1, **{decision: True})
            assert states(bench.path) == ["planned"]
            assert await post_all(bench.world, other) == {204}
            assert (await job.run()).status.state == "complete"
        assert bench.world.submits() == 1
        bench.check(unknown_at_most=0)


async def test_the_inbox_looks_twice_a_second_and_only_while_the_job_runs(tmp_path):
    store = Store()
    async with two_workers(tmp_path, store, workflow_s=10.0) as (bench, *_), await bench.open() as job:
        await anyio.sleep(5)
        assert store.looks == []
        await job.run()
        last = store.looks[-1]
        await anyio.sleep(5)
        assert store.looks[-1] == last
        assert 0.5 <= min(b - a for a, b in zip(store.looks, store.looks[1:], strict=False)) < 0.6


@pytest.mark.parametrize("mode", ["plain", "exact"])
async def test_a_job_without_webhooks_does_not_look(mode, tmp_path):
    store = Store()
    async with two_workers(tmp_path, store, contacts=5) as (bench, *_):
        report = await bench.run(submit_mode=mode)
        assert report.status.state == "complete"
        assert store.looks == []


# -- after a restart -------------------------------------------------------------------------------


@each_case("policy", [{}, {"on_unknown": "resubmit", "max_duplicate_credits": 100}])
@each_case("later_s", [1, 1_800])
@each_case("fault", [LOST, Fault(SUBMIT, when="after", delay_s=50, reset=True)])
@pytest.mark.slow
async def test_what_came_while_no_process_ran_is_found_before_anything_is_sent_again(
    policy, later_s, fault, tmp_path
):
    async with two_workers(tmp_path, Store(), contacts=10, workflow_s=10.0) as (bench, _, _, courier):
        await left_unknown(bench, fault)
        await anyio.sleep(20)
        assert courier.answers == [204]
        age(bench, later_s)
        report = await bench.run(**policy)
        assert report.status.state == "complete"
        assert report.status.credits_at_risk == 0
        assert not query(bench.path, "SELECT 1 FROM decisions")
        assert not bench.world.ledger.duplicates()
        bench.check(unknown_at_most=0)


async def test_accepted_workflows_are_asked_about_once_after_a_restart(tmp_path):
    store = Store()
    async with two_workers(tmp_path, store, workflow_s=10.0) as (bench, _, _, courier):
        job = await bench.open()
        with anyio.move_on_after(8):
            await job.run()
        await bench.crash(job)
        await anyio.sleep(30)
        assert len(courier.answers) == store.kept == 3
        assert (await bench.run()).status.state == "complete"
        assert store.kept == 0
        assert len(query(bench.path, "SELECT 1 FROM evidence WHERE source = 'webhook'")) == 3
        assert bench.world.status_requests() == 3
        bench.check(unknown_at_most=0)


async def test_tokens_of_an_older_journal_go_on_working(tmp_path):
    """They were made where nobody could prove anything: only the job itself knows them."""
    store = Store()
    async with two_workers(tmp_path, store, disturb=held_back) as (bench, owner, other, _):
        bench.world.sandbox.add_fault(LOST)
        job = await bench.open()
        with anyio.move_on_after(4):
            await job.run()
        job._journal._db.execute("UPDATE attempts SET token = substr(token, 1, 32)")
        await bench.crash(job)
        old = [token for (token,) in query(bench.path, "SELECT token FROM attempts ORDER BY rowid")]
        assert {len(token) for token in old} == {32}
        bodies = [body for _, body in events_of(bench.world)]
        async with await bench.open() as job, anyio.create_task_group() as group:
            group.start_soon(job.run)
            await anyio.sleep(3)
            for token, body in zip(old, bodies, strict=True):
                assert (await other.receive(token, JSON_TYPE, body)).status == 404
                assert (await owner.receive(token, JSON_TYPE, body)).status == 204
        assert states(bench.path) == ["done"] * 3
        bench.check(unknown_at_most=0)


async def test_a_job_that_is_closed_finds_what_came_meanwhile(tmp_path):
    store = Store()
    async with two_workers(tmp_path, store, workflow_s=10.0, disturb=held_back) as (bench, owner, other, _):
        async with await bench.open() as job:
            with anyio.move_on_after(12):
                await job.run()
        assert await post_all(bench.world, other) == await post_all(bench.world, owner) == {204}
        assert owner.statistics().passed_on == other.statistics().passed_on == store.kept == 3
        looks = len(store.looks)
        await anyio.sleep(30)
        assert len(store.looks) == looks
        assert (await bench.run()).status.state == "complete"
        assert store.kept == 0
        bench.check(unknown_at_most=0)


@pytest.mark.parametrize("ending", ["closed", "cancelled", "client closed"])
async def test_what_is_being_taken_when_the_job_ends_is_written_down(ending, tmp_path):
    store = Store(slow_s=2.0)
    async with two_workers(tmp_path, store, contacts=5, disturb=held_back) as (bench, _, other, _):
        bench.world.sandbox.add_fault(LOST)
        job = await bench.open()
        async with anyio.create_task_group() as group:
            group.start_soon(run_until_closed, job)
            await anyio.sleep(8)
            assert await post_all(bench.world, other) == {204}
            await anyio.sleep(1)
            assert store.kept == 0
            assert states(bench.path) == ["unknown"]
            if ending == "closed":
                await job.aclose()
            elif ending == "client closed":
                await bench.world.client.aclose()
            else:
                group.cancel_scope.cancel()
        assert states(bench.path) == ["accepted"]
        await job.aclose()


# -- a store, or a disk, that fails ----------------------------------------------------------------


async def test_a_store_that_fails_for_a_while(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "cleanlist_async")
    store = Store(broken=True)
    async with two_workers(tmp_path, store, workflow_s=10.0) as (bench, *_):
        bench.world.sandbox.add_fault(LOST)
        async with await bench.open() as job, anyio.create_task_group() as group:
            group.start_soon(job.run)
            await anyio.sleep(40)
            looks = [round(b - a) for a, b in zip(store.looks, store.looks[1:], strict=False)]
            assert set(looks) == {5}
            assert "unknown" in states(bench.path)
            store.broken = False
        assert states(bench.path) == ["done"] * 3
        assert bench.world.submits() == 3
        bench.check(unknown_at_most=0)

    assert "the store of webhook events failed with OSError" in caplog.text


async def test_nothing_is_sent_again_while_the_store_may_know_better(tmp_path):
    store = Store()
    async with two_workers(tmp_path, store, contacts=10, workflow_s=10.0) as (bench, _, _, courier):
        await left_unknown(bench)
        await anyio.sleep(30)
        assert courier.answers == [204]
        age(bench, 1_800)
        store.broken = True
        job = await bench.open(on_unknown="resubmit", max_duplicate_credits=100)
        async with job, anyio.create_task_group() as group:
            group.start_soon(job.run)
            await anyio.sleep(30)
            store.broken = False
        assert states(bench.path) == ["done"] * 2
        assert not bench.world.ledger.duplicates()
        bench.check(unknown_at_most=0)


async def test_a_store_that_never_answers_holds_nothing_up_for_long(tmp_path):
    store = Store(slow_s=10_000.0)
    async with two_workers(tmp_path, store, workflow_s=10.0) as (bench, *_):
        job = await bench.open()
        async with anyio.create_task_group() as group:
            group.start_soon(run_until_closed, job)
            await anyio.sleep(5)
            started = anyio.current_time()
            await job.aclose()
            assert anyio.current_time() - started <= 10
        report = await bench.run()
        assert report.status.state == "complete"


async def test_what_cannot_be_written_down_stays_in_the_store(tmp_path):
    store = Store()
    async with two_workers(tmp_path, store, workflow_s=10.0, disturb=held_back) as (bench, _, other, _):
        job = await bench.open()
        async with job, anyio.create_task_group() as group:
            reports = []

            async def run():
                reports.append(await job.run())

            group.start_soon(run)
            await anyio.sleep(12)
            job._journal._db._connection.execute("PRAGMA query_only = ON")
            assert await post_all(bench.world, other) == {204}
        assert isinstance(reports[0].stopped_by, JournalError)
        assert not any(token in shown(reports[0].stopped_by) for token, _ in events_of(bench.world))
        assert store.kept == 3
        assert not query(bench.path, "SELECT 1 FROM evidence")
        assert (await bench.run()).status.state == "complete"
        assert store.kept == 0
        bench.check(unknown_at_most=0)


# -- whose it is -----------------------------------------------------------------------------------


async def test_a_wrong_proof_is_refused(tmp_path):
    store = Store()
    async with two_workers(tmp_path, store, workflow_s=10.0, disturb=held_back) as (bench, owner, other, _):
        async with await bench.open() as job:
            with anyio.move_on_after(12):
                await job.run()
            (token, body), *_ = events_of(bench.world)
            stranger = worker(Store(), secret="a-secret-of-strangers")
            for forged in (token[:32] + "0" * 32, token[:32], "0" * 32 + token[32:], token[::-1], ""):
                for receiver in (owner, other):
                    assert (await receiver.receive(forged, JSON_TYPE, body)).status == 404
            assert (await stranger.receive(token, JSON_TYPE, body)).status == 404
            assert (await worker().receive(token, JSON_TYPE, body)).status == 404, "sent again, to another"
            assert (await other.receive(token, "text/plain", body)).status == 415
            assert (await other.receive(token, JSON_TYPE, b"{")).status == 400
        assert store.kept == 0


async def test_two_jobs_of_one_receiver_get_each_their_own(tmp_path):
    async with two_workers(tmp_path, Store(), workflow_s=10.0) as (bench, owner, *_):
        another = Bench(bench.world, tmp_path / "another", people(15, 100))
        another.path.parent.mkdir()
        async with (
            await bench.open() as job,
            await another.open() as other_job,
            anyio.create_task_group() as group,
        ):
            group.start_soon(job.run)
            group.start_soon(other_job.run)
        assert bench.world.status_requests() == 0
        assert owner.statistics().believed == 6
        assert states(bench.path) == states(another.path) == ["done"] * 3


async def test_no_token_is_logged_or_given_to_the_store(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    seen = []

    class Spy(Store):
        async def put(self, submission_id, event):
            seen.append(submission_id)
            await super().put(submission_id, event)

        async def take(self, submission_ids):
            seen.extend(submission_ids)
            return await super().take(submission_ids)

    store = Spy(broken=True)
    async with two_workers(tmp_path, store, workflow_s=10.0, disturb=held_back) as (bench, owner, other, _):
        bench.world.sandbox.add_fault(LOST)
        async with await bench.open() as job, anyio.create_task_group() as group:
            group.start_soon(run_until_closed, job)
            await anyio.sleep(12)
            store.broken = False
            await anyio.sleep(10)
            job._journal._db._connection.execute("PRAGMA query_only = ON")
            await post_all(bench.world, other)
        tokens = [token for token, _ in events_of(bench.world)]
        assert len(tokens) == 3
        text = caplog.text + repr((owner, other, job, owner.statistics())) + repr(seen)
        assert "the store of webhook events failed" in text
        for token in tokens:
            assert token[:32] in seen
            assert token not in text
            assert token[32:] not in text


# -- whatever happens ------------------------------------------------------------------------------


@pytest.mark.slow
@each_case("seed", range(12))
async def test_events_to_any_worker_with_kills_and_failures_buy_nobody_twice(seed, tmp_path):
    rng = random.Random(seed)
    store = Store()

    def disturb(_workflow, token, body):
        copies = rng.choice([1, 1, 2, 3])
        return [(rng.uniform(0, 30), token, JSON_TYPE, body) for _ in range(copies)]

    async with two_workers(
        tmp_path,
        store,
        workflow_s=lambda _: rng.uniform(0, 20),
        disturb=disturb,
    ) as (bench, *_):
        for _ in range(rng.randrange(1, 4)):
            if rng.random() < 0.7:
                bench.world.sandbox.add_fault(LOST)
            store.broken = rng.random() < 0.3
            job = await bench.open()
            with anyio.move_on_after(rng.uniform(1, 40)):
                await job.run()
            await bench.crash(job)
            await anyio.sleep(rng.choice([0, 10, 600]))
        bench.world.sandbox.clear_faults()
        store.broken = False
        await anyio.sleep(60)
        report = await bench.run(on_unknown="resubmit", max_duplicate_credits=100)
        assert report.status.state == "complete"
        assert not bench.world.ledger.duplicates()
        assert not query(bench.path, "SELECT 1 FROM decisions")
        bench.check(unknown_at_most=0)

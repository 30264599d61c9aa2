"""What a hostile reader of the package tried: each of these cost money, results or peace once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from cleanlist_async import ConfigurationError, JournalLockedError
from cleanlist_async.sandbox import Fault, Shape
from tests.job.worlds import STATUS, SUBMIT, Bench, people, query, states


async def run_until(job, bench, state) -> None:
    """Run a job until its one chunk is in a state, then crash."""

    async def run():
        with suppress(Exception):  # whatever the crash leaves of it
            await job.run()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        while states(bench.path) != [state]:  # noqa: ASYNC110 - the disk tells nobody
            await anyio.sleep(0.05)
        await bench.crash(job)


@pytest.mark.world(shape=Shape(unfinished_rows=0.5, unfinished_s=60))
async def test_rows_that_were_pending_at_a_crash_are_asked_for_again(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    report = await bench.run()
    assert report.status.chunks == {"partial": 1}
    job = await bench.open()

    def killed(*_args):
        raise SystemError

    job._journal.settled = killed
    with pytest.raises(SystemError):
        await job.run()
    await bench.crash(job)
    assert states(bench.path) == ["fetching"]
    await anyio.sleep(200)
    report = await bench.run()
    assert report.status.results.get("pending", 0) == 0
    assert report.status.credits_spent == world.ledger.credits_charged
    assert report.status.credits_held == 0


async def test_a_refusal_that_names_a_workflow_is_no_acceptance(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    body = {"error": {"code": "internal", "message": "x", "details": {"workflow_id": "wf_another"}}}
    world.sandbox.add_fault(Fault(SUBMIT, when="after", status=500, body=body))
    await bench.run()
    assert states(bench.path) == ["unknown"]
    assert query(bench.path, "SELECT workflow_id FROM chunks") == [(None,)]
    bench.check()


async def test_a_failing_progress_display_does_not_end_the_job(world, tmp_path):
    bench = Bench(world, tmp_path, people(10))

    def broken(_status):
        raise BrokenPipeError

    async with await bench.open() as job:
        job.on_progress = broken
        report = await job.run()
        assert report.status.state == "complete"
    assert (await world.client.public.credits_balance()).credits is not None


async def test_a_policy_may_hold_and_its_own_errors_come_out_as_they_are(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))

    def failing(_chunk):
        raise LookupError

    with pytest.raises(LookupError):
        await bench.run(on_unknown=failing)
    with pytest.raises(ConfigurationError):
        (await bench.run(on_unknown=lambda _chunk: "buy")).raise_for_error()
    report = await bench.run(on_unknown=lambda _chunk: "hold")
    assert report.status.state == "complete_with_unknown"


async def test_a_404_right_after_a_restart_is_a_replica_that_lags(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    await run_until(await bench.open(), bench, "accepted")
    world.sandbox.add_fault(Fault(STATUS, status=404, times=2))
    report = await bench.run()
    assert report.status.state == "complete"
    assert states(bench.path) == ["done"]


async def test_a_workflow_that_is_gone_is_asked_for_on_each_resume(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    world.sandbox.add_fault(Fault(STATUS, status=404, times=10_000))
    await bench.run()
    assert states(bench.path) == ["remote_expired"]
    world.sandbox.clear_faults()
    report = await bench.run()
    assert (states(bench.path), report.status.state) == (["done"], "complete")


async def test_a_name_beside_the_journal_is_the_same_journal(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    (tmp_path / "alias.journal").symlink_to(bench.path)
    async with await bench.open():
        with pytest.raises(JournalLockedError):
            await world.client.job(tmp_path / "alias.journal", bench.contacts)


async def test_words_of_the_server_about_contacts_are_not_kept(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    body = {"error": {"code": "not_found", "problem": "No workflow for Canary3 Lovelace3"}}
    world.sandbox.add_fault(Fault(STATUS, status=404, times=10_000, body=body))
    await bench.run()
    assert b"Canary3" not in bench.path.read_bytes()


async def test_what_a_crash_left_unknown_is_shown_before_anything_is_run(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    world.sandbox.add_fault(Fault(SUBMIT, when="after", delay_s=20))
    await run_until(await bench.open(), bench, "sending")
    async with await bench.open() as job:
        (chunk,) = await job.unknown()
        assert (await job.status()).credits_at_risk == chunk.credits_at_risk == 5
        await job.resolve(chunk.number, abandon=True)
    assert states(bench.path) == ["abandoned"]


# -- two things at once ----------------------------------------------------------------------------


async def test_of_two_runs_at_once_one_is_refused(world, tmp_path):
    bench = Bench(world, tmp_path, people(60))
    async with await bench.open() as job:
        unread = aiter(job)
        await anext(unread)
        ended = await asyncio.gather(job.run(), job.run(), return_exceptions=True)
        assert [type(end).__name__ for end in ended] == ["JobReport", "ConfigurationError"]
        assert (ended[0].stopped_by, ended[0].status.state) == (None, "complete")
    bench.check(unknown_at_most=0)


async def test_a_pilot_leaves_the_plan_of_a_running_job_alone(world, tmp_path):
    bench = Bench(world, tmp_path, people(60), chunk=20)
    async with await bench.open() as job:
        task = asyncio.create_task(job.run())
        while (await job.status()).state != "running":
            await anyio.lowlevel.checkpoint()
        with pytest.raises(ConfigurationError, match="running already"):
            await job.pilot(5)
        assert (await task).status.state == "complete"
    assert len(world.ledger.contacts) == 60
    bench.check(unknown_at_most=0)


async def test_a_closed_job_says_that_it_is_closed(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    async with await bench.open() as job:
        await job.run()
    await job.aclose()

    async def receipts():
        return [receipt async for receipt in job.receipts()]

    looks = (job.status, job.report, job.unknown, job.verify, job.plan, receipts)
    for look in looks:
        with pytest.raises(ConfigurationError, match="closed"):
            await look()


@pytest.mark.world(shape=Shape(unfinished_rows=0.5, unfinished_s=6_000))
async def test_rows_that_fail_at_last_do_not_fail_what_was_found_before(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    assert (await bench.run()).status.chunks == {"partial": 1}
    [(workflow_id,)] = query(bench.path, "SELECT workflow_id FROM chunks")
    world.sandbox.add_fault(
        Fault(STATUS, status=200, body={"status": "failed", "workflow_id": workflow_id}, times=10)
    )
    status = (await bench.run()).status
    assert (status.results, status.chunks) == ({"found": 1, "failed": 4}, {"done": 1})

"""A job by name, in virtual time: begun, resumed by whoever comes, locked, bounded, decided about, purged."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace

import anyio
import pytest

from cleanlist_async import (
    APIConnectionError,
    BudgetExceededError,
    ConfigurationError,
    InputChangedError,
    JobLockedError,
    StoreError,
    UnknownOutcomeError,
    facts,
)
from cleanlist_async.sandbox import Fault
from tests.job.worlds import CHECK, STATUS, SUBMIT, mixed
from tests.support.stores import another_client, end_leases, make_older
from tests.support.virtual_sandbox import check_against_ledger, check_one_result_each, people

MANY = people(60)
"""Three chunks of them."""


async def run(client, *args, **options):
    """Open a job, run it, close it, and return its report; its sums must agree."""
    async with await client.job("crm", *args, **options) as job:
        report = await job.run()
        assert await job.verify() == []
    return report


async def results_of(client, *args, **options):
    async with await client.job("crm", *args, **options) as job:
        return [result async for result in job]


async def paid(client) -> float:
    """What the receipts of the job sum up to."""
    async with await client.job("crm") as job:
        return math.fsum([receipt.credits async for receipt in job.receipts()])


async def stopped_in_the_middle(here, *args, after_s=3.0, **options):
    """Run a job in a client of its own, and close that while workflows are open."""
    async with another_client(here, here.client.store) as other:
        job = await other.job("crm", *args, **options)
        with anyio.move_on_after(after_s):
            await job.run()
        status = await job.status()
        await job.aclose()
    return status


# -- begun, resumed, and run again -------------------------------------------------------------------------


async def test_each_contact_is_bought_once_and_each_row_gets_its_result(world):
    given = mixed(70)
    results = await results_of(world.client, given)
    check_one_result_each(results, given)
    check_against_ledger(world, results)
    assert {result.status for result in results} == {"found", "not_found", "invalid"}
    assert all(results_by(results)[n].duplicate_of == n - 5 for n in range(8, 70, 10))


def results_by(results):
    return {result.index: result for result in results}


async def test_status_and_receipts_say_what_the_server_charged(world):
    report = await run(world.client, mixed(30))
    status = report.status
    assert (status.state, status.contacts, status.invalid, status.duplicates) == ("complete", 30, 3, 3)
    assert status.results["found"] + status.results["not_found"] == status.settled - 3 == 24
    assert status.chunks == {"done": 1}
    assert status.credits_spent == world.ledger.credits_charged == await paid(world.client)
    assert (status.credits_held, status.credits_at_risk, status.credits_to_go) == (0, 0, 0)


async def test_a_finished_job_that_is_run_again_gives_its_results_and_buys_nothing(world, path):
    first = await results_of(world.client, MANY)
    make_older(path, 40 * 86_400)  # not_found is bought again after 30 days, but not by the same job
    requests = len(world.ledger.requests)
    again = await results_of(world.client, MANY)
    assert len(world.ledger.requests) == requests
    assert sorted((one.index, one.status, one.email) for one in again) == sorted(
        (one.index, one.status, one.email) for one in first
    )
    assert all(one.bought_at is not None for one in again)


async def test_another_client_goes_on_without_the_input(world):
    status = await stopped_in_the_middle(world, MANY)
    assert (status.state, status.credits_to_go) == ("running", 0)
    results = await results_of(world.client)
    check_one_result_each(results, MANY)
    check_against_ledger(world, results)
    assert world.submits() == 3
    assert await paid(world.client) == world.ledger.credits_charged


@pytest.mark.slow
async def test_what_was_bought_before_costs_the_job_nothing_and_what_it_buys_serves_others(world):
    await world.client.enrich(MANY[:30])
    before = world.ledger.credits_charged
    async with await world.client.job("crm", MANY) as job:
        plan = await job.plan()
        assert (plan.known, plan.to_buy, plan.chunks) == (30, 30, 2)
        await job.run()
        plan = await job.plan()
        assert (plan.unique, plan.known, plan.to_buy) == (60, 60, 0)
        rules = {receipt.rule async for receipt in job.receipts()}
    report = await world.client.enrich(MANY)
    assert rules <= {"cache", "charged", "price list", "none"}
    assert "cache" in rules
    assert await paid(world.client) == world.ledger.credits_charged - before
    assert report.summary.credits == 0
    assert set(world.ledger.times_accepted().values()) == {1}


async def test_the_progress_of_a_run_ends_at_its_status(world):
    seen = []
    async with await world.client.job("crm", mixed(60)) as job:
        job.on_progress = seen.append
        report = await job.run()
    assert seen[0].state == "running"
    assert [one.settled for one in seen] == sorted(one.settled for one in seen)
    assert seen[-1].settled <= report.status.settled
    assert any(one.chunks.get("accepted") for one in seen)


async def test_a_failing_display_does_not_end_the_job(world):
    def broken(_status):
        raise BrokenPipeError

    async with await world.client.job("crm", people(10)) as job:
        job.on_progress = broken
        assert (await job.run()).status.state == "complete"


async def test_a_job_that_is_run_again_while_its_results_are_read_reads_them_anew(world):
    await stopped_in_the_middle(world, MANY, max_open_workflows=1, after_s=30.0)
    async with await world.client.job("crm") as job:
        unread = aiter(job)
        await anext(unread)
        report = await job.run()
        assert (report.stopped_by, report.status.state) == (None, "complete")
        with pytest.raises(ConfigurationError, match="run again"):
            _ = [result async for result in unread]
    assert set(world.ledger.times_accepted().values()) == {1}


async def test_of_two_runs_at_once_one_is_refused(world):
    async with await world.client.job("crm", MANY) as job, anyio.create_task_group() as group:
        group.start_soon(job.run)
        await anyio.sleep(1)
        with pytest.raises(ConfigurationError, match="running already"):
            await job.run()


async def test_a_closed_job_says_that_it_is_closed(world):
    async with await world.client.job("crm", people(5)) as job:
        pass

    async def receipts():
        return [receipt async for receipt in job.receipts()]

    for look in (job.status, job.report, job.unknown, job.verify, job.plan, job.run, job.purge, receipts):
        with pytest.raises(ConfigurationError, match="closed"):
            await look()


async def test_unfinished_jobs_are_found_by_whoever_is_alive(world):
    store = world.client.store
    await stopped_in_the_middle(world, MANY)
    async with await world.client.job("done", people(3)) as job:
        await job.run()
    assert [name async for name in store.unfinished()] == ["crm"]
    async with await world.client.job("crm"):
        assert [name async for name in store.unfinished()] == []
    await run(world.client)
    assert [name async for name in store.unfinished()] == []
    assert [(job.name, job.state) for job in await store.jobs()] == [
        ("crm", "finished"),
        ("done", "finished"),
    ]


# -- one runner at a time ------------------------------------------------------------------------------------


async def test_who_runs_the_job_is_named(world):
    async with another_client(world, world.client.store) as other, await other.job("crm", people(5)):
        with pytest.raises(
            JobLockedError, match=r"by (this process|process \d+ on .+), since .+ UTC"
        ) as locked:
            await world.client.job("crm")
        assert 0 < locked.value.retry_after_s <= facts.STORE_LEASE_S
        with pytest.raises(JobLockedError):
            await other.job("crm")
    assert (await run(world.client)).status.state == "complete"


async def test_of_two_that_open_a_job_at_once_one_is_told_who_runs_it(world):
    jobs, refusals = [], []

    async def press():
        try:
            jobs.append(await world.client.job("crm", MANY))
        except JobLockedError as error:
            refusals.append(str(error))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(press)
    assert (len(jobs), len(refusals)) == (1, 3)
    assert all("is run by this process" in refusal for refusal in refusals)
    assert (await jobs[0].run()).status.state == "complete"
    await jobs[0].aclose()


async def test_a_client_that_is_closed_leaves_its_jobs_to_others(world):
    async with another_client(world, world.client.store) as other:
        await other.job("crm", people(5))
    assert (await run(world.client)).status.state == "complete"


async def test_who_was_paused_beyond_the_lease_sends_nothing_afterwards(world, path):
    ended = []

    async def paused(job):
        ended.append((await job.run()).stopped_by)

    async with (
        another_client(world, world.client.store) as other,
        await other.job("crm", MANY, max_open_workflows=2) as job,
        anyio.create_task_group() as group,
    ):
        group.start_soon(paused, job)
        await anyio.sleep(3.0)
        end_leases(path)
        assert world.submits() == 2
        async with await world.client.job("crm") as taken:
            status = (await taken.run()).status
    assert [type(error) for error in ended] == [JobLockedError]
    assert world.submits() == 3
    assert (status.state, status.credits_spent) == ("complete", world.ledger.credits_charged)
    assert set(world.ledger.times_accepted().values()) == {1}


async def test_who_lost_the_job_cannot_release_or_end_it(world, path):
    async with another_client(world, world.client.store) as other:
        lost = await other.job("crm", MANY)
        end_leases(path)
        async with await world.client.job("crm"):
            with pytest.raises(JobLockedError, match="taken over"):
                (await lost.run()).raise_for_error()
            await lost.status()  # sees who has it
            await lost.aclose()
            ((job),) = await world.client.store.jobs()
            assert (job.state, job.is_running) == ("open", True)
    assert world.submits() == 0


# -- the input -----------------------------------------------------------------------------------------------


async def test_contacts_that_changed_are_named_and_the_job_goes_on_with_them_as_they_were(world):
    given = people(20)
    await stopped_in_the_middle(world, given, after_s=0.0)
    changed = [*given[:4], *people(1, start=90), *given[5:], *people(2, start=95)]
    with pytest.raises(InputChangedError, match=r"contact 5 changed; contacts 21 and 22 are new"):
        await world.client.job("crm", changed)
    results = await results_of(world.client)
    check_one_result_each(results, given)


@pytest.mark.slow
async def test_an_input_that_was_not_read_to_its_end_is_read_on_from_there(world):
    given = mixed(4_500)

    class Torn(list):
        def __iter__(self):
            yield from given[:4_100]
            raise LookupError

    with pytest.raises(LookupError):
        await world.client.job("crm", Torn())
    assert [(job.state, job.contacts) for job in await world.client.store.jobs()] == [("planning", 4_000)]
    with pytest.raises(ConfigurationError, match="not read to its end"):
        await world.client.job("crm")
    # Nothing was sent, so the input may be another one by now.
    async with await world.client.job("crm", [*given[:3_000], *people(10)]) as job:
        status = await job.status()
    assert (status.contacts, status.invalid, status.duplicates) == (3_010, 300, 300)


async def test_an_input_without_contacts_leaves_no_job(world):
    with pytest.raises(ConfigurationError, match="no contacts"):
        await world.client.job("crm", [])
    with pytest.raises(ConfigurationError, match="no job 'crm'"):
        await world.client.job("crm")


async def test_another_enrichment_type_is_refused_and_the_default_is_that_of_the_job(world):
    await stopped_in_the_middle(world, people(5), enrichment_type="phone_only", after_s=0.0)
    with pytest.raises(InputChangedError, match="began with enrichment_type = 'phone_only'"):
        await world.client.job("crm", people(5), enrichment_type="partial")
    assert (await run(world.client)).status.enrichment_type == "phone_only"


# -- the limit -----------------------------------------------------------------------------------------------


@pytest.mark.world(hit_rate=0.5)
async def test_the_limit_of_a_job_is_used_up_to_the_credit_and_never_passed(world):
    report = await run(world.client, MANY, max_credits=10)
    assert isinstance(report.stopped_by, BudgetExceededError)
    assert (report.stopped_by.max_credits, report.stopped_by.committed_credits) == (10, 10)
    assert report.status.state == "paused"
    assert report.status.credits_spent == world.ledger.credits_charged == 10
    report = await run(world.client, max_credits=15)
    assert report.status.credits_spent == world.ledger.credits_charged == 15
    report = await run(world.client, MANY)  # as of a journal: without a limit where none is given
    assert (report.stopped_by, report.status.state) == (None, "complete")
    assert set(world.ledger.times_accepted().values()) == {1}


async def test_what_an_earlier_process_may_have_spent_counts_against_the_limit(world):
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    await run(world.client, people(30), max_credits=26)
    report = await run(world.client)
    assert isinstance(report.stopped_by, BudgetExceededError)
    assert report.status.credits_at_risk == 25
    assert world.ledger.credits_charged <= 26


async def test_the_budget_of_the_store_holds_for_jobs_too(world):
    await world.client.budget.pause("on hold", actor="ada")
    report = await run(world.client, people(5))
    assert (type(report.stopped_by).__name__, world.submits()) == ("SpendingPausedError", 0)
    await world.client.budget.resume(actor="ada")
    assert (await run(world.client)).status.state == "complete"


async def test_before_spend_is_told_of_the_job_and_may_refuse_it(world):
    asked = []

    def before_spend(spend):
        asked.append((spend.door, spend.contacts, spend.worst_case_credits))
        return False

    async with another_client(world, world.client.store, before_spend=before_spend) as other:
        report = await run(other, people(20))
    assert (type(report.stopped_by).__name__, asked) == ("SpendVetoedError", [("job", 20, 20.0)])
    assert (report.status.state, report.status.credits_held, world.submits()) == ("paused", 0, 0)


async def test_the_audit_trail_tells_of_the_job(world):
    await run(world.client, people(20))
    lines = [line async for line in world.client.store.audit()]
    assert {line.door for line in lines if line.event == "reserved"} == {"job"}
    assert sum(line.credits or 0 for line in lines) == world.ledger.credits_charged


# -- unknown outcomes ----------------------------------------------------------------------------------------


async def doubtful(here):
    """Run a job whose only submit is processed and not answered; return its chunk."""
    here.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    report = await run(here.client, people(20))
    (chunk,) = report.unknown
    assert (report.status.state, report.status.chunks) == ("complete_with_unknown", {"unknown": 1})
    assert (chunk.first, chunk.last, chunk.contacts, chunk.credits_at_risk) == (0, 19, 20, 20)
    return chunk.number


async def decide(here, number, **decision):
    async with await here.client.job("crm") as job:
        await job.resolve(number, **decision)


async def test_a_submit_of_unknown_outcome_is_not_sent_again(world):
    await doubtful(world)
    results = await results_of(world.client)
    assert {result.status for result in results} == {"unknown"}
    assert world.submits() == 1


async def test_the_workflow_that_a_submit_became_is_fetched_for_free(world):
    number = await doubtful(world)
    await decide(world, number, accepted=world.ledger.contacts[0].workflow_id)
    results = await results_of(world.client)
    check_against_ledger(world, results)
    assert await paid(world.client) == world.ledger.credits_charged
    assert world.submits() == 1


@pytest.mark.parametrize("decision", ["absent", "resubmit"])
async def test_a_submit_that_was_not_accepted_or_is_risked_is_sent_again(world, decision):
    number = await doubtful(world)
    await decide(world, number, **{decision: True})
    report = await run(world.client)
    assert (report.status.state, world.submits()) == ("complete", 2)
    assert report.status.credits_at_risk == (20 if decision == "resubmit" else 0)


async def test_a_submit_that_is_given_up_stays_unknown_and_ends_the_job(world):
    number = await doubtful(world)
    await decide(world, number, abandon=True)
    report = await run(world.client)
    assert (report.status.state, report.status.results) == ("complete", {"unknown": 20})
    assert report.unknown == []


async def test_only_a_chunk_that_is_unknown_is_decided(world):
    number = await doubtful(world)
    async with await world.client.job("crm") as job:
        with pytest.raises(StoreError, match="is not unknown"):
            await job.resolve(number + 1, absent=True)
        with pytest.raises(ConfigurationError, match="exactly one"):
            await job.resolve(number)
        await job.resolve(number, absent=True)
        with pytest.raises(StoreError, match="is not unknown"):
            await job.resolve(number, absent=True)


# -- a pilot -------------------------------------------------------------------------------------------------


async def test_a_pilot_is_bought_first_and_only_once(world):
    async with await world.client.job("crm", mixed(60)) as job:
        pilot = await job.pilot(20)
        again = await job.pilot(20)
        assert len(world.ledger.contacts) == pilot.contacts == 20
        assert pilot == again
        with pytest.raises(StoreError, match="a pilot comes first"):
            await job.pilot(24)
        await job.run()
    assert set(world.ledger.times_accepted().values()) == {1}


async def test_a_pilot_of_unknown_outcome_is_an_error(world):
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    async with await world.client.job("crm", people(30)) as job:
        with pytest.raises(UnknownOutcomeError):
            await job.pilot(10)


# -- outages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lasts_s", [600, 1_800])
async def test_a_job_outlasts_an_outage_of_ten_minutes_and_gives_up_after_fifteen(world, lasts_s):
    for path, nth in ((SUBMIT, 2), (CHECK, 1), (STATUS, 1)):
        world.sandbox.add_fault(Fault(path, status=503, nth=nth, times=1e9))

    async def end_faults() -> None:
        await anyio.sleep(lasts_s)
        world.sandbox.clear_faults()

    async with anyio.create_task_group() as group:
        group.start_soon(end_faults)
        report = await run(world.client, people(200))
        group.cancel_scope.cancel()

    doubtful = sum(chunk.contacts for chunk in report.unknown)
    assert len(report.unknown) <= facts.BURST_IN_FLIGHT
    if lasts_s == 600:
        assert (report.stopped_by, sum(report.status.results.values())) == (None, 200)
        assert report.status.results["unknown"] == doubtful
    else:
        assert isinstance(report.stopped_by, APIConnectionError)
        assert world.submits() <= 4


# -- purging -------------------------------------------------------------------------------------------------


async def test_a_purged_job_leaves_no_contact_and_no_result_and_is_not_run_again(world, path):
    async with await world.client.job("crm", people(10)) as job:
        await job.run()
        await job.purge()
        with pytest.raises(StoreError, match="removed"):
            _ = [receipt async for receipt in job.receipts()]
    assert (await world.client.store.counts()).results == 0
    with pytest.raises(StoreError, match="removed"):
        await world.client.job("crm")
    assert b"Lovelace" not in path.read_bytes()


@pytest.mark.world(hit_rate=1.0)
@pytest.mark.parametrize("is_given_back", [False, True])
async def test_a_purge_forgets_who_was_given_with_the_address_that_was_found_and_without(
    world, is_given_back
):
    first = await world.client.enrich(people(10))
    given_back = [replace(result.contact, email=result.email) for result in first.results]
    await world.client.enrich(given_back)
    async with await world.client.job("crm", given_back if is_given_back else people(10)) as job:
        await job.run()
        await job.purge()
    assert (await world.client.store.counts()).results == 0


async def test_old_results_go_with_the_jobs_that_ended_before_them(world):
    await run(world.client, people(10))
    assert await world.client.store.purge() == 0  # they are removed with the job
    assert [job.state for job in await world.client.store.jobs()] == ["purged"]
    assert (await world.client.store.counts()).results == 0


async def test_an_unfinished_job_is_not_purged_with_old_results(world):
    await stopped_in_the_middle(world, MANY)
    await world.client.store.purge()
    results = await results_of(world.client)
    check_one_result_each(results, MANY)


# -- a store that fails --------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["begin_run", "intend", "rows", "record", "settle", "end", "claim"])
async def test_after_the_store_has_failed_the_same_call_finishes_the_job(world, operation):
    store = world.client.store
    store.failing = {operation}
    async with await world.client.job("crm", MANY) as job:
        with suppress(StoreError):
            report = await job.run()
            assert isinstance(report.stopped_by, StoreError)
        store.failing = set()
    results = await results_of(world.client)
    check_one_result_each(results, MANY)
    check_against_ledger(world, results)
    assert await paid(world.client) == world.ledger.credits_charged


async def test_a_take_over_whose_answer_was_lost_locks_nobody_out(world):
    store = world.client.store
    store.losing = {"take"}
    with pytest.raises(StoreError):
        await world.client.job("crm", people(5))
    store.losing = set()
    assert (await run(world.client, people(5))).status.state == "complete"


async def test_what_a_cache_of_journals_holds_is_taken_over_and_not_bought(world, tmp_path):
    cache = tmp_path / "results.cache"
    with pytest.warns(DeprecationWarning, match="cache= is deprecated"):
        job = await world.client.job(tmp_path / "old.journal", MANY[:40], cache=cache)
    async with job:
        await job.run()
    spent = world.ledger.credits_charged
    with pytest.warns(DeprecationWarning, match="cache= is deprecated"):
        report = await run(world.client, MANY, cache=cache)
    assert sum(report.status.results.values()) == 60
    assert set(world.ledger.times_accepted().values()) == {1}
    assert await paid(world.client) == world.ledger.credits_charged - spent
    again = await world.client.enrich(MANY[:40])
    assert all(result.bought_at is not None for result in again.results)


@pytest.mark.filterwarnings("ignore:cache= is deprecated")
async def test_a_cache_is_taken_over_once_until_it_is_written_again(world, tmp_path):
    cache, store = tmp_path / "results.cache", world.client.store
    async with await world.client.job(tmp_path / "old.journal", MANY[:40], cache=cache) as job:
        await job.run()
    async with await world.client.job("crm", MANY, cache=cache):
        pass
    store.failing = {"take_over"}
    async with await world.client.job("crm", MANY, cache=cache):
        pass
    async with await world.client.job(tmp_path / "more.journal", MANY[40:], cache=cache) as job:
        await job.run()
    with pytest.raises(StoreError, match="take_over"):
        await world.client.job("crm", MANY, cache=cache)

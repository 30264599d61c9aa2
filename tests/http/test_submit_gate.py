"""How many submits are in flight, and what an outage costs: one rule for enrich, enrich_one and the job."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from itertools import pairwise

import anyio
import pytest

from cleanlist_async import APIConnectionError, CleanlistError, RateLimits, UnknownOutcomeError, facts
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.sandbox import Fault
from tests.support.virtual_sandbox import check_against_ledger, open_world, people

BULK, CHECK = "/enrich/bulk", "/auth/validate-key"
OUTAGE = {"status": 503, "body": {"detail": "outage"}, "times": math.inf}


SIZE = 25


@pytest.fixture(autouse=True)
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send 25 contacts a request, not 250: the rule is about requests."""
    monkeypatch.setattr("cleanlist_async.enrich.run.Chunker", partial(Chunker, SIZE))


def unknown(report) -> int:
    return len(report.unknown)


def moments(world, path: str) -> list[float]:
    """When requests of a path came."""
    return [request.at for request in world.ledger.requests_of(path)]


@pytest.mark.parametrize("nth", [1, 2, 6])
async def test_submits_that_fail_are_sent_one_at_a_time_each_after_a_free_call(world, nth):
    world.sandbox.add_fault(Fault(BULK, nth=nth, **OUTAGE))

    report = await world.client.enrich(people(300))

    failed, checks = moments(world, BULK)[nth - 1 :], moments(world, CHECK)
    assert isinstance(report.stopped_by, UnknownOutcomeError)
    assert 3 <= len(failed) <= 4
    assert unknown(report) == SIZE * len(failed)
    alone = failed[-2:] if nth > 1 else failed
    assert all(any(one < check < other for check in checks) for one, other in pairwise(alone))
    check_against_ledger(world, [result for result in report.results if result.status != "unknown"])


async def test_a_server_that_answers_nothing_is_not_sent_a_second_contact_more(world):
    world.sandbox.add_fault(Fault(BULK, nth=5, **OUTAGE))
    world.sandbox.add_fault(Fault(CHECK, **OUTAGE))

    report = await world.client.enrich(people(300))

    assert isinstance(report.stopped_by, APIConnectionError)
    assert "nothing was sent" in str(report.stopped_by)
    assert unknown(report) <= 2 * SIZE
    assert world.submits() <= 6
    never_sent = [result for result in report.results if result.status == "failed"]
    assert len(never_sent) == 300 - SIZE * world.submits()
    assert {result.billed for result in never_sent} == {"no"}


async def test_a_short_outage_costs_what_was_on_its_way_and_the_run_goes_on(world):
    faults = [Fault(BULK, nth=5, **OUTAGE), Fault(CHECK, **OUTAGE)]
    for fault in faults:
        world.sandbox.add_fault(fault)

    async def recover() -> None:
        await anyio.sleep(5)
        world.sandbox.clear_faults()

    async with anyio.create_task_group() as group:
        group.start_soon(recover)
        report = await world.client.enrich(people(300))

    assert report.stopped_by is None
    assert unknown(report) <= 2 * SIZE
    assert len(world.ledger.contacts) == 300 - unknown(report)
    check_against_ledger(world, [result for result in report.results if result.status != "unknown"])


@pytest.mark.parametrize("asked_s", [30, 90])
async def test_the_next_submit_waits_as_long_as_the_server_asks(world, asked_s):
    world.sandbox.add_fault(
        Fault(BULK, nth=2, status=503, body={"detail": "outage"}, headers=[("retry-after", str(asked_s))])
    )

    report = await world.client.enrich(people(200))

    after_it = [at for at in moments(world, BULK) if at > moments(world, BULK)[1] + 1]
    assert report.stopped_by is None
    assert min(after_it) - moments(world, BULK)[1] >= asked_s
    assert unknown(report) == SIZE


@pytest.mark.parametrize("reset", [True, False])
async def test_a_lost_answer_is_as_unclear_as_a_503(reset):
    async with open_world(client_options={"request_timeout_s": 5.0}) as world:
        lost = {"reset": True} if reset else {"delay_s": 60.0}
        world.sandbox.add_fault(Fault(BULK, nth=3, times=math.inf, when="after", **lost))
        report = await world.client.enrich(people(300))
        assert isinstance(report.stopped_by, UnknownOutcomeError)
        assert unknown(report) <= 4 * SIZE


@pytest.mark.parametrize(("answer_s", "most"), [(1.0, 4), (7.5, 4), (9.5, 5)])
async def test_no_more_submits_are_in_flight_than_the_rate_needs(world, answer_s, most):
    world.sandbox.add_fault(Fault(BULK, delay_s=answer_s, times=math.inf))

    report = await world.client.enrich(people(250))

    arrivals = moments(world, BULK)
    in_flight = [sum(at <= other < at + answer_s for other in arrivals) for at in arrivals]
    assert report.stopped_by is None
    assert max(in_flight) == most


async def test_a_slow_server_is_sent_as_much_as_the_rate_allows():
    """With answers of 50 s, 6 submits a minute need five in flight."""
    limits = RateLimits(key=6)
    async with open_world(limits=limits, key_limit=6) as world:
        world.sandbox.add_fault(Fault(BULK, delay_s=50.0, times=math.inf))
        await world.client.enrich(people(SIZE * 12))
        arrivals = moments(world, BULK)
    in_flight = [sum(at <= other < at + 50.0 for other in arrivals) for at in arrivals]
    assert max(in_flight) == 5


@pytest.mark.slow
async def test_callers_of_enrich_one_share_the_rule(world):
    world.sandbox.add_fault(Fault(BULK, **OUTAGE))
    contacts = people(40)

    async def ask(contact) -> CleanlistError | None:
        try:
            await world.client.enrich_one(contact)
        except CleanlistError as error:
            return error
        return None

    lost = await ask(contacts[0])
    world.sandbox.add_fault(Fault(CHECK, **OUTAGE))
    refused = await asyncio.gather(*map(ask, contacts[1:]))

    assert lost.billed == "unknown"
    assert {error.billed for error in refused} == {"no"}
    assert world.submits() == 1
    world.sandbox.clear_faults()
    assert [await ask(contact) for contact in contacts[1:]] == [None] * 39
    assert not world.ledger.duplicates()


@pytest.mark.parametrize("is_reachable", [True, False])
@pytest.mark.parametrize("target", ["a journal", "by name"])
async def test_a_job_keeps_to_the_rule(tmp_path, is_reachable, target):
    async with open_world(client_options={"store": tmp_path / "store.db"}) as world:
        world.sandbox.add_fault(Fault(BULK, nth=2, **OUTAGE))
        if not is_reachable:
            world.sandbox.add_fault(Fault(CHECK, **OUTAGE))
        is_journal = target == "a journal"
        name, size = (tmp_path / "run.journal", 250) if is_journal else ("crm", SIZE)

        async with await world.client.job(name, people(5 * size), enrichment_type="partial") as job:
            report = await job.run()

        sent, checks = moments(world, BULK)[1:], moments(world, CHECK)
        at_once = 1 if is_journal else facts.BURST_IN_FLIGHT  # by name, so many may be on their way
        most = at_once + 2 * is_reachable
        assert 1 <= len(sent) <= most
        assert sum(chunk.contacts for chunk in report.unknown) == size * len(sent)
        alone = sorted({round(at, 6) for at in sent})  # the others were on their way together
        assert all(any(one < check < other for check in checks) for one, other in pairwise(alone))
        assert not world.ledger.duplicates()

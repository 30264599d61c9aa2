"""What the error that ended a run says of the money that the whole run has spent."""

import math

import anyio
import pytest

from cleanlist_async import (
    AuthenticationError,
    BadRequestError,
    Budget,
    BudgetExceededError,
    CleanlistError,
    DeadlineExceededError,
    InsufficientCreditsError,
)
from cleanlist_async.sandbox import Fault
from tests.support.virtual_sandbox import people

BULK = "/enrich/bulk"
REFUSED = {"status": 400, "body": {"error": {"code": "invalid_filter", "message": "no"}}}


def said(error):
    return (error.billed, error.safe_to_retry)


def refuse_from_the_second_submit(world, status):
    world.sandbox.add_fault(Fault(BULK, nth=2, status=status, times=math.inf))


@pytest.mark.parametrize(("status", "kind"), [(402, InsufficientCreditsError), (401, AuthenticationError)])
async def test_after_a_purchase_the_error_that_stops_a_run_does_not_call_a_repetition_safe(
    world, status, kind
):
    refuse_from_the_second_submit(world, status)

    report = await world.client.enrich(people(600))

    assert isinstance(report.stopped_by, kind)
    assert said(report.stopped_by) == ("yes", False)
    with pytest.raises(kind) as raised:
        report.raise_for_error()
    assert said(raised.value) == ("yes", False)


async def test_a_top_up_and_the_failed_contacts_alone_buy_nothing_twice(world):
    world.sandbox.set_credits(300)
    given = people(600)

    first = await world.client.enrich(given)
    world.sandbox.set_credits(10_000)
    await world.client.enrich([result.contact for result in first.results if result.status == "failed"])

    assert not first.stopped_by.safe_to_retry
    assert not world.ledger.duplicates()
    assert len(world.ledger.contacts) == 600


async def test_a_stream_raises_what_the_run_has_spent(world):
    refuse_from_the_second_submit(world, 402)

    with pytest.raises(InsufficientCreditsError) as raised:
        async with world.client.stream(people(600)) as results:
            assert len([result async for result in results if result.status != "failed"]) == 250

    assert said(raised.value) == ("yes", False)


async def test_max_credits_that_stops_a_run_midway_says_what_it_has_spent(world):
    report = await world.client.enrich(people(300), max_credits=100)

    assert isinstance(report.stopped_by, BudgetExceededError)
    assert said(report.stopped_by) == ("yes", False)


@pytest.mark.world(workflow_s=1_000)
async def test_a_deadline_with_pending_contacts_leaves_open_what_they_cost(world):
    report = await world.client.with_options(deadline_s=60).enrich(people(3))

    assert isinstance(report.stopped_by, DeadlineExceededError)
    assert said(report.stopped_by) == ("unknown", False)
    assert "client.collect()" in str(report.stopped_by)


async def test_a_deadline_without_pending_contacts_does_not_speak_of_collect(world):
    async def never():
        await anyio.sleep_forever()
        yield people(1)[0]

    with pytest.raises(DeadlineExceededError) as raised:
        async with world.client.with_options(deadline_s=20).stream(never()) as results:
            _ = [result async for result in results]

    assert said(raised.value) == ("no", True)
    assert "collect" not in str(raised.value)


async def test_a_refusal_after_which_the_run_went_on_says_what_the_run_has_spent(world):
    world.sandbox.add_fault(Fault(BULK, nth=2, **REFUSED))

    report = await world.client.enrich(people(600))

    with pytest.raises(BadRequestError) as raised:
        report.raise_for_error()
    assert (report.stopped_by, said(raised.value)) == (None, ("yes", False))


async def test_before_a_purchase_a_repetition_is_safe(world):
    world.sandbox.add_fault(Fault(BULK, status=402))

    with pytest.raises(InsufficientCreditsError) as raised:
        await world.client.enrich(people(600))

    assert said(raised.value) == ("no", True)


@pytest.mark.world(with_store=True)
async def test_with_a_store_the_same_call_is_safe_and_buys_only_the_rest(world):
    world.sandbox.set_credits(300)

    first = await world.client.enrich(people(600))
    world.sandbox.set_credits(10_000)
    await world.client.enrich(people(600))

    assert said(first.stopped_by) == ("yes", True)
    assert not world.ledger.duplicates()


@pytest.mark.world(with_store=True)
@pytest.mark.parametrize("option", [{"fresh": True}, {"dedupe": "off"}])
async def test_a_call_that_buys_again_knowingly_is_not_safe_in_spite_of_a_store(world, option):
    refuse_from_the_second_submit(world, 402)

    report = await world.client.enrich(people(600), **option)

    assert said(report.stopped_by) == ("yes", False)


def test_what_is_remembered_survives_json():
    from pydantic import TypeAdapter

    error = InsufficientCreditsError("no", status=402, billed="yes")
    error.is_remembered = True

    again = TypeAdapter(CleanlistError).validate_json(TypeAdapter(CleanlistError).dump_json(error))

    assert said(again) == ("yes", True)


@pytest.mark.world(with_store=True)
async def test_the_figures_of_a_budget_error_include_what_the_run_itself_has_reserved(world):
    await world.client.budget.set(Budget(per_day=2))

    report = await world.client.enrich(people(30))

    assert isinstance(report.stopped_by, BudgetExceededError)
    assert len(world.ledger.contacts) == 2
    assert report.stopped_by.committed_credits == 2
    assert "2 are spent or reserved" in str(report.stopped_by)

"""The budget of a job: never passed by a credit, raised on resume, and what is unknown held against it."""

import pytest

from cleanlist_async import (
    BudgetExceededError,
    ConfigurationError,
    InsufficientCreditsError,
)
from cleanlist_async.sandbox import Fault
from tests.job.worlds import SUBMIT, Bench, open_world, people

BOTH_READINGS = pytest.mark.parametrize("half_full_price", ["each", "full"])
PRICE = {"partial": 1, "phone_only": 10, "full": 11}


@pytest.mark.slow
@BOTH_READINGS
@pytest.mark.parametrize("kind", PRICE)
@pytest.mark.parametrize("budget", [0, 1, 7, 11, 40, 77, 123])
async def test_the_budget_holds_to_the_credit_and_may_be_raised_on_resume(
    half_full_price, kind, budget, tmp_path
):
    async with open_world(half_full_price=half_full_price) as world:
        bench = Bench(world, tmp_path, people(40), enrichment_type=kind)
        report = await bench.run(max_credits=budget)
        assert world.ledger.credits_charged <= budget
        sent = len(world.ledger.contacts)
        left = budget - report.status.credits_spent
        if sent < 40:
            assert isinstance(report.stopped_by, BudgetExceededError)
            assert left < PRICE[kind], "another contact was covered"
        assert report.status.credits_held == 0
        again = await bench.run(max_credits=budget)
        assert len(world.ledger.contacts) == sent or again.status.credits_spent <= budget
        assert world.ledger.credits_charged <= budget
        assert (await bench.run(max_credits=None)).status.state == "complete"
        bench.check(unknown_at_most=0)


async def test_what_is_unknown_is_held_against_the_budget(world, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    report = await bench.run(max_credits=10)
    assert (report.status.credits_held, report.status.credits_at_risk) == (5, 5)
    assert isinstance(report.stopped_by, BudgetExceededError)
    assert world.ledger.credits_charged <= 10
    bench.check(unknown_at_most=1)


async def test_a_budget_for_prospecting_is_refused(world, tmp_path):
    with pytest.raises(ConfigurationError):
        await world.client.job(tmp_path / "j", people(1), enrichment_type="prospecting_only", max_credits=5)
    assert not (tmp_path / "j").exists()


@pytest.mark.slow
async def test_out_of_credits_pauses_and_goes_on_after_a_top_up(world, tmp_path):
    bench = Bench(world, tmp_path, people(40))
    world.sandbox.set_credits(12)
    report = await bench.run()
    assert isinstance(report.stopped_by, InsufficientCreditsError)
    assert report.status.state == "paused"
    world.sandbox.set_credits(1_000)
    assert (await bench.run()).status.state == "complete"
    bench.check(unknown_at_most=0)


async def test_the_budget_is_reached_beside_contacts_that_were_bought_before(world, tmp_path):
    known = [contact for place, contact in enumerate(people(20)) if place in {3, 12, 19}]
    await Bench(world, tmp_path, known).run(cache=tmp_path / "bought.db")
    bench = Bench(world, tmp_path, people(20), chunk=20)
    bench.path = tmp_path / "next.journal"
    report = await bench.run(cache=tmp_path / "bought.db", max_credits=10)
    assert report.status.max_credits - report.status.credits_spent < 1
    assert sum(report.status.results.values()) < 20
    done = await bench.run(cache=tmp_path / "bought.db")
    assert (done.status.state, sum(done.status.results.values())) == ("complete", 20)
    assert len(world.ledger.contacts) == 20

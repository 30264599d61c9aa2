"""A pilot: a sample of all kinds of contacts, bought once, and what it says of the whole."""

import secrets

import pytest

from cleanlist_async import (
    BudgetExceededError,
    ConfigurationError,
    Contact,
)
from cleanlist_async.job.pilot import wilson
from tests.job.worlds import Bench, people, query, total
from tests.support.cases import each_case

WILSON = {  # by R: prop.test(x, n, correct = FALSE)$conf.int
    (0, 10): (0.0, 0.2775),
    (5, 10): (0.2366, 0.7634),
    (10, 10): (0.7225, 1.0),
    (12, 15): (0.5481, 0.9295),
    (1, 100): (0.0018, 0.0545),
}


@each_case("case", WILSON)
def test_the_interval_of_a_share(case):
    assert wilson(*case) == pytest.approx(WILSON[case], abs=6e-4)


async def test_a_pilot_buys_each_kind_in_proportion_and_no_contact_twice(world, tmp_path, monkeypatch):
    # One sample in twenty lies outside its intervals, by what they mean; this one does not.
    monkeypatch.setattr(secrets, "token_bytes", bytes)
    given = [
        *(Contact(linkedin_url=f"https://www.linkedin.com/in/p-{i}") for i in range(60)),
        *people(30),
        *(Contact(first_name=f"A{i}", last_name=f"B{i}", company_name=f"F{i}") for i in range(10)),
    ]
    bench = Bench(world, tmp_path, given, chunk=20)
    async with await bench.open() as job:
        pilot = await job.pilot(20)
        places = sorted(row[0] for row in query(bench.path, "SELECT place FROM picked"))
        assert (pilot.contacts, len(places)) == (20, 20)
        assert (sum(p < 60 for p in places), sum(60 <= p < 90 for p in places)) == (12, 6)
        assert len(world.ledger.contacts) == 20
        assert pilot.credits == world.ledger.credits_charged
        low, high = pilot.hit_rate_interval
        assert low < pilot.hit_rate == pilot.found / 20 < high
        assert (await job.pilot(20)) == pilot
        assert len(world.ledger.contacts) == 20
        assert sorted(r.index for r in [r async for r in job]) == list(range(100))
        assert await total(job) == world.ledger.credits_charged
        low, high = pilot.expected_credits
        assert low <= world.ledger.credits_charged <= high
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize("n", [0, 251, -1])
async def test_a_pilot_has_a_size(world, n, tmp_path):
    async with await Bench(world, tmp_path, people(5)).open() as job:
        with pytest.raises(ConfigurationError):
            await job.pilot(n)


async def test_a_pilot_that_does_not_fit_into_one_import_can_be_asked_for_smaller(world, tmp_path):
    long = "x" * 1_900
    given = [Contact(first_name=f"A{i}", last_name="Yew", company_name=long) for i in range(90)]
    async with await Bench(world, tmp_path, given, chunk=30, submit_mode="exact").open() as job:
        with pytest.raises(ConfigurationError, match="smaller pilot"):
            await job.pilot(90)
        assert not world.ledger.contacts
        assert (await job.pilot(20)).contacts == 20
        assert (await job.pilot(10)).contacts == 20, "what was bought is the pilot"
        assert len(world.ledger.contacts) == 20


async def test_a_pilot_keeps_to_the_budget(world, tmp_path):
    async with await Bench(world, tmp_path, people(50)).open(max_credits=5) as job:
        with pytest.raises(BudgetExceededError):
            await job.pilot(15)
    assert not world.ledger.contacts

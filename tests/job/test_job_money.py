"""The wall of credits, receipts against the ledger, the pilot, and what is never bought twice."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from cleanlist_async import (
    BudgetExceededError,
    ConfigurationError,
    Contact,
    InsufficientCreditsError,
    UnknownOutcomeError,
)
from cleanlist_async.job.pilot import wilson
from cleanlist_async.sandbox import Fault, Shape
from tests.job.worlds import SUBMIT, Bench, in_world, people, query, states
from tests.support.cases import each_case

BOTH_READINGS = pytest.mark.parametrize("half_full_price", ["each", "full"])
PRICE = {"partial": 1, "phone_only": 10, "full": 11}


def mixed(count):
    """People by name, by profile, by company; a duplicate and an invalid one in every ten."""
    given = []
    for i in range(count):
        if i % 10 == 8:
            given.append(given[i - 5])
        elif i % 10 == 9:
            given.append(Contact(first_name=f"Lone{i}", key=f"k{i}"))
        elif i % 3 == 0:
            given.append(Contact(linkedin_url=f"https://www.linkedin.com/in/person-{i}-x", key=f"k{i}"))
        elif i % 3 == 1:
            given.append(
                Contact(first_name=f"Al{i}", last_name=f"Tur{i}", company_name=f"Firm {i}", key=f"k{i}")
            )
        else:
            given.append(Contact(first_name=f"Gr{i}", last_name=f"Hop{i}", company_domain=f"d{i}.example"))
    return given


def total(job):
    return math.fsum(receipt.credits for receipt in job.receipts())


# -- the wall --------------------------------------------------------------------------------------


@pytest.mark.slow
@BOTH_READINGS
@pytest.mark.parametrize("kind", PRICE)
@pytest.mark.parametrize("wall", [0, 1, 7, 11, 40, 77, 123])
def test_the_wall_holds_to_the_credit_and_moves_on_resume(half_full_price, kind, wall, tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, people(40), enrichment_type=kind)
        report = await bench.run(max_credits=wall)
        assert here.ledger.credits_charged <= wall
        sent = len(here.ledger.contacts)
        left = wall - report.status.credits_spent
        if sent < 40:
            assert isinstance(report.stopped_by, BudgetExceededError)
            assert left < PRICE[kind], "another contact was covered"
        assert report.status.credits_held == 0
        again = await bench.run(max_credits=wall)
        assert len(here.ledger.contacts) == sent or again.status.credits_spent <= wall
        assert here.ledger.credits_charged <= wall
        assert (await bench.run(max_credits=None)).status.state == "complete"
        bench.check(unknown_at_most=0)

    in_world(main, half_full_price=half_full_price)


def test_what_is_unknown_is_held_against_the_wall(tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, people(15))
        here.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        report = await bench.run(max_credits=10)
        assert (report.status.credits_held, report.status.credits_at_risk) == (5, 5)
        assert isinstance(report.stopped_by, BudgetExceededError)
        assert here.ledger.credits_charged <= 10
        bench.check(unknown_at_most=1)

    in_world(main)


def test_a_wall_of_prospecting_is_refused(tmp_path):
    async def main(here):
        with pytest.raises(ConfigurationError):
            await here.client.job(
                tmp_path / "j", people(1), enrichment_type="prospecting_only", max_credits=5
            )
        assert not (tmp_path / "j").exists()

    in_world(main)


def test_out_of_credits_pauses_and_goes_on_after_a_top_up(tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, people(40))
        here.sandbox.set_credits(12)
        report = await bench.run()
        assert isinstance(report.stopped_by, InsufficientCreditsError)
        assert report.status.state == "paused"
        here.sandbox.set_credits(1_000)
        assert (await bench.run()).status.state == "complete"
        bench.check(unknown_at_most=0)

    in_world(main)


def test_the_wall_is_reached_beside_contacts_that_were_bought_before(tmp_path):
    async def main(here):
        known = [contact for place, contact in enumerate(people(20)) if place in {3, 12, 19}]
        await Bench(here, tmp_path, known).run(cache=tmp_path / "bought.db")
        bench = Bench(here, tmp_path, people(20), chunk=20)
        bench.path = tmp_path / "next.journal"
        report = await bench.run(cache=tmp_path / "bought.db", max_credits=10)
        assert report.status.max_credits - report.status.credits_spent < 1
        assert sum(report.status.results.values()) < 20
        done = await bench.run(cache=tmp_path / "bought.db")
        assert (done.status.state, sum(done.status.results.values())) == ("complete", 20)
        assert len(here.ledger.contacts) == 20

    in_world(main)


# -- receipts --------------------------------------------------------------------------------------


@BOTH_READINGS
@pytest.mark.parametrize("kind", PRICE)
@pytest.mark.parametrize("mode", ["plain", "exact"])
def test_receipts_come_to_what_the_server_took(half_full_price, kind, mode, tmp_path):
    async def main(here):
        reading = {"half_full_price": half_full_price} if mode == "plain" else {}
        options = {"enrichment_type": kind, "submit_mode": mode, **reading}
        bench = Bench(here, tmp_path, mixed(60), chunk=10, **options)
        await bench.run()
        async with await bench.open() as job:
            receipts = list(job.receipts())
            assert total(job) == here.ledger.credits_charged
            assert job.status().credits_spent == total(job)
        assert [receipt.place for receipt in receipts] == list(range(60))
        assert [receipt.key for receipt in receipts] == [contact.key for contact in bench.contacts]
        rules = Counter(receipt.rule for receipt in receipts)
        assert rules["duplicate"] == 6
        assert all(receipt.workflow_id for receipt in receipts if receipt.status in {"found", "not_found"})
        assert sum(receipt.status == "invalid" for receipt in receipts) == 6
        bench.check(unknown_at_most=0)

    in_world(main, half_full_price=half_full_price)


def test_receipts_of_an_unfinished_job_name_the_state_and_cost_nothing(tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, people(15))
        here.sandbox.add_fault(Fault(SUBMIT, status=402, nth=2))
        await bench.run()
        async with await bench.open() as job:
            found = [(receipt.status, receipt.rule) for receipt in job.receipts()][5:]
        assert found == [("planned", "none")] * 10

    in_world(main)


def test_a_failed_workflow_costs_nothing_and_is_told(tmp_path):
    from cleanlist_async.sandbox import Shape

    async def main(here):
        bench = Bench(here, tmp_path, people(10))
        results = await bench.results()
        assert {result.status for result in results} == {"failed"}
        assert states(bench.path) == ["remote_failed"] * 2
        async with await bench.open() as job:
            assert total(job) == here.ledger.credits_charged == 0
        bench.check(unknown_at_most=0)

    in_world(main, shape=Shape(failed_workflows=1.0))


# -- duplicates, invalid, refused by name --------------------------------------------------------


def test_duplicates_are_bought_once_and_invalid_ones_not_at_all(tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, mixed(40))
        results = {result.index: result for result in await bench.results()}
        assert sorted(results) == list(range(40))
        for i in range(8, 40, 10):
            assert results[i].duplicate_of == i - 5
            assert (results[i].email, results[i].credits) == (results[i - 5].email, 0)
            assert results[i + 1].status == "invalid"
        assert len(here.ledger.contacts) == 32
        bench.check(unknown_at_most=0)

    in_world(main)


def test_contacts_that_a_422_names_are_set_aside_and_the_others_sent(tmp_path):
    wrong = {
        "detail": [{"loc": ["body", "contacts", i, "first_name"], "msg": "no", "type": "x"} for i in (1, 3)]
    }

    async def main(here):
        bench = Bench(here, tmp_path, people(10))
        here.sandbox.add_fault(Fault(SUBMIT, status=422, body=wrong))
        results = {result.index: result for result in await bench.results()}
        assert [i for i in results if results[i].status == "invalid"] == [1, 3]
        assert len(here.ledger.contacts) == 8
        assert sorted(r.index for r in await bench.results()) == list(range(10))
        bench.check(unknown_at_most=0)

    in_world(main)


def test_a_422_that_names_nobody_is_a_refusal(tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, people(10))
        here.sandbox.add_fault(Fault(SUBMIT, status=422, body={"detail": [{"loc": ["body"], "msg": "no"}]}))
        await bench.run()
        assert states(bench.path) == ["refused", "done"]

    in_world(main)


@pytest.mark.parametrize("times", [1, 2])
def test_a_413_in_the_middle_splits_and_no_contact_changes_its_chunk(times, tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, people(24), chunk=8)
        here.sandbox.add_fault(Fault(SUBMIT, status=413, nth=2, times=times))
        report = await bench.run()
        assert report.status.state == "complete"
        assert len(states(bench.path)) == 3 + times
        assert sorted(r.index for r in await bench.results()) == list(range(24))
        bench.check(unknown_at_most=0)

    in_world(main)


# -- pilot -----------------------------------------------------------------------------------------

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


def test_a_pilot_buys_each_kind_in_proportion_and_nobody_twice(tmp_path):
    async def main(here):
        given = [
            *(Contact(linkedin_url=f"https://www.linkedin.com/in/p-{i}") for i in range(60)),
            *people(30),
            *(Contact(first_name=f"A{i}", last_name=f"B{i}", company_name=f"F{i}") for i in range(10)),
        ]
        bench = Bench(here, tmp_path, given, chunk=20)
        async with await bench.open() as job:
            pilot = await job.pilot(20)
            places = sorted(row[0] for row in query(bench.path, "SELECT place FROM picked"))
            assert (pilot.contacts, len(places)) == (20, 20)
            assert (sum(p < 60 for p in places), sum(60 <= p < 90 for p in places)) == (12, 6)
            assert len(here.ledger.contacts) == 20
            assert pilot.credits == here.ledger.credits_charged
            low, high = pilot.hit_rate_interval
            assert low < pilot.hit_rate == pilot.found / 20 < high
            assert (await job.pilot(20)) == pilot
            assert len(here.ledger.contacts) == 20
            assert sorted(r.index for r in [r async for r in job]) == list(range(100))
            assert total(job) == here.ledger.credits_charged
            low, high = pilot.expected_credits
            assert low <= here.ledger.credits_charged <= high
        bench.check(unknown_at_most=0)

    in_world(main)


@pytest.mark.parametrize("n", [0, 251, -1])
def test_a_pilot_has_a_size(n, tmp_path):
    async def main(here):
        async with await Bench(here, tmp_path, people(5)).open() as job:
            with pytest.raises(ConfigurationError):
                await job.pilot(n)

    in_world(main)


def test_a_pilot_that_does_not_fit_into_one_import_can_be_asked_for_smaller(tmp_path):
    async def main(here):
        long = "x" * 1_900
        given = [Contact(first_name=f"A{i}", last_name=long, company_domain="a.example") for i in range(90)]
        async with await Bench(here, tmp_path, given, chunk=30, submit_mode="exact").open() as job:
            with pytest.raises(ConfigurationError, match="smaller pilot"):
                await job.pilot(90)
            assert not here.ledger.contacts
            assert (await job.pilot(20)).contacts == 20
            assert (await job.pilot(10)).contacts == 20, "what was bought is the pilot"
            assert len(here.ledger.contacts) == 20

    in_world(main)


def test_a_pilot_keeps_to_the_wall(tmp_path):
    async def main(here):
        async with await Bench(here, tmp_path, people(50)).open(max_credits=5) as job:
            with pytest.raises(BudgetExceededError):
                await job.pilot(15)
        assert not here.ledger.contacts

    in_world(main)


# -- the cache of results --------------------------------------------------------------------------


def test_what_was_bought_is_not_bought_again(tmp_path, monkeypatch):
    async def main(here):
        cache = tmp_path / "results.cache"
        first = Bench(here, tmp_path, people(20), cache=cache)
        bought = {r.contact: r for r in await first.results()}
        spent, submits = here.ledger.credits_charged, here.submits()
        (tmp_path / "2").mkdir()
        second = Bench(here, tmp_path / "2", people(30, 10), cache=cache)
        found = {r.contact: r for r in await second.results()}
        assert len(here.ledger.contacts) == 40
        for contact in people(10, 10):
            old, new = bought[contact], found[contact]
            assert (new.email, new.status, new.credits) == (old.email, old.status, 0)
        async with await second.open() as job:
            rules = Counter(r.rule for r in job.receipts())
            assert rules["cache"] == 10
            assert total(job) == here.ledger.credits_charged - spent
            assert here.submits() == submits + 4
        assert not here.ledger.duplicates()
        assert second.path.exists()

        (tmp_path / "3").mkdir()
        other = Bench(here, tmp_path / "3", people(5), cache=cache, enrichment_type="full")
        assert {r.rule for r in await _receipts(other)} <= {"charged", "price list", "none"}

        now = __import__("time").time()
        monkeypatch.setattr("cleanlist_async.job.cache.time.time", lambda: now + 3 * 86_400)
        (tmp_path / "4").mkdir()
        late = Bench(here, tmp_path / "4", people(5), cache=cache, cache_ttl_s=2 * 86_400.0)
        assert "cache" not in {r.rule for r in await _receipts(late)}

    in_world(main)


async def _receipts(bench):
    await bench.run()
    async with await bench.open() as job:
        return list(job.receipts())


def test_a_cache_tells_nothing_of_whom_and_purge_empties_it(tmp_path):
    async def main(here):
        cache = tmp_path / "results.cache"
        bench = Bench(here, tmp_path, people(20), cache=cache)
        results = await bench.results()
        data = cache.read_bytes()
        assert cache.stat().st_mode & 0o777 == 0o600
        assert here.sandbox.api_key.encode() not in data
        assert b"Lovelace" not in data.replace(b"lovelace", b"")
        assert any(r.email and r.email.encode() in data for r in results)
        async with await bench.open() as job:
            job.purge()
        data = cache.read_bytes()
        assert not any(r.email and r.email.encode() in data for r in results)

    in_world(main)


def test_a_cached_chunk_sends_nothing_at_all(tmp_path):
    async def main(here):
        cache = tmp_path / "results.cache"
        await Bench(here, tmp_path, people(20), cache=cache).run()
        requests = len(here.ledger.requests)
        (tmp_path / "2").mkdir()
        bench = Bench(here, tmp_path / "2", people(20), cache=cache)
        results = await bench.results()
        assert len(here.ledger.requests) == requests
        assert sorted(r.index for r in results) == list(range(20))
        assert states(bench.path) == ["done"] * 4
        async with await bench.open(max_credits=0) as job:
            assert job.verify() == []

    in_world(main)


def test_a_pilot_counts_only_what_is_settled(tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, people(40))
        async with await bench.open() as job:
            pilot = await job.pilot(20)
            results = job.status().results
        assert results["pending"] > 0
        assert pilot.contacts == sum(results.values()) - results["pending"]
        assert pilot.hit_rate == results["found"] / pilot.contacts

    in_world(main, shape=Shape(unfinished_rows=0.5, unfinished_s=6_000))


def test_a_pilot_whose_outcome_is_unknown_says_so(tmp_path):
    async def main(here):
        bench = Bench(here, tmp_path, people(40))
        here.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        async with await bench.open() as job:
            for _ in range(2):
                with pytest.raises(UnknownOutcomeError, match="resolve"):
                    await job.pilot(5)
            job.resolve(job.unknown()[0].number, accepted=here.ledger.contacts[0].workflow_id)
            assert (await job.pilot(5)).contacts == 5
        assert here.submits() == 1

    in_world(main)

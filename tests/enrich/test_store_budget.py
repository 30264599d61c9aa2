"""The budget in a store: it holds for every client of the organization, before a byte of a call leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import (
    Budget,
    BudgetExceededError,
    ConfigurationError,
    Contact,
    InsufficientCreditsError,
    SpendingPausedError,
    UnknownOutcomeError,
    facts,
)
from cleanlist_async.sandbox import Fault, Shape
from cleanlist_async.storage.store.sqlite import DIALECT
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.support.stores import FaultyStore
from tests.support.virtual_sandbox import KEY, in_world, people

SUBMIT = "/enrich/bulk"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def with_store(main, path, **options):
    """Run ``main(world)``, whose client has the store."""
    return in_world(main, client_options={"store": path}, **options)


def another_client(here, path):
    limiter = here.client._runtime.pipeline.limiter
    return VirtualCleanlist(here.network, KEY, limiter=limiter, store=path)


async def committed(client) -> float:
    return (await client.budget.show()).day.committed


async def lines(client, *events):
    return [line async for line in client.store.audit() if line.event in events]


# -- the limits --------------------------------------------------------------------------------------


def test_a_chunk_shrinks_to_what_the_day_still_covers_and_the_run_stops(path):
    async def main(here):
        await here.client.budget.set(Budget(per_day=300))
        report = await here.client.enrich(people(600))
        return here, report, await committed(here.client)

    here, report, left = with_store(main, path, hit_rate=1.0)

    assert here.ledger.credits_charged == left == 300
    assert report.summary.statuses == {"found": 300, "failed": 300}
    assert isinstance(report.stopped_by, BudgetExceededError)
    assert report.stopped_by.period == "day"


def test_what_is_not_found_gives_its_reservation_back(path):
    async def main(here):
        await here.client.budget.set(Budget(per_day=300))
        await here.client.enrich(people(250))
        freed = await committed(here.client)
        await here.client.enrich(people(250, start=250))
        return here, freed, await committed(here.client)

    here, freed, left = with_store(main, path, hit_rate=0.0)

    assert (freed, left, here.ledger.credits_charged, len(here.ledger.contacts)) == (0, 0, 0, 500)


def test_the_month_holds_where_the_day_has_no_limit(path):
    async def main(here):
        await here.client.budget.set(Budget(per_month=10))
        with pytest.raises(BudgetExceededError) as caught:
            await here.client.enrich(people(1), enrichment_type="full")
        return here, caught.value

    here, error = with_store(main, path)

    assert (error.period, error.max_credits, error.committed_credits) == ("month", 10, 0)
    assert not here.ledger.contacts


def test_the_next_day_counts_anew(path, monkeypatch):
    def turn_the_clock_to(day: int) -> None:
        now = datetime(2026, 11, day, 12, tzinfo=UTC).timestamp()
        monkeypatch.setattr("cleanlist_async.storage.store.sqlite.DIALECT", replace(DIALECT, now=f"{now}"))

    async def main(here):
        turn_the_clock_to(28)
        await here.client.budget.set(Budget(per_day=10, per_month=15))
        await here.client.enrich(people(10))
        with pytest.raises(BudgetExceededError, match="10 credits a day"):
            await here.client.enrich(people(1, start=10))
        turn_the_clock_to(29)
        report = await here.client.enrich(people(10, start=20))
        return here, report

    here, report = with_store(main, path, hit_rate=1.0)

    assert "15 credits a month" in str(report.stopped_by)
    assert here.ledger.credits_charged == 15


def test_two_clients_of_one_store_share_the_budget(path):
    async def main(here):
        async with another_client(here, path) as other:
            await here.client.budget.set(Budget(per_day=20))
            await here.client.enrich(people(15))
            report = await other.enrich(people(15, start=100))
            return here, report

    here, report = with_store(main, path, hit_rate=1.0)

    assert here.ledger.credits_charged == 20
    assert report.summary.statuses == {"found": 5, "failed": 10}


def test_what_is_known_already_costs_nothing_of_a_budget_that_is_used_up(path):
    async def main(here):
        await here.client.enrich(people(5))
        await here.client.budget.set(Budget(per_day=0))
        return await here.client.enrich(people(5))

    report = with_store(main, path)

    assert report.stopped_by is None


def test_a_price_that_nothing_bounds_is_refused_while_there_is_a_budget(path):
    async def main(here):
        await here.client.enrich(people(1), enrichment_type="prospecting_only")
        await here.client.budget.set(Budget(per_month=1_000_000))
        with pytest.raises(BudgetExceededError, match="cannot bound it"):
            await here.client.enrich(people(1, start=1), enrichment_type="prospecting_only")
        with pytest.raises(BudgetExceededError, match="cannot bound it"):
            await here.client.request("POST", "/api/v2/lead-lists", json={"name": "a"})
        return await here.client.request("POST", "/api/v2/lead-lists", json={"name": "a"}, max_credits=0)

    assert with_store(main, path)["name"] == "a"


def test_a_budget_without_limits_removes_them(path):
    async def main(here):
        await here.client.budget.set(Budget(per_day=0))
        await here.client.budget.set(Budget())
        return await here.client.enrich(people(3))

    assert with_store(main, path).stopped_by is None


def test_a_client_without_a_store_has_no_budget():
    async def main(here):
        with pytest.raises(ConfigurationError, match="none"):
            await here.client.budget.show()

    in_world(main)


# -- what comes back ---------------------------------------------------------------------------------


def test_a_refusal_gives_everything_back(path):
    async def main(here):
        with pytest.raises(Exception, match="credits"):
            await here.client.enrich(people(5))
        return await committed(here.client)

    assert with_store(main, path, credits=0) == 0


def test_a_429_reserves_nothing_twice(path):
    async def main(here):
        await here.client.budget.set(Budget(per_day=5))
        report = await here.client.enrich(people(5))
        return report, await lines(here.client, "reserved")

    report, reserved = with_store(main, path, faults=[Fault(SUBMIT, status=429, times=2)])

    assert report.stopped_by is None
    assert [line.reserved for line in reserved] == [5, 5, 5]


def test_an_unknown_outcome_stays_reserved_until_it_is_decided(path):
    async def main(here):
        with pytest.raises(UnknownOutcomeError):
            await here.client.public.submit_bulk(people(5))
        held = await committed(here.client)
        (unknown,) = await lines(here.client, "unknown")
        await here.client.store.resolve(unknown.submission, absent=True, actor="ada")
        return held, await committed(here.client)

    assert with_store(main, path, faults=[Fault(SUBMIT, status=500)]) == (5, 0)


def test_a_workflow_that_the_server_ended_unfinished_costs_nothing(path):
    async def main(here):
        await here.client.enrich(people(5))
        return await committed(here.client)

    assert with_store(main, path, shape=Shape(failed_workflows=1.0)) == 0


def test_what_is_pending_stays_reserved_and_is_settled_by_whoever_collects_it(path):
    async def main(here):
        report = await here.client.with_options(deadline_s=3).enrich(people(5))
        assert len(report.pending) == 5
        held = await committed(here.client)
        await here.client.aclose()
        async with another_client(here, path) as heir:
            await heir.enrich(people(5))
            return here, held, await committed(heir)

    here, held, left = with_store(main, path, workflow_s=60.0)

    assert held == 5
    assert left == here.ledger.credits_charged


# -- the modern and raw calls ------------------------------------------------------------------------


def test_one_person_is_settled_when_its_workflow_is_finished(path):
    async def main(here):
        made = await here.client.lead_lists.create_list("a list")
        started = await here.client.enrichment.enrich_person(
            made.list_id, email="ada@a.example", enrichment_type="full"
        )
        held = await committed(here.client)
        await here.client.enrichment.wait(started)
        await here.client.enrichment.wait(started)
        return here, held, await committed(here.client)

    here, held, left = with_store(main, path)

    assert held == 11
    assert left == here.ledger.credits_charged


def test_a_company_is_settled_by_its_answer(path):
    async def main(here):
        await here.client.enrichment.enrich_company(domain="a.example")
        return here, await committed(here.client), await lines(here.client, "reserved", "settled")

    here, left, (reserved, settled) = with_store(main, path)

    assert left == settled.credits == here.ledger.credits_charged
    assert (reserved.door, reserved.reserved) == ("enrich_company", 1)


def test_an_import_reserves_a_row_for_each_line(path):
    async def main(here):
        made = await here.client.lead_lists.create_list("a list")
        await here.client.lead_lists.import_csv(made.list_id, b"email\na@a.example\n")
        await here.client.lead_lists.import_csv(
            made.list_id,
            b"email\nb@a.example\nc@a.example\n",
            dispatch_enrichment=True,
            enrichment_type="phone_only",
            max_credits=20,
        )
        return await lines(here.client, "reserved")

    (reserved,) = with_store(main, path)

    assert (reserved.door, reserved.contacts, reserved.reserved) == ("csv_import", 2, 20)


def test_a_refusal_after_a_lost_attempt_gives_nothing_back(path):
    async def main(here):
        made = await here.client.lead_lists.create_list("a list")
        await here.client.lead_lists.import_csv(made.list_id, b"email\na@a.example\nb@a.example\n")
        with pytest.raises(UnknownOutcomeError):
            await here.client.enrichment.enrich_list(made.list_id, max_credits=2)
        events = [line.event async for line in here.client.store.audit()]
        return events, await committed(here.client)

    faults = [
        Fault("*/enrichment/bulk", when="after", status=500),
        Fault("*/enrichment/bulk", nth=2, status=404),
    ]

    assert with_store(main, path, faults=faults) == (["reserved", "submit", "unknown"], 2)


# -- the pause ---------------------------------------------------------------------------------------


def test_a_pause_stops_every_client_at_once_until_spending_is_resumed(path):
    async def main(here):
        async with another_client(here, path) as other:
            await here.client.enrich(people(1))
            await other.budget.pause("a bug in the importer", actor="ada")
            with pytest.raises(SpendingPausedError, match=r"by ada since .*: a bug in the importer"):
                await here.client.enrich(people(1, start=1))
            assert (await here.client.budget.show()).pause.actor == "ada"
            await other.budget.resume(actor="bob")
            await here.client.enrich(people(1, start=1))
            assert (await here.client.budget.show()).pause is None
            return here, await lines(other, "paused", "resumed")

    here, (paused, resumed) = with_store(main, path)

    assert len(here.ledger.contacts) == 2
    assert (paused.actor, paused.reason, resumed.actor) == ("ada", "a bug in the importer", "bob")


def test_a_pause_in_the_middle_of_a_run_keeps_what_was_bought(path):
    async def main(here):
        async def source():
            for contact in people(500):
                yield contact
            await anyio.sleep(30)
            await here.client.budget.pause("enough")
            for contact in people(500, start=500):
                yield contact

        statuses: Counter[str] = Counter()
        async with here.client.stream(source()) as stream:
            with pytest.raises(SpendingPausedError):
                async for result in stream:
                    statuses[result.status] += 1
        return here, statuses

    here, statuses = with_store(main, path, hit_rate=1.0)

    assert len(here.ledger.contacts) == statuses["found"] == 500


def test_a_pause_costs_no_read(path):
    async def main(here):
        await here.client.budget.pause("enough")
        return await here.client.public.credits_balance()

    assert with_store(main, path).credits


# -- a store that fails ------------------------------------------------------------------------------

ANY_FAILURE = pytest.mark.parametrize("how", ["failing", "losing"])


def with_faulty_store(main, path, **options):
    return in_world(main, client_options={"store": FaultyStore(path)}, **options)


@ANY_FAILURE
def test_the_cost_of_a_call_that_the_store_did_not_take_is_recorded_later_and_once(path, how):
    async def main(here):
        setattr(here.client.store, how, {"accept_call"})
        await here.client.enrichment.enrich_company(domain="a.example")
        setattr(here.client.store, how, set())
        await here.client.enrichment.enrich_company(domain="b.example")
        return here, await committed(here.client), await lines(here.client, "settled")

    here, left, settled = with_faulty_store(main, path)

    assert left == sum(line.credits for line in settled) == here.ledger.credits_charged
    assert len(settled) == 2


@ANY_FAILURE
def test_the_cost_of_a_workflow_that_the_store_did_not_take_is_recorded_later_and_once(path, how):
    async def main(here):
        made = await here.client.lead_lists.create_list("a list")
        started = await here.client.enrichment.enrich_person(
            made.list_id, email="ada@a.example", enrichment_type="full"
        )
        setattr(here.client.store, how, {"settle_workflow"})
        await here.client.enrichment.wait(started)
        setattr(here.client.store, how, set())
        await here.client.enrichment.wait(started)
        return here, await committed(here.client)

    here, left = with_faulty_store(main, path)

    assert left == here.ledger.credits_charged < 11


@ANY_FAILURE
def test_a_refusal_that_the_store_did_not_take_gives_back_later_and_once(path, how):
    async def main(here):
        await here.client.enrich(people(1))
        setattr(here.client.store, how, {"close"})
        with pytest.raises(InsufficientCreditsError):
            await here.client.public.submit_bulk(people(5, start=1))
        setattr(here.client.store, how, set())
        await here.client.enrich(people(1))
        return await committed(here.client), await lines(here.client, "refused")

    left, refused = with_faulty_store(main, path, credits=1, hit_rate=1.0)

    assert (left, len(refused)) == (1, 1)


@ANY_FAILURE
def test_results_bought_anew_that_the_store_did_not_take_count_later_and_once(path, how):
    async def main(here):
        setattr(here.client.store, how, {"settle"})
        await here.client.enrich(people(5), fresh=True)
        setattr(here.client.store, how, set())
        await here.client.enrich(people(5))
        return here, await committed(here.client), await lines(here.client, "settled")

    here, left, settled = with_faulty_store(main, path, hit_rate=0.5)

    assert left == sum(line.credits for line in settled) == here.ledger.credits_charged
    assert len(settled) == 1


# -- the audit trail ---------------------------------------------------------------------------------

SHAPES = st.builds(
    Shape,
    row=st.sampled_from(["flat", "nested"]),
    shuffle_ids=st.booleans(),
    shuffle_rows=st.booleans(),
    merge_duplicates=st.booleans(),
    omit_rows=st.sampled_from([0.0, 0.3]),
    unfinished_rows=st.sampled_from([0.0, 0.3]),
    unfinished_s=st.just(30.0),
    failed_workflows=st.sampled_from([0.0, 0.5]),
)


@settings(max_examples=15, deadline=None)
@given(
    shape=SHAPES,
    enrichment_type=st.sampled_from(["partial", "phone_only", "full"]),
    dedupe=st.sampled_from(["all", "off"]),
    numbers=st.lists(st.integers(0, 12), min_size=1, max_size=25),
    faults=st.sampled_from([[], [Fault(SUBMIT, status=429, times=1)]]),
)
def test_the_audit_trail_and_the_budget_add_up_to_the_ledger(
    tmp_path_factory, shape, enrichment_type, dedupe, numbers, faults
):
    path = tmp_path_factory.mktemp("store") / "store.db"
    contacts = [Contact(linkedin_url=f"linkedin.com/in/ada-{number}") for number in numbers]

    async def main(here):
        report = await here.client.enrich(contacts, enrichment_type=enrichment_type, dedupe=dedupe)
        settled = await lines(here.client, "settled")
        return here, report, settled, await committed(here.client)

    here, report, settled, left = with_store(
        main, path, shape=shape, faults=faults, half_full_price="full", seed=len(numbers)
    )

    pending = [result for result in report.pending if result.duplicate_of is None]
    spent = sum(line.credits for line in settled)
    assert spent == report.summary.credits
    assert spent <= here.ledger.credits_charged <= left
    if dedupe == "all":  # else contacts may share a row, and it is not known whether they are billed apart
        assert left == spent + facts.WORST_CASE_CREDITS[enrichment_type] * len(pending)
        if not report.pending:
            assert spent == here.ledger.credits_charged

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
from tests.support.stores import FaultyStore, another_client
from tests.support.virtual_sandbox import open_world, people

pytestmark = pytest.mark.world(with_store=True)

SUBMIT = "/enrich/bulk"


def counts(report):
    return Counter(result.status for result in report.results)


async def committed(client) -> float:
    return (await client.budget.show()).day.committed


async def lines(client, *events):
    return [line async for line in client.store.audit() if line.event in events]


# -- the limits --------------------------------------------------------------------------------------


@pytest.mark.world(hit_rate=1.0)
async def test_a_chunk_shrinks_to_what_the_day_still_covers_and_the_run_stops(world):
    await world.client.budget.set(Budget(per_day=300))
    report = await world.client.enrich(people(600))
    left = await committed(world.client)

    assert world.ledger.credits_charged == left == 300
    assert counts(report) == {"found": 300, "failed": 300}
    assert isinstance(report.stopped_by, BudgetExceededError)
    assert report.stopped_by.period == "day"


@pytest.mark.world(hit_rate=0.0)
async def test_what_is_not_found_gives_its_reservation_back(world):
    await world.client.budget.set(Budget(per_day=300))
    await world.client.enrich(people(250))
    freed = await committed(world.client)
    await world.client.enrich(people(250, start=250))
    left = await committed(world.client)

    assert (freed, left, world.ledger.credits_charged, len(world.ledger.contacts)) == (0, 0, 0, 500)


async def test_the_month_holds_where_the_day_has_no_limit(world):
    await world.client.budget.set(Budget(per_month=10))
    with pytest.raises(BudgetExceededError) as caught:
        await world.client.enrich(people(1), enrichment_type="full")
    error = caught.value

    assert (error.period, error.max_credits, error.committed_credits) == ("month", 10, 0)
    assert not world.ledger.contacts


@pytest.mark.world(hit_rate=1.0)
async def test_the_next_day_counts_anew(world, monkeypatch):
    def turn_the_clock_to(day: int) -> None:
        now = datetime(2026, 11, day, 12, tzinfo=UTC).timestamp()
        monkeypatch.setattr("cleanlist_async.storage.store.sqlite.DIALECT", replace(DIALECT, now=f"{now}"))

    turn_the_clock_to(28)
    await world.client.budget.set(Budget(per_day=10, per_month=15))
    await world.client.enrich(people(10))
    with pytest.raises(BudgetExceededError, match="10 credits a day"):
        await world.client.enrich(people(1, start=10))
    turn_the_clock_to(29)
    report = await world.client.enrich(people(10, start=20))

    assert "15 credits a month" in str(report.stopped_by)
    assert world.ledger.credits_charged == 15


@pytest.mark.world(hit_rate=1.0)
async def test_two_clients_of_one_store_share_the_budget(world, store_path):
    async with another_client(world, store_path) as other:
        await world.client.budget.set(Budget(per_day=20))
        await world.client.enrich(people(15))
        report = await other.enrich(people(15, start=100))

    assert world.ledger.credits_charged == 20
    assert counts(report) == {"found": 5, "failed": 10}


async def test_what_is_known_already_costs_nothing_of_a_budget_that_is_used_up(world):
    await world.client.enrich(people(5))
    await world.client.budget.set(Budget(per_day=0))
    report = await world.client.enrich(people(5))

    assert report.stopped_by is None


async def test_a_price_that_nothing_bounds_is_refused_while_there_is_a_budget(world):
    await world.client.enrich(people(1), enrichment_type="prospecting_only")
    await world.client.budget.set(Budget(per_month=1_000_000))
    with pytest.raises(BudgetExceededError, match="cannot bound it"):
        await world.client.enrich(people(1, start=1), enrichment_type="prospecting_only")
    with pytest.raises(BudgetExceededError, match="cannot bound it"):
        await world.client.request("POST", "/api/v2/lead-lists", json={"name": "a"})
    assert (await world.client.request("POST", "/api/v2/lead-lists", json={"name": "a"}, max_credits=0))[
        "name"
    ] == "a"


async def test_a_budget_without_limits_removes_them(world):
    await world.client.budget.set(Budget(per_day=0))
    await world.client.budget.set(Budget())
    assert (await world.client.enrich(people(3))).stopped_by is None


@pytest.mark.world(with_store=False)
async def test_a_client_without_a_store_has_no_budget(world):
    with pytest.raises(ConfigurationError, match="none"):
        await world.client.budget.show()


# -- what comes back ---------------------------------------------------------------------------------


@pytest.mark.world(credits=0)
async def test_a_refusal_gives_everything_back(world):
    with pytest.raises(Exception, match="credits"):
        await world.client.enrich(people(5))
    assert (await committed(world.client)) == 0


@pytest.mark.world(faults=[Fault(SUBMIT, status=429, times=2)])
async def test_a_429_reserves_nothing_twice(world):
    await world.client.budget.set(Budget(per_day=5))
    report = await world.client.enrich(people(5))
    reserved = await lines(world.client, "reserved")

    assert report.stopped_by is None
    assert [line.reserved for line in reserved] == [5, 5, 5]


@pytest.mark.world(faults=[Fault(SUBMIT, status=500)])
async def test_an_unknown_outcome_stays_reserved_until_it_is_decided(world):
    with pytest.raises(UnknownOutcomeError):
        await world.client.public.submit_bulk(people(5))
    held = await committed(world.client)
    (unknown,) = await lines(world.client, "unknown")
    await world.client.store.resolve(unknown.submission, absent=True, actor="ada")
    assert (held, await committed(world.client)) == (5, 0)


@pytest.mark.world(shape=Shape(failed_workflows=1.0))
async def test_a_workflow_that_the_server_ended_unfinished_costs_nothing(world):
    await world.client.enrich(people(5))
    assert (await committed(world.client)) == 0


@pytest.mark.world(workflow_s=60.0)
async def test_what_is_pending_stays_reserved_and_is_settled_by_whoever_collects_it(world, store_path):
    report = await world.client.with_options(deadline_s=3).enrich(people(5))
    assert len(report.pending) == 5
    held = await committed(world.client)
    await world.client.aclose()
    async with another_client(world, store_path) as heir:
        await heir.enrich(people(5))
        left = await committed(heir)

    assert held == 5
    assert left == world.ledger.credits_charged


# -- the modern and raw calls ------------------------------------------------------------------------


async def test_one_person_is_settled_when_its_workflow_is_finished(world):
    made = await world.client.lead_lists.create_list("a list")
    started = await world.client.enrichment.enrich_person(
        made.list_id, email="ada@a.example", enrichment_type="full"
    )
    held = await committed(world.client)
    await world.client.enrichment.wait(started)
    await world.client.enrichment.wait(started)
    left = await committed(world.client)

    assert held == 11
    assert left == world.ledger.credits_charged


async def test_a_company_is_settled_by_its_answer(world):
    await world.client.enrichment.enrich_company(domain="a.example")
    left, (reserved, settled) = (
        await committed(world.client),
        await lines(world.client, "reserved", "settled"),
    )

    assert left == settled.credits == world.ledger.credits_charged
    assert (reserved.door, reserved.reserved) == ("enrich_company", 1)


async def test_an_import_reserves_a_row_for_each_line(world):
    made = await world.client.lead_lists.create_list("a list")
    await world.client.lead_lists.import_csv(made.list_id, b"email\na@a.example\n")
    await world.client.lead_lists.import_csv(
        made.list_id,
        b"email\nb@a.example\nc@a.example\n",
        dispatch_enrichment=True,
        enrichment_type="phone_only",
        max_credits=20,
    )
    (reserved,) = await lines(world.client, "reserved")

    assert (reserved.door, reserved.contacts, reserved.reserved) == ("csv_import", 2, 20)


async def test_a_refusal_after_a_lost_attempt_gives_nothing_back(store_path):
    faults = [
        Fault("*/enrichment/bulk", when="after", status=500),
        Fault("*/enrichment/bulk", nth=2, status=404),
    ]

    async with open_world(store=store_path, faults=faults) as world:
        made = await world.client.lead_lists.create_list("a list")
        await world.client.lead_lists.import_csv(made.list_id, b"email\na@a.example\nb@a.example\n")
        with pytest.raises(UnknownOutcomeError):
            await world.client.enrichment.enrich_list(made.list_id, max_credits=2)
        events = [line.event async for line in world.client.store.audit()]
    assert (events, await committed(world.client)) == (["reserved", "submit", "unknown"], 2)


# -- the pause ---------------------------------------------------------------------------------------


async def test_a_pause_stops_every_client_at_once_until_spending_is_resumed(world, store_path):
    async with another_client(world, store_path) as other:
        await world.client.enrich(people(1))
        await other.budget.pause("a bug in the importer", actor="ada")
        with pytest.raises(SpendingPausedError, match=r"by ada since .*: a bug in the importer"):
            await world.client.enrich(people(1, start=1))
        assert (await world.client.budget.show()).pause.actor == "ada"
        await other.budget.resume(actor="bob")
        await world.client.enrich(people(1, start=1))
        assert (await world.client.budget.show()).pause is None
        (paused, resumed) = await lines(other, "paused", "resumed")

    assert len(world.ledger.contacts) == 2
    assert (paused.actor, paused.reason, resumed.actor) == ("ada", "a bug in the importer", "bob")


@pytest.mark.slow
@pytest.mark.world(hit_rate=1.0)
async def test_a_pause_in_the_middle_of_a_run_keeps_what_was_bought(world):
    async def source():
        for contact in people(500):
            yield contact
        await anyio.sleep(30)
        await world.client.budget.pause("enough")
        for contact in people(500, start=500):
            yield contact

    statuses: Counter[str] = Counter()
    async with world.client.stream(source()) as stream:
        with pytest.raises(SpendingPausedError):
            async for result in stream:
                statuses[result.status] += 1

    assert len(world.ledger.contacts) == statuses["found"] == 500


async def test_a_pause_costs_no_read(world):
    await world.client.budget.pause("enough")
    assert (await world.client.public.credits_balance()).credits


# -- a store that fails ------------------------------------------------------------------------------

ANY_FAILURE = pytest.mark.parametrize("how", ["failing", "losing"])


@ANY_FAILURE
async def test_the_cost_of_a_call_that_the_store_did_not_take_is_recorded_later_and_once(store_path, how):
    async with open_world(store=FaultyStore(store_path)) as world:
        setattr(world.client.store, how, {"accept_call"})
        await world.client.enrichment.enrich_company(domain="a.example")
        setattr(world.client.store, how, set())
        await world.client.enrichment.enrich_company(domain="b.example")
        left = await committed(world.client)
        settled = await lines(world.client, "settled")

    assert left == sum(line.credits for line in settled) == world.ledger.credits_charged
    assert len(settled) == 2


@ANY_FAILURE
async def test_the_cost_of_a_workflow_that_the_store_did_not_take_is_recorded_later_and_once(store_path, how):
    async with open_world(store=FaultyStore(store_path)) as world:
        made = await world.client.lead_lists.create_list("a list")
        started = await world.client.enrichment.enrich_person(
            made.list_id, email="ada@a.example", enrichment_type="full"
        )
        setattr(world.client.store, how, {"settle_workflow"})
        await world.client.enrichment.wait(started)
        setattr(world.client.store, how, set())
        await world.client.enrichment.wait(started)
        left = await committed(world.client)

    assert left == world.ledger.credits_charged < 11


@ANY_FAILURE
async def test_a_refusal_that_the_store_did_not_take_gives_back_later_and_once(store_path, how):
    async with open_world(store=FaultyStore(store_path), credits=1, hit_rate=1.0) as world:
        await world.client.enrich(people(1))
        setattr(world.client.store, how, {"close"})
        with pytest.raises(InsufficientCreditsError):
            await world.client.public.submit_bulk(people(5, start=1))
        setattr(world.client.store, how, set())
        await world.client.enrich(people(1))
        left = await committed(world.client)
        refused = await lines(world.client, "refused")

    assert (left, len(refused)) == (1, 1)


@ANY_FAILURE
async def test_results_bought_anew_that_the_store_did_not_take_count_later_and_once(store_path, how):
    async with open_world(store=FaultyStore(store_path), hit_rate=0.5) as world:
        setattr(world.client.store, how, {"settle"})
        await world.client.enrich(people(5), fresh=True)
        setattr(world.client.store, how, set())
        await world.client.enrich(people(5))
        left = await committed(world.client)
        settled = await lines(world.client, "settled")

    assert left == sum(line.credits for line in settled) == world.ledger.credits_charged
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


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    shape=SHAPES,
    enrichment_type=st.sampled_from(["partial", "phone_only", "full"]),
    dedupe=st.sampled_from(["all", "off"]),
    numbers=st.lists(st.integers(0, 12), min_size=1, max_size=25),
    faults=st.sampled_from([[], [Fault(SUBMIT, status=429, times=1)]]),
)
async def test_the_audit_trail_and_the_budget_add_up_to_the_ledger(
    tmp_path_factory, shape, enrichment_type, dedupe, numbers, faults
):
    contacts = [Contact(linkedin_url=f"linkedin.com/in/ada-{number}") for number in numbers]
    store = tmp_path_factory.mktemp("store") / "store.db"

    async with open_world(
        store=store, shape=shape, faults=faults, half_full_price="full", seed=len(numbers)
    ) as world:
        report = await world.client.enrich(contacts, enrichment_type=enrichment_type, dedupe=dedupe)
        settled, left = await lines(world.client, "settled"), await committed(world.client)

    pending = [result for result in report.pending if result.duplicate_of is None]
    spent = sum(line.credits for line in settled)
    assert spent == report.summary.credits
    assert spent <= world.ledger.credits_charged <= left
    if dedupe == "all":  # else contacts may share a row, and it is not known whether they are billed apart
        assert left == spent + facts.WORST_CASE_CREDITS[enrichment_type] * len(pending)
        if not report.pending:
            assert spent == world.ledger.credits_charged

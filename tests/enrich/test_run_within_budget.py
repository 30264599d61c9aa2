"""``max_credits`` is a limit: the server's ledger never exceeds it."""

from functools import partial

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import BudgetExceededError, ConfigurationError, RateLimits
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.sandbox import Fault, Shape
from tests.support.examples import examples
from tests.support.virtual_sandbox import check_against_ledger, open_world, people


@settings(max_examples=examples(30))
@given(
    count=st.integers(1, 15),
    max_credits=st.floats(0, 120, allow_nan=False),
    enrichment_type=st.sampled_from(["none", "partial", "phone_only", "full"]),
    hit_rate=st.sampled_from([0.0, 0.3, 1.0]),
    price=st.sampled_from(["each", "full"]),
    size=st.sampled_from([1, 3, 250]),
    omit=st.sampled_from([0.0, 0.4]),
)
async def test_the_ledger_never_exceeds_the_budget(
    count, max_credits, enrichment_type, hit_rate, price, size, omit
):
    contacts = people(count)

    shape = Shape(unfinished_rows=omit, omit_rows=omit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cleanlist_async.enrich.run.Chunker", partial(Chunker, size))
        async with open_world(hit_rate=hit_rate, half_full_price=price, shape=shape) as world:
            try:
                report = await world.client.enrich(
                    contacts, enrichment_type=enrichment_type, max_credits=max_credits
                )
            except BudgetExceededError as error:
                assert error.max_credits == max_credits
                assert not world.ledger.contacts
                return

    assert world.ledger.credits_charged <= max_credits
    check_against_ledger(world, report.results, enrichment_type)
    if report.stopped_by is not None:
        assert isinstance(report.stopped_by, BudgetExceededError)
        assert len(world.ledger.contacts) < count
        # Not one more would have fitted at its worst case.
        held = {"partial": 1, "phone_only": 10, "full": 11}[enrichment_type]
        not_settled = held * len(report.pending)
        assert report.summary.credits + not_settled + held > max_credits


@pytest.mark.slow
@pytest.mark.world(hit_rate=0.7)
async def test_the_last_chunk_shrinks_then_what_was_not_spent_is_spent_on(world):
    report = await world.client.enrich(people(1_000), max_credits=600)
    sizes = [body.count(b"first_name") for body in world.bodies]
    assert sizes[:2] == [250, 250]
    assert sizes[2] in {100, 250}
    assert len(world.ledger.contacts) == sum(sizes) > 600
    assert world.ledger.credits_charged == 600
    assert isinstance(report.stopped_by, BudgetExceededError)
    assert report.stopped_by.committed_credits == 600


@pytest.mark.world(hit_rate=1.0)
async def test_unknown_submits_keep_their_reservation(world):
    world.sandbox.add_fault(Fault("/enrich/bulk", nth=2, status=500, when="after"))
    report = await world.client.enrich(people(1_000), max_credits=500)
    assert len(report.unknown) == 250
    assert world.ledger.credits_charged <= 500


@pytest.mark.world(hit_rate=1.0)
async def test_refused_submits_give_it_back(world):
    world.sandbox.add_fault(Fault("/enrich/bulk", nth=2, status=422))
    report = await world.client.enrich(people(750), max_credits=500)
    assert report.stopped_by is None
    assert world.ledger.credits_charged == 500


@pytest.mark.world(hit_rate=1.0)
async def test_a_contact_that_the_server_refuses_gives_its_reservation_back(world):
    body = {"detail": [{"loc": ["body", "contacts", 0], "msg": "no"}]}
    world.sandbox.add_fault(Fault("/enrich/bulk", status=422, body=body))
    report = await world.client.enrich(people(251), max_credits=250)
    assert report.stopped_by is None
    assert world.ledger.credits_charged == 250


@pytest.mark.parametrize("max_credits", [0, 0.5, 0.999])
async def test_less_than_one_contact_buys_nothing(world, max_credits):
    with pytest.raises(BudgetExceededError):
        await world.client.enrich(people(3), max_credits=max_credits)
    assert world.submits() == 0


@pytest.mark.world(hit_rate=1.0)
async def test_a_fraction_is_rounded_down(world):
    await world.client.enrich(people(30), max_credits=25.9, enrichment_type="full")
    assert world.ledger.credits_charged == 22


async def test_what_costs_nothing_needs_no_credits(world):
    report = await world.client.enrich(people(3), max_credits=0, enrichment_type="none")
    assert report.stopped_by is None
    assert [r.status for r in report.results] == ["found"] * 3


@pytest.mark.parametrize("max_credits", [-1, float("nan"), float("inf")])
async def test_budgets_that_are_none_are_refused(world, max_credits):
    with pytest.raises(ConfigurationError):
        await world.client.enrich(people(3), max_credits=max_credits)


async def test_prospecting_cannot_be_bounded(world):
    with pytest.raises(ConfigurationError, match="cannot bound 'prospecting_only'"):
        await world.client.enrich(people(3), enrichment_type="prospecting_only", max_credits=5)
    await world.client.enrich(people(3), enrichment_type="prospecting_only")


@pytest.mark.world(hit_rate=1.0)
async def test_duplicates_of_what_was_bought_get_it_though_the_budget_ended_before_them(world):
    contacts = [*people(5), *people(1_000, start=100), *people(5)]
    report = await world.client.enrich(contacts, max_credits=250)
    truth = [world.sandbox.expected(c, "partial").email for c in people(5)]
    assert [r.email for r in report.results[-5:]] == truth
    assert [r.duplicate_of for r in report.results[-5:]] == list(range(5))
    check_against_ledger(world, report.results)


@pytest.mark.world(with_store=True, hit_rate=1.0, limits=RateLimits(key=2))
async def test_chunks_that_wait_for_the_line_together_do_not_count_the_same_credits(world):
    contacts = people(2_000)
    await world.client.enrich(contacts[1_500:1_650])
    await anyio.sleep(120)

    async def source():
        for contact in contacts[:1_750]:
            yield contact
        await anyio.sleep(35)  # long enough for the 100 that are left to be sent as they are
        for contact in contacts[1_750:]:
            yield contact

    async with world.client.stream(source(), max_credits=1_750) as results:
        with pytest.raises(BudgetExceededError):
            _ = [result async for result in results]
    assert world.ledger.credits_charged - 150 == 1_750

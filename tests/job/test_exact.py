"""Mode exact: whatever becomes of an answer, every contact is bought once, and its row is its own."""

import re
from collections import Counter
from dataclasses import replace
from itertools import product

import anyio
import pytest

from cleanlist_async import (
    AuthenticationError,
    ConfigurationError,
    Contact,
    InsufficientCreditsError,
)
from cleanlist_async.contacts.identity import prepare
from cleanlist_async.job import submits as submitting
from cleanlist_async.job.exact import csv_of
from cleanlist_async.job.exact_results import leave_out_repeated
from cleanlist_async.sandbox import Fault, Shape
from tests.job.worlds import IMPORT, Bench, open_world, people, query, states
from tests.support.cases import each_case
from tests.support.examples import some
from tests.support.virtual_sandbox import KEY

HTML = "<html>"


def bench_of(world, tmp_path, contacts=None, **options):
    return Bench(world, tmp_path, contacts or people(15), submit_mode="exact", **options)


def imports(world):
    return world.ledger.requests_of(IMPORT)


def error(code):
    return {"error": {"code": code, "problem": "x", "retryable": False}}


async def test_mode_exact_says_beforehand_what_it_will_make(world, tmp_path):
    async with await bench_of(world, tmp_path).open() as job:
        assert job.lists_to_create == 3
        assert "list of its own" in job.promise
        assert (await job.plan()).chunks == 3
        assert not world.ledger.requests
        await job.run()
    assert len(world.ledger.requests_of("*/lead-lists")) == 3


@pytest.mark.parametrize("kind", ["none", "prospecting_only"])
async def test_mode_exact_imports_only_what_can_be_imported(world, kind, tmp_path):
    with pytest.raises(ConfigurationError, match="exact"):
        await bench_of(world, tmp_path).open(enrichment_type=kind)


LOST = [
    Fault(IMPORT, when="after", reset=True),
    Fault(IMPORT, when="after", status=502, body=HTML),
    Fault(IMPORT, when="after", status=200, body="{}"),
    Fault(IMPORT, when="after", delay_s=80),
    Fault(IMPORT, when="after", status=400, body=HTML),
    Fault(IMPORT, reset=True),
    Fault(IMPORT, status=503, body=HTML),
    Fault(IMPORT, status=500, body=error("internal_error")),
    Fault(IMPORT, delay_s=80),
]


@pytest.mark.slow
@pytest.mark.scaled
@each_case(("fault", "nth"), some(product(LOST, [1, 2, 3])))
async def test_a_lost_answer_is_asked_for_again_under_its_own_key(fault, nth, tmp_path):
    async with open_world() as world:
        bench = bench_of(world, tmp_path)
        world.sandbox.add_fault(replace(fault, nth=nth))
        report = await bench.run()
        assert (report.stopped_by, report.status.state) == (None, "complete")
        assert not world.ledger.duplicates()
        assert len(world.ledger.contacts) == 15
        first, *_, last = [request.at for request in imports(world)]
        assert last - first >= 85, "the first import must be over"
        keys = Counter(query(bench.path, "SELECT chunk, idempotency_key FROM attempts"))
        assert sorted(keys.values()) == [1, 1, 2]
        bench.check(unknown_at_most=0)


async def test_other_chunks_do_not_wait_for_it(world, tmp_path):
    bench = bench_of(world, tmp_path)
    world.sandbox.add_fault(LOST[0])
    async with await bench.open() as job, anyio.create_task_group() as group:
        group.start_soon(job.run)
        await anyio.sleep(40)
        assert states(bench.path) == ["unknown", "done", "done"]
        assert len(imports(world)) == 3
    assert states(bench.path) == ["done"] * 3


async def test_the_wait_can_be_cancelled(world, tmp_path):
    bench = bench_of(world, tmp_path)
    world.sandbox.add_fault(LOST[0])
    async with await bench.open() as job:
        with anyio.move_on_after(40):
            await job.run()
    assert anyio.current_time() < 41
    assert states(bench.path) == ["unknown", "done", "done"]
    assert (await bench.run()).status.state == "complete"
    assert not world.ledger.duplicates()
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize("latency_s", [10, 70, 85])
async def test_a_slow_server_is_not_raced(world, latency_s, tmp_path):
    """It notes the answer last: whoever asks again too soon buys twice."""
    bench = bench_of(world, tmp_path)
    world.sandbox.add_fault(Fault(IMPORT, delay_s=latency_s))
    assert (await bench.run()).status.state == "complete"
    assert not world.ledger.duplicates()
    bench.check(unknown_at_most=0)


@pytest.mark.world(quote_ttl_s=60.0)
async def test_an_expired_quote_is_replaced_under_the_same_key(world, tmp_path):
    bench = bench_of(world, tmp_path, people(5))
    world.sandbox.add_fault(Fault(IMPORT, reset=True))
    assert (await bench.run()).status.state == "complete"
    attempts = query(
        bench.path, "SELECT idempotency_key, quote_id, outcome, code FROM attempts ORDER BY rowid"
    )
    assert [(a[2], a[3]) for a in attempts] == [
        ("ambiguous", None),
        ("rejected", "quote_expired"),
        ("accepted", None),
    ]
    assert len({a[0] for a in attempts}) == 1
    assert attempts[0][1] == attempts[1][1] != attempts[2][1]
    assert not world.ledger.duplicates()
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize("code", ["quote_expired", "quote_mismatch", "spend_cap_exceeded"])
async def test_a_quote_that_went_stale_on_its_way_is_replaced(world, code, tmp_path):
    bench = bench_of(world, tmp_path)
    world.sandbox.add_fault(Fault(IMPORT, status=400, body=error(code)))
    report = await bench.run()
    assert (report.stopped_by, report.status.state) == (None, "complete")
    assert len(imports(world)) == 4
    bench.check(unknown_at_most=0)


async def test_a_used_quote_over_a_filled_list_is_held(world, tmp_path):
    """Paid for, and the answer was never noted: nobody can tell which workflow it is."""
    bench = bench_of(world, tmp_path, people(5))
    world.sandbox.add_fault(Fault(IMPORT, when="after", reset=True))
    world.sandbox.add_fault(Fault(IMPORT, status=400, body=error("quote_already_redeemed"), nth=2, times=99))
    report = await bench.run()
    assert report.status.state == "complete_with_unknown"
    assert len(world.ledger.contacts) == 5
    world.sandbox.clear_faults()
    assert (await bench.run()).status.state == "complete"
    assert not world.ledger.duplicates()
    bench.check(unknown_at_most=1)


async def test_no_credits_is_said_before_anything_is_sent_and_nothing_is_lost(world, tmp_path):
    bench = bench_of(world, tmp_path, people(15), enrichment_type="full")
    world.sandbox.set_credits(100)
    report = await bench.run()
    assert isinstance(report.stopped_by, InsufficientCreditsError)
    assert report.status.state == "paused"
    assert report.status.shortfall_credits
    world.sandbox.set_credits(10_000)
    assert (await bench.run()).status.state == "complete"
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize("fault", [LOST[0], LOST[5]], ids=repr)
async def test_a_bad_key_says_nothing_of_an_earlier_import(world, fault, tmp_path):
    bench = bench_of(world, tmp_path)
    world.sandbox.add_fault(fault)
    world.sandbox.add_fault(Fault(IMPORT, status=401, body=error("invalid_token"), nth=4))
    report = await bench.run()
    assert isinstance(report.stopped_by, AuthenticationError)
    assert states(bench.path) == ["unknown", "done", "done"]
    assert (await bench.run()).status.state == "complete"
    assert not world.ledger.duplicates()
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize("status", [404, 413, 422])
async def test_other_refusals_of_a_replay_prove_nothing(world, status, tmp_path):
    bench = bench_of(world, tmp_path)
    world.sandbox.add_fault(LOST[0])
    world.sandbox.add_fault(Fault(IMPORT, status=status, body=error("x"), nth=4))
    report = await bench.run()
    assert report.status.state == "complete"
    assert not world.ledger.duplicates()
    bench.check(unknown_at_most=0)


async def test_a_key_that_is_forgotten_is_not_asked_for_again(world, tmp_path, monkeypatch):
    bench = bench_of(world, tmp_path)
    world.sandbox.add_fault(LOST[0])
    async with await bench.open() as job:
        with anyio.move_on_after(40):
            await job.run()
    sent = len(imports(world))
    real = submitting.age_of
    late = lambda moment: real(moment) + 25 * 3_600  # noqa: E731
    monkeypatch.setattr("cleanlist_async.job.exact.age_of", late)
    report = await bench.run()
    assert report.status.state == "complete_with_unknown"
    assert len(imports(world)) == sent
    bench.check(unknown_at_most=1)


async def test_an_empty_list_a_day_later_proves_that_nothing_was_imported(world, tmp_path, monkeypatch):
    bench = bench_of(world, tmp_path)
    world.sandbox.add_fault(LOST[5])
    async with await bench.open() as job:
        with anyio.move_on_after(40):
            await job.run()
    assert states(bench.path) == ["unknown", "done", "done"]
    real = submitting.age_of
    late = lambda moment: real(moment) + 25 * 3_600  # noqa: E731
    monkeypatch.setattr("cleanlist_async.job.exact.age_of", late)
    assert (await bench.run()).status.state == "complete"
    assert len(set(query(bench.path, "SELECT idempotency_key FROM attempts WHERE chunk = 1"))) == 2
    bench.check(unknown_at_most=0)


@pytest.mark.slow
async def test_sending_again_by_decision_uses_the_key_it_had(world, tmp_path):
    bench = bench_of(world, tmp_path)
    world.sandbox.add_fault(LOST[0])
    async with await bench.open() as job:
        with anyio.move_on_after(40):
            await job.run()
        await job.resolve((await job.unknown())[0].number, resubmit=True)
        assert (await job.run()).status.state == "complete"
    assert not world.ledger.duplicates()
    bench.check(unknown_at_most=0)


async def test_a_clock_that_was_set_back_does_not_stop_it_for_years(world, tmp_path, monkeypatch):
    bench = bench_of(world, tmp_path)
    world.sandbox.add_fault(LOST[0])
    monkeypatch.setattr("cleanlist_async.job.exact.age_of", lambda _moment: 0.0)
    assert (await bench.run()).status.state == "complete"
    assert anyio.current_time() < 200


async def test_a_clock_that_jumps_forward_buys_nothing_twice(world, tmp_path, monkeypatch):
    """It asks too early then, with the quote it had: that is good for one import."""
    bench = bench_of(world, tmp_path, people(5), enrichment_type="full")
    world.sandbox.add_fault(Fault(IMPORT, delay_s=100))
    monkeypatch.setattr("cleanlist_async.job.exact.age_of", lambda _moment: 3_600.0)
    await bench.run()
    assert not world.ledger.duplicates()
    bench.check(unknown_at_most=1)


# -- whose row is it? ------------------------------------------------------------------------------


async def test_rows_are_matched_by_what_they_say_and_the_rest_stays_pending(world, tmp_path):
    namesakes = [Contact(first_name="Ann", last_name="Lee", company_domain=f"n{i}.example") for i in range(3)]
    given = [
        *people(10),
        *namesakes,
        *(Contact(linkedin_url=f"https://www.linkedin.com/in/q-{i}-z") for i in range(10)),
        Contact(
            first_name="Kim",
            last_name="Li",
            company_name="A",
            linkedin_url="https://www.linkedin.com/in/q-0-z",
        ),
    ]
    bench = bench_of(world, tmp_path, given, chunk=30)
    results = {r.index: r for r in await bench.results()}
    for index, contact in enumerate(given):
        found = results[index]
        if contact in namesakes or index == 23:
            continue
        truth = world.sandbox.expected(contact, "partial")
        assert (found.email, found.status) == (truth.email, "found" if truth.successful else "not_found")
    assert {results[i].status for i in (10, 11, 12)} <= {"pending", "found"}
    for i in (10, 11, 12):
        truth = world.sandbox.expected(given[i], "partial")
        assert results[i].email in {None, truth.email}
    bench.check(unknown_at_most=0)


async def test_an_address_that_was_given_is_no_finding(world, tmp_path):
    given = [Contact(**{**vars_of(c), "email": f"old{i}@x.example"}) for i, c in enumerate(people(20))]
    bench = bench_of(world, tmp_path, given, chunk=20, enrichment_type="phone_only")
    for result in await bench.results():
        assert result.email is None
        assert result.status == ("found" if result.phones else "not_found")
    async with await bench.open() as job:
        assert sum([r.credits async for r in job.receipts()]) == world.ledger.credits_charged


def vars_of(contact):
    return {name: getattr(contact, name) for name in ("first_name", "last_name", "company_domain")}


async def test_contacts_that_share_an_address_are_all_bought(world, tmp_path):
    given = [Contact(**{**vars_of(c), "email": "info@x.example"}) for c in people(10)]
    bench = bench_of(world, tmp_path, given, chunk=10)
    results = await bench.results()
    assert len(world.ledger.contacts) == 10
    assert {r.status for r in results} <= {"found", "not_found"}


def test_a_profile_that_repeats_is_imported_once():
    url = "https://www.linkedin.com/in/ada"
    given = [Contact(linkedin_url=url), Contact(linkedin_url=url.upper(), email="a@x.example"), *people(2)]
    rows = leave_out_repeated([prepare(i, contact) for i, contact in enumerate(given)])
    assert len(rows) == 3


@each_case("text", ['a "b", c', "line\nbreak", "ünï", "=1+1", "x" * 2_000])
def test_a_csv_file_is_never_longer_than_the_json_it_was_measured_by(text):
    contact = prepare(0, Contact(first_name=text, last_name=text, company_name=text))
    header = len(csv_of([]))
    assert len(csv_of(leave_out_repeated([contact]))) - header <= len(contact.payload) + 1


@pytest.mark.slow
async def test_chunks_fit_into_an_import(world, tmp_path):
    given = [Contact(first_name=f"A{i}", last_name="Yew", company_name="z" * 1_900) for i in range(180)]
    bench = bench_of(world, tmp_path, given, chunk=250)
    report = await bench.run()
    assert (report.stopped_by, report.status.state) == (None, "complete")
    assert len(world.ledger.contacts) == 180


@pytest.mark.world(shape=Shape(failed_workflows=1.0))
async def test_a_workflow_that_failed_after_it_was_paid_is_reported_with_its_price(world, tmp_path):
    bench = bench_of(world, tmp_path, people(5))
    results = await bench.results()
    assert {r.status for r in results} == {"failed"}
    assert "refund" in results[0].error
    async with await bench.open() as job:
        assert sum([r.credits async for r in job.receipts()]) == world.ledger.credits_charged == 5
    bench.check(unknown_at_most=0)


async def test_many_leads_are_read_from_all_pages(world, tmp_path):
    from cleanlist_async import facts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "MAX_LEADS_PER_PAGE", 7)
        bench = bench_of(world, tmp_path, people(40), chunk=40)
        results = await bench.results()
    assert {r.status for r in results} == {"found", "not_found"}
    assert len(world.ledger.requests_of("*/leads")) == 6


@pytest.mark.world(api_keys=(KEY, KEY + "2"))
async def test_two_keys_share_the_work_and_each_reads_its_own_lists(world, tmp_path):
    bench = bench_of(world, tmp_path, people(20))
    world.sandbox.add_fault(LOST[0])
    report = await bench.run()
    assert report.status.state == "complete"
    assert len({r.key_id for r in imports(world)}) == 2
    assert not world.ledger.duplicates()
    bench.check(unknown_at_most=0)


async def test_the_list_is_named_after_the_job_and_no_person_in_it(world, tmp_path):
    bench = bench_of(world, tmp_path, people(5))
    await bench.run()
    names = [page.name async for page in world.client.lead_lists.list_lists()]
    mine = [name for name in names if name.startswith("cl-")]
    assert len(mine) == 1
    assert re.fullmatch(r"cl-run\.journal-1-[0-9a-f]{32}", mine[0])

"""Each caller has its own end: no cancelled caller, poisoned batch or failing submit harms another."""

import asyncio
import json
import pickle
import traceback

import anyio
import pytest

from cleanlist_async import (
    AuthenticationError,
    ConfigurationError,
    Contact,
    InsufficientCreditsError,
    PayloadTooLargeError,
    RateLimitError,
    RequestValidationError,
    UnknownOutcomeError,
    WaitTimeoutError,
)
from cleanlist_async.batcher.batch_sender import BatchSender
from cleanlist_async.sandbox import Fault, Shape
from tests.support.callers import cancel, check_nothing_leaks, check_own_results, outcomes, start
from tests.support.cases import each_case
from tests.support.virtual_sandbox import open_world, people

SUBMIT, STATUS = "/enrich/bulk", "/enrich/status"


def contacts_of(body):
    return [contact["first_name"] for contact in json.loads(body)["contacts"]]


def refusal(*indexes, nth=1):
    """A 422 that names these contacts."""
    detail = [
        {"loc": ["body", "contacts", index], "msg": "Value error, no.", "type": "value_error"}
        for index in indexes
    ]
    return Fault(SUBMIT, nth=nth, status=422, body={"detail": detail})


# -- what the micro-batch libraries fail -----------------------------------------------------------


@each_case("at_s", [0.0, 0.02, 0.07, 1.0, 5.5])
async def test_a_cancelled_caller_neither_hangs_nor_cancels_another(at_s):
    async with open_world() as world:
        contacts = [*people(3, key="first"), *people(2, key="second")]
        tasks = start(world, contacts)
        await anyio.sleep(at_s)
        await cancel(tasks[0], tasks[1], tasks[2])
        got = await outcomes(tasks)
        assert got[:3] == [None] * 3
        check_own_results(world, contacts, got)
        assert [one.duplicate_of for one in got[3:]] == [None, None]  # the payers left before they had paid
        await world.client.enrich_one(people(1, 9)[0])
        await anyio.sleep(60)
        check_nothing_leaks(world)


async def test_a_poisoned_contact_fails_its_own_caller_alone(world):
    world.sandbox.add_fault(refusal(1))
    world.sandbox.add_fault(refusal(0, 2, nth=2))
    contacts = people(5)
    got = await outcomes([*start(world, contacts), *start(world, [contacts[1]])])
    assert [one.status == "invalid" for one in got] == [True, True, False, True, False, True]
    assert got[1].error == "refused: Value error, no."
    check_own_results(world, [*contacts, contacts[1]], got)
    assert len(world.ledger.contacts) == 2
    check_nothing_leaks(world)


async def test_a_refused_batch_takes_no_other_contact_along(world):
    world.sandbox.add_fault(refusal(0))
    first = start(world, people(2))
    await anyio.sleep(0.5)
    got = await outcomes([*first, *start(world, people(1, 2))])
    assert got[0].status == "invalid"
    check_own_results(world, people(3), got)
    assert [contacts_of(body) for body in world.bodies] == [["Ada0", "Ada1"], ["Ada1"], ["Ada2"]]


@pytest.mark.parametrize("status", [401, 402, 403, 422])
async def test_a_refused_batch_fails_its_own_callers_alone_each_with_its_own_error(world, status):
    expected = {401: AuthenticationError, 402: InsufficientCreditsError, 422: RequestValidationError}
    world.sandbox.add_fault(Fault(SUBMIT, status=status, body={"detail": "No."}))
    contacts = people(400)
    got = await outcomes(start(world, contacts))
    refused = [one for one in got if isinstance(one, expected.get(status, Exception))]
    assert got[:250] == refused
    assert len({id(error) for error in refused}) == 250
    assert {error.billed for error in refused} == {"no"}
    assert {len(traceback.extract_tb(error.__traceback__)) for error in refused} != {0}
    assert max(len(traceback.extract_tb(error.__traceback__)) for error in refused) < 12
    check_own_results(world, contacts, got)
    assert {one.status for one in got[250:]} <= {"found", "not_found"}
    check_nothing_leaks(world)


async def test_a_failing_batch_function_fails_its_own_callers_and_the_next_batch_goes(world, monkeypatch):
    real, calls = BatchSender._body, []

    def body(self, batch, webhook_url):
        calls.append(batch)
        if len(calls) == 1:
            raise ZeroDivisionError
        return real(self, batch, webhook_url)

    monkeypatch.setattr(BatchSender, "_body", body)
    got = await outcomes(start(world, people(300)))
    assert {str(one) for one in got[:250]} == {"The batch failed with ZeroDivisionError."}
    check_own_results(world, people(300), got)
    assert {one.status for one in got[250:]} <= {"found", "not_found"}
    check_nothing_leaks(world)


# -- deadlines -------------------------------------------------------------------------------------


@pytest.mark.world(workflow_s=100.0, hit_rate=1.0)
async def test_the_deadline_is_a_minute_and_what_was_accepted_is_collected_for_free(world):
    contact = Contact(linkedin_url="https://linkedin.com/in/ada", key="row-1")
    others = start(world, people(5))
    with pytest.raises(WaitTimeoutError) as caught:
        await world.client.enrich_one(contact)
    assert anyio.current_time() == 60.0
    error = caught.value
    assert error.workflow_id == world.ledger.contacts[0].workflow_id
    assert (error.billed, error.retryable) == ("unknown", True)
    assert (error.pending.status, error.pending.key, error.pending.contact) == (
        "pending",
        "row-1",
        contact,
    )
    assert pickle.loads(pickle.dumps(error)).pending == error.pending
    report = await world.client.collect([error.pending])
    result = report.results[0]
    assert result.email == world.sandbox.expected(contact, "partial").email
    assert (result.status, result.key) == ("found", "row-1")
    await outcomes(others)
    assert world.submits() == 1
    await anyio.sleep(60)
    check_nothing_leaks(world)


@pytest.mark.parametrize(("workflow_s", "deadline_s"), [(17.0, 20), (50.0, 59)])
async def test_each_caller_is_looked_for_once_more_before_its_own_deadline(workflow_s, deadline_s):
    async with open_world(workflow_s=workflow_s) as world:
        for _ in range(25):
            await world.client.public.validate_key()
        hasty, patient = people(2)
        tasks = [*start(world, [hasty], deadline_s=3), *start(world, [patient], deadline_s=deadline_s)]
        got = await outcomes(tasks)
        assert isinstance(got[0], WaitTimeoutError)
        check_own_results(world, [patient], got[1:])
        assert got[1].workflow_id == got[0].workflow_id
        assert world.status_requests() <= 5


@pytest.mark.world(workflow_s=100.0)
async def test_deadlines_that_pass_one_by_one_cost_few_requests(world):
    tasks = [start(world, [contact], deadline_s=20 + n / 10)[0] for n, contact in enumerate(people(100))]
    assert {type(one) for one in await outcomes(tasks)} == {WaitTimeoutError}
    assert world.status_requests() <= 20  # not one for each of the deadlines


@pytest.mark.world(workflow_s=100.0)
async def test_the_clients_own_deadline_counts_if_it_is_shorter(world):
    with pytest.raises(WaitTimeoutError):
        await world.client.with_options(deadline_s=7).enrich_one(people(1)[0])
    assert anyio.current_time() == 7.0
    with pytest.raises(WaitTimeoutError):
        await world.client.with_options(deadline_s=100).enrich_one(people(1)[0], deadline_s=5)
    assert anyio.current_time() == 12.0
    for bad in (0, -1, True, "5", float("nan")):
        with pytest.raises(ConfigurationError):
            await world.client.enrich_one(people(1)[0], deadline_s=bad)


async def test_what_was_not_sent_by_its_deadline_is_not_bought_afterwards(world):
    for _ in range(30):
        await world.client.public.validate_key()
    got = await outcomes([*start(world, people(2), deadline_s=10), *start(world, people(2, 1))])
    assert [type(one) for one in got[:1]] == [WaitTimeoutError]
    assert (got[0].billed, got[0].workflow_id, got[0].pending) == ("no", None, None)
    assert isinstance(got[1], WaitTimeoutError)
    check_own_results(world, people(2, 1), got[2:])
    assert len(world.ledger.contacts) == 2
    check_nothing_leaks(world)


async def test_if_everybody_leaves_nothing_is_sent_and_no_token_is_spent(world):
    for _ in range(30):
        await world.client.public.validate_key()
    tasks = start(world, people(10))
    await anyio.sleep(5)
    await cancel(*tasks)
    await anyio.sleep(120)
    assert world.submits() == 0
    assert {bucket.available for bucket in world.client.statistics().buckets} == {30, 60}
    check_nothing_leaks(world)


async def test_a_deadline_while_the_answer_is_awaited_says_that_nobody_knows(world):
    world.sandbox.add_fault(Fault(SUBMIT, when="after", delay_s=20.0))
    got = await outcomes([*start(world, people(2), deadline_s=5), *start(world, people(2))])
    assert [(type(one), one.billed, one.workflow_id) for one in got[:2]] == [
        (WaitTimeoutError, "unknown", None)
    ] * 2
    check_own_results(world, people(2), got[2:])
    assert world.submits() == 1
    assert len(world.ledger.contacts) == 2


async def test_a_contact_between_two_attempts_is_dropped_when_its_caller_leaves(world):
    world.sandbox.add_fault(Fault(SUBMIT, status=429, headers=[("Retry-After", "30")]))
    contacts = people(3)
    tasks = [*start(world, contacts[:1], deadline_s=10), *start(world, contacts[1:])]
    got = await outcomes(tasks)
    assert (type(got[0]), got[0].billed) == (WaitTimeoutError, "no")
    check_own_results(world, contacts[1:], got[1:])
    assert [contacts_of(body) for body in world.bodies] == [["Ada0", "Ada1", "Ada2"], ["Ada1", "Ada2"]]
    check_nothing_leaks(world)


async def test_a_caller_between_two_attempts_joins_the_second(world):
    world.sandbox.add_fault(Fault(SUBMIT, status=429, headers=[("Retry-After", "30")]))
    first = start(world, people(1))
    await anyio.sleep(10)
    got = await outcomes([*first, *start(world, people(1, 1))])
    check_own_results(world, people(2), got)
    assert [contacts_of(body) for body in world.bodies] == [["Ada0"], ["Ada0", "Ada1"]]


@pytest.mark.world(hit_rate=1.0)
async def test_what_was_bought_for_a_caller_that_left_is_there_for_the_next(world):
    contact = Contact(linkedin_url="https://linkedin.com/in/ada", key="first")
    gone = await outcomes(start(world, [contact], deadline_s=2))
    assert gone[0].billed == "unknown"
    await anyio.sleep(120)
    requests = len(world.ledger.requests)
    again = await world.client.enrich_one(Contact(linkedin_url=contact.linkedin_url, key="second"))
    assert (again.key, again.email) == ("second", world.sandbox.expected(contact, "partial").email)
    assert (again.credits, again.duplicate_of) == (world.ledger.credits_charged, None)
    assert len(world.ledger.requests) == requests
    third = await world.client.enrich_one(contact)
    assert (third.email, third.credits, third.duplicate_of) == (again.email, 0, 0)
    assert len(world.ledger.contacts) == 1


async def test_what_one_caller_left_and_another_took_is_there_for_the_one_who_comes_back(world):
    first, second = start(world, people(2)[:1] * 2)
    await anyio.sleep(1)
    await cancel(first)
    await second
    again = await world.client.enrich_one(people(1)[0])
    assert (again.credits, len(world.ledger.contacts)) == (0, 1)


async def test_what_every_caller_took_is_bought_anew_without_a_store(world):
    for _ in range(3):
        await outcomes(start(world, people(1) * 2))
    assert len(world.ledger.contacts) == 3
    assert not world.client._runtime.batcher._leftovers


async def test_fresh_and_max_age_s_buy_what_was_left_anew(world):
    await outcomes(start(world, people(1), deadline_s=2))
    await anyio.sleep(120)
    one = people(1)[0]
    assert (await world.client.enrich_one(one, max_age_s=300)).credits >= 0
    assert len(world.ledger.contacts) == 1
    await world.client.enrich_one(one, max_age_s=60)
    await world.client.enrich_one(one, fresh=True)
    assert len(world.ledger.contacts) == 3


def untaken(world):
    return world.client.statistics().enrich_one.untaken


async def test_results_without_a_taker_are_listed_for_a_day(world):
    given = people(3)
    await outcomes(start(world, given, deadline_s=2))
    await anyio.sleep(120)
    check_own_results(world, given, untaken(world))
    await world.client.enrich_one(given[0])
    assert [result.contact for result in untaken(world)] == given[1:]
    await anyio.sleep(86_400)
    assert not untaken(world)
    await world.client.enrich_one(given[1])
    assert len(world.ledger.contacts) == 4


async def test_results_without_a_taker_are_bounded(world, monkeypatch):
    monkeypatch.setattr("cleanlist_async.facts.MAX_UNTAKEN_RESULTS", 5)
    await outcomes(start(world, people(20), deadline_s=2))
    await anyio.sleep(120)
    assert len(world.client._runtime.batcher._leftovers) == 5


# -- errors ----------------------------------------------------------------------------------------


async def test_an_unknown_outcome_is_an_error_of_the_callers_of_that_batch_and_never_sent_again(world):
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    got = await outcomes(start(world, people(300)))
    assert {type(one) for one in got[:250]} == {UnknownOutcomeError}
    assert {one.billed for one in got[:250]} == {"unknown"}
    assert all(one.__cause__ is one.answer for one in got[:250])
    assert not world.ledger.duplicates()
    check_own_results(world, people(300), got)
    assert len(world.ledger.contacts) == 300
    check_nothing_leaks(world)


async def test_what_is_too_large_goes_by_halves(world):
    world.sandbox.add_fault(Fault(SUBMIT, status=413, times=3))
    got = await outcomes(start(world, people(100)))
    check_own_results(world, people(100), got)
    assert [len(contacts_of(body)) for body in world.bodies] == [100, 50, 50, 25, 25, 25, 25]
    check_nothing_leaks(world)


async def test_a_single_contact_that_is_too_large_fails_alone(world):
    world.sandbox.add_fault(Fault(SUBMIT, status=413, times=2))
    got = await outcomes(start(world, people(2)))
    assert [isinstance(one, PayloadTooLargeError) for one in got].count(True) == 1
    assert len(world.ledger.contacts) == 1
    check_nothing_leaks(world)


async def test_a_pause_too_long_to_wait_for_is_an_error_of_every_caller(world):
    world.sandbox.add_fault(Fault(SUBMIT, status=429, headers=[("Retry-After", "500")]))
    first = start(world, people(1))
    await anyio.sleep(1)
    got = await outcomes([*first, *start(world, people(600, 1))])
    assert {type(one) for one in got} == {RateLimitError}
    assert {one.billed for one in got} == {"no"}
    assert anyio.current_time() < 2
    await anyio.sleep(600)
    got = await outcomes(start(world, people(5)))
    check_own_results(world, people(5), got)
    check_nothing_leaks(world)


async def test_when_the_status_cannot_be_had_each_caller_can_collect_later(world):
    world.sandbox.add_fault(Fault(STATUS, status=403))
    got = await outcomes(start(world, people(2)))
    assert {type(one) for one in got} == {WaitTimeoutError}
    assert {type(one.__cause__).__name__ for one in got} == {"PermissionDeniedError"}
    report = await world.client.collect([one.pending for one in got])
    assert not report.pending
    check_own_results(world, people(2), list(report.results))


async def test_what_is_paid_is_not_bought_again_because_its_status_was_refused(world):
    world.sandbox.add_fault(Fault(STATUS, status=401, times=3))
    contacts = people(1)
    [told] = await outcomes(start(world, contacts))
    assert type(told.__cause__) is AuthenticationError
    [gone, patient] = await outcomes([*start(world, contacts, deadline_s=1), *start(world, contacts)])
    assert gone.pending.workflow_id == told.pending.workflow_id
    assert type(patient.__cause__) is AuthenticationError
    await anyio.sleep(120)
    check_own_results(world, contacts, await outcomes(start(world, contacts)))
    assert len(world.ledger.contacts) == 1
    check_nothing_leaks(world)


async def test_what_can_never_be_had_is_forgotten_after_a_quarter_of_an_hour(world):
    world.sandbox.add_fault(Fault(STATUS, status=403, times=1_000))
    await outcomes(start(world, people(1)))
    await anyio.sleep(840)
    assert world.client._runtime.batcher._under_way
    await anyio.sleep(180)
    assert world.status_requests() <= 20
    check_nothing_leaks(world)


async def test_while_the_status_cannot_be_had_callers_wait_as_long_as_they_have_time(world):
    world.sandbox.add_fault(Fault(STATUS, status=503, times=8))
    contacts = people(2)
    hasty, patient = await outcomes(
        [*start(world, contacts[:1], deadline_s=15), *start(world, contacts[1:], deadline_s=60)]
    )
    assert isinstance(hasty, WaitTimeoutError)
    assert hasty.workflow_id == patient.workflow_id
    check_own_results(world, contacts[1:], [patient])
    check_own_results(world, contacts[:1], await outcomes(start(world, contacts[:1])))
    assert len(world.ledger.contacts) == 2
    check_nothing_leaks(world)


@pytest.mark.world(shape=Shape(failed_workflows=1.0))
async def test_a_workflow_that_the_server_ends_is_a_failed_result(world):
    got = await outcomes(start(world, people(2)))
    assert [one.status for one in got] == ["failed", "failed"]


@pytest.mark.world(shape=Shape(failed_workflows=1.0))
async def test_a_failure_without_callers_is_not_kept_for_the_next_caller(world):
    await outcomes(start(world, people(1), deadline_s=2))
    await anyio.sleep(120)
    [again] = await outcomes(start(world, people(1)))
    assert again.status == "failed"
    assert world.submits() == 2


@pytest.mark.parametrize("contact", [Contact(first_name="Ada"), {"email": "a@b.c"}, {"nome": "Ada"}])
async def test_a_contact_that_cannot_be_sent_is_an_invalid_result(world, contact):
    result = await world.client.enrich_one(contact)
    assert result.status == "invalid"
    assert result.error
    assert not world.ledger.requests
    with pytest.raises(ConfigurationError):
        await world.client.enrich_one(people(1)[0], enrichment_type="everything")


# -- the end of the client -------------------------------------------------------------------------


@pytest.mark.slow
async def test_drain_waits_for_the_callers_that_wait_and_takes_no_other(world):
    tasks = start(world, people(600))
    await asyncio.sleep(0)
    draining = asyncio.ensure_future(world.client.drain())
    await asyncio.sleep(0)
    with pytest.raises(ConfigurationError):
        await world.client.enrich_one(people(1)[0])
    assert not draining.done()
    await draining
    check_own_results(world, people(600), await outcomes(tasks))
    check_nothing_leaks(world)
    await world.client.drain()
    await world.client.aclose()


@pytest.mark.parametrize("at_s", [0.07, 3.0])
async def test_closing_the_client_ends_its_callers_and_lets_submits_finish(world, at_s):
    world.sandbox.add_fault(Fault(SUBMIT, when="after", delay_s=1.0))
    tasks = start(world, people(2))
    await anyio.sleep(at_s)
    await world.client.aclose()
    got = await outcomes(tasks)
    assert {(type(one), one.billed) for one in got} == {(ConfigurationError, "unknown")}
    assert world.client.statistics().detached_workflows == (world.ledger.contacts[0].workflow_id,)
    with pytest.raises(ConfigurationError):
        await world.client.enrich_one(people(1)[0])


async def test_closing_the_client_sends_no_waiting_contact(world):
    for _ in range(30):
        await world.client.public.validate_key()
    tasks = start(world, people(2))
    await anyio.sleep(1)
    await world.client.aclose()
    assert {(type(one), one.billed) for one in await outcomes(tasks)} == {(ConfigurationError, "no")}
    assert not world.submits()


async def test_a_client_that_drains_waits_for_an_open_result_not_much_longer_than_it_takes():
    async with open_world(workflow_s=20.0) as world:
        call = asyncio.ensure_future(world.client.enrich_one(people(1)[0]))
        await anyio.sleep(17)
        await world.client.drain()
        assert anyio.current_time() < 23
        assert (await call).status in {"found", "not_found"}

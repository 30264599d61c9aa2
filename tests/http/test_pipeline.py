"""Attempts, waits and answers of reads, and what a deadline ends; in virtual time."""

import asyncio
import itertools

import anyio
import pytest

from cleanlist_async import RateLimits, errors, facts
from cleanlist_async.api.public import status_call, submit_call
from cleanlist_async.http.options import CallOptions
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.testing import ServerResponse
from tests.support.cases import each_case
from tests.support.clients import (
    ACCEPTED,
    ADA,
    ANSWERS,
    CALLS,
    Served,
    outcome_of,
    respond,
    virtual_client,
    virtually,
)

READS = [name for name in CALLS if name != "submit_bulk"]
BALANCE = respond(ANSWERS["credits_balance"])


def read(handler, **options):
    """The outcome of one read, and the times of its attempts."""
    served = Served(handler)

    async def main(client):
        return await outcome_of(client.public.credits_balance())

    return virtually(main, served, **options), served.times


def gaps(times):
    return [later - sooner for sooner, later in itertools.pairwise(times)]


@each_case("name", CALLS)
async def test_each_operation_asks_at_its_documented_address(name):
    served = Served(lambda request, number: respond(ANSWERS[name]))
    async with virtual_client(served, api_key="clapi_test_key") as client:
        await CALLS[name](client)
    (request,) = served.requests
    method, path, query = {
        "validate_key": ("GET", "/auth/validate-key", {}),
        "credits_balance": ("GET", "/credits/balance", {}),
        "submit_bulk": ("POST", "/enrich/bulk", {}),
        "bulk_status": ("GET", "/enrich/status", {"workflow_id": "wf_1"}),
        "webhook_deliveries": ("GET", "/webhooks/deliveries", {"workflow_id": "wf_1"}),
    }[name]
    assert (request.method, request.path, request.query) == (method, "/api/v1/public" + path, query)
    assert request.headers["authorization"] == "Bearer clapi_test_key"
    assert request.headers["accept-encoding"] == "identity"
    assert ("content-type" in request.headers) == (method == "POST")


@each_case("status", [500, 502, 503, 504, 408, 425])
def test_a_read_is_repeated_with_growing_jittered_waits(status):
    outcome, times = read(
        lambda request, number: BALANCE if number == 4 else respond({"detail": "x"}, status)
    )
    assert outcome.credits == 7.5
    steps = [0.5, 1.0, 2.0, 4.0]
    assert all(step / 4 <= gap <= step for gap, step in zip(gaps(times), steps, strict=True))


@each_case("status", [300, 302, 400, 401, 402, 403, 404, 409, 410, 413, 422, 501])
def test_a_refused_read_is_not_repeated(status):
    outcome, times = read(lambda request, number: respond({"detail": "x"}, status))
    assert isinstance(outcome, errors.APIError)
    assert (outcome.status, outcome.billed, len(times)) == (status, "no", 1)


def test_the_servers_own_flag_decides():
    for status, flag, attempts in ((400, True, 5), (500, False, 1)):
        said = {"error": {"code": "x", "problem": "x", "retryable": flag}}
        _, times = read(lambda request, number, said=said, status=status: respond(said, status))
        assert len(times) == attempts


def test_retry_after_is_waited_for_and_never_shortened():
    _, times = read(lambda request, number: BALANCE if number else respond({}, 503, retry_after="40"))
    (gap,) = gaps(times)
    assert 40 <= gap <= 41
    outcome, times = read(lambda request, number: respond({}, 503, retry_after="121"))
    assert (type(outcome), outcome.retry_after_s, len(times)) == (errors.ServiceUnavailableError, 121, 1)


def test_max_retries_is_kept():
    for retries in (0, 1, 3):
        outcome, times = read(lambda request, number: respond({}, 500), max_retries=retries)
        assert (type(outcome), len(times)) == (errors.InternalServerError, retries + 1)


@pytest.mark.slow
async def test_the_retry_quota_of_a_client_ends_a_storm_and_successes_fill_it():
    storm = Served(lambda request, number: respond({}, 500))
    async with virtual_client(storm) as client:
        for _ in range(60):
            await outcome_of(client.public.credits_balance())
        exhausted = len(storm.requests)
        storm._handler = lambda request, number: BALANCE
        for _ in range(facts.RETRY_COST):
            await client.public.credits_balance()
        storm._handler = lambda request, number: respond({}, 500)
        before = len(storm.requests)
        await outcome_of(client.public.credits_balance())
        after = len(storm.requests) - before
    assert exhausted == 60 + facts.RETRY_QUOTA // facts.RETRY_COST
    assert after == 2


# -- answers that are none -------------------------------------------------------------------------

UNREADABLE = {
    "html": b"<html>maintenance</html>",
    "empty": b"",
    "torn": b'{"credits": 7',
    "null": b"null",
    "list": b"[1]",
    "number": b"7.5",
    "deep": b"[" * 50_000,
    "other": b'{"credit": 7}',
}


@each_case("form", UNREADABLE)
def test_an_unreadable_answer_is_asked_for_again_and_then_raised(form):
    outcome, times = read(lambda request, number: respond(UNREADABLE[form], content_type="text/html"))
    assert type(outcome) is errors.MalformedResponseError
    assert (outcome.status, outcome.billed, outcome.safe_to_retry, len(times)) == (200, "no", True, 5)
    assert outcome.__cause__ is None
    assert outcome.__context__ is None
    outcome, times = read(lambda request, number: BALANCE if number else respond(UNREADABLE[form]))
    assert (outcome.credits, len(times)) == (7.5, 2)


def test_the_body_counts_and_not_its_declared_type():
    outcome, _ = read(lambda request, number: respond({"credits": 3}, content_type="text/html"))
    assert outcome.credits == 3


def test_an_error_envelope_in_a_200_is_that_error():
    outcome, times = read(
        lambda request, number: respond({"error": {"code": "list_not_found", "problem": "x"}})
    )
    assert (type(outcome), len(times)) == (errors.ListNotFoundError, 1)


def test_a_torn_connection_is_tried_again():
    outcome, times = read(
        lambda request, number: BALANCE if number else type(BALANCE)(200, BALANCE.body, reset_after=20)
    )
    assert (outcome.credits, len(times)) == (7.5, 2)


STRANGERS = [
    {"workflow_id": "wf_2", "status": "completed", "results": [{"task_id": "t", "email": "x@y.example"}]},
    {"credits": 12, "organization_id": "org"},
    {"valid": True},
    {},
]


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_the_answer_of_another_call_is_never_taken(stranger):
    mine = respond(ANSWERS["bulk_status"])
    served = Served(lambda request, number: mine if number == 1 else respond(stranger))
    async with virtual_client(served) as client:
        status = await client.public.bulk_status(workflow_id="wf_1")
        error = await outcome_of(client.public.bulk_status(workflow_id="wf_1"))
    assert status.workflow_id == "wf_1"
    assert type(error) is errors.MalformedResponseError
    assert len(served.requests) == 7


async def test_another_tasks_answer_is_never_taken():
    async with virtual_client(
        lambda request, number: respond({"task_id": "t_2", "status": "completed"})
    ) as client:
        error = await outcome_of(client.public.bulk_status(task_id="t_1"))
    assert type(error) is errors.MalformedResponseError


async def test_after_a_strangers_answer_the_connection_is_not_used_again():
    served = Served(lambda request, number: respond(ANSWERS["bulk_status"] if number else STRANGERS[0]))
    async with virtual_client(served) as client:
        await client.public.bulk_status(workflow_id="wf_1")
        assert client._network.connections == 2


# -- deadlines -------------------------------------------------------------------------------------


async def test_the_deadline_covers_the_wait_for_tokens():
    served = Served(lambda request, number: BALANCE)
    async with virtual_client(served, rate_limits=RateLimits(org=1, key=1)) as client:
        await client.public.credits_balance()
        error = await outcome_of(client.with_options(deadline_s=12.0).public.submit_bulk([ADA]))
        now = anyio.current_time()
        waiting = client.statistics().waiting
    assert type(error) is errors.DeadlineExceededError
    assert (error.billed, error.safe_to_retry, now, waiting, len(served.requests)) == ("no", True, 12.0, 0, 1)


async def test_the_deadline_covers_attempts_and_the_waits_between():
    async with virtual_client(
        lambda request, number: respond({}, 503), deadline_s=3.0, latency=lambda: 0.5, max_retries=100
    ) as client:
        error = await outcome_of(client.public.credits_balance())
        now = anyio.current_time()
    assert (type(error), error.billed, now) == (errors.DeadlineExceededError, "no", 3.0)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_deadline_within_the_wait_that_the_server_asks_for_ends_the_call_at_once(status):
    served = Served(lambda request, number: respond({}, status, retry_after="30"))
    async with virtual_client(served, deadline_s=70.0) as client:
        error = await outcome_of(client.public.credits_balance())
        now = anyio.current_time()
    assert (type(error), error.retry_after_s) == (
        {429: errors.RateLimitError, 503: errors.ServiceUnavailableError}[status],
        pytest.approx(30, abs=1),
    )
    assert now < 70


async def test_no_call_waits_for_a_pause_beyond_its_deadline():
    served = Served(lambda request, number: respond({}, 429, retry_after="30"))
    async with virtual_client(served, max_retries=0) as client:
        await outcome_of(client.public.credits_balance())
        asked_at = anyio.current_time()
        error = await outcome_of(client.with_options(deadline_s=20.0).public.credits_balance())
        assert (type(error), anyio.current_time() - asked_at) == (errors.RateLimitError, 0.0)
    assert 29 < error.retry_after_s < 31
    assert len(served.requests) == 1


async def slow(seconds, response):
    await anyio.sleep(seconds)
    return response


async def test_a_deadline_while_a_submit_is_on_its_way_says_that_it_may_be_billed():
    served = Served(lambda request, number: slow(10, respond(ACCEPTED)))
    async with virtual_client(served, deadline_s=5.0) as client:
        error = await outcome_of(client.public.submit_bulk([ADA]))
        await anyio.sleep(20)
        statistics = client.statistics()
    assert type(error) is errors.DeadlineExceededError
    assert (error.billed, error.safe_to_retry) == ("unknown", False)
    assert statistics.detached_workflows == ("wf_1",)
    assert all(bucket.in_flight == 0 for bucket in statistics.buckets)


async def test_a_deadline_while_a_submit_stands_in_line_for_a_connection_sends_nothing():
    served = Served(lambda request, number: slow(30, respond(ACCEPTED)))
    async with virtual_client(served) as client, anyio.create_task_group() as group:
        for _ in range(facts.MAX_IN_FLIGHT):
            group.start_soon(client.public.submit_bulk, [ADA])
        await anyio.sleep(1)
        error = await outcome_of(client.with_options(deadline_s=5.0).public.submit_bulk([ADA]))
    assert (type(error), error.billed) == (errors.DeadlineExceededError, "no")
    assert len(served.requests) == facts.MAX_IN_FLIGHT


async def test_request_timeout_s_bounds_each_attempt():
    served = Served(lambda request, number: slow(1000, BALANCE))
    async with virtual_client(served, max_retries=1) as client:
        error = await outcome_of(client.with_options(request_timeout_s=3.0).public.credits_balance())
        now = anyio.current_time()
    assert type(error) is errors.APITimeoutError
    assert (error.billed, error.retryable, len(served.requests)) == ("no", True, 2)
    assert 6 <= now <= 7


async def test_the_wait_for_a_connection_is_no_part_of_the_attempt():
    async with virtual_client(lambda request, number: slow(8, BALANCE), request_timeout_s=10.0) as client:
        async with anyio.create_task_group() as group:
            for _ in range(3 * facts.MAX_IN_FLIGHT):
                group.start_soon(client.public.credits_balance)

        assert client.statistics().retries == 0


# -- classes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RequestClass.SUBMIT, RequestClass.STATUS])
async def test_in_bulk_a_429_uses_up_no_retry(kind):
    good = ACCEPTED if kind is RequestClass.SUBMIT else ANSWERS["bulk_status"]
    served = Served(
        lambda request, number: respond(good) if number == 9 else respond({}, 429, retry_after="300")
    )
    call = (
        submit_call(lambda: b"{}", kind)
        if kind is RequestClass.SUBMIT
        else status_call(workflow_id="wf_1", kind=kind)
    )
    async with virtual_client(served) as client:
        options = CallOptions(max_retries=0, give_up_after_s=10_000.0)
        reply = await client._runtime.pipeline.call(call, options)

        assert reply.value.workflow_id == "wf_1"
    assert all(gap >= 300 for gap in gaps(served.times))


async def test_bulk_gives_up_when_nothing_was_accepted_for_too_long():
    served = Served(lambda request, number: respond({}, 429, retry_after="100"))
    async with virtual_client(served, give_up_after_s=250.0) as client:
        error = await outcome_of(client.enrich([ADA]))
        now = anyio.current_time()
    assert isinstance(error, errors.RateLimitError)
    assert 250 < now < 350


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_beyond_an_hour_is_an_error_that_says_so(status):
    served = Served(lambda request, number: respond({}, status, retry_after="4000"))
    async with virtual_client(served) as client:
        error = await outcome_of(
            client._runtime.pipeline.call(status_call(workflow_id="wf_1"), CallOptions())
        )
    assert error.retry_after_s == 4_000
    assert len(served.requests) == 1


async def test_nothing_leaves_after_a_429_was_read():
    """Not even what has its token already, and waits for a connection."""
    served = Served(lambda request, number: respond({}, 429, retry_after="30"))
    async with virtual_client(served, rate_limits=RateLimits(), latency=lambda: 0.5) as client:
        calls = [outcome_of(client.public.credits_balance()) for _ in range(30)]
        with anyio.move_on_after(20):
            await asyncio.gather(*calls)
    assert len(served.requests) == facts.MAX_IN_FLIGHT


@pytest.mark.parametrize("status", [502, 504])
async def test_a_gateways_timeout_is_no_answer(status):
    """The request may still be on its way to the server, so its token returns a grace later."""
    served = Served(
        lambda request, number: BALANCE if number else ServerResponse(status, b"<html>", ()),
    )
    async with virtual_client(served, rate_limits=RateLimits(org=1, key=1), max_retries=0) as client:
        await outcome_of(client.public.credits_balance())
        await client.public.credits_balance()
    (gap,) = gaps(served.times)
    assert 65.0 < gap < 65.5


async def test_a_body_that_cannot_be_built_costs_no_token():
    async with virtual_client(lambda request, number: respond(ACCEPTED)) as client:

        def broken():
            raise RuntimeError("no body")

        error = await outcome_of(client._runtime.pipeline.call(submit_call(broken), CallOptions()))
        buckets = client.statistics().buckets
    assert isinstance(error, RuntimeError)
    assert all((bucket.in_flight, bucket.available) == (0, bucket.limit) for bucket in buckets)


async def test_an_error_says_how_long_the_client_itself_is_paused():
    served = Served(lambda request, number: respond({}, 429, retry_after="2"))
    async with virtual_client(served) as client:
        error = await outcome_of(client.public.credits_balance())
        paused_s = client.statistics().paused_for_s
    assert paused_s > 10
    assert error.retry_after_s == pytest.approx(paused_s)

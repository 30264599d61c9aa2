"""The client as a whole: options, sharing, and that nothing foreign comes out of it."""

import asyncio

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanlist_async import AsyncCleanlist, ConfigurationError, RateLimiter, RateLimits, errors, facts
from cleanlist_async.testing import MemoryNetwork
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.support.cases import each_case
from tests.support.clients import (
    ACCEPTED,
    ADA,
    ANSWERS,
    CALLS,
    KEY,
    WIDE,
    Served,
    against,
    always,
    client_of,
    json_answer,
    outcome_of,
    respond,
    virtual_client,
)
from tests.support.examples import examples
from tests.support.faulty_server import Answer, answer
from tests.support.virtual_sandbox import people

NOWHERE = "http://127.0.0.1:9"


@each_case(
    "options",
    [
        {"max_retries": -1},
        {"deadline_s": 0},
        {"deadline_s": -1.0},
        {"deadline_s": float("nan")},
        {"request_timeout_s": 0},
        {"request_timeout_s": float("nan")},
        {"pace": "fast"},
        {"max_retries": "4"},
        {"request_timeout_s": "60"},
        {"deadline_s": "soon"},
    ],
)
def test_options_that_cannot_work_are_refused_at_once(options):
    with pytest.raises(ConfigurationError):
        AsyncCleanlist(KEY, base_url=NOWHERE, **options)
    with pytest.raises(ConfigurationError):
        client_of(NOWHERE).with_options(**options)


def test_a_limiter_and_limits_together_are_refused():
    with pytest.raises(ConfigurationError, match="not both"):
        AsyncCleanlist(KEY, base_url=NOWHERE, limiter=RateLimiter(), rate_limits=RateLimits())


def test_one_key_under_two_limits_is_refused_however_the_address_is_written():
    first = AsyncCleanlist(KEY, base_url="http://localhost:9911/", rate_limits=RateLimits(org=5))
    with pytest.raises(ConfigurationError, match="another limiter"):
        AsyncCleanlist(KEY, base_url="http://LOCALHOST:9911", rate_limits=RateLimits(org=6))
    twin = AsyncCleanlist(KEY, base_url="http://Localhost:9911", rate_limits=RateLimits(org=5))
    assert twin._runtime.pipeline.limiter is first._runtime.pipeline.limiter
    assert twin._runtime.pipeline.route == first._runtime.pipeline.route


@pytest.mark.anyio
async def test_a_closed_client_frees_its_key_for_other_limits():
    url = "http://127.0.0.1:9912"
    async with AsyncCleanlist(KEY, base_url=url, rate_limits=RateLimits(org=5)):
        pass
    async with AsyncCleanlist(KEY, base_url=url, rate_limits=RateLimits(org=6)):
        pass


async def test_with_options_is_the_same_client_with_other_options():
    served = Served(lambda request, number: respond({}, 500))
    async with virtual_client(served) as client:
        patient = client.with_options(max_retries=1, pace="burst").with_options(request_timeout_s=7.0)
        assert type(patient) is type(client)
        await outcome_of(patient.public.credits_balance())
        mine = len(served.requests)
        await outcome_of(client.public.credits_balance())
        assert patient.statistics() == client.statistics()
        assert patient._options.request_timeout_s == 7.0
        assert client._options.request_timeout_s == 60.0
        await patient.aclose()
        original = len(served.requests) - mine
        closed = await outcome_of(client.public.credits_balance())
        connections = client._network.connections
    assert (mine, original, connections) == (2, 5, 1)
    assert type(closed) is ConfigurationError


async def test_with_options_shares_the_tokens():
    served = Served(lambda request, number: respond(ANSWERS["credits_balance"]))
    async with virtual_client(served, rate_limits=RateLimits(org=9, key=2)) as client:
        await client.public.credits_balance()
        await client.with_options(pace="burst").public.credits_balance()
        await client.with_options(max_retries=0).public.credits_balance()
        times = served.times
    assert times[1] < 1
    assert times[2] >= 60


async def test_an_organization_seen_in_an_answer_joins_its_clients():
    served = Served(lambda request, number: respond(ANSWERS["validate_key"]))
    limiter = RateLimiter(RateLimits(org=3, key=3), clock=asyncio.get_running_loop().time)
    async with (
        MemoryNetwork(served) as network,
        VirtualCleanlist(network, "clapi_first_key", limiter=limiter) as one,
        VirtualCleanlist(network, "clapi_other_key", limiter=limiter) as other,
    ):
        for client in (one, other, one, other):
            await client.public.validate_key()
        times = served.times
    assert times[2] < 1
    assert times[3] >= 60, "together they have three"


async def test_statistics_tell_what_happened():
    def handler(request, number):
        if number == 0:
            return respond({}, 503)
        if number == 1:
            return respond({"detail": "slow down"}, 429, retry_after="3")
        return respond(ACCEPTED if request.method == "POST" else ANSWERS["credits_balance"])

    async with virtual_client(handler) as client:
        await client.public.credits_balance()
        await client.public.submit_bulk([ADA])
        statistics = client.statistics()
    assert (statistics.requests, statistics.answered, statistics.rejected_429, statistics.retries) == (
        4,
        4,
        1,
        2,
    )
    assert statistics.waited_s >= 3
    assert (statistics.waiting, statistics.detached_workflows) == (0, ())


async def test_statistics_count_who_waits():
    handler = lambda request, number: respond(ANSWERS["credits_balance"])  # noqa: E731
    async with virtual_client(handler, rate_limits=RateLimits(org=9, key=2)) as client:
        async with anyio.create_task_group() as group:
            for _ in range(7):
                group.start_soon(client.public.credits_balance)
            await anyio.sleep(1)
            waiting = client.statistics().waiting
            group.cancel_scope.cancel()
        assert (waiting, client.statistics().waiting) == (5, 0)


@pytest.mark.sockets
def test_it_is_used_from_tasks_other_than_the_opening_one():
    async def main():
        async with against(always(json_answer(ANSWERS["credits_balance"]))) as (client, _):
            async with anyio.create_task_group() as group:
                for _ in range(50):
                    group.start_soon(client.public.credits_balance)
            return client.statistics().answered

    assert asyncio.run(main()) == 50


# -- nothing foreign comes out ---------------------------------------------------------------------

JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
JSON = st.recursive(
    JUNK,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from(
                    [
                        "workflow_id",
                        "task_id",
                        "task_ids",
                        "status",
                        "results",
                        "tasks",
                        "data",
                        "result",
                        "summary",
                        "error",
                        "detail",
                        "code",
                        "problem",
                        "credits",
                        "valid",
                        "organization_id",
                        "deliveries",
                        "retry_after_ms",
                        "details",
                        "results_truncated",
                        "phones",
                        "emails",
                        "email",
                        "contact",
                        "id",
                        "prospect",
                        "company",
                        "input",
                        "primary_email",
                        "loc",
                        "msg",
                        "attempt",
                        "response_code",
                    ]
                ),
                st.text(max_size=4),
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)
STATUSES = st.one_of(
    st.sampled_from([200, 200, 200, 201, 204, 400, 401, 402, 422, 429, 500, 503]), st.integers(100, 999)
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "retry-after",
            "date",
            "content-type",
            "content-encoding",
            "x-request-id",
            "location",
            "content-length",
        ]
    ),
    st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12),
        st.sampled_from(["gzip", "inf", "-5", "1e400"]),
    ),
    max_size=3,
)


@st.composite
def answers(draw):
    import json

    body = draw(st.one_of(JSON.map(lambda value: json.dumps(value).encode()), st.binary(max_size=60)))
    whole = answer(draw(STATUSES), body, draw(HEADERS))
    if draw(st.booleans()):
        whole = whole.cut(draw(st.integers(0, len(whole.raw))), draw(st.sampled_from(["fin", "reset"])))
    if draw(st.integers(0, 9)) == 0:
        whole = Answer((draw(st.binary(max_size=80)),), "fin")
    return whole


@pytest.mark.slow
@pytest.mark.sockets
@settings(
    max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(answers())
@pytest.mark.anyio
async def test_whatever_the_server_says_a_value_or_an_error_of_ours_comes_out(said):
    async with against(always(said.ending("fin")), request_timeout_s=0.5, max_retries=0) as (client, server):
        for name, call in CALLS.items():
            before = len(server.requests)
            try:
                await call(client)
            except errors.CleanlistError as error:
                str(error), repr(error)
                if name == "submit_bulk" and error.safe_to_retry:
                    assert isinstance(error, errors.APIError), error
            assert len(server.requests) == before + 1
        assert all(bucket.in_flight == 0 for bucket in client.statistics().buckets)


def test_the_wide_limits_are_wide():
    assert WIDE.key == WIDE.org == 10**6


@pytest.mark.world(workflow_s=60.0)
async def test_of_cancelled_runs_the_latest_is_kept_whole_and_those_before_it_as_far_as_there_is_room(
    world, monkeypatch, caplog
):
    monkeypatch.setattr(facts, "MAX_ABANDONED_RESULTS", 10)
    cancelled = []
    for first, count in ((0, 6), (6, 6), (12, 15)):
        with anyio.move_on_after(1):
            await world.client.enrich(people(count, first))
        cancelled.append([result.contact for result in world.client.abandoned])
    everyone = people(27)
    assert cancelled == [everyone[:6], everyone[2:12], everyone[12:]]
    dropped = [
        record.args[0] for record in caplog.records if record.msg.startswith("%d results of cancelled")
    ]
    assert dropped == [2, 10]


async def test_of_submits_whose_callers_have_gone_the_latest_workflows_are_kept(monkeypatch):
    monkeypatch.setattr(facts, "MAX_DETACHED_WORKFLOWS", 2)

    async def accept(number):
        await anyio.sleep(9)
        return respond({**ACCEPTED, "workflow_id": f"wf_{number}"})

    async with virtual_client(lambda request, number: accept(number)) as client:
        for _ in range(3):
            with anyio.move_on_after(1):
                await client.public.submit_bulk([ADA])
            await anyio.sleep(20)

        assert client.statistics().detached_workflows == ("wf_1", "wf_2")

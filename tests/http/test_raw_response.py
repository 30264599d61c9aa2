"""``with_raw_response``, ``default_headers`` and the User-Agent: what a caller sees of answers, and adds."""

import asyncio

import pytest

import cleanlist_async
from cleanlist_async import AsyncCleanlist, AuthenticationError, ConfigurationError, RateLimitError
from cleanlist_async.sandbox import Fault
from tests.support.clients import Served, respond, virtual_client
from tests.support.virtual_sandbox import people

BALANCE = {"credits": 7.5}


async def test_an_answer_has_its_status_headers_body_and_request_id():
    served = Served(lambda *_: respond(BALANCE, x_request_id="req_1", x_credits_left="7.5"))
    async with virtual_client(served) as client:
        answer = await client.with_raw_response.public.credits_balance()
    assert (answer.status_code, answer.request_id, answer.value.credits) == (200, "req_1", 7.5)
    assert answer.headers["X-Credits-Left"] == "7.5"
    assert b"7.5" in answer.content


async def test_an_answer_after_a_retry_is_the_last_one():
    served = Served(lambda _, n: respond(BALANCE, 200 if n else 503, x_request_id=f"req_{n}"))
    async with virtual_client(served) as client:
        answer = await client.with_raw_response.public.credits_balance()
    assert answer.request_id == "req_1"


async def test_answers_of_concurrent_calls_are_not_mixed_up(world):
    raw = world.client.with_raw_response
    first, second = await asyncio.gather(raw.workspace.whoami(), raw.public.credits_balance())
    assert b"organization_id" in first.content
    assert first.content != second.content


async def test_pages_have_the_answer_of_the_page_that_is_asked_for(world):
    made = await world.client.lead_lists.create_list("Leads")
    answer = await world.client.with_raw_response.lead_lists.list_lists()
    assert answer.status_code == 200
    assert made.list_id in [found.list_id for found in answer.value.lists]


async def test_an_error_is_raised_as_it_is_without(world):
    world.sandbox.revoke(world.sandbox.api_key)
    with pytest.raises(AuthenticationError):
        await world.client.with_raw_response.workspace.whoami()


async def test_a_raw_call_has_its_answer_too(world):
    answer = await world.client.with_raw_response.request("GET", "/api/v2/whoami")
    assert answer.status_code == 200


GROUPS = ["public", "workspace", "lead_lists", "enrichment", "smart_agents", "export", "search"]
COMPOSED = {"wait", "import_csv", "download_csv"}
"""They send several requests, of which the last says little."""


@pytest.mark.parametrize("name", GROUPS)
def test_every_operation_that_is_one_answer_is_there(name):
    client = AsyncCleanlist("key", base_url="http://[::1]")
    assert public_names(getattr(client.with_raw_response, name)) - {"group"} == (
        public_names(getattr(client, name)) - COMPOSED
    )


def public_names(group):
    return {name for name in dir(group) if not name.startswith("_")}


async def test_default_headers_go_with_every_request_and_the_user_agent_names_the_version():
    served = Served(lambda *_: respond(BALANCE))
    async with virtual_client(served, default_headers={"X-Tenant": "acme"}) as client:
        await client.public.credits_balance()
        await client.with_options(deadline_s=5).public.credits_balance()
    for request in served.requests:
        assert request.headers["x-tenant"] == "acme"
        assert request.headers["user-agent"].startswith(
            f"cleanlist-async/{cleanlist_async.__version__} python/3."
        )


async def test_a_user_agent_of_the_caller_replaces_ours():
    served = Served(lambda *_: respond(BALANCE))
    async with virtual_client(served, default_headers={"user-agent": "acme-crm/2"}) as client:
        await client.public.credits_balance()
    assert served.requests[0].headers["user-agent"] == "acme-crm/2"


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "x"}, {"host": "x"}, {"X-A": "a\nb"}, {"X A": "b"}, {1: "b"}, {"X-A": 1}, "X-A: b"],
)
def test_headers_that_cannot_be_sent_are_refused(headers):
    with pytest.raises(ConfigurationError, match="default_headers"):
        AsyncCleanlist("key", default_headers=headers)


def test_the_value_of_a_header_is_not_shown_where_it_is_refused():
    with pytest.raises(ConfigurationError) as refused:
        AsyncCleanlist("key", default_headers={"X-Token": "hunter2\n"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("max_retries", [0, 2])
async def test_max_retries_bounds_the_429s_of_a_call_that_a_caller_waits_for(world, max_retries):
    world.sandbox.add_fault(Fault(status=429, times=10))
    with pytest.raises(RateLimitError):
        await world.client.with_options(max_retries=max_retries).public.credits_balance()
    assert world.ledger.count(429) == max_retries + 1


async def test_429s_of_a_run_do_not_count_as_retries(world):
    world.sandbox.add_fault(Fault(status=429, times=10))
    report = await world.client.with_options(max_retries=0).enrich(people(10))
    assert report.stopped_by is None

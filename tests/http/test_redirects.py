"""A redirect of a submit is a refusal that names the target; one that may follow the work is not."""

import pytest

from cleanlist_async import RedirectedError, UnknownOutcomeError
from cleanlist_async.sandbox import Fault
from tests.support.cases import each_case
from tests.support.clients import ADA, Served, outcome_of, respond, virtual_client
from tests.support.virtual_sandbox import people

BULK = "/api/v1/public/enrich/bulk"
ELSEWHERE = {
    "another host": (
        "https://www.api.example" + BULK,
        "Set base_url (CLEANLIST_BASE_URL) to https://www.api.example.",
    ),
    "another scheme": ("https://localhost" + BULK, "to https://localhost."),
    "another port": ("http://localhost:8443" + BULK, "to http://localhost:8443."),
    "a slash more": (BULK + "/", "this is not the API"),
    "a sign-in page": ("https://sso.example/login?next=secret", "this is not the API"),
}


def submit(status, location):
    headers = {} if location is None else {"location": location}
    return Served(lambda _request, _number: respond(b"", status, **headers))


@each_case("kind", ELSEWHERE)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_submit_that_is_redirected_elsewhere_was_not_taken(kind, status):
    location, fix = ELSEWHERE[kind]
    served = submit(status, location)
    async with virtual_client(served) as client:
        error = await outcome_of(client.public.submit_bulk([ADA]))
    assert isinstance(error, RedirectedError)
    assert (error.status, error.billed, error.safe_to_retry, len(served.requests)) == (status, "no", True, 1)
    assert fix in str(error)
    assert "secret" not in str(error)


@each_case("location", [None, "/elsewhere", "/v2/enrich/bulk", "http://[", ""])
@pytest.mark.parametrize("status", [301, 307, 308])
async def test_a_submit_that_is_to_be_made_at_another_path_was_not_taken(location, status):
    served = submit(status, location)
    async with virtual_client(served) as client:
        error = await outcome_of(client.public.submit_bulk([ADA]))
    assert isinstance(error, RedirectedError)
    assert (error.status, error.billed, len(served.requests)) == (status, "no", 1)


@each_case("location", [None, "/elsewhere", "/enrichment/status/wf_1", "http://[", ""])
async def test_one_that_may_follow_the_work_is_unknown(location):
    served = submit(303, location)
    async with virtual_client(served) as client:
        error = await outcome_of(client.public.submit_bulk([ADA]))
    assert isinstance(error, UnknownOutcomeError)
    assert isinstance(error.answer, RedirectedError)
    assert (error.billed, len(served.requests)) == ("unknown", 1)


async def test_a_read_names_the_target_too():
    served = submit(308, "https://www.api.example/api/v1/public/credits/balance")
    async with virtual_client(served) as client:
        error = await outcome_of(client.public.credits_balance())
    assert isinstance(error, RedirectedError)
    assert "redirects to https://www.api.example/api/v1/public/credits/balance" in str(error)


async def test_a_run_stops_at_the_first_and_nothing_is_unknown(world):
    moved = [("location", "https://www.api.example" + BULK)]
    world.sandbox.add_fault(Fault("/enrich/bulk", status=308, headers=moved, times=100))
    with pytest.raises(RedirectedError, match=r"www\.api\.example"):
        await world.client.enrich(people(2_000))
    assert world.submits() == 1

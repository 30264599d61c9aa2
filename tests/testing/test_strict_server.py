"""The strict server: its limits and answers, request by request, and what it catches of a client."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter

import anyio
import httpx
import pytest

from cleanlist_async.testing import (
    LimitKind,
    MemoryNetwork,
    ServerRequest,
    ServerResponse,
    StrictServer,
    memory_transport,
    run,
)

PREFIX = "/api/v1/public"
PERSON = {"first_name": "Ada", "last_name": "Lovelace", "company_domain": "engines.example"}


def request(
    method: str, path: str, *, at: float = 0.0, key: str = "clapi_test", body: object = None, **query: str
) -> ServerRequest:
    return ServerRequest(
        method=method,
        path=PREFIX + path,
        query=query,
        headers={"authorization": f"Bearer {key}"},
        body=json.dumps(body).encode(),
        arrived_at=at,
    )


def respond(server: StrictServer, *requests: ServerRequest) -> list[ServerResponse]:
    async def main() -> list[ServerResponse]:
        return [await server(one) for one in requests]

    return run(main())


def balance_at(server: StrictServer, *times: float, key: str = "clapi_test") -> list[int]:
    responses = respond(server, *(request("GET", "/credits/balance", at=at, key=key) for at in times))
    return [response.status for response in responses]


def submit(server: StrictServer, contacts: object, enrichment_type: str = "partial", *, at: float = 0.0):
    body = {"contacts": contacts, "enrichment_type": enrichment_type}
    (response,) = respond(server, request("POST", "/enrich/bulk", body=body, at=at))
    return response.status, json.loads(response.body)


def status(server: StrictServer, *, at: float, **query: str):
    (response,) = respond(server, request("GET", "/enrich/status", at=at, **query))
    return response.status, json.loads(response.body)


# -- limits ----------------------------------------------------------------------------------------


def test_the_key_limit_is_30_and_the_organization_limit_60():
    server = StrictServer(keys={"clapi_a": "org", "clapi_b": "org", "clapi_c": "org"})
    assert Counter(balance_at(server, *[0.0] * 31, key="clapi_a")) == {200: 30, 429: 1}
    assert Counter(balance_at(server, *[1.0] * 30, key="clapi_b")) == {200: 30}
    assert balance_at(server, 2.0, 60.0, key="clapi_c") == [429, 200]
    assert (len(server.grants()), len(server.grants("clapi_a")), len(server.rejections)) == (61, 30, 2)


def test_organizations_do_not_share():
    server = StrictServer(organization_limit=1, keys={"clapi_a": "one", "clapi_b": "two"})
    assert balance_at(server, 0.0, 0.0, key="clapi_a") == [200, 429]
    assert balance_at(server, 0.0, 0.0, key="clapi_b") == [200, 429]


def test_a_request_refused_by_one_limit_counts_on_neither():
    server = StrictServer(key_limit=1, organization_limit=2, keys={"clapi_a": "org", "clapi_b": "org"})
    assert balance_at(server, 0.0, 0.0, 0.0, key="clapi_a") == [200, 429, 429]
    assert balance_at(server, 0.0, key="clapi_b") == [200]


def test_a_jwt_passes_the_organization_limit_only():
    server = StrictServer(keys={"eyJ.a.b": "org"})
    assert Counter(balance_at(server, *[0.0] * 61, key="eyJ.a.b")) == {200: 60, 429: 1}


def test_unknown_keys_count_nowhere():
    server = StrictServer(key_limit=1)
    assert balance_at(server, 0.0, 0.0, key="clapi_stolen") == [401, 401]
    assert balance_at(server, 0.0) == [200]
    assert server.grants() == [0.0]


@pytest.mark.parametrize("authorization", ["", "Basic clapi_test", "clapi_test", "Bearer  clapi_test"])
def test_only_a_bearer_key_is_accepted(authorization: str):
    bare = ServerRequest("GET", PREFIX + "/auth/validate-key", {}, {"authorization": authorization}, b"", 0.0)
    (response,) = respond(StrictServer(), bare)
    assert (response.status, json.loads(response.body)) == (401, {"detail": "Not authenticated"})


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sliding", [200, 200, 429, 200, 429, 429, 429, 200]),
        ("fixed", [200, 200, 429, 200, 200, 429, 429, 429]),
        ("token_bucket", [200, 200, 200, 429, 429, 200, 429, 200]),
        ("weighted", [200, 200, 429, 200, 429, 200, 429, 429]),
    ],
)
def test_each_kind_of_limit_at_hand_made_arrivals(kind: LimitKind, expected: list[int]):
    server = StrictServer(limiter=kind, key_limit=2)
    assert balance_at(server, 1.0, 50.0, 59.9, 61.0, 62.0, 95.0, 100.0, 111.0) == expected


def test_rejected_requests_may_count_too():
    patient, counting = StrictServer(key_limit=1), StrictServer(key_limit=1, count_rejected=True)
    times = (0.0, 30.0, 60.0, 90.0, 120.0)
    assert balance_at(patient, *times) == [200, 429, 200, 429, 200]
    assert balance_at(counting, *times) == [200, 429, 429, 429, 429]


def test_the_429_of_the_error_envelope_says_how_long_to_wait():
    server = StrictServer(key_limit=1)
    _, refused = respond(server, *(request("GET", "/credits/balance", at=at) for at in (0.0, 57.7)))
    error = json.loads(refused.body)["error"]
    assert (error["code"], error["retryable"], error["retry_after_ms"]) == ("rate_limited", True, 2_300)
    assert dict(refused.headers)["retry-after"] == "3"


def test_the_429_of_the_detail_envelope_says_nothing():
    server = StrictServer(key_limit=1, envelope="detail")
    _, refused = respond(server, *(request("GET", "/credits/balance", at=at) for at in (0.0, 57.7)))
    assert json.loads(refused.body) == {"detail": "Rate limit exceeded"}
    assert "retry-after" not in dict(refused.headers)


@pytest.mark.slow
@pytest.mark.parametrize(("window_s", "rejected"), [(60.0, 0), (59.9, 150)])
async def test_a_client_that_sends_again_too_early_is_caught(window_s: float, rejected: int):
    server = StrictServer()

    async def token(http: httpx.AsyncClient) -> None:
        for _ in range(10):
            await http.get("/credits/balance")
            await anyio.sleep(window_s)

    async with (
        MemoryNetwork(server) as network,
        client(network) as http,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(30):
            tasks.start_soon(token, http)
    assert len(server.requests) == 300
    assert len(server.rejections) == rejected  # every second round, when it comes too early


def client(network: MemoryNetwork) -> httpx.AsyncClient:
    headers = {"authorization": "Bearer clapi_test"}
    return httpx.AsyncClient(
        transport=memory_transport(network),
        headers=headers,
        base_url="http://api.test" + PREFIX,
        timeout=None,
    )


# -- operations ------------------------------------------------------------------------------------


def test_the_key_and_the_balance():
    server = StrictServer(credits=12.5)
    first, second = respond(server, request("GET", "/auth/validate-key"), request("GET", "/credits/balance"))
    assert json.loads(first.body) == {"valid": True, "user_id": "user_test", "organization_id": "org_test"}
    assert json.loads(second.body) == {"organization_id": "org_test", "credits": 12.5}


def test_a_submit_is_accepted_and_finishes_when_its_time_has_come():
    server = StrictServer(workflow_s=lambda: 20.0, hit_rate=1.0)
    code, accepted = submit(server, [PERSON] * 3, "full", at=5.0)
    assert (code, accepted["status"], accepted["total_contacts"]) == (200, "processing", 3)
    assert len(set(accepted["task_ids"])) == 3
    workflow = server.workflows[accepted["workflow_id"]]
    assert (workflow.submitted_at, workflow.finishes_at, server.contacts_accepted) == (5.0, 25.0, 3)

    _, early = status(server, at=24.9, workflow_id=accepted["workflow_id"])
    assert (early["status"], "results" in early) == ("processing", False)
    _, finished = status(server, at=25.0, workflow_id=accepted["workflow_id"])
    assert (finished["status"], finished["summary"]["successful"]) == ("completed", 3)
    assert [row["task_id"] for row in finished["results"]] == accepted["task_ids"]


def test_a_row_tells_whose_it_is():
    server = StrictServer(hit_rate=1.0)
    contact = {**PERSON, "company_name": "Engines", "linkedin_url": "https://linkedin.com/in/ada"}
    _, accepted = submit(server, [contact], "full")
    _, row = status(server, at=20.0, task_id=accepted["task_ids"][0])
    assert row["prospect"] == {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "full_name": "Ada Lovelace",
        "linkedin_url": "https://linkedin.com/in/ada",
    }
    assert row["company"] == {"name": "Engines", "domain": "engines.example"}
    assert (row["status"], row["primary_email_status"]) == ("completed", "reliable")
    assert row["primary_email"].startswith("ada.lovelace.")
    assert row["primary_email"].endswith("@engines.example")
    assert len(row["personal_phone_numbers"]) == 1


def test_a_name_is_read_from_the_linkedin_address_where_none_is_given():
    server = StrictServer()
    _, accepted = submit(server, [{"linkedin_url": "https://linkedin.com/in/grace-hopper/"}])
    _, row = status(server, at=20.0, task_id=accepted["task_ids"][0])
    assert row["prospect"]["full_name"] == "Grace Hopper"


@pytest.mark.parametrize(
    ("enrichment_type", "found"),
    [("none", (0, 0)), ("partial", (1, 0)), ("phone_only", (0, 1)), ("full", (1, 1))],
)
def test_each_type_finds_what_it_should(enrichment_type: str, found: tuple[int, int]):
    server = StrictServer(hit_rate=1.0)
    _, accepted = submit(server, [PERSON], enrichment_type)
    _, row = status(server, at=20.0, task_id=accepted["task_ids"][0])
    assert (row["primary_email"] is not None, len(row["personal_phone_numbers"])) == found


def test_different_people_have_different_addresses_and_about_hit_rate_of_them():
    server = StrictServer(hit_rate=0.7)
    people = [{**PERSON, "first_name": f"Ada{n}"} for n in range(250)]
    _, accepted = submit(server, people)
    _, report = status(server, at=20.0, workflow_id=accepted["workflow_id"])
    emails = [row["primary_email"] for row in report["results"] if row["primary_email"]]
    assert len(set(emails)) == len(emails) == report["summary"]["successful"]
    assert 150 < len(emails) < 200
    assert {row["status"] for row in report["results"]} == {"completed", "failed"}


def test_only_what_was_found_costs():
    server = StrictServer(hit_rate=0.7, credits=10_000)
    people = [{**PERSON, "first_name": f"Ada{n}"} for n in range(250)]
    _, accepted = submit(server, people, "full")
    _, report = status(server, at=20.0, workflow_id=accepted["workflow_id"])
    assert server.credits == 10_000 - 11 * report["summary"]["successful"]


def test_a_submit_that_might_cost_too_much_is_refused():
    server = StrictServer(credits=10)
    assert submit(server, [PERSON], "full") == (402, {"detail": "Insufficient credits"})
    assert server.contacts_accepted == 0


@pytest.mark.parametrize(
    ("contacts", "code", "detail"),
    [
        ([], 400, "At least one contact is required."),
        ([PERSON] * 251, 400, "Bulk enrichment supports up to 250 contacts per request."),
    ],
)
def test_too_few_or_too_many_contacts(contacts: object, code: int, detail: str):
    assert submit(StrictServer(), contacts) == (code, {"detail": detail})


def test_contacts_nobody_could_identify():
    contacts = [PERSON, {"email": "a@b.c"}, {"first_name": "A", "company_name": "B"}, {"linkedin_url": "x"}]
    code, body = submit(StrictServer(), contacts)
    assert (code, [violation["loc"] for violation in body["detail"]]) == (
        422,
        [["body", "contacts", 1], ["body", "contacts", 2]],
    )


def test_an_unknown_type():
    code, body = submit(StrictServer(), [PERSON], "everything")
    assert (code, body["detail"][0]["loc"]) == (422, ["body", "enrichment_type"])


@pytest.mark.parametrize("query", [{}, {"workflow_id": "a", "task_id": "b"}])
def test_status_wants_exactly_one_id(query: dict[str, str]):
    expected = (400, {"detail": "Provide exactly one of workflow_id or task_id."})
    assert status(StrictServer(), at=0.0, **query) == expected


def test_what_is_not_there():
    server = StrictServer()
    assert status(server, at=0.0, workflow_id="x")[0] == 404
    assert status(server, at=0.0, task_id="x")[0] == 404
    responses = respond(
        server, request("GET", "/webhooks/deliveries", workflow_id="x"), request("GET", "/enrich/bulk")
    )
    assert [response.status for response in responses] == [404, 404]


def test_deliveries_of_a_known_workflow_are_none():
    server = StrictServer()
    _, accepted = submit(server, [PERSON])
    workflow_id = accepted["workflow_id"]
    (response,) = respond(server, request("GET", "/webhooks/deliveries", workflow_id=workflow_id))
    assert json.loads(response.body) == {"workflow_id": workflow_id, "deliveries": []}


def test_without_rows_a_workflow_still_finishes():
    server = StrictServer(rows=False)
    _, accepted = submit(server, [PERSON])
    _, report = status(server, at=20.0, workflow_id=accepted["workflow_id"])
    assert (report["status"], "results" in report) == ("completed", False)


# -- over the network ------------------------------------------------------------------------------


def test_a_request_counts_when_it_arrives_not_when_it_is_answered():
    thinking = itertools.chain([10.0, 0.0], itertools.repeat(0.0))
    server = StrictServer(key_limit=1, think_s=lambda: next(thinking))

    async def main() -> list[tuple[int, float]]:
        async with MemoryNetwork(server, latency=lambda: 1.0) as network, client(network) as http:
            first = await http.get("/credits/balance")
            answered_at = asyncio.get_running_loop().time()
            await anyio.sleep(63.0 - 1.0 - answered_at)
            second = await http.get("/credits/balance")
            return [(first.status_code, answered_at), (second.status_code, 0.0)]

    assert run(main()) == [(200, 14.0), (200, 0.0)]
    assert [one.arrived_at for one in server.requests] == [3.0, 63.0]


def test_keys_stay_out_of_the_record_s_repr():
    server = StrictServer()
    balance_at(server, 0.0)
    assert server.requests[0].key == "clapi_test"
    assert "clapi_test" not in repr(server.requests)

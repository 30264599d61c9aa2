"""Every refusal that is documented, word for word, in both envelopes."""

import math

import httpx
import pytest

from cleanlist_async.sandbox import Sandbox
from cleanlist_async.sandbox.public_api import INCOMPLETE
from cleanlist_async.sandbox.workflows import insufficient_credits
from tests.support.cases import each_case

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

PATHS = [
    ("GET", "/auth/validate-key"),
    ("GET", "/credits/balance"),
    ("POST", "/enrich/bulk"),
    ("GET", "/enrich/status"),
    ("GET", "/webhooks/deliveries"),
]
KEY = "clapi_sandbox_0123456789abcdef"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl"


@pytest.mark.slow
@each_case(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": KEY},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer  {KEY}"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer clapi_of_somebody_else"},
        {"X-API-Key": KEY},
    ],
)
async def test_401_for_anything_but_a_known_bearer_key(headers):
    async with Sandbox() as sandbox, httpx.AsyncClient(base_url=sandbox.base_url) as http:
        for method, path in PATHS:
            answer = await http.request(method, "/api/v1/public" + path, headers=headers)
            assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert all(request.key_id is None for request in sandbox.ledger.requests)


async def test_401_after_revocation_and_403_without_plan(connect):
    async with Sandbox(api_keys=("a", "b"), no_api_keys=("free",)) as sandbox:
        sandbox.revoke("a")
        async with connect(sandbox, "a") as http:
            assert (await http.get("/auth/validate-key")).status_code == 401
        async with connect(sandbox, "b") as http:
            assert (await http.get("/auth/validate-key")).status_code == 200
        async with connect(sandbox, "free") as http:
            answer = await http.get("/auth/validate-key")
        assert answer.status_code == 403
        assert isinstance(answer.json()["detail"], str)


async def test_401_and_403_do_not_use_up_the_limit(connect):
    async with Sandbox(org_limit=1, no_api_keys=("free",)) as sandbox:
        for key in ("unknown", "free"):
            async with connect(sandbox, key) as http:
                await http.get("/credits/balance")
        async with connect(sandbox) as http:
            assert (await http.get("/credits/balance")).status_code == 200


async def test_a_session_token_passes_the_key_limit(connect):
    async with Sandbox(jwts=(JWT,), key_limit=1, org_limit=3) as sandbox, connect(sandbox, JWT) as http:
        statuses = [(await http.get("/credits/balance")).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        async with connect(sandbox, JWT + "x") as other:
            assert (await other.get("/credits/balance")).status_code == 401


async def test_400_for_counts(connect, people):
    async with Sandbox() as sandbox, connect(sandbox) as http:
        empty, full, many = [await http.submit(people(count)) for count in (0, 250, 251)]
        assert (empty.status_code, empty.json()) == (400, {"detail": "At least one contact is required."})
        assert full.status_code == 200
        assert (many.status_code, many.json()) == (
            400,
            {"detail": "Bulk enrichment supports up to 250 contacts per request."},
        )
        assert len(sandbox.ledger.accepted_contacts()) == 250


async def test_400_for_both_or_neither_id(connect):
    async with Sandbox() as sandbox, connect(sandbox) as http:
        for query in ({}, {"workflow_id": "w", "task_id": "t"}, {"workflow_id": ""}):
            answer = await http.status(**query)
            assert (answer.status_code, answer.json()) == (
                400,
                {"detail": "Provide exactly one of workflow_id or task_id."},
            )


async def test_404_and_405_in_fastapi_words(connect):
    async with Sandbox() as sandbox, connect(sandbox) as http:
        for path in (
            "/enrich/status?workflow_id=public_bulk_x",
            "/enrich/status?task_id=x",
            "/webhooks/deliveries?workflow_id=x",
        ):
            answer = await http.get(path)
            assert answer.status_code == 404
            assert answer.json()["detail"] in {"Workflow not found", "Task not found"}
        unknown, wrong = await http.get("/nowhere"), await http.delete("/enrich/bulk")
        assert (unknown.status_code, unknown.json()) == (404, {"detail": "Not Found"})
        assert (wrong.status_code, wrong.json()) == (405, {"detail": "Method Not Allowed"})
        assert wrong.headers["Allow"] == "POST"


async def test_422_names_every_contact_that_is_incomplete(connect, people):
    contacts = people(9)
    contacts[3] = {"first_name": "John"}
    contacts[7] = {"email": "a@b.example", "first_name": " ", "last_name": "B", "company_name": "C"}
    async with Sandbox() as sandbox, connect(sandbox) as http:
        answer = await http.submit(contacts)
        assert answer.status_code == 422
        assert answer.json()["detail"] == [
            {"type": "value_error", "loc": ["body", "contacts", i], "msg": INCOMPLETE, "input": contacts[i]}
            for i in (3, 7)
        ]
        assert sandbox.ledger.accepted_contacts() == []


@pytest.mark.parametrize(
    "contact",
    [
        {"linkedin_url": "https://www.linkedin.com/in/ada"},
        {"first_name": "A", "last_name": "B", "company_domain": "c.example"},
        {"first_name": "A", "last_name": "B", "company_name": "C", "company_domain": None, "extra": 1},
    ],
)
async def test_each_documented_combination_is_accepted(connect, contact):
    async with Sandbox() as sandbox, connect(sandbox) as http:
        assert (await http.submit([contact])).status_code == 200


@each_case(
    ("body", "loc"),
    [
        (b"", ["body"]),
        (b"{", ["body", 1]),
        (b"[]", ["body"]),
        (b"{}", ["body", "contacts"]),
        (b'{"contacts": {}}', ["body", "contacts"]),
        (b'{"contacts": [1]}', ["body", "contacts", 0]),
        (b'{"contacts": [{"linkedin_url": 1}]}', ["body", "contacts", 0, "linkedin_url"]),
        (
            b'{"contacts": [{"linkedin_url": "x"}], "enrichment_type": "phone-only"}',
            ["body", "enrichment_type"],
        ),
        (b'{"contacts": [{"linkedin_url": "x"}], "enrichment_type": null}', ["body", "enrichment_type"]),
        (b'{"contacts": [{"linkedin_url": "x"}], "webhook_url": 1}', ["body", "webhook_url"]),
        (
            b'{"contacts": [{"linkedin_url": "x"}], "webhook_url": "http://a.example"}',
            ["body", "webhook_url"],
        ),
        (b'{"contacts": [{"linkedin_url": "x"}], "webhook_url": "https://"}', ["body", "webhook_url"]),
        (b'{"contacts": [{"linkedin_url": "x"}], "webhook_url": "http://[::1"}', ["body", "webhook_url"]),
        (b'{"contacts": [{"first_name": "\\ud800"}]}', ["body", "contacts", 0]),
    ],
)
async def test_422_for_wrong_types(connect, body, loc):
    async with Sandbox() as sandbox, connect(sandbox) as http:
        answer = await http.post("/enrich/bulk", content=body)
        assert answer.status_code == 422
        [error] = answer.json()["detail"]
        assert error["loc"] == loc
        assert {"type", "msg", "input"} <= error.keys()


async def test_402_holds_the_worst_case_of_running_workflows(connect, people):
    async with Sandbox(credits=21.5, workflow_s=3600) as sandbox, connect(sandbox) as http:
        assert (await http.submit(people(1), "full")).status_code == 200
        refused = await http.submit(people(1), "full")
        assert (refused.status_code, refused.json()) == (402, {"detail": "Insufficient credits"})
        assert (await http.submit(people(1), "phone_only")).status_code == 200
        assert (await http.get("/credits/balance")).json()["credits"] == 21.5


async def test_insufficient_credits_in_the_error_envelope(connect, people):
    async with Sandbox(credits=40, envelope="error") as sandbox, connect(sandbox) as http:
        answer = await http.submit(people(10), "full")
        error = answer.json()["error"]
        assert answer.status_code == 400
        assert (error["code"], error["retryable"]) == ("insufficient_credits", False)
        assert error["docs_url"] == "https://docs.cleanlist.ai/errors/insufficient-credits"
        credit_fields = ("estimated_cost_credits", "available_credits", "shortfall_credits")
        assert [error[name] for name in credit_fields] == [110, 40, 70]


async def test_the_error_envelope_has_its_documented_fields_and_an_id_of_its_own(connect):
    async with Sandbox(envelope="error") as sandbox, connect(sandbox) as http:
        answers = [
            await http.get("/auth/validate-key", headers={"Authorization": ""}),
            await http.post("/enrich/bulk", json={"contacts": []}),
            await http.post("/enrich/bulk", json={"contacts": [{}]}),
            await http.status(workflow_id="x"),
            await http.get("/nowhere"),
        ]
        errors = [answer.json()["error"] for answer in answers]
        assert [answer.status_code for answer in answers] == [401, 400, 400, 404, 404]
        assert [error["code"] for error in errors] == [
            "invalid_token",
            "validation_error",
            "validation_error",
            "not_found",
            "not_found",
        ]
        assert all({"problem", "retryable", "docs_url", "request_id"} <= error.keys() for error in errors)
        assert errors[2]["details"]["errors"][0]["loc"] == ["body", "contacts", 0]
        assert len({error["request_id"] for error in errors}) == len(errors)


async def test_429_names_the_wait(connect):
    now = [100.0]
    sandbox = Sandbox(clock=lambda: now[0], org_limit=9, key_limit=1)
    async with sandbox, connect(sandbox) as http:
        await http.get("/credits/balance")
        now[0] += 1.5
        answer = await http.get("/credits/balance")
        error = answer.json()["error"]
        assert answer.status_code == 429
        assert (error["code"], error["retryable"], error["retry_after_ms"]) == ("rate_limited", True, 58_500)
        assert answer.headers["Retry-After"] == str(math.ceil(58.5))
        now[0] += 58.5
        assert (await http.get("/credits/balance")).status_code == 200


async def test_429_of_the_older_page_names_none(connect):
    async with Sandbox(limit_429="detail", org_limit=1) as sandbox, connect(sandbox) as http:
        await http.get("/credits/balance")
        answer = await http.get("/credits/balance")
        assert (answer.status_code, answer.json()) == (429, {"detail": "Rate limit exceeded"})
        assert "Retry-After" not in answer.headers
        assert [request.admitted for request in sandbox.ledger.requests] == [True, False]


def test_a_refusal_for_want_of_credits_names_the_call():
    refusal = insufficient_credits("verify_phones", 3.0, 1.5)
    assert refusal.extra["problem"] == "This verify_phones call requires 3 credits; organization has 1.5."
    assert refusal.extra["shortfall_credits"] == 1.5

"""What stands in front of every modern operation: credential, limit, scope, switch, validation."""

import pytest

from cleanlist_async.sandbox import Fault, Sandbox
from cleanlist_async.sandbox.modern import ROUTES
from cleanlist_async.sandbox.modern.operations import ALL_SCOPES
from tests.support.cases import each_case
from tests.support.modern_caller import ModernCaller, code, locations

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

PREFIXES = ["/api/v2", "/api/v1/public"]

REQUESTS = {
    "whoami": ("GET", "/whoami", None),
    "credits_balance": ("GET", "/credits/balance", "credits:read"),
    "credits_estimate": ("POST", "/credits/estimate", "credits:read"),
    "list_api_keys": ("GET", "/api-keys", "admin:api_keys"),
    "usage_report": ("GET", "/usage", "admin:api_keys"),
    "enrich_person": ("POST", "/enrichment/person", "enrich:write"),
    "enrich_company": ("POST", "/enrichment/company", "enrich:write"),
    "enrich_by_task": ("POST", "/enrichment/by-task", "enrich:write"),
    "enrich_list": ("POST", "/enrichment/bulk", "enrich:write"),
    "enrichment_status": ("GET", "/enrichment/status/x", "enrich:read"),
    "create_list": ("POST", "/lead-lists", "lists:write"),
    "list_lists": ("GET", "/lead-lists", "lists:read"),
    "get_list": ("GET", "/lead-lists/x", "lists:read"),
    "update_list": ("PATCH", "/lead-lists/x", "lists:write"),
    "delete_list": ("DELETE", "/lead-lists/x", "lists:write"),
    "list_leads_in_list": ("GET", "/lead-lists/x/leads", "lists:read"),
    "add_leads_to_list": ("POST", "/lead-lists/x/leads", "lists:write"),
    "remove_leads_from_list": ("DELETE", "/lead-lists/x/leads", "lists:write"),
    "csv_import": ("POST", "/lead-lists/x/csv-import", "lists:write"),
    "run_smart_agent": ("POST", "/smart-agents/run", "smart_agents:write"),
    "list_smart_agents": ("GET", "/smart-agents", "smart_agents:read"),
    "get_smart_agent_results": ("GET", "/smart-agents/x", "smart_agents:read"),
    "export_csv": ("POST", "/export/csv/signed-url", "export:read"),
    "export_json": ("GET", "/export/json", "export:read"),
    "search_people": ("POST", "/search/people", "people:read"),
    "search_companies": ("POST", "/search/companies", "companies:read"),
}
"""Method, path and the scope that docs.cleanlist.ai/mcp-api/authentication names."""


def test_every_operation_is_here():
    assert REQUESTS.keys() == ROUTES.keys()


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_every_operation_asks_for_its_own_scope(prefix):
    keys = {f"lacks-{scope}": [other for other in ALL_SCOPES if other != scope] for scope in ALL_SCOPES}
    async with Sandbox(api_keys=tuple(keys), scopes=keys, limiter="off") as sandbox:
        for operation, (method, path, scope) in REQUESTS.items():
            if scope is None or (operation == "credits_balance" and prefix != "/api/v2"):
                continue
            async with ModernCaller(sandbox, f"lacks-{scope}", prefix) as http:
                answer = await http.request(method, path)
                assert code(answer) == (403, "insufficient_scope"), operation
                details = answer.json()["error"]["details"]
                assert details["required"] == [scope]
                assert details["granted"] == keys[f"lacks-{scope}"]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_every_operation_can_be_switched_off(prefix):
    sandbox = Sandbox(modern_disabled=tuple(ROUTES), limiter="off")
    async with sandbox, ModernCaller(sandbox, prefix=prefix) as http:
        for operation, (method, path, _) in REQUESTS.items():
            answer = await http.request(method, path)
            if operation == "credits_balance" and prefix != "/api/v2":
                assert answer.status_code == 200, "that one is the Public API's"
                continue
            assert code(answer) == (503, "not_enabled"), operation
            assert answer.json()["error"]["retryable"] is False


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_credentials_and_unknown_places_are_refused_in_the_error_envelope(prefix):
    async with Sandbox(no_api_keys=("free",)) as sandbox:
        async with ModernCaller(sandbox, "wrong", prefix) as http:
            answer = await http.get("/whoami")
            assert code(answer) == (401, "invalid_token")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        async with ModernCaller(sandbox, "free", prefix) as http:
            assert code(await http.get("/lead-lists")) == (403, "feature_gated")
        async with ModernCaller(sandbox, prefix=prefix) as http:
            assert code(await http.put("/lead-lists")) == (405, "method_not_allowed")
            assert code(await http.get("/lead-lists/x/nothing")) == (404, "not_found")


async def test_the_public_api_keeps_its_own_envelope():
    async with Sandbox() as sandbox, ModernCaller(sandbox, prefix="/api/v1/public") as http:
        assert (await http.get("/nowhere")).json() == {"detail": "Not Found"}
        assert (await http.put("/credits/balance")).json() == {"detail": "Method Not Allowed"}
        assert "detail" in (await http.get("/enrich/status")).json()


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_429_names_the_wait_whatever_the_public_api_says(prefix):
    sandbox = Sandbox(key_limit=1, limit_429="detail")
    async with sandbox, ModernCaller(sandbox, prefix=prefix) as http:
        await http.get("/whoami")
        answer = await http.get("/whoami")
        assert code(answer) == (429, "rate_limited")
        told = answer.json()["error"]
        assert 0 < told["retry_after_ms"] <= 60_000
        assert int(answer.headers["Retry-After"]) == -(-told["retry_after_ms"] // 1000)
        assert told["retryable"] is True


async def test_every_refusal_has_a_request_id_of_its_own():
    async with Sandbox(limiter="off") as sandbox, ModernCaller(sandbox) as http:
        ids = [(await http.get(f"/lead-lists/{one}")).json()["error"]["request_id"] for one in range(5)]
        assert len(set(ids)) == 5
        error = (await http.get("/lead-lists/x")).json()["error"]
        assert error["docs_url"] == "https://docs.cleanlist.ai/errors/list-not-found"
        assert {"code", "problem", "retryable", "docs_url", "request_id"} <= error.keys()


@each_case(
    ("status", "expected", "retryable"),
    [
        (410, "version_deprecated", False),
        (500, "internal_error", True),
        (501, "feature_not_available", False),
        (503, "internal_error", True),
        (504, "workflow_timeout", True),
    ],
)
async def test_faults_speak_the_documented_codes_under_both_prefixes(status, expected, retryable):
    fault = Fault("*/enrichment/status/*", status=status, times=2)
    async with Sandbox(faults=[fault]) as sandbox:
        for prefix in PREFIXES:
            async with ModernCaller(sandbox, prefix=prefix) as http:
                answer = await http.get("/enrichment/status/x")
                assert code(answer) == (status, expected)
                assert answer.json()["error"]["retryable"] is retryable
        assert len(sandbox.ledger.requests_of("*/enrichment/status/*")) == 2


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_validation_is_a_detail_list_under_both_prefixes(prefix):
    async with Sandbox() as sandbox, ModernCaller(sandbox, prefix=prefix) as http:
        answer = await http.post("/enrichment/company", json={"domain": 7, "colour": "red"})
        assert locations(answer) == [("body", "domain"), ("body", "colour")]
        for item in answer.json()["detail"]:
            assert item.keys() == {"type", "loc", "msg"}
        unknown = await http.post("/enrichment/company", json={"colour": "red"})
        assert unknown.json()["detail"][0]["type"] == "extra_forbidden"
        headers = {"content-type": "application/json"}
        for content, kind, where in (
            (b"", "missing", [("body",)]),
            (b"{", "json_invalid", [("body", 1)]),
            (b"[]", "model_type", [("body",)]),
            (b"\xff", "json_invalid", [("body", 0)]),
        ):
            answer = await http.post("/enrichment/company", content=content, headers=headers)
            assert locations(answer) == where
            assert answer.json()["detail"][0]["type"] == kind
        assert locations(await http.get("/lead-lists", params={"limit": 101})) == [("query", "limit")]
        assert (await http.get("/lead-lists", params={"colour": "red"})).status_code == 200, "as FastAPI does"


async def test_validation_in_the_other_documented_form():
    async with Sandbox(modern_validation="error") as sandbox, ModernCaller(sandbox) as http:
        answer = await http.post("/enrichment/company", json={"domain": 7})
        assert code(answer) == (400, "validation_error")
        (item,) = answer.json()["error"]["details"]["errors"]
        assert item["loc"] == ["body", "domain"]

"""Whose key it is, what it may do, what there is to spend and what was called."""

import re

import pytest

from cleanlist_async.sandbox import Sandbox
from tests.support.hand_clock import HandClock
from tests.support.modern_caller import ModernCaller, locations

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize("prefix", ["/api/v2", "/api/v1/public"])
async def test_whoami(prefix):
    options = {"scopes": {"a": ["lists:read"]}, "tier": "enterprise", "organization_id": "org_x"}
    async with Sandbox(api_keys=("a",), **options) as sandbox, ModernCaller(sandbox, prefix=prefix) as http:
        me = (await http.get("/whoami")).json()
        assert (me["scopes"], me["tier"], me["organization_id"]) == (["lists:read"], "enterprise", "org_x")
        assert re.fullmatch(r".\*\*\*@sandbox\.example", me["user_email"]), "masked for a key"
        assert (me["auth_type"], me["appsumo_tier"]) == ("api_key", None)
        assert me["features"] == sorted(me["features"])


async def test_a_session_token_shows_the_whole_address_and_has_no_keys():
    async with Sandbox(jwts=(JWT,)) as sandbox, ModernCaller(sandbox, JWT) as http:
        me = (await http.get("/whoami")).json()
        assert me["auth_type"] == "clerk_jwt"
        assert "*" not in me["user_email"]
        assert (await http.get("/api-keys")).json() == {"keys": []}


async def test_the_balance_is_whole_credits_here_and_a_fraction_on_the_public_api():
    async with (
        Sandbox(credits=1234.5) as sandbox,
        ModernCaller(sandbox) as http,
        ModernCaller(sandbox, prefix="/api/v1/public") as legacy,
    ):
        modern = (await http.get("/credits/balance")).json()
        assert (modern["credits"], isinstance(modern["credits"], int)) == (1234, True)
        assert "1234" in modern["agent_instructions"]
        assert (await legacy.get("/credits/balance")).json() == {
            "organization_id": "org_sandbox",
            "credits": 1234.5,
        }


async def test_keys_are_the_caller_s_own_in_the_documented_time_format():
    keys = ("clapi_first_1111", "clapi_second_2222")
    async with Sandbox(api_keys=keys) as sandbox, ModernCaller(sandbox, keys[1]) as http:
        (key,) = (await http.get("/api-keys")).json()["keys"]
        assert (key["key_prefix"], key["key_last4"], key["is_active"]) == ("clapi_", "2222", True)
        for name in ("created_at", "last_used_at"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", key[name])
        assert keys[1] not in str(key)


async def test_usage_counts_the_ledger():
    async with (
        Sandbox() as sandbox,
        ModernCaller(sandbox) as http,
        ModernCaller(sandbox, "wrong") as stranger,
    ):
        await http.get("/whoami")
        await http.get("/whoami")
        await http.get("/lead-lists/nowhere")
        await stranger.get("/whoami")
        report = (await http.get("/usage")).json()
        assert (report["days"], report["group_by"], report["total_credits_spent"]) == (7, "tool", 0.0)
        counts = {row["group"]: (row["calls"], row["errors"]) for row in report["rows"]}
        assert counts == {
            "/api/v2/whoami": (2, 0),
            "/api/v2/lead-lists/nowhere": (1, 1),
            "/api/v2/usage": (1, 0),
        }
        assert (report["total_calls"], report["total_errors"]) == (4, 1)
        by_error = (await http.get("/usage", params={"group_by": "error"})).json()
        assert {row["group"]: row["calls"] for row in by_error["rows"]} == {"none": 4, "404": 1}
        (by_key,) = (await http.get("/usage", params={"group_by": "key"})).json()["rows"]
        assert by_key["group"].startswith("key_")
        for query in ({"days": 0}, {"days": 366}, {"group_by": "colour"}):
            assert locations(await http.get("/usage", params=query)) == [("query", *query)]


async def test_usage_looks_back_as_many_days_as_asked():
    clock = HandClock()
    async with Sandbox(clock=clock) as sandbox, ModernCaller(sandbox) as http:
        await http.get("/whoami")
        clock.move(2 * 86_400.0)
        recent = (await http.get("/usage", params={"days": 1})).json()
        assert [row["group"] for row in recent["rows"]] == ["/api/v2/usage"]
        by_day = (await http.get("/usage", params={"days": 3, "group_by": "day"})).json()
        assert sorted(row["calls"] for row in by_day["rows"]) == [1, 2]

"""``client.workspace`` against the sandbox."""

from datetime import UTC, datetime

import pytest

from cleanlist_async import (
    InsufficientScopeError,
    RequestValidationError,
)
from cleanlist_async.api.models import lead_lists
from tests.support.clients import respond, virtual_client
from tests.support.modern_world import both_versions, error_of, last_body, list_of, sent
from tests.support.virtual_sandbox import KEY


@both_versions
@pytest.mark.operation("whoami")
async def test_whoami_names_the_owner(world):
    me = await world.client.workspace.whoami()
    assert (me.organization_id, me.auth_type, me.tier) == ("org_sandbox", "api_key", "pro")
    assert "enrich:write" in me.scopes
    assert me.features == tuple(sorted(me.features)) != ()
    assert me.timestamp is not None
    assert len(sent(world, "/whoami", "GET")) == 1


@both_versions
@pytest.mark.operation("credits_balance")
@pytest.mark.world(credits=250, hit_rate=1.0)
async def test_the_balance_is_the_ledgers(world):
    before = await world.client.workspace.credits_balance()
    await world.client.enrichment.enrich_company(domain="c1.example")
    after = await world.client.workspace.credits_balance()
    assert before.credits == 250
    assert before.credits - after.credits == world.ledger.credits_charged == 1


@both_versions
@pytest.mark.operation("credits_estimate")
async def test_an_estimate_is_a_quote(world):
    list_id = await list_of(world, 3)
    quote = await world.client.workspace.credits_estimate(
        "enrich_list", list_id=list_id, scope="phone_only", row_count=1
    )
    assert last_body(world)["scope"] == "phone-only"
    assert (quote.tool, quote.row_count, quote.estimated_cost) == ("enrich_list", 3, 30)
    assert quote.sufficient is True
    assert quote.expires_at.tzinfo is not None


@pytest.mark.world(credits=5)
async def test_an_estimate_beyond_the_balance_is_no_error(world):
    list_id = await list_of(world, 3)
    quote = await world.client.workspace.credits_estimate("enrich_list", list_id=list_id, scope="full")
    assert (quote.sufficient, quote.available_credits, quote.estimated_cost) == (False, 5, 33)


async def test_what_cannot_be_json_is_not_sent(world):
    estimate = world.client.workspace.credits_estimate
    for extra in ({"a": float("nan")}, {"a": object()}, {"a": {1, 2}}, {"a": "\ud800"}):
        error = await error_of(estimate("run_smart_agent", extra=extra))
        assert isinstance(error, RequestValidationError)
        assert str(error).startswith("extra")
    error = await error_of(estimate("enrich_list", data_points="Email"))
    assert error.field_errors[0].loc == ("body", "data_points")
    assert not world.ledger.requests


@both_versions
@pytest.mark.operation("list_api_keys")
async def test_api_keys_are_listed_without_keys(world):
    (key,) = (await world.client.workspace.list_api_keys()).keys
    assert (key.key_last4, key.is_active) == (KEY[-4:], True)
    assert key.created_at.tzinfo is UTC
    assert key.last_used_at >= key.created_at


@both_versions
@pytest.mark.operation("usage_report")
async def test_usage_is_reported(world):
    for _ in range(3):
        await world.client.workspace.whoami()
    report = await world.client.workspace.usage_report(days=3, group_by="tool")
    assert (report.days, report.group_by, report.total_calls) == (3, "tool", 4)
    assert max(group.calls for group in report.rows) == 3
    assert report.total_credits_spent == 0.0


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 366}, "days"),
        ({"days": True}, "days"),
        ({"group_by": "year"}, "group_by"),
    ],
)
async def test_a_usage_report_has_limits(world, asked, field):
    error = await error_of(world.client.workspace.usage_report(**asked))
    assert isinstance(error, RequestValidationError)
    assert error.field_errors[0].loc == ("query", field)
    assert not world.ledger.requests


@pytest.mark.world(scopes={KEY: ["lists:read"]})
async def test_a_missing_scope_is_named(world):
    error = await error_of(world.client.workspace.list_api_keys())
    assert isinstance(error, InsufficientScopeError)
    assert error.details == {"required": ["admin:api_keys"], "granted": ["lists:read"]}


LISTED = {"list_id": "l", "name": "A", "lead_count": 1, "enriched_count": 0}


async def test_three_time_formats_are_aware_datetimes(world):
    list_id = await list_of(world, 1)
    quote = await world.client.workspace.credits_estimate("enrich_list", list_id=list_id)
    made = await world.client.export.export_csv(list_id)
    (key,) = (await world.client.workspace.list_api_keys()).keys
    me = await world.client.workspace.whoami()
    moments = [quote.expires_at, made.expires_at, key.created_at, key.last_used_at, me.timestamp]
    assert all(moment.utcoffset() is not None for moment in moments)
    hours = [(moment - me.timestamp).total_seconds() / 3600 for moment in moments]
    assert [round(hour, 1) for hour in hours] == [0.1, 24.0, 0, 0, 0]


@pytest.mark.parametrize("credits_", [1249, 1234.5, 0, "0.1"])
async def test_credits_may_be_a_fraction(credits_):
    async with virtual_client(
        lambda request, number: respond({"organization_id": "o", "credits": credits_})
    ) as client:
        found = (await client.workspace.credits_balance()).credits
    assert found == float(credits_)


async def test_user_email_may_be_null():
    whole = {"user_email": None, "organization_id": "o", "auth_type": "api_key", "tier": "titanium"}
    async with virtual_client(lambda request, number: respond(whole)) as client:
        me = await client.workspace.whoami()
    assert (me.user_email, me.tier, me.scopes) == (None, "titanium", ())


def test_times_without_a_zone_are_utc():
    found = lead_lists.LeadList.read(LISTED | {"created_at": "2026-05-12 09:31:44"})
    assert found.created_at == datetime(2026, 5, 12, 9, 31, 44, tzinfo=UTC)

"""``client.workspace`` against the sandbox."""

from __future__ import annotations

from datetime import UTC

import pytest

from cleanlist_async import InsufficientScopeError, RequestValidationError
from tests.support.modern_world import both_versions, error_of, last_body, list_of, modern, sent
from tests.support.virtual_sandbox import KEY


@both_versions
@pytest.mark.operation("whoami")
def test_whoami(version):
    async def main(here):
        me = await here.client.workspace.whoami()
        assert (me.organization_id, me.auth_type, me.tier) == ("org_sandbox", "api_key", "pro")
        assert "enrich:write" in me.scopes
        assert me.features == tuple(sorted(me.features)) != ()
        assert me.timestamp is not None
        assert len(sent(here, "/whoami", "GET")) == 1

    modern(main, version)


@both_versions
@pytest.mark.operation("credits_balance")
def test_the_balance_is_the_ledgers(version):
    async def main(here):
        before = await here.client.workspace.credits_balance()
        await here.client.enrichment.enrich_company(domain="c1.example")
        after = await here.client.workspace.credits_balance()
        assert before.credits == 250
        assert before.credits - after.credits == here.ledger.credits_charged == 1

    modern(main, version, credits=250, hit_rate=1.0)


@both_versions
@pytest.mark.operation("credits_estimate")
def test_an_estimate(version):
    async def main(here):
        list_id = await list_of(here, 3)
        quote = await here.client.workspace.credits_estimate(
            "enrich_list", list_id=list_id, scope="phone_only", row_count=1
        )
        assert last_body(here)["scope"] == "phone-only"
        assert (quote.tool, quote.row_count, quote.estimated_cost) == ("enrich_list", 3, 30)
        assert quote.sufficient is True
        assert quote.expires_at.tzinfo is not None

    modern(main, version)


def test_an_estimate_beyond_the_balance_is_no_error():
    async def main(here):
        list_id = await list_of(here, 3)
        quote = await here.client.workspace.credits_estimate("enrich_list", list_id=list_id, scope="full")
        assert (quote.sufficient, quote.available_credits, quote.estimated_cost) == (False, 5, 33)

    modern(main, credits=5)


def test_what_cannot_be_json_is_not_sent():
    async def main(here):
        estimate = here.client.workspace.credits_estimate
        for extra in ({"a": float("nan")}, {"a": object()}, {"a": {1, 2}}, {"a": "\ud800"}):
            error = await error_of(estimate("run_smart_agent", extra=extra))
            assert isinstance(error, RequestValidationError)
            assert str(error).startswith("extra")
        error = await error_of(estimate("enrich_list", data_points="Email"))
        assert error.field_errors[0].loc == ("body", "data_points")
        assert not here.ledger.requests

    modern(main)


@both_versions
@pytest.mark.operation("list_api_keys")
def test_api_keys(version):
    async def main(here):
        (key,) = (await here.client.workspace.list_api_keys()).keys
        assert (key.key_last4, key.is_active) == (KEY[-4:], True)
        assert key.created_at.tzinfo is UTC
        assert key.last_used_at >= key.created_at

    modern(main, version)


@both_versions
@pytest.mark.operation("usage_report")
def test_usage(version):
    async def main(here):
        for _ in range(3):
            await here.client.workspace.whoami()
        report = await here.client.workspace.usage_report(days=3, group_by="tool")
        assert (report.days, report.group_by, report.total_calls) == (3, "tool", 4)
        assert max(group.calls for group in report.rows) == 3
        assert report.total_credits_spent == 0.0

    modern(main, version)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 366}, "days"),
        ({"days": True}, "days"),
        ({"group_by": "year"}, "group_by"),
    ],
)
def test_limits_of_usage(asked, field):
    async def main(here):
        error = await error_of(here.client.workspace.usage_report(**asked))
        assert isinstance(error, RequestValidationError)
        assert error.field_errors[0].loc == ("query", field)
        assert not here.ledger.requests

    modern(main)


def test_a_missing_scope_is_named():
    async def main(here):
        error = await error_of(here.client.workspace.list_api_keys())
        assert isinstance(error, InsufficientScopeError)
        assert error.details == {"required": ["admin:api_keys"], "granted": ["lists:read"]}

    modern(main, scopes={KEY: ["lists:read"]})

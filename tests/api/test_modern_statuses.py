"""Statuses of the modern surface that say less, or more, than they seem to."""

import pytest

from cleanlist_async import (
    FeatureNotAvailableError,
    MissingColumnError,
    NotEnabledError,
    PayloadTooLargeError,
    RequestValidationError,
    VersionDeprecatedError,
    WorkflowTimeoutError,
)
from cleanlist_async.sandbox import Fault
from tests.support.modern_world import csv_of, error_of, list_of, modern_world, sent


@pytest.mark.world(modern_disabled=("csv_import", "usage_report"))
async def test_503_not_enabled_is_a_kill_switch_and_not_retried(world):
    lists = world.client.lead_lists
    list_id = await list_of(world, 0)
    error = await error_of(lists.import_csv(list_id, csv_of(1)))
    assert type(error) is NotEnabledError
    assert (error.retryable, error.billed) == (False, "no")
    assert len(sent(world, "/csv-import")) == 1
    assert isinstance(await error_of(world.client.workspace.usage_report()), NotEnabledError)
    assert len(sent(world, "/usage", "GET")) == 1


@pytest.mark.parametrize(("status", "kind"), [(501, FeatureNotAvailableError), (410, VersionDeprecatedError)])
async def test_501_and_410_are_final_also_for_what_costs(world, status, kind):
    world.sandbox.add_fault(Fault("*/whoami", status=status, times=9))
    world.sandbox.add_fault(Fault("*/enrichment/*", status=status, times=9))
    for call in (
        world.client.workspace.whoami(),
        world.client.enrichment.enrich_company(domain="c.example"),
    ):
        error = await error_of(call)
        assert type(error) is kind
        assert (error.status, error.retryable, error.billed) == (status, False, "no")
    assert len(world.ledger.requests) == 2


async def test_504_is_retried_only_where_that_is_safe(world):
    list_id = await list_of(world, 2)
    quote = await world.client.workspace.credits_estimate("enrich_list", list_id=list_id)
    for path in ("*/whoami", "*/enrichment/bulk"):
        world.sandbox.add_fault(Fault(path, status=504))
    world.sandbox.add_fault(Fault("*/enrichment/company", status=504))
    await world.client.workspace.whoami()
    await world.client.enrichment.enrich_list(list_id, quote_id=quote.quote_id)
    error = await error_of(world.client.enrichment.enrich_company(domain="c.example"))
    assert type(error).__name__ == "UnknownOutcomeError"
    assert isinstance(error.answer, WorkflowTimeoutError)
    assert len(sent(world, "/whoami", "GET")) == len(sent(world, "/enrichment/bulk")) == 2
    assert len(sent(world, "/enrichment/company")) == 1


async def test_413_and_missing_columns_are_told(world):
    lists = world.client.lead_lists
    list_id = await list_of(world, 0)
    large = "QUFB" * 60_000
    error = await error_of(lists.csv_import(list_id, csv_content_base64=large, column_mapping={"email": "A"}))
    assert isinstance(error, PayloadTooLargeError)
    error = await error_of(
        lists.csv_import(list_id, csv_content_base64="QQpiCg==", column_mapping={"email": "B"})
    )
    assert isinstance(error, MissingColumnError)


@pytest.mark.parametrize("form", ["detail", "error"])
async def test_a_validation_failure_is_one_error_in_either_form(form):
    async with modern_world(modern_validation=form) as world:
        error = await error_of(world.client.request("POST", "/api/v2/lead-lists", json={"nome": "x"}))
        assert isinstance(error, RequestValidationError)
        assert error.status == {"detail": 422, "error": 400}[form]
        assert {found.loc for found in error.field_errors} == {("body", "name"), ("body", "nome")}

"""What Prometheus scrapes, held against the server's ledger and the client's own counts; in virtual time."""

from pathlib import Path

import anyio
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from cleanlist_async import RateLimits, WebhookReceiver
from cleanlist_async.integrations.metrics import EVENT_METRICS, STATE_METRICS
from cleanlist_async.integrations.prometheus import PrometheusMetrics
from cleanlist_async.testing import ServerResponse
from tests.support.callers import outcomes, start
from tests.support.clients import ADA, ANSWERS, KEY, outcome_of, respond, virtual_client
from tests.support.virtual_sandbox import open_world, people

BALANCE = respond(ANSWERS["credits_balance"])


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry):
    return PrometheusMetrics(registry)


def total(registry, name, **labels):
    """The sum of the samples of this name that have these labels."""
    return sum(
        sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def test_requests_waits_429s_and_retries_are_counted_by_operation(registry, metrics):
    answers = [respond({}, 429, retry_after="7"), respond({}, 503), BALANCE]
    async with virtual_client(lambda request, number: answers[number], on_event=metrics) as client:
        await client.public.credits_balance()
    of = {"operation": "credits_balance"}
    counts = {
        status: total(registry, "cleanlist_request_duration_seconds_count", status=status, **of)
        for status in ("429", "503", "200")
    }
    assert counts == {"429": 1, "503": 1, "200": 1}
    assert total(registry, "cleanlist_rate_limit_rejected_total", **of) == 1
    assert total(registry, "cleanlist_retries_total", **of) == 2
    assert total(registry, "cleanlist_rate_limit_wait_seconds_sum", **of) >= 7
    assert total(registry, "cleanlist_call_duration_seconds_count", error="", **of) == 1


async def test_an_unknown_outcome_is_counted(registry, metrics):
    lost = ServerResponse(200, b"", reset_after=0)
    async with virtual_client(lambda request, number: lost, on_event=metrics) as client:
        await outcome_of(client.public.submit_bulk([ADA]))
    assert total(registry, "cleanlist_unknown_outcomes_total", operation="submit_bulk") == 1
    assert total(registry, "cleanlist_request_duration_seconds_count", status="lost") == 1


async def test_credits_contacts_and_batches_agree_with_the_ledger(registry, metrics, tmp_path):
    async with open_world(client_options={"on_event": metrics}) as world:
        await world.client.enrich(people(300))
        await outcomes(start(world, people(40, 300)))
        async with await world.client.job(tmp_path / "journal", people(60, 400), max_credits=600) as job:
            await job.run()
    ledger = world.sandbox.ledger
    assert total(registry, "cleanlist_credits_total") == ledger.credits_charged > 0
    assert total(registry, "cleanlist_contacts_total") == len(ledger.contacts) == 400
    assert total(registry, "cleanlist_contacts_total", kind="enrich_one") == 40
    assert total(registry, "cleanlist_batch_contacts_sum") == 400
    assert total(registry, "cleanlist_enrich_one_duration_seconds_count") == 40


async def test_the_progress_of_a_run_shows_while_it_runs(registry, metrics):
    async with open_world(client_options={"on_event": metrics}, workflow_s=20) as world:
        async with anyio.create_task_group() as group:
            group.start_soon(world.client.enrich, people(500))
            await anyio.sleep(10)
            assert total(registry, "cleanlist_runs", kind="enrich") == 1
            assert total(registry, "cleanlist_run_contacts_total", kind="enrich") == 500
            assert total(registry, "cleanlist_contacts_total", kind="enrich") == 0
        assert total(registry, "cleanlist_runs", kind="enrich") == 0
        assert total(registry, "cleanlist_contacts_total", kind="enrich") == 500


async def test_the_state_of_watched_clients_is_read_at_each_scrape(registry, metrics):
    receiver = WebhookReceiver("https://app.example/hooks")
    limits = RateLimits(org=20, key=10)
    async with virtual_client(
        lambda request, number: BALANCE, rate_limits=limits, webhooks=receiver, on_event=metrics
    ) as client:
        metrics.watch(client)
        metrics.watch(client.with_options(max_retries=0))
        await client.public.credits_balance()
        await receiver.receive("no token of ours", "application/json", b"{}")
        available = {
            sample.labels["bucket"]: sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == "cleanlist_tokens_available"
        }
        assert sorted(available.values()) == [9, 19]
        assert total(registry, "cleanlist_webhooks_total", outcome="refused") == 1


async def test_a_submit_that_expects_a_webhook_is_counted(registry, metrics):
    receiver = WebhookReceiver("https://app.example/hooks")
    async with open_world(client_options={"webhooks": receiver, "on_event": metrics}) as world:
        metrics.watch(world.client)
        await world.client.enrich(people(300))
        assert total(registry, "cleanlist_webhooks_expected_total") == 2


async def test_no_key_and_no_contact_is_in_a_scrape(registry, metrics):
    async with virtual_client(lambda request, number: BALANCE, api_key=KEY, on_event=metrics) as client:
        metrics.watch(client)
        await client.request("GET", "/api/v2/people/ada@x.example")
        page = generate_latest(registry).decode()
    assert "/api/v2/people/{}" in page
    assert KEY not in page
    assert "ada@" not in page


def test_the_page_of_metrics_names_all_of_them():
    page = (Path(__file__).parents[2] / "docs" / "guides" / "observability.md").read_text()
    names = [metric.name.replace(".", "_") for metric in (*EVENT_METRICS, *STATE_METRICS)]
    assert [name for name in names if f"`{name}" not in page] == []

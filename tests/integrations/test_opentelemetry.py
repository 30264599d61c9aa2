"""Spans of calls: where they hang, what they say; in virtual time, into the exporter in memory."""

import subprocess
import sys

import anyio
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from cleanlist_async import errors
from cleanlist_async.integrations.opentelemetry import OpenTelemetry
from tests.support.callers import outcomes, start
from tests.support.clients import ACCEPTED, ADA, ANSWERS, outcome_of, respond, virtual_client
from tests.support.virtual_sandbox import open_world, people

BALANCE = respond(ANSWERS["credits_balance"], x_request_id="req_1")


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


async def test_a_call_is_an_internal_span_below_the_current_one_and_its_attempt_a_client_span(
    exporter, provider
):
    tracer = provider.get_tracer("app")
    async with virtual_client(lambda request, number: BALANCE, on_event=OpenTelemetry(provider)) as client:
        with tracer.start_as_current_span("request"):
            await client.public.credits_balance()
        await client.public.credits_balance()
    attempt, first, request, _, second = exporter.get_finished_spans()
    assert (first.name, first.kind) == ("cleanlist.credits_balance", SpanKind.INTERNAL)
    assert (attempt.name, attempt.kind) == ("GET /api/v1/public/credits/balance", SpanKind.CLIENT)
    assert first.parent.span_id == request.context.span_id
    assert attempt.parent.span_id == first.context.span_id
    assert second.parent is None
    assert first.status.status_code is attempt.status.status_code is StatusCode.UNSET
    attributes = dict(attempt.attributes)
    assert attributes.pop("http.response.body.size") == len(BALANCE.body)
    assert attributes == {
        "http.request.method": "GET",
        "url.template": "/api/v1/public/credits/balance",
        "server.address": "localhost",
        "server.port": 80,
        "http.response.status_code": 200,
        "http.request.body.size": 0,
        "cleanlist.waited_s": 0.0,
        "cleanlist.request_id": "req_1",
    }
    attributes = dict(first.attributes)
    assert attributes.pop("cleanlist.retry_wait_s") == attributes.pop("cleanlist.waited_s") == 0
    assert attributes == {
        "cleanlist.operation": "credits_balance",
        "cleanlist.paid": False,
        "cleanlist.attempts": 1,
        "cleanlist.request_id": "req_1",
        "cleanlist.billed": "no",
    }


async def test_each_attempt_has_a_span_and_retries_and_429s_are_events_on_the_call(exporter, provider):
    answers = [respond({}, 429, retry_after="7"), respond({}, 503), BALANCE]
    async with virtual_client(
        lambda request, number: answers[number], on_event=OpenTelemetry(provider)
    ) as client:
        await client.public.credits_balance()
    *attempts, call = exporter.get_finished_spans()
    assert [event.name for event in call.events] == ["rate limited", "retry", "retry"]
    assert call.events[0].attributes["cleanlist.asked_s"] == 7
    assert call.attributes["cleanlist.waited_s"] >= 7
    assert [attempt.attributes.get("http.request.resend_count") for attempt in attempts] == [None, 1, 2]
    assert [attempt.attributes.get("error.type") for attempt in attempts] == ["429", "503", None]
    assert [attempt.status.status_code for attempt in attempts] == [
        *(StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET)
    ]


async def test_an_error_is_the_status_of_the_span(exporter, provider):
    broken = {"error": {"code": "internal_error", "problem": "secret words", "request_id": "req_7"}}
    async with virtual_client(
        lambda request, number: respond(broken, 500), on_event=OpenTelemetry(provider)
    ) as client:
        error = await outcome_of(client.public.submit_bulk([ADA]))
    assert isinstance(error, errors.UnknownOutcomeError)
    _, span = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "UnknownOutcomeError"
    assert span.attributes["cleanlist.code"] == "internal_error"
    assert span.attributes["cleanlist.billed"] == "unknown"
    assert span.attributes["cleanlist.request_id"] == "req_7"
    assert "secret words" not in span.to_json()


async def test_a_submit_names_its_workflow(exporter, provider):
    async with virtual_client(
        lambda request, number: respond(ACCEPTED), on_event=OpenTelemetry(provider)
    ) as client:
        await client.public.submit_bulk([ADA])
    _, span = exporter.get_finished_spans()
    assert (span.attributes["cleanlist.workflow_id"], span.attributes["cleanlist.billed"]) == ("wf_1", "yes")


async def test_a_cancelled_call_ends_its_span_and_its_attempt_goes_on_to_its_answer(exporter, provider):
    listener = OpenTelemetry(provider)

    async def slow():
        await anyio.sleep(10)
        return respond(ACCEPTED)

    async with virtual_client(lambda request, number: slow(), on_event=listener) as client:
        with anyio.move_on_after(1):
            await client.public.submit_bulk([ADA])
        await anyio.sleep(20)
    span, attempt = exporter.get_finished_spans()
    assert span.attributes["error.type"] == "CancelledError"
    assert attempt.parent.span_id == span.context.span_id
    assert attempt.attributes["http.response.status_code"] == 200
    assert not listener._spans._calls
    assert not listener._spans._attempts


async def test_what_two_runs_send_hangs_below_each_of_them(exporter, provider):
    """Submits run in tasks of the client, status requests in a scheduler that all runs share."""
    tracer = provider.get_tracer("app")
    workflows = {}
    async with open_world(client_options={"on_event": OpenTelemetry(provider)}) as world:

        async def run(name, contacts):
            with tracer.start_as_current_span(name):
                report = await world.client.enrich(contacts)
            workflows[name] = {result.workflow_id for result in report.results}

        async with anyio.create_task_group() as group:
            group.start_soon(run, "one", people(300))
            group.start_soon(run, "two", people(300, start=300))
    spans = exporter.get_finished_spans()
    roots = {span.context.span_id: span.name for span in spans if span.name in {"one", "two"}}
    calls = [span for span in spans if span.name.startswith("cleanlist.")]
    assert all(span.parent.span_id in roots for span in calls)
    for name in ("one", "two"):
        below = [span for span in calls if roots[span.parent.span_id] == name]
        submits = {span.attributes.get("cleanlist.workflow_id") for span in below} - {None}
        assert submits == workflows[name]
        assert sum(span.name == "cleanlist.bulk_status" for span in below) >= 2


async def test_each_call_of_enrich_one_is_linked_to_the_submit_of_its_batch(exporter, provider):
    async with open_world(client_options={"on_event": OpenTelemetry(provider)}) as world:
        await outcomes(start(world, people(300)))
    spans = exporter.get_finished_spans()
    submits = {span.context.span_id: span for span in spans if span.name == "cleanlist.submit_bulk"}
    calls = [span for span in spans if span.name == "cleanlist.enrich_one"]
    assert len(submits) >= 2
    assert len(calls) == 300
    for call in calls:
        (link,) = call.links
        submit = submits[link.context.span_id]
        assert submit.attributes["cleanlist.workflow_id"] == call.attributes["cleanlist.workflow_id"]
        assert call.kind is SpanKind.INTERNAL


async def test_metrics_go_to_the_meter_provider(provider):
    reader = InMemoryMetricReader()
    telemetry = OpenTelemetry(provider, MeterProvider([reader]))
    async with open_world(client_options={"on_event": telemetry}) as world:
        telemetry.watch(world.client)
        await world.client.enrich(people(300))
        data = reader.get_metrics_data()
    points = {
        metric.name: list(metric.data.data_points)
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    assert sum(point.value for point in points["cleanlist.credits"]) == world.sandbox.ledger.credits_charged
    assert sum(point.sum for point in points["cleanlist.batch.contacts"]) == 300
    assert {point.attributes["cleanlist.operation"] for point in points["cleanlist.request.duration"]} == {
        *("submit_bulk", "bulk_status")
    }
    assert [point.value for point in points["cleanlist.runs"]] == [0]
    assert len(points["cleanlist.tokens.available"]) == 2


async def test_a_batch_hangs_below_the_caller_who_came_first_of_those_in_it(exporter, provider):
    tracer = provider.get_tracer("app")
    async with open_world(client_options={"on_event": OpenTelemetry(provider)}) as world:
        tasks = []
        for name, first in (("one", 0), ("two", 300)):
            with tracer.start_as_current_span(name):
                tasks += start(world, people(300, first))
        await outcomes(tasks)
    spans = exporter.get_finished_spans()
    roots = {span.context.span_id: span.name for span in spans if span.name in {"one", "two"}}
    calls = [
        span for span in spans if span.name.startswith("cleanlist.") and span.name != "cleanlist.enrich_one"
    ]
    submits = [roots[span.parent.span_id] for span in calls if span.name == "cleanlist.submit_bulk"]
    assert submits == ["one", "one", "two"]
    assert {roots[span.parent.span_id] for span in calls if span.name == "cleanlist.bulk_status"} == set(
        roots.values()
    )


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_client_imports_neither_opentelemetry_nor_the_kinds_of_events():
    done = run_python(
        "import sys; from cleanlist_async import AsyncCleanlist; AsyncCleanlist('key', base_url='http://[::1]')\n"
        "kinds = ('opentelemetry', 'cleanlist_async.events.kinds')\n"
        "print(sorted(n for n in sys.modules if n.startswith(kinds)))"
    )
    assert done.stdout == "[]\n", done.stderr

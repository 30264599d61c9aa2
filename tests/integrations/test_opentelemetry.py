"""Spans of calls: where they hang, what they say; in virtual time, into the exporter in memory."""

from __future__ import annotations

import subprocess
import sys

import anyio
import pytest
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


async def test_a_call_is_one_span_below_the_current_one(exporter, provider):
    tracer = provider.get_tracer("app")
    async with virtual_client(lambda request, number: BALANCE, on_event=OpenTelemetry(provider)) as client:
        with tracer.start_as_current_span("request"):
            await client.public.credits_balance()
        await client.public.credits_balance()
    first, request, second = exporter.get_finished_spans()
    assert (first.name, first.kind) == ("cleanlist.credits_balance", SpanKind.CLIENT)
    assert first.parent.span_id == request.context.span_id
    assert second.parent is None
    assert first.status.status_code is StatusCode.UNSET
    attributes = dict(first.attributes)
    assert attributes.pop("http.response.body.size") == len(BALANCE.body)
    assert attributes.pop("cleanlist.retry_wait_s") == attributes.pop("cleanlist.waited_s") == 0
    assert attributes == {
        "http.request.method": "GET",
        "url.template": "/api/v1/public/credits/balance",
        "server.address": "localhost",
        "server.port": 80,
        "http.response.status_code": 200,
        "http.request.body.size": 0,
        "cleanlist.operation": "credits_balance",
        "cleanlist.paid": False,
        "cleanlist.attempts": 1,
        "cleanlist.request_id": "req_1",
        "cleanlist.billed": "no",
    }


async def test_attempts_retries_and_429s_are_events_on_the_span(exporter, provider):
    answers = [respond({}, 429, retry_after="7"), respond({}, 503), BALANCE]
    async with virtual_client(
        lambda request, number: answers[number], on_event=OpenTelemetry(provider)
    ) as client:
        await client.public.credits_balance()
    (span,) = exporter.get_finished_spans()
    assert [event.name for event in span.events] == [
        *("rate limited", "attempt answered", "retry"),
        *("attempt answered", "retry", "attempt answered"),
    ]
    assert span.events[0].attributes["cleanlist.asked_s"] == 7
    assert span.attributes["http.request.resend_count"] == 2
    assert span.attributes["cleanlist.waited_s"] >= 7


async def test_an_error_is_the_status_of_the_span(exporter, provider):
    broken = {"error": {"code": "internal_error", "problem": "secret words", "request_id": "req_7"}}
    async with virtual_client(
        lambda request, number: respond(broken, 500), on_event=OpenTelemetry(provider)
    ) as client:
        error = await outcome_of(client.public.submit_bulk([ADA]))
    assert isinstance(error, errors.UnknownOutcomeError)
    (span,) = exporter.get_finished_spans()
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
    (span,) = exporter.get_finished_spans()
    assert (span.attributes["cleanlist.workflow_id"], span.attributes["cleanlist.billed"]) == ("wf_1", "yes")


async def test_a_cancelled_call_ends_its_span(exporter, provider):
    listener = OpenTelemetry(provider)

    async def slow():
        await anyio.sleep(10)
        return respond(ACCEPTED)

    async with virtual_client(lambda request, number: slow(), on_event=listener) as client:
        with anyio.move_on_after(1):
            await client.public.submit_bulk([ADA])
        await anyio.sleep(20)
    (span,) = exporter.get_finished_spans()
    assert span.attributes["error.type"] == "CancelledError"
    assert not listener._spans


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
    calls = [span for span in spans if span.name.startswith("cleanlist.")]
    submits = [roots[span.parent.span_id] for span in calls if span.name == "cleanlist.submit_bulk"]
    assert submits == ["one", "one", "two"]
    assert {roots[span.parent.span_id] for span in calls if span.name == "cleanlist.bulk_status"} == set(
        roots.values()
    )


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_without_the_package_there_is_one_clear_error():
    done = run_python(
        "import sys; sys.modules['opentelemetry'] = None\nimport cleanlist_async.integrations.opentelemetry"
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: OpenTelemetry needs one more package: pip install 'cleanlist-async[otel]'"
    )


@pytest.mark.slow
def test_a_client_imports_neither_opentelemetry_nor_the_kinds_of_events():
    done = run_python(
        "import sys; from cleanlist_async import AsyncCleanlist; AsyncCleanlist('key', base_url='http://[::1]')\n"
        "kinds = ('opentelemetry', 'cleanlist_async.events.kinds')\n"
        "print(sorted(n for n in sys.modules if n.startswith(kinds)))"
    )
    assert done.stdout == "[]\n", done.stderr

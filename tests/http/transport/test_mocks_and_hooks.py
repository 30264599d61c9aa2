"""The libraries with which people mock, record and watch httpx: none of them changes what an answer means.

An answer with a status is proof that the request was sent, whatever trace events there were.
"""

import asyncio
import json

import httpx
import pytest

from cleanlist_async import errors
from tests.support.clients import ACCEPTED, ADA, ANSWERS, client_of, json_answer, outcome_of
from tests.support.faulty_server import FaultyServer

# -- mocks -------------------------------------------------------------------------------------------


def with_respx(request, handle):
    respx = pytest.importorskip("respx")
    router = respx.mock(assert_all_called=False, assert_all_mocked=True)
    router.route().mock(side_effect=handle)
    router.start()
    request.addfinalizer(router.stop)
    return {}


def with_pytest_httpx(request, handle):
    pytest.importorskip("pytest_httpx")
    request.applymarker(pytest.mark.httpx_mock(assert_all_responses_were_requested=False))
    request.getfixturevalue("httpx_mock").add_callback(handle, is_reusable=True)
    return {}


def with_mock_transport(request, handle):
    return {"http_client": httpx.AsyncClient(transport=httpx.MockTransport(handle))}


@pytest.fixture(params=[with_respx, with_pytest_httpx, with_mock_transport])
def mock(request):
    """Mocks the server by a handler, in each way that there is; returns the options of a client for it."""
    return lambda handle: request.param(request, handle)


class Server:
    """Handles the requests of a mock: reads are good, submits end as said, one after the other."""

    def __init__(self, *ends):
        self.ends, self.submits = list(ends), 0

    def __call__(self, request):
        if request.method == "GET":
            path = request.url.path
            name = "bulk_status" if "status" in path else path.rpartition("/")[2].replace("-", "_")
            return httpx.Response(200, json=ANSWERS.get(name, ANSWERS["credits_balance"]))
        self.submits += 1
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, Exception):
            raise end
        status, body = end
        return httpx.Response(status, json=body)


async def _submit(options):
    async with client_of("https://api.invalid", **options) as client:
        return await outcome_of(client.public.submit_bulk([ADA]))


async def _enrich(options):
    async with client_of("https://api.invalid", **options) as client:
        return await outcome_of(client.enrich([ADA]))


SUBMITS = {
    "accepted": ([(200, ACCEPTED)], None, 1),
    "401": ([(401, {"detail": "Invalid API key"})], errors.AuthenticationError, 1),
    "402": ([(402, {"detail": "Insufficient credits"})], errors.InsufficientCreditsError, 1),
    "422": ([(422, {"detail": []})], errors.RequestValidationError, 1),
    "500": ([(500, {"detail": "boom"})], errors.UnknownOutcomeError, 1),
    "503": ([(503, {"detail": "boom"})], errors.UnknownOutcomeError, 1),
    "no answer": ([httpx.ReadTimeout("late")], errors.UnknownOutcomeError, 1),
    "torn": ([httpx.RemoteProtocolError("torn")], errors.UnknownOutcomeError, 1),
    "429, then accepted": (
        [(429, {"error": {"code": "rate_limited", "retry_after_ms": 1}}), (200, ACCEPTED)],
        None,
        2,
    ),
    "no connection, then accepted": ([httpx.ConnectError("no"), (200, ACCEPTED)], None, 2),
}


@pytest.mark.parametrize("case", SUBMITS)
def test_a_mocked_submit_ends_as_a_real_one(case, mock):
    ends, kind, submits = SUBMITS[case]
    server = Server(*ends)
    outcome = asyncio.run(_submit(mock(server)))
    if kind is None:
        assert outcome.workflow_id == "wf_1"
    else:
        assert type(outcome) is kind
    assert server.submits == submits


def test_a_mocked_read_that_is_refused_is_a_typed_error(mock):
    async def main():
        options = mock(lambda request: httpx.Response(401, json={"detail": "Invalid API key"}))
        async with client_of("https://api.invalid", **options) as client:
            return await outcome_of(client.public.credits_balance())

    assert type(asyncio.run(main())) is errors.AuthenticationError


@pytest.mark.parametrize("stored", [False, True], ids=["plain", "with a store"])
def test_a_mocked_500_of_a_run_is_unknown_and_sent_once(stored, mock, tmp_path):
    server = Server((500, {"detail": "boom"}))
    options = mock(server) | ({"store": str(tmp_path / "purchases.db")} if stored else {})
    report = asyncio.run(_enrich(options))
    assert [result.status for result in report.results] == ["unknown"]
    assert server.submits == 1


def test_a_mocked_402_of_a_run_is_raised(mock):
    outcome = asyncio.run(_enrich(mock(Server((402, {"detail": "Insufficient credits"})))))
    assert type(outcome) is errors.InsufficientCreditsError


# -- recordings and instrumentation ------------------------------------------------------------------


def script(request, number):
    if request.method == "GET":
        return json_answer({"credits": 7.5})
    return json_answer({"detail": "boom"}, 500)


async def _read_and_submit(base_url):
    async with client_of(base_url, max_retries=2) as client:
        read = await client.public.credits_balance()
        return read.credits, await outcome_of(client.public.submit_bulk([ADA]))


@pytest.mark.slow
@pytest.mark.sockets
def test_a_recording_of_vcr_plays_back_what_it_recorded(tmp_path):
    vcr = pytest.importorskip("vcr")
    recorder = vcr.VCR(filter_headers=["authorization"], match_on=["method", "path"])

    async def record():
        async with FaultyServer(script) as server:
            with recorder.use_cassette(tmp_path / "tape.yaml"):
                return server.base_url, await _read_and_submit(server.base_url), len(server.requests)

    async def play(base_url):
        with recorder.use_cassette(tmp_path / "tape.yaml", record_mode="none"):
            return await _read_and_submit(base_url)

    base_url, recorded, requests = asyncio.run(record())
    assert requests == 2
    for credits_left, submit in (recorded, asyncio.run(play(base_url))):
        assert credits_left == 7.5
        assert type(submit) is errors.UnknownOutcomeError
        assert submit.status == 500


async def _watched():
    """What a client meets at a server that answers, and at one that refuses connections."""
    async with FaultyServer(script) as server:
        met = await _read_and_submit(server.base_url)
        base_url, requests = server.base_url, server.requests
    async with client_of(base_url, max_retries=2) as client:
        refused = await outcome_of(client.public.submit_bulk([ADA]))
        return met, refused, requests, client.statistics().requests


def check_watched(watched):
    (credits_left, submit), refused, requests, attempts = watched
    assert credits_left == 7.5
    assert (type(submit), submit.status) == (errors.UnknownOutcomeError, 500)
    assert (type(refused), refused.billed) == (errors.APIConnectionError, "no")
    assert [request.method for request in requests] == ["GET", "POST"]
    assert attempts == 3


@pytest.mark.sockets
def test_opentelemetrys_instrumentation_sees_every_request_and_changes_none():
    instrumentation = pytest.importorskip("opentelemetry.instrumentation.httpx")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrumentation.HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    try:
        watched = asyncio.run(_watched())
    finally:
        instrumentation.HTTPXClientInstrumentor().uninstrument()

    check_watched(watched)
    assert all("traceparent" in request.headers for request in watched[2])
    assert len(spans.get_finished_spans()) == 5


@pytest.mark.slow
@pytest.mark.sockets
def test_sentrys_integration_sees_every_request_and_changes_none(monkeypatch):
    sentry_sdk = pytest.importorskip("sentry_sdk")
    from sentry_sdk.integrations.httpx import HttpxIntegration

    for client in (httpx.AsyncClient, httpx.Client):
        monkeypatch.setattr(client, "send", client.send)  # restored afterwards
    sent = []
    with sentry_sdk.isolation_scope():
        sentry_sdk.init(
            "http://key@127.0.0.1:9/1",
            integrations=[HttpxIntegration()],
            default_integrations=False,
            auto_enabling_integrations=False,
            traces_sample_rate=1.0,
            before_send_transaction=lambda event, hint: sent.append(event),
        )
        try:
            with sentry_sdk.start_transaction(name="test"):
                watched = asyncio.run(_watched())
        finally:
            sentry_sdk.init()

    check_watched(watched)
    assert all("sentry-trace" in request.headers for request in watched[2])
    assert len(sent[0]["spans"]) == 5
    assert "canary" not in json.dumps(sent, default=str)

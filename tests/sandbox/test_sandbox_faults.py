"""Faults: what the caller sees on the wire, and what the ledger says was done."""

import gzip
import math

import httpx
import pytest

from cleanlist_async.sandbox import Fault, Sandbox
from cleanlist_async.sandbox.gate import FaultPlan

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


def sandbox_with(*faults, **options):
    return Sandbox(faults=faults, limiter="off", workflow_s=0.0, **options)


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 2)])
async def test_reset(connect, people, when, accepted):
    async with (
        sandbox_with(Fault("/enrich/bulk", when=when, reset=True)) as sandbox,
        connect(sandbox) as http,
    ):
        with pytest.raises(httpx.ReadError):
            await http.submit(people(2))
        assert len(sandbox.ledger.accepted_contacts()) == accepted
        assert sandbox.ledger.requests_of("/enrich/bulk")[0].status is None
        assert (await http.submit(people(2))).status_code == 200


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 2)])
async def test_closed_without_an_answer(connect, people, when, accepted):
    async with sandbox_with(Fault(when=when, close=True)) as sandbox, connect(sandbox) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.submit(people(2))
        assert len(sandbox.ledger.accepted_contacts()) == accepted


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 2)])
async def test_status_in_the_documented_words(connect, people, when, accepted):
    async with sandbox_with(Fault(method="POST", when=when, status=503)) as sandbox, connect(sandbox) as http:
        answer = await http.submit(people(2))
        assert answer.status_code == 503
        assert isinstance(answer.json()["detail"], str)
        assert len(sandbox.ledger.accepted_contacts()) == accepted
        assert sandbox.ledger.status_counts() == {503: 1}


async def test_status_in_the_error_envelope(connect):
    faults = [Fault(nth=n, status=status) for n, status in enumerate((500, 501, 503, 504, 418, 599, 429), 1)]
    async with sandbox_with(*faults, envelope="error") as sandbox, connect(sandbox) as http:
        answers = [await http.get("/credits/balance") for _ in faults]
    assert [answer.status_code for answer in answers] == [500, 501, 503, 504, 418, 599, 429]
    assert [answer.json()["error"]["retryable"] for answer in answers] == [
        True,
        False,
        True,
        True,
        False,
        True,
        True,
    ]
    assert answers[-1].headers["Retry-After"] == "2"


async def test_body_and_headers(connect):
    html = Fault(
        status=502,
        body="<html>Bad gateway</html>",
        headers=[("Content-Type", "text/html"), ("X-Request-Id", "r")],
    )
    null = Fault(nth=2, body=b"", headers=[("content-encoding", "gzip")], status=204)
    array = Fault(nth=3, body=[1, 2])
    zipped = Fault(nth=4, body=gzip.compress(b'{"credits": 1}'), headers=[("content-encoding", "gzip")])
    async with sandbox_with(html, null, array, zipped) as sandbox, connect(sandbox) as http:
        answers = [await http.get("/credits/balance") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [502, 204, 200, 200]
    assert (answers[0].text, answers[0].headers["content-type"]) == ("<html>Bad gateway</html>", "text/html")
    assert answers[0].headers["X-Request-Id"] == "r"
    assert answers[2].json() == [1, 2]
    assert answers[3].json() == {"credits": 1}


async def test_headers_alone_leave_the_answer_as_it_is(connect):
    async with (
        sandbox_with(Fault(headers=[("content-type", "text/plain")])) as sandbox,
        connect(sandbox) as http,
    ):
        answer = await http.get("/credits/balance")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.json()["credits"] == 1_000_000


@pytest.mark.parametrize("reset", [False, True])
async def test_truncated(connect, people, reset):
    fault = Fault("/enrich/bulk", truncate=40, reset=reset, when="after")
    async with sandbox_with(fault) as sandbox, connect(sandbox) as http:
        async with http.stream("POST", "/enrich/bulk", json={"contacts": people(2)}) as answer:
            assert int(answer.headers["content-length"]) > 100
            received = b""
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                async for piece in answer.aiter_raw():
                    received += piece
        assert answer.status_code == 200
        assert received.startswith(b'{"workflow_id":"public_bulk_') if not reset else True
        assert len(received) == 40 or reset
        assert len(sandbox.ledger.accepted_contacts()) == 2


async def test_dripping(connect):
    async with sandbox_with(Fault(drip=(10, 0.005))) as sandbox, connect(sandbox) as http:
        async with http.stream("GET", "/credits/balance") as answer:
            pieces = [piece async for piece in answer.aiter_raw()]
        assert len(pieces) > 2
        assert b"".join(pieces).startswith(b'{"organization_id"')
        assert (await http.get("/credits/balance")).status_code == 200


async def test_dripping_stops_when_nobody_listens(connect):
    async with sandbox_with(Fault(drip=(1, 0.01))) as sandbox, connect(sandbox) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/credits/balance", timeout=httpx.Timeout(5, read=0.005))
        assert (await http.get("/credits/balance")).status_code == 200


async def test_duplicated_bytes_reach_the_next_request_on_the_connection(connect):
    async with sandbox_with(Fault("/auth/validate-key", duplicate=True)) as sandbox, connect(sandbox) as http:
        first = await http.get("/auth/validate-key")
        second = await http.get("/credits/balance")
    assert first.json()["valid"] is True
    assert second.json() == first.json()  # httpx hands it on: what a client has to defend itself against


async def test_large_and_endless_bodies(connect):
    faults = [Fault(size=200_000), Fault(nth=2, size=math.inf)]
    async with sandbox_with(*faults) as sandbox, connect(sandbox) as http:
        assert len((await http.get("/credits/balance")).content) == 200_000
        received = 0
        async with http.stream("GET", "/credits/balance") as answer:
            async for piece in answer.aiter_raw():
                received += len(piece)
                if received > 1_000_000:
                    break
        assert "content-length" not in answer.headers
        assert (await http.get("/credits/balance")).status_code == 200


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_delay_does_not_undo_what_the_caller_gave_up(connect, people, until, when):
    fault = Fault("/enrich/bulk", when=when, delay_s=0.5)
    async with sandbox_with(fault) as sandbox, connect(sandbox) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/enrich/bulk", json={"contacts": people(2)}, timeout=httpx.Timeout(5, read=0.03))
        assert len(sandbox.ledger.contacts) == (0 if when == "before" else 2)
        await until(lambda: len(sandbox.ledger.contacts) == 2)
        assert sandbox.ledger.status_counts() == {None: 1}


async def test_nth_and_times(connect):
    async with sandbox_with(Fault(status=500, nth=2, times=2)) as sandbox, connect(sandbox) as http:
        answers = [await http.get("/credits/balance") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 500, 500, 200]
        sandbox.add_fault(Fault(status=503, times=math.inf))
        assert [(await http.get("/credits/balance")).status_code for _ in range(2)] == [503, 503]
        sandbox.clear_faults()
        assert (await http.get("/credits/balance")).status_code == 200
        assert sandbox.faults == ()


async def test_refused_requests_are_not_counted_by_faults(connect):
    sandbox = Sandbox(faults=[Fault(status=500, nth=2)], org_limit=1, jwts=("eyJ.a.b",))
    async with sandbox, connect(sandbox) as http, connect(sandbox, "wrong") as stranger:
        statuses = [(await caller.get("/credits/balance")).status_code for caller in (stranger, http, http)]
    assert statuses == [401, 200, 429]


def test_matching():
    fault = Fault("/enrich/bulk", method="POST", times=math.inf)
    plan = FaultPlan([fault])
    assert plan.take("POST", "/api/v1/public/enrich/bulk") is fault
    assert plan.take("POST", "/enrich/bulk") is fault
    assert plan.take("GET", "/api/v1/public/enrich/bulk") is None
    assert plan.take("POST", "/api/v2/enrich/bulk") is None


async def test_the_first_of_two_faults_strikes_and_both_count(connect):
    faults = [Fault(status=500), Fault(status=503, times=2)]
    async with sandbox_with(*faults) as sandbox, connect(sandbox) as http:
        statuses = [(await http.get("/credits/balance")).status_code for _ in range(3)]
    assert statuses == [500, 503, 200]

"""What the end of a submit means, row by row of the table: by the journal, the ledger, and what follows."""

import asyncio

import pytest

from cleanlist_async import (
    APIConnectionError,
    AsyncCleanlist,
    AuthenticationError,
    InsufficientCreditsError,
    PermissionDeniedError,
    RedirectedError,
)
from cleanlist_async.sandbox import Fault, Sandbox
from tests.job.worlds import SUBMIT, Bench, open_world, people, states
from tests.support.cases import each_case
from tests.support.examples import some

DETAIL = {"detail": "No."}
HTML = "<html>Please log in</html>"
ENVELOPE = {"error": {"code": "bad", "problem": "No.", "retryable": False}}

REFUSED = [
    *(Fault(SUBMIT, status=status, body=DETAIL) for status in (400, 404)),
    *(Fault(SUBMIT, status=status, body=ENVELOPE) for status in (400, 404, 405, 415)),
]
AMBIGUOUS = [
    *(Fault(SUBMIT, status=status, body=HTML) for status in (400, 401, 402, 403, 404, 405, 415, 422)),
    *(Fault(SUBMIT, status=status, body=DETAIL) for status in (405, 408, 409, 415, 425, 499, 500, 504)),
    *(Fault(SUBMIT, status=status, body="") for status in (302, 303, 500, 404)),
    Fault(SUBMIT, status=500, body={"error": {"code": "internal_error", "problem": "x", "retryable": True}}),
    Fault(SUBMIT, status=400, body={"error": {"code": "internal_error", "problem": "x"}}),
    Fault(SUBMIT, status=422, body={"error": {"code": "new", "problem": "x", "retryable": True}}),
    Fault(SUBMIT, status=400, body={"error": {"code": "quote_already_redeemed", "problem": "x"}}),
    Fault(SUBMIT, status=200, body={"status": "processing"}),
    Fault(SUBMIT, status=200, body="garbage"),
    Fault(SUBMIT, status=204, body=""),
    Fault(SUBMIT, reset=True),
    Fault(SUBMIT, close=True),
    Fault(SUBMIT, when="after", reset=True),
    Fault(SUBMIT, when="after", status=502, body=HTML),
    Fault(SUBMIT, when="after", delay_s=100.0),
]
PAUSES = [
    (401, AuthenticationError),
    (403, PermissionDeniedError),
    (402, InsufficientCreditsError),
    *((status, RedirectedError) for status in (301, 307, 308)),
]


def name(fault):
    return f"{fault.when} {fault.status} {str(fault.body)[:24]} {'reset' if fault.reset else ''}"


@pytest.mark.scaled
@each_case("fault", some(AMBIGUOUS))
async def test_an_answer_that_proves_nothing_is_held_and_not_sent_again(fault, tmp_path):
    async with open_world() as world:
        bench = Bench(world, tmp_path, people(15))
        world.sandbox.add_fault(fault)
        report = await bench.run()
        assert states(bench.path) == ["unknown", "done", "done"]
        assert (report.stopped_by, report.status.state) == (None, "complete_with_unknown")
        assert [(c.first, c.last, c.contacts, c.credits_at_risk) for c in report.unknown] == [(0, 4, 5, 5.0)]
        assert world.submits() == 3
        bench.check(unknown_at_most=1)


@pytest.mark.scaled
@each_case("fault", some(REFUSED))
async def test_a_refusal_in_the_apis_own_words_costs_nothing_and_is_tried_on_resume(fault, tmp_path):
    async with open_world() as world:
        bench = Bench(world, tmp_path, people(15))
        world.sandbox.add_fault(fault)
        await bench.run()
        assert states(bench.path) == ["refused", "done", "done"]
        assert not (await bench.run()).unknown
        assert states(bench.path) == ["done"] * 3
        bench.check(unknown_at_most=0)


@pytest.mark.parametrize("body", [DETAIL, HTML, ""], ids=str)
async def test_a_429_is_tried_again_whatever_its_body(world, body, tmp_path):
    bench = Bench(world, tmp_path, people(10))
    world.sandbox.add_fault(Fault(SUBMIT, status=429, body=body, times=5))
    report = await bench.run()
    assert (report.stopped_by, states(bench.path)) == (None, ["done", "done"])
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize(("status", "error"), PAUSES)
async def test_what_would_end_every_chunk_alike_pauses_the_job(world, status, error, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    world.sandbox.add_fault(Fault(SUBMIT, status=status, body=DETAIL, nth=2))
    report = await bench.run()
    assert isinstance(report.stopped_by, error)
    assert states(bench.path) == ["done", "planned", "planned"]
    assert report.status.state == "paused"
    assert report.status.paused_by
    assert world.submits() == 2
    assert (await bench.run()).status.state == "complete"
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize("body", [DETAIL, HTML, ""], ids=str)
async def test_a_413_halves_the_chunk_whatever_its_body(world, body, tmp_path):
    bench = Bench(world, tmp_path, people(8), chunk=8)
    world.sandbox.add_fault(Fault(SUBMIT, status=413, body=body))
    report = await bench.run()
    assert report.status.state == "complete"
    assert states(bench.path) == ["done", "done"]
    bench.check(unknown_at_most=0)


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.anyio
async def test_a_2xx_that_names_a_workflow_is_accepted_however_torn(tmp_path):
    async def torn_after(cut):
        async with Sandbox(workflow_s=0.05) as sandbox:
            sandbox.add_fault(Fault(SUBMIT, when="after", truncate=cut))
            async with AsyncCleanlist(sandbox.api_key, base_url=sandbox.base_url) as client:
                job = await client.job(tmp_path / f"{cut}.journal", people(5))
                async with job:
                    assert (await job.run()).status.state == "complete"
                    assert await job.verify() == []
            assert len(sandbox.ledger.requests_of(SUBMIT)) == 1

    async with asyncio.TaskGroup() as at_once:
        for cut in (70, 90, 120):
            at_once.create_task(torn_after(cut))


async def test_not_a_byte_left_when_nobody_listens(world, tmp_path):
    bench = Bench(world, tmp_path, people(5))
    world.network._on_connect = lambda _attempt: "refuse"
    report = await bench.run()
    assert isinstance(report.stopped_by, APIConnectionError)
    assert states(bench.path) == ["planned"]
    assert report.status.credits_held == 0
    world.network._on_connect = lambda _attempt: "accept"
    assert (await bench.run()).status.state == "complete"
    bench.check(unknown_at_most=0)

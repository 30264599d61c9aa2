"""Workflows whose status cannot be read: the run tells which error kept their contacts from a result."""

import logging
import math

import pytest

from cleanlist_async import AuthenticationError, CleanlistError
from cleanlist_async.sandbox import Fault
from tests.support.cases import each_case
from tests.support.virtual_sandbox import people

STATUS = "/enrich/status"
FAILURES = {
    "503": {"status": 503},
    "500": {"status": 500},
    "a page": {"status": 200, "body": "<html>"},
    "cut JSON": {"when": "after", "truncate": 9},
    "400": {"status": 400},
}


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@each_case("name", FAILURES)
async def test_enrich_goes_on_and_tells_why_contacts_are_pending(world, name, caplog):
    world.sandbox.add_fault(Fault(STATUS, times=math.inf, **FAILURES[name]))

    report = await world.client.enrich(people(20))

    assert len(report.pending) == 20
    assert report.stopped_by is None
    with pytest.raises(CleanlistError) as raised:
        report.raise_for_error()
    assert raised.value is report.fault
    assert str(report.fault) == report.pending[0].error
    assert report.fault.billed == "unknown"
    assert "20 pending; 0 credits, up to 20 on top for what is pending or unknown" in str(report.summary)
    assert warnings(caplog)[-1].endswith("; client.collect fetches what is pending, for free")


async def test_a_stream_and_the_parts_of_a_frame_have_the_fault_too(world):
    pytest.importorskip("polars")
    import polars as pl

    world.sandbox.add_fault(Fault(STATUS, status=400, times=math.inf))

    async with world.client.stream(people(3)) as results:
        statuses = [result.status async for result in results]
    async with world.client.stream_frame(pl.DataFrame(people(3))) as parts:
        read = [part async for part in parts]

    assert statuses == ["pending"] * 3
    assert results.fault.status == parts.fault.status == 400
    assert len(read[0]) == 3
    assert parts.stopped_by is results.stopped_by is None


@pytest.mark.world(with_store=True)
async def test_a_job_that_leaves_contacts_pending_is_stopped_by_it(world):
    world.sandbox.add_fault(Fault(STATUS, status=400, times=math.inf))

    async with await world.client.job("leads", people(3)) as job:
        report = await job.run()
        assert report.stopped_by.status == 400
        world.sandbox.clear_faults()
        done = await job.run()

    assert done.stopped_by is None
    assert done.status.state == "complete"


@pytest.mark.world(with_store=True)
async def test_what_an_earlier_client_bought_and_cannot_be_read_is_told_too(world):
    world.sandbox.add_fault(Fault(STATUS, status=400, times=math.inf))
    await world.client.enrich(people(3))

    again = await world.client.enrich(people(3))

    assert len(again.pending) == 3
    assert again.fault.status == 400


async def test_a_result_that_is_asked_for_on_its_own_is_told_too(world):
    world.sandbox.add_fault(Fault(STATUS, status=401, times=math.inf))

    report = await world.client.enrich(people(3))

    assert isinstance(report.stopped_by, AuthenticationError)
    assert "client.collect fetches it for free" in report.pending[0].error

"""A workflow that the server accepted, and then answers 404 to."""

import logging
import math

import pytest

from cleanlist_async.sandbox import Fault
from tests.support.virtual_sandbox import people

MISSING = Fault("/enrich/bulk", when="after", status=200, body={"workflow_id": "abc"})


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


async def test_one_warning_comes_early_and_the_last_word_says_what_happened(world, caplog):
    world.sandbox.add_fault(MISSING)

    report = await world.client.enrich(people(3))

    (early,) = [line for line in warnings(caplog) if "still answers 404" in line]
    assert early.startswith("the server accepted workflow abc ")
    assert 30 <= int(early.split()[5]) < 60
    assert [result.status for result in report.results] == ["pending"] * 3
    assert "has not shown it since" in report.pending[0].error
    assert "Take the id from an earlier answer" not in report.pending[0].error


async def test_a_replica_that_lags_for_seconds_is_no_warning(world, caplog):
    world.sandbox.add_fault(Fault("/enrich/status", status=404, times=2))

    report = await world.client.enrich(people(3))

    assert not report.pending
    assert warnings(caplog) == []


@pytest.mark.world(workflow_s=100)
async def test_a_workflow_that_was_seen_and_is_gone_keeps_the_words_of_its_404(world):
    world.sandbox.add_fault(Fault("/enrich/status", nth=2, status=404, times=math.inf))

    report = await world.client.enrich(people(3))

    assert report.pending
    assert "has not shown it since" not in report.pending[0].error

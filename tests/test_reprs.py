"""What a notebook or a log shows of an object that holds results: its counts, in one line."""

import json

import pytest

from cleanlist_async import AsyncCleanlist, ConfigurationError, InsufficientCreditsError
from cleanlist_async.api.models.public import BulkStatus
from cleanlist_async.enrich.plan import Plan
from cleanlist_async.sandbox import Fault, Sandbox, ThreadedSandbox
from cleanlist_async.sync import Cleanlist
from cleanlist_async.testing import VirtualSandbox
from tests.support.virtual_sandbox import people


async def test_a_report_shows_its_counts(world):
    report = await world.client.enrich(people(300))

    assert repr(report) == str(report) == f"<EnrichmentReport {report.summary}>"
    assert len(repr(report)) < 200


async def test_a_report_of_a_stopped_run_names_the_error(world):
    world.sandbox.add_fault(Fault("/enrich/bulk", nth=2, status=402))

    report = await world.client.enrich(people(300))

    assert repr(report).endswith("; stopped by InsufficientCreditsError>")


def test_a_plan_counts_what_it_lists():
    plan = Plan("partial", invalid_contacts=[(7, "empty")] * 1_000, duplicate_contacts=[(1, 0)] * 1_000)

    assert "empty" not in repr(plan)


async def test_an_answer_shows_neither_what_the_server_did_not_say_nor_all_rows(world):
    balance = await world.client.public.credits_balance()
    rows = [{"task_id": str(number), "status": "completed"} for number in range(250)]
    answer = json.dumps({"workflow_id": "w", "status": "completed", "results": rows})

    assert "None" not in repr(balance) + str(balance)
    assert f"credits={balance.credits}" in repr(balance)
    assert len(repr(BulkStatus.model_validate_json(answer))) < 1_000


def test_an_error_shows_its_status_code_and_fix():
    error = InsufficientCreditsError("Too few.", status=402, code="insufficient_credits", fix="Top up.")

    shown = "InsufficientCreditsError('Too few.', status=402, code='insufficient_credits', fix='Top up.')"
    assert repr(error) == shown


@pytest.mark.parametrize("wrong", [{"port": "http"}, {"no_such_option": 1}], ids=repr)
@pytest.mark.parametrize("kind", [Sandbox, ThreadedSandbox, VirtualSandbox, Cleanlist, AsyncCleanlist])
def test_what_was_refused_while_it_was_made_can_still_be_shown(kind, wrong):
    """A traceback, or a debugger, shows the object whose options are wrong."""
    made = kind.__new__(kind)
    with pytest.raises((ConfigurationError, TypeError)):
        made.__init__(**wrong)

    assert repr(made).startswith("<")

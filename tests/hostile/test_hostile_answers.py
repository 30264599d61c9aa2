"""Whatever a server answers, the event loop goes on, memory is bounded, and the caller gets a typed error."""

import asyncio
import sys

import pytest

from benchmarks.measuring import in_new_process
from cleanlist_async import facts
from cleanlist_async.http.decode import most_values
from tests.hostile.answers import CASES, COUNTED, LISTINGS, hostile_server, listing
from tests.hostile.entries import ENTRIES
from tests.hostile.watching import measure_all, measure_webhook, peak_mib
from tests.support.clients import against, always, json_answer, outcome_of
from tests.support.examples import some

pytestmark = pytest.mark.anyio

LONGEST_BLOCK_S = 0.5
"""CPU seconds. Ten times what the scorecard allows: a busy machine makes everything take longer."""
TRIES = 3
"""What took too long is measured again: a busy machine makes one answer slow, a fault all three."""
MOST_MIB = 64

EACH_ENTRY = [(CASES[2 * place % len(CASES)], name) for place, name in enumerate(ENTRIES)]
"""An answer for each entry; the scorecard tries all answers with all entries."""
WORST = [
    ("50,000 field errors", "public.credits_balance"),
    ("tokens without end", "public.credits_balance"),
    ("an id of 48 kB", "public.credits_balance"),
    ("new names in one object", "public.bulk_status"),
    ("10,000 items of the wrong form", "smart_agents.get_smart_agent_results"),
    ("1,000 rows of strangers", "collect"),
]


# anyio leaves a connection to the garbage collector that is cancelled in the turn in which it was made.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.parametrize("pairs", [EACH_ENTRY, WORST], ids=["each entry", "the worst"])
def test_no_answer_stops_the_event_loop_and_each_is_a_value_or_a_typed_error(pairs):
    with hostile_server() as url:
        for _ in range(TRIES):
            measured = asyncio.run(measure_all(url, pairs))
            faults = [one for one in measured if one.block_s > LONGEST_BLOCK_S or not one.is_typed]
            pairs = [(one.case, one.entry) for one in faults]
    assert faults == []


@pytest.mark.slow
@pytest.mark.parametrize("case", ["empty objects", "new names in one object", "1,000 rows of strangers"])
def test_no_webhook_stops_the_event_loop(case):
    measured = asyncio.run(measure_webhook(case))
    assert measured.block_s < LONGEST_BLOCK_S


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell a peak that can be reset")
def test_no_answer_takes_more_than_64_mib():
    pairs = [
        ("64 MiB of objects", "public.bulk_status"),
        ("a bomb of zeros", "public.submit_bulk"),
        ("one long text that is an emoji in escapes", "request"),
        ("fields of the wrong form", "smart_agents.get_smart_agent_results"),
        ("new names in objects", "export.export_json"),
    ]
    assert in_new_process(peak_mib, pairs) < MOST_MIB


@pytest.mark.scaled
@pytest.mark.parametrize("case", some(LISTINGS))
def test_hostile_answers_are_as_large_as_may_be_and_no_larger(case):
    body = listing(case, "results", facts.MAX_STATUS_BYTES)
    assert len(body) <= facts.MAX_STATUS_BYTES
    if case not in COUNTED:
        share = max(len(body) / facts.MAX_STATUS_BYTES, most_values(body) / facts.MAX_ANSWER_VALUES)
        assert share > 0.9


# -- what is told of answers that are too large ----------------------------------------------------


def refusal_of(content, status=422):
    async def main():
        async with against(always(json_answer(content, status)), max_retries=0) as (client, server):
            return await outcome_of(client.public.credits_balance()), server.connections

    return asyncio.run(main())


def field_errors(count):
    return [{"loc": ["body", "contacts", place], "msg": "wrong", "type": "value"} for place in range(count)]


@pytest.mark.sockets
@pytest.mark.parametrize(("count", "kept"), [(1, 1), (1_000, 1_000), (1_001, 1_000), (3_000, 1_000)])
def test_the_first_thousand_field_errors_are_kept_and_the_others_counted(count, kept):
    error, _ = refusal_of({"detail": field_errors(count)})
    assert (len(error.field_errors), error.more_field_errors) == (kept, count - kept)
    assert [found.contact_index for found in error.field_errors] == list(range(kept))
    assert f"(and {count - 1:} more)" in str(error) or count == 1


@pytest.mark.sockets
def test_an_error_longer_than_256_kb_is_read_as_far_as_that():
    content = {
        "error": {"code": "insufficient_credits", "problem": "No credits.", "details": ["x" * 99] * 4_000}
    }
    error, _ = refusal_of(content, 400)
    assert (type(error).__name__, error.code, error.problem) == (
        *("InsufficientCreditsError", "insufficient_credits"),
        "No credits.",
    )
    assert 2_000 < len(error.details) < 3_000


@pytest.mark.sockets
async def test_the_rest_of_an_error_that_is_too_long_is_not_waited_for():
    """The connection is closed instead, and the next call has another."""
    whole = json_answer({"detail": "x" * 300_000}, 500)
    script = lambda request, number: whole.cut(-1, "hang") if not number else json_answer({"credits": 3})  # noqa: E731
    async with against(script, max_retries=0) as (client, server):
        error = await outcome_of(client.public.credits_balance())
        balance = await client.public.credits_balance()
    assert (error.status, balance.credits, server.connections) == (500, 3, 2)


@pytest.mark.sockets
@pytest.mark.parametrize("rows", [facts.MAX_STATUS_ROWS, facts.MAX_STATUS_ROWS + 1])
async def test_a_status_holds_a_thousand_rows_at_most(rows):
    content = {"workflow_id": "wf_1", "status": "completed", "results": [{"task_id": "t"}] * rows}

    async with against(always(json_answer(content)), max_retries=0) as (client, _):
        outcome = await outcome_of(client.public.bulk_status(workflow_id="wf_1"))
    if rows == facts.MAX_STATUS_ROWS:
        assert len(outcome.rows) == rows
    else:
        assert type(outcome).__name__ == "MalformedResponseError"


@pytest.mark.sockets
async def test_an_answer_of_too_many_values_is_refused_for_good_and_not_asked_for_again():
    content = {"credits": 1, "x": [0] * facts.MAX_ANSWER_VALUES}

    async with against(always(json_answer(content)), max_retries=4) as (client, server):
        error = await outcome_of(client.request("GET", "/api/v2/folders"))
        requests = len(server.requests)
    assert (type(error).__name__, error.retryable, requests) == ("MalformedResponseError", False, 1)
    assert "values" in str(error)

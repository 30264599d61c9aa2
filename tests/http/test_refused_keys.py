"""One of several keys is refused: it is set aside, and everything goes on with the others."""

import asyncio

import pytest

from cleanlist_async import AuthenticationError
from cleanlist_async.events import KeySetAside
from tests.job.worlds import Bench
from tests.support.virtual_sandbox import check_against_ledger, people

GOOD, BAD = "clapi_good_key", "clapi_bad_key"
heard = []
first_is_bad = pytest.mark.world(api_keys=(BAD, GOOD))
second_is_bad = pytest.mark.world(api_keys=(GOOD, BAD))
either_is_bad = pytest.mark.parametrize(
    "bad",
    [pytest.param("the first", marks=first_is_bad), pytest.param("the second", marks=second_is_bad)],
)


async def call_all(client):
    """Calls of each kind, some of which are bound to one key."""
    return [
        *await asyncio.gather(*(client.public.credits_balance() for _ in range(8))),
        await client.workspace.whoami(),
        await client.request("GET", "/api/v2/whoami"),
        await client.lead_lists.create_list("Conference"),
        await client.enrich_one(people(1)[0]),
    ]


@either_is_bad
async def test_calls_of_all_kinds_go_on_with_the_key_that_is_good(world, bad, caplog):
    world.sandbox.revoke(BAD)
    with caplog.at_level("WARNING", "cleanlist_async"):
        answers = await call_all(world.client.with_options(max_retries=0))
    assert len(answers) == 12
    (line,) = caplog.messages
    assert "401" in line
    assert "other keys in use: 1" in line
    assert BAD not in line


@either_is_bad
async def test_a_run_buys_everything_once_with_the_key_that_is_good(world, bad):
    world.sandbox.revoke(BAD)
    report = await world.client.enrich(people(1_000))
    assert report.stopped_by is None
    check_against_ledger(world, report.results)


@either_is_bad
async def test_a_job_buys_everything_once_with_the_key_that_is_good(world, bad, tmp_path):
    bench = Bench(world, tmp_path, people(40))
    world.sandbox.revoke(BAD)
    report = await bench.run()
    assert report.status.state == "complete"
    bench.check(unknown_at_most=0)


@pytest.mark.slow
@first_is_bad
async def test_a_key_that_is_revoked_in_the_middle_of_a_run_costs_it_nothing(world):
    def revoke(progress):
        if progress.done:
            world.sandbox.revoke(BAD)

    report = await world.client.enrich(people(5_000), progress=revoke)
    assert report.stopped_by is None
    check_against_ledger(world, report.results)


@first_is_bad
async def test_the_last_key_is_never_set_aside(world):
    world.sandbox.revoke(BAD)
    world.sandbox.revoke(GOOD)
    for _ in range(2):
        with pytest.raises(AuthenticationError) as caught:
            await world.client.public.credits_balance()
        assert not caught.value.retryable
    assert len(world.ledger.requests) == 3


@pytest.mark.world(api_keys=(BAD, GOOD), client_options={"on_event": heard.append})
async def test_an_event_tells_of_it_once(world):
    heard.clear()
    world.sandbox.revoke(BAD)
    await call_all(world.client)
    (event,) = [event for event in heard if isinstance(event, KeySetAside)]
    assert event.keys_left == 1

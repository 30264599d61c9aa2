"""Callers share requests: when a batch closes, who rides in it, and what it costs."""

import asyncio
import json
import math
from itertools import pairwise
from random import Random

import anyio
import pytest

from cleanlist_async import AsyncCleanlist, ConfigurationError, Contact, OverloadedError
from cleanlist_async.events.statistics import BatchStatistics
from cleanlist_async.sandbox import Fault
from tests.support.callers import check_nothing_leaks, check_own_results, outcomes, start
from tests.support.virtual_sandbox import open_world, people

SUBMIT = "/enrich/bulk"


def sizes(world):
    return [len(json.loads(body)["contacts"]) for body in world.bodies]


def lognormal(median_s):
    return lambda random: random.lognormvariate(math.log(median_s), 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("median_s", [2.0, 20.0])
async def test_ten_thousand_callers_cost_42_submits_and_55_status_requests_at_most(median_s):
    async with open_world(workflow_s=lognormal(median_s), latency=lambda: 0.05) as world:
        contacts = people(10_000)
        got = await outcomes(start(world, contacts))
        check_own_results(world, contacts, got)
        assert len(world.ledger.contacts) == 10_000
        assert world.submits() <= 42
        assert world.status_requests() <= 55
        assert world.ledger.count(429) == 0
        check_nothing_leaks(world)


@pytest.mark.world(latency=lambda: 0.0)
async def test_a_lone_caller_on_an_idle_client_waits_for_no_window(world):
    for idle_s in (0, 10, 500):
        await anyio.sleep(idle_s)
        asked = asyncio.get_running_loop().time()
        await world.client.enrich_one(people(1, idle_s)[0])
        assert world.ledger.requests_of(SUBMIT)[-1].at == asked
    assert world.client.statistics().enrich_one.queued_p99_s == 0.0


@pytest.mark.slow
@pytest.mark.world(latency=lambda: 0.0)
async def test_while_one_batch_is_paced_new_callers_join_the_next(world):
    tasks = []
    for contact in people(600):
        tasks += start(world, [contact])
        await anyio.sleep(0.02)
    got = await outcomes(tasks)
    check_own_results(world, people(600), got)
    submitted = [request.at for request in world.ledger.requests_of(SUBMIT)]
    assert sizes(world)[0] == 1
    assert len(submitted) <= 12 / (60 / 29) + 2
    assert all(later - earlier >= 60 / 29 for earlier, later in pairwise(submitted))


@pytest.mark.slow
async def test_full_batches_go_at_once_while_there_are_tokens_for_all_of_them(world):
    await outcomes(start(world, people(1_000)))
    assert sizes(world) == [250] * 4
    assert world.ledger.requests_of(SUBMIT)[-1].at < 5


@pytest.mark.slow
async def test_a_burst_leaves_tokens_for_later_callers(world):
    crowd = start(world, people(4_000))
    await anyio.sleep(30)
    assert world.submits() <= 30 / (60 / 29) + 1
    late = start(world, people(1, 9_000))
    assert world.client.statistics().buckets[0].available > 0
    await outcomes([*crowd, *late])


@pytest.mark.world(hit_rate=1.0)
async def test_identical_contacts_share_one_purchase(world):
    contacts = [
        Contact(first_name="Ada", last_name="Lovelace", company_domain="c.example", key=f"row-{n}")
        for n in range(5)
    ]
    got = await outcomes(start(world, contacts[:3]))
    check_own_results(world, contacts[:3], got)
    got += await outcomes(start(world, contacts[3:], enrichment_type="full"))
    assert [one.key for one in got] == [contact.key for contact in contacts]
    assert [one.duplicate_of for one in got] == [None, 0, 0, None, 0]
    assert [accepted.enrichment_type for accepted in world.ledger.contacts] == ["partial", "full"]
    assert sum(one.credits for one in got) == world.ledger.credits_charged == 1 + 11
    statistics = world.client.statistics().enrich_one
    assert (statistics.callers, statistics.shared, statistics.contacts, statistics.batches) == (
        5,
        3,
        2,
        2,
    )
    assert (statistics.mean_batch, statistics.largest_batch) == (1.0, 1)
    check_nothing_leaks(world)


@pytest.mark.world(workflow_s=7.5)
async def test_a_caller_for_a_contact_on_its_way_shares_it_at_any_time(world):
    contact = people(1)[0]
    tasks = []
    for _ in range(8):
        tasks += start(world, [contact])
        await anyio.sleep(1)
    got = await outcomes(tasks)
    assert len({(one.email, one.workflow_id) for one in got}) == 1
    assert len(world.ledger.contacts) == 1
    again = await world.client.enrich_one(contact)
    assert again.duplicate_of is None
    assert len(world.ledger.contacts) == 2  # nothing is remembered of what was handed out


async def test_callers_of_other_types_have_requests_of_their_own(world):
    types = ["partial", "phone_only", "full", "none"]
    tasks = [start(world, people(30), enrichment_type=enrichment_type) for enrichment_type in types]
    for enrichment_type, mine in zip(types, tasks, strict=True):
        got = await outcomes(mine)
        assert {one.enrichment_type for one in got} == {enrichment_type}
    assert sizes(world) == [30] * 4
    assert [json.loads(body)["enrichment_type"] for body in world.bodies] == types


async def test_a_request_is_made_with_the_options_of_its_first_caller(world):
    world.sandbox.add_fault(Fault(SUBMIT, delay_s=10.0))
    hasty = world.client.with_options(request_timeout_s=3.0)
    tasks = [asyncio.ensure_future(hasty.enrich_one(people(1)[0])), *start(world, people(1, 1))]
    await outcomes(tasks)
    assert asyncio.get_running_loop().time() >= 3.0
    assert {type(task.exception()).__name__ for task in tasks} == {"UnknownOutcomeError"}


@pytest.mark.slow
async def test_bytes_are_capped_as_well(world):
    contacts = [
        Contact(linkedin_url=f"https://linkedin.com/in/{n}", company_name="x" * 1_999, email="y" * 1_999,
                first_name="z" * 1_999, last_name="v" * 1_999)
        for n in range(300)
    ]  # fmt: skip
    await outcomes(start(world, contacts))
    assert max(len(body) for body in world.bodies) <= 1_000_000
    assert sum(sizes(world)) == 300
    assert len(sizes(world)) == 3


@pytest.mark.world(client_options={"max_queued": 10})
async def test_too_many_waiting_contacts_are_an_error_of_the_next_caller(world):
    contacts = people(20)
    tasks = start(world, contacts)
    shared = start(world, contacts[:1])
    got = await outcomes([*tasks, *shared])
    refused = got[10:20]
    assert all(isinstance(one, OverloadedError) for one in refused)
    assert {(error.billed, error.retryable, error.retry_after_s) for error in refused} == {("no", True, 4.0)}
    assert "Ada" not in str(refused[0])
    assert len(world.ledger.contacts) == 10
    assert got[20].duplicate_of == 0
    assert world.client.statistics().enrich_one.overloaded == 10
    await world.client.enrich_one(contacts[19])
    check_nothing_leaks(world)


@pytest.mark.slow
async def test_a_caller_that_could_not_be_answered_in_time_is_refused_and_not_bought(world):
    got = await outcomes(start(world, people(10_000), deadline_s=60))
    refused = [one for one in got if isinstance(one, OverloadedError)]
    answered = [one for one in got if not isinstance(one, Exception)]
    assert len(refused) > 5_000
    assert len(answered) > 2_500
    assert len(world.ledger.contacts) <= len(answered) + 1_000
    assert {error.retry_after_s <= 64 for error in refused} == {True}
    await world.client.enrich_one(people(1)[0], deadline_s=60)  # an idle client refuses nobody


@pytest.mark.slow
async def test_a_bulk_run_beside_it_does_not_make_callers_wait(world):
    async with world.client.stream(people(12_000, 1_000)) as stream:
        await anyio.sleep(90)
        asked = world.client._runtime.pipeline.limiter.clock()
        await world.client.enrich_one(people(1)[0])
        assert world.client._runtime.pipeline.limiter.clock() - asked < 60
        assert not stream.stopped_by
    assert world.ledger.count(429) == 0


@pytest.mark.slow
async def test_two_keys_double_the_pace():
    submits = []
    for keys in (["clapi_one"], ["clapi_one", "clapi_two"]):
        rng = Random(0)
        tasks = []
        async with open_world(api_keys=keys, workflow_s=60.0) as world:
            for contact in people(300):
                tasks += start(world, [contact])
                await anyio.sleep(rng.uniform(0, 0.2))
            await outcomes(tasks)
        assert world.ledger.count(429) == 0
        submits.append(world.submits())

    one, two = submits
    assert two >= 2 * one


async def test_statistics_are_zero_before_and_cost_no_import(world):
    idle = world.client.statistics().enrich_one
    assert idle == BatchStatistics()
    assert idle.mean_batch == 0.0
    for bad in (0, -1, "5", None):
        with pytest.raises(ConfigurationError):
            AsyncCleanlist("clapi_x", max_queued=bad)


@pytest.mark.slow
async def test_the_waits_of_callers_are_in_the_statistics(world):
    await outcomes(start(world, people(600)))
    told = world.client.statistics().enrich_one
    assert (told.callers, told.contacts, told.batches, told.largest_batch) == (600, 600, 3, 250)
    assert told.mean_batch == 200
    assert 0 < told.queued_p50_s <= told.queued_p99_s < told.answered_p50_s <= told.answered_p99_s < 20

"""Callers of `enrich_one`, and what came of each."""

import asyncio
import contextlib
from random import Random

import anyio

from cleanlist_async import CleanlistError
from tests.support.virtual_sandbox import check_against_ledger, people

PATIENT_S = 3_600.0


def start(world, contacts, **options):
    """One task for each contact, all of them in line."""
    options = {"deadline_s": PATIENT_S, **options}
    return [asyncio.ensure_future(world.client.enrich_one(contact, **options)) for contact in contacts]


async def outcomes(tasks):
    """What each caller got: a result, the error it raised, or None if it was cancelled."""
    got = await asyncio.gather(*tasks, return_exceptions=True)
    for one in got:
        if isinstance(one, BaseException) and not isinstance(one, CleanlistError | asyncio.CancelledError):
            raise one
    return [None if isinstance(one, asyncio.CancelledError) else one for one in got]


async def cancel(*tasks):
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


def check_own_results(world, contacts, got, enrichment_type="partial"):
    """Every result is its caller's own, as the server has it, and nobody was bought twice."""
    results = []
    for contact, one in zip(contacts, got, strict=True):
        if one is not None and not isinstance(one, CleanlistError):
            assert (one.contact, one.key, one.index) == (contact, contact.key, 0)
            results.append(one)
    check_against_ledger(world, results, enrichment_type)


async def come_and_go(world, seed, count=1_000):
    """Let *count* callers come who stay, and as many who are cancelled at random instants.

    Half of those who left come again. Returns the contacts (of those who stay at even places), what each
    caller got, and how many were cancelled.
    """
    rng, contacts, cancelled = Random(seed), people(2 * count), 0

    async def come(contact):
        await anyio.sleep(rng.uniform(0, 20))
        return await world.client.enrich_one(contact, deadline_s=PATIENT_S)

    async def come_and_leave(contact):
        nonlocal cancelled
        await anyio.sleep(rng.uniform(0, 20))
        with anyio.move_on_after(rng.choice([0, 0.05, 0.1, rng.uniform(0, 30)])):
            return await world.client.enrich_one(contact, deadline_s=PATIENT_S)
        cancelled += 1
        if rng.random() < 0.5:
            return None
        return await come(contact)  # as one whose connection broke does

    visits = [come, come_and_leave] * count
    tasks = [asyncio.ensure_future(visit(one)) for visit, one in zip(visits, contacts, strict=True)]
    got = await outcomes(tasks)
    await world.client.drain()
    await anyio.sleep(120)  # until every token has come back
    return contacts, got, cancelled


def leaks(world):
    """Who is still in line, and what is still out, on the wire or remembered."""
    statistics, batcher = world.client.statistics(), world.client._runtime.batcher
    counts = {
        "waiting": statistics.waiting,
        "waiting in enrich_one": statistics.enrich_one.waiting,
        "tokens": sum(bucket.in_flight for bucket in statistics.buckets),
        "waiting in the limiter": world.client._runtime.pipeline.limiter.waiting(),
        "batches on the wire": len(batcher._under_way),
        "next batches": sum(lane.next_batch is not None for lane in batcher._lanes._lanes.values()),
        "callers": batcher._callers,
    }
    return {what: count for what, count in counts.items() if count}


def check_nothing_leaks(world):
    """Nobody is in line, no token is out, nothing is on the wire, and nothing is remembered."""
    assert leaks(world) == {}

"""Callers of `enrich_one`, and what came of each."""

from __future__ import annotations

import asyncio
import contextlib

from cleanlist_async import CleanlistError
from tests.support.virtual_sandbox import check_against_ledger

PATIENT_S = 3_600.0


def start(here, contacts, **options):
    """One task for each contact, all of them in line."""
    options = {"deadline_s": PATIENT_S, **options}
    return [asyncio.ensure_future(here.client.enrich_one(contact, **options)) for contact in contacts]


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


def check_own_results(here, contacts, got, enrichment_type="partial"):
    """Every result is its caller's own, as the server has it, and nobody was bought twice."""
    results = []
    for contact, one in zip(contacts, got, strict=True):
        if one is not None and not isinstance(one, CleanlistError):
            assert (one.contact, one.key, one.index) == (contact, contact.key, 0)
            results.append(one)
    check_against_ledger(here, results, enrichment_type)


def check_nothing_leaks(here):
    """Nobody is in line, no token is out, nothing is on the wire, and nothing is remembered."""
    statistics = here.client.statistics()
    assert statistics.waiting == 0
    assert statistics.enrich_one.waiting == 0
    assert [bucket.in_flight for bucket in statistics.buckets] == [0] * len(statistics.buckets)
    assert here.client._pipeline.limiter.waiting() == 0
    batcher = here.client._batcher()
    assert not batcher._under_way
    assert batcher._callers == 0
    assert all(lane.next_batch is None for lane in batcher._lanes.values())

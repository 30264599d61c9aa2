"""The cache of results: what one job bought, no other one buys."""

from collections import Counter

import pytest

from cleanlist_async import (
    UnknownOutcomeError,
)
from cleanlist_async.sandbox import Fault, Shape
from tests.job.worlds import SUBMIT, Bench, people, states, total


@pytest.mark.slow
async def test_what_was_bought_is_not_bought_again(world, tmp_path, monkeypatch):
    cache = tmp_path / "results.cache"
    first = Bench(world, tmp_path, people(20), cache=cache)
    bought = {r.contact: r for r in await first.results()}
    spent, submits = world.ledger.credits_charged, world.submits()
    (tmp_path / "2").mkdir()
    second = Bench(world, tmp_path / "2", people(30, 10), cache=cache)
    found = {r.contact: r for r in await second.results()}
    assert len(world.ledger.contacts) == 40
    for contact in people(10, 10):
        old, new = bought[contact], found[contact]
        assert (new.email, new.status, new.credits) == (old.email, old.status, 0)
    async with await second.open() as job:
        rules = Counter([r.rule async for r in job.receipts()])
        assert rules["cache"] == 10
        assert await total(job) == world.ledger.credits_charged - spent
        assert world.submits() == submits + 4
    assert not world.ledger.duplicates()
    assert second.path.exists()

    (tmp_path / "3").mkdir()
    other = Bench(world, tmp_path / "3", people(5), cache=cache, enrichment_type="full")
    assert {r.rule for r in await _receipts(other)} <= {"charged", "price list", "none"}

    now = __import__("time").time()
    monkeypatch.setattr("cleanlist_async.job.cache.time.time", lambda: now + 3 * 86_400)
    (tmp_path / "4").mkdir()
    late = Bench(world, tmp_path / "4", people(5), cache=cache, cache_ttl_s=2 * 86_400.0)
    assert "cache" not in {r.rule for r in await _receipts(late)}


async def _receipts(bench):
    await bench.run()
    async with await bench.open() as job:
        return [receipt async for receipt in job.receipts()]


async def test_a_cache_names_no_person_and_purge_empties_it(world, tmp_path):
    cache = tmp_path / "results.cache"
    bench = Bench(world, tmp_path, people(20), cache=cache)
    results = await bench.results()
    data = cache.read_bytes()
    assert cache.stat().st_mode & 0o777 == 0o600
    assert world.sandbox.api_key.encode() not in data
    assert b"Lovelace" not in data.replace(b"lovelace", b"")
    assert any(r.email and r.email.encode() in data for r in results)
    async with await bench.open() as job:
        await job.purge()
    data = cache.read_bytes()
    assert not any(r.email and r.email.encode() in data for r in results)


async def test_a_cached_chunk_sends_nothing_at_all(world, tmp_path):
    cache = tmp_path / "results.cache"
    await Bench(world, tmp_path, people(20), cache=cache).run()
    requests = len(world.ledger.requests)
    (tmp_path / "2").mkdir()
    bench = Bench(world, tmp_path / "2", people(20), cache=cache)
    results = await bench.results()
    assert len(world.ledger.requests) == requests
    assert sorted(r.index for r in results) == list(range(20))
    assert states(bench.path) == ["done"] * 4
    async with await bench.open(max_credits=0) as job:
        assert await job.verify() == []


@pytest.mark.world(shape=Shape(unfinished_rows=0.5, unfinished_s=6_000))
async def test_a_pilot_counts_only_what_is_settled(world, tmp_path):
    bench = Bench(world, tmp_path, people(40))
    async with await bench.open() as job:
        pilot = await job.pilot(20)
        results = (await job.status()).results
    assert results["pending"] > 0
    assert pilot.contacts == sum(results.values()) - results["pending"]
    assert pilot.hit_rate == results["found"] / pilot.contacts


async def test_a_pilot_whose_outcome_is_unknown_says_so(world, tmp_path):
    bench = Bench(world, tmp_path, people(40))
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    async with await bench.open() as job:
        for _ in range(2):
            with pytest.raises(UnknownOutcomeError, match="resolve"):
                await job.pilot(5)
        await job.resolve((await job.unknown())[0].number, accepted=world.ledger.contacts[0].workflow_id)
        assert (await job.pilot(5)).contacts == 5
    assert world.submits() == 1

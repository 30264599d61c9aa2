"""What must not grow with the job: the cost of a look at it, and the memory of a walk through its input."""

from __future__ import annotations

import gc

import anyio
import anyio.lowlevel
import pytest

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.job.planning import PlannedChunk, Walk
from tests.job.worlds import Bench, chunks_of, edit, people, query


def counted(path):
    return dict(query(path, "SELECT status, count(*) FROM results GROUP BY status"))


async def test_status_counts_every_result_and_reads_none(world, tmp_path):
    bench = Bench(world, tmp_path, [*people(23), *people(3)])
    await bench.run()
    async with await bench.open() as job:
        statements = []
        job._journal._db._connection.set_trace_callback(statements.append)
        status = await job.status()
        job._journal._db._connection.set_trace_callback(None)
    assert dict(status.results) == counted(bench.path)
    assert status.settled == 23
    assert statements
    assert not [statement for statement in statements if "FROM results" in statement]


async def test_results_that_are_written_twice_count_once(world, tmp_path):
    bench = Bench(world, tmp_path, people(10), cache=tmp_path / "cache")
    await bench.run()
    again = Bench(world, tmp_path / "again", people(12), cache=tmp_path / "cache")
    again.path.parent.mkdir()
    report = await again.run()
    async with await again.open() as job:
        chunk = job._journal.chunk(1)
        stored = job._journal.results_of(chunk, dict(enumerate(people(12))))
        job._journal.known_already(1, stored, cached=True)
        assert dict((await job.status()).results) == dict(report.status.results) == counted(again.path)
        assert await job.verify() == []


async def test_verify_finds_a_wrong_count(world, tmp_path):
    bench = Bench(world, tmp_path, people(10))
    await bench.run()
    async with await bench.open() as job:
        edit(bench.path, "UPDATE tallies SET results = results + 1 WHERE chunk = 2")
        edit(bench.path, "DELETE FROM tallies WHERE chunk = 1")
        wrong = "has other results than it counts."
        assert (await job.verify())[:2] == [f"Chunk 1 {wrong}", f"Chunk 2 {wrong}"]


@pytest.mark.slow
async def test_the_reason_of_many_invalid_contacts_is_written_down_once(world, tmp_path):
    given = [*people(5), *[{"first_name": "Ada"}] * 20_000, {"last_name": "Lovelace", "colour": "red"}]
    bench = Bench(world, tmp_path, given, chunk=250)
    async with await bench.open() as job:
        plan = await job.plan()
    assert plan.invalid == 20_001
    assert next(reason for _, reason in plan.invalid_contacts).startswith("needs ")
    assert len(query(bench.path, "SELECT 1 FROM reasons")) == 2
    assert bench.path.stat().st_size < 20_001 * 20 + 100_000


def prepared_alive() -> int:
    gc.collect()
    return sum(type(thing) is Prepared for thing in gc.get_objects())


@pytest.mark.slow
async def test_a_walk_holds_one_chunk_at_a_time(world, tmp_path):
    bench = Bench(world, tmp_path, people(100), chunk=10)
    async with await bench.open() as job:
        batches, most, others = 0, 0, prepared_alive()
        for step in Walk(job._journal, job._header, job._source):
            batches += isinstance(step, PlannedChunk)
            most = max(most, prepared_alive() - others)
    assert batches == 10
    assert most <= 20


@pytest.mark.slow
async def test_others_run_while_a_long_input_is_compared(world, tmp_path):
    given = [*people(3_000), *[{"first_name": "Ada"}] * 8_000]
    bench = Bench(world, tmp_path, given, chunk=250)
    await (await bench.open()).aclose()
    turns = 0

    async def count_turns():
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(count_turns)
        with chunks_of(250):
            job = await bench.open()
        await job.aclose()
        group.cancel_scope.cancel()
    assert turns >= 12 + 6
